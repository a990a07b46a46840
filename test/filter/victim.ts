import { encodeProgram, type Instruction } from '../../src/policy/filter/cbpf.ts';
import { decodeAction } from '../../src/policy/filter/action.ts';
import { runProgram } from './native-program.ts';

/** A call to make under a filter. */
export interface VictimCall {
  readonly program: readonly Instruction[];
  readonly nr: number;
  readonly args?: readonly bigint[];
}

/** Makes each call in a process of its own; one line of text each, see victim.c. */
export function runVictim(victim: string, calls: readonly VictimCall[]): string[] {
  const lines = calls.map(({ program, nr, args = [] }) => {
    const bytes = Buffer.from(encodeProgram(program)).toString('hex');
    const operands = Array.from({ length: 6 }, (_, index) => (args[index] ?? 0n).toString(16));
    return [bytes, (nr >>> 0).toString(16), ...operands].join(' ');
  });
  return runProgram(victim, `${lines.join('\n')}\n`)
    .toString()
    .trimEnd()
    .split('\n');
}

/** What the victim prints for a getpid under a program that returns `value`; every pid is printed as `PID`. */
export function expectedOutcome(value: number, nr: number, arch: number): string {
  const action = decodeAction(value);
  switch (action.kind) {
    case 'allow':
    case 'log':
      return 'returned PID';
    case 'errno':
      return `returned ${action.errno === 0 ? 0 : -action.errno}`;
    case 'trace':
    case 'user_notif':
      return 'returned -38';
    case 'trap':
      return `trapped ${arch.toString(16)} ${nr}`;
    case 'kill_thread':
      return 'killed thread';
    case 'kill_process':
      return 'killed process';
  }
}

/** The victim's line with any pid replaced, so that it can be compared. */
export function withoutPid(line: string): string {
  return line.replace(/^returned [1-9]\d*$/, 'returned PID');
}
