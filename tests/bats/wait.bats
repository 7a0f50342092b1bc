#!/usr/bin/env bats
# `procalive wait FIFO...`: until the holders are gone.

load helper

# wait_bg ARG...: `wait ARG...` in the background, asleep on $F; $pid is its PID.
wait_bg() {
    bg_logged "$P" wait "$@"
    until_true asleep_on "$pid" "$F"
}

@test "wait exits 0 at once and is silent when nobody holds the FIFO" {
    mkfifo "$F"
    go wait "$F"
    ends 0
}

@test "wait exits 0 at once for a missing FIFO or directory, and creates none" {
    go wait "$F" missing/fifo
    ends 0
    same "$(ls -A)" ''
}

@test "wait exits 0 when the holder is gone" {
    hold_bg
    local holder=$pid
    wait_bg "$F"
    kill -s KILL "$holder"
    returns 0
}

@test "wait exits 0 when the job of a keeper is gone" {
    hold_bg -o "$F" sleep 300
    local holder=$pid
    wait_bg "$F"
    kill -s KILL "$holder"
    returns 0
}

@test "wait goes on while a child of the holder lives" {
    hold_bg "$F" sh -c 'sleep 300 & echo $! >child; wait'
    local holder=$pid child
    child=$(recorded_in child)
    record_pid "$child"
    wait_bg "$F"
    kill -s KILL "$holder"
    go wait -t 0.2 "$F"
    ends 124
    kill -s KILL "$child"
    returns 0
}

@test "wait waits for the last of several readers" {
    hold_bg -s "$F" sleep 300
    local first=$pid
    hold_bg -s "$F" sleep 300
    kill -s KILL "$first"
    go wait -t 0.2 "$F"
    ends 124
    kill -s KILL "$pid"
    go wait "$F"
    ends 0
}

@test "wait exits 0 though a new holder took the FIFO at once" {
    hold_bg
    local holder=$pid
    wait_bg -t 20 "$F"
    local waiter=$pid
    bg "$P" hold -w 60 "$F" sleep 300
    kill -s STOP "$waiter"
    kill -s KILL "$holder"
    until_true held_by_other "$holder"
    kill -s CONT "$waiter"
    pid=$waiter returns 0
}

has_open() { for fd in "/proc/$1/fd"/*; do [ ! "$fd" -ef "$2" ] || return 0; done && false; }

held_by_other() { [ "$F.holder" -ef "$F" ] && [ "$(readlink "$F.holder")" != "/proc/$1/fd/701" ]; }

@test "wait exits 0 when the holder dies after the waiter's open, before it is watched" {
    need strace
    hold_bg
    local holder=$pid
    # The first open only looks.  With the signal to stop, the next is the last that the waiter does for now.
    bg_logged strace -D -f -qqq -o /dev/null -P "$F" -e trace=openat -e inject=openat:signal=STOP:when=2 "$P" wait -t 60 "$F"
    until_true has_open "$pid" "$F"
    kill -s KILL "$holder"
    until_true ended "$holder"
    kill -s CONT "$pid"
    returns 0
}

@test "wait misses none of 200 hand-overs that take no time at all" {
    mkfifo "$F"
    go_cmd "$PY" -ISE "$BATS_TEST_DIRNAME/handover.py" "$LIB" "$F" 200
    ends 0 '' '0 of 200 missed'
}

@test "wait is not woken by checks, writes, touches or readers that come and go" {
    hold_bg
    wait_bg "$F"
    local before
    before=$(switches "$pid")
    for n in {1..20}; do
        "$P" check "$F"
        touch "$F"
        bash -c 'exec 8<>"$1"; echo >&8' bash "$F"
    done
    same "$(switches "$pid")" "$before"
}

@test "wait sleeps: not one wake-up while nothing happens, with -t neither" {
    hold_bg
    local without before
    wait_bg "$F"
    without=$pid
    wait_bg -t 100 "$F"
    before=$(
        switches "$without"
        switches "$pid"
    )
    sleep 1.5
    same "$(
        switches "$without"
        switches "$pid"
    )" "$before"
}

@test "wait exits 130 and is silent on Ctrl-C" {
    hold_bg
    wait_bg "$F"
    kill -s INT "$pid"
    returns 130
    bg_logged "$PY" -ISE "$LIB" wait "$F"
    until_true asleep_on "$pid" "$F"
    kill -s INT "$pid"
    returns 130
}

@test "wait goes on where its title cannot be set" {
    need strace
    hold_bg
    go_cmd strace -D -f -qqq -o /dev/null -e trace=pwrite64 -e inject=pwrite64:error=EPERM "$P" wait -t 0 "$F"
    ends 124
}

# --- -t ---

@test "wait -t exits 124 and is silent when the time runs out" {
    hold_bg
    for seconds in 0 0.1 0.1s .1 1e-1; do
        go wait -t $seconds "$F"
        ends 124
    done
}

@test "wait -t 0 exits 0 when nobody holds" {
    go wait -t 0 "$F"
    ends 0
}

@test "wait -t takes s, m, h, d and inf" {
    hold_bg
    local holder=$pid waiters=()
    for seconds in 100 100s 10m 2h 1d 10000d inf infinity; do
        wait_bg -t $seconds "$F"
        waiters+=("$pid")
    done
    kill -s KILL "$holder"
    for pid in "${waiters[@]}"; do returns 0; done
}

@test "wait -v says what is gone, or that the time ran out" {
    hold_bg
    go wait -v -t 0 "$F"
    ends 124 "procalive: $F: still there"
    go wait -v missing
    ends 0 $'procalive: missing: no such FIFO\nprocalive: missing: gone'
}

# --- several ---

@test "wait for several exits 0 when all are gone" {
    hold_bg
    local first=$pid
    F=other hold_bg
    local second=$pid
    wait_bg "$F" other missing
    kill -s KILL "$first"
    go wait -t 0.2 "$F" other
    ends 124
    kill -s KILL "$second"
    returns 0
}

@test "wait for one FIFO named twice exits 0" {
    hold_bg
    local holder=$pid
    wait_bg "$F" "$F" ./job.fifo
    kill -s KILL "$holder"
    returns 0
}

@test "wait --any prints the first that is gone, and exits 0" {
    hold_bg
    F=other hold_bg
    local second=$pid
    wait_bg --any "$F" other
    kill -s KILL "$second"
    returns 0 other
}

@test "wait closes a standard descriptor that is the FIFO, and writes into nothing else" {
    mkfifo "$F"
    go_cmd timeout 20 sh -c 'exec "$1" wait --any "$2" 1<>"$2"' sh "$P" "$F"
    ends 0
}

@test "wait leaves standard output alone where that is the write end of the FIFO" {
    mkfifo "$F"
    exec 8<>"$F"
    sh -c '"$1" wait --any missing "$2" >"$2"' sh "$P" "$F"
    local line
    read -r -t 20 line <&8
    same "$line" missing
}

@test "wait --any prints one that was gone from the start, as it was given" {
    hold_bg
    go wait --any "$F" $'\xff name' missing
    ends 0 '' $'\xff name'
}

@test "wait takes 1,000 FIFOs, and raises the soft limit of descriptors for them" {
    mkdir many
    "$PY" -c 'import os; [os.mkfifo(f"many/{n}") for n in range(1000)]'
    bg "$PY" -c 'import os, resource, time
resource.setrlimit(resource.RLIMIT_NOFILE, (2000, 2000))
fds = [os.open(f"many/{n}", os.O_RDWR) for n in range(1000)]; open("ready", "w"); time.sleep(300)'
    until_true test -e ready
    local holder=$pid
    bg_logged sh -c 'ulimit -S -n 256; exec "$@"' sh "$P" wait many/*
    until_true asleep_on "$pid" many/999
    kill -s KILL "$holder"
    returns 0
}

@test "wait exits 2 and says so when the hard limit of descriptors is too low" {
    mkdir many
    "$PY" -c 'import os; [os.mkfifo(f"many/{n}") for n in range(40)]'
    bg bash -c 'for fifo in many/*; do exec {fd}<>"$fifo"; done; touch ready; exec sleep 300'
    until_true test -e ready
    go_cmd sh -c 'ulimit -n 32; exec "$@"' sh "$P" wait many/*
    ends 2 'procalive: *: Too many open files; raise the limit (ulimit -Hn*'
}

# --- cannot tell ---

@test "wait exits 2 for what is not a FIFO, beside good ones too" {
    hold_bg
    touch file
    mkdir dir
    for path in file dir /dev/null; do
        go wait "$F" $path
        ends 2 "procalive: $path: not a FIFO"
    done
}

@test "wait exits 2 for a loop, a name too long, an empty one" {
    ln -s loop loop
    go wait loop
    ends 2 'procalive: loop: Too many levels of symbolic links'
    go wait "$(printf '%0300d' 0)"
    ends 2 'procalive: 0*: File name too long'
    go wait ''
    ends 2 "procalive: '': No such file or directory"
}

@test "wait exits 2 without permission to write" {
    another_user
    hold_bg
    as=("${other[@]}")
    go wait "$F"
    ends 2 "procalive: $F: Permission denied: it belongs to root *"
}

@test "wait needs permission to write only" {
    another_user
    hold_bg -m 0622 "$F" sleep 300
    local holder=$pid
    bg_logged "${other[@]}" "$P" wait "$F"
    until_true asleep_on "$pid" "$F"
    kill -s KILL "$holder"
    returns 0
}

@test "wait as the job does not wait for itself, and in the job does for the job" {
    go hold "$F" "$P" wait -t 20 "$F"
    ends 0
    go hold "$F" sh -c '"$@"; exit $?' sh "$P" wait -t 0.1 "$F"
    ends 124
}

@test "wait and kill -k refuse with 2 on Linux before 5.6, where the end of a check would pass for that of a holder" {
    need setarch
    hold_bg
    as=(setarch "$(uname -m)" --uname-2.6)
    [ "$("${as[@]}" uname -r | cut -c 1-2)" = 2. ] || skip "this kernel cannot pose as an older one"
    for words in 'wait' 'wait -t 0' 'kill -k 0'; do
        # shellcheck disable=SC2086 # words
        go $words "$F"
        ends 2 "procalive: $F: on Linux before 5.6 the end of a holder cannot be told from that of a check"
    done
    kill -0 "$pid"
    go check "$F"
    ends 0
    go kill "$F"
    ends 0
}
