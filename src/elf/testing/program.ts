import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Source of the C programs under test: functions of each binding, pointers to relocate, a constructor and an IFUNC. */
export const PROGRAM: string = `
#include <stdio.h>
static int hidden(void) { return 1; }
__attribute__((noinline)) int visible(int a) { return a + hidden(); }
__attribute__((weak)) int weak(void) { return 2; }
static int (*resolve(void))(int) { return visible; }
int chosen(int) __attribute__((ifunc("resolve")));
int (*table[70])(int) = { visible, visible, [4] = visible, [69] = visible };
int zero[4];
__attribute__((constructor)) static void begin(void) { zero[0] = 1; }
__attribute__((destructor)) static void end(void) { zero[0] = 2; }
int main(int argc, char **argv) { printf("%d %s\\n", chosen(argc) + weak() + table[4](1), argv[0]); return 0; }
`;

/** As PROGRAM, without what musl's libc has no support for. */
export const PLAIN_PROGRAM: string = PROGRAM.replace(/^.*resolve.*$/gm, '').replace(
  'chosen(argc)',
  'visible(argc)',
);

/** A library with two versions of one function, the second being the default. */
export const VERSIONED_LIBRARY: string = `
int answer_old(void) { return 1; }
int answer_new(void) { return 2; }
int plain(void) { return 3; }
__asm__(".symver answer_old, answer@V_1.0");
__asm__(".symver answer_new, answer@@V_2.0");
`;

/** The version script of VERSIONED_LIBRARY. */
export const VERSION_SCRIPT: string =
  'V_1.0 { global: answer; local: *_old; *_new; };\nV_2.0 { global: plain; } V_1.0;\n';

/** A temporary folder in which test programs are built; it is removed on disposal. */
export class Workshop implements Disposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'callgate-elf-'));

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Writes a file and returns its path. */
  write(name: string, contents: string | Uint8Array): string {
    writeFileSync(this.path(name), contents);
    return this.path(name);
  }

  /** Compiles C source with `gcc`, or another compiler that takes its options, and returns the program's path. */
  compile(name: string, source: string, options: readonly string[] = [], compiler = 'gcc'): string {
    const input = this.write(compiler === 'g++' ? `${name}.cc` : `${name}.c`, source);
    runTool(compiler, [input, '-o', this.path(name), ...options]);
    return this.path(name);
  }

  /** A copy of a program without section headers, which no tool of Debian 12 can make. */
  cutSectionHeaders(name: string, program: string): string {
    return this.write(name, withoutSectionHeaders(readFileSync(program)));
  }
}

/** A copy of an ELF file whose header denies that there are section headers; they are zeroed, their names stay. */
export function withoutSectionHeaders(file: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(file);
  const view = new DataView(bytes.buffer);
  const is64 = bytes[4] === 2;
  const shoff = is64 ? Number(view.getBigUint64(40, true)) : view.getUint32(32, true);
  bytes.fill(0, shoff, shoff + view.getUint16(is64 ? 60 : 48, true) * (is64 ? 64 : 40));
  if (is64) view.setBigUint64(40, 0n, true);
  else view.setUint32(32, 0, true);
  bytes.fill(0, is64 ? 60 : 48, is64 ? 64 : 52);
  return bytes;
}

/**
 * Runs a tool and returns what it wrote to stdout.
 *
 * @throws Error that names the package to install when the tool is missing, or with its stderr when it failed and `mayFail` is not set.
 */
export function runTool(
  tool: string,
  args: readonly string[],
  { mayFail = false }: { readonly mayFail?: boolean } = {},
): string {
  try {
    return execFileSync(tool, args, {
      encoding: 'latin1',
      maxBuffer: 2 ** 30,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C', DEBUGINFOD_URLS: '' },
    });
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: string; stdout?: string; stderr?: string };
    if (code === 'ENOENT') {
      throw new Error(`this test needs ${tool}: install gcc, g++, gcc-multilib, binutils and musl-tools`, {
        cause: error,
      });
    }
    if (mayFail && stdout !== undefined) return stdout;
    throw new Error(`${tool} ${args.join(' ')} failed: ${stderr ?? ''}`, { cause: error });
  }
}
