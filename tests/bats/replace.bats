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
    bg "$P" hold -w inf "$F" sh -c 'echo 1 >>order; exec sleep 300'
    until_true in_queue "$pid"
    bg "$P" hold -k 20 -w inf "$F" sh -c 'echo 2 >>order'
    until_true in_queue "$pid"
    [ "$(state_of "$holder")" = S ]
    pid=$holder
    end_holder
    in_order 1 2
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
