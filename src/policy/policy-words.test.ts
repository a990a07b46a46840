import { describe, expect, it } from 'vitest';
import { formatLabel, parseLabel } from './call-label.ts';
import { compareReleases, newestNumber, parseRange, parseRelease } from './kernel-release.ts';
import { canonicalViolation, violationAction } from './violation.ts';
import { plainWhy } from './why.ts';

describe('labels of calls', () => {
  it.each([
    { label: 'openat', call: { arch: 'x86_64', nr: 257, name: 'openat' } },
    { label: 'i386:open', call: { arch: 'i386', nr: 5, name: 'open' } },
    { label: 'x86_64:600', call: { arch: 'x86_64', nr: 600, name: null } },
  ])('$label', ({ label, call }) => {
    expect(parseLabel(label, 'x86_64')).toEqual(call);
    expect(formatLabel(parseLabel(label, 'x86_64') as never, 'x86_64')).toBe(label);
  });

  it.each([
    { label: 257, call: { arch: 'x86_64', nr: 257, name: 'openat' } },
    { label: '257', call: { arch: 'x86_64', nr: 257, name: 'openat' } },
    { label: 'x86_64:257', call: { arch: 'x86_64', nr: 257, name: 'openat' } },
  ])('may be a number, $label', ({ label, call }) => expect(parseLabel(label, 'x86_64')).toEqual(call));

  it.each([
    { label: '1073741824', want: 'system call number out of range, 1073741824 (1073741823)' },
    { label: 'opnat', want: 'unknown system call of x86_64, "opnat" (nearest: openat)' },
    { label: '', want: 'unknown system call of x86_64, ""' },
    { label: 'sparc:read', want: 'unknown arch, "sparc" (x86_64, i386, x32, aarch64)' },
    { label: 'x'.repeat(1000), want: `unknown system call of x86_64, "${'x'.repeat(40)}..."` },
  ])('refuse $label', ({ label, want }) => expect(parseLabel(label, 'x86_64')).toBe(want));
});

describe('actions on violation', () => {
  it.each([
    { text: 'kill', action: { kind: 'kill_process' }, canonical: 'kill' },
    { text: 'trap', action: { kind: 'trap' }, canonical: 'trap' },
    { text: 'log', action: { kind: 'log' }, canonical: 'log' },
    { text: 'errno', action: { kind: 'errno', errno: 1 }, canonical: 'errno:EPERM' },
    { text: 'errno:ENOSYS', action: { kind: 'errno', errno: 38 }, canonical: 'errno:ENOSYS' },
    { text: 'errno:13', action: { kind: 'errno', errno: 13 }, canonical: 'errno:EACCES' },
    { text: 'errno:4095', action: { kind: 'errno', errno: 4095 }, canonical: 'errno:4095' },
  ])('$text', ({ text, action, canonical }) => {
    expect(violationAction(text)).toEqual(action);
    expect(canonicalViolation(text)).toBe(canonical);
  });

  it.each([
    '',
    'allow',
    'errno:0',
    'errno:4096',
    'errno:ENOPE',
    'errno:ERESTARTSYS',
    'errno:512',
    'KILL',
    'errno:',
  ])('refuse %j', (text) => expect(canonicalViolation(text)).toBe(null));
});

describe('kernel releases', () => {
  it.each([
    { text: '6.1.0-18-amd64', want: [6, 1] },
    { text: '6.18', want: [6, 18] },
    { text: 'six', want: null },
    { text: '', want: null },
  ])('$text', ({ text, want }) => expect(parseRelease(text)).toEqual(want));

  it('compare by number, not by text', () => {
    expect(compareReleases('4.9', '4.14')).toBeLessThan(0);
    expect(compareReleases('5.0', '4.20')).toBeGreaterThan(0);
    expect(compareReleases('6.1.0-1', '6.1.99')).toBe(0);
  });

  it.each([
    { text: '4.14..6.12', want: { from: '4.14', to: '6.12' } },
    { text: '6.1', want: { from: '6.1', to: '6.1' } },
    { text: '6.12..4.14', want: null },
    { text: '..', want: null },
    { text: '4.14...6.12', want: null },
    { text: '4..6', want: null },
    { text: '', want: null },
  ])('of a range, $text', ({ text, want }) => expect(parseRange(text)).toEqual(want));

  it.each([
    { release: '5.10.0', want: 440 },
    { release: '6.18.44-x', want: 469 },
    { release: 'unknown', want: 471 },
  ])('tell the newest number of $release', ({ release, want }) => {
    expect(newestNumber('x86_64', release)).toBe(want);
  });
});

describe('reasons', () => {
  it('are made to fit behind an entry', () => {
    expect(plainWhy(' a; b\n\u001b[2J; ')).toBe('a, b\\u{a}\\u{1b}[2J,');
  });
});
