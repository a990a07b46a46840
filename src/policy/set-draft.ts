import type { Arch } from '../abi/arch.ts';
import { syscallName } from '../abi/syscalls.ts';
import { argumentRules, createArgument, uniteRules } from './argument-rules.ts';
import { callKey, compareLabels, type CallIdentity } from './call-label.ts';
import type { Evidence } from './evidence.ts';
import { groupArguments, groupCalls, type CallGroup } from './groups.ts';
import type { PolicyArgument, PolicyCall } from './model.ts';
import { plainWhy } from './why.ts';

interface Entry {
  readonly call: CallIdentity;
  args: readonly PolicyArgument[];
  readonly why: string[];
}

/** A set of calls in the making: what is added twice is allowed as far as either entry allows it. */
export class SetDraft {
  readonly #entries: Map<string, Entry> = new Map();
  readonly #hasRules: boolean;

  /** @param hasRules whether entries have argument rules; without, all arguments of all calls are open */
  constructor(hasRules: boolean) {
    this.#hasRules = hasRules;
  }

  add(call: CallIdentity, sentences: readonly string[], args: readonly PolicyArgument[] = []): void {
    const why = sentences.map(plainWhy);
    const key = callKey(call);
    const rules = this.#hasRules ? args : [];
    const known = this.#entries.get(key);
    if (known === undefined) {
      this.#entries.set(key, { call, args: rules, why: [...new Set(why)] });
      return;
    }
    known.args = uniteRules(known.args, rules);
    for (const text of why) if (!known.why.includes(text)) known.why.push(text);
  }

  addEvidence({ call: { arch, nr }, uses }: Evidence, why: readonly string[]): void {
    const call = { arch, nr, name: syscallName(arch, nr) };
    this.add(call, why, this.#hasRules ? argumentRules(call, uses) : []);
  }

  addGroup(group: CallGroup, arches: readonly Arch[]): void {
    for (const arch of arches) {
      for (const { call, row } of groupCalls(group, arch)) {
        this.add(call, [`group ${group.name}: ${row.why}`], groupArguments(call, row));
      }
    }
  }

  /** Lets through at least what another set does; entries that are new say that they are of `source`. */
  addSet(calls: readonly PolicyCall[], source: string): void {
    for (const call of calls) this.add(call, this.has(call) ? [] : [source, ...call.why], call.args);
  }

  /** Changes the arguments of every entry; `change` returns undefined for those that stay. */
  changeArguments(
    change: (call: CallIdentity, argument: PolicyArgument) => ArgumentChange | undefined,
  ): void {
    for (const entry of this.#entries.values()) {
      entry.args = entry.args.map((argument) => {
        const changed = change(entry.call, argument);
        if (changed === undefined) return argument;
        if (!entry.why.includes(changed.why)) entry.why.push(changed.why);
        return createArgument(changed.argument);
      });
    }
  }

  has(call: Pick<CallIdentity, 'arch' | 'nr'>): boolean {
    return this.#entries.has(callKey(call));
  }

  get(call: Pick<CallIdentity, 'arch' | 'nr'>): PolicyCall | undefined {
    const entry = this.#entries.get(callKey(call));
    return entry === undefined ? undefined : toCall(entry);
  }

  /** The set, in the order of documents. */
  list(arches: readonly Arch[]): readonly PolicyCall[] {
    return [...this.#entries.values()].map(toCall).sort((a, b) => compareLabels(a, b, arches));
  }
}

/** What an argument of an entry becomes, and why. */
export interface ArgumentChange {
  readonly argument: PolicyArgument;
  readonly why: string;
}

function toCall({ call: { arch, nr, name }, args, why }: Entry): PolicyCall {
  return { arch, nr, name, args, why: [...why] };
}
