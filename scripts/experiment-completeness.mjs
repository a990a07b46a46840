// How good are the estimates of completeness? Estimated from a workload's benchmark cases, and from random choices of its cases,
// against what all of its cases show.
//   npm run experiment:completeness [-- --only ls,sqlite3] [--draws N] [--keep DIRECTORY] [--json FILE] [--write]
// The sampling unit is a case. --keep leaves the traces there and takes those that are there already; --write puts the
// tables into docs/completeness.md.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const { estimateCoverage, estimateTotal, expectedKinds } = await import(
  join(dist, 'profile/completeness-estimate.js')
);
const { loadWorkload, workloadFile, workloadNames } = await import(join(dist, 'study/workload/load.js'));
const { runWorkload } = await import(join(dist, 'study/workload/run.js'));
const { traceRunner } = await import(join(dist, 'study/workload/runners.js'));

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    draws: { type: 'string', default: '400' },
    keep: { type: 'string' },
    json: { type: 'string' },
    write: { type: 'boolean' },
  },
});
const draws = Number(values.draws);
const folder = join(root, 'workloads');
const names = values.only?.split(',') ?? workloadNames(folder);
const traces = values.keep ?? mkdtempSync(join(tmpdir(), 'callgate-completeness-'));

try {
  const results = [];
  for (const name of names) results.push(study(name, await traceCases(name)));
  const text = `${benchmarkTable(results)}\n\n${drawTable(results)}\n`;
  process.stdout.write(text);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
  if (values.write === true) writeInto(join(root, 'docs', 'completeness.md'), text);
} finally {
  if (values.keep === undefined) rmSync(traces, { recursive: true, force: true });
}

/** Cases with the calls that they show: `{name, kind, calls}`. */
async function traceCases(name) {
  const cache = join(traces, `${name}.cases.json`);
  if (existsSync(cache)) return JSON.parse(readFileSync(cache, 'utf8'));
  const output = join(traces, name);
  mkdirSync(output, { recursive: true });
  process.stderr.write(`${name}: tracing its cases\n`);
  const result = await runWorkload(
    loadWorkload(workloadFile(folder, name)),
    traceRunner(join(root, 'bin', 'callgate')),
    {
      output,
      onCase: ({ name: each, skipped, failures }) => {
        const trouble = skipped ?? failures[0];
        if (trouble !== undefined) process.stderr.write(`${name}, case ${each}: ${trouble}\n`);
      },
    },
  );
  const cases = result.cases
    .filter(({ files }) => files.length > 0)
    .map(({ name: each, kind, files }) => ({ name: each, kind, calls: callsOf(files) }));
  writeFileSync(cache, JSON.stringify(cases));
  return cases;
}

/** What any process did, without the execve by which the tracer started the program. */
function callsOf(files) {
  const calls = new Set();
  for (const file of files.filter((each) => each.endsWith('.json'))) {
    for (const { calls: own } of JSON.parse(readFileSync(file, 'utf8')).processes) {
      for (const { arch, nr, name, launch } of own) if (launch !== true) calls.add(`${arch}:${name ?? nr}`);
    }
  }
  return [...calls];
}

function study(name, cases) {
  const benchmark = cases.filter(({ kind }) => kind === 'benchmark');
  const rest = cases.filter(({ kind }) => kind !== 'benchmark');
  const all = union(cases);
  return {
    name,
    cases: cases.length,
    calls: all.size,
    whole: judge(countsOf(cases), all.size),
    benchmark: {
      ...judge(countsOf(benchmark), all.size),
      cases: benchmark.length,
      trueCoverage: coverageOf(rest, benchmark),
    },
    draws: [5, 10, Math.floor(cases.length / 2)]
      .filter((size, index, sizes) => size < cases.length && sizes.indexOf(size) === index)
      .map((size) => drawMany(cases, size)),
  };
}

function judge(counts, truth) {
  const estimate = estimateTotal(counts);
  const [low, high] = estimate.interval;
  return {
    seen: counts.frequencies.length,
    total: estimate.total,
    low,
    high,
    coverage: estimateCoverage(counts),
    isWithin: low <= truth && truth <= high,
  };
}

/** Random choices of cases: how good is what they foretell of the cases that were left out? */
function drawMany(cases, size) {
  const random = randomNumbers(size * 7919 + cases.length);
  const sums = { seen: 0, total: 0, within: 0, coverage: 0, trueCoverage: 0, foretold: 0, fresh: 0 };
  const truth = union(cases).size;
  for (let draw = 0; draw < draws; draw++) {
    const order = shuffle(cases, random);
    const [chosen, rest] = [order.slice(0, size), order.slice(size)];
    const counts = countsOf(chosen);
    const judged = judge(counts, truth);
    // As many more as were chosen, or as there are: that far the estimate claims to see.
    const more = Math.min(size, rest.length);
    sums.seen += judged.seen;
    sums.total += judged.total;
    sums.within += Number(judged.isWithin);
    sums.coverage += judged.coverage;
    sums.trueCoverage += coverageOf(rest, chosen);
    sums.foretold += expectedKinds(counts, size + more, judged.total - judged.seen) - judged.seen;
    sums.fresh += union(order.slice(0, size + more)).size - judged.seen;
  }
  return {
    size,
    ...Object.fromEntries(Object.entries(sums).map(([key, sum]) => [key, sum / draws])),
  };
}

/** Share of what the rest does, by case and call, that the chosen cases show. */
function coverageOf(rest, chosen) {
  const seen = union(chosen);
  const held = rest.flatMap(({ calls }) => calls);
  return held.filter((call) => seen.has(call)).length / held.length;
}

function countsOf(cases) {
  const hits = new Map();
  for (const { calls } of cases) for (const call of calls) hits.set(call, (hits.get(call) ?? 0) + 1);
  return { units: cases.length, frequencies: [...hits.values()] };
}

function union(cases) {
  return new Set(cases.flatMap(({ calls }) => calls));
}

function shuffle(items, random) {
  const result = [...items];
  for (let at = result.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [result[at], result[other]] = [result[other], result[at]];
  }
  return result;
}

/** Numbers from 0 to 1, the same every time (mulberry32). */
function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function benchmarkTable(results) {
  return table(
    [
      'program',
      'benchmark cases',
      'seen',
      'coverage',
      'of the rest',
      'estimate',
      '95 % interval',
      'all cases',
      'show',
      'within',
    ],
    results.map(
      ({
        name,
        cases,
        calls,
        benchmark: { cases: count, seen, total, low, high, coverage, trueCoverage, isWithin },
      }) => [
        name,
        count,
        seen,
        percent(coverage),
        percent(trueCoverage),
        total.toFixed(1),
        `${low.toFixed(1)} to ${high.toFixed(1)}`,
        cases,
        calls,
        isWithin ? 'yes' : 'no',
      ],
    ),
  );
}

function drawTable(results) {
  return table(
    [
      'program',
      'cases drawn',
      'seen',
      'estimate',
      'within',
      'coverage',
      'of the rest',
      'new foretold',
      'new found',
    ],
    results.flatMap(({ name, calls, draws: rows }) =>
      rows.map(({ size, seen, total, within, coverage, trueCoverage, foretold, fresh }) => [
        name,
        size,
        seen.toFixed(1),
        `${total.toFixed(1)} of ${calls}`,
        percent(within),
        percent(coverage),
        percent(trueCoverage),
        foretold.toFixed(1),
        fresh.toFixed(1),
      ]),
    ),
  );
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, at) => (at === 0 ? '---' : '--:'))), ...rows.map(line)].join('\n');
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

/** Between the marks, which stay. */
function writeInto(file, text) {
  const [begin, end] = ['<!-- experiment -->', '<!-- end of experiment -->'];
  const document = readFileSync(file, 'utf8');
  const [before, rest] = document.split(begin);
  const after = rest?.split(end)[1];
  if (after === undefined) throw new Error(`${file}: no marks, ${begin} and ${end}`);
  writeFileSync(file, `${before}${begin}\n\n${text}\n${end}${after}`);
}
