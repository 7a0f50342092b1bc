#!/usr/bin/env bats
# `--max-age SECS`: alive and well, told by the last beat, the FIFO's mtime, of a
# holder that is not younger than that itself.

load helper

# last_beat WHEN: the holder's.
last_beat() { touch -c -d "$1" "$F"; }

# hold_for HUNDREDTHS: a holder that has run for longer; its last beat was two hours ago.
hold_for() {
    hold_bg
    until_true older "$1" "$pid"
    last_beat '2 hours ago'
}

older() {
    local up stat
    read -r up _ </proc/uptime
    read -r stat <"/proc/$2/stat"
    read -ra stat <<<"${stat##*) }"
    [ $((${up/./} - stat[19])) -gt "$1" ]
}

# hold_beating FIFO: a holder that beats all the time.
hold_beating() {
    # shellcheck disable=SC2016 # the job's
    hold_bg "$1" sh -c 'while :; do touch -c "$PROCALIVE_FIFO"; sleep 0.02; done'
}

@test "check --max-age exits 0 and is silent when alive and well" {
    hold_bg
    checks --max-age 1h "$F"
    ends 0
}

@test "check --max-age exits 3 and is silent when the last beat is too old" {
    hold_for 20
    checks --max-age 0.2 "$F"
    ends 3
    checks "$F"
    ends 0
}

@test "check --max-age exits 0 for a holder that is younger than that, whatever its last beat" {
    hold_bg
    for beat in '2 days ago' '1970-01-02' 'tomorrow'; do
        last_beat "$beat"
        checks --max-age 1h "$F"
        ends 0
    done
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
    # shellcheck disable=SC2016 # the job's
    hold_bg "$F" sh -c 'until [ -e beat ]; do sleep 0.02; done; while :; do touch -c "$PROCALIVE_FIFO"; touch beaten; sleep 0.02; done'
    last_beat '2 hours ago'
    until_true older 100 "$pid"
    checks --max-age 1 "$F"
    ends 3
    touch beat
    until_true test -e beaten
    checks --max-age 1 "$F"
    ends 0
}

@test "check --max-age exits 2 and names a beat in the future, for inf too" {
    hold_bg
    last_beat tomorrow
    checks --max-age 0 "$F"
    ends 2 "procalive: $F: the last beat is * in the future: *"
    last_beat '1970-01-02'
    checks --max-age inf "$F"
    ends 0
}

@test "check --max-age -v says how old the beat is, on stdout" {
    hold_for 20
    checks -v --max-age 0.2 "$F"
    ends 3 '' "$F: alive, but no beat for 2h*"
}

@test "check --max-age of several: 2 before 1 before 3 before 0" {
    hold_beating well
    hold_for 100
    touch file
    checks --max-age 1 "$F" well
    ends 3
    checks --max-age 1 "$F" well missing
    ends 1
    checks --max-age 1 "$F" missing file well
    ends 2 'procalive: file: not a FIFO'
}

@test "check --max-age of several counts the youngest of the holders" {
    hold_bg -s "$F" sleep 300
    until_true older 400 "$pid"
    last_beat '2 hours ago'
    checks --max-age 4 "$F"
    ends 3
    hold_bg -s "$F" sleep 300
    last_beat '2 hours ago'
    checks --max-age 4 "$F"
    ends 0
}

@test "check --max-age exits 2 for what is no time" {
    for word in x '' -1 1x nan 1_0 ' 1' 1h30m 0x10; do
        checks --max-age "$word" "$F"
        ends 2 'procalive: check: --max-age: *: not a time (*'
    done
}

@test "check --max-age takes s, m, h and d, fractions and inf" {
    hold_for 40
    for word in 0.1 0.1s .3 .005m .0001h 0.000003d 0; do
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
    hold_for 20
    go wait --max-age 0.2 "$F"
    ends 3
    go wait -v --max-age 0.2 "$F"
    ends 3 "procalive: $F: alive, but no beat for 2h*"
}

@test "wait --max-age exits 3 as soon as a beat is missed" {
    hold_bg
    go wait -t 20 --max-age 0.3 "$F"
    ends 3
}

@test "wait --max-age gives a young holder the time that it has: 3 once that is over" {
    hold_bg
    last_beat '2 hours ago'
    bg_logged "$P" wait -t 20 --max-age 1.5 "$F"
    until_true asleep_on "$pid" "$F"
    returns 3
}

@test "wait --max-age exits 2 and names a beat in the future" {
    hold_for 20
    last_beat tomorrow
    go wait --max-age 0.2 "$F"
    ends 2 "procalive: $F: the last beat is * in the future: *"
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
    hold_beating well
    hold_for 100
    go wait --max-age 1 well "$F"
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

# --- hold ---

@test "hold --max-age exits 3 and says so when the holder has missed its beat, with -q and -E too" {
    hold_for 20
    for option in '' -q '-E 9' '-q -E 0'; do
        # shellcheck disable=SC2086 # words
        go hold $option --max-age 0.2 "$F" touch ran
        ends 3 "procalive: $F: held by $pid (sleep) for *, but no beat for 2h*"
    done
    [ ! -e ran ]
}

@test "hold --max-age exits 75 as ever while the holder is well, or is young" {
    hold_beating "$F"
    until_true older 100 "$pid"
    go hold --max-age 1 "$F" touch ran
    ends 75 "procalive: $F: held by $pid (sh) for *"
    go hold -q -E 9 --max-age 1 "$F" touch ran
    ends 9
    end_holder
    hold_bg
    last_beat '2 hours ago'
    go hold --max-age 1h "$F" touch ran
    ends 75 "procalive: $F: held by $pid (sleep) for *"
    [ ! -e ran ]
}

@test "hold --max-age exits 75 with a line for a beat in the future, and -k replaces nobody" {
    hold_for 20
    last_beat tomorrow
    for option in '' '-k 0' -q; do
        # shellcheck disable=SC2086 # words
        go hold $option --max-age 0.2 "$F" touch ran
        ends 75 "procalive: $F: *the last beat is * in the future: *"
    done
    kill -0 "$pid"
    [ ! -e ran ]
}

@test "hold -w --max-age exits 3 as soon as the holder misses its beat" {
    hold_bg
    go hold -w 60 --max-age 0.3 "$F" touch ran
    ends 3 "procalive: $F: *no beat for *"
    [ ! -e ran ]
}

@test "hold -w --max-age takes the FIFO of a holder that ends in time" {
    hold_bg
    local holder=$pid
    bg_logged "$P" hold -w 60 --max-age 1h "$F" sh -c 'echo ran'
    until_true asleep_on "$pid" "$F"
    kill -s KILL "$holder"
    returns 0 ran
}

@test "hold -k --max-age replaces a holder that has missed its beat, and no other" {
    hold_for 20
    go hold -k 10 --max-age 1h "$F" touch ran
    ends 75 "procalive: $F: held by $pid (sleep) for *"
    kill -0 "$pid"
    go hold -k 10 --max-age 0.2 "$F" echo ran
    ends 0 '*' ran
    until_true ended "$pid"
}

@test "the recipe: a hung job is ended and can be started again" {
    hold_bg "$F" sh -c 'trap "" TERM; touch ready; while :; do sleep 0.02; done'
    until_true test -e ready
    until_true older 20 "$pid"
    last_beat '3 hours ago'
    "$P" check --max-age 0.2 "$F" || "$P" kill -k 0.1 "$F"
    go hold "$F" echo restarted
    ends 0 '' restarted
}

# --- a clock that steps ---

@test "the clock stepped on after a job began: check and hold --max-age take it for well" {
    need faketime
    # shellcheck disable=SC2016 # the job's
    bg faketime -f -3h "$P" hold "$F" sh -c 'touch -c "$PROCALIVE_FIFO"; touch ready; exec sleep 300'
    until_true test -e ready
    checks --max-age 2h "$F"
    ends 0
    go hold -q --max-age 2h "$F" true
    ends 75
    go kill -k 10 "$F"
}

@test "the clock was set back after a beat: check --max-age exits 2 once the holder is not young" {
    need faketime
    # shellcheck disable=SC2016 # the job's
    bg faketime -f +3h "$P" hold "$F" sh -c 'touch -c "$PROCALIVE_FIFO"; touch ready; exec sleep 300'
    until_true test -e ready
    checks --max-age 2h "$F"
    ends 0
    until_true older 20 "$pid"
    checks --max-age 0.2 "$F"
    ends 2 "procalive: $F: the last beat is 2h59m in the future: *"
    go kill -k 10 "$F"
}

@test "the clock steps while a wait sleeps: it counts on the boot clock since its last look, and goes on" {
    need faketime
    hold_beating "$F"
    local holder=$pid before
    until_true older 200 "$pid"
    echo +0 >clock
    # The clock of the waiter alone; that of the boot and the times of files stay.
    bg_logged env LD_PRELOAD="$(faketime -f +0 printenv LD_PRELOAD)" FAKETIME_TIMESTAMP_FILE="$PWD/clock" \
        FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1 \
        "$PY" -ISE "$LIB" wait --max-age 2 "$F"
    until_true asleep_on "$pid" "$F"
    echo +3h >clock
    before=$(switches "$pid")
    until_true woken "$pid" "$before"
    until_true asleep_on "$pid" "$F"
    kill -s KILL "$holder"
    returns 0
}

# --- a beat that cannot be made ---

@test "a first beat that cannot be made is no missed beat: on a read-only mount, and without permission" {
    need_root
    need unshare
    mkdir dir
    mkfifo dir/f
    touch -d '1 day ago' dir/f
    # shellcheck disable=SC2016 # the inner shell's
    bg unshare --mount sh -c 'mount --bind dir dir && mount -o remount,ro,bind dir && cd "$2/dir" && exec "$1" hold f sleep 300' sh "$P" "$PWD"
    until_true held dir/f
    checks --max-age 1h dir/f
    ends 0
}
