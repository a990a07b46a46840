import { mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { sampleProfile } from '../profile/testing/sample-profile.ts';
import { setsOf } from './study-sets.ts';

const folder = mkdtempSync(join(tmpdir(), 'callgate-test-'));
const link = join(folder, 'server');
symlinkSync('/bin/true', link);
afterAll(() => rmSync(folder, { recursive: true }));

const TRUE = realpathSync('/bin/true');

describe('setsOf', () => {
  it('takes the program alone, and not what it has executed', () => {
    expect(wholeSet('/opt/server', '/opt/server')).toEqual(['x86_64 0']);
  });

  it('knows a program by the file that its path leads to', () => {
    expect(wholeSet(TRUE, link)).toEqual(['x86_64 0']);
  });

  it('takes everything of a profile that does not name the program', () => {
    expect(wholeSet('/opt/server', '/opt/other')).toEqual(['x86_64 0', 'x86_64 1']);
  });
});

/** What is found for a program in a profile of one that reads, and has executed one that writes. */
function wholeSet(path: string, wanted: string): readonly string[] | undefined {
  const profile = sampleProfile([
    { pid: 1, program: path, calls: { read: [1, 2] } },
    { pid: 2, program: '/bin/child', calls: { write: [3, 4] } },
  ]);
  return setsOf(profile, wanted)[0]?.calls;
}
