import { FormatError } from '../base/errors.ts';

/**
 * Refuses what callgate writes itself and what is not to be imported: its documents, and the listing of a filter, whose
 * lines name denied calls as they name allowed ones.
 *
 * @throws FormatError that says what the file is and what to do with it
 */
export function refuseOwnFile(text: string, source: string): void {
  const found = OWN.find(({ pattern }) => pattern.test(text));
  if (found !== undefined) throw new FormatError(`${source}: ${found.what}`);
}

const OWN: readonly { readonly pattern: RegExp; readonly what: string }[] = [
  {
    pattern: /^\s*\{\s*"format"\s*:\s*"callgate-profile"/,
    what: 'a profile of callgate already (callgate show, policy, compare and report read it)',
  },
  {
    // One key a line, as in YAML and in JSON that is indented, or the first key of all.
    pattern: /^(?:[ \t]*|\{[ \t]*)["']?format["']?[ \t]*:[ \t]*["']?callgate-policy\b/m,
    what: 'a policy of callgate already (callgate check, run, export and compare read it)',
  },
  {
    // An arch and its first line: what ends in an action.
    pattern:
      /^[ \t]*arch (?:x86_64|i386|x32|aarch64):[ \t\r]*\n[ \t]*\S.*: [a-z_]+(?:\([^()\n]*\))?[ \t\r]*$/m,
    what: 'a listing of a filter for people, which cannot be imported (callgate export --format cbpf writes the same filter so that it can)',
  },
];
