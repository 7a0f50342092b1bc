#!/usr/bin/env bats
# `--max-age SECS`: alive and well, told by the last beat, the FIFO's mtime.

load helper

# last_beat AGO: the holder's.
last_beat() { touch -c -d "$1" "$F"; }

@test "check --max-age exits 0 and is silent when alive and well" {
    hold_bg
    checks --max-age 1h "$F"
    ends 0
}

@test "check --max-age exits 3 and is silent when the last beat is too old" {
    hold_bg
    last_beat '2 hours ago'
    checks --max-age 1h "$F"
    ends 3
    checks --max-age 3h "$F"
    ends 0
    checks "$F"
    ends 0
}

@test "check --max-age exits 1 when nobody holds, however fresh" {
    mkfifo "$F"
    checks --max-age 1h "$F"
    ends 1
    checks --max-age 1h missing
    ends 1
}

@test "check --max-age exits 2 for what is not a FIFO" {
    touch file
    checks --max-age 1h file
    ends 2 'procalive: file: not a FIFO'
}

@test "check --max-age exits 0 again after the job's next beat" {
    hold_bg "$F" sh -c 'until [ -e beat ]; do sleep 0.02; done; touch -c "$PROCALIVE_FIFO"; touch beaten; exec sleep 300'
    last_beat '2 hours ago'
    checks --max-age 1h "$F"
    ends 3
    touch beat
    until_true test -e beaten
    checks --max-age 1h "$F"
    ends 0
}

@test "check --max-age exits 0 for a beat in the future, and for inf" {
    hold_bg
    last_beat tomorrow
    checks --max-age 0 "$F"
    ends 0
    last_beat '1970-01-02'
    checks --max-age inf "$F"
    ends 0
}

@test "check --max-age -v says how old the beat is, on stdout" {
    hold_bg
    last_beat '2 hours ago'
    checks -v --max-age 1h "$F"
    ends 3 '' "$F: alive, but no beat for 2h*"
}

@test "check --max-age of several: 2 before 1 before 3 before 0" {
    hold_bg
    F=well hold_bg
    last_beat '2 hours ago'
    touch file
    checks --max-age 1h "$F" well
    ends 3
    checks --max-age 1h "$F" well missing
    ends 1
    checks --max-age 1h "$F" missing file well
    ends 2 'procalive: file: not a FIFO'
}

@test "check --max-age exits 2 for what is no time" {
    for word in x '' -1 1x nan 1_0 ' 1' 1h30m 0x10; do
        checks --max-age "$word" "$F"
        ends 2 'procalive: check: --max-age: *: not a time (*'
    done
}

@test "check --max-age takes s, m, h and d, fractions and inf" {
    hold_bg
    last_beat '90 seconds ago'
    for word in 80 80.5 80s 1m 1.2m .01h 0.0005d; do
        checks --max-age $word "$F"
        ends 3
    done
    for word in 1000 1000s 20m 1h 1d inf; do
        checks --max-age $word "$F"
        ends 0
    done
}

# --- wait ---

@test "wait --max-age exits 3 at once and is silent when the last beat is too old" {
    hold_bg
    last_beat '2 hours ago'
    go wait --max-age 1h "$F"
    ends 3
    go wait -v --max-age 1h "$F"
    ends 3 "procalive: $F: alive, but no beat for 2h*"
}

@test "wait --max-age exits 3 as soon as a beat is missed" {
    hold_bg
    go wait -t 20 --max-age 0.3 "$F"
    ends 3
}

@test "wait --max-age exits 0 when the holder is gone in time" {
    hold_bg
    local holder=$pid
    bg_logged "$P" wait --max-age 1h "$F"
    until_true asleep_on "$pid" "$F"
    kill -s KILL "$holder"
    returns 0
}

@test "wait --max-age exits 0 at once when nobody holds" {
    mkfifo "$F"
    touch -d '2 hours ago' "$F"
    go wait --max-age 1h "$F"
    ends 0
}

@test "wait --max-age goes on while the beats come" {
    hold_bg
    local holder=$pid before
    last_beat '24 seconds ago'
    bg_logged "$P" wait --max-age 30 "$F"
    until_true asleep_on "$pid" "$F"
    last_beat now
    before=$(switches "$pid")
    until_true woken "$pid" "$before" # at the end of the old beat's time
    kill -s KILL "$holder"
    returns 0
}

woken() { [ "$(switches "$1")" != "$2" ]; }

@test "wait --max-age of several exits 3 when one misses its beat" {
    hold_bg
    F=well hold_bg
    last_beat '2 hours ago'
    go wait --max-age 1h well "$F"
    ends 3
}

@test "wait --max-age -t exits 124 when that comes first" {
    hold_bg
    go wait -t 0.1 --max-age 1h "$F"
    ends 124
}

@test "wait --max-age sleeps until the next possible moment" {
    hold_bg
    bg_logged "$P" wait --max-age 1h "$F"
    until_true asleep_on "$pid" "$F"
    local before
    before=$(switches "$pid")
    sleep 1.5
    same "$(switches "$pid")" "$before"
}

@test "the recipe: a hung job is ended and can be started again" {
    hold_bg "$F" sh -c 'trap "" TERM; touch ready; while :; do sleep 0.02; done'
    until_true test -e ready
    last_beat '3 hours ago'
    "$P" check --max-age 2h "$F" || "$P" kill -k 0.1 "$F"
    go hold "$F" echo restarted
    ends 0 '' restarted
}
