import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { syscallNumber } from '../abi/syscalls.ts';
import type { Problem } from '../base/errors.ts';
import { toProblem } from '../policy/problems.ts';
import { readText } from '../policy/read-text.ts';
import { callKey } from '../profile/call-union.ts';
import { malformed } from './malformed.ts';
import { othersSchema } from './others-schema.ts';

const WHAT = 'document of other results';

/** What others have published or what their tools say, of the programs of an experiment: to stand beside ours. */
export interface OtherGroup {
  readonly title: string;
  /** When, with which versions and on what it was found. */
  readonly note: string;
  readonly tools: readonly OtherTool[];
}

export interface OtherTool {
  readonly name: string;
  /** By the name of the program. */
  readonly results: ReadonlyMap<string, OtherResult>;
}

/** What is not known is null. */
export interface OtherResult {
  readonly allowed: number;
  /** Calls that are allowed in the last phase. */
  readonly last: number | null;
  /** Calls that a run made and the set lacks, as the source says. */
  readonly missed: number | null;
  readonly seconds: number | null;
  /** Megabytes. */
  readonly peak: number | null;
  /** The set itself, `arch nr`. */
  readonly calls: readonly string[] | null;
}

/**
 * Reads a document of other tools' results.
 *
 * @throws DocumentError that lists what is wrong; the system's error if the file cannot be read
 */
export function loadOthers(file: string): readonly OtherGroup[] {
  return parseOthers(readFileSync(file, 'utf8'), file);
}

/** The same of its text. */
export function parseOthers(text: string, source: string): readonly OtherGroup[] {
  const { value } = readText(text, source);
  const { Ajv2020 } = createRequire(import.meta.url)('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js');
  const validate = new Ajv2020({ allErrors: true, verbose: true, strictTypes: false }).compile(
    othersSchema(),
  );
  if (!validate(value)) throw malformed(source, WHAT, (validate.errors ?? []).flatMap(toProblem));
  const problems: Problem[] = [];
  const groups = (value as OthersDocument).groups.map(({ title, note, tools }, group) => ({
    title,
    note,
    tools: tools.map(({ name, results }, tool) => ({
      name,
      results: new Map(
        Object.entries(results).map(([program, result]) => [
          program,
          toResult(result, `/groups/${group}/tools/${tool}/results/${program}`, problems),
        ]),
      ),
    })),
  }));
  if (problems.length > 0) throw malformed(source, WHAT, problems);
  return groups;
}

interface OthersDocument {
  readonly groups: readonly {
    readonly title: string;
    readonly note: string;
    readonly tools: readonly {
      readonly name: string;
      readonly results: Readonly<Record<string, ResultDocument>>;
    }[];
  }[];
}

interface ResultDocument {
  readonly allowed?: number;
  readonly last?: number;
  readonly calls?: string;
  readonly lastCalls?: string;
  readonly missed?: number;
  readonly seconds?: number;
  readonly peak?: number;
}

function toResult(result: ResultDocument, path: string, problems: Problem[]): OtherResult {
  const numbersOf = (text: string | undefined, field: string): readonly string[] | null =>
    text?.split(/\s+/).flatMap((name) => {
      const nr = syscallNumber('x86_64', name);
      if (nr !== null) return callKey({ arch: 'x86_64', nr });
      problems.push({ path: `${path}/${field}`, message: `unknown system call, ${JSON.stringify(name)}` });
      return [];
    }) ?? null;
  const calls = numbersOf(result.calls, 'calls');
  return {
    allowed: result.allowed ?? calls?.length ?? 0,
    last: result.last ?? numbersOf(result.lastCalls, 'lastCalls')?.length ?? null,
    missed: result.missed ?? null,
    seconds: result.seconds ?? null,
    peak: result.peak ?? null,
    calls,
  };
}
