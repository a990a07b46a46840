// Stores the code that V8 has made of a bundle once it was used: node scripts/store-code.mjs command|analyze|tracing|analyzing
// A function that was not used is stored as source, and compiled when it is called. So what is used here is a trace by each
// method, and for the command's code under the name of `analyze` an analysis; where the machine that builds cannot do one, that costs time later and nothing else.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import v8 from 'node:v8';
import { MessageChannel } from 'node:worker_threads';
import { loadBundle } from './bundle-loader.cjs';

// V8 refuses code that was stored under other flags than those it is loaded under, and commands set some for themselves later.
v8.setFlagsFromString = () => undefined;

/** Names of errors that are no machine's fault. */
const MISTAKES = ['TypeError', 'RangeError', 'ReferenceError', 'UsageError'];

const bundle = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist', 'bundle');
const name = process.argv[2];
const { exports, script } = loadBundle(bundle, name === 'analyze' ? 'command' : name);
const scratch = mkdtempSync(join(tmpdir(), 'callgate-build-'));

// A command line ends the process when it is done.
process.on('exit', () => {
  writeFileSync(join(bundle, `${name}.cache`), script.createCachedData());
  rmSync(scratch, { recursive: true });
});

if (name === 'command') {
  const options = ['-q', '--phases', 'none', '--method', 'seccomp', '-o', join(scratch, 'profile')];
  await exports.main(['node', 'callgate', 'trace', ...options, '--', 'true'], null);
} else if (name === 'analyze') {
  // Any program will do: most of what the analysis does is for libc.
  const options = ['-q', '--no-cache', '-o', join(scratch, 'profile')];
  await exports.main(['node', 'callgate', 'analyze', ...options, '/bin/sh'], null);
} else if (name === 'tracing') {
  for (const method of ['seccomp', 'adaptive', 'ebpf']) trace(method);
}

/** Traces `true` on this thread. */
function trace(method) {
  const request = {
    method,
    fallback: null,
    target: {
      kind: 'launch',
      path: '/bin/true',
      argv: ['true'],
      env: [],
      cwd: null,
      stdin: 'null',
      inherited: { ignoredSignals: 0n, blockedSignals: 0n, openFiles: null, descriptors: [], closed: [] },
    },
    phases: [],
    ready: null,
    privileged: process.geteuid() === 0,
    enforcement: null,
    startsNothing: true,
  };
  const { port1, port2 } = new MessageChannel();
  const input = { commands: port2, progress: new Float64Array(6) };
  exports.runTrace(exports.openLibc(), request, input, (event) => {
    if (event.kind !== 'failed') return;
    process.stderr.write(`${method}: ${event.error.message}\n`);
    // What the machine cannot do costs time later; a mistake in this script would cost it everywhere.
    if (MISTAKES.includes(event.error.name)) process.exitCode = 1;
  });
  port1.close();
}
