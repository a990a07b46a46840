# Prints what zsh offers for a command line, one match a line: completion.zsh SCRIPT LINE
# An interactive zsh runs behind a terminal, as completion works nowhere else.
zmodload zsh/zpty || exit 2

zpty shell zsh -f -i
zpty -w shell "PROMPT= RPROMPT=; unsetopt zle_bracketed_paste 2>/dev/null; autoload -Uz compinit; compinit -u -D; source ${(q)1}"
zpty -w shell 'zstyle ":completion:*" list-grouped false; bindkey "^I" complete-word'
# Matches are printed where they would be added; those that a function only wants counted or sorted go their way.
zpty -w shell 'compadd() {
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi
    local -a hits
    builtin compadd -A hits "$@"
    (($#hits)) && print -rl -- "<"${^hits}">"
}'
zpty -w shell 'compprefuncs=(mark-begin) comppostfuncs=(mark-end)'
zpty -w shell 'mark-begin() { print "BE""GIN" }; mark-end() { print "EN""D"; exit }'
zpty -w shell 'print "REA""DY"'
zpty -r shell output '*READY*'
zpty -n -w shell "$2"$'\t'
zpty -r shell output '*END*'
zpty -d shell
for line in ${(f)${output##*BEGIN}//$'\r'/}; do
    [[ $line == '<'*'>' ]] && print -r -- "${${line#<}%>}"
done | LC_ALL=C sort -u
