#!/usr/bin/env bats
# Lines as people write them in crontabs and scripts: as they are for flock(1)
# and with the first two words changed: the same outcome, the same status.

load helper

# both WORDS: `flock WORDS` and `procalive hold WORDS`, LOCK standing for the
# lock; each in a shell, for the words are as in a script.
both() {
    local by_flock by_hold
    by_flock=$(outcome flock "$PWD/job.lock" "$1")
    by_hold=$(outcome "$P hold" "$F" "$1")
    [ "$by_flock" = "$by_hold" ] && return
    printf 'of: %s\nflock: %s\nhold: %s\n' "$1" "$by_flock" "$by_hold"
    return 1
}

# outcome PROGRAM LOCK WORDS: standard output and status.
outcome() {
    sh -c "$1 ${3//LOCK/$2}" 2>/dev/null </dev/null
    echo "status $?"
}

lines() {
    cat <<'EOF'
-n LOCK -c "echo ran"
-n LOCK echo ran
-xn LOCK -c 'echo one; echo two | sort -r'
-n LOCK sh -c 'exit 3'
-n LOCK -c 'exit 3'
-w 1 LOCK -c 'echo ran && false'
-w 0.5 LOCK echo ran
--wait 1 LOCK echo ran
--timeout 1 LOCK echo ran
-x -w 1 LOCK echo ran
-e LOCK -n echo ran
-s LOCK echo ran
--shared --nonblock LOCK echo ran
--exclusive --nonblock LOCK echo ran
--nb LOCK echo ran
-n -E 0 LOCK echo ran
-E 99 -n LOCK sh -c 'echo ran; exit 4'
--conflict-exit-code 7 -n LOCK echo ran
-n -o LOCK echo ran
--close -n LOCK -c 'echo ran'
-F -n LOCK echo ran
--no-fork --nonblock LOCK echo ran
-no LOCK echo ran
-n LOCK --command 'echo ran'
-n LOCK -c 'kill -s TERM $$'
-n LOCK true
-n LOCK false
-x -s -n LOCK echo ran
-s -x -n LOCK echo ran
-n -w 5 LOCK echo ran
EOF
}

@test "real-life lines of flock run alike while the lock is free" {
    while IFS= read -r line; do
        case $line in '-e LOCK -n'*) continue ;; esac # flock permutes: see below
        both "$line"
    done < <(lines)
}

@test "real-life lines of flock end alike while the lock is held" {
    bg flock -F job.lock sleep 300
    until_true refused
    hold_bg
    while IFS= read -r line; do
        case $line in
        '-e LOCK -n'*) continue ;;
        *-E* | *--conflict*) both "$line" ;;
        # Only the status of a conflict differs: 1 of flock's, 75 here.
        *) both "-E 75 $line" ;;
        esac
    done < <(lines | grep -vE '^(-s|--wait|--timeout|-x -w|-w) .*LOCK echo ran$')
    both '-E 75 -w 0.1 LOCK echo ran'
    both '-E 75 -s -n LOCK echo ran'
}

refused() { ! flock -n job.lock true; }

@test "the last of -x and -s wins beside a shared holder, as in flock" {
    bg flock -s -F job.lock sleep 300
    until_true refused
    hold_bg -s "$F" sleep 300
    for words in '-x -s' '-s -x' -xs -sx '-s -e' '-e -s'; do
        both "-n -E 75 $words LOCK echo ran"
    done
}

@test "-n with -w does not wait" {
    hold_bg
    go hold -q -n -w inf "$F" true
    ends 75
    go hold -q -w inf -n "$F" true
    ends 75
}

@test "-F with -o is a usage error, as in flock" {
    go_cmd flock -F -o job.lock true
    [ "$status" != 0 ]
    go hold -F -o "$F" true
    ends 125 '*-F does not go with -o*'
}

@test "-c takes exactly one line, behind the FIFO, and not after --" {
    for words in '-c' '-c a b' '--command a b'; do
        # shellcheck disable=SC2086
        go hold "$F" $words
        ends 125 '*-c takes exactly one line*'
    done
    go hold -c true "$F"
    ends 125 '*-c goes behind the FIFO*'
    go hold "$F" -- -c true
    ends 127 '*'
}

@test "-c runs the line by \$SHELL, and by /bin/sh where that is not set, as flock" {
    printf '#!/bin/sh\necho "my shell: $*"\n' >shell
    chmod +x shell
    for shell in "SHELL=$PWD/shell" SHELL=/bin/bash; do
        # shellcheck disable=SC2016
        same "$(env "$shell" "$P" hold "$F" -c 'echo a | cat; echo $0')" "$(env "$shell" flock job.lock -c 'echo a | cat; echo $0')"
    done
    # shellcheck disable=SC2016
    same "$(env -u SHELL "$P" hold "$F" -c 'echo $0')" /bin/sh
}

@test "an old lock file that is a regular file says what to do, and is left alone" {
    echo 4312 >old.lock
    go hold -n old.lock -c 'echo ran'
    ends 125 'procalive: old.lock: not a FIFO but a regular file; if it is an old lock file that nothing uses, remove it'
    same "$(cat old.lock)" 4312
}

@test "--verbose says what is done, on standard error alone" {
    go hold --verbose "$F" echo ran
    ends 0 '*held; running echo' ran
}
