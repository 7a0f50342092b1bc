# fish completion for procalive: made by shell/completions/generate, not to be edited

# Sets _procalive_verb, _procalive_operands (those before the cursor) and _procalive_value (what is expected, if anything).
function _procalive_scan
    set -g _procalive_verb
    set -g _procalive_operands
    set -g _procalive_value
    set -l tokens (commandline -opc)
    for token in $tokens[2..]
        if test -n "$_procalive_value"
            set _procalive_value
        else if test -n "$_procalive_operands" -a -z ''
            set -a _procalive_operands $token
        else if contains -- "$_procalive_verb$token" $_procalive_with_value
            set _procalive_value $token
        else if string match -q -- '-*' $token
            continue
        else if test -z "$_procalive_verb"
            set _procalive_verb $token
        else
            set -a _procalive_operands $token
        end
    end
end

# Whether an option of that verb, or its value, may come next.
function _procalive_using
    _procalive_scan
    test "$_procalive_verb" = "$argv"
    and test -z "$_procalive_operands" -o -n ''
end

# _procalive_operand VERB [N]: whether an operand of that verb comes next, and it is the Nth, counted from 0.
function _procalive_operand
    _procalive_scan
    test "$_procalive_verb" = "$argv[1]" -a -z "$_procalive_value"
    and test -z "$argv[2]" -o "$argv[2]" = (count $_procalive_operands)
end

# FIFOs, directories on the way to them, and @NAMEs; never a holder link.
function _procalive_fifos
    if string match -q -- '@*' (commandline -ct)
        _procalive_names
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

function _procalive_names
    set -l directory (procalive path @x 2>/dev/null | string replace -r '/[^/]*$' '')
    or return
    for file in $directory/*.fifo
        test -p $file; and printf '%s\t%s\n' @(string replace -r '.*/(.*)\.fifo$' '$1' -- $file) FIFO
    end
end

function _procalive_command
    set -l words $_procalive_operands[2..]
    test "$words[1]" = --; and set -e words[1]
    complete -C (string join ' ' -- (string escape -- $words) (commandline -ct))
end

set -g _procalive_with_value hold-w hold--wait hold--timeout hold-k hold--replace hold--max-age hold-E hold--conflict-exit-code hold-m hold--mode hold--fd check--max-age wait-t wait--timeout wait--max-age kill-s kill--signal kill-k kill--kill-after

complete -c procalive -e
complete -c procalive -f
complete -c procalive -n '_procalive_using ""' -a hold -d 'hold FIFO and become COMMAND; 75 if another process holds it'
complete -c procalive -n '_procalive_using ""' -a check -d '0 if a process holds FIFO, 1 if none does, 2 if that cannot be told'
complete -c procalive -n '_procalive_using ""' -a wait -d 'sleep until nobody holds FIFO'
complete -c procalive -n '_procalive_using ""' -a who -d 'list the processes that have FIFO open for reading'
complete -c procalive -n '_procalive_using ""' -a kill -d 'signal the process that holds FIFO, and no other'
complete -c procalive -n '_procalive_using ""' -a path -d 'print the path of a name'
complete -c procalive -n '_procalive_using ""' -s h -l help -d 'show this help'
complete -c procalive -n '_procalive_using ""' -s V -l version -d 'show the version'
complete -c procalive -n '_procalive_using hold' -s h -l help -d 'show this help'
complete -c procalive -n '_procalive_using hold' -s w -l wait -l timeout -x -d 'wait up to SECS for the holder to end, in the order of coming (90, 1.5, 30s, 5m, 2h, 1d, inf)'
complete -c procalive -n '_procalive_using hold' -l next -d 'with -w: end with 75 at once if another waits already'
complete -c procalive -n '_procalive_using hold' -s k -l replace -x -d 'replace the holder: SIGTERM, and SIGKILL after SECS; with --max-age only if its heartbeat is missing'
complete -c procalive -n '_procalive_using hold' -l max-age -x -d '3 if the holder has had no heartbeat for SECS'
complete -c procalive -n '_procalive_using hold' -s n -l nonblock -l nb -d 'do not wait (the default without -w)'
complete -c procalive -n '_procalive_using hold' -s x -s e -l exclusive -d 'hold alone (the default)'
complete -c procalive -n '_procalive_using hold' -s s -l shared -d 'share with other -s holders, exclude the rest'
complete -c procalive -n '_procalive_using hold' -s o -l close -d 'COMMAND alone counts: its children do not inherit the descriptor'
complete -c procalive -n '_procalive_using hold' -l keep -d 'hold until COMMAND has ended, even if it closes what it inherits (ssh, sudo: by itself)'
complete -c procalive -n '_procalive_using hold' -s F -l no-fork -d 'no effect: hold always becomes COMMAND'
complete -c procalive -n '_procalive_using hold' -s E -l conflict-exit-code -x -d 'exit status when another process holds (75)'
complete -c procalive -n '_procalive_using hold' -s m -l mode -x -d 'mode of a FIFO that is created (0600)'
complete -c procalive -n '_procalive_using hold' -l any -d 'hold the first of several FIFOs that is free: at most N jobs at once'
complete -c procalive -n '_procalive_using hold' -l fd -x -d 'lock descriptor N of the calling shell, which it has open on FIFO'
complete -c procalive -n '_procalive_using hold' -s q -l quiet -d 'print no message when it is held'
complete -c procalive -n '_procalive_using hold' -s v -l verbose -d 'say what is done'
complete -c procalive -n '_procalive_operand hold 0' -ka '(_procalive_fifos)'
complete -c procalive -n '_procalive_operand hold; and not _procalive_operand hold 0' -ka '(_procalive_command)'
complete -c procalive -n '_procalive_using check' -s h -l help -d 'show this help'
complete -c procalive -n '_procalive_using check' -l max-age -x -d '3 if alive, but without a heartbeat for SECS'
complete -c procalive -n '_procalive_using check' -l mine -d '0 only if the calling process itself holds'
complete -c procalive -n '_procalive_using check' -s v -l verbose -d 'say what is done'
complete -c procalive -n '_procalive_operand check' -ka '(_procalive_fifos)'
complete -c procalive -n '_procalive_using wait' -s h -l help -d 'show this help'
complete -c procalive -n '_procalive_using wait' -s t -l timeout -x -d 'end with 124 if it takes longer'
complete -c procalive -n '_procalive_using wait' -l any -d 'wait for the first of them; print its name'
complete -c procalive -n '_procalive_using wait' -l up -d 'wait for a holder instead'
complete -c procalive -n '_procalive_using wait' -l status -d 'end with the exit status of the holder; 125 if it is not known'
complete -c procalive -n '_procalive_using wait' -l max-age -x -d '3 as soon as a holder has had no heartbeat for SECS'
complete -c procalive -n '_procalive_using wait' -l pid -d 'wait for processes, by number'
complete -c procalive -n '_procalive_using wait' -s v -l verbose -d 'say what is done'
complete -c procalive -n '_procalive_operand wait; and not contains -- --pid (commandline -opc)' -ka '(_procalive_fifos)'
complete -c procalive -n '_procalive_operand wait; and contains -- --pid (commandline -opc)' -ka '(__fish_complete_pids)'
complete -c procalive -n '_procalive_using who' -s h -l help -d 'show this help'
complete -c procalive -n '_procalive_using who' -l json -d 'one JSON object a line'
complete -c procalive -n '_procalive_operand who' -ka '(_procalive_fifos)'
complete -c procalive -n '_procalive_using kill' -s h -l help -d 'show this help'
complete -c procalive -n '_procalive_using kill' -s s -l signal -xa 'HUP INT QUIT ABRT KILL USR1 USR2 PIPE ALRM TERM CHLD CONT STOP TSTP TTIN TTOU WINCH' -d 'by name or number (TERM)'
complete -c procalive -n '_procalive_using kill' -s k -l kill-after -x -d 'wait until FIFO is free; SIGKILL after SECS'
complete -c procalive -n '_procalive_using kill' -s a -l all -d 'signal all holders, children included'
complete -c procalive -n '_procalive_using kill' -s q -l quiet -d 'print no message when it is held'
complete -c procalive -n '_procalive_using kill' -s v -l verbose -d 'say what is done'
complete -c procalive -n '_procalive_operand kill 0' -ka '(_procalive_fifos)'
complete -c procalive -n '_procalive_using path' -s h -l help -d 'show this help'
complete -c procalive -n '_procalive_operand path 0' -ka '(_procalive_names)'
