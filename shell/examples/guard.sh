#!/bin/sh
# One run at a time from here on: the shell itself becomes the holder, so what
# stands above may run as often as it likes.  WAIT gives another run time to end.
set -eu
# shellcheck source=shell/procalive.sh
. "${PROCALIVE_SH:-/usr/local/share/procalive/procalive.sh}"

fifo=${XDG_RUNTIME_DIR:-/run}/guard.fifo
if ! procalive_guard "$fifo" "${WAIT:-0}"; then
    echo "guard.sh: another run goes on, or $fifo cannot be held" >&2
    exit 75
fi

# A child that outlives this script shall not keep the FIFO: it lets go of its copy.
(procalive_release && exec sleep "${1:-10}") &
child=$!
procalive_beat
wait "$child"
