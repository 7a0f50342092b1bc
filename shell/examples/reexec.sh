#!/bin/sh
# One run of this script at a time: it starts itself again under `hold`, which
# says who is in the way, with status 75, where another run still goes on.
set -eu

fifo=${XDG_RUNTIME_DIR:-/run}/reexec.fifo
# Compared by name: the caller may be a job that holds a FIFO of its own.  By its
# whole path, for $0 has none where the call was `sh reexec.sh`.
[ "${PROCALIVE_FIFO-}" = "$fifo" ] || exec procalive hold "$fifo" -- "$(readlink -f -- "$0")" "$@"

sleep "${1:-10}" # the job
