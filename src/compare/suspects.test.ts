import { describe, expect, it } from 'vitest';
import { syscallNumber } from '../abi/syscalls.ts';
import type { Call, Chain, ChainStep, Profile } from '../profile/model.ts';
import { sampleCall, sampleProfile } from '../profile/testing/sample-profile.ts';
import { findSuspects } from './suspects.ts';

/** A chain of as many steps, of which some are assumed. */
function chainOf(steps: number, assumed = 0, phase = 0): Chain {
  return {
    phase,
    steps: Array.from({ length: steps }, (_, at): ChainStep => ({
      object: '/bin/a',
      function: `f${at}`,
      address: at,
      how: at === 0 ? 'root' : at === steps - 1 ? 'site' : at <= assumed ? 'taken' : 'call',
    })),
  };
}

const possible = (name: string, chains?: readonly Chain[], phases: readonly number[] = [0]): Call =>
  sampleCall(syscallNumber('x86_64', name)!, name, { phases, ...(chains === undefined ? {} : { chains }) });

/** Program a, whose code was read and which ran twice, and b, which ran once. */
function profileOf(calls: readonly Call[]): Profile {
  const profile = sampleProfile([
    { pid: 1, run: 0, program: '/bin/a', calls: { read: [1, 1] } },
    { pid: 2, run: 1, program: '/bin/a', calls: { write: [1, 1] } },
    { pid: 3, run: 1, program: '/bin/b', calls: { socket: [1, 1], bind: [1, 1] } },
  ]);
  return {
    ...profile,
    programs: profile.programs.map((program) =>
      program.path === '/bin/a' ? { ...program, calls } : program,
    ),
  };
}

describe('findSuspects', () => {
  it('lists what the code may do and no run did, the most suspicious first', () => {
    const profile = profileOf([
      possible('read', [chainOf(2)]),
      possible('getpid', [chainOf(3)]),
      possible('getppid', [chainOf(9, 4), chainOf(5, 0)]),
      possible('getuid', [chainOf(3, 1)]),
      possible('ptrace', [chainOf(3)]),
      possible('socket', [chainOf(20, 8)]),
      possible('chroot'),
      possible('getgid'),
    ]);
    const [found, ...others] = findSuspects(profile);
    expect(others).toEqual([]);
    expect(found).toMatchObject({ path: '/bin/a', runs: 2, confirmed: 1 });
    expect(found?.suspects.map(({ name, seenIn, assumed, steps }) => [name, seenIn, assumed, steps])).toEqual(
      [
        ['socket', ['/bin/b'], 8, 20],
        ['getpid', [], 0, 3],
        ['ptrace', [], 0, 3],
        ['getppid', [], 0, 5],
        ['getuid', [], 1, 3],
        ['getgid', [], null, null],
        ['chroot', [], null, null],
      ],
    );
    expect(found?.suspects.find(({ name }) => name === 'ptrace')?.danger).toBe(
      'changes the memory and registers of other processes',
    );
    expect(found?.suspects[0]?.danger).toBeNull();
  });

  it('has nothing to say of a program that never ran', () => {
    const profile = profileOf([]);
    const unseen = { path: '/bin/c', buildId: null, calls: [possible('read')] };
    expect(findSuspects({ ...profile, programs: [...profile.programs, unseen] })).toEqual([
      { path: '/bin/c', buildId: null, runs: 0, confirmed: 0, suspects: [] },
    ]);
  });

  it('takes a file without a build-id for the same as one with', () => {
    const profile = profileOf([]);
    const list = { path: '/bin/a', buildId: 'abc', calls: [possible('read'), possible('bind')] };
    const [found] = findSuspects({ ...profile, programs: [...profile.programs, list] });
    expect(found?.suspects.map(({ name }) => name)).toEqual(['bind']);
    const known = profile.programs.map((program) => ({ ...program, buildId: 'def' }));
    expect(findSuspects({ ...profile, programs: [...known, list] })[0]).toMatchObject({ runs: 0 });
  });

  it('knows a program by its build-id, whatever link it was read by', () => {
    const profile = profileOf([]);
    const programs = profile.programs.map((program) => ({ ...program, buildId: `of ${program.path}` }));
    const link = { path: '/bin/link', buildId: 'of /bin/a', calls: [possible('read'), possible('getpid')] };
    const [found] = findSuspects({ ...profile, programs: [...programs, link] });
    expect(found).toMatchObject({ path: '/bin/link', runs: 2, confirmed: 1 });
    expect(found?.suspects.map(({ name }) => name)).toEqual(['getpid']);
  });

  it('knows the program that is asked for by the name it was started by', () => {
    const profile = profileOf([possible('fork')]);
    const started = profile.processes.map((process) => ({ ...process, argv: ['/opt/link'] }));
    const found = findSuspects({ ...profile, processes: started.slice(0, 2) }, { program: 'link' });
    expect(found.map(({ path, suspects }) => [path, suspects.map(({ name }) => name)])).toEqual([
      ['/bin/a', ['fork']],
    ]);
  });

  it('looks at one phase and one program if asked to', () => {
    const profile = profileOf([
      possible('getpid', [chainOf(2, 0, 0), chainOf(7, 0, 1)], [0, 1]),
      possible('getuid', [chainOf(2)], [0]),
    ]);
    const main = { name: 'main', trigger: 'x', source: 'given', reason: null, entered: true } as const;
    const cut = { ...profile, phases: [...profile.phases, main] };
    const [found] = findSuspects(cut, { phase: 'main', program: 'a' });
    expect(found?.suspects.map(({ name, steps }) => [name, steps])).toEqual([['getpid', 7]]);
    expect(findSuspects(cut, { program: 'b' })).toEqual([]);
    expect(() => findSuspects(cut, { program: 'c' })).toThrow('program: no such program, "c"');
  });
});
