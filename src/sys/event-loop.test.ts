import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const BUILT = fileURLToPath(new URL('../../dist/sys/event-loop.js', import.meta.url));

/** What a script prints in which `loop` is the main thread's, which the tests' own threads are not. */
function inMainThread(script: string): unknown {
  const source = `
    import { openEventLoop } from ${JSON.stringify(BUILT)};
    import { createServer } from 'node:net';
    import koffi from 'koffi';
    const loop = openEventLoop();
    const tell = (value) => { console.log(JSON.stringify(value)); process.exit(); };
    const poll = koffi.load('libc.so.6').func('int poll(void *fds, unsigned long count, int timeout)');
    const isReadable = () => poll(Int32Array.of(loop.descriptor, 1), 1, 0) === 1;
    const inTurn = (action) => setImmediate(() => { setImmediate(() => undefined).unref(); action(); });
    ${script}`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    encoding: 'utf8',
  });
  if (stderr !== '') throw new Error(stderr);
  return JSON.parse(stdout);
}

describe('the event loop', () => {
  it('says when its next timer is due', () => {
    const wait = inMainThread(`setTimeout(() => undefined, 5000); inTurn(() => tell(loop.timeout()));`);
    expect(wait).toBeGreaterThan(4000);
    expect(wait).toBeLessThanOrEqual(5000);
  });

  it('has time as long as nothing happens to what it watches', () => {
    const wait = inMainThread(`
      createServer().listen(0);
      setTimeout(() => inTurn(() => tell(loop.timeout())), 50);`);
    // V8 may have a task for later.
    if (wait !== -1) expect(wait).toBeGreaterThan(1000);
  });

  it('has no time while an immediate waits', () => {
    expect(
      inMainThread(`setTimeout(() => undefined, 5000); setImmediate(() => undefined); tell(loop.timeout());`),
    ).toBe(0);
  });

  it('is readable once a signal has come', () => {
    const readable = inMainThread(`
      process.on('SIGUSR2', () => undefined);
      setInterval(() => undefined, 60_000);
      setTimeout(() => inTurn(() => {
        const before = isReadable();
        process.kill(process.pid, 'SIGUSR2');
        tell([before, isReadable()]);
      }), 50);`);
    expect(readable).toEqual([false, true]);
  });
});
