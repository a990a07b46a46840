// The text of docs/accuracy.md, made from what scripts/accuracy.mjs measured.

/**
 * callander (github.com/ubiquity/callander) on the same packages: allowed calls, seconds, MB. Measured by us on Debian 12 with
 * glibc 2.36, in November 2026; it looks from main on, and leaves out dlopen and exec.
 */
const CALLANDER = {
  ls: [87, 0.7, 110],
  sqlite3: [118, 1.2, 204],
  'redis-server': [133, 2.9, 314],
  nginx: [126, 1.5, 237],
  memcached: [122, 1.6, 246],
  lighttpd: [108, 0.9, 130],
};

/** `{programs, parts, machine}` as text; what was not measured is `-`. */
export function accuracyPage(data) {
  return [
    HEAD,
    ...section('What is allowed, and what is missing', programTable(data)),
    ...section('Executed code', codeTable(data)),
    ...section('Enforced', enforcedTable(data)),
    ...section('The test suites of sqlite3 and redis', suiteTable(data)),
    ...section('Every executable of /usr/bin and /usr/sbin', sweepText(data)),
    ...section('Beside callander', callanderTable(data)),
    ...section('How this was measured', provenance(data)),
  ].join('\n');
}

const HEAD = `# Accuracy of the static analysis

Is anything missing from what \`callgate analyze\` allows (a missed call is a bug), and how much does it allow? Written by
\`npm run accuracy\`, which measures all of it, goes on where it was stopped, and takes parts with \`--only\`:
\`npm run accuracy -- --only figures --fresh\` takes the times again.
`;

function section(title, lines) {
  return [`## ${title}`, '', ...lines, ''];
}

function programTable({ programs, parts }) {
  const phased = Object.values(parts.figures).some(({ result }) => (result[0]?.phases?.length ?? 0) > 1);
  const rows = programs.map((name) => {
    const figures = parts.figures[name]?.result[0];
    const compared = parts.calls[name]?.result[0]?.calls;
    const all = compared?.find(({ phase }) => phase === null);
    const main = figures?.phases?.length > 1 ? figures.phases.at(-1) : undefined;
    const inMain = compared?.find(({ phase }) => phase !== null && phase === main?.name);
    return [
      name,
      figures?.whole,
      figures?.fromMain,
      ...(phased ? [main?.calls, inMain === undefined ? undefined : missed(inMain)] : []),
      all?.observed,
      all === undefined ? undefined : missed(all),
      timed(figures)?.cold.toFixed(2),
      timed(figures)?.warm.toFixed(2),
      figures?.peak?.toFixed(0),
      figures === undefined ? undefined : kinds(figures.unresolved),
    ];
  });
  return [
    'Allowed: distinct x86-64 system calls, rt_sigreturn and restart_syscall included; whole: from the first instruction, loader and libc',
    'included; from main: what other analysers count. Observed: what a trace of the workload (`workloads/`) shows. Missed: observed, and not',
    "allowed. Times with Node's start: median; MB: peak memory. Unresolved: sites that the profile lists, by kind.",
    '',
    ...table(
      [
        'program',
        'whole',
        'from main',
        ...(phased ? ['main phase', 'missed in it'] : []),
        'observed',
        'missed',
        'cold s',
        'warm s',
        'MB',
        'unresolved',
      ],
      rows,
    ),
  ];
}

function codeTable({ programs, parts }) {
  const exceptions = [];
  const rows = programs.map((name) => {
    const result = parts.code[name]?.result[0];
    const code = result?.code;
    if (code === undefined || code === null) return [name];
    const executed = code.objects.reduce((sum, object) => sum + object.executed, 0);
    let outside = 0;
    for (const { path, outside: others, missed: functions } of code.objects) {
      if (others > 0) {
        exceptions.push(`- ${name}: ${others} addresses that ${path} does not have: ${VFORK}`);
      }
      for (const { name: own, address, executed: count } of functions) {
        outside += count;
        exceptions.push(`- ${name}: ${count} instructions of ${own}, ${path} 0x${address.toString(16)}`);
      }
    }
    for (const path of code.unknown) {
      const reason = result.exceptions?.find((each) => each.path === path)?.reason;
      exceptions.push(`- ${name}: ${plainPath(path)}: ${reason ?? '**not known to the analysis**'}`);
    }
    return [name, code.objects.length, executed.toLocaleString('en'), outside];
  });
  return [
    'Every instruction that callgrind sees executed in the workload has to lie in a function that the analysis holds for reachable. This',
    'finds what a comparison of calls does not, for few of the functions that are lost lead to a call of their own.',
    '',
    ...table(['program', 'objects', 'instructions executed', 'not held for reachable'], rows),
    '',
    exceptions.length === 0 ? 'No exceptions.' : 'Exceptions, and objects that the analysis cannot know of:',
    '',
    ...new Set(exceptions),
  ];
}

const VFORK = 'callgrind counts what follows vfork in libc to the object of the caller';

function enforcedTable({ programs, parts }) {
  const failures = [];
  const skipped = [];
  const rows = programs.map((name) => {
    const enforced = parts.enforced[name]?.result[0]?.enforced;
    if (enforced === undefined || enforced === null) return [name];
    for (const failure of enforced.failures) failures.push(`- ${name}: ${plainPath(failure)}`);
    for (const one of enforced.skipped ?? []) skipped.push(`- ${name}, case ${one.name}: ${one.reason}`);
    return [name, enforced.cases, enforced.starts, enforced.failures.length];
  });
  return [
    'The workload under `callgate run` with the policy of the static profile (`--strict sound`, `--unresolved accept`), which kills. What the',
    'program executes is analysed too and added. A failure is a denied call or a step that ends otherwise than it should.',
    '',
    ...table(['program', 'cases', 'starts', 'failures'], rows),
    ...(failures.length === 0 ? [] : ['', ...new Set(failures)]),
    ...(skipped.length === 0 ? [] : ['', 'Left out:', '', ...new Set(skipped)]),
  ];
}

function suiteTable({ parts }) {
  const results = Object.values(parts.suites).flatMap(({ result }) => result);
  const rows = results.map(({ name, counts, observed, missed: lost, onlyEnforced, violations }) => [
    name,
    counts.plain?.passed.toLocaleString('en'),
    counts.run?.passed.toLocaleString('en'),
    onlyEnforced.length,
    violations.length,
    observed,
    lost.join(' ') || 'none',
  ]);
  const failures = results.flatMap(({ name, onlyEnforced, violations }) =>
    [...onlyEnforced, ...new Set(violations)].map((line) => `- ${name}: ${plainPath(line)}`),
  );
  return [
    "From Debian's sources: redis with Debian's server (the units that need no modules, no more memory than a small machine has, and no",
    "slow tests), sqlite3 with Debian's shell (`shell*.test`) and with testfixture, its library with the suite's own commands (test files",
    'that take minutes or inject faults are left out). `scripts/test-suites.mjs` has the lists.',
    '',
    ...table(
      [
        'suite',
        'passed plain',
        'passed enforced',
        'fail only enforced',
        'violations',
        'observed calls',
        'missed',
      ],
      rows,
    ),
    ...(failures.length === 0 ? [] : ['', ...failures]),
  ];
}

function sweepText({ parts }) {
  const result = parts.sweep.all?.result;
  if (result === undefined) return ['Not measured.'];
  return [
    `${result.executables} executables, ${result.analysed} analysed, ${result.failures.length} not. Allowed calls: ${result.calls.least} to`,
    `${result.calls.most}, median ${result.calls.median}. ${result.withUnresolved} programs have unresolved sites:`,
    '',
    ...table(
      ['kind', 'programs', 'sites'],
      result.kinds.map(({ kind, programs, sites }) => [kind, programs, sites]),
    ),
    '',
    'Up to 2026-11-29 a library that code opens by its name, or a service of nsswitch.conf, counted as an unresolved site of kind object where',
    'it is not installed. It is an assumption since, so that figures measured before have more of that kind.',
    ...(result.failures.length === 0 ? [] : ['', ...result.failures.map((failure) => `- ${failure}`)]),
  ];
}

function callanderTable({ parts }) {
  const ratios = [];
  const rows = Object.entries(CALLANDER).map(([name, [calls, seconds, memory]]) => {
    const figures = parts.figures[name]?.result[0];
    if (figures?.fromMain !== undefined) ratios.push(figures.fromMain / calls);
    return [
      name,
      calls,
      figures?.fromMain,
      seconds.toFixed(1),
      timed(figures)?.cold.toFixed(2),
      timed(figures) === undefined ? undefined : (figures.cold / figures.objdump).toFixed(2),
      memory,
      figures?.peak?.toFixed(0),
    ];
  });
  const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
  return [
    "callander's figures were measured on Debian 12 with glibc 2.36 in November 2026, from main on, dlopen and exec ignored; ours follow",
    'the Name Service Switch and dlopen. Seconds of different days cannot be held against each other: `/ objdump` is our time over that of',
    "`objdump -d` on the same objects, in turns; callander's was between 0.8 and 2.2.",
    '',
    ...table(
      [
        'program',
        'callander',
        'callgate',
        'callander s',
        'callgate s',
        '/ objdump',
        'callander MB',
        'callgate MB',
      ],
      rows,
    ),
    ...(ratios.length === 0 ? [] : ['', `On average ${mean.toFixed(2)} of callander's calls.`]),
  ];
}

function provenance({ parts, machine }) {
  const rows = Object.entries(parts).map(([part, results]) => {
    const all = Object.values(results);
    const days = all.map(({ measured }) => measured.slice(0, 10)).sort(byText);
    const stale = Object.entries(results).filter(([, { isStale }]) => isStale);
    return [
      part,
      all.length,
      days.length === 0 ? undefined : days[0] === days.at(-1) ? days[0] : `${days[0]} to ${days.at(-1)}`,
      stale.map(([name]) => name).join(' ') || 'none',
    ];
  });
  return [`${machine}.`, '', ...table(['part', 'results', 'measured', 'to be measured again'], rows)];
}

/** Times count from three rounds on. */
function timed(figures) {
  return figures !== undefined && figures.rounds >= 3 ? figures : undefined;
}

function byText(a, b) {
  return a < b ? -1 : Number(a > b);
}

function missed({ missed: names }) {
  return names.length === 0 ? 'none' : `**${names.join(' ')}**`;
}

function kinds(unresolved) {
  return (
    Object.entries(unresolved)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(', ') || 'none'
  );
}

/** Scratch directories have another name each time. */
function plainPath(text) {
  return text.replaceAll(/\/tmp\/callgate-[A-Za-z0-9-]+/g, 'SCRATCH');
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [
    line(head),
    line(head.map(() => '---')),
    ...rows.map((row) => line(head.map((_, index) => row[index] ?? '-'))),
  ];
}
