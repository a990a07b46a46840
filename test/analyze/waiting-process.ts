import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

/** A line of /proc/PID/maps for a file or the vDSO. */
export interface Mapping {
  readonly address: number;
  readonly size: number;
  /** Such as `r-x`. */
  readonly flags: string;
  readonly path: string;
}

/** A process, bound at once (LD_BIND_NOW), that has printed `ready` and waits for input; it is killed on disposal. */
export class WaitingProcess implements AsyncDisposable {
  readonly mappings: readonly Mapping[];
  readonly #child: ChildProcess;
  readonly #memory: number;

  private constructor(child: ChildProcess) {
    this.#child = child;
    const text = readFileSync(`/proc/${child.pid}/maps`, 'latin1');
    this.mappings = [...text.matchAll(/^([0-9a-f]+)-([0-9a-f]+) (...)p \S+ \S+ \d+ +(\/.*|\[vdso\])$/gm)].map(
      ([, from = '', to = '', flags = '', path = '']) => {
        const address = parseInt(from, 16);
        return { address, size: parseInt(to, 16) - address, flags, path };
      },
    );
    this.#memory = openSync(`/proc/${child.pid}/mem`, 'r');
  }

  /** @throws Error when the process ends without having printed `ready`. */
  static start(program: string, args: readonly string[], input: string): Promise<WaitingProcess> {
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...process.env, LD_BIND_NOW: 'yes' },
    });
    child.stdin.write(input);
    let output = '';
    return new Promise((resolve, reject) => {
      child.once('exit', () => reject(new Error(`${program} ended and printed ${output}`)));
      child.once('error', reject);
      const read = (chunk: unknown): void => {
        output += String(chunk);
        if (!output.includes('ready')) return;
        child.stdout.off('data', read).resume();
        resolve(new WaitingProcess(child));
      };
      child.stdout.on('data', read);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    closeSync(this.#memory);
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await ended;
  }

  /** The 64-bit value at an address, exact below 2^53. */
  pointerAt(address: number): number {
    const word = Buffer.alloc(8);
    const size = readSync(this.#memory, word, 0, 8, address);
    if (size !== 8) throw new Error(`${this.#child.pid} has ${size} bytes at ${address.toString(16)}`);
    return Number(word.readBigUInt64LE());
  }

  isCode(address: number): boolean {
    return this.mappings.some(
      ({ address: start, size, flags }) => flags.includes('x') && address >= start && address < start + size,
    );
  }
}
