import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { DocumentError, UsageError } from '../base/errors.ts';
import { createProfileParser } from '../profile/load.ts';
import type { Profile } from '../profile/model.ts';
import { escapeText } from '../report/escape.ts';
import { describeReadFailure } from '../base/read-failure.ts';

/**
 * Reads one profile; `-` is stdin.
 *
 * @throws UsageError if the file cannot be read, DocumentError if it holds no profile
 */
export async function readProfile(path: string): Promise<Profile> {
  const [profile] = await readProfiles([path]);
  return profile as Profile;
}

/**
 * Reads several profiles, at most one of them from stdin, in their order.
 *
 * @throws UsageError if a file cannot be read, DocumentError if one holds no profile
 */
export async function readProfiles(paths: readonly string[]): Promise<readonly Profile[]> {
  if (paths.filter((path) => path === '-').length > 1) {
    throw new UsageError('profile: stdin (-) can be read only once');
  }
  const parse = createProfileParser();
  const profiles: Profile[] = [];
  for (const path of paths) {
    const source = path === '-' ? 'stdin' : escapeText(path);
    const text = decode(await readBytes(path, source), source);
    profiles.push(parse(text, source));
  }
  return profiles;
}

async function readBytes(path: string, source: string): Promise<Uint8Array> {
  try {
    return path === '-' ? await buffer(process.stdin) : await readFile(path);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const hint = isMissing ? ' (callgate trace -o FILE writes one)' : '';
    throw new UsageError(`profile: cannot read ${source}, ${escapeText(describeReadFailure(error))}${hint}`, {
      cause: error,
    });
  }
}

function decode(bytes: Uint8Array, source: string): string {
  if (bytes.length === 0) {
    const message = 'no profile, it is empty';
    throw new DocumentError(`${source}: ${message}`, [{ path: '', message }]);
  }
  return new TextDecoder('utf-8', { fatal: false }).decode(bytes);
}
