#!/bin/sh
# watchdog.sh SECS COMMAND [ARG]...: runs COMMAND, and starts it again whenever it has
# not beaten (touch -c "$PROCALIVE_FIFO") for SECS.  Ends with it when it ends by itself.
set -eu

fifo=${XDG_RUNTIME_DIR:-/run}/watchdog.fifo
age=$1
shift
while :; do
    procalive hold "$fifo" -- "$@" &
    job=$!
    procalive wait --up -t 10 "$fifo" || [ $? = 124 ] # 124: it was over before we looked
    status=0
    procalive wait --max-age "$age" "$fifo" || status=$?
    case $status in
    0) wait "$job" && exit || exit ;; # with the job's status
    3) procalive kill -k 5 "$fifo" || [ $? = 1 ] ;;
    *) exit "$status" ;;
    esac
    echo "watchdog.sh: $1 was hung; starting it again" >&2
done
