import { DocumentError, type Problem } from '../../base/errors.ts';

/** Value of `format` in the document. */
const FORMAT = 'callgate-reachable';
const VERSION = 1;

/** Code that an analysis holds for reachable. */
export interface ReachableCode {
  readonly objects: readonly ReachableObject[];
}

/** One file of the load set. */
export interface ReachableObject {
  /** Path by which the program loads it. */
  readonly path: string;
  readonly buildId: string | null;
  /** First vaddr and the one after the last, in turns, ascending, not touching each other. */
  readonly ranges: readonly number[];
}

/**
 * Reads the document in which an analysis says which code it holds for reachable; docs/workloads.md has its form.
 *
 * @param source names it in errors
 * @throws DocumentError for text that is not such a document
 */
export function parseReachable(text: string, source = 'reachable'): ReachableCode {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refused(source, [{ path: '', message: `not JSON, ${(error as Error).message}` }]);
  }
  const document = isObject(value) ? value : {};
  if (document['format'] !== FORMAT || document['version'] !== VERSION) {
    throw refused(source, [
      { path: '/format', message: `is not ${JSON.stringify(FORMAT)} of version ${VERSION}` },
    ]);
  }
  const objects = document['objects'];
  if (!Array.isArray(objects)) throw refused(source, [{ path: '/objects', message: 'must be a list' }]);
  const problems = objects.flatMap((object: unknown, at) => checkObject(object, `/objects/${at}`));
  if (problems.length > 0) throw refused(source, problems);
  return { objects: objects as ReachableObject[] };
}

/** True if the address lies in one of the ranges. */
export function isReachable({ ranges }: ReachableObject, address: number): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle] as number) <= address) low = middle + 1;
    else high = middle;
  }
  // Past an even number of bounds it is outside, past an odd one inside.
  return low % 2 === 1;
}

function checkObject(value: unknown, path: string): Problem[] {
  if (!isObject(value)) return [{ path, message: 'must be an object' }];
  const { path: file, buildId, ranges } = value;
  const problems: Problem[] = [];
  if (typeof file !== 'string') problems.push({ path: `${path}/path`, message: 'must be text' });
  if (buildId !== null && typeof buildId !== 'string') {
    problems.push({ path: `${path}/buildId`, message: 'must be text or null' });
  }
  if (!Array.isArray(ranges) || ranges.length % 2 !== 0) {
    problems.push({ path: `${path}/ranges`, message: 'must be a list of pairs' });
    return problems;
  }
  const bad = ranges.findIndex(
    (bound: unknown, at) =>
      !Number.isSafeInteger(bound) || (bound as number) <= (at === 0 ? -1 : Number(ranges[at - 1])),
  );
  if (bad !== -1) {
    problems.push({
      path: `${path}/ranges/${bad}`,
      message: `must be an address above the one before, is ${JSON.stringify(ranges[bad])}`,
    });
  }
  return problems;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refused(source: string, problems: readonly Problem[]): DocumentError {
  const [first] = problems;
  const more = problems.length > 1 ? `, and ${problems.length - 1} more problems` : '';
  return new DocumentError(
    `${source}: not a document of reachable code, ${first?.path} ${first?.message}${more}`,
    problems,
  );
}
