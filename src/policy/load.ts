import type { ValidateFunction } from 'ajv/dist/2020.js';
import { DocumentError } from '../base/errors.ts';
import { requireString } from '../base/text.ts';
import { canonicalPolicy } from './canonical.ts';
import { fromDocument, type PolicyDocument } from './from-document.ts';
import { POLICY_FORMAT, POLICY_VERSION, type Policy } from './model.ts';
import { malformed, toProblem } from './problems.ts';
import { plainNumber } from './plain-number.ts';
import { readText } from './read-text.ts';
import { compileValidator } from './validator.ts';

/** Reads the text of one policy, JSON or YAML; `source` names it in errors. */
export type PolicyParser = (text: string, source?: string) => Policy;

/**
 * Reads a policy, JSON or YAML, and checks it in full: what is returned keeps every promise of the model, and is in
 * canonical order.
 *
 * In YAML the comment on the line of an entry is its `why`. Whether the policy is a good one, `lintPolicy` says.
 *
 * @throws DocumentError that lists what is wrong, or says that the document is newer than this release
 * @throws UsageError for what is no text
 */
export function parsePolicy(text: string, source = 'policy'): Policy {
  return createPolicyParser()(text, source);
}

/** A parser for many policies; like `parsePolicy`, but what checks them is made only once. */
export function createPolicyParser(): PolicyParser {
  let validate: ValidateFunction | undefined;
  return (text, source = 'policy') => {
    requireString(source, text, "what readFileSync(path, 'utf8') gives");
    checkKind(text, source);
    const { value, lines, comments } = readText(text, source);
    validate ??= compileValidator();
    return readValue(value, source, validate, lines, comments);
  };
}

/**
 * Checks a policy that a program has in hand, which types may not have checked: what is returned keeps every promise of the
 * model, as what is read from text does. What stands in a document is taken as well, such as a call by its name alone.
 *
 * @throws DocumentError that lists what is wrong
 */
export function checkedPolicy(policy: object, source = 'policy'): Policy {
  const text = JSON.stringify(policy, (_, field: unknown) =>
    typeof field === 'bigint' ? plainNumber(field) : field,
  );
  const before = CHECKED.get(policy);
  if (before?.text === text) return before.policy;
  const checked = readValue(documentValue(text), source, compileValidator(), new Map(), new Map());
  CHECKED.set(policy, { text, policy: checked });
  return checked;
}

/** What has been checked, for who starts many programs under one policy: to check it takes as long as half a start. It may be changed meanwhile. */
const CHECKED: WeakMap<object, { readonly text: string; readonly policy: Policy }> = new WeakMap();

function readValue(
  value: unknown,
  source: string,
  validate: ValidateFunction,
  lines: ReadonlyMap<string, number>,
  comments: ReadonlyMap<string, string>,
): Policy {
  checkHeader(value, source);
  if (!validate(value)) throw malformed(source, (validate.errors ?? []).flatMap(toProblem), lines);
  // Sound only after the schema: fields are read without looking whether they are there.
  const { policy, problems } = fromDocument(value as PolicyDocument, comments);
  if (problems.length > 0) throw malformed(source, problems, lines);
  return canonicalPolicy(policy);
}

/** The value that a document has for what stands in the model, where kernels are no text. */
function documentValue(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || !('kernels' in value)) return value;
  const { kernels } = value;
  if (typeof kernels !== 'object' || kernels === null || !('from' in kernels) || !('to' in kernels))
    return value;
  return { ...value, kernels: `${String(kernels.from)}..${String(kernels.to)}` };
}

/** Says what a text is that is no policy: before it is read, for a profile may be larger than any policy. */
function checkKind(text: string, source: string): void {
  const message = !/\S/.test(text)
    ? 'no policy, it is empty'
    : /^\s*\{\s*"format"\s*:\s*"callgate-profile"/.test(text)
      ? 'not a callgate policy but a profile (callgate policy makes a policy of it)'
      : null;
  if (message !== null) throw new DocumentError(`${source}: ${message}`, [{ path: '', message }]);
}

function checkHeader(value: unknown, source: string): void {
  const document = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  if (document['format'] !== POLICY_FORMAT) {
    const message = `not a callgate policy, its "format" is not "${POLICY_FORMAT}"`;
    throw new DocumentError(`${source}: ${message}`, [{ path: '/format', message }]);
  }
  const { version } = document;
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1) {
    const message = 'policy version is no integer from 1 up';
    throw new DocumentError(`${source}: ${message}`, [{ path: '/version', message }]);
  }
  if (version > POLICY_VERSION) {
    const message = `policy version ${version} is newer than this callgate understands (${POLICY_VERSION}); upgrade callgate`;
    throw new DocumentError(`${source}: ${message}`, [{ path: '/version', message }]);
  }
}
