#!/bin/sh
# One run at a time from here on: the shell itself becomes the holder, so what
# stands above may run as often as it likes.  WAIT gives another run time to end.
set -eu
# shellcheck source=/dev/null
. "${PROCALIVE_SH:-/usr/local/share/procalive/procalive.sh}"

procalive_guard @guard "${WAIT:-0}" || {
    refusal=$? # 75 another holds, 2 cannot tell: not the same
    [ "$refusal" != 75 ] || echo "guard.sh: another run goes on" >&2
    exit "$refusal"
}

# A child that outlives this script shall not keep the FIFO: it lets go of its copy.
(procalive_release && exec sleep "${1:-10}") &
child=$!
procalive_beat
wait "$child"
