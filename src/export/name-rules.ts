import type { Arch } from '../abi/arch.ts';
import { syscallNumber } from '../abi/syscalls.ts';
import type { Condition } from '../policy/filter/ir.ts';
import { listAlternatives } from './alternatives.ts';
import type { Loss } from './exporter.ts';
import { droppedArguments, unnamedCalls } from './losses.ts';
import { namesOf, type Selection } from './selection.ts';

/** A selection for formats that have one list of names for all arches. */
export interface NameRules {
  /** Sorted by name; `alternatives` as in {@link listAlternatives}, an empty conjunction meaning any arguments. */
  readonly allowed: readonly NameRule[];
  /** Names that fail with ENOSYS, those of newer calls included. */
  readonly enosys: readonly string[];
  readonly losses: readonly Loss[];
}

/** A name and what its arguments must be. */
export interface NameRule {
  readonly name: string;
  readonly alternatives: readonly (readonly Condition[])[];
}

/** Joins the lists of all arches: what one of them allows is allowed wherever the name exists. */
export function joinArches(selection: Selection): NameRules {
  const { arches } = selection;
  const losses: Loss[] = [...unnamedCalls(selection)];
  const allowed = namesOf(arches.flatMap((each) => each.allowed)).map((name): NameRule => {
    const alternatives = new Map<string, readonly Condition[]>();
    for (const call of arches.flatMap((each) =>
      each.allowed.filter((candidate) => candidate.name === name),
    )) {
      const { list, dropped } = listAlternatives(call);
      for (const text of droppedArguments(call, dropped)) losses.push(text);
      for (const conditions of list) alternatives.set(keyOf(conditions), conditions);
    }
    const list = [...alternatives.values()];
    return { name, alternatives: list.some((conditions) => conditions.length === 0) ? [[]] : list };
  });
  const names = new Set(allowed.map(({ name }) => name));
  const enosys = namesOf(arches.flatMap((each) => [...each.enosys, ...each.newer]));
  losses.push(...opened(selection), ...machineDenials(selection));
  return { allowed, enosys: enosys.filter((name) => !names.has(name)), losses };
}

/**
 * The arches that a list of names is about: those of the policy, and the machine's own if that is none of them.
 *
 * libseccomp begins every filter with the arch of the machine, of which runtimes never take it away, and systemd always
 * permits its calls (systemd.exec(5), SystemCallArchitectures=). Programs of i386 and x32 run on x86_64.
 */
export function withMachine({ arches }: Selection): readonly Arch[] {
  const own = arches.map(({ arch }) => arch);
  const machine = own[0] === 'aarch64' ? 'aarch64' : 'x86_64';
  return own.includes(machine) ? own : [...own, machine];
}

/** Calls that the list of one arch opens on another. */
function opened(selection: Selection): readonly Loss[] {
  const { arches } = selection;
  return withMachine(selection).flatMap((target): readonly Loss[] => {
    const section = arches.find(({ arch }) => arch === target);
    const own = new Map(section?.allowed.map((call) => [call.name, call]));
    const names = arches
      .filter((each) => each !== section)
      .flatMap(({ allowed }) => allowed)
      .filter((call) => {
        if (call.name === null || syscallNumber(target, call.name) === null) return false;
        const same = own.get(call.name);
        return same === undefined || (same.args.length > 0 && argsKey(same.args) !== argsKey(call.args));
      })
      .map(({ name }) => name!);
    if (names.length === 0) return [];
    return [
      {
        kind: 'looser',
        text: `one list holds for all arches${section === undefined ? " and the machine's own" : ''}, which opens on ${target}: ${namesOf(names.map((name) => ({ name }))).join(', ')}`,
      },
    ];
  });
}

/** What the policy denies of the machine's own arch, if that is none of its arches, it denies by a kill. */
function machineDenials(selection: Selection): readonly Loss[] {
  const { arches, violation } = selection;
  if (violation.kind !== 'errno' && violation.kind !== 'trap') return [];
  return withMachine(selection)
    .slice(arches.length)
    .map((arch) => ({
      kind: 'other',
      text: `denied calls of ${arch} end like those of the policy's arches and do not kill the process`,
    }));
}

function argsKey(args: readonly object[]): string {
  return JSON.stringify(args, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value));
}

function keyOf(conditions: readonly Condition[]): string {
  return argsKey(conditions);
}
