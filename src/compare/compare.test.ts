import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { syscalls } from '../abi/syscalls.ts';
import { samplePolicy } from '../export/testing/sample-policy.ts';
import { mergeProfiles } from '../profile/merge.ts';
import { recut } from '../profile/recut.ts';
import { sampleCall, sampleProfile } from '../profile/testing/sample-profile.ts';
import { compareSources, type CompareOptions } from './compare.ts';
import type { Comparison, ComparisonInput } from './source.ts';
import { allowing, inputOf, observed, possible, possibleCalls, serverProfile } from './testing/inputs.ts';

/** Rows as `name` to one letter for each set: x in, * only here, . out, l launch. */
function matrixOf(comparison: Comparison): Readonly<Record<string, string>> {
  const letters = { in: 'x', only: '*', out: '.', launch: 'l' };
  return Object.fromEntries(
    comparison.rows.map(({ arch, nr, name, cells }) => [
      name === null || arch !== comparison.native ? `${arch}:${name ?? nr}` : name,
      cells.map((cell) => letters[cell]).join(''),
    ]),
  );
}

const compare = (inputs: readonly ComparisonInput[], options: CompareOptions = {}): Comparison =>
  compareSources(inputs, options);

describe('the matrix', () => {
  it('says for each source what is in, out and only there', () => {
    const { rows, sets, ...rest } = compare([
      observed('trace', ['read', 'write', 'openat']),
      possible('code', ['read', 'openat', 'ptrace']),
      allowing('policy', { setup: ['read', 'socket'] }),
    ]);
    expect(matrixOf({ rows, sets, ...rest })).toEqual({
      openat: 'xx.',
      ptrace: '.*.',
      read: 'xxx',
      socket: '..*',
      write: '*..',
    });
    expect(sets.map(({ size, only }) => [size, only])).toEqual([
      [3, 1],
      [3, 1],
      [2, 1],
    ]);
    expect(rows.map(({ count }) => count)).toEqual([2, 1, 3, 1, 1]);
  });

  it('has a column for each phase of a source that has several', () => {
    const profile = sampleProfile([
      { pid: 1, calls: { read: [1, 9], bind: [2, 2], epoll_wait: { uses: [5, 8], waited: 3 } } },
    ]);
    const cut = recut(profile, {
      trigger: 'syscall:epoll_wait',
      source: 'given',
      reason: null,
      times: new Map([[0, 5e6]]),
    });
    const comparison = compare([inputOf('cut', cut), observed('other', ['read'])]);
    expect(comparison.sets.map(({ source, phase, size }) => [source, phase, size])).toEqual([
      [0, null, 3],
      [0, 'setup', 2],
      [0, 'main', 2],
      [1, null, 1],
    ]);
    expect(matrixOf(comparison)).toEqual({ bind: '**..', epoll_wait: '*.*.', read: 'xxxx' });
  });

  it('makes of a profile with what was seen and what is possible two sources', () => {
    const [trace, code] = [observed('', ['read', 'write']), possible('', ['read', 'ptrace'])];
    const profiles = [trace, code].flatMap(({ document }) =>
      document.kind === 'profile' ? [document.profile] : [],
    );
    const comparison = compare([inputOf('both', mergeProfiles(profiles))]);
    expect(comparison.sources.map(({ label, origin }) => [label, origin])).toEqual([
      ['both (observed)', 'observed'],
      ['both (possible)', 'possible'],
    ]);
    expect(matrixOf(comparison)).toEqual({ ptrace: '.*', read: 'xx', write: '*.' });
  });

  it('shows the execve that starts the program, and does not count it', () => {
    const comparison = compare([inputOf('server', serverProfile()), observed('other', ['read'])]);
    expect(matrixOf(comparison)['execve']).toBe('ll..');
    expect(comparison.sets[0]?.size).toBe(11);
    expect(matrixOf(comparison)).toMatchObject({ 'i386:open': '**..', 'x86_64:600': '**..' });
  });

  it('calls nothing only here if there is a single source', () => {
    expect(matrixOf(compare([observed('trace', ['read'])]))).toEqual({ read: 'x' });
  });

  it('can be without a row in which all agree', () => {
    const inputs = [observed('a', ['read', 'write']), observed('b', ['read', 'mmap'])];
    expect(Object.keys(matrixOf(compare(inputs, { onlyDifferences: true })))).toEqual(['mmap', 'write']);
    const references = [observed('truth', ['write', 'mmap'])];
    expect(Object.keys(matrixOf(compare(inputs, { onlyDifferences: true, references })))).toEqual([
      'mmap',
      'read',
      'write',
    ]);
  });

  it.each([
    ['name', ['close', 'read', 'write', 'i386:open']],
    ['nr', ['read', 'write', 'close', 'i386:open']],
    ['count', ['write', 'close', 'read', 'i386:open']],
  ] as const)('is sorted by %s', (sort, want) => {
    const profile = sampleProfile([{ pid: 1, calls: { close: [1, 1], read: [1, 1], write: [1, 1] } }]);
    const open = { ...sampleCall(5, 'open', { origin: 'observed' }), arch: 'i386' as const };
    const first = {
      ...profile,
      processes: profile.processes.map((each) => ({ ...each, calls: [...each.calls, open] })),
    };
    const comparison = compare([inputOf('a', first), observed('b', ['write'])], { sort });
    expect(Object.keys(matrixOf(comparison))).toEqual(want);
  });

  it('is empty for a profile that has nothing', () => {
    const empty = { ...sampleProfile([]), runs: [], phases: sampleProfile([]).phases };
    const comparison = compare([inputOf('empty', empty), inputOf('void', { ...empty, programs: [] })]);
    expect(comparison.rows).toEqual([]);
    expect(comparison.sets.map(({ size }) => size)).toEqual([0, 0]);
    expect(comparison.sources.map(({ origin }) => origin)).toEqual(['observed', 'observed']);
  });
});

describe('what a set blocks', () => {
  it('is counted among the calls that kernels have', () => {
    const known = syscalls('x86_64').filter(({ since }) => since !== null).length;
    const [trace, policy] = compare([
      observed('trace', ['read', 'write']),
      allowing('policy', { setup: ['read', 'x86_64:600'] }),
    ]).sets;
    expect(trace?.arches).toEqual([{ arch: 'x86_64', total: known, allowed: 2, blocked: known - 2 }]);
    const upTo450 = syscalls('x86_64').filter(({ nr, since }) => since !== null && nr <= 450).length;
    expect(policy?.arches).toEqual([{ arch: 'x86_64', total: upTo450, allowed: 1, blocked: upTo450 - 1 }]);
  });

  it('is nothing under a policy that only logs', () => {
    const policy = samplePolicy({ onViolation: 'log', phases: { setup: ['read'] } });
    expect(compare([inputOf('log', policy)]).sets[0]?.arches[0]).toMatchObject({ allowed: 1, blocked: 0 });
  });
});

describe('accuracy', () => {
  it('is precision, recall and F1 against the reference, with the missed calls by name', () => {
    const { sets, reference } = compare(
      [possible('code', ['read', 'write', 'ptrace', 'bpf']), possible('exact', ['read', 'write', 'mmap'])],
      { references: [observed('run 1', ['read', 'write']), observed('run 2', ['mmap'])] },
    );
    expect(reference).toEqual({ labels: ['run 1', 'run 2'], size: 3 });
    expect(sets[0]?.accuracy).toMatchObject({
      reference: 3,
      hits: 2,
      precision: 0.5,
      recall: 2 / 3,
      missed: [{ arch: 'x86_64', nr: 9, name: 'mmap' }],
    });
    expect(sets[0]?.accuracy?.f1).toBeCloseTo(4 / 7, 12);
    expect(sets[0]?.accuracy?.extra.map(({ name }) => name)).toEqual(['bpf', 'ptrace']);
    expect(sets[1]?.accuracy).toMatchObject({ precision: 1, recall: 1, f1: 1, missed: [], extra: [] });
  });

  it.each([
    [[], ['read'], { precision: null, recall: 0, f1: null }],
    [['read'], [], { precision: 0, recall: null, f1: null }],
    [['read'], ['write'], { precision: 0, recall: 0, f1: 0 }],
  ])('of %j against %j is %j', (names, truth, want) => {
    const { sets } = compare([possible('code', names)], { references: [observed('truth', truth)] });
    expect(sets[0]?.accuracy).toMatchObject(want);
  });

  it('counts only calls of the arches that the reference has', () => {
    const both = (names: readonly string[]): ComparisonInput => {
      const policy = samplePolicy({ phases: { setup: names } });
      const [setup, ...rest] = policy.phases;
      const foreign = (setup?.calls ?? []).map((call) => ({ ...call, arch: 'i386' as const }));
      const phases = setup === undefined ? [] : [{ ...setup, calls: [...setup.calls, ...foreign] }, ...rest];
      return inputOf('oci', { ...policy, phases });
    };
    const { sets } = compare([both(['read', 'write'])], { references: [observed('truth', ['read'])] });
    expect(sets[0]?.size).toBe(4);
    expect(sets[0]?.accuracy).toMatchObject({ hits: 1, precision: 0.5, recall: 1 });
    expect(sets[0]?.accuracy?.extra.map(({ arch, name }) => [arch, name])).toEqual([['x86_64', 'write']]);
  });

  it('leaves out the execve that only starts the program, whether a set has it or not', () => {
    const references = [inputOf('server', serverProfile())];
    const names = ['brk', 'exit', 'read', 'mprotect', 'listen', 'epoll_wait', 'accept4', 'ioctl', 'write'];
    const [without, with_] = compare([possible('without', names), possible('with', [...names, 'execve'])], {
      references,
    }).sets;
    expect(without?.accuracy).toMatchObject({ reference: 11, hits: 9, precision: 1 });
    expect(with_?.accuracy).toMatchObject({ reference: 11, hits: 9, precision: 1 });
  });

  it('of a phase is measured by the same phase of the reference', () => {
    const { sets } = compare(
      [allowing('policy', { setup: ['read', 'listen', 'accept4'], main: ['accept4'] })],
      {
        references: [inputOf('server', serverProfile())],
      },
    );
    expect(sets.map(({ phase, accuracy }) => [phase, accuracy?.reference, accuracy?.hits])).toEqual([
      [null, 11, 3],
      ['setup', 8, 2],
      ['main', 4, 1],
    ]);
  });

  it('takes of a reference with several origins only what was observed', () => {
    const profile = serverProfile();
    const mixed = {
      ...profile,
      programs: [
        { path: '/bin/dash', buildId: null, calls: possibleCalls(['ptrace']) },
        profile.programs[1]!,
      ],
    };
    const { reference } = compare([observed('a', ['read'])], { references: [inputOf('mixed', mixed)] });
    expect(reference?.size).toBe(11);
  });
});

describe('selection', () => {
  it('takes one phase; a source without phases stands for every phase', () => {
    const comparison = compare([inputOf('server', serverProfile()), observed('trace', ['write', 'bind'])], {
      phase: 'main',
      references: [inputOf('truth', serverProfile())],
    });
    expect(comparison.sets.map(({ phase, size, accuracy }) => [phase, size, accuracy?.reference])).toEqual([
      ['main', 4, 4],
      [null, 2, 4],
    ]);
    expect(matrixOf(comparison)).toEqual({
      accept4: '*.',
      bind: '.*',
      epoll_wait: '*.',
      read: '*.',
      write: 'xx',
    });
  });

  it('takes one program; one without a set of its own in a policy is held by that of the tree', () => {
    const policy = samplePolicy({
      phases: { setup: ['read', 'write', 'bind'], main: ['read', 'write'] },
      programs: { '/bin/dash': ['read'] },
    });
    const sizes = (program: string): readonly (readonly [string | null, number])[] =>
      compare([inputOf('policy', policy)], { program }).sets.map(({ phase, size }) => [phase, size]);
    expect(sizes('dash')).toEqual([
      [null, 2],
      ['setup', 1],
      ['main', 2],
    ]);
    expect(sizes('/bin/other')[0]).toEqual([null, 3]);
    const { sets } = compare([inputOf('server', serverProfile())], { program: 'dash' });
    expect(sets[0]?.size).toBe(2);
  });

  it.each([
    [{ phase: 'maim' }, 'server: no such phase, "maim" (it has setup, main)'],
    [
      { program: 'nginx' },
      'server: program: no such program, "nginx" (the profile has /bin/dash, /srv/server)',
    ],
  ])('refuses %j', (options, message) => {
    expect(() => compare([inputOf('server', serverProfile())], options)).toThrow(message);
  });

  it('refuses no file and labels that are alike', () => {
    expect(() => compare([])).toThrow('compare: needs a file, got none');
    const twice = [observed('a', ['read']), observed('a', ['write'])];
    expect(() => compare(twice)).toThrow('compare: two files have the label "a"');
  });
});

test('the time that a method took is told beside its set', () => {
  const profile = sampleProfile([
    { pid: 1, run: 0, calls: { read: [1, 1] } },
    { pid: 2, run: 1, calls: { read: [1, 1] } },
    { pid: 3, run: 2, calls: { read: [1, 1] } },
  ]);
  const runs = profile.runs.map((run, index) => ({ ...run, duration: [3e9, 1e9, 8e9][index]! }));
  const { sources } = compare([
    inputOf('traces', { ...profile, runs }),
    possible('code', ['read'], 2),
    allowing('policy', { setup: ['read'] }),
    observed('no time', ['read'], 0),
  ]);
  expect(sources.map(({ cost }) => cost)).toEqual([
    { methods: ['ptrace'], runs: 3, total: 12e9, median: 3e9 },
    { methods: ['analyze'], runs: 1, total: 2e9, median: 2e9 },
    null,
    { methods: ['ptrace'], runs: 1, total: null, median: null },
  ]);
});

test('sizes, rows and accuracy agree with sets of names', () => {
  const names = fc.subarray(
    syscalls('x86_64')
      .map(({ name }) => name)
      .filter((name) => name !== 'execve'),
  );
  fc.assert(
    fc.property(fc.array(names, { minLength: 2, maxLength: 5 }), names, (lists, truth) => {
      const { sets, rows } = compare(
        lists.map((list, index) => possible(`${index}`, list)),
        { references: [possible('truth', truth)] },
      );
      expect(rows.length).toBe(new Set([...lists.flat(), ...truth]).size);
      for (const [index, list] of lists.entries()) {
        const others = new Set(lists.flatMap((each, at) => (at === index ? [] : each)));
        expect(sets[index]?.size).toBe(list.length);
        expect(sets[index]?.only).toBe(list.filter((name) => !others.has(name)).length);
        expect(sets[index]?.accuracy?.hits).toBe(list.filter((name) => truth.includes(name)).length);
        expect(sets[index]?.accuracy?.missed.length).toBe(
          truth.filter((name) => !list.includes(name)).length,
        );
      }
    }),
    { numRuns: 50 },
  );
});

test('ten profiles of all calls are compared in well under a second', () => {
  const all = syscalls('x86_64').map(({ name }) => name);
  const inputs = Array.from({ length: 10 }, (_, index) =>
    observed(
      `${index}`,
      all.filter((_name, at) => at % (index + 2) !== 0),
    ),
  );
  const start = performance.now();
  const { rows } = compare(inputs, { references: [observed('truth', all)] });
  expect(rows.length).toBe(all.length);
  // Some 50 ms on an idle machine.
  expect(performance.now() - start).toBeLessThan(2000);
});
