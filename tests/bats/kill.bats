#!/usr/bin/env bats
# `procalive kill FIFO`: signal the process that holds, and no other.

load helper

# ended_by SIGNAL: the holder of $pid.
ended_by() {
    status=0
    wait "$pid" || status=$?
    same "$status" $((128 + $(kill -l "$1")))
}

# stubborn: a holder that ignores TERM.
stubborn() {
    hold_bg "$F" sh -c 'trap "" TERM; touch ready; while :; do sleep 0.02; done'
    until_true test -e ready
}

@test "kill exits 0 and is silent: the holder gets SIGTERM" {
    hold_bg
    go kill "$F"
    ends 0
    ended_by TERM
}

@test "kill exits 1 and is silent when nobody holds, and says that there is no such FIFO, but for -q" {
    mkfifo "$F"
    go kill "$F"
    ends 1
    go kill -k 1 "$F"
    ends 1
    go kill missing/fifo
    ends 1 'procalive: missing/fifo: no such FIFO'
    go kill -q missing/fifo
    ends 1
    same "$(ls -A)" job.fifo
}

@test "kill -s takes names and numbers" {
    for signal in INT SIGHUP usr1 10 9 SigQuit; do
        hold_bg "$F" env --default-signal sleep 300
        until_true grep -qx sleep "/proc/$pid/comm"
        go kill -s $signal "$F"
        ends 0
        case $signal in 10) ended_by USR1 ;; 9) ended_by KILL ;; *) ended_by "${signal^^}" ;; esac
    done
}

@test "kill -s takes real-time signals" {
    for signal in RTMIN RTMIN+2 SIGRTMIN+2 RTMAX; do
        hold_bg
        go kill -s $signal "$F"
        ends 0
        ended_by "SIG${signal#SIG}"
    done
}

@test "kill -s 0 exits 0 and signals nobody" {
    hold_bg
    go kill -s 0 "$F"
    ends 0
    kill -0 "$pid"
}

@test "kill exits 2 for an unknown signal, and signals nobody" {
    hold_bg
    for word in FOO SIG '' -1 65 1.5 TERM+1 RTMIN+99 SIGSIGTERM 0x9 'TERM ' ſigterm; do
        go kill -s "$word" "$F"
        ends 2 'procalive: kill: -s: *: not a signal*'
    done
    kill -0 "$pid"
}

@test "kill goes to the main process, not to its children" {
    hold_bg "$F" sh -c 'sleep 300 & echo $! >child; wait'
    local child
    child=$(recorded_in child)
    record_pid "$child"
    go kill "$F"
    ends 0
    ended_by TERM
    kill -0 "$child"
    go check "$F"
    ends 0
}

@test "kill -a goes to all holders" {
    hold_bg "$F" sh -c 'sleep 300 & echo $! >child; wait'
    local child
    child=$(recorded_in child)
    record_pid "$child"
    go kill -a "$F"
    ends 0
    ended_by TERM
    until_true ended "$child"
}

@test "kill goes to every one of the -s holders" {
    hold_bg -s "$F" sleep 300
    local first=$pid
    hold_bg -s "$F" sleep 300
    go kill -v "$F"
    [[ $stderr = *"$first"* && $stderr = *"$pid"* ]]
    until_true ended "$first"
    until_true ended "$pid"
}

@test "kill goes to the process that a keeper keeps" {
    hold_bg -o "$F" sleep 300
    go kill "$F"
    ends 0
    ended_by TERM
    until_true free "$F"
}

@test "kill leaves a plain reader alone while there is a holder" {
    hold_bg
    local holder=$pid
    bg sh -c 'exec sleep 300 8<>"$1"' sh "$F"
    until_true asleep_on "$pid" "$F"
    go kill "$F"
    ends 0
    until_true ended "$holder"
    kill -0 "$pid"
}

@test "kill -v says whom it signalled" {
    hold_bg
    go kill -v "$F"
    ends 0 "procalive: $F: signalled $pid"
    mkfifo other
    go kill -v other
    ends 1 'procalive: other: signalled nobody'
}

@test "kill does not signal itself, nor the launcher, as the job, nor does -k wait for itself" {
    go hold "$F" "$P" kill "$F"
    ends 1
    go hold "$F" "$P" kill -k 20 "$F"
    ends 1
}

# --- -k ---

@test "kill -k exits 0 when the holder ended of SIGTERM, and the FIFO is free" {
    hold_bg
    go kill -k 60 "$F"
    ends 0
    go check "$F"
    ends 1
    ended_by TERM
}

@test "kill -k ends a holder that ignores SIGTERM with SIGKILL" {
    stubborn
    go kill -k 0.1 "$F"
    ends 0
    ended_by KILL
    go check "$F"
    ends 1
}

@test "kill -k 0 ends a holder at once" {
    stubborn
    go kill -k 0 "$F"
    ends 0
    ended_by KILL
}

@test "kill -k ends children that are left over" {
    hold_bg "$F" sh -c 'sh -c "trap \"\" TERM; while :; do sleep 0.02; done" & echo $! >child; wait'
    local child
    child=$(recorded_in child)
    record_pid "$child"
    go kill -k 0.1 "$F"
    ends 0
    until_true ended "$child"
    go check "$F"
    ends 1
}

@test "kill -k ends a stopped holder" {
    hold_bg
    kill -s STOP "$pid"
    go kill -k 60 "$F"
    ends 0
    ended_by TERM # and not by KILL: it was continued
}

@test "kill -k ends the job of a keeper that ignores SIGTERM" {
    hold_bg -o "$F" sh -c 'trap "" TERM; touch ready; while :; do sleep 0.02; done'
    until_true test -e ready
    go kill -k 0.1 "$F"
    ends 0
    ended_by KILL
    until_true free "$F"
}

@test "kill -k does not touch a holder that comes after the one that was to end" {
    hold_bg
    local first=$pid
    bg "$P" hold -w 60 "$F" sleep 300
    until_true asleep_on "$pid" "$F"
    go kill -k 0.2 "$F"
    ends 0
    until_true ended "$first"
    until_true became_command "$pid"
    kill -0 "$pid"
}

@test "kill -k exits 130 and is silent on Ctrl-C" {
    stubborn
    bg_logged "$P" kill -k 60 "$F"
    until_true asleep_on "$pid" "$F"
    kill -s INT "$pid"
    returns 130
}

# --- never the wrong one ---

@test "kill exits 2 for another user's process: not permitted, or not to be seen" {
    another_user
    hold_bg -m 0622 "$F" sleep 300
    as=("${other[@]}")
    go kill "$F"
    ends 2 "procalive: $F: held, but by no process that you may see *"
    kill -0 "$pid"
}

@test "kill signals no child of another user's process, link or no link" {
    another_user
    # As a server of root's with a worker, which holds too, and which is all that its user can see.
    # shellcheck disable=SC2016 # the job's
    hold_bg -m 0622 "$F" sh -c '"$@" & echo $! >child; wait' sh "${other[@]}" sleep 300
    recorded_in child
    rm "$F.holder"
    as=("${other[@]}")
    until_true eval '"${as[@]}" "$P" who "$F"'
    go kill "$F"
    ends 2 "procalive: $F: held, but by $pid (sh), into which you may not look"
    kill -0 "$(<child)"
}

@test "kill exits 2 when the signal is not permitted" {
    another_user
    hold_bg
    # May see all of /proc, but not signal.
    as=(setpriv --reuid 65534 --regid 65534 --clear-groups
        '--inh-caps=+sys_ptrace,+dac_read_search' '--ambient-caps=+sys_ptrace,+dac_read_search' --)
    go kill "$F"
    ends 2 "procalive: $F: *$pid (sleep)*"
    kill -0 "$pid"
}

@test "kill exits 2 for what is not a FIFO" {
    touch file
    for path in file . /dev/null; do
        go kill $path
        ends 2 "procalive: $path: not a FIFO"
    done
}

@test "kill signals nobody when the holder's PID was reused between look-up and signal" {
    need_root
    need unshare
    go_cmd unshare --pid --fork --kill-child --mount-proc "$PY" -ISE "$BATS_TEST_DIRNAME/reuse.py" "$LIB" "$F"
    ends 0 '' 'reused, and not signalled'
}

@test "kill does not follow a holder link, a stale one neither" {
    mkfifo "$F"
    bg sleep 300
    ln -s "/proc/$pid/fd/0" "$F.holder"
    go kill -a "$F"
    ends 1
    kill -0 "$pid"
}

@test "kill exits 2 and spares a reader of one's own where another user's process holds" {
    another_user
    mkfifo -m 0666 "$F"
    hold_bg
    bg "${other[@]}" sh -c 'exec sleep 300 <>"$1"' sh "$F"
    until_true [ "/proc/$pid/fd/0" -ef "$F" ]
    as=("${other[@]}")
    go kill "$F"
    ends 2 "procalive: $F: held, but by a process that you may not see (*"
    same "$(state_of "$pid")" S
}

@test "kill -k signals no shared holder that came after it, and exits 124 while that holds" {
    hold_bg -s "$F" sh -c 'trap "echo told >told" TERM; : >up; while :; do sleep 0.02; done'
    until_true test -e up
    first=$pid
    bg_logged "$P" kill -k 3 "$F"
    until_true test -e told
    killer=$pid
    hold_bg -s "$F" sleep 300
    later=$pid
    status=0
    wait "$killer" || status=$?
    same "$status" 124
    [[ $(<stderr) = "procalive: $F: still held by $later (sleep) for "* ]]
    until_true ended "$first"
    same "$(state_of "$later")" S
}

@test "kill -k exits 124 when the FIFO is still held after SIGKILL" {
    need_root # for a process that SIGKILL does not end: the first of a PID namespace, from within
    as=(unshare --pid --fork --kill-child --mount-proc "$P" hold "$F" sh -c '"$@"; exit $?' sh)
    go kill -k 0.1 "$F"
    ends 124 "procalive: $F: still held by 1 (sh) for * after SIGKILL"
    go kill -q -k 0.1 "$F"
    ends 124
}

@test "kill -k ends a keeper that was stopped before its job ended" {
    hold_bg -o "$F" sleep 300
    local keeper
    keeper=$(readlink "$F.holder" | cut -d / -f 3)
    record_pid "$keeper"
    kill -s STOP "$keeper" # cannot let go
    kill -s KILL "$pid"
    wait "$pid" 2>/dev/null || true
    checks "$F"
    ends 0
    go kill -k 0.1 "$F"
    ends 0
    checks "$F"
    ends 1
}

# --- stopped holders, and what the main process leaves ---

# stopped: a holder that says which signal it got, stopped.
stopped() {
    rm -f got ready
    hold_bg "$F" env --default-signal bash -c 'for s in TERM INT QUIT HUP USR1; do trap "echo $s >>got; exit 5" $s; done; touch ready
        while :; do sleep 0.02; done'
    until_true test -e ready
    kill -s STOP "$pid"
    until_true in_state T "$pid"
}

in_state() { [ "$(state_of "$2")" = "$1" ]; }

@test "kill resumes a stopped holder for TERM, INT and QUIT, so that it can act on them" {
    for signal in TERM INT QUIT; do
        stopped
        go kill -s $signal "$F"
        ends 0
        status=0
        wait "$pid" || status=$?
        same "$status $(<got)" "5 $signal"
    done
}

@test "kill resumes nobody for STOP, USR1, HUP and 0" {
    stopped
    for signal in STOP USR1 HUP 0; do
        go kill -s $signal "$F"
        ends 0
        same "$(state_of "$pid")" T
    done
    [ ! -e got ]
}

@test "kill -k resumes a stopped holder for any signal" {
    for signal in HUP USR1 TERM; do
        stopped
        go kill -s $signal -k 60 "$F"
        ends 0
        same "$(<got)" $signal
    done
}

@test "kill -k gives the signal at once to what the end of the main process leaves holding" {
    # The tool says that it got TERM, and not KILL after a minute.
    cat >script <<'S'
#!/bin/sh
"$PY" -c 'import signal, sys
signal.signal(signal.SIGTERM, lambda *_: (open("got", "w"), sys.exit())); open("ready", "w"); signal.pause()'
exit
S
    chmod +x script
    PY=$PY hold_bg "$F" ./script
    until_true test -e ready
    go kill -k 60 "$F"
    ends 0
    [ -e got ]
    free "$F"
}

@test "kill -k gives no signal to a plain reader that is left, and exits 124" {
    hold_bg
    local holder=$pid
    bg sh -c 'exec sleep 300 8<>"$1"' sh "$F"
    until_true asleep_on "$pid" "$F"
    go kill -k 0.1 "$F"
    ends 124 "procalive: $F: still read by $pid (sleep), which does not hold the lock*"
    until_true ended "$holder"
    kill -0 "$pid"
}

@test "kill with a number says that it takes a FIFO" {
    go kill $$
    ends 1 "procalive: $$: no such FIFO; kill takes a FIFO, not a PID"
}
