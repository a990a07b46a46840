import { ARGUMENT_CAP } from '../../profile/call-union.ts';
import { USES_CAP } from '../recorder.ts';
import { emitTask, type Places } from './adoption-code.ts';
import { emitCurrentArch, I386, X86_64 } from './arch-code.ts';
import type { EbpfCode } from './assembler.ts';
import {
  CALL,
  CALL_EVENT,
  CALL_KEY,
  CONTROL,
  HOT_NUMBERS,
  HOT_VALUES,
  LISTEN_EVENT,
  PROCESS,
  ROW,
  ROW_CLONE,
  ROW_CLONE3,
  ROW_FORK,
  ROW_LISTEN,
  ROW_OUTPUT,
  ROW_OUTPUT_VECTOR,
  ROW_SECOND,
  ROW_SELECTORS,
  ROW_SOCKETCALL,
  ROW_TRIGGER,
  ROW_VFORK,
  SELECTOR_CAP,
  SELECTOR_OFFSET_SHIFT,
  SELECTOR_POINTEE,
  SELECTOR_POINTEE_WIDE,
  SELECTOR_WIDE,
  TABLE_ROWS,
  TASK,
  TASK_LAUNCHING,
  TRIGGER_EVENT,
  VALUE,
  VALUE_EVENT,
  VALUE_KEY,
} from './layout.ts';
import { emitListen } from './listen-code.ts';
import { emitOutput } from './output-code.ts';
import { ProgramAssembler, RB_FORCE_WAKEUP, RB_NO_WAKEUP, type ProgramOptions } from './program.ts';
import { emitClaim, emitForget, emitShortcut } from './shortcut-code.ts';

const SYS_execve = 59;
/** SYS_LISTEN of include/uapi/linux/net.h: what socketcall(2) takes. */
const SOCKETCALL_LISTEN = 4;
const CLONE_VFORK = 0x4000;

/** Offsets of the arguments in struct pt_regs, which user space knows: arch/x86/include/uapi/asm/ptrace.h. */
const ARGUMENTS_64 = [112, 104, 96, 56, 72, 64] as const;
const ARGUMENTS_32 = [40, 88, 96, 104, 112, 32] as const;

type Place =
  | 'tid'
  | 'ids'
  | 'now'
  | 'key'
  | 'flags'
  | 'waits'
  | 'registers'
  | 'phase'
  | 'row'
  | 'arguments'
  | 'call'
  | 'valueKey'
  | 'value'
  | 'event'
  | 'spare'
  | 'waitKey'
  | 'large';

/** Places on the stack, from the frame pointer downwards. */
export const AT: Readonly<Record<Place, number>> = {
  tid: -8,
  ids: -16,
  now: -24,
  key: -40,
  flags: -48,
  /** Above the value of a call, of which the last bytes are not used. */
  waits: -328,
  registers: -56,
  phase: -64,
  row: -72,
  arguments: -136,
  call: -136 - CALL.size,
  valueKey: -216,
  value: -232,
  event: -296,
  spare: -304,
  waitKey: -320,
  /** Listen events and process values. */
  large: -328 - Math.max(LISTEN_EVENT.size, PROCESS.size),
};

/** What a program does with a call besides counting it. */
interface CallCode {
  /** Whether the task that makes the call is the one that runs: only then can its memory be read. */
  readonly isCurrent: boolean;
  /** Whether the next calls of the kind may take the shortcut. */
  readonly claims: boolean;
}

/** Places that adopting a task uses. */
export const ADOPTION_PLACES: Places = {
  idsAt: AT.ids,
  tidAt: AT.tid,
  nowAt: AT.now,
  taskAt: AT.call,
  processAt: AT.large,
  eventAt: AT.event,
};

/**
 * The program at raw tracepoint sys_enter: counts the call of a task that is traced.
 *
 * Registers: r6 the arguments of the tracepoint, r7 the task's entry in its map, r8 the number, r9 the arch and later the
 * call's entry in its map.
 */
export function assembleEnter(options: ProgramOptions): EbpfCode {
  const code = new ProgramAssembler(options.fields);
  code.mov('r6', 'r1');
  if (options.isLean === true) emitShortcut(code);
  emitTask(code, options, ADOPTION_PLACES);
  // A lean program reads it where it is needed; the verifier wants it written before.
  if (options.isLean === true) code.store('r10', AT.now, 0, 8);
  else readTime(code);
  code.load('r8', 'r6', 8, 8).load('r1', 'r6', 0, 8).store('r10', AT.registers, 'r1', 8);
  emitCurrentArch(code);
  code.load('r1', 'r7', TASK.flags, 4).jumpIf('ne', 'r1', 0, 'flagged').label('unflagged');
  code.load('r1', 'r7', TASK.listenFd, 4).jumpIf('eq', 'r1', 0, 'no listen');
  if (options.isLean === true) readTime(code);
  emitListen(code, { nowAt: AT.now, eventAt: AT.large, spareAt: AT.spare });
  code.label('no listen');
  if (options.isLean !== true) code.endWait(AT.now, AT.waitKey);
  emitCall(code, options, { isCurrent: true, claims: options.isLean === true });
  code.label('flagged').jumpIf('set', 'r1', TASK_LAUNCHING, 'launching');
  // What it did before is over: there is no call that would have to be found.
  code.store('r7', TASK.flags, 0, 4).jump('unflagged');
  code.label('launching').jumpIf('ne', 'r8', SYS_execve, 'end').jumpIf('ne', 'r9', X86_64, 'end');
  code.load('r1', 'r10', AT.now, 8).store('r7', TASK.launchAt, 'r1', 8);
  return code.finish();
}

/** Counts the call r8 of arch r9 by the task in r7, with all that belongs to it, and ends the program. */
export function emitCall(code: ProgramAssembler, options: ProgramOptions, how: CallCode): void {
  if (options.errors === true) code.store('r7', TASK.counted, 1, 4);
  findPhase(code, options);
  findRow(code);
  code.jumpIf('ne', 'r2', 0, 'special');
  // What most calls take: nothing but being counted.
  findCall(code, options);
  countCall(code, options);
  if (how.claims) claim(code, false);
  code.jump('end').label('special');
  emitSpecial(code, options, how.isCurrent);
  findCall(code, options);
  countCall(code, options);
  emitSelectors(code, options, how);
  code.jump('end');
}

/**
 * Lets the next such calls of the task be counted in short. r8 = the number, r9 = the call's entry; r3 = the value of its selecting
 * argument if `hasValue`. Ends the program if it is no call that can be.
 */
function claim(code: ProgramAssembler, hasValue: boolean): void {
  code.load('r1', 'r10', AT.key + CALL_KEY.arch, 4).jumpIf('ne', 'r1', X86_64, 'end');
  code.jumpIf('ge', 'r8', HOT_NUMBERS, 'end');
  emitClaim(code, { tidAt: AT.tid, keyAt: AT.key, valueKeyAt: hasValue ? AT.valueKey : null });
}

export function readTime(code: ProgramAssembler): void {
  code.call('ktime_get_ns').store('r10', AT.now, 'r0', 8);
}

/** r2 = the flags of the call in the table, 0 for a number beyond the table; its row is remembered, and whether it waits. */
function findRow(code: ProgramAssembler): void {
  code.mov('r2', 0).mov('r4', 0).mapValue('r1', 'table', 0).jumpIf('ge', 'r8', TABLE_ROWS, 'row');
  code.mov('r3', 'r9').alu('lsh', 'r3', Math.log2(TABLE_ROWS)).alu('add', 'r3', 'r8').alu('lsh', 'r3', 4);
  code.alu('add', 'r1', 'r3').load('r2', 'r1', ROW.flags, 2).load('r4', 'r1', ROW.waits, 2);
  code
    .label('row')
    .store('r10', AT.row, 'r1', 8)
    .store('r10', AT.flags, 'r2', 8)
    .store('r10', AT.waits, 'r4', 8);
}

/** Remembers the phase in which the call is made, where there are any. */
function findPhase(code: ProgramAssembler, options: ProgramOptions): void {
  if (options.hasSymbols === true || options.triggers.some(({ phase }) => phase !== null)) {
    // The phase belongs to the process, and another of its threads may have begun it.
    code.load('r1', 'r10', AT.ids, 8).alu('rsh', 'r1', 32).store('r10', AT.spare, 'r1', 4);
    code.phase(AT.spare).store('r10', AT.phase, 'r0', 8);
  } else if (options.hasTreePhases) {
    code.mapValue('r1', 'control', CONTROL.phase).load('r1', 'r1', 0, 4).store('r10', AT.phase, 'r1', 8);
  } else {
    code.store('r10', AT.phase, 0, 8);
  }
}

/** What few calls need besides being counted. */
function emitSpecial(code: ProgramAssembler, options: ProgramOptions, isCurrent: boolean): void {
  storeArguments(code);
  if (isCurrent) emitFollowing(code, options);
  emitTriggers(code, options);
  code.label('no trigger');
}

/** What is to be known of the call when it makes a child, listens or writes. */
function emitFollowing(code: ProgramAssembler, options: ProgramOptions): void {
  code.load('r1', 'r10', AT.flags, 8);
  code.jumpIf('set', 'r1', ROW_CLONE | ROW_CLONE3, 'clone').jumpIf('set', 'r1', ROW_FORK | ROW_VFORK, 'fork');
  code.jumpIf('set', 'r1', ROW_LISTEN | ROW_SOCKETCALL, 'listen').jump('no family');
  emitClone(code);
  emitListenEntry(code, options);
  code.label('no family');
  if (options.streams.length > 0) {
    code
      .load('r1', 'r10', AT.flags, 8)
      .jumpIf('set', 'r1', ROW_OUTPUT | ROW_OUTPUT_VECTOR, 'output')
      .jump('no output')
      .label('output');
    emitOutput(code, options.streams, {
      tidAt: AT.tid,
      argumentsAt: AT.arguments,
      nowAt: AT.now,
      spareAt: AT.spare,
      flagsAt: AT.flags,
      workAt: AT.event,
    });
    code.label('no output');
  }
}

/** All six arguments onto the stack, and two zeros for the verifier, who sees a position of three bits. */
function storeArguments(code: ProgramAssembler): void {
  code.load('r2', 'r10', AT.registers, 8).jumpIf('eq', 'r9', I386, 'arguments of i386');
  for (const [index, offset] of ARGUMENTS_64.entries()) {
    code.load('r3', 'r2', offset, 8).store('r10', AT.arguments + index * 8, 'r3', 8);
  }
  code.jump('all arguments').label('arguments of i386');
  for (const [index, offset] of ARGUMENTS_32.entries()) {
    code
      .load('r3', 'r2', offset, 8)
      .alu32('mov', 'r3', 'r3')
      .store('r10', AT.arguments + index * 8, 'r3', 8);
  }
  code.label('all arguments').zero(AT.arguments + 48, 16);
}

function emitClone(code: ProgramAssembler): void {
  code.label('clone').load('r3', 'r10', AT.arguments, 8).jumpIf('set', 'r1', ROW_CLONE, 'flags');
  code.store('r10', AT.spare, 0, 8).mov('r1', 'r10').alu('add', 'r1', AT.spare).mov('r2', 8);
  code.call('probe_read_user').load('r3', 'r10', AT.spare, 8);
  code.label('flags').store('r7', TASK.cloneFlags, 'r3', 4).jump('no family');
  code.label('fork').mov('r3', 0).jumpIf('set', 'r1', ROW_FORK, 'flags').mov('r3', CLONE_VFORK).jump('flags');
}

/** Whether it succeeds shows when the thread makes its next call. */
function emitListenEntry(code: ProgramAssembler, options: ProgramOptions): void {
  code.label('listen').load('r3', 'r10', AT.arguments, 8).jumpIf('set', 'r1', ROW_LISTEN, 'listening');
  code.jumpIf32('ne', 'r3', SOCKETCALL_LISTEN, 'no family').store('r10', AT.spare, 0, 8);
  code
    .load('r3', 'r10', AT.arguments + 8, 8)
    .mov('r1', 'r10')
    .alu('add', 'r1', AT.spare)
    .mov('r2', 4);
  code.call('probe_read_user').load('r3', 'r10', AT.spare, 4);
  code.label('listening').alu32('add', 'r3', 1).store('r7', TASK.listenFd, 'r3', 4);
  if (options.isLean === true) readTime(code);
  code.load('r1', 'r10', AT.now, 8).store('r7', TASK.listenAt, 'r1', 8);
  if (options.isLean === true) emitForget(code, AT.tid);
  code.jump('no family');
}

/**
 * Counts the calls for which a phase, or the workload, waits. Whether a trigger is armed is decided before any fires: a call that
 * begins one phase does not count for the next. The call that begins a phase is in it.
 */
function emitTriggers(code: ProgramAssembler, options: ProgramOptions): void {
  if (options.triggers.length === 0) return;
  code
    .load('r1', 'r10', AT.flags, 8)
    .jumpIf('set', 'r1', ROW_TRIGGER, 'triggers')
    .jump('no trigger')
    .label('triggers');
  code.load('r1', 'r10', AT.ids, 8).alu('rsh', 'r1', 32).store('r10', AT.spare, 'r1', 4);
  code.lookup('processes', AT.spare).jumpIf('eq', 'r0', 0, 'no trigger').store('r10', AT.value, 'r0', 8);
  code.load('r1', 'r10', AT.phase, 8).store('r10', AT.value + 8, 'r1', 8);
  for (const [index, trigger] of options.triggers.entries()) {
    const next = code.fresh('next trigger');
    const matches = code.fresh('matches');
    for (const [arch, nr] of trigger.numbers.entries()) {
      if (nr === null) continue;
      const other = code.fresh('other arch');
      code.jumpIf('ne', 'r9', arch, other).jumpIf('eq', 'r8', nr, matches).label(other);
    }
    code.jump(next).label(matches);
    if (trigger.armed !== null) {
      code.load('r1', 'r10', AT.value + 8, 8).jumpIf('ne', 'r1', trigger.armed, next);
    }
    code
      .load('r1', 'r10', AT.value, 8)
      .mov('r2', 1)
      .fetchAdd('r1', PROCESS.counts + index * 4, 'r2', 4);
    code.jumpIf32('ne', 'r2', trigger.n - 1, next);
    if (trigger.phase !== null) {
      code.load('r1', 'r10', AT.value, 8).mov('r2', trigger.phase).store('r1', PROCESS.phase, 'r2', 4);
      code.store('r10', AT.phase, 'r2', 8);
    }
    code.load('r2', 'r7', TASK.entry, 4).beginEvent(AT.event, 'trigger', 'r2', AT.now);
    code.store('r10', AT.event + TRIGGER_EVENT.watch, index, 4).load('r1', 'r10', AT.spare, 4);
    code.store('r10', AT.event + TRIGGER_EVENT.tgid, 'r1', 4);
    code.send(AT.event, TRIGGER_EVENT.size, RB_FORCE_WAKEUP).label(next);
  }
}

/** r9 = the entry of the call in its map, made if it is not there. The arch is in the key from here on. */
function findCall(code: ProgramAssembler, options: ProgramOptions): void {
  const [known, made] = [code.fresh('known'), code.fresh('made')];
  const key = AT.key;
  code.load('r1', 'r7', TASK.entry, 4).store('r10', key + CALL_KEY.entry, 'r1', 4);
  code.store('r10', key + CALL_KEY.arch, 'r9', 4).store('r10', key + CALL_KEY.nr, 'r8', 4);
  code.lookup('calls', key).mov('r9', 'r0').jumpIf('ne', 'r9', 0, known);
  if (options.isLean === true) readTime(code);
  code.zero(AT.call, CALL.size).load('r1', 'r10', AT.now, 8);
  code.store('r10', AT.call + CALL.first, 'r1', 8).store('r10', AT.call + CALL.last, 'r1', 8);
  code
    .load('r1', 'r10', AT.ids, 8)
    .alu('rsh', 'r1', 32)
    .store('r10', AT.call + CALL.tgid, 'r1', 4);
  code.insert('calls', key, AT.call).lookup('calls', key).mov('r9', 'r0').jumpIf('ne', 'r9', 0, made);
  code.count('lostCalls', 1, 8).jump('end').label(made);
  if (options.tellsCalls) emitCallEvent(code, 'call');
  code.label(known);
}

function emitCallEvent(code: ProgramAssembler, type: 'call' | 'use'): void {
  const { key, event } = AT;
  code.load('r2', 'r10', key + CALL_KEY.entry, 4).beginEvent(event, type, 'r2', AT.now);
  code.load('r1', 'r10', key + CALL_KEY.arch, 4).store('r10', event + CALL_EVENT.arch, 'r1', 4);
  code
    .store('r10', event + CALL_EVENT.nr, 'r8', 4)
    .load('r1', 'r10', AT.ids, 8)
    .alu('rsh', 'r1', 32);
  code.store('r10', event + CALL_EVENT.tgid, 'r1', 4).store('r10', event + CALL_EVENT.tgid + 4, 0, 4);
  code.send(event, CALL_EVENT.size, RB_NO_WAKEUP);
}

function countCall(code: ProgramAssembler, options: ProgramOptions): void {
  if (options.isLean === true) {
    code.mov('r1', 1).atomicAdd('r9', CALL.count, 'r1', 8);
    return;
  }
  const later = code.fresh('later');
  countAndWait(code);
  // Another thread may have been later.
  code.load('r1', 'r10', AT.now, 8).load('r2', 'r9', CALL.last, 8).jumpIf('le', 'r1', 'r2', later);
  code.store('r9', CALL.last, 'r1', 8).label(later);
  if (!options.hasTreePhases && options.triggers.length === 0) return;
  const inPhase = code.fresh('in phase');
  code.load('r1', 'r10', AT.phase, 8).alu('and', 'r1', 31).mov('r2', 1).alu('lsh', 'r2', 'r1');
  code.load('r3', 'r9', CALL.phases, 4).alu('and', 'r3', 'r2').jumpIf('ne', 'r3', 0, inPhase);
  code.atomicOr('r9', CALL.phases, 'r2', 4).label(inPhase);
}

/** Counts a call, and remembers since when the task waits if it is one that does. */
function countAndWait(code: ProgramAssembler): void {
  const [waits, counted] = [code.fresh('waits'), code.fresh('counted')];
  code.load('r1', 'r10', AT.waits, 8).jumpIf('ne', 'r1', 0, waits);
  code.mov('r1', 1).atomicAdd('r9', CALL.count, 'r1', 8).jump(counted);
  code.label(waits).mov('r1', 1).fetchAdd('r9', CALL.count, 'r1', 8);
  code.load('r2', 'r10', AT.now, 8).store('r7', TASK.waitSince, 'r2', 8);
  code.load('r2', 'r10', AT.key + CALL_KEY.arch, 4).store('r7', TASK.waitArch, 'r2', 4);
  code.store('r7', TASK.waitNr, 'r8', 4).jumpIf('ge', 'r1', USES_CAP, counted);
  emitCallEvent(code, 'use');
  code.label(counted);
}

/** Values of the selecting arguments, each with first and last use. */
function emitSelectors(code: ProgramAssembler, options: ProgramOptions, how: CallCode): void {
  code.load('r1', 'r10', AT.flags, 8).jumpIf('set', 'r1', ROW_SELECTORS, 'selectors').jump('end');
  code.label('selectors');
  for (let which = 0; which < SELECTOR_CAP; which++) {
    const [any, next] = [`any ${which}`, `selector ${which + 1}`];
    code
      .load('r1', 'r10', AT.row, 8)
      .load('r8', 'r1', ROW.selectors + which * 4, 4)
      .jumpIf('eq', 'r8', 0, 'end');
    code.load('r2', 'r9', CALL.any, 4).jumpIf('set', 'r2', 1 << which, next);
    code.mov('r2', 'r8').alu('and', 'r2', 7).alu('lsh', 'r2', 3).mov('r3', 'r10').alu('add', 'r3', 'r2');
    code.load('r3', 'r3', AT.arguments, 8);
    readSelected(code, which, any, how.isCurrent);
    const isShort = how.claims && which === 0;
    const known = isShort ? 'known value' : next;
    if (options.isLean === true) skipSeen(code, which, known);
    addValue(code, options, which, any, known, next);
    code
      .label(any)
      .mov('r1', 1 << which)
      .atomicOr('r9', CALL.any, 'r1', 4);
    if (isShort) {
      code.jump(next).label(known);
      claimValue(code, next);
    }
    code.label(next);
  }
}

/** r3 = a value of the first selecting argument that is in its map; goes on at `next` if there may be others. */
function claimValue(code: ProgramAssembler, next: string): void {
  code.load('r1', 'r10', AT.flags, 8).jumpIf('ne', 'r1', ROW_SELECTORS | ROW_SECOND, next);
  storeValueKey(code, 0);
  code.load('r8', 'r10', AT.key + CALL_KEY.nr, 4).jumpIf('ge', 'r3', HOT_VALUES - 1, 'end');
  claim(code, true);
  code.jump('end');
}

/** r3 = the value that counts: the argument in r3, or the field that it points to, which of a task that does not run is not known. */
function readSelected(code: ProgramAssembler, which: number, any: string, isCurrent: boolean): void {
  if (!isCurrent) {
    code.jumpIf('set', 'r8', SELECTOR_POINTEE, any).jumpIf('set', 'r8', SELECTOR_WIDE, `value ${which}`);
    code.alu32('mov', 'r3', 'r3').label(`value ${which}`);
    return;
  }
  const [pointee, wide, ready] = [`pointee ${which}`, `wide ${which}`, `value ${which}`];
  code.jumpIf('set', 'r8', SELECTOR_POINTEE, pointee).jumpIf('set', 'r8', SELECTOR_WIDE, ready);
  code.alu32('mov', 'r3', 'r3').jump(ready).label(pointee);
  code
    .mov('r2', 'r8')
    .alu('rsh', 'r2', SELECTOR_OFFSET_SHIFT)
    .alu('add', 'r3', 'r2')
    .store('r10', AT.spare, 0, 8);
  code
    .mov('r1', 'r10')
    .alu('add', 'r1', AT.spare)
    .mov('r2', 4)
    .jumpIf('set', 'r8', SELECTOR_POINTEE_WIDE, wide);
  code.call('probe_read_user').jumpIf('ne', 'r0', 0, any).load('r3', 'r10', AT.spare, 8).jump(ready);
  code.label(wide).mov('r2', 8).call('probe_read_user').jumpIf('ne', 'r0', 0, any);
  code.load('r3', 'r10', AT.spare, 8).label(ready);
}

/** Makes the key of a value in map `values`, from that of its call; r3 = the value. Loses r1. */
function storeValueKey(code: ProgramAssembler, which: number): void {
  const { key, valueKey } = AT;
  for (const field of ['entry', 'arch', 'nr'] as const) {
    code.load('r1', 'r10', key + CALL_KEY[field], 4).store('r10', valueKey + VALUE_KEY[field], 'r1', 4);
  }
  code.store('r10', valueKey + VALUE_KEY.which, which, 4).store('r10', valueKey + VALUE_KEY.value, 'r3', 8);
}

function addValue(
  code: ProgramAssembler,
  options: ProgramOptions,
  which: number,
  any: string,
  known: string,
  next: string,
): void {
  const { valueKey, value } = AT;
  const [fresh, dropped, inserted] = [
    `fresh value ${which}`,
    `value lost ${which}`,
    `value inserted ${which}`,
  ];
  storeValueKey(code, which);
  code.lookup('values', valueKey).jumpIf('eq', 'r0', 0, fresh);
  if (options.isLean !== true) {
    code.load('r1', 'r10', AT.now, 8).load('r2', 'r0', VALUE.last, 8).jumpIf('le', 'r1', 'r2', next);
    code.store('r0', VALUE.last, 'r1', 8);
  }
  code.load('r3', 'r10', valueKey + VALUE_KEY.value, 8).jump(known);
  code
    .label(fresh)
    .mov('r1', 1)
    .fetchAdd('r9', CALL.values + which * 4, 'r1', 4)
    .jumpIf32('ge', 'r1', ARGUMENT_CAP, any);
  if (options.isLean === true) readTime(code);
  code
    .load('r1', 'r10', AT.now, 8)
    .store('r10', value + VALUE.first, 'r1', 8)
    .store('r10', value + VALUE.last, 'r1', 8);
  code.insert('values', valueKey, value).jumpIf('eq', 'r0', 0, inserted);
  // Another thread was first, who tells of it; or there is no room.
  code
    .mov('r1', -1)
    .atomicAdd('r9', CALL.values + which * 4, 'r1', 4)
    .lookup('values', valueKey)
    .jumpIf('eq', 'r0', 0, dropped)
    .jump(next)
    .label(inserted);
  if (options.tellsCalls) emitValueEvent(code);
  if (options.isLean === true) noteSeen(code, which, next);
  code.jump(next);
  code.label(dropped).count('lostCalls', 1, 8);
}

/** Small values that are in their map already are done with; r3 = the value. */
function skipSeen(code: ProgramAssembler, which: number, next: string): void {
  const unseen = code.fresh('unseen');
  code.jumpIf('ge', 'r3', 32, unseen).mov('r1', 1).alu('lsh', 'r1', 'r3');
  code
    .load('r2', 'r9', CALL.seen + which * 4, 4)
    .jumpIf('set', 'r2', 'r1', next)
    .label(unseen);
}

function noteSeen(code: ProgramAssembler, which: number, next: string): void {
  code.load('r3', 'r10', AT.valueKey + VALUE_KEY.value, 8).jumpIf('ge', 'r3', 32, next);
  code
    .mov('r1', 1)
    .alu('lsh', 'r1', 'r3')
    .atomicOr('r9', CALL.seen + which * 4, 'r1', 4);
}

function emitValueEvent(code: ProgramAssembler): void {
  const { valueKey, event } = AT;
  code.load('r2', 'r10', valueKey + VALUE_KEY.entry, 4).beginEvent(event, 'value', 'r2', AT.now);
  for (const [from, to] of [
    [VALUE_KEY.arch, VALUE_EVENT.arch],
    [VALUE_KEY.nr, VALUE_EVENT.nr],
    [VALUE_KEY.which, VALUE_EVENT.which],
  ] as const) {
    code.load('r1', 'r10', valueKey + from, 4).store('r10', event + to, 'r1', 4);
  }
  code
    .load('r1', 'r10', AT.ids, 8)
    .alu('rsh', 'r1', 32)
    .store('r10', event + VALUE_EVENT.tgid, 'r1', 4);
  code.load('r1', 'r10', valueKey + VALUE_KEY.value, 8).store('r10', event + VALUE_EVENT.value, 'r1', 8);
  code.send(event, VALUE_EVENT.size, RB_NO_WAKEUP);
}
