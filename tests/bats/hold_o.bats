#!/usr/bin/env bats
# `procalive hold -o`: a keeper holds, not the command and its children.

load helper

# hold_o [COMMAND...]: $pid is the job, $keeper the process that holds.
hold_o() {
    [ $# -gt 0 ] || set -- sleep 300
    hold_bg -o "$F" "$@"
    keeper=$(readlink "$F.holder")
    keeper=${keeper#/proc/}
    keeper=${keeper%%/*}
    record_pid "$keeper"
}

# field PID N: of proc_pid_stat(5); 4 is the parent, 6 the session, 7 the terminal.
field() { cut -d ' ' -f "$2" "/proc/$1/stat"; }

@test "hold -o keeps the FIFO alive until the main process ends" {
    hold_o
    checks "$F"
    ends 0
    end_holder
    until_true ended "$keeper"
}

@test "hold -o becomes the command: the same PID, and its status" {
    hold_o sh -c 'echo $$ >pid; exec sleep 300'
    until_true test -s pid
    same "$(cat pid)" "$pid"
    end_holder
    go hold -o "$F" sh -c 'exit 7'
    ends 7
    go hold -o "$F" sh -c 'kill -s TERM $$'
    ends 143
}

@test "hold -o lets go when the main process ends, though a child lives on" {
    hold_o sh -c 'sleep 300 & echo $! >child; wait'
    local child
    child=$(recorded_in child)
    record_pid "$child"
    end_holder
    kill -0 "$child"
}

@test "hold -o leaves the command no descriptor, and no PROCALIVE_FD" {
    same "$("$P" hold -o "$F" ls /proc/self/fd)" "$(ls /proc/self/fd)"
    go hold -o "$F" sh -c 'echo "$PROCALIVE_FIFO ${PROCALIVE_FD-unset}"'
    ends 0 '' "$F unset"
}

@test "hold -o inside a hold takes the outer PROCALIVE_FD out of the environment" {
    go hold outer "$P" hold -o "$F" sh -c 'echo "$PROCALIVE_FIFO ${PROCALIVE_FD-unset}"'
    ends 0 '' "$F unset"
}

@test "hold -o: the keeper is no child of the command" {
    hold_o
    [ "$(field "$keeper" 4)" != "$pid" ]
    go hold -o other "$PY" -c 'import os
try: os.wait()
except ChildProcessError: print("no children")'
    ends 0 '' 'no children'
}

@test "hold -o: the keeper has neither standard descriptors nor the terminal, nor the session" {
    hold_o
    for fd in 0 1 2; do [ ! -e "/proc/$keeper/fd/$fd" ]; done
    same "$(field "$keeper" 7)" 0
    [ "$(field "$keeper" 6)" != "$(field "$pid" 6)" ]
}

@test "hold -o: a pipe from the command ends with the command" {
    go_cmd sh -c '"$@" | cat' sh "$P" hold -o "$F" echo last
    ends 0 '' last
}

@test "hold -o: the keeper keeps no directory busy and no other descriptor open" {
    F=outer hold_bg
    hold_o
    same "$(readlink "/proc/$keeper/cwd")" /
    same "$(readlink "/proc/$keeper/fd/"* | grep -cv -e "^$F\$" -e '^anon_inode:' -e '^pipe:')" 0
}

@test "hold -o: ps shows the keeper as procalive keep FIFO" {
    hold_o
    same "$(ps -o args= -p "$keeper" | sed 's/ *$//')" "procalive keep $F"
    same "$(cat "/proc/$keeper/comm")" procalive
}

@test "hold -o: the keeper sleeps, and is small" {
    own_copy
    hold_o
    until_true asleep_on "$keeper" "$F"
    local before
    before=$(switches "$keeper")
    sleep 1
    same "$(switches "$keeper")" "$before"
    [ "$(awk '/^VmRSS/ {print $2}' "/proc/$keeper/status")" -le 10240 ]
}

@test "hold -o: a signal to the whole process group does not make the keeper let go first" {
    bg setsid "$P" hold -o "$F" sh -c 'trap "" TERM; touch ready; while :; do sleep 0.02; done'
    until_true test -e ready
    kill -s TERM -- "-$pid"
    go check "$F"
    ends 0
    end_holder
}

@test "hold -o: SIGTERM, INT and HUP do not end the keeper" {
    hold_o
    for signal in TERM INT HUP; do kill -s $signal "$keeper"; done
    go check "$F"
    ends 0
}

@test "hold -o exits 127 or 126 when the command cannot run, and the keeper has let go" {
    echo wrong >plain
    mkfifo "$F"
    as=(env PATH=/usr/bin:/bin)
    for n in {1..5}; do
        go hold -o "$F" no-such-command
        ends 127 'procalive: no-such-command: command not found'
        go check "$F"
        ends 1
        go hold -o "$F" ./plain
        ends 126 'procalive: ./plain: cannot be run: Permission denied'
        go check "$F"
        ends 1
    done
}

@test "hold -o that cannot run its command has let go when it returns, not some time after" {
    local n
    for n in {1..20}; do
        "$P" hold -o "$F" /no/such/command 2>/dev/null || true
        [ ! "$F.holder" -ef "$F" ]
    done
}

@test "hold -o exits 75 on a conflict, which names the job and not the keeper" {
    hold_o
    go hold -o "$F" true
    ends 75 "procalive: $F: held by $pid (sleep) for [0-9]*s"
}

@test "hold -o -s shares" {
    hold_bg -o -s "$F" sleep 300
    go hold -o -s "$F" echo shared
    ends 0 '' shared
    go hold -q "$F" true
    ends 75
}

@test "hold -o works with closed standard descriptors" {
    "$P" hold -o "$F" sh -c 'test ! -e /proc/$$/fd/1 && "$@" && touch ran' sh "$P" check "$F" <&- >&- 2>&-
    [ -e ran ]
}

@test "hold -o -v with closed standard descriptors writes to none of its own instead" {
    # shellcheck disable=SC2016 # the inner shell's; bash would open standard input for what is in the background
    bg sh -c 'exec "$@" <&- >&- 2>&-' sh "$P" hold -o -v "$F" sleep 300
    until_true became_command "$pid"
    local keeper
    keeper=$(readlink "$F.holder" | cut -d / -f 3)
    record_pid "$keeper"
    until_true asleep_on "$keeper" "$F"
}

@test "hold -o works with 16 descriptors" {
    go_cmd sh -c 'ulimit -n 16; exec "$@"' sh "$P" hold -o "$F" "$P" check "$F"
    ends 0
}

@test "hold -o works where SIGCHLD is ignored, which it stays for the command" {
    as=(env --ignore-signal=CHLD --default-signal=PIPE) # the first dash itself, and so the launcher, would undo
    local without
    without=$("${as[@]}" grep '^Sig[BI]' /proc/self/status)
    same "$("${as[@]}" "$PY" -ISE "$LIB" hold -o "$F" grep '^Sig[BI]' /proc/self/status)" "$without"
}

@test "hold -o exits 127 where its keeper was ended before the command could not be run" {
    need strace
    mkfifo "$F"
    # With the signal to stop, the look at the command is the last that it does for now.
    bg_logged strace -D -f -o trace -P "$PWD/none" -e trace=%file -e inject=%file:signal=STOP "$P" hold -o "$F" "$PWD/none"
    until_true grep -qs 'stopped by SIGSTOP' trace
    local keeper
    keeper=$(readlink "$F.holder" | cut -d / -f 3)
    kill -s KILL "$keeper"
    until_true ended "$keeper"
    kill -s CONT "$pid"
    returns 127 '' "procalive: $PWD/none: command not found"
}

@test "hold -o lets go of a command that ends at once, every time" {
    local n
    for n in {1..30}; do
        go hold -o -w 10 "$F" true
        ends 0
    done
    until_true free "$F"
}

@test "hold -o exits 125 where the keeper cannot be told from a job, and does not run it" {
    need strace
    go_cmd strace -D -f -qqq -o /dev/null -e trace=pwrite64 -e inject=pwrite64:error=EPERM "$P" hold -o "$F" touch ran
    ends 125 "procalive: $F: cannot start a keeper: *"
    [ ! -e ran ]
    free "$F"
}

@test "hold right after hold -o is never refused by what has ended, -w or not, and by whichever entry" {
    local n
    for n in {1..25}; do
        "$P" hold -o "$F" true
        go hold "$F" true
        ends 0
    done
    go_cmd "$PY" -ISE - "$LIB" "$P" "$F" <<'PYTHON'
import os, subprocess, sys
sys.path.insert(0, os.path.dirname(sys.argv[1])); import procalive
for n in range(25):
    subprocess.run([*sys.argv[2:3], "hold", "-o", sys.argv[3], "true"], check=True)
    procalive.hold(sys.argv[3]).release()
PYTHON
    ends 0
}

@test "hold is not refused by a keeper that cannot run just now, though its job has ended" {
    hold_o
    kill -s STOP "$keeper"
    kill -s KILL "$pid"
    wait "$pid" 2>/dev/null || true
    bg_logged "$P" hold "$F" sh -c 'exit 7'
    until_true asleep_on "$pid" "$F"
    kill -s CONT "$keeper"
    returns 7
}
