import type { ValidateFunction } from 'ajv/dist/2020.js';
import { DocumentError } from '../base/errors.ts';
import { canonicalPolicy } from './canonical.ts';
import { fromDocument, type PolicyDocument } from './from-document.ts';
import { POLICY_FORMAT, POLICY_VERSION, type Policy } from './model.ts';
import { malformed, toProblem } from './problems.ts';
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
 */
export function parsePolicy(text: string, source = 'policy'): Policy {
  return createPolicyParser()(text, source);
}

/** A parser for many policies; like `parsePolicy`, but what checks them is made only once. */
export function createPolicyParser(): PolicyParser {
  let validate: ValidateFunction | undefined;
  return (text, source = 'policy') => {
    checkKind(text, source);
    const { value, lines, comments } = readText(text, source);
    checkHeader(value, source);
    validate ??= compileValidator();
    if (!validate(value)) throw malformed(source, (validate.errors ?? []).flatMap(toProblem), lines);
    // Sound only after the schema: fields are read without looking whether they are there.
    const { policy, problems } = fromDocument(value as PolicyDocument, comments);
    if (problems.length > 0) throw malformed(source, problems, lines);
    return canonicalPolicy(policy);
  };
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
