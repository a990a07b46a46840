import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { run, temporaryDirectory, type Finished } from '../support/callgate.ts';
import { phase, policy, statusField } from './fixtures/policies.ts';

const LIBRARY = fileURLToPath(new URL('../../dist/index.js', import.meta.url));

const directory: ReturnType<typeof temporaryDirectory> = temporaryDirectory();

afterAll(() => directory[Symbol.dispose]());

let files = 0;

/** Longer than a program that a test starts may go on. */
const PROGRAM = 'exec sleep 120';

/** Runs JavaScript that has the library as `callgate`, an open policy, and `running(FILE)`: once the program whose pid is in
 * a file sleeps, the tracer does too. */
function runScript(script: string): Finished {
  const file = join(directory.path, `script-${files++}.mjs`);
  const lines = [
    "import { readFileSync } from 'node:fs';",
    `import * as callgate from ${JSON.stringify(LIBRARY)};`,
    `const policy = ${JSON.stringify(policy([phase('all', null)]))};`,
    'const asleep = (path) => {',
    '  try {',
    "    const pid = readFileSync(path, 'utf8').trim();",
    "    return readFileSync('/proc/' + pid + '/stat', 'latin1').includes('(sleep) S');",
    '  } catch {',
    '    return false;',
    '  }',
    '};',
    'const running = async (path) => {',
    '  while (!asleep(path)) await new Promise((resolve) => setTimeout(resolve, 10));',
    '};',
  ];
  writeFileSync(file, `${lines.join('\n')}\n${script}`);
  return run(process.execPath, [file], { timeout: 30_000 });
}

function isRunning(pid: number): boolean {
  return /^[^ZX]/.test(statusField(pid, 'State'));
}

const TRACES: readonly string[] = [
  ...['seccomp', 'ptrace', 'adaptive', 'ebpf'].map((method) => `trace({ command, method: '${method}' })`),
  'startRun({ command, policy }).outcome',
];

describe('a program that is traced when the process ends', () => {
  it.each(TRACES)('is killed, and nobody waits for it: %s', (start) => {
    const pid = join(directory.path, `pid-${files++}`);
    const { status } = runScript(`
      const command = ['sh', '-c', 'echo $$ >${pid}; ${PROGRAM}'];
      void callgate.${start};
      await running('${pid}');
      process.exit(3);`);
    expect(status).toBe(3);
    expect(isRunning(Number(readFileSync(pid, 'utf8')))).toBe(false);
  });

  it('is killed at an uncaught exception', () => {
    const pid = join(directory.path, `pid-${files++}`);
    const { status, stderr } = runScript(`
      void callgate.trace({ command: ['sh', '-c', 'echo $$ >${pid}; ${PROGRAM}'], method: 'seccomp' });
      await running('${pid}');
      setImmediate(() => { throw new Error('of the process') });`);
    expect([status, stderr]).toEqual([1, expect.stringContaining('of the process')]);
    expect(isRunning(Number(readFileSync(pid, 'utf8')))).toBe(false);
  });

  it('is killed if it has only begun, as are many, of which Node has nothing to complain', () => {
    const mark = `only begun ${process.pid}`;
    const { status, stderr } = runScript(`
      for (let count = 0; count < 12; count++)
        void callgate.trace({ command: ['sh', '-c', 'sleep 120; true', '${mark}'], method: 'seccomp' });
      process.exit(3);`);
    expect([status, stderr]).toEqual([3, '']);
    expect(run('ps', ['-eo', 'args']).stdout).not.toContain(mark);
  });

  it.each(['ptrace', 'ebpf'])('lives on if it was attached to, by %s', async (method) => {
    const child = spawn('sleep', ['120'], { stdio: 'ignore' });
    const end = once(child, 'exit');
    const { status } = runScript(`
      const trace = callgate.startTrace({ pids: [${child.pid}], method: '${method}' });
      setInterval(() => {
        if (trace.progress().processes > 0) process.exit(3);
      }, 10);`);
    expect(status).toBe(3);
    expect(statusField(child.pid as number, 'TracerPid')).toBe('0');
    expect(statusField(child.pid as number, 'State')).toMatch(/^S/);
    child.kill('SIGKILL');
    await end;
  });

  it.each(TRACES.filter((start) => !start.includes('ebpf')))(
    'is killed if the worker that traces it is terminated: %s',
    (start) => {
      const pid = join(directory.path, `pid-${files++}`);
      const { status, stdout } = runScript(`
        import { isMainThread, Worker } from 'node:worker_threads';
        if (isMainThread) {
          const worker = new Worker(new URL(import.meta.url));
          await running('${pid}');
          const state = () => /^State:\\t(.)/m.exec(readFileSync('/proc/' + readFileSync('${pid}', 'utf8').trim() + '/status', 'utf8'))[1];
          await worker.terminate();
          while (state() !== 'Z') await new Promise((resolve) => setTimeout(resolve, 10));
          console.log('over');
        } else {
          const command = ['sh', '-c', 'echo $$ >${pid}; ${PROGRAM}'];
          void callgate.${start};
        }`);
      expect([status, stdout]).toEqual([0, 'over\n']);
    },
  );
});
