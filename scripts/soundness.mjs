// Does the static analysis miss anything that a run makes? For each program: the calls that its workload shows against the
// static profile, the instructions that callgrind sees against the code held for reachable, and the workload enforced.
//   node scripts/soundness.mjs [PROGRAM]... [--work DIR] [--fresh] [--code] [--enforce static|observed] [--json FILE]
// Traces, profiles and policies stay in DIR (default: soundness/ below the user's cache) and are taken from there next time;
// --fresh makes them anew. Exit code 1: something was missed or denied.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { analyzeProgram } from '../dist/analyze/analyze.js';
import { formatDuration } from '../dist/base/duration.js';
import { createProfileParser } from '../dist/profile/load.js';
import { mergeProfiles } from '../dist/profile/merge.js';
import { formatProfile } from '../dist/profile/save.js';
import { readCallgrind } from '../dist/study/soundness/callgrind.js';
import { compareCalls } from '../dist/study/soundness/missed-calls.js';
import { compareCode } from '../dist/study/soundness/missed-code.js';
import { reachableCode } from '../dist/study/soundness/reachable.js';
import { libraryOptions, loadWorkload, workloadFile, workloadNames } from '../dist/study/workload/load.js';
import { runWorkload, workloadFailures, workloadFiles } from '../dist/study/workload/run.js';
import { callgrindRunner, enforcingRunner, traceRunner } from '../dist/study/workload/runners.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const callgate = join(root, 'bin', 'callgate');
const folder = join(root, 'workloads');
const parse = createProfileParser();
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    work: {
      type: 'string',
      default: join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'callgate', 'soundness'),
    },
    fresh: { type: 'boolean' },
    code: { type: 'boolean' },
    enforce: { type: 'string' },
    json: { type: 'string' },
  },
});
if (values.enforce !== undefined && !['static', 'observed'].includes(values.enforce)) {
  fail(`soundness: --enforce ${values.enforce} (static, observed)`);
}
const names = positionals.length === 0 ? workloadNames(folder) : positionals;
const work = resolve(values.work);
mkdirSync(work, { recursive: true });

/** Objects that run and that no analysis of the program alone can know, with the reason. */
const EXPECTED = [
  {
    path: /\/callgate-[A-Za-z0-9-]+\/(half\.so|modules\/.*\.so)$/,
    reason: 'built by the workload and loaded by its name',
  },
  {
    path: /\/gconv\/[^/]+\.so$/,
    reason: 'a converter of character sets, of which the analysis assumes that it makes no system calls',
  },
];

const results = [];
for (const name of names) {
  const result = await examine(loadWorkload(workloadFile(folder, name)));
  results.push(result);
  print(result);
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
process.exitCode = results.some(isBad) ? 1 : 0;

async function examine(workload) {
  const program = realpathSync(workload.program);
  const result = { name: workload.name, program, failures: [], calls: [], code: null, enforced: null };
  // A trace is cut where the analysis says that the main phase begins, so that the phases can be compared.
  const analysis = values.enforce !== 'observed' || values.code ? analyze(workload, program) : {};
  const trigger = analysis.profile?.phases[1]?.trigger ?? null;
  const observed = await observe(workload, result, trigger);
  if (values.enforce !== 'observed' || values.code) {
    const others = observed.programs.map(({ path }) => path).filter((path) => path !== program);
    if (analysis.error !== undefined) {
      result.failures.push(analysis.error);
    } else {
      result.calls = compareCalls(observed, analysis.profile, program);
      if (values.code) {
        result.code = await compareExecuted(workload, program, result);
        result.exceptions = result.code.unknown.flatMap((path) => {
          const reason = expected(path);
          return reason === undefined ? [] : [{ path, reason }];
        });
      }
      if (values.enforce === 'static') {
        // What the program executes runs under its filter as well.
        const files = [analysis.file, ...others.flatMap((path) => analyzeOther(path, result))];
        result.enforced = await enforce(workload, ['--strict', 'sound', '--unresolved', 'accept', ...files]);
      }
    }
  }
  if (values.enforce === 'observed')
    result.enforced = await enforce(workload, [place(workload.name, 'observed.json')]);
  return result;
}

/** The union of a traced run of all cases. */
async function observe(workload, result, trigger) {
  const file = place(workload.name, 'observed.json');
  if (!values.fresh && existsSync(file)) {
    const known = parse(readFileSync(file, 'utf8'), file);
    const cut = known.phases[1]?.trigger ?? null;
    if (trigger === null || cut === trigger) return known;
  }
  const output = place(workload.name, 'traces');
  rmSync(output, { recursive: true, force: true });
  const run = await runWorkload(workload, traceRunner(callgate, cutAt(trigger)), { output });
  result.failures.push(...workloadFailures(run).map((line) => `traced: ${line}`));
  const profile = mergeProfiles(workloadFiles(run).map((path) => parse(readFileSync(path, 'utf8'), path)));
  writeFileSync(file, formatProfile(profile));
  rmSync(output, { recursive: true, force: true });
  return profile;
}

function cutAt(trigger) {
  return trigger === null ? [] : ['--method', 'seccomp', '--phase', `main@${trigger}`];
}

function analyze(workload, program) {
  const file = place(workload.name, 'static.json');
  const args = ['analyze', '-q', ...libraryOptions(workload), '-o', file, program];
  const { status, stderr } = spawnSync(callgate, args, { encoding: 'utf8' });
  if (status !== 0) return { error: `callgate analyze ${program}: ${stderr.trim()}` };
  return { file, profile: parse(readFileSync(file, 'utf8'), file) };
}

function analyzeOther(program, result) {
  const file = place('executed', `${program.slice(1).replaceAll('/', '-')}.json`);
  const { status, stderr } = spawnSync(callgate, ['analyze', '-q', '--phases', 'none', '-o', file, program], {
    encoding: 'utf8',
  });
  if (status === 0) return [file];
  result.failures.push(`callgate analyze ${program}: ${stderr.trim()}`);
  return [];
}

async function compareExecuted(workload, program, result) {
  const output = place(workload.name, 'callgrind');
  if (values.fresh || !isOfTheseFiles(join(output, 'executed.json'))) {
    // A server that gives up its privileges writes there as well, which it could not below a home directory.
    const dumps = mkdtempSync(join(tmpdir(), 'callgate-soundness-'));
    chmodSync(dumps, 0o755);
    const run = await runWorkload(workload, callgrindRunner(), { output: join(dumps, 'out') });
    // Under a simulator time runs differently, and valgrind answers some wrong uses itself: how steps end is no matter here.
    result.callgrindFailures = workloadFailures(run).length;
    const executed = new Map();
    for (const path of workloadFiles(run).filter((name) => name.endsWith('.callgrind'))) {
      readCallgrind(readFileSync(path, 'latin1'), executed);
    }
    rmSync(dumps, { recursive: true, force: true });
    rmSync(output, { recursive: true, force: true });
    mkdirSync(output);
    const plain = Object.fromEntries(
      [...executed].map(([path, set]) => [path, [...set].sort((a, b) => a - b)]),
    );
    writeFileSync(join(output, 'executed.json'), JSON.stringify(plain));
  }
  const plain = JSON.parse(readFileSync(join(output, 'executed.json'), 'utf8'));
  const executed = new Map(Object.entries(plain).map(([path, list]) => [path, new Set(list)]));
  const libraries = workload.libraries.map((name) => ({ name, reason: 'the workload' }));
  const reachable = reachableCode(analyzeProgram(program, { details: false, plugins: true, libraries }));
  return compareCode(executed, reachable, (path) => (existsSync(path) ? realpathSync(path) : path));
}

/** Whether what was executed is there, and none of the objects has been replaced since: their addresses are others then. */
function isOfTheseFiles(file) {
  if (!existsSync(file)) return false;
  const written = statSync(file).mtimeMs;
  return Object.keys(JSON.parse(readFileSync(file, 'utf8'))).every(
    (path) => !existsSync(path) || statSync(path).ctimeMs < written,
  );
}

async function enforce(workload, args) {
  const policy = place(workload.name, 'policy.yaml');
  const made = spawnSync(callgate, ['policy', '-o', policy, '--on-violation', 'kill', ...args], {
    encoding: 'utf8',
  });
  if (made.status !== 0) return { cases: 0, failures: [`callgate policy: ${made.stderr.trim()}`] };
  const output = place(workload.name, 'enforced');
  rmSync(output, { recursive: true, force: true });
  const run = await runWorkload(workload, enforcingRunner(callgate, policy), { output });
  const starts = workloadFiles(run).length;
  const failures = workloadFailures(run);
  if (failures.length === 0) rmSync(output, { recursive: true, force: true });
  return {
    cases: run.cases.filter(({ skipped }) => skipped === null).length,
    starts,
    failures,
    skipped: run.cases.flatMap((one) =>
      one.skipped === null ? [] : [{ name: one.name, reason: one.skipped }],
    ),
    duration: run.duration,
  };
}

function place(name, file) {
  mkdirSync(join(work, name), { recursive: true });
  return join(work, name, file);
}

function print({ name, failures, calls, code, enforced }) {
  const say = (text) => process.stdout.write(`${name}: ${text}\n`);
  for (const failure of failures) say(failure);
  for (const { phase, observed, possible, missed } of calls) {
    const what = missed.length === 0 ? 'none missed' : `MISSED ${missed.join(' ')}`;
    say(`${phase ?? 'all phases'}: ${observed} observed, ${possible} possible, ${what}`);
  }
  for (const { path, executed, outside, missed } of code?.objects ?? []) {
    const others = outside === 0 ? '' : ` (${outside} of them not its own)`;
    say(`${path}: ${executed} instructions ran${others}, functions missed: ${missed.length}`);
    for (const { name: own, address, executed: count } of missed.slice(0, 30))
      say(`  ${own}: ${count} instructions from 0x${address.toString(16)} on`);
  }
  for (const path of code?.unknown ?? []) {
    say(
      `${path}: ran, and the analysis does not have it${expected(path) === undefined ? '' : `: ${expected(path)}`}`,
    );
  }
  if (enforced !== null) {
    say(
      `enforced: ${enforced.cases} cases, ${enforced.starts ?? 0} starts, ${enforced.failures.length} failures${enforced.duration === undefined ? '' : `, ${formatDuration(enforced.duration)}`}`,
    );
    for (const failure of enforced.failures) say(`  ${failure}`);
  }
}

function isBad({ failures, calls, code, enforced }) {
  return (
    failures.length > 0 ||
    calls.some(({ missed }) => missed.length > 0) ||
    (code?.objects ?? []).some(({ missed }) => missed.length > 0) ||
    (code?.unknown ?? []).some((path) => expected(path) === undefined) ||
    (enforced?.failures ?? []).length > 0
  );
}

function expected(file) {
  return EXPECTED.find(({ path }) => path.test(file))?.reason;
}

function fail(text) {
  process.stderr.write(`${text}\n`);
  process.exit(2);
}
