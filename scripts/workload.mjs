// Runs a workload, or some of its cases, plain or under a tool.
//   node scripts/workload.mjs PROGRAM|all [--case NAME]... [--trace DIR | --run POLICY | --audit POLICY | --strace DIR | --callgrind DIR]
//                             [--servers each|shared] [--list] [--verbose]
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CallgateError } from '../dist/base/errors.js';
import { formatDuration } from '../dist/base/duration.js';
import { callSet } from '../dist/profile/sets.js';
import { createProfileParser } from '../dist/profile/load.js';
import { formatProfile } from '../dist/profile/save.js';
import { mergeProfiles } from '../dist/profile/merge.js';
import { loadWorkload, workloadFile, workloadNames } from '../dist/study/workload/load.js';
import { runWorkload, workloadFailures, workloadFiles } from '../dist/study/workload/run.js';
import {
  auditingRunner,
  callgrindRunner,
  enforcingRunner,
  plainRunner,
  straceRunner,
  traceRunner,
} from '../dist/study/workload/runners.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const callgate = join(root, 'bin', 'callgate');
const folder = join(root, 'workloads');
// What somebody has mistyped is told in a line; with anything else the stack helps.
process.on('uncaughtException', (error) => {
  const isExpected = error instanceof CallgateError || String(error.code).startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`${isExpected ? error.message : error.stack}\n`);
  process.exit(isExpected ? 2 : 1);
});
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    case: { type: 'string', multiple: true },
    trace: { type: 'string' },
    run: { type: 'string' },
    audit: { type: 'string' },
    strace: { type: 'string' },
    callgrind: { type: 'string' },
    servers: { type: 'string', default: 'each' },
    list: { type: 'boolean' },
    verbose: { type: 'boolean', short: 'v' },
  },
});
const names = positionals[0] === 'all' ? workloadNames(folder) : positionals;
if (names.length === 0) {
  process.stdout.write(`workloads: ${workloadNames(folder).join(' ')}\n`);
  process.exit(2);
}
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
let failed = false;
for (const name of names) {
  const workload = loadWorkload(workloadFile(folder, name));
  if (values.list) {
    for (const { name: own, kind, steps } of workload.cases)
      process.stdout.write(`${name}\t${own}\t${kind}\t${steps.length}\n`);
    continue;
  }
  await run(workload);
}
process.exitCode = failed ? 1 : 0;

async function run(workload) {
  const given = values.trace ?? values.strace ?? values.callgrind;
  const output = given === undefined ? mkdtempSync(join(tmpdir(), 'callgate-workload-')) : resolve(given);
  mkdirSync(output, { recursive: true });
  try {
    const result = await runWorkload(workload, runner(), {
      output,
      servers: values.servers,
      signal: stop.signal,
      ...(values.case === undefined ? {} : { cases: values.case }),
      onCase: ({ name, skipped, duration, failures, steps }) => {
        const state = skipped ?? (failures.length === 0 ? 'ok' : 'FAILED');
        process.stderr.write(
          `  ${name.padEnd(28)}${formatDuration(duration).padStart(8)}  ${String(steps.length).padStart(3)} steps  ${state}\n`,
        );
        if (values.verbose) for (const step of steps) process.stderr.write(`$ ${step.run}\n${step.printed}`);
      },
    });
    const failures = workloadFailures(result);
    for (const failure of failures) process.stderr.write(`${failure}\n`);
    failed ||= failures.length > 0;
    process.stdout.write(
      `${workload.name}: ${result.cases.length} cases, ${formatDuration(result.duration)}, ${failures.length} failures\n`,
    );
    if (values.trace !== undefined) summarize(workload, result, output);
  } finally {
    if (given === undefined) rmSync(output, { recursive: true, force: true });
  }
}

function runner() {
  if (values.trace !== undefined) return traceRunner(callgate);
  if (values.run !== undefined) return enforcingRunner(callgate, resolve(values.run));
  if (values.audit !== undefined) return auditingRunner(callgate, resolve(values.audit));
  if (values.strace !== undefined) return straceRunner();
  return values.callgrind === undefined ? plainRunner() : callgrindRunner();
}

/** Writes the union of all starts and says how many distinct calls the program's own processes made. */
function summarize(workload, result, output) {
  const parse = createProfileParser();
  const profiles = workloadFiles(result).map((file) => parse(readFileSync(file, 'utf8'), file));
  if (profiles.length === 0) return;
  const all = mergeProfiles(profiles);
  const file = join(output, `${workload.name}.json`);
  writeFileSync(file, formatProfile(all));
  // A profile names files as the kernel does.
  const program = realpathSync(workload.program);
  const own = callSet(all, { program });
  const first = new Map();
  for (const { name, files } of result.cases) {
    const set = files.flatMap((path) => callNames(parse(readFileSync(path, 'utf8')), program));
    first.set(
      name,
      [...new Set(set)].filter((call) => ![...first.values()].some((list) => list.includes(call))),
    );
  }
  process.stdout.write(
    `${workload.name}: ${own.length} distinct calls by the program itself, ${callSet(all).length} with what it executes; ${profiles.length} starts; union in ${file}\n`,
  );
  for (const [name, calls] of first) {
    if (calls.length > 0) process.stdout.write(`  new in ${name}: ${calls.join(' ')}\n`);
  }
}

function callNames(profile, program) {
  try {
    return callSet(profile, { program }).map(({ name, nr }) => name ?? String(nr));
  } catch {
    return [];
  }
}
