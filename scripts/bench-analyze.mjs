// Measures callgate analyze: sizes, time with and without cache, memory, and time against objdump -d over the same objects, in turns.
//   node scripts/bench-analyze.mjs [PATH]... [--rounds=N] [--json=FILE]
// --all analyses every executable of /usr/bin and /usr/sbin instead: how many, crashes, unresolved sites by kind, slowest.
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const callgate = join(dirname(dirname(fileURLToPath(import.meta.url))), 'bin', 'callgate');
const PROGRAMS = [
  '/usr/bin/ls',
  '/usr/bin/sqlite3',
  '/usr/bin/redis-server',
  '/usr/sbin/nginx',
  '/usr/bin/memcached',
  '/usr/sbin/lighttpd',
];
const rounds = Number(process.argv.find((arg) => arg.startsWith('--rounds='))?.slice(9) ?? 5);
const paths = process.argv.slice(2).filter((arg) => arg.startsWith('/'));
const json = process.argv.find((arg) => arg.startsWith('--json='))?.slice(7);
const scratch = mkdtempSync(join(tmpdir(), 'callgate-bench-analyze-'));
try {
  const results = process.argv.includes('--all') ? sweep() : table(paths.length === 0 ? PROGRAMS : paths);
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(results, null, 2)}\n`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** Prints a row for each program; gives the same as data, times in seconds and memory in MB. */
function table(programs) {
  const results = [];
  console.log(
    'program        whole  from main  main phase  cold s  objdump s  ratio  phases s  warm s  peak MB',
  );
  for (const path of programs) {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) {
      console.log(`${basename(path).padEnd(14)} is not installed`);
      continue;
    }
    const whole = analyze(path, []);
    const main = analyze(path, ['--from-main']);
    if (whole.profile === null || main.profile === null) {
      console.log(`${basename(path).padEnd(14)} ${whole.error ?? main.error}`);
      results.push({ path, error: whole.error ?? main.error });
      continue;
    }
    const objects = whole.profile.programs[0].analysis.objects
      .map((object) => object.path)
      .filter((object) => object.startsWith('/'));
    const cold = [];
    const dump = [];
    const phased = [];
    const warm = [];
    let peak = 0;
    for (let round = 0; round < rounds; round++) {
      cold.push(analyze(path, ['--no-cache', '--phases', 'none']).seconds);
      const one = analyze(path, ['--no-cache']);
      phased.push(one.seconds);
      peak = Math.max(peak, one.peak);
      const began = process.hrtime.bigint();
      spawnSync('objdump', ['-d', ...objects], { stdio: 'ignore' });
      dump.push(Number(process.hrtime.bigint() - began) / 1e9);
      warm.push(analyze(path, []).seconds);
    }
    const fields = [
      basename(path).padEnd(14),
      String(count(whole)).padStart(5),
      String(count(main)).padStart(10),
      (whole.profile.phases.length > 1 ? String(count(whole, 1)) : '-').padStart(11),
      median(cold).toFixed(2).padStart(7),
      median(dump).toFixed(2).padStart(10),
      (median(cold) / median(dump)).toFixed(2).padStart(6),
      median(phased).toFixed(2).padStart(9),
      median(warm).toFixed(2).padStart(7),
      peak.toFixed(0).padStart(8),
    ];
    console.log(fields.join(' '));
    results.push({
      path,
      error: null,
      whole: count(whole),
      fromMain: count(main),
      phases: whole.profile.phases.map(({ name }, index) => ({ name, calls: count(whole, index) })),
      unresolved: kindsOf(whole),
      cold: median(cold),
      objdump: median(dump),
      warm: median(warm),
      rounds,
      peak,
    });
  }
  return results;
}

/** Analyses all executables; prints and gives what came of it. */
function sweep() {
  const files = new Set();
  for (const directory of ['/usr/bin', '/usr/sbin']) {
    for (const name of readdirSync(directory)) {
      const path = join(directory, name);
      const status = statSync(path, { throwIfNoEntry: false });
      if (status?.isFile() && (status.mode & 0o111) !== 0 && isElf(path)) files.add(realpathSync(path));
    }
  }
  const kinds = new Map();
  const counts = new Map();
  const sets = [];
  const times = [];
  const failures = [];
  let open = 0;
  for (const path of [...files].sort(byText)) {
    const result = analyze(path, []);
    const { profile, seconds, error } = result;
    if (profile === null) {
      failures.push(`${path}: ${error}`);
      continue;
    }
    times.push([seconds, path]);
    sets.push(count(result));
    const own = kindsOf(result);
    if (Object.keys(own).length > 0) open++;
    for (const [kind, each] of Object.entries(own)) {
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      counts.set(kind, (counts.get(kind) ?? 0) + each);
    }
  }
  console.log(`${files.size} executables, ${times.length} analysed, ${failures.length} not`);
  for (const failure of failures) console.log(`  ${failure}`);
  console.log(
    `${open} with unresolved sites: ${[...kinds]
      .sort(([a], [b]) => byText(a, b))
      .map(([kind, each]) => `${kind} in ${each}`)
      .join(', ')}`,
  );
  times.sort((a, b) => b[0] - a[0]);
  for (const [seconds, path] of times.slice(0, 10)) console.log(`  ${seconds.toFixed(2)} s  ${path}`);
  return {
    executables: files.size,
    analysed: times.length,
    failures,
    withUnresolved: open,
    kinds: [...kinds]
      .sort(([a], [b]) => byText(a, b))
      .map(([kind, programs]) => ({ kind, programs, sites: counts.get(kind) })),
    calls: { least: Math.min(...sets), median: median(sets), most: Math.max(...sets) },
    seconds: { median: median(times.map(([seconds]) => seconds)), slowest: times.slice(0, 10) },
  };
}

/** One run of the command under time(1): what it found, seconds of wall time, MB of memory at most. */
function analyze(path, options) {
  const output = join(scratch, 'profile.json');
  const usage = join(scratch, 'usage');
  rmSync(output, { force: true });
  const began = process.hrtime.bigint();
  const { status, stderr } = spawnSync(
    'time',
    ['-f', '%M', '-o', usage, callgate, 'analyze', '-q', '-o', output, ...options, path],
    { encoding: 'utf8', env: { ...process.env, XDG_CACHE_HOME: scratch }, timeout: 120_000 },
  );
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  if (status !== 0 || !existsSync(output)) {
    return { profile: null, seconds, peak: 0, error: stderr.trim() || 'killed' };
  }
  const peak = Number(/([0-9]+)\s*$/.exec(readFileSync(usage, 'utf8'))?.[1] ?? 0) / 1024;
  return { profile: JSON.parse(readFileSync(output, 'utf8')), seconds, peak, error: null };
}

/** Calls of the program's arch, in all or in one phase. */
function count({ profile }, phase = null) {
  return profile.programs[0].calls.filter(
    ({ arch, phases }) => arch === 'x86_64' && (phase === null || phases.includes(phase)),
  ).length;
}

/** Unresolved sites by kind. */
function kindsOf({ profile }) {
  const kinds = {};
  for (const { kind } of profile.programs[0].analysis.unresolved) kinds[kind] = (kinds[kind] ?? 0) + 1;
  return kinds;
}

function isElf(path) {
  const descriptor = openSync(path, 'r');
  try {
    const head = Buffer.alloc(4);
    readSync(descriptor, head);
    return head.toString('latin1') === '\x7fELF';
  } finally {
    closeSync(descriptor);
  }
}

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

function byText(a, b) {
  return a < b ? -1 : Number(a > b);
}
