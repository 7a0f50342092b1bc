#!/usr/bin/env bats
# `hold --any FIFO... -- COMMAND`: at most N at once.

load helper
load queue

@test "hold --any takes the first FIFO that is free, and PROCALIVE_FIFO says which" {
    hold_bg a sleep 300
    # shellcheck disable=SC2016
    go hold --any a b c -- sh -c 'echo "${PROCALIVE_FIFO##*/}"'
    ends 0 '' b
}

@test "hold --any is 75 where all are held, and says by whom; with --max-age 3 if one is overdue" {
    hold_bg a sleep 300
    hold_bg b sleep 300
    go hold --any a b -- true
    ends 75 $'procalive: a: held by *\nprocalive: b: held by *'
    go hold -q -E 0 --any a b -- true
    ends 0
    touch -d '-1 hour' b
    sleep_until_old
    go hold -q --any --max-age 1 a b -- true
    ends 3 'procalive: [ab]: *no beat for*'
}

sleep_until_old() { until_true older_than_a_second "$pid"; }
older_than_a_second() { [ "$(ps -o etimes= -p "$1" | tr -d ' ')" -ge 2 ]; }

@test "hold --any -w takes the one that is let go first" {
    hold_bg a sleep 300
    hold_bg b sleep 300
    # shellcheck disable=SC2016
    bg "$P" hold -w inf --any a b -- sh -c 'echo "${PROCALIVE_FIFO##*/}" >>order'
    F=$PWD/b
    until_true asleep_on "$pid" b
    kill -s KILL "${recorded[1]}"
    in_order b
}

# any_waits WORD: one that waits at a and b.
any_waits() {
    in_own_group "$P" hold -w inf --any a b -- sh -c 'echo "$1" >>order' sh "$1"
    until_true asleep_on "$pid" "${2-a}"
}

@test "waiters of hold --any are served in the order of their coming" {
    hold_bg a sleep 300
    hold_bg b sleep 300
    holder=$pid
    any_waits 1 b
    for word in 2 3 4 5; do
        any_waits $word
        until_true in_line "$pid"
    done
    kill -s KILL "$holder"
    in_order 1 2 3 4 5
}

in_line() { grep -q -- '-> OFDLCK .*' /proc/locks && grep -q setlk "/proc/$1/wchan"; }

@test "Ctrl-Z of the first waiter of hold --any holds up nobody" {
    hold_bg a sleep 300
    hold_bg b sleep 300
    holder=$pid
    any_waits 1 b
    first=$pid
    any_waits 2
    until_true in_line "$pid"
    kill -s TSTP "$first"
    until_true asleep_on "$pid" b
    kill -s KILL "$holder"
    in_order 2
    kill -s CONT "$first"
    in_order 2 1
}

@test "hold --any -w is 75 when the time is over" {
    hold_bg a sleep 300
    go hold -q -w 0.2 --any a -- true
    ends 75
}

@test "hold --any -w --next is 75 at once where another waits for the same FIFOs" {
    hold_bg a sleep 300
    hold_bg b sleep 300
    any_waits 1 b
    go hold -q -w inf --next --any a -- true
    ends 75
}

@test "hold --any -w --max-age is 3 as soon as one of them misses its beat, and waits on beside a beat in the future" {
    hold_bg a sleep 300
    hold_bg b sleep 300
    holder=$pid
    until_true older_than_a_second "$pid"
    touch -d '+1 hour' a b
    bg_logged "$P" hold -w inf --any --max-age 1 a b -- echo ran
    until_true grep -q poll "/proc/$pid/wchan"
    kill -s KILL "$holder"
    returns 0 ran
    hold_bg b sleep 300
    go hold -q -w inf --any --max-age 1 a b -- true
    ends 3 'procalive: b: *no beat for *'
}

@test "hold --any -w says once for whom it waits, under -v" {
    hold_bg a sleep 300
    holder=$pid
    hold_bg b sleep 300
    go hold -v -w 0.1 --any a b -- true
    [[ $stderr = "procalive: a: waiting for $holder (sleep), which holds it for "*s", or for another of 2"$'\n'* ]]
    same "$(grep -c 'waiting for' <<<"$stderr")" 1
}

@test "hold --any -w passes over what cannot be held, be it named first, and waits for the rest" {
    echo data >file
    hold_bg a sleep 300
    holder=$pid
    bg_logged "$P" hold -w inf --any file a -- echo ran
    until_true asleep_on "$pid" a
    until_true grep -q poll "/proc/$pid/wchan"
    kill -s KILL "$holder"
    returns 0 ran 'procalive: file: not a FIFO but a regular file; if it is an old lock file that nothing uses, remove it'
}

@test "hold --any -w that a job becomes lets go of what the job held" {
    hold_bg b sleep 300
    # shellcheck disable=SC2016 # the job's
    go hold a sh -c 'exec "$1" hold -w 60 --any a b -- sh -c "echo \${PROCALIVE_FIFO##*/}"' sh "$P"
    ends 0 '' a
}

@test "hold --any names what cannot be held and uses the rest; with none left 125" {
    echo data >file
    go hold --any file b -- echo ran
    ends 0 'procalive: file: not a FIFO but a regular file*' ran
    go hold --any file nowhere/x -- echo ran
    ends 125 '*file: not a FIFO*'
    [ "$(cat file)" = data ]
}

@test "hold --any without --, with one FIFO twice, with -k, -c or --fd is a usage error" {
    go hold --any a b true
    ends 125 '*--any takes FIFOs, then -- and a command*'
    mkfifo a
    ln a again
    for twin in a ./a again; do
        go hold --any a $twin -- true
        ends 125 '*are one FIFO*'
    done
    go hold --any -k 1 a -- true
    ends 125 '*--any does not go with -k*'
    go hold --any a -c true
    ends 125 '*--any takes FIFOs*'
    go hold --any --fd 9 a -- true
    ends 125 '*--any does not go with --fd*'
}

@test "at most 2 of 8 run at once with hold --any -w" {
    for _ in 1 2 3 4 5 6 7 8; do
        bg sh -c '"$1" hold -w inf --any a b -- sh -c "mkdir \${PROCALIVE_FIFO##*/}.in || echo two >>wrong; sleep 0.05; rmdir \${PROCALIVE_FIFO##*/}.in"; echo done >>order' sh "$P"
    done
    until_true lines_in_order 8
    [ ! -e wrong ]
}

@test "two names of one FIFO that is still to be made are one FIFO too: 125, and nothing is made" {
    go hold --any new.fifo ./new.fifo -- true
    ends 125 '*are one FIFO*'
    [ ! -e new.fifo ]
}
