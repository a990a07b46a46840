import type { ArgumentShape, CommandShape, OptionShape, ValueShape } from './command-shape.ts';

/** A completion script for zsh, to be sourced or to be put into a directory of fpath as `_NAME`. */
export function formatZshCompletion(root: CommandShape): string {
  const { name } = root;
  return `#compdef ${name}
# zsh completion for ${name}, made by: ${name} completion zsh

# What follows the name of another program is completed as for that program.
_${name}_other() {
    # _arguments counts a -- among the words if nothing comes before it.
    if [[ $words[1] == -- ]]; then
        shift words
        ((CURRENT--))
    fi
    _normal -p ${name}
}

${functions(root, `_${name}`).join('\n')}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _${name} "$@"
else
    compdef _${name} ${name}
fi
`;
}

/** The function of a command, after those of the commands below it. */
function functions(shape: CommandShape, name: string, root: string = name): readonly string[] {
  const below = shape.commands.flatMap((each) => functions(each, `${name}_${each.name}`, root));
  return [...below, shape.commands.length > 0 ? groupFunction(shape, name) : leafFunction(shape, name, root)];
}

function leafFunction(shape: CommandShape, name: string, root: string): string {
  // The options of a program that is to be run are its own, and so is everything else after its name.
  const ends = shape.arguments.some(({ value }) => value.kind === 'program') ? ` -A '-*'` : '';
  const specs = [
    ...shape.options.flatMap(optionSpecs),
    ...shape.arguments.flatMap((each) => argumentSpecs(each, root)),
  ];
  return `${name}() {
    _arguments -s -S${ends} : \\
        ${specs.join(' \\\n        ')}
}
`;
}

function groupFunction(shape: CommandShape, name: string): string {
  const commands = shape.commands.map((each) => quote(`${each.name}:${escape(each.description)}`));
  const specs = shape.options.flatMap(optionSpecs);
  const choices = shape.commands.map((each) => `${each.name}) ${name}_${each.name} && ret=0 ;;`);
  // Not called commands, which is a special parameter that the completion of other programs reads.
  return `${name}() {
    local curcontext=$curcontext state line ret=1
    typeset -A opt_args
    local -a subcommands
    subcommands=(
        ${commands.join('\n        ')}
    )
    _arguments -s -S -C : \\
        ${[...specs, `'1: :->command'`, `'*:: :->argument'`].join(' \\\n        ')} && ret=0
    case $state in
        command) _describe -t commands command subcommands && ret=0 ;;
        argument)
            curcontext=\${curcontext%:*:*}:${shape.name}-$words[1]:
            case $words[1] in
                ${choices.join('\n                ')}
            esac
            ;;
    esac
    return ret
}
`;
}

/** One spec for each flag, each of which rules out the other unless the option can be repeated. */
function optionSpecs({
  flags,
  description,
  value,
  placeholder,
  isRepeatable,
}: OptionShape): readonly string[] {
  return flags.map((flag) => {
    const excluded = isRepeatable ? '*' : flags.length > 1 ? `(${flags.join(' ')})` : '';
    const sign = value === null ? '' : flag.startsWith('--') ? '=' : '+';
    const ending = value === null ? '' : `:${escape(placeholder)}:${action(value)}`;
    return quote(`${excluded}${flag}${sign}[${escape(description)}]${ending}`);
  });
}

function argumentSpecs({ name, value, isVariadic }: ArgumentShape, root: string): readonly string[] {
  if (value.kind !== 'program') return [quote(`${isVariadic ? '*' : ''}:${escape(name)}:${action(value)}`)];
  const first = quote('(-):program: _command_names -e');
  return isVariadic ? [first, quote(`*::argument: ${root}_other`)] : [first];
}

function action(value: ValueShape): string {
  switch (value.kind) {
    case 'choices':
      return `(${value.choices.map(escape).join(' ')})`;
    case 'file':
      return '_files';
    case 'program':
      return ' _command_names -e';
    case 'pid':
      return '_pids';
    case 'free':
      // A single space: the name of the value is shown, and nothing is completed.
      return ' ';
  }
}

/** Characters that mean something within a spec. */
function escape(text: string): string {
  return text.replace(/[\\[\]:]/g, '\\$&');
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
