import type { Check } from './check.ts';
import { checkEbpf } from './ebpf.ts';
import type { Facts } from './facts.ts';
import { checkArchitectures, checkMachine } from './machine.ts';
import { describeSurroundings, type Note } from './notes.ts';
import { checkPrivileges } from './privileges.ts';
import { checkPtrace } from './ptrace.ts';
import { checkSeccomp } from './seccomp.ts';
import { judgeMethods, type MethodVerdict } from './verdict.ts';

/** Value of `format` in the JSON form. */
export const DIAGNOSIS_FORMAT = 'callgate-diagnosis';

/** What works on a machine; the JSON form of `callgate doctor`. */
export interface Diagnosis {
  readonly format: typeof DIAGNOSIS_FORMAT;
  readonly version: 1;
  readonly host: {
    readonly kernel: string;
    readonly arch: string;
    readonly node: string;
    /** Release of glibc, or null if it could not be loaded. */
    readonly glibc: string | null;
  };
  readonly checks: readonly Check[];
  readonly notes: readonly Note[];
  readonly methods: readonly MethodVerdict[];
}

/** Judges facts; pure. */
export function judgeFacts(facts: Facts): Diagnosis {
  const checks = [
    ...checkMachine(facts),
    ...checkPtrace(facts),
    ...checkSeccomp(facts),
    ...checkPrivileges(facts),
    ...checkArchitectures(facts),
    ...checkEbpf(facts),
  ];
  return {
    format: DIAGNOSIS_FORMAT,
    version: 1,
    host: { kernel: facts.kernel, arch: facts.machine, node: facts.node, glibc: facts.native.glibc },
    checks,
    notes: describeSurroundings(facts),
    methods: judgeMethods(facts, checks),
  };
}

/** Whether `callgate trace -- PROGRAM` was found to work by its default method. */
export function isTracingSupported(diagnosis: Diagnosis): boolean {
  return diagnosis.methods.some(
    ({ command, isDefault, status }) => command === 'start' && isDefault && status === 'supported',
  );
}
