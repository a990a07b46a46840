/** A schema, or a part of one. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

/**
 * JSON Schema (draft 2020-12) of the profile, for this code and for that of others.
 *
 * schemas/profile-v1.schema.json is this object as a file: it ships for other tools and editors, and this module
 * keeps loading a profile free of reading files. A test holds the two together.
 */
export function profileSchema(): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'urn:callgate:profile:1',
    title: 'callgate profile, version 1',
    description:
      'Which Linux system calls programs make, in which phase of their life. Times are integers in nanoseconds since the start of the run. Beyond this schema: indices must be in range, and the rules under "Checks" in docs/formats/profile.md hold.',
    ...object({
      format: { const: 'callgate-profile', description: 'What the document is.' },
      version: { const: 1, description: 'Version of the format.' },
      generator: object(
        {
          name: { type: 'string', description: 'Program that wrote the document.' },
          version: { type: 'string', description: 'Version of that program.' },
        },
        { description: 'What wrote the document.' },
      ),
      runs: list('run', 'One entry for each execution of a method.'),
      phases: {
        ...list('phase', 'Phases of the life of the programs; index 0 is setup.'),
        minItems: 1,
        maxItems: 31,
      },
      programs: list('program', 'Executable files, in order of first use by processes.'),
      processes: list('process', 'Processes in the order in which they began; an exec begins a new entry.'),
    }),
    $defs: {
      run: {
        description: 'One execution of one method.',
        ...object(
          {
            method: {
              enum: ['seccomp', 'ptrace', 'adaptive', 'ebpf', 'analyze', 'import'],
              description: 'How the profile was made; seccomp and ptrace are the two modes of the tracer.',
            },
            command: strings('argv of the program that was started, or of the one attached to.'),
            attached: {
              type: 'array',
              items: INTEGER,
              description: 'pids that were attached to; absent if the program was started.',
            },
            workload: object(
              {
                command: { type: 'string', description: 'Command that put load on the program.' },
                exit: { $ref: '#/$defs/exitStatus' },
              },
              { description: 'The workload that ran beside the program, if any.' },
            ),
            start: {
              type: 'string',
              pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$',
              description: 'Wall-clock time of the start, ISO 8601 with milliseconds, UTC.',
            },
            duration: { ...INTEGER, description: 'Nanoseconds from start to end.' },
            complete: {
              type: 'boolean',
              description:
                'True only if the tree was watched from its first instruction to its last and nothing was lost.',
            },
            incomplete: strings('Why complete is false, one sentence each; empty if it is true.'),
            lost: { ...INTEGER, description: 'Events known to be lost.' },
            warnings: strings('What the reader should know, one sentence each.'),
            host: object(
              {
                kernel: { type: 'string', description: 'Kernel release, as uname -r.' },
                arch: { type: 'string', description: 'Machine, as uname -m.' },
                libc: { ...TEXT_OR_NULL, description: 'C library of the host, or null where unknown.' },
                distribution: {
                  ...TEXT_OR_NULL,
                  description: 'PRETTY_NAME of os-release, or null where unknown.',
                },
              },
              { description: 'The machine on which the method ran.' },
            ),
            identity: object(
              {
                boot: { type: 'string', description: 'Boot id of the kernel.' },
                cgroup: {
                  type: 'string',
                  pattern: '^[0-9]{1,20}$',
                  description: 'Id of the cgroup whose life the run is; absent if it is of none.',
                },
                processes: {
                  type: 'array',
                  items: object({
                    pid: { ...INTEGER, description: 'Thread group id.' },
                    startTime: { ...INTEGER, description: 'Clock ticks after the boot.' },
                  }),
                  description: 'Processes that ran when it was written.',
                },
              },
              {
                optional: ['cgroup'],
                description: 'By what a later recording knows that the same start goes on.',
              },
            ),
            phases: {
              type: 'array',
              items: INTEGER,
              minItems: 1,
              description: 'Phases by which the run was cut, from 0 on; absent if by all of them.',
            },
          },
          { optional: ['attached', 'workload', 'identity', 'phases'] },
        ),
      },
      phase: {
        description: 'A phase of the life of a program.',
        ...object({
          name: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$', description: 'Unique in the document.' },
          trigger: { ...TEXT_OR_NULL, description: 'What begins the phase; null for setup.' },
          source: {
            enum: ['start', 'given', 'auto'],
            description: 'start for setup, given if it was asked for, auto if it was proposed after the run.',
          },
          reason: { ...TEXT_OR_NULL, description: 'Why an automatic phase was proposed; null otherwise.' },
          entered: { type: 'boolean', description: 'Whether any process of any run entered it.' },
        }),
      },
      program: {
        description: 'An executable file; its identity is path plus build-id.',
        ...object(
          {
            path: { type: 'string', minLength: 1, description: 'Path of the file.' },
            buildId: {
              type: ['string', 'null'],
              pattern: '^([0-9a-f]{2})+$',
              description: 'GNU build-id in lower-case hex, or null where there is none or it is not known.',
            },
            calls: list('call', 'Calls possible by its code, or imported; empty for traces.'),
            analysis: { $ref: '#/$defs/analysis' },
          },
          { optional: ['analysis'] },
        ),
      },
      analysis: {
        description: 'What static analysis read, where it cut the program, and what it could not bound.',
        ...object({
          objects: list('analyzedObject', 'Files whose code was read, in load order.'),
          entries: list('phaseEntry', 'Where each phase after setup begins.'),
          unresolved: list(
            'unresolvedSite',
            'Places that could not be bounded: each may do more than the calls say.',
          ),
          assumptions: strings('What the result takes for granted, one sentence each.'),
        }),
      },
      analyzedObject: {
        description: 'A file whose code was read.',
        ...object({
          path: { type: 'string', minLength: 1, description: 'Path of the file.' },
          buildId: {
            type: ['string', 'null'],
            pattern: '^([0-9a-f]{2})+$',
            description: 'GNU build-id in lower-case hex, or null.',
          },
          reason: { type: 'string', description: 'Why it belongs to the program.' },
        }),
      },
      phaseEntry: {
        description: 'Where a phase begins.',
        ...object({
          ...PLACE,
          phase: { ...INTEGER, description: 'Index into phases.' },
          reason: { type: 'string', description: 'Why the phase begins there.' },
        }),
      },
      unresolvedSite: {
        description: 'A place that could not be bounded.',
        ...object({
          ...PLACE,
          kind: {
            enum: ['number', 'call', 'jump', 'dlopen', 'dlsym', 'object', 'runtime'],
            description:
              'What is not known: number of the system call, target of an indirect call or jump, file or symbol that is loaded at run time, file that is missing, code that is in no file.',
          },
          reason: { type: 'string', description: 'What is not known, and what was assumed instead.' },
          phases: {
            type: 'array',
            items: INTEGER,
            minItems: 1,
            description: 'Indices of the phases in which it can be reached, ascending.',
          },
        }),
      },
      chain: {
        description: 'A way from where the program, or a phase of it, begins to a system call.',
        ...object({
          phase: { ...INTEGER, description: 'Index into phases.' },
          steps: { ...list('chainStep', 'From the root to the site.'), minItems: 1 },
        }),
      },
      chainStep: {
        description: 'A place that the chain goes through.',
        ...object(
          {
            ...PLACE,
            how: {
              enum: ['root', 'call', 'jump', 'import', 'pointer', 'taken', 'site'],
              description:
                'How control gets here from the step before; taken: through a pointer, assumed because the address is taken.',
            },
            note: { type: 'string', description: 'What the root is, or where the address is taken.' },
          },
          { optional: ['note'] },
        ),
      },
      process: {
        description: 'One process between birth or exec and exit or the next exec.',
        ...object(
          {
            run: { ...INTEGER, description: 'Index into runs.' },
            pid: { ...INTEGER, description: 'Process id (thread group id).' },
            birth: {
              enum: ['start', 'attach', 'fork', 'vfork', 'clone', 'exec'],
              description: 'How the entry began.',
            },
            parent: {
              ...INTEGER_OR_NULL,
              description:
                'Index into processes of the one that forked it, for exec of what it was before; null for roots.',
            },
            program: {
              ...INTEGER_OR_NULL,
              description: 'Index into programs; null where the file could not be read.',
            },
            argv: {
              type: ['array', 'null'],
              items: { type: 'string' },
              description:
                'argv for births start, attach and exec; null for a fork, which keeps that of its parent.',
            },
            start: { ...INTEGER, description: 'Time at which the entry began.' },
            end: { ...INTEGER_OR_NULL, description: 'Time at which it ended; null if that was not seen.' },
            exit: { $ref: '#/$defs/exitStatus' },
            threads: list('thread', 'Threads other than the one whose tid is the pid.'),
            transitions: {
              ...list(
                'transition',
                'Phases that it entered, in order of time, from the one it was born into.',
              ),
              minItems: 1,
            },
            listens: list('listen', 'Sockets on which it began to listen.'),
            calls: list('call', 'Calls that it made.'),
            partial: {
              const: true,
              description: 'Present if calls lacks those that a process of the run had made before.',
            },
          },
          { optional: ['partial'] },
        ),
      },
      exitStatus: {
        description:
          'How it ended: exited with a code, killed by a signal, replaced by exec, or let go of alive; null if not seen.',
        type: ['object', 'null'],
        properties: {
          kind: { enum: ['exited', 'signaled', 'exec', 'detached'] },
          code: { type: 'integer', minimum: 0, maximum: 255, description: 'Exit code.' },
          signal: { type: 'string', pattern: '^SIG', description: 'Name of the signal, such as SIGKILL.' },
          core: { type: 'boolean', description: 'Whether it dumped core.' },
        },
        required: ['kind'],
        additionalProperties: false,
        allOf: [
          ofKind(['exited'], { required: ['code'], properties: { signal: false, core: false } }),
          ofKind(['signaled'], { required: ['signal', 'core'], properties: { code: false } }),
          ofKind(['exec', 'detached'], { properties: { code: false, signal: false, core: false } }),
        ],
      },
      thread: {
        description: 'A thread.',
        ...object({
          tid: { ...INTEGER, description: 'Thread id.' },
          creator: {
            ...INTEGER_OR_NULL,
            description: 'tid of the thread that made it; null if it was there when tracing began.',
          },
          start: { ...INTEGER, description: 'Time at which it began.' },
          end: { ...INTEGER_OR_NULL, description: 'Time at which it ended; null if that was not seen.' },
        }),
      },
      transition: {
        description: 'A process enters a phase.',
        ...object({
          phase: { ...INTEGER, description: 'Index into phases.' },
          at: { ...INTEGER, description: 'Time.' },
        }),
      },
      listen: {
        description: 'A process begins to listen on a socket.',
        ...object({
          at: { ...INTEGER, description: 'Time.' },
          address: {
            type: 'string',
            minLength: 1,
            description: 'tcp:PORT or unix:PATH; an abstract name begins with @.',
          },
        }),
      },
      call: {
        description: 'One system call of one process or program; the key is (arch, nr).',
        ...object(
          {
            arch: {
              enum: ['x86_64', 'i386', 'x32', 'aarch64'],
              description: 'Side by which the kernel was entered.',
            },
            nr: {
              type: 'integer',
              minimum: 0,
              maximum: 0xffffffff,
              description: 'Number as unsigned 32 bits; for x32 without bit 30.',
            },
            name: {
              type: ['string', 'null'],
              pattern: '^[A-Za-z0-9_]+$',
              description: 'Name, or null for a number that the table of the arch does not have.',
            },
            origin: {
              enum: ['observed', 'possible', 'imported'],
              description: 'Seen in a run, reachable in code, or read from the output of another tool.',
            },
            count: { ...INTEGER_OR_NULL, description: 'How often; null where the method does not count.' },
            first: {
              ...INTEGER_OR_NULL,
              description: 'Time of the first use; null where the method has no time.',
            },
            last: {
              ...INTEGER_OR_NULL,
              description: 'Time of the last use; null where the method has no time.',
            },
            phases: {
              type: 'array',
              items: INTEGER,
              minItems: 1,
              description: 'Indices of the phases in which it was used, ascending.',
            },
            launch: {
              const: true,
              description: 'Present if the only use is the execve by which the launcher starts the program.',
            },
            errnos: {
              type: 'object',
              propertyNames: { pattern: '^([A-Z][A-Z0-9_]*|[1-9][0-9]*)$' },
              additionalProperties: INTEGER,
              description:
                'Failures, errno name (its number where it has none) to count; present only for methods that see outcomes.',
            },
            args: list('argumentValues', 'Selecting arguments; present only for calls that have one.'),
            waits: object(
              {
                uses: {
                  type: 'array',
                  items: INTEGER,
                  maxItems: 64,
                  description: 'Times of the first uses, ascending.',
                },
                total: {
                  ...INTEGER,
                  description:
                    'Nanoseconds between such a call and the next stop of the same thread, in all.',
                },
                frames: list(
                  'stackFrame',
                  'How the first thread of the process came to one of the later uses, the innermost function first; present only for methods that stop there.',
                ),
              },
              { optional: ['frames'], description: 'Present for calls that wait.' },
            ),
            chains: list('chain', 'Shortest ways of code to the call; for calls that are possible by code.'),
          },
          { optional: ['launch', 'errnos', 'args', 'waits', 'chains'] },
        ),
      },
      stackFrame: object({
        object: { type: 'string', description: 'Path of the file.' },
        address: { ...INTEGER, description: 'vaddr at which its function goes on.' },
      }),
      argumentValues: {
        description: 'Distinct values of one selecting argument.',
        ...object(
          {
            index: { type: 'integer', minimum: 0, maximum: 5, description: 'Position of the argument.' },
            name: {
              type: 'string',
              minLength: 1,
              description: 'Name of the argument, or of the field of the structure that it points to.',
            },
            values: {
              type: ['array', 'string'],
              pattern: '^any$',
              items: {
                type: ['integer', 'string'],
                minimum: 0,
                maximum: MAX_INTEGER,
                pattern: '^0x[1-9a-f][0-9a-f]{13,15}$',
              },
              description:
                'Unsigned values, ascending; those above 2^53 - 1 as strings in lower-case hex; any past the cap.',
            },
            uses: {
              type: 'array',
              items: { type: 'array', items: INTEGER, minItems: 2, maxItems: 2 },
              description:
                'First and last use of each value; left out where the method has no time, and for any.',
            },
          },
          { optional: ['uses'] },
        ),
      },
    },
  };
}

/** Largest integer that every JSON reader keeps exactly: 2^53 - 1. */
const MAX_INTEGER = Number.MAX_SAFE_INTEGER;

const INTEGER: JsonSchema = { type: 'integer', minimum: 0, maximum: MAX_INTEGER };
const INTEGER_OR_NULL: JsonSchema = { type: ['integer', 'null'], minimum: 0, maximum: MAX_INTEGER };
const TEXT_OR_NULL: JsonSchema = { type: ['string', 'null'] };

/** Fields of a place in code. */
const PLACE: Readonly<Record<string, JsonSchema>> = {
  object: { type: 'string', minLength: 1, description: 'Path of the object that holds it.' },
  function: { ...TEXT_OR_NULL, description: 'Function that holds it, or null where no symbol names it.' },
  address: { ...INTEGER, description: 'vaddr in the object.' },
};

function object(
  properties: Readonly<Record<string, JsonSchema>>,
  options: { optional?: readonly string[]; description?: string } = {},
): JsonSchema {
  const { optional = [], description } = options;
  return {
    ...(description === undefined ? {} : { description }),
    type: 'object',
    properties,
    required: Object.keys(properties).filter((name) => !optional.includes(name)),
    additionalProperties: false,
  };
}

function list(definition: string, description: string): JsonSchema {
  return { description, type: 'array', items: { $ref: `#/$defs/${definition}` } };
}

function strings(description: string): JsonSchema {
  return { description, type: 'array', items: { type: 'string' } };
}

/** Negated, with `else`: an object with a field `then` could be taken for a promise. */
function ofKind(kinds: readonly string[], demands: JsonSchema): JsonSchema {
  const isKind = { type: 'object', properties: { kind: { enum: kinds } }, required: ['kind'] };
  return { if: { not: isKind }, else: demands };
}
