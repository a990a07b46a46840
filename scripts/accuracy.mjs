// How right is callgate analyze? Measures it on this machine and writes docs/accuracy.md.
//   npm run accuracy [-- --only PART[,PART]] [--programs NAME[,NAME]] [--rounds N] [--fresh] [--data DIR]
// Parts: figures (sizes, times, memory), calls (traces against the analysis), code (callgrind against the analysis), enforced
// (workloads under the static policy), suites (tests of sqlite3 and redis, the same), sweep (all executables), page (only write).
// What was measured is kept in callgate-accuracy/ and not measured again, so that a stopped run goes on where it was; --fresh
// measures the chosen parts anew. What rests on a profile alone (calls, enforced, suites) still holds as long as the analysis gives that. Times again, on a quiet machine: npm run accuracy -- --only figures --fresh
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { cpus, release } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { accuracyPage } from './accuracy-page.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { libraryOptions, loadWorkload, workloadFile, workloadNames } = await import(
  join(root, 'dist', 'study', 'workload', 'load.js')
);

/** Parts by name: what they are measured for, and the script that measures one, which writes JSON to a file. */
const PARTS = {
  figures: {
    of: programs,
    command: (name, file) => [
      'bench-analyze.mjs',
      programOf(name),
      `--rounds=${values.rounds}`,
      `--json=${file}`,
    ],
  },
  calls: { of: programs, basis: profileDigest, command: (name, file) => soundness(name, file) },
  code: { of: programs, command: (name, file) => soundness(name, file, '--code') },
  enforced: {
    of: programs,
    basis: profileDigest,
    command: (name, file) => soundness(name, file, '--enforce', 'static'),
  },
  suites: {
    of: () => ['sqlite3', 'redis'],
    basis: (name) => profileDigest(name === 'redis' ? 'redis-server' : name),
    command: (name, file) => ['test-suites.mjs', name, '--work', join(data, 'suites-work'), '--json', file],
  },
  sweep: { of: () => ['all'], command: (_, file) => ['bench-analyze.mjs', '--all', `--json=${file}`] },
};

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(PARTS).join(',') },
    programs: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    fresh: { type: 'boolean', default: false },
    data: { type: 'string', default: join(root, 'callgate-accuracy') },
    output: { type: 'string', short: 'o', default: join(root, 'docs', 'accuracy.md') },
  },
});
const data = resolve(values.data);
const digests = new Map();
const build = buildOf('analyze', 'elf', 'abi');
const wanted = values.only.split(',').filter((part) => part !== 'page');
for (const part of wanted) {
  if (PARTS[part] === undefined) {
    fail(`accuracy: unknown part, ${part} (${Object.keys(PARTS).join(', ')}, page)`);
  }
}
for (const name of values.programs?.split(',') ?? []) {
  if (!workloadNames(join(root, 'workloads')).includes(name)) {
    fail(`accuracy: no workload for ${name} (${programs().join(', ')})`);
  }
}
for (const part of wanted) {
  for (const name of chosen(part)) measure(part, name);
}
writeFileSync(values.output, accuracyPage(collect()));
say(`wrote ${values.output}`);

/** Programs in the order of the page: tools, then servers and what else is large. */
function programs() {
  const order =
    'ls cat sort find tar gzip sqlite3 redis-server nginx memcached lighttpd dnsmasq bash dash git curl ssh-keygen python3'.split(
      ' ',
    );
  return [...order, ...workloadNames(join(root, 'workloads')).filter((name) => !order.includes(name))];
}

function programOf(name) {
  return realpathSync(loadWorkload(workloadFile(join(root, 'workloads'), name)).program);
}

function soundness(name, file, ...options) {
  return ['soundness.mjs', name, '--work', join(data, 'soundness-work'), ...options, '--json', file];
}

function chosen(part) {
  const all = PARTS[part].of();
  const names = values.programs?.split(',');
  return names === undefined || PARTS[part].of !== programs
    ? all
    : all.filter((name) => names.includes(name));
}

/** Measures one thing unless it is there already. What is bad about it is a result, and no failure of the script. */
function measure(part, name) {
  const file = join(data, part, `${name}.json`);
  if (existsSync(file) && !values.fresh) return;
  mkdirSync(dirname(file), { recursive: true });
  const output = `${file}.new`;
  rmSync(output, { force: true });
  say(`${part} of ${name}`);
  const [script, ...args] = PARTS[part].command(name, output);
  const began = Date.now();
  const { status, signal } = spawnSync(process.execPath, [join(root, 'scripts', script), ...args], {
    stdio: ['ignore', 2, 2],
  });
  if (!existsSync(output)) {
    process.exitCode = 1;
    say(`${part} of ${name}: no result (${script} ended with ${signal ?? status})`);
    return;
  }
  const result = JSON.parse(readFileSync(output, 'utf8'));
  const seconds = Math.round((Date.now() - began) / 1000);
  writeFileSync(
    file,
    `${JSON.stringify({ measured: new Date().toISOString(), build, basis: PARTS[part].basis?.(name), seconds, result }, null, 2)}\n`,
  );
  rmSync(output);
}

/** All that was measured, by part and name, and what it was measured on. */
function collect() {
  const parts = {};
  for (const [part, { of, basis }] of Object.entries(PARTS)) {
    parts[part] = {};
    for (const name of of()) {
      const file = join(data, part, `${name}.json`);
      if (!existsSync(file)) continue;
      const result = JSON.parse(readFileSync(file, 'utf8'));
      const holds = result.build === build || (basis !== undefined && result.basis === basis(name));
      parts[part][name] = { ...result, isStale: !holds };
    }
  }
  return { programs: programs(), parts, machine: machine() };
}

/** Digest of the calls that the analysis gives a program: by phase, with their arguments, and what it leaves open. */
function profileDigest(name) {
  let digest = digests.get(name);
  if (digest !== undefined) return digest;
  const workload = loadWorkload(workloadFile(join(root, 'workloads'), name));
  const file = join(data, 'profile.json');
  const args = ['analyze', '-q', ...libraryOptions(workload), '-o', file, programOf(name)];
  const { status } = spawnSync(join(root, 'bin', 'callgate'), args, { stdio: ['ignore', 'ignore', 2] });
  digest = status === 0 ? digestOf(JSON.parse(readFileSync(file, 'utf8'))) : `failed ${Date.now()}`;
  rmSync(file, { force: true });
  digests.set(name, digest);
  return digest;
}

function digestOf({ phases, programs: [program] }) {
  const calls = program.calls.map(({ arch, nr, phases: of, args }) => [arch, nr, of, args]);
  const open = program.analysis.unresolved.map(({ object, address, kind }) => [object, address, kind]);
  const text = JSON.stringify([phases.map(({ trigger }) => trigger), calls, open]);
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

function machine() {
  const system = /PRETTY_NAME="(.*)"/.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux';
  const libc = spawnSync('getconf', ['GNU_LIBC_VERSION'], { encoding: 'utf8' }).stdout?.trim() ?? '';
  return `${system}, ${libc}, kernel ${release().replace(/-.*/, '')}, Node ${process.versions.node}, ${cpus().length} processors`;
}

/** Identity of the compiled code of some folders: results of another build are told apart on the page. */
function buildOf(...folders) {
  const hash = createHash('sha256');
  for (const folder of folders) {
    const files = readdirSync(join(root, 'dist', folder), { recursive: true });
    for (const file of files.filter((each) => each.endsWith('.js')).sort(byText)) {
      hash.update(`${folder}/${file}\0`).update(readFileSync(join(root, 'dist', folder, file)));
    }
  }
  return hash.digest('hex').slice(0, 12);
}

function byText(a, b) {
  return a < b ? -1 : Number(a > b);
}

function say(text) {
  process.stderr.write(`accuracy: ${text}\n`);
}

function fail(text) {
  process.stderr.write(`${text}\n`);
  process.exit(2);
}
