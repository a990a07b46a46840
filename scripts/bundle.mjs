// Bundles the command, `trace`, `run` and `analyze` alone, and the tracing thread into one CommonJS file each, from what tsc has built, and the report's page.
// Why: docs/decisions/start-up.md. The library stays the ES modules that tsc writes.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import module from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');

const bundle = join(dist, 'bundle');
const options = {
  outdir: bundle,
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  minifySyntax: true,
  minifyWhitespace: true,
  // What most runs do not need is loaded from its own package when it is.
  external: ['ajv', 'ajv/*'],
  define: {
    'import.meta.url': 'importMetaUrl',
    KOFFI_VERSION: JSON.stringify(versionOf('koffi')),
    CALLGATE_CODE: JSON.stringify(digestOf(['base', 'abi', 'elf', 'analyze'])),
    CALLGATE_METHODS: JSON.stringify(
      digestOf(['base', 'abi', 'elf', 'unwind', 'profile', 'import', 'sys', 'trace', 'analyze']),
    ),
  },
  banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
  // Code that is loaded with its cache cannot import, only require.
  supported: { 'dynamic-import': false },
  logLevel: 'warning',
};

function versionOf(name) {
  return JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')).version;
}

/** Digest of what tsc has built of some folders: results of static analysis, and of studies, are kept for that code alone. */
function digestOf(folders) {
  const hash = createHash('sha256');
  for (const folder of folders) {
    for (const name of readdirSync(join(dist, folder), { recursive: true }).sort(byText)) {
      if (name.endsWith('.js'))
        hash.update(`${folder}/${name}\0`).update(readFileSync(join(dist, folder, name)));
    }
  }
  return hash.digest('hex').slice(0, 32);
}

/** Puts the loader in the place of a module that is a bundle of its own. */
const loader = {
  name: 'loader',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.\/main\.js$/ }, () => ({ path: 'command', namespace: 'bundle' }));
    onResolve({ filter: /^\.\/(?:trace|run|analyze)-main\.js$/ }, ({ path }) => ({
      path: path.slice(2, -8),
      namespace: 'bundle',
    }));
    onResolve({ filter: /^bundle:/ }, ({ path }) => ({ path: path.slice(7), namespace: 'bundle' }));
    onLoad({ filter: /.*/, namespace: 'bundle' }, ({ path }) => ({
      contents: `module.exports = require('./scripts/bundle-loader.cjs').loadBundle(__dirname, '${path}').exports;`,
      resolveDir: root,
    }));
  },
};

/** Puts the native part of koffi in koffi's place. */
const nativeKoffi = {
  name: 'native-koffi',
  setup({ onResolve }) {
    const path = join(root, 'scripts', 'native-koffi.cjs');
    onResolve({ filter: /^koffi$/ }, ({ importer }) =>
      importer === path ? { path: 'koffi', external: true } : { path },
    );
  },
};

/** Takes YAML into the bundles, where its code is stored as well; the library loads it from its package when it is used. */
const bundledYaml = {
  name: 'bundled-yaml',
  setup({ onLoad }) {
    onLoad({ filter: /\/dist\/policy\/read-text\.js$/ }, ({ path }) => {
      const source = readFileSync(path, 'utf8');
      const load = "createRequire(import.meta.url)('yaml')";
      if (!source.includes(load)) throw new Error(`${path}: does not load YAML as it did`);
      return { contents: source.replace(load, "require('yaml')") };
    });
  },
};

await build({
  ...options,
  plugins: [nativeKoffi, bundledYaml],
  entryPoints: {
    command: join(dist, 'cli', 'main.js'),
    trace: join(dist, 'cli', 'trace-main.js'),
    run: join(dist, 'cli', 'run-main.js'),
    analyze: join(dist, 'cli', 'analyze-main.js'),
    tracing: join(dist, 'trace', 'worker.js'),
    analyzing: join(dist, 'analyze', 'pool', 'worker.js'),
  },
});
await build({ ...options, entryPoints: { main: join(dist, 'cli', 'entry.js') }, plugins: [loader] });
await build({
  ...options,
  entryPoints: { worker: 'bundle:tracing', analyzer: 'bundle:analyzing' },
  plugins: [loader],
});
/** What is traced for its sake. It makes calls enough for all that a method does: the filter of `adaptive` comes after some hundred. */
const PROGRAM = ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=1', 'count=1000', 'status=none'];

for (const name of ['command', 'trace', 'run', 'analyze', 'tracing']) loadLate(name);
for (const name of ['command', 'analyze', 'trace', 'run', 'tracing', 'analyzing']) storeCode(name);

/** Has a bundle load some modules of Node's once they are used: each takes a millisecond, and few commands use them. */
function loadLate(name) {
  const filename = join(bundle, `${name}.cjs`);
  const source = readFileSync(filename, 'latin1');
  const late =
    /=require\("(node:(?:child_process|crypto|fs\/promises|net|stream\/consumers|tty|worker_threads))"\)/g;
  if (!late.test(source))
    throw new Error(`${name}: no module is loaded late, the bundler must have changed how it writes them`);
  const lazy = 'const lateModule = (name) => new Proxy({}, { get: (_, key) => require(name)[key] });';
  writeFileSync(filename, `${lazy}\n${source.replace(late, '=lateModule("$1")')}`, 'latin1');
}

/** Stores the code of a bundle as it is after a first use, which takes a process of its own: what was used before is all that counts. */
function storeCode(name) {
  rmSync(join(bundle, `${name}.cache`), { force: true });
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(root, 'scripts', 'store-code.mjs'), name, ...PROGRAM],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
      timeout: 120_000,
    },
  );
  const stored = join(bundle, `${name}.cache`);
  if (status !== 0 || !existsSync(stored)) throw new Error(`no code of ${name}: ${status} ${stderr}`);
  const filename = join(bundle, `${name}.cjs`);
  const source = module.wrap(readFileSync(filename, 'latin1'));
  const script = new Script(source, { filename, cachedData: readFileSync(stored) });
  if (script.cachedDataRejected)
    throw new Error(`the stored code of ${name} is refused: it was stored under other flags`);
}

// Drawing takes libraries that only the command itself needs, and only for a study.
await build({
  entryPoints: { figures: join(dist, 'report', 'study-figures.js') },
  outdir: join(dist, 'bundle'),
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  minify: true,
  external: ['canvas'],
  legalComments: 'linked',
  logLevel: 'warning',
});

// What a report shows itself with: from source, as it is for browsers and no part of the library.
const { metafile } = await build({
  entryPoints: { page: join(root, 'src', 'page', 'main.tsx'), style: join(root, 'src', 'page', 'style.css') },
  outdir: join(dist, 'page'),
  bundle: true,
  platform: 'browser',
  target: ['chrome123', 'firefox128', 'safari17.5'],
  format: 'iife',
  minify: true,
  legalComments: 'none',
  charset: 'utf8',
  metafile: true,
  logLevel: 'warning',
});
writeFileSync(join(dist, 'page', 'licences.txt'), licencesOf(Object.keys(metafile.inputs)));

/** Names and licences of the packages that files come from: each copy of them is to have these with it. */
function licencesOf(files) {
  const packages = files.flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []);
  return [...new Set(packages)]
    .sort((a, b) => (a < b ? -1 : 1))
    .map((name) => {
      const directory = join(root, 'node_modules', name);
      const { version, license } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
      const file = readdirSync(directory).find((entry) => /^licen[cs]e/i.test(entry));
      const text = file === undefined ? license : readFileSync(join(directory, file), 'utf8').trim();
      return `${name} ${version}\n\n${text}\n`;
    })
    .join('\n');
}

function byText(a, b) {
  return a < b ? -1 : Number(a > b);
}
