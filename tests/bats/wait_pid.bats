#!/usr/bin/env bats
# `procalive wait --pid PID...`: until processes end, whosever they are.

load helper

# wait_bg ARG...: asleep with a pidfd; $pid is its PID.
wait_bg() {
    bg_logged "$P" wait "$@"
    until_true asleep_on_process "$pid"
}

# gone_pid: the PID of a process that has ended and was reaped.
gone_pid() { sh -c 'echo $$'; }

@test "wait --pid exits 0 when the process ends" {
    bg sleep 300
    local process=$pid
    wait_bg --pid "$process"
    kill -s KILL "$process"
    returns 0
}

@test "wait --pid exits 0 for another user's process" {
    another_user
    bg sleep 300
    local process=$pid
    bg_logged "${other[@]}" "$P" wait --pid "$process"
    until_true asleep_on_process "$pid"
    kill -s KILL "$process"
    returns 0
}

@test "wait --pid exits 0 at once for a process that is gone, and tells under -v" {
    local process
    process=$(gone_pid)
    go wait --pid "$process"
    ends 0
    go wait -v --pid "$process"
    ends 0 "procalive: $process: no such process: already gone"$'\n*'
}

@test "wait --pid waits for several, --any for the first and prints it" {
    bg sleep 300
    local first=$pid
    bg sleep 300
    local second=$pid
    wait_bg --any --pid "$first" "$second"
    kill -s KILL "$second"
    returns 0 "$second"
    wait_bg --pid "$first" "$second"
    kill -s KILL "$first"
    returns 0
}

@test "wait --pid -t exits 124 when the time runs out" {
    go wait -t 0.1 --pid $$
    ends 124
    go wait -v -t 0.1 --pid $$
    ends 124 "procalive: $$: still there"
}

@test "wait --pid exits 130 and is silent on Ctrl-C" {
    wait_bg --pid $$
    kill -s INT "$pid"
    returns 130
}

@test "wait --pid sleeps: not one wake-up while nothing happens" {
    wait_bg --pid $$
    local before
    before=$(switches "$pid")
    sleep 1.5
    same "$(switches "$pid")" "$before"
}

@test "wait --pid exits 2 for what is no process ID" {
    for word in x -1 0 1.5 0x1 '' '1 ' 1_0 99999999999 "$(printf '9%.0s' {1..5000})"; do
        go wait --pid -- "$word"
        ends 2 'procalive: wait: *: not a process ID'
    done
}

@test "wait --pid exits 2 for the ID of a thread" {
    bg "$PY" -c 'import threading, time
t = threading.Thread(target=time.sleep, args=(300,), daemon=True); t.start()
open("thread", "w").write(str(t.native_id)); time.sleep(300)'
    until_true test -s thread
    go wait --pid "$(<thread)"
    ends 2 "procalive: $(<thread): not a process ID"
}

@test "wait --pid exits 2 without a PID, and beside --max-age" {
    go wait --pid
    ends 2 'procalive: wait: needs *'
    go wait --pid --max-age 1h $$
    ends 2 'procalive: wait: --max-age goes with FIFOs, *'
}
