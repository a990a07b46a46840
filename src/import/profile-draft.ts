import { ARCHES, type Arch } from '../abi/arch.ts';
import { syscallName } from '../abi/syscalls.ts';
import { VERSION } from '../base/version.ts';
import { canonicalProfile } from '../profile/canonical.ts';
import {
  PROFILE_FORMAT,
  PROFILE_VERSION,
  type Call,
  type Phase,
  type Process,
  type Profile,
  type Program,
} from '../profile/model.ts';
import type { Imported } from './importer.ts';
import type { Remarks } from './remarks.ts';

/** What a run of another tool amounts to. */
export interface ProfileDraft {
  readonly command: readonly string[];
  /** ISO 8601. */
  readonly start: string;
  /** Nanoseconds. */
  readonly duration: number;
  readonly arch: Arch;
  readonly programs: readonly Program[];
  readonly processes: readonly Process[];
  /** Phases after setup; none unless given. */
  readonly later?: readonly { readonly name: string; readonly trigger: string }[];
  /** Why the file may not hold everything. */
  readonly incomplete: readonly string[];
}

/** A profile of one run, all of whose calls are another tool's word. */
export function finishProfile(draft: ProfileDraft, remarks: Remarks): Imported {
  const list = remarks.list();
  const profile: Profile = {
    format: PROFILE_FORMAT,
    version: PROFILE_VERSION,
    generator: { name: 'callgate', version: VERSION },
    runs: [
      {
        method: 'import',
        command: draft.command,
        start: draft.start,
        duration: draft.duration,
        complete: false,
        incomplete: draft.incomplete,
        lost: 0,
        warnings: list,
        host: {
          kernel: 'unknown',
          arch: draft.arch === 'i386' ? 'i686' : draft.arch,
          libc: null,
          distribution: null,
        },
      },
    ],
    phases: [
      { name: 'setup', trigger: null, source: 'start', reason: null, entered: true },
      ...(draft.later ?? []).map((phase): Phase => ({
        ...phase,
        source: 'given',
        reason: null,
        entered: true,
      })),
    ],
    programs: draft.programs,
    processes: draft.processes,
  };
  return { kind: 'profile', profile: canonicalProfile(profile), remarks: list };
}

/** A call as another tool tells it, of which nothing else is known. */
export function importedCall(arch: Arch, nr: number, fields: Partial<Call> = {}): Call {
  return {
    arch,
    nr,
    name: syscallName(arch, nr),
    origin: 'imported',
    count: null,
    first: null,
    last: null,
    phases: [0],
    ...fields,
  };
}

/** A program and the numbers that it may call by another tool's analysis. */
export function importedProgram(path: string, arch: Arch, numbers: Iterable<number>): Program {
  const distinct = [...new Set(numbers)].sort((a, b) => a - b);
  return { path, buildId: null, calls: distinct.map((nr) => importedCall(arch, nr)) };
}

/** Arch of the calls of a machine's own programs, by what Node calls the machine; null for one that callgate does not know. */
export function nativeArch(machine: string): Arch | null {
  const names: Readonly<Record<string, Arch>> = { x64: 'x86_64', ia32: 'i386', arm64: 'aarch64' };
  return names[machine] ?? ARCHES.find((arch) => arch === machine) ?? null;
}
