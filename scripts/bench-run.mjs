// What enforcement costs: redis throughput and dd's own time, under no filter, callgate run in one phase, in the main phase
// after the transition, bubblewrap with the same filter, and a profile like Docker's as libseccomp compiles it; all in
// turns. Also the time to compile a large filter.
//   npm run bench:run [-- --runs N]
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
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
const at = (name) => join(scratch, name);

const redis = (port) => [
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
const load = (port) => `redis-benchmark -p ${port} -q -n 20000 -t set,get >/dev/null`;
const dd = ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=1', 'count=2000000'];

// Profiles, policies and raw filters of both programs.
const port = await freePort();
must(callgate, [
  'trace',
  '-q',
  '--ready',
  `listen:${port}`,
  '--workload',
  load(port),
  '-o',
  at('redis.json'),
  '--',
  ...redis(port),
]);
must(callgate, [
  'trace',
  '-q',
  '-o',
  at('dd.json'),
  '--',
  ...dd.map((word) => word.replace('2000000', '100')),
]);
for (const name of ['redis', 'dd']) {
  must(callgate, ['policy', at(`${name}.json`), '-o', at(`${name}.yaml`)]);
  must(callgate, ['policy', at(`${name}.json`), '--one-phase', '-o', at(`${name}-one.yaml`)]);
  must(callgate, ['export', at(`${name}.yaml`), '--format', 'cbpf', '-o', at(`${name}.bpf`)]);
}
dockerFilter(at('docker.bpf'));
const bwrap = (command) => ['bwrap', '--dev-bind', '/', '/', '--seccomp', '3', '--', ...command];

const servers = {
  'no filter': (words) => [words, null],
  'callgate run, one phase': (words) => [
    [callgate, 'run', '-q', '--policy', at('redis-one.yaml'), '--', ...words],
    null,
  ],
  'callgate run, main phase': (words) => [
    [callgate, 'run', '-q', '--policy', at('redis.yaml'), '--', ...words],
    null,
  ],
  'bwrap --seccomp': (words) => [bwrap(words), at('redis.bpf')],
  'like Docker, libseccomp': (words) => [bwrap(words), at('docker.bpf')],
};
const tools = {
  'no filter': () => [dd, null],
  'callgate run, one phase': () => [[callgate, 'run', '-q', '--policy', at('dd.yaml'), '--', ...dd], null],
  'callgate run --exec': () => [
    [callgate, 'run', '-q', '--exec', '--policy', at('dd.yaml'), '--', ...dd],
    null,
  ],
  'bwrap --seccomp': () => [bwrap(dd), at('dd.bpf')],
  'like Docker, libseccomp': () => [bwrap(dd), at('docker.bpf')],
};

const throughput = await inTurns(servers, async (make) => {
  const free = await freePort();
  const [[command, ...args], filter] = make(redis(free));
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'ignore', ...(filter === null ? [] : [openSync(filter, 'r')])],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await reachable(free, command);
  const { stdout } = spawnSync(
    'redis-benchmark',
    ['-p', `${free}`, '-n', '100000', '-t', 'set,get', '--csv'],
    { encoding: 'utf8' },
  );
  spawnSync('redis-cli', ['-p', `${free}`, 'shutdown', 'nosave']);
  await ended;
  const rates = stdout
    .split('\n')
    .slice(1, 3)
    .map((line) => Number(line.split(',')[1]?.replaceAll('"', '')));
  return rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
});
const times = await inTurns(tools, (make) => {
  const [[command, ...args], filter] = make();
  const stdio = ['ignore', 'ignore', 'pipe', ...(filter === null ? [] : [openSync(filter, 'r')])];
  const env = { ...process.env, LC_ALL: 'C' };
  const { status, stderr } = spawnSync(command, args, { stdio, env, encoding: 'utf8' });
  // dd's own time: what starts it is not in it.
  const seconds = /copied, ([0-9.e-]+) s/.exec(stderr)?.[1];
  if (status !== 0 || seconds === undefined) throw new Error(`${command} ended with ${status}: ${stderr}`);
  return Number(seconds) * 1000;
});
const compile = await compileTime();
rmSync(scratch, { recursive: true, force: true });

const lines = [`redis-benchmark SET and GET, requests a second, medians of ${runs}`];
for (const [name, list] of Object.entries(throughput)) {
  lines.push(
    `  ${name.padEnd(28)}${median(list).toFixed(0).padStart(9)}   ${ratio(list, throughput['no filter'])} of unfiltered`,
  );
}
lines.push('', `dd bs=1 count=2000000, its own time in ms, medians of ${runs}`);
for (const [name, list] of Object.entries(times)) {
  lines.push(
    `  ${name.padEnd(28)}${median(list).toFixed(0).padStart(9)}   ${ratio(list, times['no filter'])} of unfiltered`,
  );
}
lines.push('', `compiling a filter of 300 calls with 50 argument rules: ${compile.toFixed(1)} ms (limit 20)`);
process.stdout.write(`${lines.join('\n')}\n`);

/** All calls but those that Docker's default profile denies, compiled by libseccomp in its own way. */
function dockerFilter(file) {
  const source = join(scratch, 'docker.c');
  const denied =
    `acct add_key bpf clock_adjtime clock_settime create_module delete_module finit_module fsconfig
    fsmount fsopen fspick get_kernel_syms get_mempolicy init_module ioperm iopl io_uring_enter io_uring_register
    io_uring_setup kcmp kexec_file_load kexec_load keyctl lookup_dcookie mbind mount mount_setattr move_mount
    move_pages nfsservctl open_by_handle_at open_tree perf_event_open pivot_root process_vm_readv process_vm_writev
    ptrace query_module quotactl quotactl_fd reboot request_key set_mempolicy setns settimeofday stime swapoff swapon
    _sysctl sysfs umount umount2 unshare uselib userfaultfd ustat vhangup vm86 vm86old`.split(/\s+/);
  writeFileSync(
    source,
    `#include <seccomp.h>
#include <string.h>
#include <stdlib.h>
int main(void) {
  static const char *const denied[] = { ${denied.map((name) => `"${name}"`).join(', ')} };
  scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(1));
  for (int nr = 0; nr < 460; nr++) {
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, nr);
    int skip = name == NULL;
    for (size_t i = 0; !skip && i < sizeof denied / sizeof *denied; i++) skip = strcmp(name, denied[i]) == 0;
    if (!skip && seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0) != 0) return 1;
    free(name);
  }
  return seccomp_export_bpf(ctx, 1) != 0;
}
`,
  );
  must('gcc', ['-o', join(scratch, 'docker'), source, '-lseccomp']);
  const { status, stdout } = spawnSync(join(scratch, 'docker'), { maxBuffer: 1 << 20 });
  if (status !== 0) throw new Error('libseccomp does not compile the filter');
  writeFileSync(file, stdout);
}

async function compileTime() {
  const { createFilter } = await import('../dist/policy/filter/ir.js');
  const { compileFilter } = await import('../dist/policy/filter/compile.js');
  const allow = { kind: 'allow' };
  const rules = Array.from({ length: 300 }, (_, nr) => ({
    nr: nr + (nr >> 2),
    action: allow,
    ...(nr % 6 === 0 ? { conditions: [{ arg: 1, width: 64, op: 'eq', value: BigInt(nr) << 20n }] } : {}),
  }));
  const began = process.hrtime.bigint();
  compileFilter(
    createFilter({ sections: [{ arch: 'x86_64', default: { kind: 'errno', errno: 1 }, rules }] }),
  );
  return Number(process.hrtime.bigint() - began) / 1e6;
}

async function inTurns(ways, measure) {
  const results = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  for (let i = 0; i <= runs; i++) {
    for (const [name, way] of Object.entries(ways)) {
      const value = await measure(way);
      // The first round warms the caches up.
      if (i > 0) results[name].push(value);
    }
  }
  return results;
}

function must(command, args, mayFail = false) {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0 && !mayFail) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port: free } = server.address();
      server.close(() => resolve(free));
    });
  });
}

async function reachable(free, command) {
  for (let i = 0; i < 200; i++) {
    const open = await new Promise((resolve) => {
      const socket = connect(free, '127.0.0.1');
      socket.once('error', () => resolve(false));
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${command}: nothing listens on port ${free}`);
}

function ratio(list, base) {
  return median(list.map((value, i) => value / base[i])).toFixed(2);
}

function median(list) {
  const sorted = [...list].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
