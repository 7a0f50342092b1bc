#!/bin/sh
# stage.sh NAME AFTER COMMAND [ARG]...: a stage of a pipeline of jobs.  Runs COMMAND
# as stage NAME once stage AFTER is over, however that ended; waits asleep, for an hour.
# Both are names without the @.
set -eu

[ $# -ge 3 ] || {
    echo "usage: stage.sh NAME AFTER COMMAND [ARG]..." >&2
    exit 2
}

name=$1
procalive wait -t 1h "@$2" # at once, if that stage is not running
shift 2
exec procalive hold "@$name" -- "$@"
