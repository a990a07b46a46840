import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ARCHES, AUDIT_ARCH, X32_SYSCALL_BIT, type Arch } from '../../abi/arch.ts';
import { selectingArguments } from '../../abi/selecting-arguments.ts';
import { syscallNumber } from '../../abi/syscalls.ts';
import { SECCOMP_RET } from '../../policy/filter/action.ts';
import { decodeProgram } from '../../policy/filter/cbpf.ts';
import { interpretProgram } from '../../policy/filter/interpret.ts';
import { callId } from '../recorder.ts';
import { STOP_DATA } from '../seccomp-filters.ts';
import { SeenCalls } from './seen-calls.ts';

interface Use {
  readonly arch: Arch;
  readonly nr: number;
  readonly args: readonly bigint[];
}

/** Whether the filter for what has been seen lets a call pass without a stop. */
function passes(seen: SeenCalls, { arch, nr, args }: Use): boolean {
  const rawNr = arch === 'x32' ? nr | X32_SYSCALL_BIT : nr;
  const result = interpretProgram(decodeProgram(seen.passing().program), {
    nr: rawNr >>> 0,
    arch: AUDIT_ARCH[arch],
    instructionPointer: 0n,
    args: [0, 1, 2, 3, 4, 5].map((index) => args[index] ?? 0n),
  });
  expect([SECCOMP_RET.ALLOW, SECCOMP_RET.TRACE | STOP_DATA]).toContain(result);
  return result === SECCOMP_RET.ALLOW;
}

function use(arch: Arch, name: string, ...args: readonly bigint[]): Use {
  return { arch, nr: syscallNumber(arch, name) as number, args };
}

/** Takes note of a call as the tracer does; fields behind pointers are given apart. */
function see(seen: SeenCalls, { arch, nr, args }: Use, fields: readonly (number | null)[] = []): void {
  const { call } = seen.add(ARCHES.indexOf(arch), nr);
  for (const [which, { index, bits, pointee }] of call.selectors.entries()) {
    const value = BigInt.asUintN(bits, args[index] ?? 0n);
    const shown = value > BigInt(Number.MAX_SAFE_INTEGER) ? `0x${value.toString(16)}` : Number(value);
    seen.addValue(call, which, pointee === undefined ? shown : (fields[which] ?? null));
  }
}

describe('the filter for what has been seen', () => {
  it('stops everything before anything has been seen', () => {
    const seen = new SeenCalls();
    for (const arch of ['x86_64', 'i386', 'x32'] as const)
      expect(passes(seen, use(arch, 'read'))).toBe(false);
  });

  it('lets pass the arch and number that was seen, and no other', () => {
    const seen = new SeenCalls();
    see(seen, use('x86_64', 'getppid'));
    expect(passes(seen, use('x86_64', 'getppid'))).toBe(true);
    expect(passes(seen, use('x86_64', 'getpid'))).toBe(false);
    expect(passes(seen, use('x32', 'getppid'))).toBe(false);
    expect(passes(seen, { arch: 'i386', nr: syscallNumber('x86_64', 'getppid') as number, args: [] })).toBe(
      false,
    );
    expect(passes(seen, { arch: 'x86_64', nr: -1, args: [] })).toBe(false);
    expect(passes(seen, { arch: 'aarch64', nr: 110, args: [] })).toBe(false);
  });

  it('knows numbers that no table has, and lets -1 never pass', () => {
    const seen = new SeenCalls();
    see(seen, { arch: 'x86_64', nr: 700, args: [] });
    see(seen, { arch: 'x86_64', nr: -1, args: [] });
    expect(passes(seen, { arch: 'x86_64', nr: 700, args: [] })).toBe(true);
    expect(passes(seen, { arch: 'x86_64', nr: 701, args: [] })).toBe(false);
    expect(passes(seen, { arch: 'x86_64', nr: -1, args: [] })).toBe(false);
  });

  it('lets a call pass with the values of its selecting arguments that were seen', () => {
    const seen = new SeenCalls();
    for (const command of [1n, 3n]) see(seen, use('x86_64', 'fcntl', 0n, command));
    const values = [0n, 1n, 2n, 3n, 4n, 0x1_0000_0001n];
    expect(values.map((value) => passes(seen, use('x86_64', 'fcntl', 9n, value)))).toEqual([
      // The kernel looks at 32 bits of it.
      false,
      true,
      false,
      true,
      false,
      true,
    ]);
  });

  it('compares 64 bits where the kernel looks at 64, and each argument by itself', () => {
    const seen = new SeenCalls();
    see(seen, use('x86_64', 'mmap', 0n, 1n, 1n, 0x22n));
    see(seen, use('x86_64', 'mmap', 0n, 1n, 3n, 0x1_0000_0002n));
    const tried = [
      [1n, 0x22n],
      [3n, 0x22n],
      [1n, 0x1_0000_0002n],
      [1n, 2n],
      [0x1_0000_0001n, 0x22n],
      [2n, 0x22n],
    ] as const;
    expect(tried.map(([prot, flags]) => passes(seen, use('x86_64', 'mmap', 0n, 1n, prot, flags)))).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  it('lets a call pass with any value once there were too many, or one could not be read', () => {
    const seen = new SeenCalls();
    for (let i = 0n; i < 33n; i++) see(seen, use('x86_64', 'ioctl', 1n, i));
    expect(passes(seen, use('x86_64', 'ioctl', 1n, 0x5401n))).toBe(true);
    expect(passes(seen, use('x86_64', 'io_uring_setup', 1n, 0n))).toBe(false);
    see(seen, use('x86_64', 'io_uring_setup', 1n, 0n), [null]);
    expect(passes(seen, use('x86_64', 'io_uring_setup', 1n, 0n))).toBe(true);
  });

  it.each([
    use('x86_64', 'clone', 0x11n),
    use('i386', 'clone', 0x11n),
    use('x86_64', 'fork'),
    use('x86_64', 'vfork'),
    use('x86_64', 'listen'),
    use('x86_64', 'seccomp', 1n),
    use('x86_64', 'prctl', 22n),
    use('i386', 'socketcall', 4n),
    // What a pointer points to cannot be compared.
    use('x86_64', 'clone3'),
    use('x86_64', 'openat2'),
  ])('always stops a call that the tracer has to look into, $arch $nr $args', (call) => {
    const seen = new SeenCalls();
    see(seen, call, [0, 0]);
    expect(passes(seen, call)).toBe(false);
  });

  it('still lets other values of such calls pass', () => {
    const seen = new SeenCalls();
    for (const option of [22n, 38n]) see(seen, use('x86_64', 'prctl', option));
    expect([22n, 38n, 39n].map((option) => passes(seen, use('x86_64', 'prctl', option)))).toEqual([
      false,
      true,
      false,
    ]);
    for (let i = 0n; i < 40n; i++) see(seen, use('x86_64', 'prctl', 100n + i));
    expect([22n, 999n].map((option) => passes(seen, use('x86_64', 'prctl', option)))).toEqual([false, true]);
  });

  it('says which calls may pass, and is the same until something new comes', () => {
    const seen = new SeenCalls();
    see(seen, use('x86_64', 'read'));
    see(seen, use('x86_64', 'listen'));
    const first = seen.passing();
    expect([...first.calls.keys()]).toEqual([callId(0, 0)]);
    see(seen, use('x86_64', 'read'));
    expect(seen.passing()).toBe(first);
    see(seen, use('x86_64', 'write'));
    expect(seen.passing()).not.toBe(first);
    // What was given out does not change.
    expect(first.calls.size).toBe(1);
  });

  it('stays within what the kernel takes, however much was seen', () => {
    const seen = new SeenCalls();
    for (const arch of ['x86_64', 'i386', 'x32'] as const) {
      for (let nr = 0; nr < 470; nr++) {
        for (let k = 0n; k < 32n; k++) {
          const args = [0, 1, 2, 3, 4, 5].map((index) => 1000n * BigInt(nr) + 7n * k + BigInt(index));
          see(seen, { arch, nr, args }, [Number(k), Number(k)]);
        }
      }
    }
    expect(seen.passing().program.length).toBeLessThanOrEqual(4096 * 8);
    expect(passes(seen, use('x86_64', 'getppid'))).toBe(true);
    // Comparing would have taken too many instructions.
    expect(passes(seen, use('x86_64', 'ioctl', 1n, 16_001n))).toBe(false);
  });

  it('never lets pass what was not seen, and always what was', () => {
    const arbitraryUse = fc.record({
      arch: fc.constantFrom<Arch>('x86_64', 'i386', 'x32'),
      // 2 is the fork of i386, which always stops.
      nr: fc.integer({ min: 3, max: 40 }),
      args: fc.array(fc.bigInt({ min: 0n, max: 6n }), { minLength: 6, maxLength: 6 }),
    });
    fc.assert(
      fc.property(fc.array(arbitraryUse, { maxLength: 40 }), fc.array(arbitraryUse), (uses, others) => {
        const seen = new SeenCalls();
        for (const one of uses) see(seen, one, [0, 0, 0]);
        for (const one of [...uses, ...others]) {
          const same = uses.filter(({ arch, nr }) => arch === one.arch && nr === one.nr);
          const selectors = selectingArguments(one.arch, one.nr);
          const wasSeen = selectors.every(({ index }) =>
            same.some(({ args }) => args[index] === one.args[index]),
          );
          const hasPointer = selectors.some(({ pointee }) => pointee !== undefined);
          expect(passes(seen, one)).toBe(same.length > 0 && wasSeen && !hasPointer);
        }
      }),
    );
  });
});
