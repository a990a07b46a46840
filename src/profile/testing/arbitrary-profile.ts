import * as fc from 'fast-check';
import { ARCHES } from '../../abi/arch.ts';
import { syscallName } from '../../abi/syscalls.ts';
import { compareText } from '../call-union.ts';
import type {
  Analysis,
  ArgumentValues,
  Call,
  Chain,
  ChainStep,
  CodePlace,
  ExitStatus,
  Listen,
  Origin,
  Phase,
  Process,
  Profile,
  Program,
  Run,
  Thread,
} from '../model.ts';

/** Profiles that are valid in every respect, with hostile strings, in canonical order. */
export function arbitraryProfile(): fc.Arbitrary<Profile> {
  return fc
    .record({
      runs: fc.array(arbitraryRun(), { minLength: 1, maxLength: 3 }),
      // In one order, not that of names, so that any two can be merged.
      laterPhases: fc
        .uniqueArray(arbitraryPhase(), { selector: ({ name }) => name, maxLength: 3 })
        .map((phases) => phases.sort((a, b) => compareText(b.name, a.name))),
    })
    .chain(({ runs, laterPhases }) => {
      const phases: Phase[] = [
        { name: 'setup', trigger: null, source: 'start', reason: null, entered: true },
        ...laterPhases,
      ];
      return fc
        .record({
          programs: fc.uniqueArray(arbitraryProgram(phases.length), {
            selector: ({ path, buildId }) => `${buildId} ${path}`,
            maxLength: 3,
          }),
          seeds: fc.array(arbitrarySeed(runs.length, phases.length), { maxLength: 5 }),
          generator: fc.record({ name: hostileText(), version: hostileText() }),
          cuts: fc.array(fc.subarray([...laterPhases.keys()]), {
            minLength: runs.length,
            maxLength: runs.length,
          }),
        })
        .map(({ programs, seeds, generator, cuts }) => ({
          format: 'callgate-profile' as const,
          version: 1,
          generator,
          runs: runs.map((run, index) => cutBy(run, cuts[index] ?? [], laterPhases.length)),
          phases,
          ...place(programs, seeds),
        }));
    });
}

/** The run with the field only where it lacks some of the phases. */
function cutBy(run: Run, later: readonly number[], laterCount: number): Run {
  return later.length === laterCount ? run : { ...run, phases: [0, ...later.map((phase) => phase + 1)] };
}

/** Any string, with what documents and terminals stumble over. */
export function hostileText(): fc.Arbitrary<string> {
  return fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 12 }),
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.constantFrom(
      '',
      '__proto__',
      'constructor',
      '\u0000\u001b[2J',
      '\ud800',
      '\udfff\u2028',
      '/a~b',
      '"\\\n',
    ),
  );
}

interface Seed {
  readonly process: Omit<Process, 'parent' | 'program' | 'run'>;
  readonly run: number;
  readonly parent: number | null;
  readonly program: number | null;
}

/** Parents are made earlier processes of the same run, programs numbered by first use. */
function place(
  programs: readonly Program[],
  seeds: readonly Seed[],
): { programs: readonly Program[]; processes: readonly Process[] } {
  const order: number[] = [];
  const processes: Process[] = [];
  for (const { process, run, parent, program } of seeds) {
    const wanted = program === null || programs.length === 0 ? null : program % programs.length;
    if (wanted !== null && !order.includes(wanted)) order.push(wanted);
    const earlier = parent === null || processes.length === 0 ? null : parent % processes.length;
    const candidate = earlier === null ? undefined : processes[earlier];
    const isParent = candidate?.run === run && (process.birth !== 'exec' || candidate.pid === process.pid);
    const { pid, birth, ...rest } = process;
    processes.push({
      run,
      pid,
      birth,
      parent: isParent ? earlier : null,
      program: wanted === null ? null : order.indexOf(wanted),
      ...rest,
    });
  }
  const rest = [...programs.keys()].filter((index) => !order.includes(index));
  return { programs: [...order, ...rest].flatMap((index) => programs[index] ?? []), processes };
}

function arbitraryRun(): fc.Arbitrary<Run> {
  return fc
    .record(
      {
        method: fc.constantFrom('seccomp', 'ptrace', 'adaptive', 'ebpf', 'analyze', 'import'),
        command: fc.array(hostileText(), { maxLength: 3 }),
        attached: ascending(integer(), 3),
        workload: fc.record({ command: hostileText(), exit: arbitraryExit() }),
        start: fc
          .date({ min: new Date(0), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true })
          .map((date) => date.toISOString()),
        duration: integer(),
        incomplete: fc.array(hostileText(), { maxLength: 2 }),
        lost: integer(),
        warnings: fc.array(hostileText(), { maxLength: 2 }),
        host: fc.record({
          kernel: hostileText(),
          arch: hostileText(),
          libc: orNull(hostileText()),
          distribution: orNull(hostileText()),
        }),
        identity: fc.record(
          {
            boot: hostileText(),
            cgroup: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map(String),
            processes: ascending(integer(), 2).map((pids) => pids.map((pid) => ({ pid, startTime: pid }))),
          },
          { requiredKeys: ['boot', 'processes'] },
        ),
      },
      { requiredKeys: ['method', 'command', 'start', 'duration', 'incomplete', 'lost', 'warnings', 'host'] },
    )
    .map((run): Run => {
      const complete = run.incomplete.length === 0;
      return { ...run, complete, lost: complete ? 0 : run.lost } as Run;
    });
}

function arbitraryExit(): fc.Arbitrary<ExitStatus | null> {
  return fc.oneof(
    fc.constant(null),
    fc.record({ kind: fc.constant('exited' as const), code: fc.nat(255) }),
    fc.record({
      kind: fc.constant('signaled' as const),
      signal: fc.constantFrom('SIGKILL', 'SIGRTMIN+3', 'SIG70'),
      core: fc.boolean(),
    }),
    fc.record({ kind: fc.constantFrom('exec' as const, 'detached' as const) }),
  );
}

function arbitraryPhase(): fc.Arbitrary<Phase> {
  return fc
    .record({
      name: fc.constantFrom('main', 'drain', '__proto__', 'x-1'),
      trigger: orNull(
        fc.constantFrom('syscall:epoll_wait', 'syscall:poll#2', 'key', 'output:/\u0007 __proto__/'),
      ),
      source: fc.constantFrom('given' as const, 'auto' as const),
      reason: orNull(fc.constantFrom('a waits', 'b waits', '\u001b')),
      entered: fc.boolean(),
    })
    .map((phase) => ({ ...phase, reason: phase.source === 'auto' ? phase.reason : null }));
}

function arbitraryProgram(phases: number): fc.Arbitrary<Program> {
  return fc.record(
    {
      path: hostileText().map((text) => `/${text}`),
      buildId: orNull(fc.constantFrom('00', 'c0ffee')),
      calls: arbitraryCalls(phases, ['possible', 'imported']),
      analysis: arbitraryAnalysis(phases),
    },
    { requiredKeys: ['path', 'buildId', 'calls'] },
  ) as fc.Arbitrary<Program>;
}

function arbitraryAnalysis(phases: number): fc.Arbitrary<Analysis> {
  return fc.record({
    objects: fc.uniqueArray(
      fc.record({
        path: arbitraryPath(),
        buildId: orNull(fc.constantFrom('00', 'c0ffee')),
        reason: hostileText(),
      }),
      { selector: ({ path, buildId }) => `${buildId} ${path}`, maxLength: 3 },
    ),
    entries: fc
      .uniqueArray(fc.record({ ...PLACE, phase: fc.nat(phases - 1), reason: hostileText() }), {
        selector: ({ object, address, phase }) => `${object} ${address} ${phase}`,
        maxLength: 2,
      })
      .map((entries) => entries.sort((a, b) => a.phase - b.phase || byPlace(a, b))),
    unresolved: fc
      .uniqueArray(
        fc.record({
          ...PLACE,
          kind: fc.constantFrom('number' as const, 'dlopen' as const, 'runtime' as const),
          reason: hostileText(),
          phases: ascending(fc.nat(phases - 1), phases, 1),
        }),
        { selector: ({ kind, object, address }) => `${kind} ${object} ${address}`, maxLength: 3 },
      )
      .map((sites) => sites.sort((a, b) => compare(a.kind, b.kind) || byPlace(a, b))),
    assumptions: fc.uniqueArray(hostileText(), { maxLength: 2 }),
  });
}

function arbitraryChains(phases: number): fc.Arbitrary<readonly Chain[]> {
  const step = fc.record(
    { ...PLACE, how: fc.constantFrom('root', 'call', 'taken', 'site'), note: hostileText() },
    { requiredKeys: ['object', 'function', 'address', 'how'] },
  ) as fc.Arbitrary<ChainStep>;
  return fc
    .uniqueArray(
      fc.record({ phase: fc.nat(phases - 1), steps: fc.array(step, { minLength: 1, maxLength: 3 }) }),
      { selector: ({ phase }) => phase, minLength: 1, maxLength: 3 },
    )
    .map((chains) => chains.sort((a, b) => a.phase - b.phase));
}

function arbitrarySeed(runs: number, phases: number): fc.Arbitrary<Seed> {
  return fc
    .record({
      pid: fc.constantFrom(0, 7, 4194304),
      birth: fc.constantFrom('start' as const, 'attach', 'fork', 'vfork', 'clone', 'exec'),
      argv: orNull(fc.array(hostileText(), { maxLength: 3 })),
      start: integer(),
      exit: arbitraryExit(),
      threads: fc.array(arbitraryThread(), { maxLength: 3 }).map((threads) => threads.sort(byStart)),
      transitions: fc
        .array(fc.record({ phase: fc.nat(phases - 1), at: integer() }), { minLength: 1, maxLength: 3 })
        .map((transitions) => transitions.sort((a, b) => a.at - b.at)),
      listens: fc.array(arbitraryListen(), { maxLength: 2 }).map((listens) => listens.sort(byAddress)),
      calls: arbitraryCalls(phases, ['observed', 'imported']),
      isPartial: fc.boolean(),
      isOpen: fc.boolean(),
      run: fc.nat(runs - 1),
      parent: orNull(fc.nat(100)),
      program: orNull(fc.nat(100)),
    })
    .map(({ run, parent, program, isOpen, isPartial, pid, birth, argv, start, ...rest }) => {
      const end = isOpen ? null : start;
      return {
        run,
        parent,
        program,
        process: {
          pid,
          birth: birth as Process['birth'],
          argv,
          start,
          end,
          ...rest,
          ...(isPartial ? { partial: true as const } : {}),
        },
      };
    });
}

function arbitraryThread(): fc.Arbitrary<Thread> {
  return fc
    .record({ tid: fc.nat(9), creator: orNull(fc.nat(9)), start: integer(), isOpen: fc.boolean() })
    .map(({ isOpen, ...thread }) => ({ ...thread, end: isOpen ? null : thread.start }));
}

function arbitraryListen(): fc.Arbitrary<Listen> {
  return fc.record({ at: integer(), address: hostileText().map((text) => `unix:/${text}`) });
}

function arbitraryCalls(phases: number, origins: readonly Origin[]): fc.Arbitrary<readonly Call[]> {
  return fc
    .uniqueArray(arbitraryCall(phases, origins), {
      selector: ({ arch, nr }) => `${arch} ${nr}`,
      maxLength: 4,
    })
    .map((calls) => calls.sort((a, b) => ARCHES.indexOf(a.arch) - ARCHES.indexOf(b.arch) || a.nr - b.nr));
}

function arbitraryCall(phases: number, origins: readonly Origin[]): fc.Arbitrary<Call> {
  return fc
    .record(
      {
        arch: fc.constantFrom(...ARCHES),
        nr: fc.oneof(fc.nat(3), fc.constant(0xffffffff)),
        // The name in the table of the arch, none, or one of a later release.
        name: fc.constantFrom('table', 'future', null),
        origin: fc.constantFrom(...origins),
        count: orNull(fc.nat()),
        times: orNull(ascending(integer(), 2, 2, true)),
        phases: ascending(fc.nat(phases - 1), phases, 1),
        launch: fc.constant(true as const),
        errnos: fc.dictionary(fc.constantFrom('ENOENT', 'EAGAIN', '600'), fc.nat(), {
          noNullPrototype: true,
        }),
        args: arbitraryArguments(),
        waits: fc.record({ uses: ascending(integer(), 64, 0, true), total: integer() }),
        chains: arbitraryChains(phases),
      },
      { requiredKeys: ['arch', 'nr', 'name', 'origin', 'count', 'times', 'phases'] },
    )
    .map(({ times, ...call }) => {
      const { arch, nr, name, origin, count, ...rest } = call;
      return {
        arch,
        nr,
        name: name === 'table' ? syscallName(arch, nr) : name,
        origin,
        count,
        first: times?.[0] ?? null,
        last: times?.[1] ?? null,
        ...rest,
      } as Call;
    });
}

function arbitraryArguments(): fc.Arbitrary<readonly ArgumentValues[]> {
  const values = fc.uniqueArray(fc.oneof(integer(), fc.bigInt(2n ** 53n, 2n ** 64n - 1n)), { maxLength: 40 });
  return fc
    .uniqueArray(
      fc.record({
        index: fc.nat(5),
        name: hostileText().map((text) => `n${text}`),
        values: fc.oneof(fc.constant('any' as const), values.map(spellValues)),
        use: orNull(ascending(integer(), 2, 2, true)),
      }),
      { selector: ({ index, name }) => `${index} ${name}`, maxLength: 2 },
    )
    .map((args) =>
      args
        .map(({ use, ...arg }) => {
          const [first = 0, last = 0] = use ?? [];
          return arg.values === 'any' || use === null
            ? arg
            : { ...arg, uses: arg.values.map((): [number, number] => [first, last]) };
        })
        .sort((a, b) => a.index - b.index || compare(a.name, b.name)),
    );
}

function spellValues(values: readonly (number | bigint)[]): readonly (number | string)[] {
  return values
    .map(BigInt)
    .sort((a, b) => (a < b ? -1 : 1))
    .map((value) => (value > BigInt(Number.MAX_SAFE_INTEGER) ? `0x${value.toString(16)}` : Number(value)));
}

function integer(): fc.Arbitrary<number> {
  return fc.oneof(fc.nat(20), fc.maxSafeNat());
}

function ascending(
  item: fc.Arbitrary<number>,
  maxLength: number,
  minLength = 0,
  hasRepetitions = false,
): fc.Arbitrary<number[]> {
  const list = hasRepetitions
    ? fc.array(item, { minLength, maxLength })
    : fc.uniqueArray(item, { minLength, maxLength });
  return list.map((numbers) => numbers.sort((a, b) => a - b));
}

function orNull<Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | null> {
  return fc.option(value, { nil: null });
}

/** Fields of a place in code. */
const PLACE = { object: arbitraryPath(), function: orNull(hostileText()), address: integer() };

function arbitraryPath(): fc.Arbitrary<string> {
  return hostileText().map((text) => `/${text}`);
}

function byPlace(a: CodePlace, b: CodePlace): number {
  return compare(a.object, b.object) || a.address - b.address;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function byStart(a: Thread, b: Thread): number {
  return a.start - b.start || a.tid - b.tid;
}

function byAddress(a: Listen, b: Listen): number {
  return a.at - b.at || (a.address < b.address ? -1 : Number(a.address > b.address));
}
