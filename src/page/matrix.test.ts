import { describe, expect, test } from 'vitest';
import { describeSyscall } from '../abi/syscall-descriptions.ts';
import { sampleProfile } from '../profile/testing/sample-profile.ts';
import type { PageDocument } from '../report/html/page-data.ts';
import { toPageProfile } from '../report/html/page-data.ts';
import { serverProfile } from '../report/testing/server-profile.ts';
import { toView } from './documents.ts';
import { buildMatrix, selectRows, type MatrixFilter, type Sorting } from './matrix.ts';

const POLICY: PageDocument = {
  kind: 'policy',
  label: 'policy.yaml',
  policy: {
    strict: 'observed',
    onViolation: 'errno:EPERM',
    arches: [{ arch: 'x86_64', newest: 470 }],
    groups: [],
    phases: [
      {
        name: 'setup',
        trigger: null,
        calls: [
          { arch: 'x86_64', nr: 0, name: 'read', args: [], why: [] },
          { arch: 'x86_64', nr: 41, name: 'socket', args: ['domain is AF_UNIX'], why: [] },
        ],
        programs: [],
      },
    ],
  },
};

const SAMPLE = toPageProfile(
  'a.json',
  sampleProfile([{ pid: 1, calls: { read: [1, 2], ptrace: [2, 2], clone: [3, 9] } }]),
);
const DOCUMENTS = [SAMPLE, POLICY].map(toView);
const MATRIX = buildMatrix(DOCUMENTS, 'x86_64');
const ALL: MatrixFilter = { text: '', presence: 'any', risk: 'any', only: null };
const BY_NAME: Sorting = { key: 'name', descending: false };

describe('matrix of calls', () => {
  test('has a column for each phase of each document, and a row for each call of any', () => {
    expect(MATRIX.columns.map(({ document, name }) => [document, name])).toEqual([
      [0, 'setup'],
      [1, 'setup'],
    ]);
    expect(
      MATRIX.rows.map(({ label, marks, documents, risk }) => [label, ...marks, documents, risk]),
    ).toEqual([
      ['clone', 'observed', null, 1, 'conditional'],
      ['ptrace', 'observed', null, 1, 'danger'],
      ['read', 'observed', 'allowed', 2, 'none'],
      ['socket', null, 'conditional', 1, 'none'],
    ]);
  });

  test.each<{ name: string; filter: Partial<MatrixFilter>; want: readonly string[] }>([
    { name: 'everything', filter: {}, want: ['clone', 'ptrace', 'read', 'socket'] },
    { name: 'a part of a name', filter: { text: 'trac' }, want: ['ptrace'] },
    { name: 'a word of the purpose', filter: { text: 'BYTES descriptor' }, want: ['read'] },
    { name: 'all documents', filter: { presence: 'all' }, want: ['read'] },
    { name: 'not all documents', filter: { presence: 'some' }, want: ['clone', 'ptrace', 'socket'] },
    { name: 'one document', filter: { presence: 'one' }, want: ['clone', 'ptrace', 'socket'] },
    { name: 'dangerous calls', filter: { risk: 'danger' }, want: ['clone', 'ptrace'] },
    { name: 'given numbers', filter: { only: new Set([0]) }, want: ['read'] },
    { name: 'several at once', filter: { risk: 'danger', text: 'process or' }, want: ['clone'] },
  ])('shows $name', ({ filter, want }) => {
    const rows = selectRows(MATRIX.rows, 2, { ...ALL, ...filter }, BY_NAME, describeSyscall);
    expect(rows.map(({ label }) => label)).toEqual(want);
  });

  test.each<{ sorting: Sorting; want: readonly string[] }>([
    { sorting: { key: 'name', descending: true }, want: ['socket', 'read', 'ptrace', 'clone'] },
    { sorting: { key: 'number', descending: false }, want: ['read', 'socket', 'clone', 'ptrace'] },
    { sorting: { key: 'risk', descending: true }, want: ['ptrace', 'clone', 'read', 'socket'] },
    { sorting: { key: 'documents', descending: true }, want: ['read', 'clone', 'ptrace', 'socket'] },
  ])('is sorted by $sorting.key, equal rows by name', ({ sorting, want }) => {
    const rows = selectRows(MATRIX.rows, 2, ALL, sorting, describeSyscall);
    expect(rows.map(({ label }) => label)).toEqual(want);
  });

  test('keeps calls of other arches and numbers without names apart', () => {
    const view = toView(toPageProfile('server.json', serverProfile()));
    const labels = buildMatrix([view], 'x86_64').rows.map(({ label }) => label);
    expect(labels.filter((label) => label.includes(':')).length).toBe(2);
    expect(new Set(labels).size).toBe(labels.length);
  });
});
