import { DocumentError, type Problem } from '../base/errors.ts';
import { printable } from '../policy/problems.ts';

/** What is wrong with a document, 20 lines of it at most; `what` says what it should be. */
export function malformed(source: string, what: string, problems: readonly Problem[]): DocumentError {
  const lines = problems
    .slice(0, 20)
    .map(({ path, message }) => `  ${path === '' ? 'document' : printable(path)}: ${message}`);
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return new DocumentError(`${source}: not a valid ${what}, ${count}\n${lines.join('\n')}`, problems);
}
