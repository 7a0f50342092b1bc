# place.sh: the words of the scripts that readme.bats runs in a root; /srv/line is the README's line.
#
# shellcheck shell=bash

set -Eeu
trap 'echo "failed: $BASH_COMMAND"' ERR
rm -f ~/ran ~/slow ~/ready ~/end

# follow: what the README's line does in a shell of its own.
follow() { timeout 120 sh -c "$(cat /srv/line)"; }

# ends STATUS COMMAND...: it ended so; what it printed is in $printed.
ends() {
    local status=0
    printed=$("${@:2}" 2>&1) || status=$?
    [ "$status" = "$1" ] && return
    printf '%s\n' "status $status, not $1: ${*:2}" "$printed"
    return 1
}

# ended STATUS PID: so did this job of ours, or does within the minute.
ended() {
    local status=0
    until_true over "$2" || return
    wait "$2" || status=$?
    [ "$status" = "$1" ] && return
    echo "status $status, not $1"
    return 1
}

over() { ! kill -0 "$1" 2>/dev/null; }

# slowly: from here on a job stays until ~/slow is gone.
slowly() { touch ~/slow; }

# ran WORD...: these are what the jobs have noted.
ran() { [ -e ~/ran ] && [ "$(xargs <~/ran)" = "$*" ]; }

held() { procalive wait --up -t 60 "$@"; }

# waits @NAME KIND: a process has the write end of the FIFO, and a descriptor of that kind to sleep on.
waits() {
    local fd
    for fd in /proc/[0-9]*/fd; do
        fd=$(ls -l "$fd" 2>/dev/null) || continue
        [[ $fd = *'l-w'*"/${1#@}.fifo"* && $fd = *"anon_inode:[$2]"* ]] && return
    done
    return 1
}

# until_true COMMAND...: wait until it succeeds, for a minute or a little more.
until_true() {
    local tries
    for ((tries = 0; tries < 1200; tries++)); do
        if "$@"; then return; fi
        sleep 0.05
    done
    echo "never came true: $*"
    return 1
}
