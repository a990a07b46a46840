import { constants } from 'node:os';
import { UsageError } from '../base/errors.ts';
import {
  checkOptions,
  requireBoolean,
  requireCount,
  requireOrdinal,
  requireFunction,
  requireList,
  requireObject,
  requireOneOf,
  requireText as requireAnyText,
  shown,
  wrongType,
  type Checks,
} from '../base/option-checks.ts';
import { requirePhaseName } from './trigger.ts';

const METHODS = ['auto', 'ebpf', 'seccomp', 'ptrace', 'adaptive'];

/** Types are no help to programs that are written without them: options that would be misread, or cut at a zero byte, are refused. */
const TRACE_CHECKS: Checks = {
  command: checkCommand,
  pids: checkPids,
  scope: checkScope,
  method: (who, name, value) => requireOneOf(who, name, value, METHODS),
  phases: checkPhaseList,
  autoPhases: requireBoolean,
  ready: requireTextOrTrigger,
  readyTimeout: requireText,
  workload: requireText,
  duration: requireText,
  grace: requireText,
  env: checkEnvironment,
  cwd: requireText,
  stdin: (who, name, value) => requireOneOf(who, name, value, ['inherit', 'null']),
  keepAwake: requireBoolean,
  errors: requireBoolean,
  announce: requireFunction,
  onEvent: requireFunction,
  signal: requireAbortSignal,
};

const RUN_CHECKS: Checks = {
  command: checkCommand,
  policy: requireObject,
  audit: requireBoolean,
  ifStuck: (who, name, value) => requireOneOf(who, name, value, ['keep', 'kill']),
  env: checkEnvironment,
  cwd: requireText,
  onEvent: requireFunction,
  signal: requireAbortSignal,
};

/** The fields of each kind of trigger besides its text. */
const TRIGGER_CHECKS: Readonly<Record<string, Checks>> = {
  syscall: { name: requireText, n: requireOrdinal },
  symbol: {
    object: (who, name, value) => value === null || requireText(who, name, value),
    name: requireText,
  },
  listen: { address: requireText },
  output: { pattern: requireText },
  after: { delay: requireCount },
  key: {},
};

/**
 * Checks that options of a trace are of the types that they are declared with, as far as a mistake would not be told otherwise,
 * and that there are no others: one that is misspelt, or that only others have, would be ignored.
 *
 * @throws UsageError
 */
export function checkTraceOptions(options: unknown): void {
  checkOptions('trace', options, TRACE_CHECKS);
}

/**
 * The same for those of a run. Of the policy it is only checked that it may be one.
 *
 * @throws UsageError
 */
export function checkRunOptions(options: unknown): void {
  checkOptions('run', options, RUN_CHECKS);
  const { command, policy } = options as Record<string, unknown>;
  if (command === undefined) throw new UsageError('run: there is no command (a program, and its arguments)');
  if (policy === undefined) throw new UsageError('run: there is no policy (parsePolicy reads one)');
}

/** @throws UsageError for what is no signal of this machine */
export function checkSignal(signal: unknown): void {
  if (typeof signal === 'string' && Object.hasOwn(constants.signals, signal)) return;
  throw new UsageError(`trace: there is no signal ${shown(signal)} (a name such as SIGTERM)`);
}

function requireText(who: string, name: string, value: unknown): void {
  requireAnyText(who, name, value);
  if ((value as string).includes('\0')) throw zeroByte(who, name, value as string);
}

function checkCommand(who: string, name: string, value: unknown): void {
  requireList(who, name, value);
  if (value.length === 0) throw new UsageError(`${who}: ${name} is empty (a program, and its arguments)`);
  requireText(who, `${name}[0]`, value[0]);
  for (const [index, argument] of value.entries()) requireTextOrBytes(who, `${name}[${index}]`, argument);
}

function checkPids(who: string, name: string, value: unknown): void {
  requireList(who, name, value);
  if (value.length === 0) throw new UsageError(`${who}: ${name} is empty (the processes to attach to)`);
}

function checkScope(who: string, name: string, value: unknown): void {
  requireObject(who, name, value);
  const scope = value as Record<string, unknown>;
  const given = ['cgroup', 'container', 'all'].filter((key) => scope[key] !== undefined);
  if (given.length !== 1)
    throw new UsageError(`${who}: ${name} has to have one of cgroup, container and all`);
  for (const key of ['cgroup', 'container']) {
    if (scope[key] !== undefined) requireText(who, `${name}.${key}`, scope[key]);
  }
  if (scope['all'] !== undefined && scope['all'] !== true)
    throw wrongType(who, `${name}.all`, 'true', scope['all']);
}

function checkPhaseList(who: string, name: string, value: unknown): void {
  requireList(who, name, value);
  for (const [index, phase] of value.entries()) {
    if (typeof phase !== 'string') checkPhase(who, `${name}[${index}]`, phase);
  }
}

function checkPhase(who: string, name: string, value: unknown): void {
  requireParsed(who, name, value);
  const { name: own, trigger, alternatives } = value;
  requireText(who, `${name}.name`, own);
  requirePhaseName(own as string);
  checkTrigger(who, `${name}.trigger`, trigger);
  if (alternatives === undefined) return;
  requireList(who, `${name}.alternatives`, alternatives);
  for (const [index, each] of alternatives.entries())
    checkTrigger(who, `${name}.alternatives[${index}]`, each);
}

function checkTrigger(who: string, name: string, value: unknown): void {
  requireParsed(who, name, value);
  requireOneOf(who, `${name}.kind`, value['kind'], Object.keys(TRIGGER_CHECKS));
  const checks = { text: requireText, ...TRIGGER_CHECKS[value['kind'] as string] };
  for (const [field, check] of Object.entries(checks)) check(who, `${name}.${field}`, value[field]);
}

function checkEnvironment(who: string, name: string, value: unknown): void {
  if (!Array.isArray(value)) throw wrongType(who, name, 'an array of NAME=value', value);
  for (const [index, entry] of value.entries()) requireTextOrBytes(who, `${name}[${index}]`, entry);
}

function requireTextOrBytes(who: string, name: string, value: unknown): void {
  if (!(value instanceof Uint8Array)) requireText(who, name, value);
  else if (value.includes(0)) throw zeroByte(who, name, value);
}

function requireTextOrTrigger(who: string, name: string, value: unknown): void {
  if (typeof value !== 'string') checkTrigger(who, name, value);
}

/** What a parser gives in place of text. */
function requireParsed(
  who: string,
  name: string,
  value: unknown,
): asserts value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw wrongType(who, name, 'text or parsed', value);
}

/** Not by its class: that of another realm will do. */
function requireAbortSignal(who: string, name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || !('aborted' in value) || !('addEventListener' in value))
    throw wrongType(who, name, 'an AbortSignal', value);
}

function zeroByte(who: string, name: string, value: string | Uint8Array): UsageError {
  return new UsageError(`${who}: ${name} has a zero byte, at which the kernel would cut it: ${shown(value)}`);
}
