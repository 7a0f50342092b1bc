#!/usr/bin/env bats
# `procalive wait --up FIFO...`: until somebody holds.

load helper

# wait_up_bg ARG...: asleep in open(2) of $F, for which a second thread is there.
wait_up_bg() {
    bg_logged "$P" wait --up "$@"
    until_true grep -qs '^Threads:.[^1]' "/proc/$pid/status"
    until_true all_asleep "$pid"
}

all_asleep() { ! grep -h '^State:' "/proc/$1/task"/*/status | grep -qv 'S (sleeping)'; }

@test "wait --up exits 0 at once and is silent while somebody holds" {
    hold_bg
    go wait --up "$F"
    ends 0
}

@test "wait --up exits 0 when somebody holds" {
    mkfifo "$F"
    wait_up_bg "$F"
    local waiter=$pid
    hold_bg
    pid=$waiter returns 0
}

@test "wait --up creates a missing FIFO with mode 0600, so that it can wait for it" {
    umask 0
    wait_up_bg "$F"
    same "$(stat -c '%F %a' "$F")" 'fifo 600'
    local waiter=$pid
    hold_bg
    pid=$waiter returns 0
}

@test "wait --up exits 0 for a reader that came and went" {
    mkfifo "$F"
    wait_up_bg "$F"
    : <"$F" # opens when the waiter does, and closes at once
    returns 0
}

@test "wait --up sees a hold that lasts no time at all" {
    mkfifo "$F"
    wait_up_bg "$F"
    "$P" hold "$F" true
    returns 0
}

@test "wait --up -t exits 124 and is silent when the time runs out" {
    mkfifo "$F"
    for seconds in 0 0.1; do
        go wait --up -t $seconds "$F"
        ends 124
    done
    go wait --up -v -t 0.1 "$F"
    ends 124 "procalive: $F: nobody holds it"
}

@test "wait --up is no holder: check exits 1 meanwhile, and hold succeeds" {
    wait_up_bg "$F"
    go check "$F"
    ends 1
    go hold "$F" true
    ends 0
    returns 0
}

@test "wait --up sleeps: not one wake-up while nothing happens" {
    wait_up_bg -t 100 "$F"
    local before
    before=$(switches "$pid")
    sleep 1.5
    same "$(switches "$pid")" "$before"
}

@test "wait --up exits 130 and is silent on Ctrl-C" {
    wait_up_bg "$F"
    kill -s INT "$pid"
    returns 130
}

@test "wait --up for several exits 0 when each has been held once" {
    wait_up_bg "$F" other
    "$P" hold "$F" true
    go wait --up -t 0.1 other
    ends 124
    "$P" hold other true
    returns 0
}

@test "wait --up --any prints the first that is held" {
    wait_up_bg --any "$F" other
    "$P" hold other true
    returns 0 other
}

@test "wait --up -v says what is alive" {
    hold_bg
    go wait --up -v "$F"
    ends 0 "procalive: $F: alive"
}

@test "wait --up exits 2 for what is not a FIFO" {
    touch file
    for path in file . /dev/null; do
        go wait --up $path
        ends 2 "procalive: $path: not a FIFO"
    done
}

@test "wait --up exits 2 when the directory is missing, and makes none" {
    go wait --up missing/fifo
    ends 2 'procalive: missing/fifo: no such directory'
    same "$(ls -A)" ''
}

@test "wait --up exits 2 without permission to write" {
    another_user
    mkfifo -m 0644 "$F"
    as=("${other[@]}")
    go wait --up "$F"
    ends 2 "procalive: $F: Permission denied: it belongs to root *"
    go wait --up new
    ends 2 'procalive: new: cannot be made: permission denied, . belongs to root; *'
}

@test "wait --up exits 2 beside --pid, --status and --max-age" {
    for option in --pid --status --max-age=1h; do
        go wait --up $option 1
        ends 2 'procalive: wait: --up goes with neither *'
    done
    same "$(ls -A)" ''
}
