// Compiles what checks profiles and policies against their schemas, and puts it in the place of the modules that would do so when callgate runs.
// Why: docs/decisions/start-up.md.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import standalone from 'ajv/dist/standalone/index.js';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

for (const kind of ['profile', 'policy']) {
  const schemas = await import(join(root, 'dist', kind, 'schema.js'));
  const ajv = new Ajv2020({ allErrors: true, verbose: true, strictTypes: false, code: { source: true } });
  const code = standalone.default(ajv, ajv.compile(schemas[`${kind}Schema`]()));
  const compiled = {
    name: 'compiled',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^compiled$/ }, ({ path }) => ({ path, namespace: 'compiled' }));
      onLoad({ filter: /.*/, namespace: 'compiled' }, () => ({ contents: code, resolveDir: root }));
    },
  };
  await build({
    stdin: {
      contents: "import validate from 'compiled';\nexport const compileValidator = () => validate;",
      resolveDir: root,
    },
    outfile: join(root, 'dist', kind, 'validator.js'),
    plugins: [compiled],
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    minifySyntax: true,
    minifyWhitespace: true,
    logLevel: 'warning',
  });
}
