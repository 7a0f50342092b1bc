#!/bin/sh
# One run of this script at a time: it starts itself again under `hold`, which
# says who is in the way, with status 75, where another run still goes on.
set -eu

# The kernel is asked, and not a variable, which would be true for longer than the
# hold.  By its whole path, for $0 has none where the call was `sh reexec.sh`.
procalive check --mine @reexec || exec procalive hold @reexec -- "$(readlink -f -- "$0")" "$@"

sleep "${1:-10}" # the job
