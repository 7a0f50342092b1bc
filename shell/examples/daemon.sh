#!/bin/sh
# daemon.sh start COMMAND [ARG]... | stop | status: an init script without a pid file.
set -eu

fifo=@daemon # of the user who runs this, wherever it is run from

stays_up() {
    procalive wait --up -t 10 "$fifo" || return
    procalive wait -t 1 "$fifo" # up for a moment is also what ends at once
    [ $? = 124 ]
}

case ${1-} in
start)
    shift
    command -v -- "${1-}" >/dev/null || { echo "daemon.sh: ${1-}: command not found" >&2 && exit 127; }
    # Two starts at once are no race: one of the two holds quietly fails.
    setsid procalive hold -q "$fifo" -- "$@" </dev/null >/dev/null 2>&1 &
    stays_up || { echo "daemon.sh: $1: did not stay up" >&2 && exit 1; }
    ;;
stop) procalive kill -k 10 "$fifo" || [ $? = 1 ] ;; # 1: it was not running
status) procalive check -v "$fifo" ;;
*)
    echo "usage: daemon.sh start COMMAND [ARG]... | stop | status" >&2
    exit 2
    ;;
esac
