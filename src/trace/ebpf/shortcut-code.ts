import {
  HOT,
  HOT_FACTORS,
  HOT_MARK,
  HOT_NUMBERS,
  HOT_USES,
  HOT_VALUE_SHIFT,
  HOT_VALUES,
  CALL,
  CALL_KEY,
  RECENT,
  ROW,
  ROW_SECOND,
  ROW_SELECTORS,
} from './layout.ts';
import type { Register } from './instruction-set.ts';
import type { ProgramAssembler } from './program.ts';

/** Offset of the second argument of a 64-bit call in struct pt_regs: arch/x86/include/uapi/asm/ptrace.h. */
const SECOND_ARGUMENT = 104;

/** TS_COMPAT of arch/x86/include/asm/thread_info.h: the call came by int 0x80 or a 32-bit sysenter. */
export const TS_COMPAT = 2;

/** Bits of {@link HOT} by which an index is left of a product of 32 bits. */
const INDEX_SHIFT = 32 - Math.log2(HOT.slots);

/** Registers of a search for a slot. Given are the entry and the low half; found are the key and the slot, by an index. */
interface Search {
  readonly entry: Register;
  /** Low half of the key. */
  readonly low: Register;
  readonly index: Register;
  readonly key: Register;
  readonly slot: Register;
}

/**
 * Counts a call that is made often without a look into a hash map, and ends the program; goes on at the next instruction if it is none, or
 * might need more than being counted. r6 = the arguments of the tracepoint. All other registers are lost.
 *
 * What may be counted here, {@link emitClaim} has decided when it looked at the same call in full.
 */
export function emitShortcut(code: ProgramAssembler): void {
  const none = code.fresh('no shortcut');
  code.call('get_current_task_btf').load('r1', 'r0', code.fields.taskPid, 4);
  code.load('r2', 'r0', code.fields.taskStatus, 4).jumpIf('set', 'r2', TS_COMPAT, none);
  // Beyond the table: a number of x32, or none at all.
  code.load('r8', 'r6', 8, 8).alu32('mov', 'r8', 'r8').jumpIf('ge', 'r8', HOT_NUMBERS, none);
  findRecent(code, 'r1', 'r2', 'r3');
  code.load('r4', 'r3', 0, 8).jumpIf32('ne', 'r4', 'r1', none).alu('rsh', 'r4', 32);
  code.mov('r5', 'r8').alu32('or', 'r5', HOT_MARK);
  countHot(code);
  code
    .mov('r2', 'r8')
    .alu('lsh', 'r2', Math.log2(ROW.size))
    .mapValue('r1', 'table', 0)
    .alu('add', 'r1', 'r2');
  code.load('r2', 'r1', ROW.flags, 2).jumpIf('ne', 'r2', ROW_SELECTORS | ROW_SECOND, none);
  code.load('r2', 'r6', 0, 8).load('r3', 'r2', SECOND_ARGUMENT, 8).alu32('mov', 'r3', 'r3');
  code.jumpIf('ge', 'r3', HOT_VALUES - 1, none);
  addValue(code, 'r5', 'r3');
  countHot(code);
  code.label(none);
}

/** Places on the stack that {@link emitClaim} reads. */
interface ClaimPlaces {
  readonly tidAt: number;
  /** Key of the call in map `calls`. */
  readonly keyAt: number;
  /** Key of the value in map `values`; null for a call without one. */
  readonly valueKeyAt: number | null;
}

/**
 * Lets the next such calls of the task take the shortcut. r8 = the number, below {@link HOT_NUMBERS}, of a call of x86_64, r9 = its entry in its
 * map; r3 = the value of its selecting argument if it has one, below {@link HOT_VALUES}. All registers but r6 and r7 are lost.
 */
export function emitClaim(code: ProgramAssembler, { tidAt, keyAt, valueKeyAt }: ClaimPlaces): void {
  const [done, won, gone] = [code.fresh('claimed'), code.fresh('won'), code.fresh('gone')];
  code.load('r1', 'r9', CALL.count, 8).jumpIf('lt', 'r1', HOT_USES, done);
  code.mov('r5', 'r8').alu32('or', 'r5', HOT_MARK);
  if (valueKeyAt !== null) addValue(code, 'r5', 'r3');
  code.load('r1', 'r10', tidAt, 4).load('r4', 'r10', keyAt + CALL_KEY.entry, 4);
  findRecent(code, 'r1', 'r2', 'r3');
  code.mov('r2', 'r4').alu('lsh', 'r2', 32).alu('or', 'r2', 'r1').store('r3', 0, 'r2', 8);
  // In neither of the two slots: a key that is in both would be counted in one and read in the other.
  const search = { entry: 'r4', low: 'r5', index: 'r3', key: 'r2', slot: 'r8' } as const;
  findSlot(code, search);
  code.load('r0', 'r8', HOT.key, 8).jumpIf('eq', 'r0', 'r2', done);
  findNeighbour(code, search);
  code.load('r0', 'r8', HOT.key, 8).jumpIf('eq', 'r0', 'r2', done);
  findNeighbour(code, search);
  code.mov('r0', 0).compareExchange('r8', HOT.key, 'r2', 8).jumpIf('eq', 'r0', 0, won);
  findNeighbour(code, search);
  code.mov('r0', 0).compareExchange('r8', HOT.key, 'r2', 8).jumpIf('eq', 'r0', 0, won);
  // Whoever takes the call out of its map does so before looking for its slots: one of the two sees the other.
  code.jump(done).label(won).lookup('calls', keyAt).jumpIf('eq', 'r0', 0, gone);
  if (valueKeyAt !== null) code.lookup('values', valueKeyAt).jumpIf('eq', 'r0', 0, gone);
  code.jump(done).label(gone);
  // As `Shortcuts.release` does: the slot is nobody's, and not free, until its count is.
  code
    .store('r8', HOT.key, 0, 4)
    .store('r8', HOT.count, 0, 8)
    .store('r8', HOT.key + 4, 0, 4)
    .label(done);
}

/** Sends the next call of a task the long way: it is another program by then, or there is more to be done. Loses r1 to r3. */
export function emitForget(code: ProgramAssembler, tidAt: number): void {
  code.load('r1', 'r10', tidAt, 4);
  findRecent(code, 'r1', 'r2', 'r3');
  code.store('r3', 0, 0, 8);
}

/** The slot of a task in map `recent`; `spare` is lost. */
function findRecent(code: ProgramAssembler, tid: Register, spare: Register, slot: Register): void {
  code
    .mov(spare, tid)
    .alu('and', spare, RECENT.slots - 1)
    .alu('lsh', spare, Math.log2(RECENT.size));
  code.mapValue(slot, 'recent', 0).alu('add', slot, spare);
}

/** Makes the low half of a key one with a value; `value` is lost. */
function addValue(code: ProgramAssembler, low: Register, value: Register): void {
  code.alu('add', value, 1).alu('lsh', value, HOT_VALUE_SHIFT).alu('or', low, value);
}

/** Counts the call of entry r4 and low half r5 if it has a slot, and ends the program. Loses r0 to r3. */
function countHot(code: ProgramAssembler): void {
  const [hit, miss] = [code.fresh('hit'), code.fresh('miss')];
  const search = { entry: 'r4', low: 'r5', index: 'r0', key: 'r2', slot: 'r1' } as const;
  findSlot(code, search);
  code.load('r3', 'r1', HOT.key, 8).jumpIf('eq', 'r3', 'r2', hit);
  findNeighbour(code, search);
  code.load('r3', 'r1', HOT.key, 8).jumpIf('ne', 'r3', 'r2', miss).label(hit);
  code.mov('r2', 1).atomicAdd('r1', HOT.count, 'r2', 8).jump('end').label(miss);
}

/** The first slot of a key, and the key. As `hotIndex` of shortcuts.ts. */
function findSlot(code: ProgramAssembler, { entry, low, index, key, slot }: Search): void {
  const [forEntry, forAll] = HOT_FACTORS;
  code.mov(index, entry).alu32('mul', index, forEntry).alu32('add', index, low).alu32('mul', index, forAll);
  code.alu32('rsh', index, INDEX_SHIFT).alu('lsh', index, Math.log2(HOT.size));
  code.mapValue(slot, 'hot', 0).alu('add', slot, index);
  code.mov(key, entry).alu('lsh', key, 32).alu('or', key, low);
}

/** The second slot of the same key. */
function findNeighbour(code: ProgramAssembler, { index, slot }: Search): void {
  code.alu('xor', index, HOT.size).mapValue(slot, 'hot', 0).alu('add', slot, index);
}
