# fish completion for procalivectl: made by shell/completions/generate, not to be edited

# Sets _procalivectl_verb, _procalivectl_operands (those before the cursor) and _procalivectl_value (what is expected, if anything).
function _procalivectl_scan
    set -g _procalivectl_verb
    set -g _procalivectl_operands
    set -g _procalivectl_value
    set -l tokens (commandline -opc)
    for token in $tokens[2..]
        if test -n "$_procalivectl_value"
            set _procalivectl_value
        else if test -n "$_procalivectl_operands" -a -z 'yes'
            set -a _procalivectl_operands $token
        else if contains -- "$_procalivectl_verb$token" $_procalivectl_with_value
            set _procalivectl_value $token
        else if string match -q -- '-*' $token
            continue
        else if test -z "$_procalivectl_verb"
            set _procalivectl_verb $token
        else
            set -a _procalivectl_operands $token
        end
    end
end

# Whether an option of that verb, or its value, may come next.
function _procalivectl_using
    _procalivectl_scan
    test "$_procalivectl_verb" = "$argv"
    and test -z "$_procalivectl_operands" -o -n 'yes'
end

# _procalivectl_operand VERB [N]: whether an operand of that verb comes next, and it is the Nth, counted from 0.
function _procalivectl_operand
    _procalivectl_scan
    test "$_procalivectl_verb" = "$argv[1]" -a -z "$_procalivectl_value"
    and test -z "$argv[2]" -o "$argv[2]" = (count $_procalivectl_operands)
end

# FIFOs, directories on the way to them, and @NAMEs; never a holder link.
function _procalivectl_fifos
    if string match -q -- '@*' (commandline -ct)
        _procalivectl_names
        return
    end
    for path in (__fish_complete_path (commandline -ct) | string split -f 1 \t)
        set -l file (string replace -r '^~' $HOME -- $path)
        if test -d $file
            printf '%s\n' $path
        else if test -p $file; and not string match -q -- '*.holder' $file
            printf '%s\t%s\n' $path FIFO
        end
    end
end

function _procalivectl_names
    set -l directory (procalive path @x 2>/dev/null | string replace -r '/[^/]*$' '')
    or return
    for file in $directory/*.fifo
        test -p $file; and printf '%s\t%s\n' @(string replace -r '.*/(.*)\.fifo$' '$1' -- $file) FIFO
    end
end

function _procalivectl_command
    set -l words $_procalivectl_operands[2..]
    test "$words[1]" = --; and set -e words[1]
    complete -C (string join ' ' -- (string escape -- $words) (commandline -ct))
end

set -g _procalivectl_with_value ls--max-age ls--state ls--sort top--max-age export--max-age export--textfile export--listen

complete -c procalivectl -e
complete -c procalivectl -f
complete -c procalivectl -n '_procalivectl_using ""' -a ls -d 'List FIFOs: state, holder, how long, last beat.'
complete -c procalivectl -n '_procalivectl_using ""' -a top -d 'Show the same live, full screen; signal a holder.'
complete -c procalivectl -n '_procalivectl_using ""' -a doctor -d 'Say what is wrong with a FIFO, and what to do; with --fleet, with etcd and names on it.'
complete -c procalivectl -n '_procalivectl_using ""' -a export -d 'Print metrics for Prometheus, or write or serve them.'
complete -c procalivectl -n '_procalivectl_using ""' -s h -l help -d 'show this help'
complete -c procalivectl -n '_procalivectl_using ""' -l version -d 'show the version'
complete -c procalivectl -n '_procalivectl_using ls' -s h -l help -d 'show this help'
complete -c procalivectl -n '_procalivectl_using ls' -l json -d 'one JSON object a line'
complete -c procalivectl -n '_procalivectl_using ls' -l all -d 'every FIFO, not only procalive\'s'
complete -c procalivectl -n '_procalivectl_using ls' -l max-age -x -d '"no beat" if the last one is older (90, 5m, 2h, 1d)'
complete -c procalivectl -n '_procalivectl_using ls' -l state -xa 'trouble replaced deleted locked-from-outside stray-reader zombie stopped future-beat no-beat held shared free unknown' -d 'only FIFOs in this state, or in any trouble; may be repeated'
complete -c procalivectl -n '_procalivectl_using ls' -l sort -xa 'fifo state pid user held-for last-beat watchers command' -d 'by fifo, state, pid, user, held-for, last-beat, watchers, command'
complete -c procalivectl -n '_procalivectl_using ls' -l fleet -d 'names held on etcd, by procalive-fleet; all, or those given'
complete -c procalivectl -n '_procalivectl_operand ls' -ka '(_procalivectl_fifos)'
complete -c procalivectl -n '_procalivectl_using top' -s h -l help -d 'show this help'
complete -c procalivectl -n '_procalivectl_using top' -l all -d 'every FIFO, not only procalive\'s'
complete -c procalivectl -n '_procalivectl_using top' -l max-age -x -d '"no beat" if the last one is older (90, 5m, 2h, 1d)'
complete -c procalivectl -n '_procalivectl_operand top' -ka '(_procalivectl_fifos)'
complete -c procalivectl -n '_procalivectl_using doctor' -s h -l help -d 'show this help'
complete -c procalivectl -n '_procalivectl_using doctor' -l json -d 'one JSON object a line'
complete -c procalivectl -n '_procalivectl_using doctor' -l fleet -d 'names held on etcd, by procalive-fleet; all, or those given'
complete -c procalivectl -n '_procalivectl_operand doctor' -ka '(_procalivectl_fifos)'
complete -c procalivectl -n '_procalivectl_using export' -s h -l help -d 'show this help'
complete -c procalivectl -n '_procalivectl_using export' -l all -d 'every FIFO, not only procalive\'s'
complete -c procalivectl -n '_procalivectl_using export' -l max-age -x -d '"no beat" if the last one is older (90, 5m, 2h, 1d)'
complete -c procalivectl -n '_procalivectl_using export' -l textfile -rF -d 'write FILE, atomically, for node_exporter\'s textfile collector'
complete -c procalivectl -n '_procalivectl_using export' -l listen -x -d 'serve Prometheus; HOST is 127.0.0.1 unless named'
complete -c procalivectl -n '_procalivectl_using export' -l fleet -d 'also the names held on etcd, by procalive-fleet'
complete -c procalivectl -n '_procalivectl_operand export' -ka '(_procalivectl_fifos)'
