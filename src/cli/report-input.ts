import { UsageError } from '../base/errors.ts';
import { createPolicyParser } from '../policy/load.ts';
import { POLICY_FORMAT } from '../policy/model.ts';
import { createProfileParser } from '../profile/load.ts';
import type { ReportInput } from '../report/html/page-data.ts';
import { readForeignFile } from './foreign-file.ts';

/** How far into a document its format is looked for. */
const HEAD = 4096;

/**
 * Reads profiles and policies, told apart by what they say they are; at most one comes from stdin. Each is labelled by the
 * shortest end of its path that no other has.
 *
 * @throws UsageError if a file cannot be read, DocumentError if it is neither
 */
export async function readDocuments(paths: readonly string[]): Promise<readonly ReportInput[]> {
  if (paths.filter((path) => path === '-').length > 1) {
    throw new UsageError('report: stdin (-) can be read only once');
  }
  const parseProfile = createProfileParser();
  const parsePolicy = createPolicyParser();
  const inputs: ReportInput[] = [];
  const files = [];
  for (const path of paths) files.push(await readForeignFile(path));
  const labels = shortLabels(files.map(({ source }) => source));
  for (const [index, { bytes, source }] of files.entries()) {
    const text = new TextDecoder().decode(bytes);
    const label = labels[index] ?? source;
    // A policy may be YAML, and a profile is JSON: what is neither is told so by the parser of profiles.
    if (text.slice(0, HEAD).includes(POLICY_FORMAT)) {
      inputs.push({ kind: 'policy', label, policy: parsePolicy(text, source) });
    } else {
      inputs.push({ kind: 'profile', label, profile: parseProfile(text, source) });
    }
  }
  return inputs;
}

function shortLabels(sources: readonly string[]): readonly string[] {
  const parts = sources.map((source) => source.split('/'));
  return parts.map((own, index) => {
    for (let length = 1; length < own.length; length++) {
      const label = own.slice(-length).join('/');
      const others = parts.filter((_, other) => other !== index);
      if (!others.some((other) => other.slice(-length).join('/') === label)) return label;
    }
    return own.join('/');
  });
}
