import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  buildPolicy,
  checkPolicy,
  DocumentError,
  exportPolicy,
  FormatError,
  importBytes,
  UsageError,
  type Policy,
} from '../../dist/index.js';
import { callgate } from '../support/callgate.ts';
import { phase, policy } from '../kernel/fixtures/policies.ts';
import { formatPolicyJson } from '../../src/policy/save.ts';

const DIST = fileURLToPath(new URL('../../dist', import.meta.url));

const POLICY = policy([phase('all', null, ['mkdir', 'ptrace'])]);

describe('exportPolicy', () => {
  it.each(['oci', 'systemd', 'firejail', 'c'])('gives what the command writes: %s', async (format) => {
    const { content } = await exportPolicy(POLICY, format);
    const { stdout } = callgate(['export', '-', '--format', format], { input: formatPolicyJson(POLICY) });
    expect(content).toBe(stdout);
  });

  it('gives bytes for a format that is no text, and says what is lost', async () => {
    expect((await exportPolicy(POLICY, 'cbpf')).content).toBeInstanceOf(Uint8Array);
    const two = policy([phase('setup', null), phase('main', 'key', ['mkdir'])]);
    const { losses } = await exportPolicy(two, 'firejail', { phase: 'main' });
    expect(losses.length).toBeGreaterThan(0);
  });

  it('refuses what there is not', async () => {
    await expect(exportPolicy(POLICY, 'word')).rejects.toThrow(UsageError);
    await expect(exportPolicy(POLICY, 'oci', { phase: 'other' })).rejects.toThrow(UsageError);
    await expect(exportPolicy({} as Policy, 'oci')).rejects.toThrow(DocumentError);
  });
});

describe('importBytes', () => {
  it('reads what was exported', async () => {
    const { content } = await exportPolicy(POLICY, 'oci');
    const imported = await importBytes(Buffer.from(content));
    if (imported.kind !== 'policy') throw new Error('it is no policy');
    const names = imported.policy.phases[0]?.calls.map(({ name }) => name);
    expect(names).toContain('openat');
    expect(names).not.toContain('mkdir');
  });

  it('reads a profile of which a policy can be made', async () => {
    const imported = await importBytes(Buffer.from('read\nexecve\n'), { format: 'names', program: '/bin/x' });
    if (imported.kind !== 'profile') throw new Error('it is no profile');
    const made = buildPolicy([imported.profile]).policy.phases[0]?.calls.map(({ name }) => name);
    expect(made).toContain('read');
  });

  it('refuses what is of no format, and names it', async () => {
    const nothing = importBytes(new Uint8Array(), { source: 'the file' });
    await expect(nothing).rejects.toThrow(FormatError);
    await expect(nothing).rejects.toThrow('the file: it is empty');
    await expect(importBytes(Buffer.from('x'), { format: 'word' })).rejects.toThrow(UsageError);
  });
});

describe('checkPolicy', () => {
  it('finds what the command finds', async () => {
    const { findings, coverage } = await checkPolicy(POLICY, ['bpf']);
    const command = callgate(['check', '-', '--json', '--accept', 'bpf'], {
      input: formatPolicyJson(POLICY),
    });
    const printed = JSON.parse(command.stdout) as { findings: readonly { message: string }[] };
    expect(findings.map(({ message }) => message)).toEqual(printed.findings.map(({ message }) => message));
    expect(findings.some(({ severity }) => severity === 'danger')).toBe(true);
    expect(coverage[0]?.arches[0]?.blocked).toBe(2);
  });

  it('refuses what is no policy', async () => {
    await expect(checkPolicy({} as Policy)).rejects.toThrow(DocumentError);
  });
});

/** The library's own modules that are loaded with one, by their paths below dist. */
function loadedWith(file: string, found: Set<string> = new Set()): ReadonlySet<string> {
  if (found.has(file)) return found;
  found.add(file);
  const imports = readFileSync(join(DIST, file), 'utf8').matchAll(
    /^(?:import|export)\b[^;]*?\bfrom '(\.[^']+)'/gm,
  );
  for (const [, path] of imports) loadedWith(join(dirname(file), path as string), found);
  return found;
}

describe('the library', () => {
  it('loads none of that before it is used', () => {
    const loaded = loadedWith('index.js');
    expect(loaded).toContain('policy/judge.js');
    expect(loaded).toContain('policy/load.js');
    for (const file of ['export/exporters.js', 'import/importers.js', 'policy/check.js', 'policy/cves.js']) {
      expect(existsSync(join(DIST, file))).toBe(true);
      expect(loaded).not.toContain(file);
    }
  });
});
