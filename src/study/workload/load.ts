import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import type { ValidateFunction } from 'ajv/dist/2020.js';
import { DocumentError, UsageError, type Problem } from '../../base/errors.ts';
import { describeReadFailure } from '../../base/read-failure.ts';
import { printable, toProblem } from '../../policy/problems.ts';
import { readText } from '../../policy/read-text.ts';
import type { ExpectedExit, ReadyTrigger, Workload, WorkloadCase, WorkloadStep } from './model.ts';
import { FIXED_PLACEHOLDERS, placeholdersIn } from './placeholders.ts';
import { workloadSchema } from './schema.ts';

const EXTENSION = '.yaml';
const PROBLEM_CAP = 20;

/**
 * Reads a workload document from a file.
 *
 * @throws DocumentError that lists what is wrong, each with its line; UsageError if the file cannot be read
 */
export function loadWorkload(file: string): Workload {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const reason = printable(describeReadFailure(error));
    throw new UsageError(`workload: cannot read ${printable(file)}, ${reason}`, { cause: error });
  }
  const workload = parseWorkload(text, file);
  if (workload.name !== basename(file, EXTENSION)) {
    const message = `is ${JSON.stringify(workload.name)} (the name of the file)`;
    throw new DocumentError(`${file}: name ${message}`, [{ path: '/name', message }]);
  }
  return workload;
}

/** Names of the workloads in a folder, in order. */
export function workloadNames(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(EXTENSION))
    .map((name) => basename(name, EXTENSION))
    .sort();
}

/** Options by which `callgate analyze` knows the libraries that files of a workload name. */
export function libraryOptions({ libraries }: Pick<Workload, 'libraries'>): string[] {
  return libraries.flatMap((path) => ['--dlopen', path]);
}

/** Path of the workload of that name in a folder. */
export function workloadFile(folder: string, name: string): string {
  return join(folder, `${name}${EXTENSION}`);
}

/**
 * Reads the text of a workload document and checks it in full.
 *
 * @param source names it in errors
 * @throws DocumentError that lists what is wrong
 */
export function parseWorkload(text: string, source = 'workload'): Workload {
  const { value, lines } = readText(text, source);
  const validate = compileSchema();
  if (!validate(value)) {
    const problems = (validate.errors ?? []).flatMap(toProblem);
    throw malformed(source, problems, lines);
  }
  const workload = fromDocument(value as WorkloadDocument);
  const problems = checkMeaning(workload);
  if (problems.length > 0) throw malformed(source, problems, lines);
  return workload;
}

type ExitDocument = number | 'any' | readonly number[];

interface WorkloadDocument {
  readonly name: string;
  readonly program: string;
  readonly description: string;
  readonly packages: readonly string[];
  readonly libraries?: readonly string[];
  readonly ports?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly setup?: string;
  readonly servers?: Readonly<
    Record<string, { command: string; ready: ReadyTrigger; stop: string; exit?: ExitDocument }>
  >;
  readonly cases: readonly (Partial<Omit<WorkloadCase, 'name' | 'steps'>> & {
    readonly name: string;
    readonly steps: readonly (string | { run: string; exit?: ExitDocument; output?: string })[];
  })[];
}

function compileSchema(): ValidateFunction {
  const { Ajv2020 } = createRequire(import.meta.url)('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js');
  return new Ajv2020({ allErrors: true, verbose: true, strictTypes: false }).compile(workloadSchema());
}

function fromDocument(document: WorkloadDocument): Workload {
  return {
    name: document.name,
    program: document.program,
    description: document.description,
    packages: document.packages,
    libraries: document.libraries ?? [],
    ports: document.ports ?? [],
    environment: document.environment ?? {},
    setup: document.setup ?? '',
    servers: Object.entries(document.servers ?? {}).map(([name, server]) => ({
      name,
      ...server,
      exit: toExit(server.exit),
    })),
    cases: document.cases.map((entry) => ({
      name: entry.name,
      kind: entry.kind ?? 'explore',
      needs: entry.needs ?? [],
      unfit: entry.unfit ?? [],
      server: entry.server ?? null,
      setup: entry.setup ?? '',
      steps: entry.steps.map(toStep),
    })),
  };
}

function toStep(step: string | { run: string; exit?: ExitDocument; output?: string }): WorkloadStep {
  if (typeof step === 'string') return { run: step, exit: [0], output: null };
  return { run: step.run, exit: toExit(step.exit), output: step.output ?? null };
}

function toExit(exit: ExitDocument | undefined): ExpectedExit {
  if (exit === 'any') return exit;
  return typeof exit === 'number' ? [exit] : (exit ?? [0]);
}

function checkMeaning(workload: Workload): readonly Problem[] {
  const { servers, cases, ports } = workload;
  const known = new Set<string>([...FIXED_PLACEHOLDERS, ...ports]);
  const problems: Problem[] = [];
  const place = (path: string, text: string): void => {
    for (const name of placeholdersIn(text)) {
      if (known.has(name)) continue;
      problems.push({ path, message: `unknown placeholder, \${${name}} (${[...known].join(', ')})` });
    }
  };
  for (const port of ports.filter((name) => (FIXED_PLACEHOLDERS as readonly string[]).includes(name))) {
    problems.push({ path: '/ports', message: `name of a port is taken, ${JSON.stringify(port)}` });
  }
  place('/setup', workload.setup);
  for (const [name, text] of Object.entries(workload.environment)) place(`/environment/${name}`, text);
  for (const { name, command, ready, stop } of servers) {
    place(`/servers/${name}/command`, command);
    place(`/servers/${name}/ready`, ready);
    place(`/servers/${name}/stop`, stop);
    if (!placeholdersIn(command).includes('program')) {
      problems.push({ path: `/servers/${name}/command`, message: 'does not start ${program}' });
    }
  }
  const names = new Set<string>();
  for (const [index, entry] of cases.entries()) {
    const path = `/cases/${index}`;
    if (names.has(entry.name)) {
      problems.push({ path: `${path}/name`, message: `name of two cases, ${JSON.stringify(entry.name)}` });
    }
    names.add(entry.name);
    place(`${path}/setup`, entry.setup);
    problems.push(...checkServer(workload, entry, path));
    for (const [at, { run, output }] of entry.steps.entries()) {
      place(`${path}/steps/${at}`, run);
      if (output !== null && !isPattern(output)) {
        problems.push({
          path: `${path}/steps/${at}/output`,
          message: `not a regular expression, ${JSON.stringify(output)}`,
        });
      }
    }
  }
  return problems;
}

/** Every case has to start the program, itself or through its server. */
function checkServer(workload: Workload, entry: WorkloadCase, path: string): readonly Problem[] {
  const { server, steps } = entry;
  if (server === null) {
    if (steps.some(({ run }) => placeholdersIn(run).includes('program'))) return [];
    return [{ path: `${path}/steps`, message: 'no step starts ${program}, and no server is named' }];
  }
  if (workload.servers.some(({ name }) => name === server)) return [];
  const known = workload.servers.map(({ name }) => name).join(', ');
  return [
    {
      path: `${path}/server`,
      message: `unknown server, ${JSON.stringify(server)} (${known === '' ? 'there are none' : known})`,
    },
  ];
}

function isPattern(text: string): boolean {
  try {
    return new RegExp(text, 'mu').source !== '';
  } catch {
    return false;
  }
}

function malformed(
  source: string,
  problems: readonly Problem[],
  lines: ReadonlyMap<string, number>,
): DocumentError {
  const listed = problems.slice(0, PROBLEM_CAP).map(({ path, message }) => {
    const line = lineOf(path, lines);
    return `  ${path === '' ? 'document' : printable(path)}${line === null ? '' : ` (line ${line})`}: ${message}`;
  });
  if (problems.length > PROBLEM_CAP) listed.push(`  and ${problems.length - PROBLEM_CAP} more`);
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return new DocumentError(`${source}: not a valid workload, ${count}\n${listed.join('\n')}`, problems);
}

/** The line of the place itself or of what is around it. */
function lineOf(path: string, lines: ReadonlyMap<string, number>): number | null {
  for (let at = path; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) {
    const line = lines.get(at);
    if (line !== undefined) return line;
  }
  return lines.get('') ?? null;
}
