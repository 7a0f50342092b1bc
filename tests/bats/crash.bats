#!/usr/bin/env bats
# However a holder ends, nothing is left that reads as alive; while anything of
# it lives, it does.

load helper

dead() {
    until_true free "$F"
    checks "$F"
    ends 1
    go hold "$F" echo 'held again'
    ends 0 '' 'held again'
}

alive() {
    checks "$F"
    ends 0
    go hold -q "$F" true
    ends 75
}

# job_with_child SETSID: a holder in a group of its own, whose child is in $child.
job_with_child() {
    bg setsid "$P" hold "$F" sh -c 'sleep 300 & echo $! >child; wait'
    child=$(recorded_in child)
    record_pid "$child"
    alive
}

@test "holder exits: check exits 1" {
    hold_bg "$F" sh -c 'until [ -e go ]; do sleep 0.02; done; exit 3'
    touch go
    dead
}

@test "holder is killed with kill -9: check exits 1" {
    hold_bg
    kill -s KILL "$pid"
    dead
}

@test "holder's whole process group is killed with kill -9: check exits 1" {
    job_with_child
    kill -s KILL -- "-$pid"
    dead
}

@test "holder is killed, but its child lives on: check exits 0 until that ends too" {
    job_with_child
    kill -s KILL "$pid"
    until_true ended "$pid"
    alive
    kill -s KILL "$child"
    dead
}

@test "keeper is killed with kill -9: check exits 1, though the job lives on" {
    hold_bg -o "$F" sleep 300
    local link
    link=$(readlink "$F.holder")
    kill -s KILL "$(cut -d / -f 3 <<<"$link")"
    dead
    kill -0 "$pid"
}

@test "holder is killed together with its keeper: check exits 1" {
    hold_bg -o "$F" sleep 300
    kill -s KILL "$pid" "$(readlink "$F.holder" | cut -d / -f 3)"
    dead
}

@test "holder is stopped: check exits 0, and after SIGCONT too" {
    hold_bg
    kill -s STOP "$pid"
    until_true stopped
    alive
    kill -s CONT "$pid"
    alive
}

stopped() { [ "$(state_of "$pid")" = T ]; }

@test "job of a stopped keeper ends: check exits 0 until the keeper goes on" {
    hold_bg -o "$F" sleep 300
    local keeper
    keeper=$(readlink "$F.holder" | cut -d / -f 3)
    record_pid "$keeper"
    kill -s STOP "$keeper"
    kill -s KILL "$pid"
    kill -s CONT "$keeper"
    dead
}

@test "holder crashes: check exits 1" {
    for signal in SEGV ABRT BUS; do
        hold_bg "$F" sh -c 'until [ -e go ]; do sleep 0.02; done; kill -s $1 $$' sh $signal
        touch go
        dead
        rm go
    done
}

@test "holder executes another program: check exits 0 until that ends" {
    hold_bg "$F" sh -c 'exec sh -c "exec sleep 300"'
    until_true grep -qx sleep "/proc/$pid/comm"
    alive
    kill -s KILL "$pid"
    dead
}

@test "holder that nobody has reaped yet: check exits 1" {
    bg "$PY" -c 'import os, sys, time
child = os.spawnvp(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
open("child", "w").write(str(child)); time.sleep(300)' "$P" hold "$F" sleep 300
    local child
    child=$(recorded_in child)
    until_true held "$F"
    kill -s KILL "$child"
    dead
    same "$(state_of "$child")" Z
}

@test "holder is killed while it starts, again and again: the FIFO can be held" {
    local n
    for n in {1..20}; do
        bg "$P" hold "$F" sleep 300
        sleep "0.0$n"
        kill -s KILL "$pid"
        wait "$pid" 2>/dev/null || true
    done
    dead
    same "$(find . -name '*.fifo*' | sort)" $'./job.fifo\n./job.fifo.holder'
}

@test "the FIFO is replaced by a file while it is held: check exits 2, hold 125" {
    hold_bg
    rm "$F"
    touch "$F"
    checks "$F"
    ends 2 "procalive: $F: not a FIFO"
    go hold "$F" true
    ends 125 "procalive: $F: not a FIFO but a regular file; *"
}
