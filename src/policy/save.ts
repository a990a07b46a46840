import { canonicalPolicy } from './canonical.ts';
import { formatConstant, parseConstant } from './argument-constants.ts';
import { requirePolicy } from './given.ts';
import { formatLabel, type CallIdentity } from './call-label.ts';
import { formatRange } from './kernel-release.ts';
import type { Policy, PolicyArgument, PolicyCall, ProgramSet } from './model.ts';
import { plainNumber } from './plain-number.ts';
import { quoteText, yamlText } from './yaml-text.ts';

/** Column at which comments begin, where the entry is not longer. */
const COMMENT_COLUMN = 32;

const HEADER = `# System calls that a program may make, by phase. The comment of an entry says where it comes from.
# Edit as you like: docs/formats/policy.md describes the fields; callgate check says what is wrong.
`;

/**
 * The policy as YAML for people: the same policy gives the same bytes; each call is a line with `why` as its comment.
 *
 * @throws UsageError for what is no policy
 */
export function formatPolicyYaml(policy: Policy): string {
  requirePolicy('formatPolicyYaml', policy);
  const { generator, sources, strict, kernels, onViolation, arches, enosys, groups, phases } =
    canonicalPolicy(policy);
  const native = arches[0]?.arch ?? 'x86_64';
  const callLines = (calls: readonly PolicyCall[], indent: string): readonly string[] =>
    calls
      .map((call) => `${indent}- ${callText(call, native)}`.padEnd(COMMENT_COLUMN) + commentOf(call))
      .map(trimEnd);
  const callList = (key: string, calls: readonly PolicyCall[], indent: string): readonly string[] =>
    calls.length === 0 ? [`${indent}${key}: []`] : [`${indent}${key}:`, ...callLines(calls, `${indent}  `)];
  const programLines = ({ path, buildId, calls }: ProgramSet): readonly string[] => [
    `      - path: ${yamlText(path)}`,
    `        buildId: ${buildId === null ? 'null' : yamlText(buildId)}`,
    ...callList('calls', calls, '        '),
  ];
  const lines = [
    `format: ${policy.format}`,
    `version: ${policy.version}`,
    `generator: { name: ${yamlText(generator.name)}, version: ${yamlText(generator.version)} }`,
    ...listOf(
      'sources',
      sources.flatMap(({ method, command, runs, complete, host }) => [
        `  - method: ${yamlText(method)}`,
        `    command: [${command.map(yamlText).join(', ')}]`,
        `    runs: ${runs}`,
        `    complete: ${complete}`,
        `    host: { kernel: ${yamlText(host.kernel)}, arch: ${yamlText(host.arch)}, libc: ${host.libc === null ? 'null' : yamlText(host.libc)} }`,
      ]),
    ),
    `strict: ${strict}`,
    `kernels: ${kernels === null ? 'null' : formatRange(kernels)}`,
    `onViolation: ${yamlText(onViolation)}`,
    ...listOf(
      'arches',
      arches.map(({ arch, newest }) => `  - { arch: ${arch}, newest: ${newest} }`),
    ),
    ...callList('enosys', enosys, ''),
    ...listOf(
      'groups',
      groups.map(({ name, reason }) => `  - { name: ${yamlText(name)}, reason: ${yamlText(reason)} }`),
    ),
    'phases:',
    ...phases.flatMap(({ name, trigger, calls, programs }) => [
      `  - name: ${yamlText(name)}`,
      `    trigger: ${trigger === null ? 'null' : yamlText(trigger)}`,
      ...callList('calls', calls, '    '),
      ...(programs.length === 0 ? [] : ['    programs:', ...programs.flatMap(programLines)]),
    ]),
  ];
  return `${HEADER}${lines.join('\n')}\n`;
}

/**
 * The policy as JSON for programs: the same policy gives the same bytes, with `why` as data and one call a line.
 *
 * @throws UsageError for what is no policy
 */
export function formatPolicyJson(policy: Policy): string {
  requirePolicy('formatPolicyJson', policy);
  const { sources, kernels, enosys, phases, arches, groups, ...head } = canonicalPolicy(policy);
  const document = {
    format: head.format,
    version: head.version,
    generator: head.generator,
    sources,
    strict: head.strict,
    kernels: kernels === null ? null : formatRange(kernels),
    onViolation: head.onViolation,
    arches,
    enosys: enosys.map(callData),
    groups,
    phases: phases.map(({ name, trigger, calls, programs }) => ({
      name,
      trigger,
      calls: calls.map(callData),
      programs: programs.map((program) => ({ ...program, calls: program.calls.map(callData) })),
    })),
  };
  return `${formatBlock(document, '')}\n`;
}

function callData({ arch, nr, name, args, why }: PolicyCall): object {
  return {
    arch,
    nr,
    name,
    ...(args.length === 0 ? {} : { args: args.map(argumentData) }),
    why,
  };
}

/** A rule as the JSON form has it. */
export function argumentData({ index, name, width, values, free }: PolicyArgument): object {
  return {
    index,
    name,
    width,
    values: values.map(plainNumber),
    ...(free === 0n ? {} : { free: plainNumber(free) }),
  };
}

/** Objects with a list of calls, and the lists themselves, take a line for each element; all else is on one line. */
function formatBlock(value: unknown, indent: string): string {
  const deeper = `${indent}  `;
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]';
    return `[\n${value.map((item) => deeper + formatBlock(item, deeper)).join(',\n')}\n${indent}]`;
  }
  if (typeof value !== 'object' || value === null || !hasLists(value)) return formatInline(value);
  const fields = Object.entries(value).map(
    ([key, field]) => `${deeper}${JSON.stringify(key)}: ${formatBlock(field, deeper)}`,
  );
  return `{\n${fields.join(',\n')}\n${indent}}`;
}

function hasLists(value: object): boolean {
  return 'phases' in value || 'calls' in value;
}

function formatInline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(formatInline).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).map(([key, field]) => `${quoteText(key)}: ${formatInline(field)}`);
    return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`;
  }
  return typeof value === 'string' ? quoteText(value) : JSON.stringify(value);
}

function callText(call: PolicyCall, native: PolicyCall['arch']): string {
  const label = formatLabel(call, native);
  if (call.args.length === 0) return label;
  const args = call.args.map((argument) => formatArgument(call, argument));
  // A colon inside a key is fine for YAML as long as no space follows it.
  return `${label}: { ${args.join(', ')} }`;
}

/** A rule as the YAML form has it: `sig: [0]`, `flags: { values: [O_RDONLY], free: O_CLOEXEC }`. */
export function formatArgument(call: CallIdentity, argument: PolicyArgument): string {
  return `${argumentKey(argument)}: ${argumentText(call, argument)}`;
}

function argumentKey({ index, name, width }: PolicyArgument): string {
  return name ?? `arg${index}${width === 32 ? '.low' : ''}`;
}

function argumentText(call: CallIdentity, argument: PolicyArgument): string {
  const values = `[${argument.values.map((value) => constantText(call, argument, value)).join(', ')}]`;
  if (argument.free === 0n) return values;
  return `{ values: ${values}, free: ${constantText(call, argument, argument.free, true)} }`;
}

function constantText(call: CallIdentity, argument: PolicyArgument, value: bigint, isBits = false): string {
  const words = formatConstant(call, argument, value);
  // Names of no bits at all, such as O_RDONLY and FUTEX_WAIT, say nothing among bits.
  const text = isBits
    ? words
        .split('|')
        .filter((word) => parseConstant(call, argument, word) !== 0n)
        .join('|')
    : words;
  // Beyond 2^53 - 1 as well: the reader keeps the text of a number that it cannot hold.
  return /^(0x[0-9a-f]+|[1-9][0-9]*|0)$/.test(text) ? text : yamlText(text);
}

function commentOf({ why }: PolicyCall): string {
  return why.length === 0 ? '' : ` # ${why.join('; ')}`;
}

function listOf(key: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [`${key}: []`] : [`${key}:`, ...lines];
}

function trimEnd(line: string): string {
  return line.trimEnd();
}
