# shellcheck shell=bash disable=SC2016,SC2034 # scripts for other shells are quoted; the tests use the variables
# Shared by tests/shell/*.bats.  Every test has a directory of its own, and ends
# the processes that it started.

top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
# As they are, and as strict as they can be made.
shells=(dash bash "bash --posix" zsh "zsh --emulate sh" ksh93 mksh yash "yash -o posixlycorrect" "busybox sh")

setup() { shared_setup; }

shared_setup() {
    cd "$BATS_TEST_TMPDIR" || return
    PATH=$top/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
    export PROCALIVE_SH=$top/shell/procalive.sh
    unset PROCALIVE_FIFO PROCALIVE_FD PROCALIVE_GUARD_FD
    started=()
}

teardown() {
    local group
    for group in "${started[@]}"; do kill -KILL -- "-$group" 2>/dev/null || true; done
}

# start COMMAND...: in the background, to be ended with the test and with all its
# children; $! is its PID.
start() {
    set -m # a process group of its own
    "$@" 3>&- &
    set +m
    started+=($!)
    disown # or bash reports how it ended
}

# soon COMMAND...: within ten seconds it shall succeed.
soon() {
    local tries
    for tries in {1..200}; do
        "$@" 2>/dev/null && return
        sleep 0.05
    done
    echo "never came true ($tries tries): $*"
    return 1
}

# hold FIFO: somebody holds it, and has left the link.
hold() {
    start procalive hold "$1" -- sleep 300
    soon test "$1.holder" -ef "$1"
}

need() {
    command -v "$1" >/dev/null || skip "no $1 here"
}

need_root() {
    [ "$(id -u)" = 0 ] || skip "needs root"
}

# here SHELL: it can be had.
here() { command -v "${1%% *}" >/dev/null; }

# invoke SHELL: the command line of that shell in `words`.
invoke() {
    read -ra words <<<"$1"
    [ "${words[0]}" != zsh ] || words+=(-f)
}

# `stay` blocks without a child that could outlive the shell.
prelude='set -eu; . "$PROCALIVE_SH"; st() { if "$@"; then printf "0 "; else printf "%s " "$?"; fi; }
stay() { [ -p block ] || mkfifo block; read -r line <block; }'

# sh_run SHELL SCRIPT [ARG]...: with the library, under set -eu; `st COMMAND` prints its status.
# Without 10, which the shells themselves use first, whatever we have inherited.
sh_run() {
    invoke "$1"
    timeout --foreground 60 "${words[@]}" -c "$prelude; $2" "$1" "${@:3}" 3>&- 10>&-
}

# every_shell EXPECTED SCRIPT [ARG]...: what it writes, errors included, in each shell that is here.
every_shell() {
    local shell actual failed=0
    for shell in "${shells[@]}"; do
        here "$shell" || continue
        actual=$(sh_run "$shell" "${@:2}" 2>&1) || echo "$shell: status $?"
        [ "$actual" = "$1" ] && continue
        printf '%s: expected: %s\n%s: wrote: %s\n' "$shell" "$1" "$shell" "$actual"
        failed=1
    done
    return $failed
}

# tools NAME...: a directory of these and procalive alone, for a PATH that lacks the others.
tools() {
    local name
    mkdir -p tools
    for name in '[' echo printf "$@"; do # strict, yash has these only where PATH has them
        ln -sf "$(type -P "$name")" "tools/$name"
    done
    # The launcher itself needs a whole PATH.
    printf '#!/bin/sh\nPATH=%s exec %s/bin/procalive "$@"\n' "$PATH" "$top" >tools/procalive
    chmod +x tools/procalive
}
