#!/usr/bin/env bats
# `hold -w`: the waiters are served in the order of their coming, and nobody
# who leaves the queue is in the way of the others.

load helper
load queue

# queue_of N: a holder and so many waiters; pids=(...), $holder.
queue_of() {
    local word
    hold_bg
    holder=$pid pids=()
    for word in $(seq "$1"); do
        waits "$word"
        pids+=("$pid")
    done
}

release() {
    kill -s KILL "$holder"
    until_true ended "$holder"
}

@test "30 waiters are served in the order of their coming" {
    queue_of 30
    release
    # shellcheck disable=SC2046
    in_order $(seq 30)
}

@test "a stopped waiter is in nobody's way, and queues anew when it goes on" {
    for signal in STOP TSTP TTIN TTOU; do
        rm -f order
        queue_of 3
        kill -s $signal "${pids[0]}"
        until_true stopped "${pids[0]}"
        release
        in_order 2 3
        kill -s CONT "${pids[0]}"
        in_order 2 3 1
    done
}

stopped() { [ "$(state_of "$1")" = T ]; }

@test "a waiter that is stopped behind a job that had waited itself is in nobody's way" {
    hold_bg
    holder=$pid
    in_own_group "$P" hold -w inf "$F" sh -c 'echo 1 >>order; until [ -e go ]; do sleep 0.02; done'
    until_true in_queue "$pid"
    waits 2
    second=$pid
    waits 3
    release
    until_true lines_in_order 1
    kill -s STOP "$second"
    until_true stopped "$second"
    : >go
    in_order 1 3
    kill -s CONT "$second"
    in_order 1 3 2
}

@test "a waiter that is killed, terminated or hung up leaves its place to the others" {
    for signal in KILL TERM HUP; do
        rm -f order
        queue_of 4
        kill -s $signal "${pids[1]}"
        until_true ended "${pids[1]}"
        release
        in_order 1 3 4
    done
}

@test "a waiter that is first and is killed lets the next one go on" {
    mkfifo "$F"
    bg sh -c 'exec sleep 300 <>"$1"' sh "$F" # reads, and has no mark
    holder=$pid
    until_true held "$F"
    bg "$P" hold -w inf "$F" true
    first=$pid
    until_true has_mark "$first"
    waits 2
    kill -s KILL "$first"
    until_true has_mark "$pid"
    release
    in_order 2
}

has_mark() { grep -q "POSIX  *ADVISORY  *WRITE $1 " /proc/locks && ! in_queue "$1"; }

@test "Ctrl-Z of the first waiter behind a plain reader holds up nobody" {
    mkfifo "$F"
    for signal in TSTP TTIN TTOU; do
        rm -f order
        bg sh -c 'exec sleep 300 <>"$1"' sh "$F"
        holder=$pid
        until_true held "$F"
        in_own_group "$P" hold -w inf "$F" sh -c 'echo 1 >>order'
        first=$pid
        until_true has_mark "$first"
        waits 2
        kill -s $signal "$first"
        until_true stopped "$first"
        release
        in_order 2
        kill -s CONT "$first"
        in_order 2 1
    done
}

@test "hold -w SECS ends with 75 when its time is over, and not before; the others go on in order" {
    queue_of 2
    start=$(date +%s%N)
    go hold -q -w 0.5 "$F" true
    ends 75
    [ $(($(date +%s%N) - start)) -ge 500000000 ]
    waits 3
    release
    in_order 1 2 3
}

@test "hold --next: 75 at once where somebody waits already, else it waits" {
    hold_bg
    holder=$pid
    waits 1 --next
    go hold -q -w inf --next "$F" true
    ends 75
    waits 2
    release
    in_order 1 2
    hold_bg
    holder=$pid
    waits 3 --next
    release
    in_order 1 2 3
}

@test "hold --next without -w is a usage error" {
    go hold --next "$F" true
    ends 125 '*--next goes with -w alone*'
}

@test "holds without -w that slip in between leave the order of the waiters alone" {
    queue_of 8
    bg sh -c 'until [ -e halt ]; do "$1" hold -q -E 0 "$2" true; done' sh "$P" "$F"
    release
    # shellcheck disable=SC2046
    in_order $(seq 8)
    : >halt
}

@test "a waiter of the module is served among those of hold -w" {
    queue_of 2
    bg "$PY" -ISE -c 'import os, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import procalive
with procalive.hold(sys.argv[2], timeout=60): open("order", "a").write("module\n")' "$LIB" "$F"
    until_true asleep_on "$pid" "$F"
    release
    until_true lines_in_order 3
    same "$(grep -v module order | xargs)" '1 2'
}

@test "waiters wait for a child that outlived the main process of the holder" {
    hold_bg "$F" sh -c 'sleep 300 & echo $! >child; wait'
    holder=$pid child=$(recorded_in child)
    waits 1
    waits 2
    release_main
    [ ! -e order ]
    kill -s KILL "$child"
    in_order 1 2
}

release_main() {
    kill -s KILL "$holder"
    until_true ended "$holder"
    until_true first_waits "$(first_of_queue)"
}

first_of_queue() { sed -n 's/.*POSIX *ADVISORY *WRITE \([0-9]*\) .*/\1/p' <(grep -v -- '->' /proc/locks) | grep -xF "$(printf '%s\n' "${recorded[@]}")"; }

@test "a job that had waited may close every descriptor of the FIFO: the order stays" {
    queue_of 1
    # shellcheck disable=SC2016
    bg "$P" hold -w inf "$F" bash -c 'for f in /proc/$$/fd/*; do
        [ ! "$f" -ef "$PROCALIVE_FIFO" ] || [ "${f##*/}" = "$PROCALIVE_FD" ] || eval "exec ${f##*/}>&-"
    done; echo 2 >>order; until [ -e go ]; do sleep 0.02; done'
    until_true in_queue "$pid"
    waits 3
    waits 4
    release
    until_true lines_in_order 2
    : >go
    in_order 1 2 3 4
}

@test "hold -w works where few descriptors are allowed" {
    hold_bg
    holder=$pid
    bg sh -c 'ulimit -n 64; exec "$@"' sh "$P" hold -w inf "$F" sh -c 'echo 1 >>order'
    until_true in_queue "$pid"
    waits 2
    release
    in_order 1 2
}

@test "a FIFO unlinked while it is waited for: the waiters go on to the new one, one at a time" {
    queue_of 3
    rm "$F"
    release
    in_order_of_any 1 2 3
    go check "$F"
    ends 1
}

@test "a FIFO replaced while it is waited for: whoever reads the new one is waited for too" {
    queue_of 2
    rm "$F"
    mkfifo "$F"
    bg sh -c 'exec sleep 300 <>"$1"' sh "$F"
    reader=$pid
    until_true held "$F"
    release
    for pid in "${pids[@]}"; do until_true asleep_on "$pid" "$F"; done
    [ ! -e order ]
    kill -s KILL "$reader"
    in_order_of_any 1 2
}

# in_order_of_any WORD...: those have run, in whatever order.
in_order_of_any() {
    until_true lines_in_order $#
    same "$(sort order | xargs)" "$*"
}

@test "a FIFO replaced just when a waiter takes it: the waiter goes on to the new one" {
    need strace
    hold_bg
    holder=$pid
    # It is stopped between the opening of the read end and the move of the lock there.
    # shellcheck disable=SC2016
    bg strace -D -f -qqq -o /dev/null -e trace=flock -e inject=flock:signal=STOP:when=3 "$P" hold -w inf "$F" \
        sh -c '[ "/proc/self/fd/$PROCALIVE_FD" -ef "$PROCALIVE_FIFO" ] && echo new >>order'
    until_true in_queue "$pid"
    release
    until_true held "$F"
    [ ! -e order ]
    rm "$F"
    mkfifo "$F"
    kill -s CONT "$pid"
    in_order new
}

@test "hold -w is 125 and names who keeps the lock and does not read, once the holder has ended" {
    hold_bg -s "$F" sleep 300
    holder=$pid
    bg "$PY" -ISE -c 'import fcntl, os, sys, time
w = os.open(sys.argv[1], os.O_WRONLY); fcntl.flock(w, fcntl.LOCK_SH); open("locked", "w"); time.sleep(300)' "$F"
    until_true test -e locked
    locker=$pid
    bg_logged "$P" hold -w inf "$F" true
    until_true has_mark "$pid"
    release
    status=0
    wait "$pid" || status=$?
    same "$status" 125
    [[ $(<stderr) = "procalive: $F: locked by $locker (python3"*"), which does not read it: not held, yet nobody can hold it; end that process" ]]
}

@test "two jobs that wait for each other's FIFO end with their time limits, and not in an error" {
    mkfifo a b
    # By exec, for the mark belongs to the process; a fork of the job has none.
    # shellcheck disable=SC2016
    script='until "$1" check "$2"; do sleep 0.02; done; $3 "$1" hold -q -w 2 "$2" true'
    for exec in exec ''; do
        bg "$P" hold a sh -c "$script" sh "$P" b $exec
        go hold b sh -c "$script" sh "$P" a $exec
        other=0
        wait "$pid" || other=$?
        [[ "$status $other" = @("75 75"|"75 0"|"0 75") ]]
    done
}

@test "a job that waits for one that waits for it sleeps, and goes on when that ends" {
    mkfifo a b
    # shellcheck disable=SC2016
    bg "$P" hold a sh -c 'until "$1" check b; do sleep 0.02; done; exec "$1" hold -w inf b true' sh "$P"
    first=$pid
    # shellcheck disable=SC2016
    bg "$P" hold b sh -c 'until [ -e go ]; do sleep 0.02; done; exec "$1" hold -w inf a true' sh "$P"
    until_true in_queue "$first"
    : >go
    until_true grep -q poll "/proc/$pid/wchan"
    asleep_on "$pid" a
    kill -s KILL "$first"
    wait "$pid"
}

@test "hold -w SECS ends with 75 where the caller blocks SIGALRM, and the job has it blocked too" {
    hold_bg
    holder=$pid
    as=(env --block-signal=ALRM)
    go hold -q -w 0.1 "$F" true
    ends 75
    bg "${as[@]}" "$P" hold -w inf "$F" grep SigBlk /proc/self/status >order
    until_true in_queue "$pid"
    release
    until_true lines_in_order 1
    same "$(<order)" "$(env --block-signal=ALRM grep SigBlk /proc/self/status)"
}

@test "a shared waiter that comes after an exclusive one waits behind it; then shared ones come in together" {
    hold_bg -s "$F" sleep 300
    holder=$pid
    bg "$P" hold -w inf "$F" sh -c 'echo alone >>order'
    until_true has_mark "$pid"
    for word in 1 2; do
        bg "$P" hold -s -w inf "$F" sh -c 'echo shared >>order; until [ -e go ]; do sleep 0.02; done'
        until_true in_queue "$pid"
    done
    release
    in_order alone shared shared
    : >go
}

@test "hold -s -w comes in at once beside readers where nobody waits" {
    hold_bg -s "$F" sleep 300
    go hold -s -w 20 "$F" true
    ends 0
}

@test "hold -o -w and hold --keep -w are served in order" {
    queue_of 1
    bg "$P" hold -o -w inf "$F" sh -c 'echo o >>order'
    until_true in_queue "$pid"
    bg "$P" hold --keep -w inf "$F" sh -c 'echo keep >>order'
    until_true in_queue "$pid"
    waits 4
    release
    in_order 1 o keep 4
}

@test "a waiting hold says once for whom it waits, under -v or on a terminal" {
    hold_bg
    go hold -v -w 0.1 "$F" true
    [[ $stderr = "procalive: $F: waiting for $pid (sleep), which holds it for "*s$'\n'"procalive: $F: held by $pid (sleep)"* ]]
    go hold -w 0.1 "$F" true
    ends 75 "procalive: $F: held by $pid (sleep) for *"
    script -qec "'$P' hold -w 0.1 '$F' true" /dev/null >said </dev/null 2>&1 || true
    same "$(grep -c 'waiting for' said)" 1
}
