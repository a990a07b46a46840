import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { checkPolicy } from './check.ts';
import { parsePolicy } from './load.ts';
import { formatPolicyYaml } from './save.ts';

it('has an example that is a policy in canonical form, which breaks no rule', () => {
  const text = readFileSync(new URL('../../docs/formats/policy.md', import.meta.url), 'utf8');
  const example = /```yaml\n([^]*?)```/.exec(text)?.[1] ?? '';
  const policy = parsePolicy(example);
  expect(plain(formatPolicyYaml(policy).split('\n').slice(2).join('\n'))).toBe(plain(example));
  expect(checkPolicy(policy).findings.filter(({ severity }) => severity !== 'warning')).toEqual([]);
});

/** Formatters of documents have their own taste in quotes and spaces. */
function plain(text: string): string {
  return text.replaceAll(/ +#/g, ' #').replaceAll("'", '"');
}
