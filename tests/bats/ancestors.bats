#!/usr/bin/env bats
# A job that takes, or waits for, what it holds itself: told at once.

load helper

# refused PATTERN COMMAND...: 75 at once, from the inner hold.
refused() {
    go_cmd timeout -s KILL 100 "${@:2}"
    # shellcheck disable=SC2053 # a pattern
    if [ "$status" = 75 ] && [[ $stderr = $1 ]]; then return; fi
    printf '%s\n' "status $status" "$stderr"
    return 1
}

@test "hold below a hold of the same FIFO exits 75 at once, with -w too, and names the ancestor" {
    for wait in '' '-w inf' '-w inf --next' '-k 1' '-w 20 -k 1'; do
        # shellcheck disable=SC2086,SC2016 # words; the job's
        refused "procalive: $F: held by your own ancestor [0-9]* (sh)" "$P" hold "$F" \
            sh -c '"$@"; exit $?' sh "$P" hold $wait "$F" touch ran
        [ ! -e ran ]
    done
}

@test "hold --any -w exits 75 at once where ancestors hold all of them, and waits where they hold one" {
    # shellcheck disable=SC2016 # the job's
    refused "procalive: $F: held by your own ancestor [0-9]* (sh)"$'\n'"procalive: other: held by your own ancestor [0-9]* (sh)" \
        "$P" hold "$F" sh -c '"$@"; exit $?' sh "$P" hold -o other sh -c '"$@"; exit $?' sh \
        "$P" hold --any -w inf "$F" other -- touch ran
    [ ! -e ran ]
    hold_bg another sleep 300
    local holder=$pid
    # shellcheck disable=SC2016 # the job's
    bg_logged "$P" hold "$F" sh -c '"$@"; exit $?' sh "$P" hold -v --any -w 100 "$F" another -- true
    until_true grep -q 'waiting for' stderr
    kill -s KILL "$holder"
    wait "$pid"
}

@test "hold below a hold whose descriptor it did not get exits 75 at once" {
    # shellcheck disable=SC2016 # Python
    refused "procalive: $F: held by your own ancestor [0-9]* (python3*)" "$P" hold "$F" "$PY" -c '
import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))' "$P" hold -w inf "$F" true
    # shellcheck disable=SC2016 # the job's
    refused "procalive: $F: held by your own ancestor [0-9]* (sh)" "$P" hold "$F" \
        sh -c 'env -i "$@"; exit $?' sh "$P" hold -w inf "$F" true
}

@test "hold below a job that a keeper keeps exits 75 at once" {
    for option in -o --keep; do
        # shellcheck disable=SC2016 # the job's
        refused "procalive: $F: held by your own ancestor [0-9]* (sh)" "$P" hold $option "$F" \
            sh -c '"$@"; exit $?' sh "$P" hold -w inf "$F" true
    done
}

@test "hold that the kept process itself becomes exits 75 at once" {
    # shellcheck disable=SC2016 # the job's
    go hold -o "$F" sh -c 'exec "$1" hold -w 20 "$2" true' sh "$P" "$F"
    ends 75 "procalive: $F: held by your own ancestor *"
}

@test "hold below sudo of a job exits 75 at once" {
    a_user
    need sudo
    # shellcheck disable=SC2016 # the job's
    refused "procalive: $F: held by your own ancestor [0-9]* (s*)" "${as_root[@]}" "$P" hold "$F" \
        sh -c 'sudo "$@"; exit $?' sh "$P" hold -w inf "$F" true
    refused "procalive: $F: held by your own ancestor [0-9]* (sudo)" "${as_root[@]}" "$P" hold "$F" \
        sudo "$P" hold -w inf "$F" true
}

@test "hold below a shell that holds by --fd exits 75 at once" {
    mkfifo "$F"
    # shellcheck disable=SC2016 # the inner shell's
    refused "procalive: $F: held by your own ancestor [0-9]* (bash)" \
        bash -c 'exec 9<>"$2"; "$1" hold --fd 9 "$2"; "$1" hold -w inf "$2" true 9<&-; exit $?' bash "$P" "$F"
}

@test "hold --fd -w below a hold of the same FIFO exits 75 at once" {
    # shellcheck disable=SC2016 # the job's
    refused "procalive: $F: held by your own ancestor [0-9]* (sh)" "$P" hold "$F" \
        sh -c 'bash -c "exec 9<>\$1; \$2 hold -w inf --fd 9 \$1; exit \$?" bash "$@"; exit $?' sh "$F" "$P"
}

@test "wait below a hold says so under -v, once, and waits on" {
    # shellcheck disable=SC2016 # the job's
    go hold "$F" sh -c '"$@"; exit $?' sh "$P" wait -v -t 0.1 "$F"
    ends 124 "procalive: $F: held by your own ancestor [0-9]* (sh), which cannot end before this wait does"$'\n'"procalive: $F: still there"
    # shellcheck disable=SC2016 # the job's
    go hold "$F" sh -c '"$@"; exit $?' sh "$P" wait -t 0.1 "$F"
    ends 124
}

@test "whoever means to run after the job detaches first: hold -w takes the FIFO after it" {
    # shellcheck disable=SC2016 # the job's
    hold_bg "$F" sh -c 'setsid -f sh -c "echo \$\$ >waiter; exec \"\$@\"" sh "$@" </dev/null >/dev/null 2>&1
        until [ -e go ]; do sleep 0.02; done' sh "$P" hold -w 60 "$F" touch ran
    until_true asleep_on "$(recorded_in waiter)" "$F"
    touch go
    until_true test -e ran
}

@test "a module holder that can release is no such ancestor: hold -w below it takes over" {
    go_cmd "$PY" -ISE - "$LIB" "$P" "$F" <<'PYTHON'
import os, subprocess, sys, time
sys.path.insert(0, os.path.dirname(sys.argv[1])); import procalive
held = procalive.hold(sys.argv[3])
child = subprocess.Popen([sys.argv[2], "hold", "-w", "60", sys.argv[3], "echo", "ran"])
while not procalive.look(sys.argv[3])[sys.argv[3]].watchers: time.sleep(0.02)
held.release()
sys.exit(child.wait())
PYTHON
    ends 0 '' ran
}

@test "a plain reader among the ancestors is none: hold -w waits for it" {
    mkfifo "$F"
    # shellcheck disable=SC2016 # the inner shell's
    go_cmd bash -c 'exec 9<>"$2"; "$1" hold -q -w 0.2 "$2" true 9<&-; exit $?' bash "$P" "$F"
    ends 75
    # shellcheck disable=SC2016 # the inner shell's
    go_cmd bash -c 'exec 9<>"$2"; "$1" hold -w 0.2 "$2" true 9<&-; exit $?' bash "$P" "$F"
    ends 75 "procalive: $F: read by [0-9]* (bash), which does not hold the lock"
}
