import { ARCHES, type Arch } from '../abi/arch.ts';
import { nearestSyscallNames, syscallName, syscallNumber } from '../abi/syscalls.ts';
import { UsageError } from '../base/errors.ts';
import { createPolicyParser } from '../policy/load.ts';
import { argumentData } from '../policy/save.ts';
import { createProfileParser } from '../profile/load.ts';
import type { Profile } from '../profile/model.ts';
import { findPrograms, isNamed } from '../profile/program-names.ts';
import { escapeJson, escapeText } from '../report/escape.ts';
import {
  explainInPolicy,
  explainInProfile,
  type ExplainedStep,
  type Explanation,
  type ExplainFilter,
  formatExplanations,
} from '../report/explain-text.ts';
import { analysisTask, profileOf } from './analyze-run.ts';
import { findTarget } from './analyze-target.ts';
import type { ExplainArguments } from './explain-command.ts';
import { readForeignFile } from './foreign-file.ts';
import { printResult } from './standard-output.ts';

/**
 * Prints how a call is known to a file; exit code 1 if it is not.
 *
 * @throws UsageError for an unknown call or phase, or a file that cannot be read
 */
export async function runExplain(file: string, syscall: string, args: ExplainArguments): Promise<void> {
  const call = parseCall(syscall);
  const name = syscallName(call.arch, call.nr);
  const label = `${call.arch === 'x86_64' ? '' : `${call.arch}:`}${name ?? call.nr}`;
  const { phase, program, all } = args;
  const filter: ExplainFilter = {
    ...call,
    all,
    ...(phase === undefined ? {} : { phase }),
    ...(program === undefined ? {} : { program }),
  };
  const { phases, programs, hasProgram, find, unresolved, buildIds } = await readSource(file, args);
  if (phase !== undefined && !phases.includes(phase)) {
    throw new UsageError(`explain: no phase ${JSON.stringify(phase)} (${phases.join(', ')})`);
  }
  if (program !== undefined && !hasProgram(program)) {
    const known = programs.length === 0 ? 'none' : programs.map((path) => escapeText(path)).join(', ');
    throw new UsageError(`explain: no such program, ${JSON.stringify(program)} (${known})`);
  }
  const found = await withSources(find(filter), buildIds, args);
  if (args.json) {
    const text = JSON.stringify(
      { call: { ...call, name }, explanations: found.map(explanationData) },
      null,
      2,
    );
    await printResult(`${escapeJson(text)}\n`);
  } else if (found.length > 0) {
    await printResult(formatExplanations(label, { ...call, name }, found, all));
  } else {
    const but =
      unresolved === 0
        ? ''
        : `, but ${unresolved} unresolved ${unresolved === 1 ? 'site' : 'sites'} might make it`;
    const where = `${phase === undefined ? '' : ` in phase ${phase}`}${program === undefined ? '' : ` of ${program}`}`;
    await printResult(escapeText(`${label}: not in ${file}${where}${but}`) + '\n');
  }
  if (found.length === 0) process.exitCode = 1;
}

/** Rules of a policy stand where a profile has the values that it knows of. */
function explanationData({ rules, ...explanation }: Explanation): object {
  return rules.length === 0 ? explanation : { ...explanation, args: rules.map(argumentData) };
}

interface Source {
  readonly phases: readonly string[];
  /** Paths. */
  readonly programs: readonly string[];
  readonly hasProgram: (name: string) => boolean;
  readonly find: (filter: ExplainFilter) => Explanation[];
  /** Sites whose number is not known. */
  readonly unresolved: number;
  /** Build-ids of analysed objects by path; null for objects that have none. */
  readonly buildIds: ReadonlyMap<string, string | null>;
}

async function readSource(file: string, args: ExplainArguments): Promise<Source> {
  // Below another root the file cannot be looked at from here.
  if (args.root !== '/') return await analyzedSource(file, args);
  const { bytes, source } = await readForeignFile(file);
  const start = Buffer.from(bytes.subarray(0, 4)).toString('latin1');
  if (start === '\x7fELF' || start.startsWith('#!')) return await analyzedSource(file, args);
  const text = new TextDecoder().decode(bytes);
  if (/"format": *"callgate-profile"/.test(text.slice(0, 4096))) {
    return profileSource(createProfileParser()(text, source));
  }
  const policy = createPolicyParser()(text, source);
  const programs = policy.phases.flatMap((phase) => phase.programs.map(({ path }) => path));
  return {
    phases: policy.phases.map(({ name }) => name),
    programs,
    hasProgram: (name) => programs.some((path) => isNamed(path, name)),
    find: (filter) => explainInPolicy(policy, filter),
    unresolved: 0,
    buildIds: new Map(),
  };
}

async function analyzedSource(file: string, { root, cache }: ExplainArguments): Promise<Source> {
  const { runTask } = await import('../analyze/pool/task.ts');
  const task = analysisTask(
    findTarget(file, root),
    {
      root,
      cache,
      plugins: true,
      fromMain: false,
    },
    { kind: 'auto' },
  );
  return profileSource(profileOf(file, runTask(task), new Date(), 0));
}

function profileSource(profile: Profile): Source {
  const sites = profile.programs.flatMap(({ analysis }) => analysis?.unresolved ?? []);
  return {
    phases: profile.phases.map(({ name }) => name),
    programs: profile.programs.map(({ path }) => path),
    hasProgram: (name) => findPrograms(profile, name).size > 0,
    find: (filter) => explainInProfile(profile, filter),
    unresolved: sites.length,
    buildIds: new Map(
      profile.programs.flatMap(({ analysis }) =>
        (analysis?.objects ?? []).map(({ path, buildId }) => [path, buildId] as const),
      ),
    ),
  };
}

/** Names as the source has them, and its lines where debug information says them; only of chains that are shown. */
async function withSources(
  found: readonly Explanation[],
  buildIds: ReadonlyMap<string, string | null>,
  { all, root }: ExplainArguments,
): Promise<Explanation[]> {
  const shown = found.map((each) => ({ ...each, chains: all ? each.chains : each.chains.slice(0, 1) }));
  const steps = shown.flatMap(({ chains }) => chains.flatMap((chain) => chain.steps));
  if (steps.length === 0) return [...found];
  const [{ objectLines }, { RootFileSystem }, { Demangler }] = await Promise.all([
    import('../analyze/explain/source-lines.ts'),
    import('../analyze/load/root.ts'),
    import('../report/demangle.ts'),
  ]);
  const files = new RootFileSystem(root);
  const demangler = new Demangler();
  const wanted = new Map<string, number[]>();
  for (const { object, address } of steps) {
    const own = wanted.get(object) ?? [];
    own.push(address);
    wanted.set(object, own);
  }
  const lines = new Map(
    [...wanted].map(([object, own]) => [
      object,
      objectLines(files, object, buildIds.get(object) ?? null, own),
    ]),
  );
  const explained = (step: ExplainedStep): ExplainedStep => {
    const line = lines.get(step.object)?.get(step.address);
    const title = step.function === null ? null : demangler.demangle(step.function);
    return {
      ...step,
      ...(title === null || title === step.function ? {} : { title }),
      ...(line === undefined ? {} : { source: `${line.file}:${line.line}` }),
    };
  };
  return shown.map((each) => ({
    ...each,
    chains: each.chains.map(({ phase, steps: own }) => ({ phase, steps: own.map(explained) })),
  }));
}

/** `openat`, `i386:open`, `257`, `x86_64:257`. */
function parseCall(text: string): { readonly arch: Arch; readonly nr: number } {
  const [prefix, rest] = text.includes(':') ? (text.split(':', 2) as [string, string]) : [null, text];
  const arch = prefix === null ? 'x86_64' : ARCHES.find((each) => each === prefix);
  if (arch === undefined)
    throw new UsageError(`explain: unknown arch ${JSON.stringify(prefix)} (${ARCHES.join(', ')})`);
  if (/^[0-9]{1,9}$/.test(rest)) return { arch, nr: Number(rest) };
  const nr = syscallNumber(arch, rest);
  if (nr !== null) return { arch, nr };
  const near = nearestSyscallNames(arch, rest);
  const hint = near.length === 0 ? '' : ` (did you mean ${near.join(' or ')}?)`;
  throw new UsageError(`explain: unknown system call ${JSON.stringify(rest)} on ${arch}${hint}`);
}
