import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CALLGATE, run, temporaryDirectory } from '../support/callgate.ts';

const directory: ReturnType<typeof temporaryDirectory> = temporaryDirectory();

afterAll(() => directory[Symbol.dispose]());

/** What `args` print on a terminal of so many columns until the text is there, or they end; then they are ended. */
const DRIVER = `
import fcntl, os, pty, signal, struct, sys, termios
columns, text, words = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3:]
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))
    os.execv(words[0], words)
seen = b''
while text not in seen:
    try:
        seen += os.read(fd, 4096)
    except OSError:
        break
os.kill(pid, signal.SIGTERM)
os.waitpid(pid, 0)
sys.stdout.buffer.write(seen)`;

function printed(columns: number, text: string, term: string, seconds: string): string {
  const words = [CALLGATE, 'trace', '-o', join(directory.path, 'p.json'), '--', 'sleep', seconds];
  const { stdout, stderr } = run('python3', ['-c', DRIVER, `${columns}`, text, ...words], {
    env: { ...process.env, TERM: term },
  });
  expect(stderr).toBe('');
  return stdout;
}

describe('the progress line', () => {
  it('leaves the last column free', () => {
    const [, line = ''] = /\r\u001b\[K(callgate: \d+ s, 1 task, .*\.\.\.)/.exec(
      printed(40, '...', 'xterm', '60'),
    )!;
    expect(line).toHaveLength(39);
  });

  it('is whole where there is room', () => {
    expect(printed(120, 'phase setup', 'xterm', '60')).toMatch(/\r\u001b\[Kcallgate: \d+ s, .*phase setup$/);
  });

  it('is not drawn on a terminal that cannot erase it', () => {
    expect(printed(120, '\u001b', 'dumb', '2.5')).not.toContain('\u001b');
  });
});
