import type { Profile } from '../profile/model.ts';
import { formatProfile } from '../profile/save.ts';
import { OutputFile } from './output-file.ts';
import { printResult } from './standard-output.ts';

/**
 * Writes a profile to a file, which it replaces as a whole, or to stdout for `-`.
 *
 * @throws UsageError if it cannot be written
 */
export async function writeProfile(profile: Profile, path: string): Promise<void> {
  const text = formatProfile(profile);
  if (path === '-') {
    await printResult(text);
    return;
  }
  OutputFile.prepare(path).commit(text);
}
