#!/usr/bin/env bats
# `procalive check`.  Every case goes through the launcher and procalive.py alike.

load helper

@test "check exits 0 and is silent while a process holds the FIFO" {
    hold_bg
    checks "$F"
    ends 0
}

@test "check exits 1 and is silent when nobody holds the FIFO" {
    mkfifo "$F"
    checks "$F"
    ends 1
}

@test "check exits 1 when the FIFO is missing, and does not create it" {
    checks "$F"
    ends 1
    [ ! -e "$F" ]
}

@test "check exits 1 when the directory is missing" {
    checks missing/dir/job.fifo
    ends 1
}

@test "check exits 1 for a symbolic link that leads nowhere" {
    ln -s missing link
    checks link
    ends 1
}

@test "check follows a symbolic link: 0 while the FIFO is held, 1 when not" {
    hold_bg
    ln -s "$F" link
    checks link
    ends 0
    end_holder
    checks link
    ends 1
}

@test "check exits 0 for a plain reader that took no lock" {
    mkfifo "$F"
    exec 8<>"$F"
    checks "$F"
    ends 0
}

@test "check does not change the FIFO's times" {
    hold_bg
    local before
    before=$(stat -c '%x %y %z' "$F")
    checks "$F"
    same "$(stat -c '%x %y %z' "$F")" "$before"
}

# --- cannot tell ---

@test "check exits 2 for a regular file, which stays as it is" {
    echo data >file
    checks file
    ends 2 'procalive: file: not a FIFO'
    same "$(cat file)" data
}

@test "check exits 2 for a directory" {
    mkdir dir
    checks dir
    ends 2 'procalive: dir: not a FIFO'
}

@test "check exits 2 for a device" {
    checks /dev/null
    ends 2 'procalive: /dev/null: not a FIFO'
}

@test "check exits 2 for a UNIX socket" {
    "$PY" -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
    checks socket
    ends 2 'procalive: socket: not a FIFO'
}

@test "check exits 2 for a loop of symbolic links" {
    ln -s loop loop
    checks loop
    ends 2 'procalive: loop: Too many levels of symbolic links'
}

@test "check exits 2 for a file where a directory should be" {
    touch file
    checks file/job.fifo
    ends 2 'procalive: file/job.fifo: Not a directory'
}

@test "check exits 2 for a name that is too long" {
    local name
    name=$(printf '%0300d' 0)
    checks "$name"
    ends 2 "procalive: $name: File name too long"
}

@test "check exits 2 for a path that is too long" {
    checks "$(printf './%.0s' {1..3000})job.fifo"
    ends 2 'procalive: ./*: File name too long'
}

@test "check exits 2 for an empty name" {
    checks ''
    ends 2 "procalive: '': No such file or directory"
}

@test "check exits 2 without permission to write, be it held or not" {
    another_user
    hold_bg
    as=("${other[@]}")
    checks "$F"
    ends 2 "procalive: $F: Permission denied: it belongs to root and has mode 0600; run this as root, *"
    end_holder
    checks "$F"
    ends 2 "procalive: $F: Permission denied: it belongs to root *"
}

@test "check exits 2 when a directory on the way may not be searched" {
    another_user
    mkdir -m 0700 secret
    mkfifo -m 0622 secret/job.fifo
    as=("${other[@]}")
    checks secret/job.fifo
    ends 2 'procalive: secret/job.fifo: Permission denied'
}

# --- several, and words about them ---

@test "check of several exits 0 when all are alive" {
    hold_bg
    F=other.fifo hold_bg
    checks "$F" other.fifo "$F"
    ends 0
}

@test "check of several exits 1 when one is dead" {
    hold_bg
    mkfifo dead
    checks "$F" dead
    ends 1
    checks dead "$F"
    ends 1
}

@test "check of several exits 2 when one cannot be told, and tells each such one" {
    hold_bg
    touch file
    checks file "$F" missing /dev/null
    ends 2 $'procalive: file: not a FIFO\nprocalive: /dev/null: not a FIFO'
}

@test "check takes 1,000 FIFOs" {
    mkdir many
    "$PY" -c 'import os; [os.mkfifo(f"many/{n}") for n in range(1000)]'
    checks many/*
    ends 1
    mkdir many/dir
    checks many/*
    ends 2 'procalive: many/dir: not a FIFO'
}

@test "check -v says on stdout who is alive, and who not" {
    hold_bg
    go check -v "$F" missing
    ends 1 '' "$F: alive, held by $pid (sleep) for "*$'\nmissing: no such FIFO'
}

@test "check -v says the same through the launcher and procalive.py" {
    checks -v missing
    ends 1 '' 'missing: no such FIFO'
}

@test "check works with closed standard descriptors" {
    hold_bg
    touch file
    as=(sh -c 'exec "$@" <&- >&- 2>&-' sh)
    checks "$F"
    ends 0
    checks missing
    ends 1
    checks file
    ends 2
}

@test "check exits 1 though the number of a holder that let go is in use again, by a waiter of the same FIFO" {
    mkfifo "$F" orders
    # It held, let go, and waits now for a reader that left no link, with the write end as the same number.
    bg "$PY" -ISE -c 'import os, sys
sys.path.insert(0, os.path.dirname(sys.argv[1])); import procalive
with open("/dev/null"), procalive.hold(sys.argv[2]): pass
open("released", "w").close(); open("orders").read(); procalive.wait(sys.argv[2])' "$LIB" "$F"
    local waiter=$pid reader
    until_true test -e released
    bg sh -c 'exec sleep 300 8<>"$1"' sh "$F"
    reader=$pid
    until_true asleep_on "$reader" "$F"
    : >orders
    until_true asleep_on "$waiter" "$F"
    kill -s STOP "$waiter"
    kill -s KILL "$reader"
    wait "$reader" 2>/dev/null || true
    checks "$F"
    ends 1
    # shellcheck disable=SC2016 # the inner shell's
    go_cmd sh -c '. "$1/shell/procalive.sh"; procalive_guard "$2"' sh "$TOP" "$F"
    ends 0
}
