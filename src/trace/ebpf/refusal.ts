import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { errnoText } from '../../abi/errno.ts';
import { UnsupportedError, type SystemCallError } from '../../base/errors.ts';
import { ProgramRefusedError } from '../../sys/bpf.ts';
import { readStatus } from '../proc.ts';
import { advice, TRACE, type Asker } from './asker.ts';

const CAP_SYS_ADMIN = 21n;
const CAP_PERFMON = 38n;
const CAP_BPF = 39n;

const EPERM = 1;
const ENOMEM = 12;
const EINVAL = 22;
const ENFILE = 23;
const EMFILE = 24;
const ENOSYS = 38;

const OTHER = '--method seccomp does without';

/** What is known of the machine when the kernel has refused. */
export interface Surroundings {
  /** Capabilities of this process as a bit mask, or null where they cannot be read. */
  readonly capabilities: bigint | null;
  /** Release of the kernel, such as `6.1.0-13-amd64`. */
  readonly kernel: string;
  /** `none`, `integrity` or `confidentiality`; null where there is no lockdown. */
  readonly lockdown: string | null;
}

/** Why the kernel does not let callgate trace by eBPF, as one line, and what to do. */
export function explainRefusal(
  error: SystemCallError,
  asker: Asker = TRACE,
  around: Surroundings = lookAround(),
): UnsupportedError {
  const reason = reasonOf(error, asker, around);
  return new UnsupportedError(`${asker.command}: eBPF tracing cannot be set up: ${reason}`, {
    feature: 'eBPF',
    minimumKernel: '5.14',
    cause: error,
  });
}

/** Whether something failed for a limit of open files, of which tracing by eBPF needs more than the other methods. */
export function isOutOfFiles({ errno }: SystemCallError): boolean {
  return errno === EMFILE || errno === ENFILE;
}

function reasonOf(
  error: SystemCallError,
  asker: Asker,
  { capabilities, kernel, lockdown }: Surroundings,
): string {
  const name = errnoText(error.errno);
  if (error.errno === ENOSYS) {
    const hints = ['CONFIG_BPF_SYSCALL, or a seccomp filter that denies it'];
    return `this kernel has no bpf(2), ENOSYS${advice(asker, hints, OTHER)}`;
  }
  if (error.errno === EPERM) {
    const has = (capability: bigint): boolean =>
      capabilities !== null && ((capabilities >> capability) & 1n) === 1n;
    if (!has(CAP_SYS_ADMIN) && !(has(CAP_BPF) && has(CAP_PERFMON))) {
      return `it needs CAP_BPF and CAP_PERFMON, or root${advice(asker, [], '--method seccomp needs no privilege')}`;
    }
    if (lockdown === 'confidentiality') {
      return `the kernel is locked down for confidentiality${advice(asker, [], OTHER)}`;
    }
    if (isBefore(kernel, 5, 11)) {
      return `${error.request} gave EPERM: the limit of locked memory is too small, which counts on Linux before 5.11 (ulimit -l unlimited)`;
    }
    const hints = ["a container's seccomp filter, or not the initial user namespace"];
    return `${error.request} gave EPERM although the capabilities are there${advice(asker, hints, OTHER)}`;
  }
  if (error.errno === EMFILE) {
    return `${error.request} gave EMFILE: more files would be open than are allowed (ulimit -n)`;
  }
  if (error.errno === ENFILE) {
    return `${error.request} gave ENFILE: all files are open that the machine allows (sysctl fs.file-max)`;
  }
  if (error.errno === ENOMEM) return `${error.request} gave ENOMEM: there is not enough memory`;
  if (error instanceof ProgramRefusedError) {
    const [last] = error.log
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('processed '))
      .slice(-1);
    const verdict = last === undefined ? '' : `, the verifier says ${JSON.stringify(last)}`;
    const old =
      error.errno === EINVAL && isBefore(kernel, 5, 15)
        ? ' (Linux 5.14 is needed, 5.15 for what runs already)'
        : '';
    return `${error.message}${verdict}${old}`;
  }
  return error.message.includes(name) ? error.message : `${error.message}, ${name}`;
}

function isBefore(kernel: string, major: number, minor: number): boolean {
  const [, a, b] = /^(\d+)\.(\d+)/.exec(kernel) ?? [];
  if (a === undefined || b === undefined) return false;
  return Number(a) < major || (Number(a) === major && Number(b) < minor);
}

function lookAround(): Surroundings {
  const effective = readStatus('self')?.get('CapEff');
  return {
    capabilities: effective === undefined ? null : BigInt(`0x${effective}`),
    kernel: release(),
    lockdown: readLockdown(),
  };
}

function readLockdown(): string | null {
  try {
    return /\[(\w+)\]/.exec(readFileSync('/sys/kernel/security/lockdown', 'utf8'))?.[1] ?? null;
  } catch {
    return null;
  }
}
