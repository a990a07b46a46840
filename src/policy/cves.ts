import type { Arch } from '../abi/arch.ts';
import { syscallNumber } from '../abi/syscalls.ts';
import { CVE_CALLS } from './generated/cves.ts';

/** A published kernel vulnerability and the calls by which an exploit reaches it. */
export interface Cve {
  readonly id: string;
  /** An exploit needs at least one of them; those that do the same job are all listed. */
  readonly calls: readonly string[];
}

/** Every vulnerability that callgate knows the calls of, by year and number. */
export function knownCves(): readonly Cve[] {
  return CVE_CALLS.trim()
    .split('\n')
    .map((row) => {
      const [id = '', ...calls] = row.split(' ');
      return { id, calls };
    });
}

/**
 * The vulnerabilities that nothing allowed leads to: all of their calls, and what does the same on an arch, are denied
 * on all of the arches.
 *
 * Names are compared whole. One that an arch does not have cannot be made there, but at least one of the calls must exist:
 * what cannot be reached anyway is not taken away by a policy.
 *
 * @param isAllowed whether the policy lets any form of the call through
 */
export function blockedCves(
  arches: readonly Arch[],
  isAllowed: (arch: Arch, nr: number) => boolean,
): readonly Cve[] {
  return knownCves().filter(({ calls }) => {
    const numbers = arches.flatMap((arch) =>
      [...new Set(calls.flatMap((name) => waysTo(arch, name)))].map((nr) => ({ arch, nr })),
    );
    return numbers.length > 0 && numbers.every(({ arch, nr }) => !isAllowed(arch, nr));
  });
}

/** Calls by which the same code of the kernel is reached. */
const SAME_WAY: readonly (readonly string[])[] = [
  ['execve', 'execveat'],
  ['fork', 'vfork', 'clone', 'clone3'],
  ['mmap', 'mmap2'],
  ['open', 'openat', 'openat2', 'creat'],
];

/** i386's multiplexers and what they do by their first argument. Source: include/uapi/linux/net.h and ipc.h. */
const MULTIPLEXERS: Readonly<Record<string, string>> = {
  socketcall:
    'accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg sendmsg ' +
    'sendto setsockopt shutdown socket socketpair',
  ipc: 'msgctl msgget msgrcv msgsnd semctl semget semop semtimedop shmat shmctl shmdt shmget',
};

/** Numbers of a call, of its variants for 64-bit times and files, and of what else does the same. */
function waysTo(arch: Arch, name: string): readonly number[] {
  const same = SAME_WAY.find((names) => names.includes(name)) ?? [name];
  const names = same.flatMap((each) => [each, `${each}_time64`, `${each}64`]);
  const multiplexers =
    arch === 'i386'
      ? Object.keys(MULTIPLEXERS).filter((each) => MULTIPLEXERS[each]?.split(' ').includes(name))
      : [];
  return [...names, ...multiplexers].flatMap((each) => syscallNumber(arch, each) ?? []);
}
