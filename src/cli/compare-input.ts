import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { UsageError } from '../base/errors.ts';
import type { ComparisonInput } from '../compare/source.ts';
import { chooseImporter, findImporter } from '../import/importers.ts';
import { nativeArch } from '../import/profile-draft.ts';
import { createPolicyParser } from '../policy/load.ts';
import { createProfileParser } from '../profile/load.ts';
import { readForeignFile, type ForeignFile } from './foreign-file.ts';

/** A file with what its columns are called. */
interface NamedFile {
  readonly path: string;
  readonly label: string | null;
}

/** How files are to be read that are not callgate's own. */
export interface ReadOptions {
  /** `FORMAT` for all of them, or `LABEL=FORMAT` for one. */
  readonly as: readonly string[];
  /** Program that lists without one are about. */
  readonly program: string | undefined;
}

/** Endings that a label leaves out. */
const ENDING = /(?:\.callgate)?\.(?:json|ya?ml|txt|log|strace|out|bpf|policy)$/;

/**
 * Reads documents to compare: `FILE`, or `LABEL=FILE`; `-` is stdin, once in all of the lists together.
 *
 * callgate's own profiles and policies are known by their `format`, other files by `--as` or by their content.
 *
 * @returns one list for each of the lists; labels are unique within their list
 * @throws UsageError if a file cannot be read or `--as` names no label, DocumentError or FormatError if one is malformed
 */
export async function readComparisonInputs(
  lists: readonly (readonly string[])[],
  options: ReadOptions,
): Promise<readonly (readonly ComparisonInput[])[]> {
  const named = lists.map((list) => nameFiles(list));
  const all = named.flat();
  if (all.filter(({ path }) => path === '-').length > 1)
    throw new UsageError('compare: stdin (-) can be read only once');
  const formats = parseFormats(
    options.as,
    all.map(({ label }) => label),
  );
  const parsers: Parsers = { profile: createProfileParser(), policy: createPolicyParser() };
  const results: ComparisonInput[][] = [];
  for (const list of named) {
    const inputs: ComparisonInput[] = [];
    for (const { path, label } of list) {
      const file = await readForeignFile(path);
      inputs.push(readInput(file, label, formats.get(label) ?? formats.get(''), options.program, parsers));
    }
    results.push(inputs);
  }
  return results;
}

interface Parsers {
  readonly profile: ReturnType<typeof createProfileParser>;
  readonly policy: ReturnType<typeof createPolicyParser>;
}

function readInput(
  { bytes, source, written }: ForeignFile,
  label: string,
  format: string | undefined,
  program: string | undefined,
  parsers: Parsers,
): ComparisonInput {
  const text = new TextDecoder().decode(bytes);
  if (/"format"\s*:\s*"callgate-profile"/.test(text) && text.trimStart().startsWith('{')) {
    const profile = parsers.profile(text, source);
    return { label, format: 'callgate', document: { kind: 'profile', profile }, remarks: [] };
  }
  if (/(?:^|[{,"\s])format"?\s*:\s*["']?callgate-policy\b/m.test(text)) {
    const policy = parsers.policy(text, source);
    return { label, format: 'callgate', document: { kind: 'policy', policy }, remarks: [] };
  }
  const importer = chooseImporter(bytes, source, format ?? null);
  const { remarks, ...document } = importer.read({
    bytes,
    source,
    arch: nativeArch(process.arch) ?? 'x86_64',
    written: written.toISOString(),
    program: program ?? null,
  });
  return { label, format: importer.name, document, remarks };
}

/** Labels that were not given are the name of the file without its ending, its path where two would be alike. */
function nameFiles(words: readonly string[]): readonly { readonly path: string; readonly label: string }[] {
  const files = words.map(splitLabel);
  const short = files.map(({ path, label }) => label ?? shortLabel(path));
  const labels = files.map(({ path, label }, index) =>
    label === null && short.filter((other) => other === short[index]).length > 1 ? path : short[index]!,
  );
  return files.map(({ path, label: given }, index) => {
    const label = labels[index]!;
    const before = given === null ? labels.slice(0, index).filter((other) => other === label).length : 0;
    return { path, label: before === 0 ? label : `${label} #${before + 1}` };
  });
}

/** The paths of files that may be named. */
export function inputPaths(words: readonly string[]): readonly string[] {
  return words.map((word) => splitLabel(word).path);
}

/** `LABEL=FILE`; a file that has such a name itself is that file, and so is what has a `/` before the `=`. */
function splitLabel(word: string): NamedFile {
  const at = word.indexOf('=');
  if (at <= 0 || word.slice(0, at).includes('/') || existsSync(word)) return { path: word, label: null };
  return { path: word.slice(at + 1), label: word.slice(0, at) };
}

function shortLabel(path: string): string {
  if (path === '-') return 'stdin';
  return basename(path).replace(ENDING, '') || path;
}

/** Label to format; the empty label is for all others. */
function parseFormats(words: readonly string[], labels: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    words.map((word) => {
      const at = word.lastIndexOf('=');
      const [label, format] = at === -1 ? ['', word] : [word.slice(0, at), word.slice(at + 1)];
      findImporter(format);
      if (label !== '' && !labels.includes(label)) {
        throw new UsageError(`as: no file has the label ${JSON.stringify(label)} (${labels.join(', ')})`);
      }
      return [label, format];
    }),
  );
}
