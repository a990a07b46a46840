// Bundles the command and the tracing thread into one CommonJS file each, from what tsc has built.
// Why: docs/decisions/start-up.md. The library stays the ES modules that tsc writes.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const dist = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist');

await build({
  entryPoints: { main: join(dist, 'cli', 'entry.js'), worker: join(dist, 'trace', 'worker.js') },
  outdir: join(dist, 'bundle'),
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  minifySyntax: true,
  minifyWhitespace: true,
  // What most runs do not need is loaded from its own package when it is.
  external: ['koffi', 'ajv', 'ajv/*', 'yaml'],
  define: { 'import.meta.url': 'importMetaUrl' },
  banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
  logLevel: 'warning',
});
