#!/usr/bin/env bats
# `hold -k SECS`: the newer run replaces the older one.  `hold --max-age SECS`: no silent skip behind a hung job.

load helper
load queue

# overdue FIFO: its last beat was an hour ago, and its holder is older than a second.
overdue() {
    touch -d '-1 hour' "$1"
    until_true older_than_a_second "$pid"
}

older_than_a_second() { [ "$(ps -o etimes= -p "$1" | tr -d ' ')" -ge 2 ]; }

# --- -k ---

@test "hold -k ends the holder with SIGTERM and takes its place" {
    hold_bg "$F" sh -c 'trap "echo TERM >>order; exit" TERM; : >up; while :; do sleep 0.02; done'
    until_true test -e up
    go hold -k 20 "$F" sh -c 'echo new >>order; exit 7'
    ends 7
    same "$(xargs <order)" 'TERM new'
}

@test "hold -k sends SIGKILL after SECS to one that ignores SIGTERM" {
    hold_bg "$F" sh -c 'trap "" TERM; : >up; while :; do sleep 0.02; done'
    until_true test -e up
    go hold -k 0.2 "$F" echo new
    ends 0 '' new
    until_true ended "$pid"
}

@test "hold -k ends a stopped holder" {
    hold_bg
    kill -s STOP "$pid"
    until_true stopped "$pid"
    go hold -k 20 "$F" echo new
    ends 0 '' new
}

stopped() { [ "$(state_of "$1")" = T ]; }

@test "hold -k ends all shared holders of the moment" {
    hold_bg -s "$F" sleep 300
    one=$pid
    hold_bg -s "$F" sleep 300
    go hold -k 20 "$F" echo new
    ends 0 '' new
    until_true ended "$one"
    until_true ended "$pid"
}

@test "hold -k is 75 and signals nobody where somebody waits already" {
    hold_bg
    holder=$pid
    waits 1
    go hold -k 5 "$F" true
    ends 75 "procalive: $F: held by $holder (sleep) for *"
    [ "$(state_of "$holder")" = S ]
    pid=$holder
    end_holder
    in_order 1
}

@test "hold -k -w stands in the queue and replaces whoever holds when it is first" {
    hold_bg
    holder=$pid
    bg "$P" hold -w inf "$F" sleep 300
    until_true in_queue "$pid"
    next=$pid
    bg "$P" hold -k 20 -w inf "$F" sh -c 'echo 2 >>order'
    until_true in_queue "$pid"
    [ "$(state_of "$holder")" = S ]
    pid=$holder
    end_holder
    in_order 2
    until_true ended "$next"
}

@test "of two that replace at once one runs, the other gets 75, and no third is ended" {
    hold_bg "$F" sh -c 'trap "sleep 1; exit" TERM; : >up; while :; do sleep 0.02; done'
    until_true test -e up
    # shellcheck disable=SC2016
    for word in 1 2; do
        bg sh -c '"$1" hold -q -k 20 "$2" sh -c "echo run >>order; until [ -e go ]; do sleep 0.02; done"; echo $? >>statuses' sh "$P" "$F"
    done
    until_true test -s statuses
    same "$(cat statuses)" 75
    until_true lines_in_order 1
    : >go
    until_true grep -qx 0 statuses
    same "$(xargs <order)" run
}

@test "hold -k is 127 or 126 and signals nobody where the command cannot be run" {
    hold_bg
    go hold -k 60 "$F" nonexistent
    ends 127 "procalive: nonexistent: command not found"
    go hold -w 60 -k 60 "$F" /
    ends 126 "procalive: /: cannot be run: Permission denied"
    kill -0 "$pid"
}

@test "hold -k signals none where not all may be signalled: 125" {
    another_user
    mkfifo -m 0666 "$F"
    hold_bg -s "$F" sleep 300
    roots=$pid
    bg "${other[@]}" "$P" hold -s "$F" sleep 300
    theirs=$pid
    until_true became_command "$pid"
    as=("${other[@]}")
    go hold -k 1 "$F" true
    ends 125 '*'
    [ "$(state_of "$roots")" = S ]
    [ "$(state_of "$theirs")" = S ]
}

@test "hold -k is 75 and says who is left where the FIFO is not free after SIGKILL" {
    beside_reader
    go hold -k 0.1 "$F" touch ran
    ends 75 "procalive: $F: still read by $pid (sleep), which does not hold the lock*"
    same "$(state_of "$pid")" S
    end_holder
    beside_reader
    go hold -q -E 9 -k 0.1 "$F" touch ran
    ends 9
    [ ! -e ran ]
}

# beside_reader: a holder, and a reader that is no heir of the lock, and so not to be signalled.
beside_reader() {
    hold_bg
    bg sh -c 'exec sleep 300 <>"$1"' sh "$F"
    until_true [ "/proc/$pid/fd/0" -ef "$F" ]
}

@test "hold -k signals the main process, and what it leaves holding once it has ended" {
    hold_bg "$F" sh -c '(trap "echo child >>order; exit" TERM; : >up; while :; do sleep 0.02; done) &
        trap "echo told >>order; until [ -e go ]; do sleep 0.02; done; echo ends >>order; exit" TERM
        while :; do sleep 0.02; done'
    until_true test -e up
    bg_logged "$P" hold -k 60 "$F" sh -c 'echo new >>order'
    until_true lines_in_order 1
    sleep 0.2 # time enough for a signal that is not to come
    : >go
    in_order told ends child new
}

# hold_to_replace: a holder that is told to end, by SIGTERM, and ends when there is a file go.
hold_to_replace() {
    hold_bg "$F" sh -c 'trap "echo told >>order; until [ -e go ]; do sleep 0.02; done; exit" TERM; : >up
        while :; do sleep 0.02; done'
    until_true test -e up
}

# stops_when_told COMMAND...: started, and stopped once the holder is told to end.
stops_when_told() {
    bg_logged "$@"
    until_true lines_in_order 1
    kill -s STOP "$pid"
    until_true stopped "$pid"
    : >go
    until_true free "$F"
}

@test "hold -k is 75 where another takes the FIFO before it, which is not signalled" {
    hold_to_replace
    stops_when_told "$P" hold -k 60 "$F" true
    replacer=$pid
    hold_bg
    other=$pid
    kill -s CONT "$replacer"
    status=0
    wait "$replacer" || status=$?
    same "$status" 75
    [[ $(<stderr) = "procalive: $F: held by $other (sleep) for "* ]]
    same "$(state_of "$other")" S
}

@test "hold -k that is held up just when the FIFO is free takes it all the same" {
    hold_to_replace
    stops_when_told "$P" hold -k 60 "$F" echo new
    sleep 1.5 # no time limit is to run here
    kill -s CONT "$pid"
    returns 0 new
}

@test "hold -k -w that left the queue by Ctrl-Z signals nobody before its new turn" {
    hold_bg
    holder=$pid
    in_own_group "$P" hold -w inf "$F" sh -c 'trap "echo signalled >>order" TERM; echo 1 >>order; until [ -e go ]; do sleep 0.02; done'
    until_true in_queue "$pid"
    in_own_group "$P" hold -k 60 -w inf "$F" sh -c 'echo 2 >>order'
    until_true in_queue "$pid"
    until_true attends
    replacer=$pid
    waits 3
    kill -s TSTP "$replacer"
    until_true stopped "$replacer"
    kill -s CONT "$replacer"
    until_true in_queue "$replacer"
    kill -s KILL "$holder"
    in_order 1
    until_true attends
    : >go
    until_true grep -qx 2 order
    same "$(grep -vx 3 order | xargs)" '1 2' # the third may be replaced before it writes
}

# attends: an attendant sleeps until its parent is first.
attends() { grep -q -- "-> OFDLCK .*:$(stat -c %i "$F") " /proc/locks; }

WAIT='import os
try: print(os.wait())
except ChildProcessError: print("no child")'

@test "a job that has waited with -k or --max-age has no child that it did not start" {
    hold_bg
    go hold -k 20 "$F" "$PY" -ISE -c "$WAIT"
    ends 0 '' 'no child'
    hold_bg
    holder=$pid
    bg_logged "$P" hold -w inf --max-age 1h "$F" "$PY" -ISE -c "$WAIT"
    until_true in_queue "$pid"
    kill -s KILL "$holder"
    returns 0 'no child'
}

@test "hold -k below the job itself is 75, and the job lives" {
    # shellcheck disable=SC2016
    go hold "$F" sh -c '"$1" hold -k 5 "$2" true; echo $?' sh "$P" "$F"
    ends 0 '*held by your own ancestor*' 75
}

@test "a waiter that replaces and is killed first signals nobody" {
    hold_bg
    holder=$pid
    waits 1
    bg "$P" hold -k 20 -w inf "$F" true
    until_true in_queue "$pid"
    killed=$pid
    kill -s KILL "$killed"
    until_true ended "$killed"
    until_true no_attendant "$killed"
    [ "$(state_of "$holder")" = S ]
}

no_attendant() { ! pgrep -f -- "hold -k 20 -w inf $F" >/dev/null; }

# --- --max-age ---

@test "hold --max-age is 3 with a line where the holder has missed its beat, with -q and -E too" {
    hold_bg
    overdue "$F"
    go hold --max-age 1 "$F" true
    ends 3 "procalive: $F: held by $pid (sleep) for *, but no beat for 1h*"
    go hold -q -E 0 --max-age 1 "$F" true
    ends 3 '*no beat for*'
}

@test "hold --max-age is 75 beside a holder that is well, that has just started, or whose beat lies ahead" {
    hold_bg
    touch -d '-1 hour' "$F"
    go hold --max-age 10m "$F" true
    ends 75 '*held by*'
    overdue "$F"
    touch "$F"
    go hold -E 9 --max-age 1h "$F" true
    ends 9 '*held by*'
    touch -d '+1 hour' "$F"
    go hold --max-age 1 "$F" true
    ends 75 '*in the future*'
    go hold -k 1 --max-age 1 "$F" true
    ends 75 '*in the future*'
    [ "$(state_of "$pid")" = S ]
}

@test "hold -w --max-age is 3 as soon as the beat is missed" {
    hold_bg
    overdue "$F"
    go hold -w inf --max-age 1 "$F" true
    ends 3 '*no beat for*'
}

@test "hold -w --max-age is 3 also where a hold has slipped in before it and misses its beat" {
    hold_bg "$F" sh -c 'until [ -e go ]; do sleep 0.02; done'
    bg_logged "$P" hold -w inf --max-age 3 "$F" true
    until_true in_queue "$pid"
    waiter=$pid
    kill -s STOP "$waiter"
    : >go
    until_true free "$F"
    hold_bg # never beats
    kill -s CONT "$waiter"
    pid=$waiter
    status=0
    wait "$pid" || status=$?
    same "$status" 3
}

@test "hold -w --max-age that takes the FIFO neither tells nor replaces itself for the last holder's beat" {
    need strace
    for words in '' '-k 60'; do
        hold_bg
        holder=$pid
        touch -d '+1 hour' "$F" # no answer: it waits on
        # Stopped when it reads, and has not beaten yet.
        # shellcheck disable=SC2086 # words
        bg_logged strace -D -qqq -o /dev/null -e trace=flock -e inject=flock:signal=STOP:when=3 \
            "$P" hold -w inf $words --max-age 1 "$F" echo ran
        until_true in_queue "$pid"
        kill -s KILL "$holder"
        until_true held "$F"
        touch -d '-1 hour' "$F"
        until_true attendant_ended "$pid"
        kill -s CONT "$pid"
        returns 0 ran
    done
}

@test "hold -k that takes the FIFO is not overtaken by itself" {
    need strace
    hold_bg
    holder=$pid
    bg_logged strace -D -qqq -o /dev/null -e trace=flock -e inject=flock:signal=STOP:when=3 "$P" hold -k 60 "$F" echo ran
    until_true ended "$holder"
    until_true held "$F"
    until_true attendant_ended "$pid"
    kill -s CONT "$pid"
    returns 0 ran
}

@test "hold -w --max-age waits on beside a beat in the future" {
    hold_bg
    holder=$pid
    touch -d '+1 hour' "$F"
    until_true older_than_a_second "$pid"
    bg_logged "$P" hold -w inf --max-age 1 "$F" echo ran
    attendant=$(attendant_of "$pid")
    until_true asleep_on "$attendant" "$F"
    kill -s KILL "$holder"
    returns 0 ran
}

@test "hold -w --max-age is 3 once a beat in the future has passed and no other has come" {
    hold_bg
    touch -d '+2 seconds' "$F"
    until_true older_than_a_second "$pid"
    touch -d '+2 seconds' "$F"
    go hold -w inf --max-age 1 "$F" true
    ends 3 '*no beat for*'
}

# attendant_of PID: the child of a waiter.
attendant_of() {
    until_true in_queue "$1"
    ps -o pid= --ppid "$1" | tr -d ' '
}

attendant_ended() { [[ $(ps -o stat= --ppid "$1") = Z* ]]; }

@test "of several waiters with --max-age only the first looks" {
    hold_bg
    waits 1
    bg_logged "$P" hold -w inf --max-age 1 "$F" true
    until_true in_queue "$pid"
    overdue "$F"
    [ "$(state_of "$pid")" = S ]
    same "$(<stderr)" ''
}

@test "hold -k --max-age replaces an overdue holder, and no other" {
    hold_bg
    go hold -k 20 --max-age 1h "$F" true
    ends 75 '*held by*'
    overdue "$F"
    go hold -k 20 --max-age 1 "$F" echo new
    ends 0 '' new
}

@test "Ctrl-C of a waiter with --max-age says nothing and leaves nothing behind" {
    hold_bg
    holder=$pid
    go_cmd timeout -s INT 1 "$P" hold -w inf --max-age 1h "$F" true
    ends 124
    until_true alone
    [ "$(state_of "$holder")" = S ]
}

alone() { ! pgrep -f -- "hold -w inf --max-age 1h $F" >/dev/null; }

@test "Ctrl-C of a waiter with --max-age says nothing, whichever of its two processes gets it first" {
    hold_bg
    bg_logged "$P" hold -w inf --max-age 1h "$F" true
    until_true in_queue "$pid"
    attendant=$(attendant_of "$pid")
    until_true asleep_on "$attendant" "$F"
    kill -s INT "$attendant"
    until_true attendant_ended "$pid"
    kill -s INT "$pid"
    returns 130
}

@test "a waiter with --max-age that ignores Ctrl-C, as a shell's background jobs do, ignores it whole" {
    hold_bg
    bg env --ignore-signal=INT "$P" hold -w inf --max-age 1h "$F" true
    attendant=$(attendant_of "$pid")
    until_true asleep_on "$attendant" "$F"
    kill -s INT "$attendant" "$pid"
    kill -s STOP "$attendant"
    until_true stopped "$attendant"
    same "$(state_of "$pid")" S
}
