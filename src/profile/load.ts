import type { ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import { DocumentError, type Problem } from '../base/errors.ts';
import { requireString } from '../base/text.ts';
import { checkProfile } from './check.ts';
import { migrateProfile, type ProfileDocument } from './migrate.ts';
import { PROFILE_FORMAT, type Profile } from './model.ts';
import { compileValidator } from './validator.ts';

/** Problems that the message of a DocumentError lists; its `problems` has them all. */
const PROBLEM_CAP = 20;

/** Reads the text of one profile; `source` names it in errors. */
export type ProfileParser = (text: string, source?: string) => Profile;

/**
 * Reads a profile and checks it in full: what is returned keeps every promise of the model.
 *
 * @param source names the document in errors, such as its file name
 * @throws DocumentError that lists what is wrong, or says that the document is newer than this release
 * @throws UsageError for what is no text
 */
export function parseProfile(text: string, source = 'profile'): Profile {
  return createProfileParser()(text, source);
}

/** A parser for many profiles; like `parseProfile`, but what checks them is made only once. */
export function createProfileParser(): ProfileParser {
  let validate: ValidateFunction | undefined;
  return (text, source = 'profile') => {
    requireString(source, text, "what readFileSync(path, 'utf8') gives");
    const document = migrateProfile(parseHeader(text, source), source);
    validate ??= compileValidator();
    if (!validate(document)) throw malformed(source, (validate.errors ?? []).flatMap(toProblem));
    // Sound only after the schema: the checks read fields without looking whether they are there.
    const profile = document as unknown as Profile;
    const problems = checkProfile(profile);
    if (problems.length > 0) throw malformed(source, problems);
    return profile;
  };
}

function parseHeader(text: string, source: string): ProfileDocument {
  const kind = otherKind(text);
  if (kind !== null) throw new DocumentError(`${source}: ${kind}`, [{ path: '', message: kind }]);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const message = `not JSON, ${printable((error as Error).message)}`;
    throw new DocumentError(`${source}: ${message}`, [{ path: '', message }]);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const document = value as ProfileDocument;
    if (document['format'] === PROFILE_FORMAT) return document;
  }
  const message = `not a callgate profile, its "format" is not "${PROFILE_FORMAT}"`;
  throw new DocumentError(`${source}: ${message}`, [{ path: '/format', message }]);
}

/** What is said of a text that is something else, which may be YAML; null for one that may be a profile. */
function otherKind(text: string): string | null {
  // Not by trim, which would copy a profile of any size.
  if (!/\S/.test(text)) return 'no profile, it is empty';
  return /^\s*(?:\{\s*"format"\s*:\s*"|(?:#[^\n]*\n\s*|---\s+)*format:\s*["']?)callgate-policy\b/.test(text)
    ? 'not a callgate profile but a policy (callgate check, export and run read it)'
    : null;
}

/** None for errors that only say that another one, which is listed too, is inside. */
function toProblem(error: ErrorObject): Problem[] {
  if (error.keyword === 'if' || error.keyword === 'propertyNames') return [];
  return [{ path: error.instancePath, message: describe(error) }];
}

function describe(error: ErrorObject): string {
  const { keyword, params, data } = error;
  switch (keyword) {
    case 'required':
      return `missing field, ${quote(params['missingProperty'])}`;
    case 'additionalProperties':
      return `unknown field, ${quote(params['additionalProperty'])}`;
    case 'false schema':
      return `field does not belong here, ${quote(data)}`;
    case 'enum':
      return `must be one of ${(params['allowedValues'] as unknown[]).join(', ')}, is ${quote(data)}`;
    case 'const':
      return `must be ${JSON.stringify(params['allowedValue'])}, is ${quote(data)}`;
    case 'type':
      return `must be ${[params['type']].flat().join(' or ')}, is ${quote(data)}`;
    default: {
      const what = (error.message ?? keyword).replace('must NOT', 'must not');
      return error.propertyName === undefined
        ? `${what}, is ${quote(data)}`
        : `bad field name, ${quote(error.propertyName)} (${what})`;
    }
  }
}

/** A value for a message: short, on one line; only the kind of a structure, which may be deep. */
function quote(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'object' && value !== null) return 'object';
  const text = printable(JSON.stringify(value));
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}

function malformed(source: string, problems: readonly Problem[]): DocumentError {
  const lines = problems
    .slice(0, PROBLEM_CAP)
    .map(({ path, message }) => `  ${path === '' ? 'document' : printable(path)}: ${message}`);
  if (problems.length > PROBLEM_CAP) lines.push(`  and ${problems.length - PROBLEM_CAP} more`);
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return new DocumentError(`${source}: not a valid profile, ${count}\n${lines.join('\n')}`, problems);
}

/** The text with control characters and lone surrogates escaped, so that a hostile document cannot drive a terminal. */
function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cs}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
