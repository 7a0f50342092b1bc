#!/usr/bin/env bats
# Waiters of every kind behind one FIFO: `hold -w`, the shell library's guard, the
# module, and the first version, which knows no queue.  All of them get their turn,
# one at a time.  In the order of their coming: hold -w; and the guard, unless one
# that stands in no queue is faster than the guard's shell, which then queues anew.

load helper
load queue

# The job of each: it sees whether another runs, and writes its word.
# shellcheck disable=SC2016 # the inner shell's
JOB='mkdir inside || echo overlap >>order; echo "$1" >>order; rmdir inside'

start_hold() { bg "$P" hold -w inf "$F" sh -c "$JOB" sh "$1"; }

start_guard() {
    # shellcheck disable=SC2016 # the inner shell's
    bg env "PATH=${P%/*}:$PATH" dash -c '. "$2/shell/procalive.sh"; procalive_guard "$3" inf || exit; '"$JOB" dash "$1" "$TOP" "$F"
}

start_module() {
    bg "$PY" -ISE -c 'import os, subprocess, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import procalive
with procalive.hold(sys.argv[2], timeout=None): subprocess.run(["sh", "-c", *sys.argv[3:]])' "$LIB" "$F" "$JOB" sh "$1"
}

start_first() { bg "$PY" -ISE first.py hold -w inf "$F" sh -c "$JOB" sh "$1"; }

# every_kind: kinds=(...); first.py becomes procalive.py as it was before there was a
# queue, where the history has it.
every_kind() {
    local since
    kinds=(hold guard module)
    since=$(git -C "$TOP" log -1 --format=%h -S'__version__ = "0.1.0"' -- procalive.py 2>/dev/null)
    if git -C "$TOP" show "$since^:procalive.py" >first.py 2>/dev/null && grep -q '^__version__ = "0.1.0"' first.py; then
        kinds+=(first)
    else
        echo "# without the first version, which the history here does not have" >&3
    fi
}

# joins KIND WORD: such a waiter, whose job writes the word; back when it waits.
joins() {
    "start_$1" "$2"
    case $1 in
    hold | guard) until_true stands_in_queue "$pid" ;;
    *) until_true asleep_on "$pid" "$F" ;;
    esac
}

# stands_in_queue PID: it, or the process that waits for this shell, has the mark
# of order or sleeps for it.
stands_in_queue() { grep -qE "POSIX .* WRITE ($1|$(pgrep -f "procalive _turn .* $1\$" || echo -)) " /proc/locks; }

# holds_as KIND: a holder of this kind; back when it holds.
# shellcheck disable=SC2016 # the inner shell's
holds_as() {
    case $1 in
    hold) bg "$P" hold "$F" sleep 300 ;;
    guard) bg env "PATH=${P%/*}:$PATH" dash -c '. "$1/shell/procalive.sh"; procalive_guard "$2" && exec sleep 300' dash "$TOP" "$F" ;;
    module) bg "$PY" -ISE -c 'import os, sys, time
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import procalive
with procalive.hold(sys.argv[2]): time.sleep(300)' "$LIB" "$F" ;;
    first) bg "$PY" -ISE first.py hold "$F" sleep 300 ;;
    esac
    until_true held "$F"
    holder=$pid
}

release() { kill -s KILL "$holder"; }

# all_ran WORD...: those have run, in whatever order, and no two at a time.
all_ran() {
    until_true lines_in_order $#
    same "$(sort order | xargs)" "$(printf '%s\n' "$@" | sort | xargs)"
    until_true free "$F"
}

@test "hold -w and guards, behind a holder of every kind, are served in the order of their coming" {
    every_kind
    for kind in "${kinds[@]}"; do
        rm -f order
        holds_as "$kind"
        for n in 1 2 3; do
            joins hold "hold-$n"
            joins guard "guard-$n"
        done
        release
        in_order hold-1 guard-1 hold-2 guard-2 hold-3 guard-3
    done
}

@test "waiters of every kind, behind a holder of every kind: all run, one at a time, and hold -w in order" {
    every_kind
    for holding in "${kinds[@]}"; do
        rm -f order
        words=()
        holds_as "$holding"
        for n in 1 2 3; do join_all "$n"; done
        same "$("$P" who --json "$F" | grep -c .)" 1 # no waiter reads
        release
        all_ran "${words[@]}"
        same "$(grep hold order | xargs)" 'hold-1 hold-2 hold-3'
    done
}

# join_all N: one of every kind; pids=(...), and their words are added to words=(...).
join_all() {
    pids=()
    for kind in "${kinds[@]}"; do
        joins "$kind" "$kind-$1"
        pids+=("$pid")
        words+=("$kind-$1")
    done
}

@test "waiters of every kind that are killed hold up nobody" {
    every_kind
    holds_as hold
    join_all 1
    killed=("${pids[@]}") words=()
    join_all 2
    kill -s KILL "${killed[@]}"
    release
    all_ran "${words[@]}"
}

@test "waiters of every kind that are stopped hold up nobody, and run when they go on" {
    every_kind
    holds_as hold
    join_all 1
    halted=("${pids[@]}") first=("${words[@]}") words=()
    join_all 2
    kill -s STOP "${halted[@]}"
    for pid in "${halted[@]}"; do until_true stopped "$pid"; done
    release
    all_ran "${words[@]}"
    kill -s CONT "${halted[@]}"
    all_ran "${first[@]}" "${words[@]}"
}

stopped() { [ "$(state_of "$1")" = T ]; }

@test "waiters of every kind that come at once, and again after their turn: none is lost, and no two hold" {
    every_kind
    words=()
    for kind in "${kinds[@]}"; do
        for n in 1 2; do
            comes_again "$kind" $n 3>&- &
            record_pid $!
            words+=("$kind-$n-1" "$kind-$n-2" "$kind-$n-3")
        done
    done
    all_ran "${words[@]}"
}

# comes_again KIND N: three turns, one after the other.
comes_again() {
    local turn
    for turn in 1 2 3; do
        "start_$1" "$1-$2-$turn"
        wait "$pid"
    done
}
