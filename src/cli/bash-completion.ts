import type { ArgumentShape, CommandShape, OptionShape, ValueShape } from './command-shape.ts';

/**
 * A completion script for bash 4 and later. It needs nothing else, but where the package bash-completion is loaded,
 * what follows the name of another program is completed as for that program.
 */
export function formatBashCompletion(root: CommandShape): string {
  const places = flatten(root, '');
  const options = places.flatMap(({ path, shape }) =>
    shape.options.flatMap((each) => optionCase(path, each)),
  );
  const values = places.flatMap(({ path, shape }) =>
    shape.arguments.map((each, at) => argumentCase(path, each, at)),
  );
  const flags = places.map(({ path, shape }) =>
    toCase(
      [quote(path)],
      shape.options.flatMap((each) => each.flags),
    ),
  );
  const commands = places
    .filter(({ shape }) => shape.commands.length > 0)
    .map(({ path, shape }) =>
      toCase(
        [quote(path)],
        shape.commands.map(({ name }) => name),
      ),
    );
  return SCRIPT.replaceAll('@NAME@', root.name)
    .replace('@VALUES@', () => options.join('\n'))
    .replace('@ARGUMENTS@', () => values.join('\n'))
    .replace('@OPTIONS@', () => flags.join('\n'))
    .replace('@COMMANDS@', () => commands.join('\n'));
}

/** A command and the names that lead to it, a space before each: ` show`; empty for the root. */
interface Place {
  readonly path: string;
  readonly shape: CommandShape;
}

function flatten(shape: CommandShape, path: string): readonly Place[] {
  return [{ path, shape }, ...shape.commands.flatMap((each) => flatten(each, `${path} ${each.name}`))];
}

function optionCase(path: string, { flags, value }: OptionShape): readonly string[] {
  if (value === null) return [];
  return [
    toCase(
      flags.map((flag) => quote(`${path} ${flag}`)),
      describe(value),
    ),
  ];
}

function argumentCase(path: string, { value, isVariadic }: ArgumentShape, at: number): string {
  return toCase([isVariadic ? `${quote(`${path} `)}*` : quote(`${path} ${at}`)], describe(value));
}

function describe(value: ValueShape): readonly string[] {
  return value.kind === 'choices' ? ['choices', ...value.choices] : [value.kind];
}

function toCase(patterns: readonly string[], words: readonly string[]): string {
  return `        ${patterns.join(' | ')}) echo ${quote(words.join(' '))} ;;`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

const SCRIPT = `# bash completion for @NAME@, made by: @NAME@ completion bash

# What the value of an option is: COMMANDS OPTION. Prints nothing for an option without value.
_@NAME@_value() {
    case "$1 $2" in
@VALUES@
    esac
}

# What an argument is: COMMANDS PLACE, places from 0.
_@NAME@_argument() {
    case "$1 $2" in
@ARGUMENTS@
    esac
}

_@NAME@_options() {
    case "$1" in
@OPTIONS@
    esac
}

_@NAME@_commands() {
    case "$1" in
@COMMANDS@
    esac
}

_@NAME@_reply() {
    mapfile -t COMPREPLY < <(compgen -P "$prefix" "$@" -- "$cur")
    # What ends with a colon is to be gone on with.
    if [[ \${COMPREPLY[0]-} == *: ]]; then compopt -o nospace; fi
}

# Readline completes files better than compgen: it knows of ~ and of quotes.
_@NAME@_files() {
    COMPREPLY=()
    compopt -o default
}

# The name of a program at word $1, and what follows.
_@NAME@_program() {
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$1"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif ((COMP_CWORD == $1)) && [[ $cur != */* ]]; then
        _@NAME@_reply -c
    else
        _@NAME@_files
    fi
}

_@NAME@_complete() {
    case "$1" in
        choices) _@NAME@_reply -W "\${*:2}" ;;
        file) _@NAME@_files ;;
        program) _@NAME@_reply -c ;;
        pid) _@NAME@_reply -W "$(cd /proc && echo [0-9]*)" ;;
    esac
}

_@NAME@() {
    local IFS=$' \\t\\n' cur=\${COMP_WORDS[COMP_CWORD]} prefix='' path='' want='' ended='' word kind
    local -i place=0 i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=\${COMP_WORDS[i]}
        if [[ $want ]]; then
            # Bash makes three words of --option=value, unless COMP_WORDBREAKS has been changed.
            [[ $word == '=' ]] || want=''
        elif [[ ! $ended && $word == -- ]]; then
            ended=1
        elif [[ ! $ended && $word == --*=* ]]; then
            continue
        elif [[ ! $ended && $word == -?* ]]; then
            want=$(_@NAME@_value "$path" "$word")
        elif [[ ! $ended && " $(_@NAME@_commands "$path") " == *" $word "* ]]; then
            path+=" $word"
        elif [[ $(_@NAME@_argument "$path" "$place") == program ]]; then
            _@NAME@_program "$i"
            return
        else
            place+=1
        fi
    done

    if [[ $want ]]; then
        [[ $cur == '=' ]] && cur=''
        _@NAME@_complete $want
    elif [[ ! $ended && $cur == --*=* ]]; then
        prefix=\${cur%%=*}=
        want=$(_@NAME@_value "$path" "\${cur%%=*}")
        cur=\${cur#*=}
        _@NAME@_complete $want
    elif [[ ! $ended && $cur == -* ]]; then
        _@NAME@_reply -W "$(_@NAME@_options "$path")"
    elif [[ $(_@NAME@_commands "$path") ]]; then
        _@NAME@_reply -W "$(_@NAME@_commands "$path")"
    else
        kind=$(_@NAME@_argument "$path" "$place")
        if [[ $kind == program ]]; then
            _@NAME@_program "$COMP_CWORD"
        else
            _@NAME@_complete $kind
        fi
    fi
}

complete -F _@NAME@ @NAME@
`;
