// callgate trace against strace -f, in turns: wall times, medians and ratios; start-up and peak memory.
//   npm run bench:trace [-- --runs N] [--json]
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
  options: { runs: { type: 'string', default: '5' }, json: { type: 'boolean' } },
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

const tracers = {
  untraced: (command) => command,
  strace: (command) => ['strace', '-f', '-o', '/dev/null', ...command],
  callgate: (command) => [callgate, 'trace', '-q', '-o', profile, '--', ...command],
};

const commands = {
  'dd bs=1 count=100000': ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=1', 'count=100000', 'status=none'],
  'ls -lR /usr/share': ['ls', '-lR', '/usr/share'],
  'make, 500 processes': ['make', '-s', '-C', tree],
};

const rows = [];
for (const [name, command] of Object.entries(commands)) {
  rows.push(summarize(name, await inTurns((tracer) => timed(tracers[tracer](command)))));
}
rows.push(summarize('redis-benchmark -n 10000', await inTurns(redis)));
const startUp = await inTurns(
  (tracer) => timed(tracers[tracer](['true'])),
  ['untraced', 'callgate'],
  runs * 3,
);
const memory = peakMemory(['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=1', 'count=500000', 'status=none']);
rmSync(scratch, { recursive: true, force: true });

const result = {
  runs,
  rows,
  startUp: median(startUp.callgate) - median(startUp.untraced),
  peakMegabytes: memory,
};
process.stdout.write(values.json ? `${JSON.stringify(result, null, 2)}\n` : table(result));

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

/** Seconds that redis-benchmark needs against a server under the tracer. */
async function redis(tracer) {
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
  const time = timed(['redis-benchmark', '-p', `${port}`, '-q', '-n', '10000', '-t', 'set,get']);
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

function summarize(name, times) {
  const medians = Object.fromEntries(Object.entries(times).map(([tracer, list]) => [tracer, median(list)]));
  const ratios = times.callgate.map((time, i) => time / times.strace[i]);
  return { name, ...medians, ratio: median(ratios) };
}

function median(list) {
  const sorted = [...list].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function table({ rows: lines, startUp: start, peakMegabytes }) {
  const out = [
    'work                          untraced     strace   callgate   callgate/strace (limit 0.75)',
    ...lines.map(
      ({ name, untraced, strace, callgate: own, ratio }) =>
        `${name.padEnd(28)}${ms(untraced)}${ms(strace)}${ms(own)}   ${ratio.toFixed(2)}`,
    ),
    '',
    `callgate trace -- true takes ${start.toFixed(0)} ms more than true (limit 150)`,
    `peak memory over 1,000,000 calls: ${peakMegabytes} MB (limit 150)`,
  ];
  if (existsSync('/proc/loadavg'))
    out.push(`load ${readFileSync('/proc/loadavg', 'utf8').split(' ')[0]} at the end`);
  return `${out.join('\n')}\n`;
}

function ms(time) {
  return `${time.toFixed(0)} ms`.padStart(11);
}
