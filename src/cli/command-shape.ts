import type { Argument, Command, Option } from 'commander';
import { syscalls } from '../abi/syscalls.ts';
import { EXPORTERS } from '../export/exporters.ts';
import { IMPORTERS } from '../import/importers.ts';

/** What can stand in a place of the command line, as far as a shell can complete it. */
export type ValueShape =
  | { readonly kind: 'choices'; readonly choices: readonly string[] }
  | { readonly kind: 'file' }
  /** The name of a program. */
  | { readonly kind: 'program' }
  /** A process of this machine. */
  | { readonly kind: 'pid' }
  | { readonly kind: 'free' };

export interface OptionShape {
  /** `-o` and `--output`, or only one of them. */
  readonly flags: readonly string[];
  readonly description: string;
  /** Null if it takes no value. */
  readonly value: ValueShape | null;
  /** Name of the value, for people. */
  readonly placeholder: string;
  readonly isRepeatable: boolean;
}

export interface ArgumentShape {
  readonly name: string;
  readonly value: ValueShape;
  readonly isVariadic: boolean;
}

export interface CommandShape {
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionShape[];
  readonly arguments: readonly ArgumentShape[];
  readonly commands: readonly CommandShape[];
}

/** Words for a value that may be something else as well, or that a command checks only when it is there: `COMMAND OPTION` to the words. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  'export --format': EXPORTERS.map(({ name }) => name),
  'import --format': ['auto', ...IMPORTERS.map(({ name }) => name)],
  'policy --on-violation': ['kill', 'errno', 'trap', 'log'],
  'phases --at': ['auto', 'syscall:', 'listen:', 'after:'],
  'trace --ready': ['syscall:', 'symbol:', 'listen:', 'output:', 'after:', 'key'],
};

/** Describes a command and all below it, its help included and what is hidden left out. */
export function describeCommandShape(command: Command): CommandShape {
  const help = command.createHelp();
  const visible = help.visibleCommands(command);
  const commands = visible.map(describeCommandShape);
  return {
    name: command.name(),
    description: firstLine(command.description()),
    options: help.visibleOptions(command).map((option) => describeOption(command.name(), option)),
    arguments: command.registeredArguments.map(describeArgument),
    commands: commands.map((each) => (each.name === 'help' ? describeHelp(each, commands) : each)),
  };
}

/** The command whose name a user still types after `help`. */
function describeHelp(help: CommandShape, siblings: readonly CommandShape[]): CommandShape {
  const choices = siblings.map(({ name }) => name).filter((name) => name !== help.name);
  return {
    ...help,
    arguments: [{ name: 'command', value: { kind: 'choices', choices }, isVariadic: false }],
  };
}

function describeOption(command: string, option: Option): OptionShape {
  const placeholder = /[<[]([^>\].]+)/.exec(option.flags)?.[1] ?? '';
  const takesValue = option.required || option.optional;
  return {
    flags: [option.short, option.long].filter((flag) => flag !== undefined),
    description: firstLine(option.description),
    value: takesValue
      ? describeValue(placeholder, option.argChoices ?? WORDS[`${command} ${option.long}`])
      : null,
    placeholder,
    // Commander does not know: an option with a collecting parser looks like any other.
    isRepeatable: option.variadic || /\brepeatable\b/.test(option.description),
  };
}

function describeArgument(argument: Argument): ArgumentShape {
  const name = argument.name();
  return { name, value: describeValue(name, argument.argChoices), isVariadic: argument.variadic };
}

/** By the name of the value, as commands have no other way to say it. */
function describeValue(placeholder: string, choices: readonly string[] | undefined): ValueShape {
  if (choices !== undefined) return { kind: 'choices', choices };
  if (FILE_NAMES.test(placeholder)) return { kind: 'file' };
  if (placeholder === 'syscall' || placeholder === 'call') return { kind: 'choices', choices: CALLS };
  if (placeholder === 'command' || placeholder === 'program') return { kind: 'program' };
  if (placeholder === 'pid') return { kind: 'pid' };
  return { kind: 'free' };
}

const FILE_NAMES = /^(?:file|path|output|directory|dir|folder|profile|policy|other|config)s?$/;

const CALLS: readonly string[] = syscalls('x86_64').map(({ name }) => name);

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
