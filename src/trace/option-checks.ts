import { constants } from 'node:os';
import { inspect } from 'node:util';
import { UsageError } from '../base/errors.ts';

/** Whose options are checked; errors begin with it. */
export type Checked = 'trace' | 'run' | 'spawn';

const METHODS = ['auto', 'ebpf', 'seccomp', 'ptrace', 'adaptive'];

/** Types are no help to programs that are written without them: options that would be misread, or cut at a zero byte, are refused. */
const CHECKS: Readonly<Record<string, (who: Checked, name: string, value: unknown) => void>> = {
  command: checkCommand,
  pids: checkPids,
  scope: checkScope,
  method: (who, name, value) => requireOneOf(who, name, value, METHODS),
  phases: checkPhaseList,
  autoPhases: requireBoolean,
  ready: requireTextOrObject,
  readyTimeout: requireText,
  workload: requireText,
  duration: requireText,
  grace: requireText,
  env: checkEnvironment,
  cwd: requireText,
  stdin: (who, name, value) => requireOneOf(who, name, value, ['inherit', 'null']),
  enforcement: requireObject,
  keepAwake: requireBoolean,
  announce: requireFunction,
  onEvent: requireFunction,
};

/**
 * Checks that options of a trace are of the types that they are declared with, as far as a mistake would not be told otherwise.
 *
 * @throws UsageError
 */
export function checkTraceOptions(options: unknown): void {
  requireObject('trace', 'options', options);
  const given = options as Record<string, unknown>;
  const who = given['enforcement'] === undefined ? 'trace' : 'run';
  for (const [name, check] of Object.entries(CHECKS)) {
    if (given[name] !== undefined) check(who, name, given[name]);
  }
}

/** @throws UsageError for what is no signal of this machine */
export function checkSignal(signal: unknown): void {
  if (typeof signal === 'string' && Object.hasOwn(constants.signals, signal)) return;
  throw new UsageError(`trace: there is no signal ${show(signal)} (a name such as SIGTERM)`);
}

/** @throws UsageError */
export function requireObject(who: Checked, name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong(who, name, 'an object', value);
  }
}

export function requireList(who: Checked, name: string, value: unknown): asserts value is readonly unknown[] {
  if (!Array.isArray(value)) throw wrong(who, name, 'an array', value);
}

export function requireText(who: Checked, name: string, value: unknown): void {
  if (typeof value !== 'string') throw wrong(who, name, 'text', value);
  if (value.includes('\0')) throw zeroByte(who, name, value);
}

function checkCommand(who: Checked, name: string, value: unknown): void {
  requireList(who, name, value);
  if (value.length === 0) throw new UsageError(`${who}: ${name} is empty (a program, and its arguments)`);
  requireText(who, `${name}[0]`, value[0]);
  for (const [index, argument] of value.entries()) requireTextOrBytes(who, `${name}[${index}]`, argument);
}

function checkPids(who: Checked, name: string, value: unknown): void {
  requireList(who, name, value);
  if (value.length === 0) throw new UsageError(`${who}: ${name} is empty (the processes to attach to)`);
}

function checkScope(who: Checked, name: string, value: unknown): void {
  requireObject(who, name, value);
  const scope = value as Record<string, unknown>;
  const given = ['cgroup', 'container', 'all'].filter((key) => scope[key] !== undefined);
  if (given.length !== 1)
    throw new UsageError(`${who}: ${name} has to have one of cgroup, container and all`);
  for (const key of ['cgroup', 'container']) {
    if (scope[key] !== undefined) requireText(who, `${name}.${key}`, scope[key]);
  }
  if (scope['all'] !== undefined && scope['all'] !== true)
    throw wrong(who, `${name}.all`, 'true', scope['all']);
}

function checkPhaseList(who: Checked, name: string, value: unknown): void {
  requireList(who, name, value);
  for (const [index, phase] of value.entries()) requireTextOrObject(who, `${name}[${index}]`, phase);
}

function checkEnvironment(who: Checked, name: string, value: unknown): void {
  if (!Array.isArray(value)) throw wrong(who, name, 'an array of NAME=value', value);
  for (const [index, entry] of value.entries()) requireTextOrBytes(who, `${name}[${index}]`, entry);
}

function requireTextOrBytes(who: Checked, name: string, value: unknown): void {
  if (!(value instanceof Uint8Array)) requireText(who, name, value);
  else if (value.includes(0)) throw zeroByte(who, name, value);
}

function requireTextOrObject(who: Checked, name: string, value: unknown): void {
  if (typeof value === 'string') return;
  if (typeof value !== 'object' || value === null) throw wrong(who, name, 'text or parsed', value);
}

function requireOneOf(who: Checked, name: string, value: unknown, known: readonly string[]): void {
  if (typeof value === 'string' && known.includes(value)) return;
  throw new UsageError(`${who}: ${name} is ${show(value)} (${known.join(', ')})`);
}

function requireBoolean(who: Checked, name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw wrong(who, name, 'true or false', value);
}

function requireFunction(who: Checked, name: string, value: unknown): void {
  if (typeof value !== 'function') throw wrong(who, name, 'a function', value);
}

function wrong(who: Checked, name: string, what: string, value: unknown): UsageError {
  return new UsageError(`${who}: ${name} has to be ${what}, not ${show(value)}`);
}

function zeroByte(who: Checked, name: string, value: string | Uint8Array): UsageError {
  return new UsageError(`${who}: ${name} has a zero byte, at which the kernel would cut it: ${show(value)}`);
}

function show(value: unknown): string {
  return inspect(value, { depth: 0, breakLength: Infinity, maxArrayLength: 4, maxStringLength: 60 });
}
