// callgate trace by each of its methods against other tracers, in turns: wall times, medians and ratios; start-up, peak memory.
//   npm run bench:trace [-- --runs N] [--only WORK] [--json]
// WORK is part of the name of a row: dd, redis, ls, forks, untracked, watch.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const callgate = join(root, 'bin', 'callgate');
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    only: { type: 'string', multiple: true },
    json: { type: 'boolean' },
  },
});
const runs = Number(values.runs);
const scratch = mkdtempSync(join(tmpdir(), 'callgate-bench-'));
const profile = join(scratch, 'profile.json');

const tree = join(scratch, 'tree');
mkdirSync(tree);
writeFileSync(
  join(tree, 'Makefile'),
  `all: ${Array.from({ length: 500 }, (_, i) => `t${i}`).join(' ')}\nt%:\n\t@/bin/true\n.PHONY: all\n`,
);

// Counts by number, for every process that comes from the first: what bpftrace can do of the same.
const bpftraceScript = `
  tracepoint:raw_syscalls:sys_enter /@tree[pid]/ { @[pid, args->id] = count(); }
  tracepoint:sched:sched_process_fork /@tree[args->parent_pid]/ { @tree[args->child_pid] = 1; }
  BEGIN { @tree[cpid] = 1; }`;

/** Command line by which a tracer runs a command; only those that are there. */
const tracers = {
  untraced: (command) => command,
  strace: (command) => ['strace', '-f', '-o', '/dev/null', ...command],
  'perf trace': (command) => ['perf', 'trace', '-o', '/dev/null', '--', ...command],
  // It takes a path only, and no quotes.
  bpftrace: ([name, ...args]) => [
    'bpftrace',
    '-q',
    '-o',
    '/dev/null',
    '-e',
    bpftraceScript,
    '-c',
    [join('/usr/bin', name), ...args].join(' '),
  ],
  ...Object.fromEntries(
    ['seccomp', 'adaptive', 'ebpf'].map((method) => [
      method,
      (command) => [
        callgate,
        'trace',
        '-q',
        '--phases',
        'none',
        '--method',
        method,
        '-o',
        profile,
        '--',
        ...command,
      ],
    ]),
  ),
};
for (const [name, commandOf] of Object.entries(tracers)) {
  const [program, ...args] = commandOf(['true']);
  if (spawnSync(program, args, { stdio: 'ignore' }).status === 0) continue;
  process.stderr.write(`${name} does not work here and is left out\n`);
  delete tracers[name];
}

/** Limits by method: over untraced; for seccomp over strace. Throughput of redis is the reciprocal of its time. */
const works = [
  {
    name: 'dd bs=1 count=200000',
    measure: timing(['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=1', 'count=200000', 'status=none']),
    limits: { ebpf: 1.8, adaptive: 2.5, seccomp: 0.6 },
  },
  {
    name: 'redis-benchmark -n 100000',
    measure: (tracer) => redis(tracer, 100_000),
    limits: { ebpf: 1 / 0.95, adaptive: 1 / 0.93, seccomp: 0.5 },
  },
  {
    name: 'ls -lR /usr/share',
    measure: timing(['ls', '-lR', '/usr/share']),
    limits: { ebpf: 1.3, adaptive: 2.5, seccomp: 0.6 },
  },
  {
    name: '500 forks and execs',
    measure: timing(['make', '-s', '-C', tree]),
    limits: { ebpf: 1.3, adaptive: 2, seccomp: 0.8 },
  },
].filter(({ name }) => values.only === undefined || values.only.some((word) => name.includes(word)));

/** What eBPF costs those that are not traced, and a machine that is watched: `--only untracked`, `--only watch`. */
const others = [
  { name: 'untracked process', measure: untracked },
  { name: 'watch on a busy redis', measure: watched },
].filter(({ name }) => values.only === undefined || values.only.some((word) => name.includes(word)));

const rows = [];
for (const work of works) rows.push(summarize(work, await inTurns(work.measure)));
const costs = [];
for (const { name, measure } of others) costs.push({ name, lines: await measure() });
const startUp = await inTurns(timing(['true']), Object.keys(tracers), runs * 3);
const memory = peakMemory(['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=1', 'count=500000', 'status=none']);
rmSync(scratch, { recursive: true, force: true });

const result = {
  runs,
  rows,
  costs,
  startUp: Object.fromEntries(
    Object.entries(startUp).map(([name, times]) => [name, median(times) - median(startUp.untraced)]),
  ),
  peakMegabytes: memory,
};
process.stdout.write(values.json ? `${JSON.stringify(result, null, 2)}\n` : table(result));

function timing(argv) {
  return (tracer) => timed(tracers[tracer](argv));
}

/** Cost of a call to a process that is not traced, while another one is: in turns with and without. */
async function untracked() {
  const blocks = 2_000_000;
  // One to read a block, one to write it.
  const calls = 2 * blocks;
  const dd = ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=1', `count=${blocks}`, 'status=none'];
  const differences = [];
  for (let i = 0; i <= runs; i++) {
    const alone = usedSeconds(dd);
    const traced = spawn(callgate, ['trace', '-q', '--method', 'ebpf', '-o', profile, '--', 'sleep', '600'], {
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => traced.once('exit', resolve));
    await attached(traced.pid);
    const beside = usedSeconds(dd);
    traced.kill('SIGTERM');
    await ended;
    if (i > 0) differences.push(((beside - alone) * 1e6) / calls);
  }
  return [{ what: 'more for each call', value: median(differences), unit: 'us', limit: 'at most 0.15' }];
}

/** User and system time of a command: what it waits for on a busy machine does not count. */
function usedSeconds(command) {
  const script = `TIMEFORMAT='%U %S'; time "$@"`;
  const { stderr } = spawnSync('bash', ['-c', script, 'bash', ...command], { encoding: 'utf8' });
  const [user, system] = stderr.trim().split(' ').map(Number);
  return user + system;
}

/** Throughput of redis while the machine is watched, over that without, and what the watch itself takes. */
async function watched() {
  const requests = 400_000;
  const directory = join(scratch, 'watch');
  const server = spawn(
    'redis-server',
    ['--port', `${await freePort()}`, '--save', '', '--dir', scratch, '--loglevel', 'warning'],
    { stdio: 'ignore' },
  );
  const port = server.spawnargs[2];
  await reachable(port);
  const benchmark = () => timed(['redis-benchmark', '-p', port, '-q', '-n', `${requests}`, '-t', 'set,get']);
  benchmark();
  const [ratios, shares, sizes] = [[], [], []];
  for (let i = 0; i < runs; i++) {
    const alone = benchmark();
    const watch = spawn(callgate, ['watch', '-q', '-d', directory, '--by', 'exe', '--interval', '5s'], {
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => watch.once('exit', resolve));
    await attached(watch.pid);
    // What it does at first, with all that runs already, is no part of what it costs in a week.
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const before = cpuSeconds(watch.pid);
    const began = process.hrtime.bigint();
    ratios.push(alone / benchmark());
    shares.push((cpuSeconds(watch.pid) - before) / (Number(process.hrtime.bigint() - began) / 1e9));
    const status = readFileSync(`/proc/${watch.pid}/status`, 'utf8');
    sizes.push(Number(/^VmRSS:\s+([0-9]+)/m.exec(status)?.[1]) / 1024);
    watch.kill('SIGTERM');
    await ended;
  }
  spawnSync('redis-cli', ['-p', port, 'shutdown', 'nosave']);
  return [
    { what: 'throughput', value: median(ratios), unit: 'of that without', limit: 'at least 0.95' },
    { what: 'of one core', value: median(shares) * 100, unit: '%', limit: 'under 2' },
    { what: 'resident', value: median(sizes), unit: 'MB', limit: 'by the number of targets' },
  ];
}

/** Waits until a callgate has attached its programs. */
async function attached(pid) {
  for (let i = 0; i < 400; i++) {
    const { stdout } = spawnSync('sh', ['-c', `cat /proc/${pid}/fdinfo/* 2>/dev/null`], { encoding: 'utf8' });
    if (/link_type:\s*(tracing|raw_tracepoint)/.test(stdout)) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('callgate attached no programs');
}

/** User and system time of a process in seconds, all its threads: fields 14 and 15 of proc(5). */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Times of every tracer, a list each: one run of each in turn, over and over, so that drift hits all alike. */
async function inTurns(measure, names = Object.keys(tracers), count = runs) {
  const times = Object.fromEntries(names.map((name) => [name, []]));
  for (let i = 0; i <= count; i++) {
    for (const name of names) {
      const time = await measure(name);
      // The first round warms the caches up.
      if (i > 0) times[name].push(time);
    }
  }
  return times;
}

function timed([command, ...args]) {
  const began = process.hrtime.bigint();
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  if (error !== undefined || status !== 0)
    throw new Error(`${command} ${args.join(' ')}: ${error ?? status}`);
  return Number(process.hrtime.bigint() - began) / 1e6;
}

/** Milliseconds that redis-benchmark needs against a server under the tracer, once a first round has warmed it up. */
async function redis(tracer, requests) {
  const port = await freePort();
  const server = [
    'redis-server',
    '--port',
    `${port}`,
    '--save',
    '',
    '--dir',
    scratch,
    '--loglevel',
    'warning',
  ];
  const [command, ...args] = tracers[tracer](server);
  const child = spawn(command, args, { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await reachable(port);
  const benchmark = (count) => ['redis-benchmark', '-p', `${port}`, '-q', '-n', `${count}`, '-t', 'set,get'];
  timed(benchmark(requests / 20));
  const time = timed(benchmark(requests));
  spawnSync('redis-cli', ['-p', `${port}`, 'shutdown', 'nosave']);
  await ended;
  return time;
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function reachable(port) {
  for (let i = 0; i < 200; i++) {
    const open = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens on port ${port}`);
}

/** Peak resident memory of callgate itself, from the kernel's own account (VmHWM), in megabytes. */
function peakMemory(command) {
  const script = `
    ${JSON.stringify(callgate)} trace -q -o ${JSON.stringify(profile)} -- ${command.join(' ')} &
    pid=$!
    peak=0
    while [ -e /proc/$pid/status ]; do
      hwm=$(sed -n 's/^VmHWM:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$pid/status 2>/dev/null)
      if [ -n "$hwm" ] && [ "$hwm" -gt "$peak" ]; then peak=$hwm; fi
      [ "$(cut -d' ' -f3 /proc/$pid/stat 2>/dev/null)" = Z ] && break
      sleep 0.05
    done
    echo $peak`;
  const { stdout } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
  return Math.round(Number(stdout.trim()) / 1024);
}

function summarize({ name, limits }, times) {
  const ratio = (tracer, base) => median(times[tracer].map((time, i) => time / times[base][i]));
  const tracersOf = Object.keys(times).map((tracer) => {
    const base = tracer === 'seccomp' ? 'strace' : 'untraced';
    return [
      tracer,
      { median: median(times[tracer]), over: base, ratio: ratio(tracer, base), limit: limits[tracer] },
    ];
  });
  return { name, tracers: Object.fromEntries(tracersOf) };
}

function median(list) {
  const sorted = [...list].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function table({ rows: lines, costs: byName, startUp: start, peakMegabytes }) {
  const out = [];
  for (const { name, lines: list } of byName) {
    out.push(name);
    for (const { what, value, unit, limit } of list)
      out.push(`  ${what.padEnd(20)}${value.toFixed(2).padStart(8)} ${unit} (limit ${limit})`);
  }
  for (const { name, tracers: by } of lines) {
    out.push(name);
    for (const [tracer, { median: time, over, ratio, limit }] of Object.entries(by)) {
      if (tracer === 'untraced') out.push(`  ${tracer.padEnd(12)}${ms(time)}`);
      else
        out.push(`  ${tracer.padEnd(12)}${ms(time)}${ratio.toFixed(2).padStart(8)} of ${over}${said(limit)}`);
    }
  }
  out.push('', 'start-up above that of true (limit 120 ms for callgate):');
  for (const [tracer, time] of Object.entries(start)) {
    if (tracer !== 'untraced') out.push(`  ${tracer.padEnd(12)}${ms(time)}`);
  }
  out.push('', `peak memory over 1,000,000 calls: ${peakMegabytes} MB (limit 150)`);
  if (existsSync('/proc/loadavg'))
    out.push(`load ${readFileSync('/proc/loadavg', 'utf8').split(' ')[0]} at the end`);
  return `${out.join('\n')}\n`;
}

function said(limit) {
  return limit === undefined ? '' : ` (limit ${limit.toFixed(2)})`;
}

function ms(time) {
  return `${time.toFixed(0)} ms`.padStart(11);
}
