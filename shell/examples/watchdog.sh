#!/bin/sh
# watchdog.sh SECS COMMAND [ARG]...: runs COMMAND, and starts it again whenever it has
# not beaten (touch -c "/proc/self/fd/$PROCALIVE_FD") for SECS.  Ends with it when it ends by itself;
# with 75 where the job was that of an earlier watchdog.
set -eu

[ $# -ge 2 ] || {
    echo "usage: watchdog.sh SECS COMMAND [ARG]..." >&2
    exit 2
}

fifo=@watchdog
dog=@watchdog-itself
# One at a time, or a second would watch, and kill, the first one's job.  -o: the job
# does not hold this one, so that a new watchdog can take over where the old was killed.
procalive check --mine "$dog" || exec procalive hold -o "$dog" -- "$(readlink -f -- "$0")" "$@"
age=$1
shift
procalive check --max-age "$age" "$fifo" || [ $? != 2 ] || exit 2 # or its job would run unwatched
while :; do
    procalive hold "$fifo" -- "$@" &
    job=$!
    procalive wait --up -t 10 "$fifo" || [ $? = 124 ] # 124: it was over before we looked
    ended=0
    procalive wait --max-age "$age" "$fifo" || ended=$?
    case $ended in
    0) wait "$job" && exit || exit ;; # with the job's status
    3) procalive kill -k 5 "$fifo" || [ $? = 1 ] ;;
    *) exit "$ended" ;;
    esac
    echo "watchdog.sh: $1 was hung; starting it again" >&2
done
