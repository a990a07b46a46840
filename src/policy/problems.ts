import type { ErrorObject } from 'ajv/dist/2020.js';
import { DocumentError, type Problem } from '../base/errors.ts';

/** Problems that the message of a DocumentError lists; its `problems` has them all. */
const PROBLEM_CAP = 20;

/** An error that lists problems, each with its JSON pointer and, where it is known, its line. */
export function malformed(
  source: string,
  problems: readonly Problem[],
  lines: ReadonlyMap<string, number>,
): DocumentError {
  const listed = problems.slice(0, PROBLEM_CAP).map(({ path, message }) => {
    const line = lineOf(path, lines);
    const place = path === '' ? 'document' : printable(path);
    return `  ${place}${line === null ? '' : ` (line ${line})`}: ${message}`;
  });
  if (problems.length > PROBLEM_CAP) listed.push(`  and ${problems.length - PROBLEM_CAP} more`);
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return new DocumentError(`${source}: not a valid policy, ${count}\n${listed.join('\n')}`, problems);
}

/** What a schema error says; none for errors that only say that another one, which is listed too, is inside. */
export function toProblem(error: ErrorObject): Problem[] {
  if (['if', 'allOf', 'anyOf', 'propertyNames'].includes(error.keyword)) return [];
  return [{ path: error.instancePath, message: describe(error) }];
}

/** A value for a message: short, on one line; only the kind of a structure, which may be deep. */
export function quote(value: unknown): string {
  if (Array.isArray(value)) return 'list';
  if (typeof value === 'object' && value !== null) return 'object';
  const text = printable(JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}

/** The text with what could drive a terminal escaped. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, (character) =>
    Array.from(
      { length: character.length },
      (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}

function describe(error: ErrorObject): string {
  const { keyword, params, data } = error;
  switch (keyword) {
    case 'required':
      return `missing field, ${quote(params['missingProperty'])}`;
    case 'additionalProperties':
      return `unknown field, ${quote(params['additionalProperty'])}`;
    case 'enum':
      return `must be one of ${(params['allowedValues'] as unknown[]).join(', ')}, is ${quote(data)}`;
    case 'const':
      return `must be ${JSON.stringify(params['allowedValue'])}, is ${quote(data)}`;
    case 'type':
      return `must be ${[params['type']].flat().join(' or ')}, is ${quote(data)}`;
    case 'maxProperties':
    case 'minProperties':
      return 'must be one call with its arguments, such as { ioctl: { request: [TCGETS] } }, or have the field "nr"';
    default: {
      const what = (error.message ?? keyword).replace('must NOT', 'must not');
      return error.propertyName === undefined
        ? `${what}, is ${quote(data)}`
        : `bad field name, ${quote(error.propertyName)} (${what})`;
    }
  }
}

/** The line of the place itself or of what is around it. */
function lineOf(path: string, lines: ReadonlyMap<string, number>): number | null {
  for (let at = path; ; at = at.slice(0, at.lastIndexOf('/'))) {
    const line = lines.get(at);
    if (line !== undefined) return line;
    if (!at.includes('/')) return null;
  }
}
