#!/usr/bin/env bats
# What a boot leaves behind reads "not alive", and can be held at once.

load helper

setup_boot() {
    need_root
    need unshare
}

# boot COMMAND...: a PID namespace, as a machine that can lose its power; $pid is its plug.
boot() { bg unshare --pid --fork --kill-child --mount-proc "$@"; }

# pull_plug: everything in it is killed at once.
pull_plug() {
    kill -s KILL "$pid"
    until_true free "$F"
}

usable_again() {
    checks "$F"
    ends 1
    go hold "$F" echo 'held again'
    ends 0 '' 'held again'
}

@test "after a power cut the FIFO of a holder is dead, and can be held" {
    setup_boot
    boot "$P" hold "$F" sleep 300
    until_true held "$F"
    pull_plug
    usable_again
}

@test "after a power cut the FIFO of a keeper is dead, and can be held" {
    setup_boot
    boot sh -c '"$@" & wait' sh "$P" hold -o "$F" sleep 300
    until_true held "$F"
    pull_plug
    usable_again
}

@test "after a power cut the FIFO of a holder with children is dead, and can be held" {
    setup_boot
    boot "$P" hold "$F" sh -c 'sleep 300 & sleep 300 & wait'
    until_true held "$F"
    pull_plug
    usable_again
}

@test "after a reboot a process with the holder's PID does not pass for it" {
    mkfifo "$F"
    F=other hold_bg
    ln -s "$(readlink other.holder)" "$F.holder"
    usable_again
}

@test "after a reboot a half-made holder link is no hindrance" {
    ln -s /proc/1/fd/701 "$F.holder.new"
    hold_bg
    [ "$F.holder" -ef "$F" ]
    [ ! -L "$F.holder.new" ]
}

@test "in a directory that vanished, as /run does, the FIFO is dead, and can be held when it is back" {
    setup_boot
    mkdir run
    F=$PWD/run/job.fifo
    bg unshare --mount sh -c 'mount -t tmpfs none run && echo >started; exec "$@"' sh "$P" hold "$F" sleep 300
    as=(nsenter --mount --target "$pid")
    until_true "${as[@]}" "$P" check "$F"
    checks "$F"
    ends 0
    "${as[@]}" umount --lazy "$PWD/run"
    checks "$F"
    ends 1
    rmdir run
    checks "$F"
    ends 1
    mkdir run
    usable_again
}

@test "an old FIFO with an old time can be held, and is fresh then" {
    mkfifo "$F"
    touch -d '1970-01-02' "$F"
    usable_again
    hold_bg
    go check --max-age 1m "$F"
    ends 0
}
