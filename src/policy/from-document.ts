import type { Arch } from '../abi/arch.ts';
import type { Problem } from '../base/errors.ts';
import { selectingArguments } from '../abi/selecting-arguments.ts';
import { constantNames, parseConstant, visibleArguments } from './argument-constants.ts';
import { createArgument } from './argument-rules.ts';
import {
  callKey,
  describeUnknownName,
  identify,
  identifyName,
  parseLabel,
  type CallIdentity,
} from './call-label.ts';
import { parseRange } from './kernel-release.ts';
import {
  POLICY_FORMAT,
  POLICY_VERSION,
  type Policy,
  type PolicyArch,
  type PolicyArgument,
  type PolicyCall,
  type PolicyGroup,
  type PolicyPhase,
  type PolicySource,
  type Strictness,
} from './model.ts';
import { quote } from './problems.ts';
import { canonicalViolation, DEFAULT_VIOLATION } from './violation.ts';
import { plainWhy } from './why.ts';

/** A document that the schema has let through. */
export interface PolicyDocument {
  readonly generator?: Policy['generator'];
  readonly sources?: readonly PolicySource[];
  readonly strict?: Strictness;
  readonly kernels?: string | null;
  readonly onViolation?: string;
  readonly arches: readonly PolicyArch[];
  readonly enosys?: readonly CallItem[];
  readonly groups?: readonly PolicyGroup[];
  readonly phases: readonly {
    readonly name: string;
    readonly trigger?: string | null;
    readonly calls: readonly CallItem[];
    readonly programs?: readonly {
      readonly path: string;
      readonly buildId?: string | null;
      readonly calls: readonly CallItem[];
    }[];
  }[];
}

/** A call as documents have it: a label or number, one label with its arguments, or all fields. */
export type CallItem = string | number | ShortItem | FullItem;

type ShortItem = Readonly<Record<string, Readonly<Record<string, ShortArgument>>>>;

type Constant = string | number;

type ShortArgument = readonly Constant[] | { readonly values: readonly Constant[]; readonly free?: Constant };

interface FullItem {
  readonly arch: Arch;
  readonly nr: number;
  readonly name?: string | null;
  readonly args?: readonly {
    readonly index: number;
    readonly name: string | null;
    readonly width: 32 | 64;
    readonly values: readonly Constant[];
    readonly free?: Constant;
  }[];
  readonly why?: readonly string[];
}

/** Problems after which unknown names are not compared with known ones any more. */
const HINT_CAP = 50;

/** The policy that a document means, as far as it means one, and all that is wrong with it. */
export function fromDocument(
  document: PolicyDocument,
  comments: ReadonlyMap<string, string>,
): { readonly policy: Policy; readonly problems: readonly Problem[] } {
  return new DocumentReader(document, comments).read();
}

class DocumentReader {
  readonly #document: PolicyDocument;
  readonly #comments: ReadonlyMap<string, string>;
  readonly #native: Arch;
  readonly #problems: Problem[] = [];

  constructor(document: PolicyDocument, comments: ReadonlyMap<string, string>) {
    this.#document = document;
    this.#comments = comments;
    this.#native = document.arches[0]?.arch ?? 'x86_64';
  }

  read(): { readonly policy: Policy; readonly problems: readonly Problem[] } {
    const { generator, sources, strict, kernels, onViolation, arches, enosys, groups, phases } =
      this.#document;
    this.#refuseRepeats('/arches', 'arch', arches, ({ arch }) => arch);
    this.#refuseRepeats('/phases', 'phase', phases, ({ name }) => name);
    this.#refuseRepeats('/groups', 'group', groups ?? [], ({ name }) => name);
    const range = typeof kernels === 'string' ? parseRange(kernels) : null;
    if (typeof kernels === 'string' && range === null) {
      this.#add('/kernels', `not a range of kernels, ${quote(kernels)} (FROM..TO, the older one first)`);
    }
    const violation = canonicalViolation(onViolation ?? DEFAULT_VIOLATION);
    if (violation === null) {
      this.#add('/onViolation', `unknown action, ${quote(onViolation)} (kill, trap, log, errno:NAME)`);
    }
    const policy: Policy = {
      format: POLICY_FORMAT,
      version: POLICY_VERSION,
      generator: generator ?? { name: 'unknown', version: '' },
      sources: sources ?? [],
      strict: strict ?? 'observed',
      kernels: range,
      onViolation: violation ?? DEFAULT_VIOLATION,
      arches,
      enosys: this.#enosys(enosys ?? []),
      groups: groups ?? [],
      phases: phases.map((phase, index) => this.#phase(phase, index)),
    };
    return { policy, problems: this.#problems };
  }

  #enosys(items: readonly CallItem[]): readonly PolicyCall[] {
    const calls = this.#calls(items, '/enosys');
    for (const [index, { args }] of calls.entries()) {
      if (args.length > 0)
        this.#add(`/enosys/${index}`, 'arguments do not belong here: the call fails whatever they are');
    }
    return calls;
  }

  #phase(phase: PolicyDocument['phases'][number], index: number): PolicyPhase {
    const path = `/phases/${index}`;
    const { name, trigger = null, calls, programs = [] } = phase;
    if (index === 0 && trigger !== null) this.#add(`${path}/trigger`, 'the first phase has no trigger');
    if (index > 0 && trigger === null)
      this.#add(path, `phase ${name} has no trigger: nothing would begin it`);
    this.#refuseRepeats(`${path}/programs`, 'program', programs, (program) =>
      JSON.stringify([program.path, program.buildId ?? null]),
    );
    return {
      name,
      trigger,
      calls: this.#calls(calls, `${path}/calls`),
      programs: programs.map((program, at) => ({
        path: program.path,
        buildId: program.buildId ?? null,
        calls: this.#calls(program.calls, `${path}/programs/${at}/calls`),
      })),
    };
  }

  #calls(items: readonly CallItem[], path: string): readonly PolicyCall[] {
    const seen = new Map<string, number>();
    return items.flatMap((item, index) => {
      const at = `${path}/${index}`;
      const call = this.#call(item, at);
      if (call === null) return [];
      const key = callKey(call);
      const before = seen.get(key);
      if (before !== undefined)
        this.#add(at, `listed twice, ${call.name ?? call.nr} (also ${path}/${before})`);
      seen.set(key, index);
      if (!this.#document.arches.some(({ arch }) => arch === call.arch)) {
        this.#add(at, `arch ${call.arch} is not one of those of the policy: no call of it gets this far`);
      }
      return [call];
    });
  }

  #call(item: CallItem, path: string): PolicyCall | null {
    const comment = splitWhy(this.#comments.get(path) ?? '');
    if (typeof item === 'string' || typeof item === 'number') {
      const call = this.#label(item, path);
      return call === null ? null : { ...call, args: [], why: comment };
    }
    if (isFull(item)) return this.#fullCall(item, path, comment);
    const [[label, args] = ['', {}]] = Object.entries(item);
    const call = this.#label(label, path);
    if (call === null) return null;
    return {
      ...call,
      args: this.#shortArguments(call, args, `${path}/${escapePointer(label)}`),
      why: comment,
    };
  }

  #label(label: string | number, path: string): CallIdentity | null {
    const call = parseLabel(label, this.#native, this.#problems.length < HINT_CAP);
    if (typeof call !== 'string') return call;
    this.#add(path, call);
    return null;
  }

  #fullCall(item: FullItem, path: string, comment: readonly string[]): PolicyCall | null {
    const { arch, nr, name, args = [], why = [] } = item;
    const call = identify(arch, nr);
    if (name !== undefined && name !== call.name) {
      const named = name === null ? null : identifyName(arch, name);
      this.#add(
        `${path}/name`,
        name !== null && named === null
          ? describeUnknownName(arch, name)
          : `name and number disagree, ${quote(name)} and ${nr} (${nr} is ${call.name ?? 'without a name'} on ${arch})`,
      );
    }
    const rules = args.map((argument, index) => {
      const at = `${path}/args/${index}`;
      const { index: position, name: argumentName, width } = argument;
      const selecting = visibleArguments(call).find((each) => each.name === argumentName);
      if (argumentName !== null && (selecting?.index !== position || selecting.bits !== width)) {
        this.#add(`${at}/name`, this.#unknownArgument(call, argumentName));
      }
      return this.#argument(call, { index: position, name: argumentName, width }, argument, at);
    });
    return {
      ...call,
      args: this.#ordered(rules, `${path}/args`),
      why: [...why.flatMap(splitWhy), ...comment],
    };
  }

  #shortArguments(
    call: CallIdentity,
    args: Readonly<Record<string, ShortArgument>>,
    path: string,
  ): readonly PolicyArgument[] {
    const rules = Object.entries(args).flatMap(([key, rule]) => {
      const at = `${path}/${escapePointer(key)}`;
      const place = placeOf(call, key);
      if (place === null) {
        this.#add(at, this.#unknownArgument(call, key));
        return [];
      }
      return [this.#argument(call, place, isList(rule) ? { values: rule } : rule, at)];
    });
    return this.#ordered(rules, path);
  }

  #argument(
    call: CallIdentity,
    place: Pick<PolicyArgument, 'index' | 'name' | 'width'>,
    rule: { readonly values: readonly Constant[]; readonly free?: Constant },
    path: string,
  ): PolicyArgument {
    const values = rule.values.map((value) => this.#constant(call, place, value, path));
    const free = rule.free === undefined ? 0n : this.#constant(call, place, rule.free, path);
    const argument = createArgument({ ...place, values, free });
    for (const value of call.arch === 'i386' && place.width === 64 ? argument.values : []) {
      if (value >> 32n !== 0n)
        this.#add(path, `value ${value} can never match, registers of i386 have 32 bits`);
    }
    return argument;
  }

  #constant(
    call: CallIdentity,
    place: Pick<PolicyArgument, 'name' | 'width'>,
    constant: Constant,
    path: string,
  ): bigint {
    const value = typeof constant === 'number' ? BigInt(constant) : parseConstant(call, place, constant);
    if (value === null) {
      const names = constantNames(call, place);
      const hint =
        names.length === 0
          ? 'a number'
          : `a number or ${names.slice(0, 5).join(', ')}${names.length > 5 ? ' ...' : ''}`;
      this.#add(path, `unknown value, ${quote(constant)} (${hint})`);
      return 0n;
    }
    if (value >= 1n << BigInt(place.width)) {
      this.#add(path, `value ${quote(constant)} can never match, it does not fit (${place.width} bits)`);
    }
    return value;
  }

  #unknownArgument(call: CallIdentity, name: string): string {
    const label = call.name ?? `${call.nr}`;
    if (
      selectingArguments(call.arch, call.nr).some((each) => each.name === name && each.pointee !== undefined)
    ) {
      return `argument ${name} of ${label} stands behind a pointer, where no filter can look`;
    }
    const names = visibleArguments(call).map((each) => each.name);
    return `unknown argument of ${label}, ${quote(name)} (${[...names, 'arg0 to arg5, arg0.low to arg5.low'].join(', ')})`;
  }

  #ordered(rules: readonly PolicyArgument[], path: string): readonly PolicyArgument[] {
    this.#refuseRepeats(path, 'argument', rules, ({ index }) => `${index}`);
    return [...rules].sort((a, b) => a.index - b.index);
  }

  #refuseRepeats<Item>(
    path: string,
    what: string,
    items: readonly Item[],
    key: (item: Item) => string,
  ): void {
    const seen = new Set<string>();
    for (const [index, item] of items.entries()) {
      const each = key(item);
      if (seen.has(each)) this.#add(`${path}/${index}`, `second ${what} of this name, ${quote(each)}`);
      seen.add(each);
    }
  }

  #add(path: string, message: string): void {
    this.#problems.push({ path, message });
  }
}

/** The argument that a key means: a selecting one by its name, any by `arg2` (64 bits) or `arg2.low` (32 bits). */
function placeOf(call: CallIdentity, key: string): Pick<PolicyArgument, 'index' | 'name' | 'width'> | null {
  const selecting = visibleArguments(call).find(({ name }) => name === key);
  if (selecting !== undefined) return { index: selecting.index, name: selecting.name, width: selecting.bits };
  const [, index, low] = /^arg([0-5])(\.low)?$/.exec(key) ?? [];
  if (index === undefined) return null;
  return { index: Number(index), name: null, width: low === undefined ? 64 : 32 };
}

/** The sentences of a comment. */
function splitWhy(text: string): readonly string[] {
  return text
    .split(/;(?:\s+|$)/)
    .map(plainWhy)
    .filter((part) => part !== '');
}

function isFull(item: ShortItem | FullItem): item is FullItem {
  return 'nr' in item;
}

function isList(rule: ShortArgument): rule is readonly Constant[] {
  return Array.isArray(rule);
}

function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
