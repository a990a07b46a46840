// Stores the code that V8 has made of a bundle once it was used: node scripts/store-code.mjs command|analyze|trace|run|tracing|analyzing PROGRAM ARGUMENT...
// A function that was not used is stored as source, and compiled when it is called. So what is used here is a trace by each
// method, an analysis and so on; where the machine that builds cannot do one, that costs time later and nothing else.
import fs, { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import v8 from 'node:v8';
import { loadBundle } from './bundle-loader.cjs';

// V8 refuses code that was stored under other flags than those it is loaded under, and commands set some for themselves later.
v8.setFlagsFromString = () => undefined;

const METHODS = ['seccomp', 'adaptive', 'ebpf'];

/** What is traced, and its arguments: at the end of this command line too, for there callgate looks for them as they are. */
const PROGRAM = process.argv.slice(3);

const CALLS =
  'access, arch_prctl, brk, close, dup2, execve, exit, exit_group, fstat, futex, getrandom, lseek, mmap, mprotect, munmap, newfstatat, openat, ' +
  'pread64, prctl, prlimit64, read, rseq, rt_sigaction, rt_sigprocmask, rt_sigreturn, seccomp, set_robust_list, set_tid_address, write';

/** For that program, with a second phase. */
const POLICY = `
format: callgate-policy
version: 1
generator: { name: callgate, version: "0" }
sources: []
strict: observed
kernels: null
onViolation: errno:EPERM
arches: [{ arch: x86_64, newest: 469 }]
groups: []
phases:
  - { name: setup, trigger: null, calls: [${CALLS}] }
  - { name: main, trigger: "syscall:write", calls: [${CALLS}] }
`;

/** Names of errors that are no machine's fault, and what the command line says of them. */
const MISTAKES = [
  'TypeError',
  'RangeError',
  'ReferenceError',
  'UsageError',
  'unexpected',
  'unknown option',
  'no such format',
];

const bundle = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist', 'bundle');
const name = process.argv[2];
const { exports, script } = loadBundle(bundle, name);
const scratch = mkdtempSync(join(tmpdir(), 'callgate-build-'));

// A command line ends the process when it is done.
process.on('exit', () => {
  writeFileSync(join(bundle, `${name}.cache`), script.createCachedData());
  rmSync(scratch, { recursive: true });
});

if (name === 'command') {
  const [profile, policy] = [join(scratch, 'profile'), join(scratch, 'policy.yaml')];
  for (const words of [
    ['trace', '-q', '--phases', 'none', '--method', 'seccomp', '-o', profile, '--', ...PROGRAM],
    ['show', profile],
    ['policy', '-o', policy, profile],
    ['check', policy],
    ['export', '--format', 'oci', policy],
  ]) {
    if (!(await byCommand(words))) break;
  }
} else if (name === 'analyze') {
  // Any program will do: most of what the analysis does is for libc.
  const options = ['-q', '--no-cache', '-o', join(scratch, 'profile')];
  await exports.main(['node', 'callgate', 'analyze', ...options, '/bin/sh'], null);
} else if (name === 'trace') {
  for (const method of METHODS) {
    const options = ['-q', '--phases', 'none', '--method', method, '-o', join(scratch, 'profile')];
    await byCommand(['trace', ...options, '--', ...PROGRAM]);
  }
} else if (name === 'run') {
  const policy = join(scratch, 'policy.yaml');
  writeFileSync(policy, POLICY);
  await byCommand(['run', '-q', '--policy', policy, '--', ...PROGRAM]);
} else if (name === 'tracing') {
  for (const method of METHODS) trace(method);
}

/** Does what a command line says, and returns whether it went well: this machine may not be able to. */
async function byCommand(words) {
  let said = '';
  const write = fs.writeSync;
  fs.writeSync = (fd, bytes, ...rest) => {
    if (fd === 2) said += Buffer.from(bytes).toString();
    return write(fd, bytes, ...rest);
  };
  await exports.main(['node', 'callgate', ...words], null);
  fs.writeSync = write;
  const isDone = process.exitCode === 0 || process.exitCode === undefined;
  process.exitCode = MISTAKES.some((mistake) => said.includes(mistake)) ? 1 : 0;
  if (process.exitCode !== 0) process.exit();
  return isDone;
}

/** A trace on this thread. */
function trace(method) {
  const request = {
    method,
    fallback: null,
    target: {
      kind: 'launch',
      path: `/bin/${PROGRAM[0]}`,
      argv: PROGRAM,
      env: [],
      cwd: null,
      stdin: 'null',
      inherited: { ignoredSignals: 0n, blockedSignals: 0n, openFiles: null, descriptors: [], closed: [] },
    },
    phases: [],
    ready: null,
    privileged: process.geteuid() === 0,
    enforcement: null,
    errors: false,
  };
  const steps = exports.performTrace(exports.openLibc(), request, {
    eventLoop: null,
    progress: new Float64Array(6),
    receive: () => null,
    batch: 64,
    settle: (places, processes) => processes.map((process) => exports.formatProcess(process)),
    send: (event) => {
      if (event.kind !== 'failed') return;
      process.stderr.write(`${method}: ${event.error.message}\n`);
      // What the machine cannot do costs time later; a mistake in this script would cost it everywhere.
      if (MISTAKES.includes(event.error.name)) process.exitCode = 1;
    },
  });
  while (steps.next().done !== true);
}
