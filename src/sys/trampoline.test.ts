import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { assembleDoorbell, DOORBELL_WAIT, assembleTrampoline, type TrampolineOptions } from './trampoline.ts';

/** Bytes before the code: ELF header and one program header. */
const HEADERS = 120;
const BASE = 0x400000;

const PLAIN: TrampolineOptions = {
  ignoredSignals: 0n,
  blockedSignals: 0n,
  noNewPrivs: false,
  filter: null,
};

const RETURN_TRACE = Uint8Array.from([6, 0, 0, 0, 0, 0, 0xf0, 0x7f]);

/** Runs a tool of binutils on an image. */
function inspect(tool: 'objdump' | 'readelf', image: Uint8Array, args: readonly string[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'callgate-trampoline-'));
  const file = join(directory, 'image');
  try {
    writeFileSync(file, image);
    return execFileSync(tool, [...args, file], { encoding: 'utf8' });
  } catch (error) {
    throw new Error(`${tool} (Debian package binutils) failed`, { cause: error });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Instructions from the entry point to the last one before the data, as objdump writes them. */
function disassemble(image: Uint8Array, last: RegExp): string[] {
  const options = ['-D', '-b', 'binary', '-m', 'i386:x86-64', '-M', 'intel', '--no-show-raw-insn'];
  const text = inspect('objdump', image, [...options, `--start-address=${HEADERS}`]);
  const instructions = [...text.matchAll(/^ *[0-9a-f]+:\t(.*)$/gm)].map((match) =>
    (match[1] as string).replace(/ +/g, ' ').trim(),
  );
  const end = instructions.findLastIndex((line) => last.test(line));
  expect(end, text).toBeGreaterThan(0);
  return instructions.slice(0, end + 1);
}

/** Where the data begins: after the code, at a multiple of 16. */
function dataOf(image: Uint8Array, filter: Uint8Array | null): number {
  return image.length - (filter?.length ?? 0) - 96;
}

function addressText(offset: number): string {
  return `0x${(BASE + offset).toString(16)}`;
}

/** What ends the process with this one, and goes on at an address otherwise. */
function dieWithParent(next: number): string[] {
  const prctl = ['mov edi,0x1', 'mov esi,0x9', 'mov eax,0x9d', 'syscall']; // PR_SET_PDEATHSIG, SIGKILL
  const getppid = [
    'mov eax,0x6e',
    'syscall',
    `cmp eax,0x${process.pid.toString(16)}`,
    `je 0x${next.toString(16)}`,
  ];
  return [...prctl, ...getppid, 'xor edi,edi', 'mov eax,0xe7', 'syscall']; // exit_group
}

/** The system calls of the code in order, each with the instructions that load its arguments right before. */
function calls(instructions: readonly string[]): string[] {
  return instructions.flatMap((line, index) => {
    const nr = /^mov eax,0x([0-9a-f]+)$/.exec(line)?.[1];
    return nr !== undefined && instructions[index + 1] === 'syscall' ? [`${parseInt(nr, 16)}`] : [];
  });
}

describe('the trampoline', () => {
  it('is, instruction by instruction, what it is meant to be', () => {
    const filter = RETURN_TRACE;
    const image = assembleTrampoline({ ...PLAIN, noNewPrivs: true, filter });
    const data = dataOf(image, filter);
    const [ignored, blocked, dfl, ign, program] = [0, 8, 16, 48, 80].map((at) => addressText(data + at));
    const code = disassemble(image, /^syscall$/);
    const fail = (from: number): string[] => {
      expect(code[from]).toMatch(/^jns 0x[0-9a-f]+$/);
      return ['mov r15d,eax', 'mov edi,0x80', 'sub edi,r15d', 'mov eax,0xe7', 'syscall', 'ud2'];
    };
    const jns = (from: number): string => code[from] as string;
    expect(code).toEqual([
      'mov rbx,rsp',
      ...dieWithParent(0xa3),
      `movabs r13,${ignored}`,
      'mov r13,QWORD PTR [r13+0x0]',
      'mov r12d,0x40',
      `movabs rsi,${dfl}`,
      'bt r13,0x3f',
      'jae 0xd2',
      `movabs rsi,${ign}`,
      'mov edi,r12d',
      'xor edx,edx',
      'mov r10d,0x8',
      'mov eax,0xd', // rt_sigaction
      'syscall',
      'shl r13,1',
      'dec r12d',
      'jne 0xb7',
      'mov edi,0x2', // SIG_SETMASK
      `movabs rsi,${blocked}`,
      'xor edx,edx',
      'mov r10d,0x8',
      'mov eax,0xe', // rt_sigprocmask
      'syscall',
      'mov eax,0x27', // getpid
      'syscall',
      'mov edi,eax',
      'mov esi,0x13', // SIGSTOP
      'mov eax,0x3e', // kill
      'syscall',
      'mov edi,0x1', // PR_SET_PDEATHSIG
      'mov esi,0x0',
      'mov eax,0x9d',
      'syscall',
      'xor edx,edx',
      'xor r10d,r10d',
      'xor r8d,r8d',
      'mov edi,0x26', // PR_SET_NO_NEW_PRIVS
      'mov esi,0x1',
      'mov eax,0x9d',
      'syscall',
      'test eax,eax',
      jns(51),
      ...fail(51),
      `movabs rdx,${program}`,
      'mov edi,0x1', // SECCOMP_SET_MODE_FILTER
      'mov esi,0x0',
      'mov eax,0x13d', // seccomp
      'syscall',
      'test eax,eax',
      jns(64),
      ...fail(64),
      'mov rdi,QWORD PTR [rbx+0x10]',
      'lea rsi,[rbx+0x18]',
      'mov rax,QWORD PTR [rbx]',
      'lea rdx,[rbx+rax*8+0x10]',
      'mov eax,0x3b', // execve
      'syscall',
      'neg eax',
      'mov edi,eax',
      'mov eax,0xe7', // exit_group
      'syscall',
    ]);
  });

  it('jumps only to the beginning of an instruction', () => {
    const image = assembleTrampoline({ ...PLAIN, noNewPrivs: true, filter: RETURN_TRACE });
    const text = inspect('objdump', image, [
      '-D',
      '-b',
      'binary',
      '-m',
      'i386:x86-64',
      '--no-show-raw-insn',
      `--start-address=${HEADERS}`,
    ]);
    const starts = new Set([...text.matchAll(/^ *([0-9a-f]+):/gm)].map((match) => match[1]));
    const code = text.slice(0, text.indexOf('neg    %eax'));
    const targets = [...code.matchAll(/\tj[a-z]+ +0x([0-9a-f]+)/g)].map((match) => match[1]);
    expect(targets).toHaveLength(5);
    expect(targets.filter((target) => !starts.has(target))).toEqual([]);
  });

  it.each<{ name: string; options: Partial<TrampolineOptions>; want: readonly number[] }>([
    { name: 'nothing', options: {}, want: [157, 110, 231, 13, 14, 39, 62, 157, 59, 231] },
    {
      name: 'no_new_privs',
      options: { noNewPrivs: true },
      want: [157, 110, 231, 13, 14, 39, 62, 157, 157, 231, 59, 231],
    },
    {
      name: 'a filter',
      options: { filter: RETURN_TRACE },
      want: [157, 110, 231, 13, 14, 39, 62, 157, 317, 231, 59, 231],
    },
  ])('with $name makes the system calls that this needs', ({ options, want }) => {
    const image = assembleTrampoline({ ...PLAIN, ...options });
    expect(calls(disassemble(image, /^syscall$/))).toEqual(want.map(String));
  });

  it('is a static executable with one segment that holds the whole file', () => {
    const image = assembleTrampoline({ ...PLAIN, noNewPrivs: true, filter: RETURN_TRACE });
    const text = inspect('readelf', image, ['-W', '-h', '-l']);
    expect(text).toMatch(/Type: +EXEC/);
    expect(text).toMatch(/Machine: +Advanced Micro Devices X86-64/);
    expect(text).toMatch(/Entry point address: +0x400078/);
    const size = `0x${image.length.toString(16).padStart(6, '0')}`;
    expect(text).toContain(
      `LOAD           0x000000 0x0000000000400000 0x0000000000400000 ${size} ${size} R E 0x1000`,
    );
    expect(text).not.toMatch(/readelf: (Warning|Error)/);
  });

  it('stays a page or less with the filter that reports everything', () => {
    expect(assembleTrampoline({ ...PLAIN, noNewPrivs: true, filter: RETURN_TRACE }).length).toBeLessThan(600);
  });

  it('holds the signal sets, the actions and the filter in its data', () => {
    const filter = Uint8Array.from([...RETURN_TRACE, ...RETURN_TRACE]);
    const options = { ignoredSignals: 0x8000000000001002n, blockedSignals: 0x4000000000000001n };
    const image = assembleTrampoline({ ...PLAIN, ...options, filter });
    const data = dataOf(image, filter);
    const view = new DataView(image.buffer, image.byteOffset + data);
    const [SIG_DFL, SIG_IGN] = [0n, 1n];
    const words = Array.from({ length: 12 }, (_, index) => view.getBigUint64(index * 8, true));
    expect(words).toEqual([
      options.ignoredSignals,
      options.blockedSignals,
      // Two struct kernel_sigaction: handler, flags, restorer, mask.
      SIG_DFL,
      0n,
      0n,
      0n,
      SIG_IGN,
      0n,
      0n,
      0n,
      2n, // struct sock_fprog: two instructions
      BigInt(BASE + data + 96),
    ]);
    expect(image.subarray(data + 96)).toEqual(filter);
  });
});

describe('the doorbell', () => {
  it('ends at once where callgate is gone before it could ask to die with it', () => {
    const directory = mkdtempSync(join(tmpdir(), 'callgate-trampoline-'));
    const file = join(directory, 'image');
    try {
      writeFileSync(file, assembleDoorbell(), { mode: 0o700 });
      // Its parent is the shell.
      const out = execFileSync('sh', ['-c', '"$0"; echo "ended with $?"', file], { timeout: 5000 });
      expect(String(out)).toBe('ended with 0\n');
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('waits for signals for ever and dies with callgate', () => {
    expect(disassemble(assembleDoorbell(), /^jmp/)).toEqual([
      ...dieWithParent(0xa0),
      'mov eax,0x22', // pause
      'syscall',
      'jmp 0xa0',
    ]);
  });

  it('waits for a descriptor as well, for as long as it is told', () => {
    expect(disassemble(assembleDoorbell(14), /^jmp/)).toEqual([
      ...dieWithParent(0xa0),
      'mov r12d,0xa',
      'movabs rax,0x10000000e', // struct pollfd
      'push rax',
      'mov rdi,rsp',
      'mov esi,0x1',
      'mov edx,r12d',
      'mov eax,0x7', // poll
      'syscall',
      'pop rax',
      'mov eax,0x27', // getpid
      'syscall',
      'mov edi,eax',
      'mov esi,0x17', // SIGURG
      'mov eax,0x3e', // kill
      'syscall',
      `jmp 0x${(Number(DOORBELL_WAIT) - BASE).toString(16)}`,
    ]);
  });
});
