#!/usr/bin/env bats
# PID namespaces, another namespace's /proc, a /proc that hides, and none at all: right,
# or "cannot tell", and never a signal to a wrong process, never "0 (?)", never a false "nobody".

load helper

# inside KIND: ${as[@]} runs a program in a PID namespace of its own with its /proc (own),
# under the outer /proc (outer), with a /proc that hides other users' processes (hidepid)
# or all but processes (subset), or without one (none).
inside() {
    need_root
    need unshare
    case $1 in
    own) as=(unshare --pid --fork --kill-child --mount-proc) ;;
    outer) as=(unshare --pid --fork --kill-child) ;;
    hidepid | subset | none)
        local mount='mount -t proc -o hidepid=2 proc /proc'
        [ "$1" != subset ] || mount='mount -t proc -o subset=pid proc /proc'
        [ "$1" != none ] || mount='mount -t tmpfs none /proc'
        as=(unshare --mount sh -c "$mount"' || exit 99; exec "$@"' sh)
        ;;
    esac
    "${as[@]}" true || skip "no such /proc here"
}

# lines LINES: shell lines, run inside with a holder of $F there, whose PID is $pid.
lines() {
    # shellcheck disable=SC2016 # the inner shell's
    go_cmd "${as[@]}" env P="$P" F="$F" sh -c '"$P" hold "$F" sleep 300 & pid=$!
        until "$P" check "$F"; do sleep 0.02; done
        '"$1"'
        kill -s KILL $pid 2>/dev/null; wait $pid 2>/dev/null; :'
}

never_zero() { [[ $stderr$output != *"0 (?)"* && $stderr$output != *Traceback* ]]; }

# --- in a PID namespace with its own /proc: all as elsewhere ---

@test "in a PID namespace with its own /proc: hold, who, kill, wait --status and --fd as elsewhere" {
    inside own
    # shellcheck disable=SC2016 # the inner shell's
    lines 'echo pid $pid; "$P" hold -E 9 "$F" true; echo $?; "$P" who --json "$F" | grep -o "\"pid\": [0-9]*"
        ("$P" wait --status "$F"; echo $? >ended) & waiter=$!
        until grep -qs "^Pid:" /proc/[0-9]*/task/*/fdinfo/* 2>/dev/null; do sleep 0.02; done
        "$P" kill -k 10 "$F"; echo $?; wait $pid; wait $waiter; cat ended
        bash -c "exec 9<>\"\$F\"; \"\$P\" hold --fd 9 \"\$F\" && \"\$P\" check --mine \"\$F\"; echo \$?"'
    local inner
    read -r _ inner <<<"$output"
    same "$output" "pid $inner"$'\n9\n'"\"pid\": $inner"$'\n0\n143\n0'
    [[ $stderr = "procalive: $F: held by $inner (sleep) for "* ]]
}

@test "in a PID namespace: kill -k reaches what the main process leaves, of which fdinfo names nobody" {
    inside own
    go_cmd "${as[@]}" env P="$P" F="$F" sh -c '
        "$P" hold "$F" sh -c "sleep 300 & echo >ready; exit" &
        until [ -e ready ] && "$P" check "$F"; do sleep 0.02; done; wait $!
        "$P" who "$F" | grep -c "sleep 300"; "$P" kill -k 10 "$F"; echo $?; "$P" check "$F"; echo $?'
    ends 0 '' $'1\n0\n1'
    never_zero
}

@test "in a PID namespace: the holder outside is not to be seen: who and kill 2, wait --status 125, hold 75" {
    inside own
    hold_bg
    for verb in who kill 'kill -k 0' 'kill -a'; do
        # shellcheck disable=SC2086 # words
        go $verb "$F"
        ends 2 "procalive: $F: held, but by *"
    done
    go hold "$F" true
    ends 75 "procalive: $F: held by a process that you may not see"
    go check -v "$F"
    ends 0 '' "$F: alive, held by a process that you may not see"
    go check --mine "$F" # its keeper could be outside
    ends 2 "procalive: $F: held, but by *"
    go hold -k 0 "$F" touch ran
    [ "$status" = 125 ] && [ ! -e ran ]
    kill -0 "$pid"
    bg_logged "${as[@]}" "$P" wait --status "$F"
    local waiter=$pid
    until_true watched "$F"
    kill -s KILL "${recorded[0]}"
    pid=$waiter returns 125 '' "procalive: $F: gone, but how it ended is not known (see --status in procalive(1))"
}

# watched FIFO: the child of $pid sleeps with it open.
watched() {
    local child
    child=$(cat "/proc/$pid/task/$pid/children")
    [ "$child" ] && asleep_on "${child%% *}" "$1"
}

# --- under the /proc of the outer PID namespace: its numbers are other processes' here ---

@test "under an outer /proc: who and kill 2, never nobody; hold 75, check 0, of a holder in or outside" {
    inside outer
    # shellcheck disable=SC2016 # the inner shell's
    lines 'for verb in who kill "kill -k 0" "kill -a"; do "$P" $verb "$F"; echo $?; done; "$P" hold -q "$F" true; echo $?; kill -0 $pid; echo $?'
    same "$output" $'2\n2\n2\n2\n75\n0'
    [[ $stderr = *"cannot be told: /proc is missing, or of another PID namespace"* ]]
    never_zero
    hold_bg
    for verb in who kill 'kill -k 0' 'kill -a'; do
        # shellcheck disable=SC2086 # words
        go $verb "$F"
        ends 2 "procalive: $F: held, but by whom cannot be told: /proc is missing, or of another PID namespace"
    done
    go hold -k 0 "$F" touch ran
    [ "$status" = 125 ] && [ ! -e ran ]
    kill -0 "$pid"
}

@test "under an outer /proc: kill signals nobody whose number there is that of a holder here" {
    inside outer
    # The first process inside is 1 there, and another outside.
    go_cmd "${as[@]}" sh -c '"$1" hold "$2" sh -c "trap \"exit 9\" TERM; \"$1\" kill -k 0 \"$2\"; echo \$?; \"$1\" kill -a \"$2\"; echo \$?"' sh "$P" "$F"
    same "$status $output" $'0 2\n2'
    never_zero
}

@test "under an outer /proc: hold --fd holds for the calling shell, and wait --status exits 125" {
    inside outer
    mkfifo "$F"
    go_cmd "${as[@]}" env P="$P" F="$F" bash -c 'exec 9<>"$F"; "$P" hold --fd 9 "$F" && "$P" check "$F"; echo $?; exit 0'
    ends 0 '' 0
    # shellcheck disable=SC2016 # the inner shell's
    lines '("$P" wait --status "$F"; echo $? >ended) & waiter=$!
        until "$P" hold -q -E 9 "$F" true || [ $? = 9 ]; do :; done; sleep 0.3; kill $pid; wait $pid; wait $waiter; cat ended'
    same "$output" 125
}

@test "under an outer /proc: hold -o and --keep hold until the command ends, and leave no link" {
    inside outer
    for option in -o --keep; do
        rm -f "$F.holder"
        # shellcheck disable=SC2016 # the inner shell's
        go_cmd "${as[@]}" env P="$P" F="$F" sh -c '"$P" hold '$option' "$F" sh -c "\"\$P\" check \"\$F\"; exit \$((\$? + 7))"; echo $?; "$P" wait -t 20 "$F"; "$P" check "$F"; echo $?'
        ends 0 '' $'7\n1'
        [ ! -h "$F.holder" ]
    done
}

# --- a /proc that hides ---

@test "with hidepid=2 another user's holder is not nobody: who and kill 2, hold 75, wait --status 125" {
    another_user
    hold_bg -m 0666 "$F" sh -c 'until [ -e go ]; do sleep 0.02; done; exit 6'
    local holder=$pid
    inside hidepid
    as+=("${other[@]}")
    for verb in who kill 'kill -k 0'; do
        # shellcheck disable=SC2086 # words
        go $verb "$F"
        ends 2 "procalive: $F: held, but by *"
    done
    go hold "$F" true
    ends 75 "procalive: $F: held by a process that you may not see"
    go hold -k 0 "$F" touch ran
    [ "$status" = 125 ]
    kill -0 "$holder"
    bg_logged "${as[@]}" "$P" wait --status "$F"
    until_true asleep_on "$pid" "$F"
    touch go
    returns 125 '' "procalive: $F: gone, but how it ended is not known (see --status in procalive(1))"
}

@test "with hidepid=2 one's own holders are seen" {
    another_user
    mkfifo -m 0666 "$F"
    bg "${other[@]}" "$P" hold "$F" sleep 300
    until_true held "$F"
    inside hidepid
    as+=("${other[@]}")
    go who "$F"
    ends 0 '' "*$pid *sleep 300"
    go kill -k 10 "$F"
    ends 0
}

@test "where /proc has processes alone (subset=pid) every verb works as elsewhere" {
    inside subset
    # shellcheck disable=SC2016 # the inner shell's
    lines '"$P" who "$F" >/dev/null; echo $?; "$P" hold -q "$F" true; echo $?; "$P" check --max-age 1h "$F"; echo $?; "$P" wait -t 0 "$F"; echo $?
        "$P" kill -k 10 "$F"; echo $?; "$P" hold -o "$F" "$P" check "$F"; echo $?; "$P" hold -w 5 "$F" "$P" check --mine "$F"; echo $?'
    ends 0 '' $'0\n75\n0\n124\n0\n0\n0'
    # shellcheck disable=SC2016 # the inner shell's
    go_cmd "${as[@]}" bash -c 'exec 9<>"$2"; "$1" hold --fd 9 "$2"; echo $?' bash "$P" "$F"
    ends 0 '' 0
}

@test "without /proc: hold, check and wait work, who and kill exit 2, wait --status 125, never nobody" {
    inside none
    # shellcheck disable=SC2016 # the inner shell's
    lines '"$P" check "$F"; echo $?; "$P" hold -q "$F" true; echo $?; "$P" wait -t 0 "$F"; echo $?
        "$P" who "$F"; echo $?; "$P" kill "$F"; echo $?; "$P" kill -k 0 "$F"; echo $?; "$P" hold -k 0 "$F" true; echo $?
        ("$P" wait --status "$F"; echo $? >ended) & sleep 0.5; kill $pid; wait; cat ended'
    same "$output" $'0\n75\n124\n2\n2\n2\n125\n125'
    never_zero
}

@test "without /proc hold -w waits and takes over, and --fd holds" {
    inside none
    # shellcheck disable=SC2016 # the inner shell's
    lines '"$P" hold -w 60 "$F" echo ran & waiter=$!; sleep 0.3; kill $pid; wait $waiter; echo $?'
    same "$output" $'ran\n0'
    # shellcheck disable=SC2016 # the inner shell's
    go_cmd "${as[@]}" bash -c 'exec 9<>"$2"; "$1" hold --fd 9 "$2"; echo $?; "$1" hold -q "$2" true 9<&-; echo $?' bash "$P" "$F"
    ends 0 '' $'0\n75'
}

@test "nothing is done for each of the descriptors that the limit allows, where /proc does not list them" {
    go_cmd "$PY" -ISE - "$LIB" <<'PYTHON'
import os, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import procalive

looked = 0

class Posix:
    def __getattr__(self, name):
        return getattr(os, name)
    def listdir(self, name):
        raise FileNotFoundError
    def sysconf(self, name):
        return 2**30
    def fstat(self, fd):
        global looked
        looked += 1
        return os.fstat(fd)

procalive.posix = Posix()
procalive._let_go_of(["missing"])
print(looked <= 65536)
PYTHON
    ends 0 '' True
}
