import { errnoName } from '../abi/errno.ts';

/**
 * The program that becomes the traced program: a static x86-64 ELF, assembled here, of a few hundred bytes.
 *
 * It sets the signal dispositions and the signal mask that the program is to have, stops itself so that it can be
 * seized, and then sets no_new_privs, installs a seccomp filter (both if asked for) and executes argv[1] with
 * argv[2...] and its own environment. A failure before execve ends it with 128 + errno, a failure of execve
 * with errno, or where it is to say so itself as a shell would, with 127 for ENOENT and 126 otherwise.
 */
export interface TrampolineOptions {
  /** Bit n-1 set: signal n is ignored, otherwise at its default. */
  readonly ignoredSignals: bigint;
  /** Bit n-1 set: signal n is blocked. */
  readonly blockedSignals: bigint;
  readonly noNewPrivs: boolean;
  /** struct sock_filter[] to install with SECCOMP_SET_MODE_FILTER, or null. */
  readonly filter: Uint8Array | null;
  /** True if nobody is going to seize it: it neither stops nor touches signals, and lives on without its parent. */
  readonly unattended?: boolean;
  /** True if it is to set the signals, but nobody is going to seize it. */
  readonly signalsOnly?: boolean;
  /** What to write to stderr if it is ended before the execve: for when nobody is left to explain its exit code. */
  readonly failure?: string;
  /** What to write to stderr before the name of the error if the execve fails, likewise. */
  readonly refusal?: string;
}

const BASE = 0x400000;
const HEADERS = 64 + 56;

const SYS = {
  write: 1,
  rt_sigaction: 13,
  rt_sigprocmask: 14,
  pause: 34,
  getpid: 39,
  execve: 59,
  kill: 62,
} as const;
const SYS_read = 0;
const SYS_poll = 7;
const SYS_nanosleep = 35;
const SYS_getppid = 110;
const SYS_setsid = 112;
const SYS_prctl = 157;
const SYS_exit_group = 231;
const SYS_seccomp = 317;
const SYS_bpf = 321;

const POLLIN = 1;

/** How long a doorbell with a descriptor waits before it has been told, milliseconds. */
const FIRST_WAIT = 10;

const ENOENT = 2;

/** Errors that are told by name; the kernel has none of a higher number for programs. Bytes of each: its length, and its text, filled up. */
const NAMED_ERRORS = 134;
const NAME_SIZE = 24;

const SIGKILL = 9;
const SIGSTOP = 19;
const SIGURG = 23;
const SIG_SETMASK = 2;
const PR_SET_PDEATHSIG = 1;
const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_SET_MODE_FILTER = 1;
const BPF_MAP_GET_NEXT_KEY = 4;

/** Address at which a doorbell with a descriptor begins to wait: after what {@link dieWithParent} assembles, and the first value of r12d. */
export const DOORBELL_WAIT: bigint = BigInt(BASE + HEADERS + 40 + 6);

/** Assembles the trampoline for one start. */
export function assembleTrampoline(options: TrampolineOptions): Uint8Array {
  const code = new Code();
  code.bytes(0x48, 0x89, 0xe3); // mov rbx, rsp
  const attended = options.unattended !== true && options.signalsOnly !== true;
  // Nothing is left behind stopped if callgate dies before it could seize.
  if (attended) dieWithParent(code);
  if (options.unattended !== true) setSignals(code);
  if (attended) stop(code);
  if (options.noNewPrivs) {
    code.bytes(0x31, 0xd2, 0x45, 0x31, 0xd2, 0x45, 0x31, 0xc0); // xor edx, edx; r10d; r8d
    code.call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1);
    code.failIfNegative(options.failure);
  }
  if (options.filter !== null) {
    code.bytes(0x48, 0xba).address('program'); // mov rdx, struct sock_fprog
    code.call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0);
    code.failIfNegative(options.failure);
  }
  code.bytes(0x48, 0x8b, 0x7b, 0x10); // mov rdi, [rbx+16]
  code.bytes(0x48, 0x8d, 0x73, 0x18); // lea rsi, [rbx+24]
  code.bytes(0x48, 0x8b, 0x03); // mov rax, [rbx]
  code.bytes(0x48, 0x8d, 0x54, 0xc3, 0x10); // lea rdx, [rbx+rax*8+16]
  code.syscall(SYS.execve);
  code.bytes(0xf7, 0xd8); // neg eax
  if (options.refusal !== undefined) tellRefusal(code, options.refusal);
  code.bytes(0x89, 0xc7); // mov edi, eax
  code.syscall(SYS_exit_group);
  return link(code, options);
}

/** Writes the message and the name of the error in eax, and puts into eax what a shell would end with. */
function tellRefusal(code: Code, message: string): void {
  code.bytes(0x41, 0x89, 0xc7); // mov r15d, eax
  code.bytes(0xbf).immediate(2).bytes(0x48, 0xbe).address('refusal'); // mov edi, 2; mov rsi, message
  code.bytes(0xba).immediate(Buffer.byteLength(message)).syscall(SYS.write); // mov edx, length
  code.bytes(0x31, 0xc0, 0x41, 0x81, 0xff).immediate(NAMED_ERRORS); // xor eax, eax; cmp r15d, NAMED_ERRORS
  code.bytes(0x41, 0x0f, 0x42, 0xc7); // cmovb eax, r15d
  code.bytes(0x6b, 0xc0, NAME_SIZE); // imul eax, eax, NAME_SIZE
  code.bytes(0x48, 0xbe).address('names').bytes(0x48, 0x01, 0xc6); // mov rsi, names; add rsi, rax
  code.bytes(0x0f, 0xb6, 0x16, 0x48, 0xff, 0xc6); // movzx edx, byte [rsi]; inc rsi
  code.bytes(0xbf).immediate(2).syscall(SYS.write); // mov edi, 2
  code.bytes(0x31, 0xc0, 0x41, 0x83, 0xff, ENOENT); // xor eax, eax; cmp r15d, ENOENT
  code.bytes(0x0f, 0x94, 0xc0, 0x83, 0xc0, 126); // sete al; add eax, 126
}

/** Each error's name and a line feed, by number. */
function errorNames(): Uint8Array {
  const names = Buffer.alloc(NAMED_ERRORS * NAME_SIZE);
  for (let errno = 0; errno < NAMED_ERRORS; errno++) {
    const at = errno * NAME_SIZE;
    names[at] = names.write(`${errnoName(errno) ?? 'an unknown error'}\n`, at + 1, NAME_SIZE - 1);
  }
  return names;
}

/**
 * Assembles the doorbell: a process that does nothing but wait for signals. With a descriptor it waits for that to be readable too, for r12d
 * milliseconds at most (FIRST_WAIT to begin with), and then sends itself SIGURG, at which it stops once it is traced, and which means nothing
 * to it before. From DOORBELL_WAIT on it waits anew.
 */
export function assembleDoorbell(descriptor: number | null = null): Uint8Array {
  const code = new Code();
  dieWithParent(code);
  if (descriptor !== null) code.bytes(0x41, 0xbc).immediate(FIRST_WAIT); // mov r12d, FIRST_WAIT
  const loop = code.length;
  if (descriptor === null) {
    code.syscall(SYS.pause);
  } else {
    code.bytes(0x48, 0xb8).immediate(descriptor).immediate(POLLIN).bytes(0x50); // mov rax, struct pollfd; push rax
    code.bytes(0x48, 0x89, 0xe7, 0xbe).immediate(1).bytes(0x44, 0x89, 0xe2); // mov rdi, rsp; mov esi, 1; mov edx, r12d
    code.syscall(SYS_poll).bytes(0x58).syscall(SYS.getpid); // pop rax
    code.bytes(0x89, 0xc7, 0xbe).immediate(SIGURG).syscall(SYS.kill); // mov edi, eax; mov esi, SIGURG
  }
  code.bytes(0xeb, loop - (code.length + 2)); // jmp loop
  return link(code, { ignoredSignals: 0n, blockedSignals: 0n, noNewPrivs: false, filter: null });
}

/**
 * Assembles the guard: a process of its own session that waits for the other end of a pipe to close, as it does when callgate dies,
 * and then kills every process whose pid is a key in a BPF map, until there is none left.
 */
export function assembleGuard(pipe: number, map: number): Uint8Array {
  const code = new Code();
  code.syscall(SYS_setsid);
  code.bytes(0x48, 0x83, 0xec, 0x40); // sub rsp, 64
  const read = code.length;
  code.bytes(0xbf).immediate(pipe).bytes(0x48, 0x89, 0xe6, 0xba).immediate(1); // mov edi, pipe; mov rsi, rsp; mov edx, 1
  code.syscall(SYS_read);
  code.bytes(0x48, 0x83, 0xf8, 0xfc, 0x74, read - (code.length + 6)); // cmp rax, -EINTR; je read
  const pass = code.length;
  code.bytes(0xc7, 0x04, 0x24).immediate(map); // mov dword [rsp], map
  code.bytes(0xc7, 0x44, 0x24, 0x04).immediate(0); // mov dword [rsp+4], 0
  code.bytes(0x48, 0xc7, 0x44, 0x24, 0x08).immediate(0); // mov qword [rsp+8], 0: from the first key on
  code.bytes(0x48, 0x8d, 0x44, 0x24, 0x24, 0x48, 0x89, 0x44, 0x24, 0x10); // lea rax, [rsp+36]; mov [rsp+16], rax
  code.bytes(0x48, 0xc7, 0x44, 0x24, 0x18).immediate(0); // mov qword [rsp+24], 0
  code.bytes(0x31, 0xdb); // xor ebx, ebx
  const next = code.length;
  code.bytes(0xbf).immediate(BPF_MAP_GET_NEXT_KEY).bytes(0x48, 0x89, 0xe6, 0xba).immediate(32); // mov rsi, rsp; mov edx, 32
  code.syscall(SYS_bpf);
  code.bytes(0x48, 0x85, 0xc0, 0x78, 37); // test rax, rax; js past the jump below
  code.bytes(0x8b, 0x7c, 0x24, 0x24, 0x89, 0x7c, 0x24, 0x20); // mov edi, [rsp+36]; mov [rsp+32], edi
  code.bytes(0xbe).immediate(SIGKILL).syscall(SYS.kill); // mov esi, SIGKILL
  code.bytes(0x48, 0x8d, 0x44, 0x24, 0x20, 0x48, 0x89, 0x44, 0x24, 0x08); // lea rax, [rsp+32]; mov [rsp+8], rax
  code.bytes(0xff, 0xc3, 0xe9).immediate(next - (code.length + 4)); // inc ebx; jmp next
  code.bytes(0x85, 0xdb, 0x74, 37); // test ebx, ebx; jz past the jump below
  code.bytes(0x48, 0xc7, 0x44, 0x24, 0x28).immediate(0); // mov qword [rsp+40], 0
  code.bytes(0x48, 0xc7, 0x44, 0x24, 0x30).immediate(1_000_000); // mov qword [rsp+48], a millisecond
  code.bytes(0x48, 0x8d, 0x7c, 0x24, 0x28, 0x31, 0xf6).syscall(SYS_nanosleep); // lea rdi, [rsp+40]; xor esi, esi
  code.bytes(0xe9).immediate(pass - (code.length + 4)); // jmp pass
  code.bytes(0x31, 0xff).syscall(SYS_exit_group); // xor edi, edi
  return link(code, { ignoredSignals: 0n, blockedSignals: 0n, noNewPrivs: false, filter: null });
}

/** The kernel kills it once callgate, this process, is gone; if it is gone by now, no signal comes any more, and it ends. 40 bytes. */
function dieWithParent(code: Code): void {
  code.call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  code.syscall(SYS_getppid).bytes(0x3d).immediate(process.pid); // cmp eax, pid of callgate
  code.bytes(0x74, 9, 0x31, 0xff).syscall(SYS_exit_group); // je past this; xor edi, edi
}

/** Gives every signal its disposition and sets the mask. */
function setSignals(code: Code): void {
  code.bytes(0x49, 0xbd).address('ignored'); // mov r13, address
  code.bytes(0x4d, 0x8b, 0x6d, 0x00); // mov r13, [r13]
  code.bytes(0x41, 0xbc, 64, 0, 0, 0); // mov r12d, 64
  const loop = code.length;
  code.bytes(0x48, 0xbe).address('dfl'); // mov rsi, default action
  code.bytes(0x49, 0x0f, 0xba, 0xe5, 63); // bt r13, 63
  code.bytes(0x73, 10); // jnc +10
  code.bytes(0x48, 0xbe).address('ign'); // mov rsi, ignore action
  code.bytes(0x44, 0x89, 0xe7); // mov edi, r12d
  code.bytes(0x31, 0xd2); // xor edx, edx
  code.bytes(0x41, 0xba, 8, 0, 0, 0); // mov r10d, 8
  code.syscall(SYS.rt_sigaction);
  code.bytes(0x49, 0xd1, 0xe5); // shl r13, 1
  code.bytes(0x41, 0xff, 0xcc); // dec r12d
  code.bytes(0x75, loop - (code.length + 2)); // jnz loop
  code.bytes(0xbf, SIG_SETMASK, 0, 0, 0); // mov edi, SIG_SETMASK
  code.bytes(0x48, 0xbe).address('blocked'); // mov rsi, mask
  code.bytes(0x31, 0xd2); // xor edx, edx
  code.bytes(0x41, 0xba, 8, 0, 0, 0); // mov r10d, 8
  code.syscall(SYS.rt_sigprocmask);
}

/** Waits to be seized and continued; from there on it is traced. */
function stop(code: Code): void {
  code.syscall(SYS.getpid);
  code.bytes(0x89, 0xc7); // mov edi, eax
  code.bytes(0xbe, SIGSTOP, 0, 0, 0); // mov esi, SIGSTOP
  code.syscall(SYS.kill);
  code.call(SYS_prctl, PR_SET_PDEATHSIG, 0);
}

type Place = 'ignored' | 'blocked' | 'dfl' | 'ign' | 'program' | 'failure' | 'refusal' | 'names';

class Code {
  readonly out: number[] = [];
  readonly fixups: { at: number; place: Place }[] = [];

  get length(): number {
    return this.out.length;
  }

  bytes(...bytes: number[]): this {
    for (const byte of bytes) this.out.push(byte & 0xff);
    return this;
  }

  /** A 64-bit absolute address, filled in by `link`. */
  address(place: Place): this {
    this.fixups.push({ at: this.out.length, place });
    return this.bytes(0, 0, 0, 0, 0, 0, 0, 0);
  }

  immediate(value: number): this {
    return this.bytes(value, value >> 8, value >> 16, value >> 24);
  }

  syscall(nr: number): this {
    return this.bytes(0xb8).immediate(nr).bytes(0x0f, 0x05); // mov eax, nr; syscall
  }

  /** A call with two constant arguments; other argument registers are left as they are. */
  call(nr: number, first: number, second: number): this {
    return this.bytes(0xbf).immediate(first).bytes(0xbe).immediate(second).syscall(nr);
  }

  /** Ends the process with 128 + errno if eax holds an error, after it has written the message if there is one. */
  failIfNegative(message: string | undefined): this {
    this.bytes(0x85, 0xc0, 0x79, 0); // test eax, eax; jns past what follows
    const begin = this.length;
    this.bytes(0x41, 0x89, 0xc7); // mov r15d, eax
    if (message !== undefined) {
      this.bytes(0xbf, 2, 0, 0, 0, 0x48, 0xbe).address('failure'); // mov edi, 2; mov rsi, message
      this.bytes(0xba).immediate(Buffer.byteLength(message)).syscall(SYS.write); // mov edx, length
    }
    this.bytes(0xbf).immediate(128).bytes(0x44, 0x29, 0xff); // mov edi, 128; sub edi, r15d
    this.syscall(SYS_exit_group).bytes(0x0f, 0x0b); // ud2
    this.out[begin - 1] = this.length - begin;
    return this;
  }
}

function link(code: Code, options: TrampolineOptions): Uint8Array {
  const filter = options.filter ?? new Uint8Array(0);
  const failure = Buffer.from(options.failure ?? '');
  const refusal = Buffer.from(options.refusal ?? '');
  const names = options.refusal === undefined ? new Uint8Array(0) : errorNames();
  const data = align(HEADERS + code.length, 16);
  const offsets: Record<Place, number> = {
    ignored: data,
    blocked: data + 8,
    dfl: data + 16,
    ign: data + 48,
    program: data + 80,
    failure: data + 96 + filter.length,
    refusal: data + 96 + filter.length + failure.length,
    names: data + 96 + filter.length + failure.length + refusal.length,
  };
  const instructions = data + 96;
  const size = offsets.names + names.length;
  const file = new Uint8Array(size);
  const view = new DataView(file.buffer);
  writeHeaders(view, size);
  file.set(code.out, HEADERS);
  for (const fixup of code.fixups) {
    view.setBigUint64(HEADERS + fixup.at, BigInt(BASE + offsets[fixup.place]), true);
  }
  view.setBigUint64(offsets.ignored, options.ignoredSignals, true);
  view.setBigUint64(offsets.blocked, options.blockedSignals, true);
  view.setBigUint64(offsets.ign, 1n, true); // SIG_IGN; the rest of both struct kernel_sigaction is zero
  view.setUint16(offsets.program, filter.length / 8, true);
  view.setBigUint64(offsets.program + 8, BigInt(BASE + instructions), true);
  file.set(filter, instructions);
  file.set(failure, offsets.failure);
  file.set(refusal, offsets.refusal);
  file.set(names, offsets.names);
  return file;
}

/** ELF header and one PT_LOAD that maps the whole file; source: elf(5). */
function writeHeaders(view: DataView, size: number): void {
  const ident = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1];
  for (const [index, byte] of ident.entries()) view.setUint8(index, byte);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, 62, true); // EM_X86_64
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(BASE + HEADERS), true); // e_entry
  view.setBigUint64(32, 64n, true); // e_phoff
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true); // PT_LOAD
  view.setUint32(68, 5, true); // R+X
  view.setBigUint64(80, BigInt(BASE), true);
  view.setBigUint64(88, BigInt(BASE), true);
  view.setBigUint64(96, BigInt(size), true);
  view.setBigUint64(104, BigInt(size), true);
  view.setBigUint64(112, 0x1000n, true);
}

function align(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}
