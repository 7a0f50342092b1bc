#!/usr/bin/env bats
# Help, and wrong command lines: one line on stderr, 125 for hold and 2 else,
# and nothing done.

load helper

# wrong STATUS PATTERN ARG...: refused with this message, by either entry, and nothing made.
wrong() {
    local expected=$1 pattern=$2
    shift 2
    go "$@"
    ends "$expected" "procalive: $pattern"
    go_cmd "$PY" -ISE "$LIB" "$@"
    ends "$expected" "procalive: $pattern"
    same "$(ls -A)" ''
}

@test "--version and -V exit 0 and print name and version" {
    for option in --version -V; do
        go $option
        ends 0 '' 'procalive [0-9]*.[0-9]*.[0-9]*'
    done
}

@test "--help and -h exit 0 and name every verb" {
    for option in --help -h; do
        go $option
        ends 0 '' '*hold*check*wait*who*kill*'
    done
}

@test "every verb takes -h and --help, exits 0 and shows its options" {
    local flags=([0]='-w -s -o -E -m --fd -q -v' [1]='--max-age -v' [2]='-t --any --up --status --max-age --pid -v' [3]='--json' [4]='-s -k -a -q -v')
    local verb flag n=0
    for verb in hold check wait who kill; do
        for option in -h --help; do
            go $verb $option
            ends 0 '' "usage: procalive $verb *"
            for flag in ${flags[n]}; do grep -qe " $flag\\b" <<<"$output"; done
        done
        n=$((n + 1))
    done
    same "$(ls -A)" ''
}

@test "help and help VERB exit 0 and say the same as -h and VERB -h" {
    go -h
    whole=$output
    go help
    same "$status $stderr" '0 '
    same "$output" "$whole"
    for verb in hold check wait who kill path; do
        go $verb -h
        [[ $output = "usage: procalive $verb "* ]]
        of_verb=$output
        go help $verb
        same "$status $stderr" '0 '
        same "$output" "$of_verb"
    done
}

@test "help for what is no verb exits 2 and names the verbs" {
    wrong 2 'lock: no such verb (hold, check, wait, who, kill, path)*' help lock
    wrong 2 "'': no such verb (hold, check, wait, who, kill, path)*" help ''
}

@test "hold -h behind the FIFO belongs to the command" {
    go hold "$F" echo -h
    ends 0 '' -h
}

@test "no arguments exit 2" { wrong 2 'a verb is missing *'; }

@test "an unknown verb exits 2" {
    for word in lock '' -- -x --verbose Hold hold\ ; do wrong 2 '*: no such verb (hold, check, wait, who, kill, path)*' "$word"; done
}

@test "an unknown option exits 2, and 125 for hold" {
    for option in -y --foo --up -Z --=f; do
        wrong 125 "hold: ${option%=f}: no such option; see procalive hold -h" hold $option f true
    done
    for option in --foo --close --=f; do
        for verb in check wait who kill path; do
            wrong 2 "$verb: ${option%=f}: no such option; see procalive $verb -h" $verb $option f
        done
    done
}

@test "an option of another verb exits 2, and 125 for hold" {
    wrong 2 'check: -w: no such option; see *' check -w 1 f
    wrong 2 'wait: -q: no such option; see *' wait -q f
    wrong 2 'who: -v: no such option; see *' who -v f
}

@test "an option that another program, or another verb, has is answered with the right one" {
    wrong 125 'hold: -t: no such option; the option to wait is -w SECS; see *' hold -t 1 f true
    wrong 125 'hold: -u: no such option; a hold ends with its command; see *' hold -u f
    wrong 125 'hold: -c: no such option; -c goes behind the FIFO; see *' hold -c 'a | b' f
    wrong 125 'hold: --command: no such option; --command goes behind the FIFO; see *' hold --command 'a | b' f
    wrong 2 'wait: -w: no such option; the time limit of wait is -t SECS; see *' wait -w 5 f
    wrong 2 'check: -q: no such option; check prints nothing without -v; see *' check -q f
    wrong 2 'kill: -9: no such option; the option for a signal is -s 9; see *' kill -9 f
    wrong 2 'kill: -K: no such option; the option for a signal is -s KILL; see *' kill -KILL f
    wrong 2 'kill: -T: no such option; the option for a signal is -s TERM; see *' kill -TERM 1234
    wrong 2 'kill: -H: no such option; the option for a signal is -s HUP; see *' kill -HUP f
}

@test "a missing operand exits 2, and 125 for hold" {
    wrong 125 'hold: needs a FIFO and a command*' hold
    wrong 125 'hold: needs a FIFO and a command*' hold f
    wrong 125 'hold: needs a FIFO and a command*' hold f --
    wrong 125 'hold: needs a FIFO and a command*' hold -- f
    for verb in check wait who kill path; do wrong 2 "$verb: needs *" $verb; done
    for verb in check wait who kill path; do wrong 2 "$verb: needs *" $verb --; done
}

@test "kill with two FIFOs exits 2, and signals nobody" {
    wrong 2 'kill: needs one FIFO*' kill a b
}

@test "an option without its value exits 2, and 125 for hold" {
    for option in -w --wait --timeout -k --replace --max-age -E --conflict-exit-code -m --mode --fd; do wrong 125 "hold: $option*needs *" hold $option; done
    wrong 2 'wait: -t*needs SECS*' wait -t
    wrong 2 'check: --max-age*needs SECS*' check --max-age
    wrong 2 'kill: -s*needs SIGNAL*' kill -s
}

@test "an option that takes no value exits 2 with one" {
    wrong 2 'who: --json*takes no value*' who --json=1 f
    wrong 2 'wait: --any*takes no value*' wait --any= f
}

@test "-q with -v exits 2, and 125 for hold" {
    wrong 125 'hold: -q and -v exclude each other*' hold -q -v f true
    wrong 2 'kill: -q and -v exclude each other*' kill -qv f
}

@test "what is no time exits 2, and 125 for hold" {
    for word in x '' -1 +1 1x 1h30m nan NaN -inf 1_0 ' 1' '1 ' 0x10 1e h . ١ "$(printf '\377')"; do
        wrong 125 'hold: -w: *: not a time (90, 1.5, 30s, 5m, 2h, 1d or inf)*' hold -w "$word" f true
        wrong 2 'wait: -t: *: not a time (*' wait -t "$word" f
    done
    wrong 2 'kill: -k: x: not a time (*' kill -k x f
}

@test "what is no mode exits 125" {
    for word in x '' 8 0888 01000 1777 -1 u+rw 0o600 '0600 ' 777777; do
        wrong 125 'hold: -m: *: not an octal mode from 0 to 0777*' hold -m "$word" f true
    done
}

@test "what is no exit status exits 125" {
    for word in x '' 256 -1 1.5 0x1 1_0; do
        wrong 125 'hold: -E: *: not an exit status from 0 to 255*' hold -E "$word" f true
    done
}

@test "a value may be glued to its option, and options clustered" {
    go hold -qw0.1 -E7 -m0640 "$F" true
    ends 0
    same "$(stat -c %a "$F")" 640
    hold_bg
    go hold -qsE7 "$F" true
    ends 7
    go check --max-age=1h "$F"
    ends 0
}

@test "what is not UTF-8 or not printable is shown on one line" {
    wrong 2 '\\xff\\n\\x1b: no such verb *' $'\xff\n\e'
    wrong 125 "hold: -w: \\\\xff*: not a time *" hold -w $'\xff' f true
    touch $'a\nb'
    go check $'a\nb'
    ends 2 'procalive: a\\nb: not a FIFO'
}

@test "an embedded 5,000 digits exit 2 with one line" {
    local digits
    digits=$(printf '9%.0s' {1..5000})
    wrong 125 'hold: -E: *: not an exit status*' hold -E "$digits" f true
    wrong 125 'hold: --fd: *: not a file descriptor*' hold --fd "$digits" f
    go wait -t "$digits" missing
    ends 0
}

@test "a wrong command line says the same when stderr is closed or full" {
    go_cmd sh -c 'exec "$@" 2>&-' sh "$P" nonsense
    ends 2
    go_cmd sh -c 'exec "$@" 2>/dev/full' sh "$P" hold
    ends 125
}

@test "--version exits 2 when it cannot be written" {
    go_cmd sh -c 'exec "$@" >/dev/full' sh "$P" --version
    ends 2 'procalive: standard output: No space left on device'
    go_cmd sh -c 'exec "$@" >&-' sh "$P" --version
    [ "$status" != 1 ]
}

@test "an option behind the FIFO exits 2, and never says that a held FIFO is not alive" {
    hold_bg
    for words in 'check F -v' 'wait F -t 5' 'who F --json' 'kill F -k 5'; do
        read -ra words <<<"$words"
        go "${words[0]}" "$F" "${words[@]:2}"
        ends 2 "procalive: ${words[0]}: ${words[2]}: options go before the FIFO; *"
    done
    go check -- "$F" -v
    ends 1
}
