import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, isAbsolute, join } from 'node:path';
import { UsageError, type Problem } from '../base/errors.ts';
import { IMPORTERS } from '../import/importers.ts';
import { describeReadFailure } from '../base/read-failure.ts';
import { printable, toProblem } from '../policy/problems.ts';
import { readText } from '../policy/read-text.ts';
import type {
  ComparedSide,
  Experiment,
  MethodSpec,
  PublishedComparison,
  StudiedProgram,
} from './experiment.ts';
import { experimentSchema } from './experiment-schema.ts';
import { malformed } from './malformed.ts';
import { loadOthers } from './others.ts';
import { workloadFile } from './workload/load.ts';

const IMPORTER_NAMES: readonly string[] = IMPORTERS.map(({ name }) => name);

/**
 * Reads an experiment document.
 *
 * @param workloads folder in which workloads are looked up that are given by name
 * @throws DocumentError that lists what is wrong; UsageError if the file cannot be read
 */
export function loadExperiment(file: string, workloads: string): Experiment {
  return parseExperiment(readDocument(file), { source: file, workloads });
}

function readDocument(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason = printable(describeReadFailure(error));
    throw new UsageError(`study: cannot read ${printable(file)}, ${reason}`, { cause: error });
  }
}

/**
 * Reads the text of an experiment document; relative paths of workloads are relative to the document.
 *
 * @throws DocumentError that lists what is wrong
 */
export function parseExperiment(
  text: string,
  { source, workloads }: { source: string; workloads: string },
): Experiment {
  const { value } = readText(text, source);
  const { Ajv2020 } = createRequire(import.meta.url)('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js');
  const validate = new Ajv2020({ allErrors: true, verbose: true, strictTypes: false }).compile(
    experimentSchema(),
  );
  if (!validate(value)) throw malformed(source, 'experiment', (validate.errors ?? []).flatMap(toProblem));
  const experiment = fromDocument(value as ExperimentDocument, dirname(source), workloads);
  const problems = checkMeaning(experiment);
  if (problems.length > 0) throw malformed(source, 'experiment', problems);
  return experiment;
}

interface ExperimentDocument extends Omit<
  Experiment,
  'description' | 'repetitions' | 'programs' | 'methods' | 'comparisons' | 'others'
> {
  readonly description?: string;
  readonly repetitions?: number;
  readonly programs: readonly (string | StudiedProgram)[];
  readonly methods: readonly (Partial<MethodSpec> & Pick<MethodSpec, 'name' | 'kind'>)[];
  readonly others?: string;
  readonly comparisons?: readonly (Omit<PublishedComparison, 'left' | 'right' | 'programs' | 'published'> & {
    readonly published?: number;
    readonly left: string | (Partial<ComparedSide> & Pick<ComparedSide, 'method'>);
    readonly right: string | (Partial<ComparedSide> & Pick<ComparedSide, 'method'>);
    readonly programs?: readonly string[];
  })[];
}

function fromDocument(document: ExperimentDocument, folder: string, workloads: string): Experiment {
  return {
    name: document.name,
    title: document.title,
    description: document.description ?? '',
    repetitions: document.repetitions ?? 3,
    programs: document.programs.map((program) =>
      typeof program === 'string'
        ? { name: program, workload: workloadFile(workloads, program) }
        : {
            name: program.name,
            workload: isAbsolute(program.workload) ? program.workload : join(folder, program.workload),
          },
    ),
    methods: document.methods.map((method) => {
      const base = { title: method.name, setup: [], needs: [], ...method };
      // The schema has seen to the rest of each kind.
      switch (base.kind) {
        case 'untraced':
          return { cases: 'all', ...base } as MethodSpec;
        case 'trace':
          return { cases: 'all', options: [], ...base } as MethodSpec;
        case 'analyze':
          return { options: [], ...base } as MethodSpec;
        case 'wrapper':
          return { cases: 'all', ...base } as MethodSpec;
        case 'command':
          return base as MethodSpec;
      }
    }),
    reference: document.reference,
    comparisons: (document.comparisons ?? []).map((comparison) => ({
      ...comparison,
      left: toSide(comparison.left),
      right: toSide(comparison.right),
      published: comparison.published ?? null,
      programs: comparison.programs ?? [],
    })),
    others:
      document.others === undefined
        ? []
        : loadOthers(isAbsolute(document.others) ? document.others : join(folder, document.others)),
  };
}

function toSide(side: string | (Partial<ComparedSide> & Pick<ComparedSide, 'method'>)): ComparedSide {
  return typeof side === 'string' ? { method: side, phase: 'whole' } : { phase: 'whole', ...side };
}

function checkMeaning({ programs, methods, reference, comparisons }: Experiment): readonly Problem[] {
  const names = methods.map(({ name }) => name);
  const known = (name: string, path: string): readonly Problem[] =>
    names.includes(name)
      ? []
      : [{ path, message: `unknown method, ${JSON.stringify(name)} (${names.join(', ')})` }];
  const programNames = programs.map(({ name }) => name);
  return [
    ...repeated(names, '/methods', 'method'),
    ...repeated(programNames, '/programs', 'program'),
    ...known(reference, '/reference'),
    ...methods.flatMap((method, index) =>
      'importer' in method && !IMPORTER_NAMES.includes(method.importer)
        ? [
            {
              path: `/methods/${index}/importer`,
              message: `unknown importer, ${JSON.stringify(method.importer)} (${IMPORTER_NAMES.join(', ')})`,
            },
          ]
        : [],
    ),
    ...comparisons.flatMap(({ left, right, programs: over }, index) => [
      ...known(left.method, `/comparisons/${index}/left`),
      ...known(right.method, `/comparisons/${index}/right`),
      ...over
        .filter((name) => !programNames.includes(name))
        .map((name) => ({
          path: `/comparisons/${index}/programs`,
          message: `unknown program, ${JSON.stringify(name)} (${programNames.join(', ')})`,
        })),
    ]),
  ];
}

function repeated(names: readonly string[], path: string, what: string): readonly Problem[] {
  return names.flatMap((name, index) =>
    names.indexOf(name) < index
      ? [{ path: `${path}/${index}/name`, message: `name of two ${what}s, ${JSON.stringify(name)}` }]
      : [],
  );
}
