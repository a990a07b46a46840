import { readFileSync } from 'node:fs';
import { arch, release } from 'node:os';
import { CAP, hasBit } from '../abi/capabilities.ts';
import type { Host } from '../profile/model.ts';
import { ownCapabilities } from './proc.ts';

/** uname -m by the name that Node gives the machine. */
const MACHINES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64', ia32: 'i686' };

/** This machine, for the profile's provenance; `libc` comes from the back end, which has it loaded. */
export function describeHost(libc: string | null): Host {
  return {
    kernel: release(),
    arch: MACHINES[arch()] ?? arch(),
    libc: libc === null ? null : `glibc ${libc}`,
    distribution: readDistribution(),
  };
}

/** Whether a seccomp filter can be installed without no_new_privs. */
export function isPrivileged(): boolean {
  return hasBit(ownCapabilities(), CAP.SYS_ADMIN);
}

function readDistribution(): string | null {
  try {
    const text = readFileSync('/etc/os-release', 'utf8');
    return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(text)?.[1] ?? null;
  } catch {
    return null;
  }
}
