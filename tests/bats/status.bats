#!/usr/bin/env bats
# `procalive wait --status`: how the holder ended, for anybody who asks.

load helper

setup_status() {
    "$PY" -ISE - "$LIB" <<'PYTHON' || skip "this kernel does not tell (before Linux 6.15)"
import os, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import procalive
child = os.posix_spawn("/bin/true", ["true"], {})
pidfd = os.pidfd_open(child)
os.waitpid(child, 0)
sys.exit(procalive._exit_status(pidfd, 0) != 0)
PYTHON
}

# job STATUS [OPTION]...: a holder that ends with STATUS, or by that signal, when let go.
job() {
    hold_bg "${@:2}" "$F" sh -c 'until [ -e go ]; do sleep 0.02; done
        case $1 in [0-9]*) exit $1 ;; *) kill -s $1 $$ ;; esac' sh "$1"
}

# wait_bg ARG...: `wait --status ARG...`, asleep; $pid is its PID.
wait_bg() {
    bg_logged "${as[@]}" "$P" wait --status "$@"
    until_true asleep_on_process "$pid"
}

@test "wait --status exits with the holder's status" {
    setup_status
    for code in 0 1 2 7 255; do
        rm -f go
        job $code
        wait_bg "$F"
        touch go
        returns $code
    done
}

@test "wait --status exits with 128 and the signal that ended the holder" {
    setup_status
    for signal in TERM KILL SEGV; do
        rm -f go
        job $signal
        wait_bg "$F"
        touch go
        returns $((128 + $(kill -l $signal)))
    done
}

@test "wait --status exits with the status of the job, not of its keeper" {
    setup_status
    job 7 -o
    wait_bg "$F"
    touch go
    returns 7
}

@test "wait --status exits with the main process's status, though a child lives on" {
    setup_status
    hold_bg "$F" sh -c 'sleep 300 & echo $! >child; until [ -e go ]; do sleep 0.02; done; exit 8'
    local holder=$pid child
    child=$(recorded_in child)
    record_pid "$child"
    wait_bg "$F"
    touch go
    until_true ended "$holder"
    kill -s KILL "$child"
    returns 8
}

@test "wait --status tells any number of waiters" {
    setup_status
    job 9
    local waiters=()
    for n in {1..5}; do
        wait_bg "$F"
        waiters+=("$pid")
    done
    touch go
    for pid in "${waiters[@]}"; do returns 9; done
}

# not_known ARG...: `wait --status ARG...` of ${as[@]}, asleep; after `touch go` it exits 125 and says so.
not_known() {
    bg_logged "${as[@]}" "$P" wait --status "$@"
    until_true asleep_on "$pid" "$F"
    touch go
    returns 125 '' "procalive: $F: gone, but how it ended is not known (see --status in procalive(1))"
}

@test "wait --status exits 125 to another user, who may not see who holds" {
    setup_status
    another_user
    hold_bg -m 0622 "$F" sh -c 'until [ -e go ]; do sleep 0.02; done; exit 6'
    as=("${other[@]}")
    not_known "$F"
}

@test "wait --status exits 125 where the main process is another user's, though a child is not" {
    setup_status
    another_user
    # As a server of root's with a worker, which holds too, and which is all that its user can see.
    # shellcheck disable=SC2016 # the job's
    hold_bg -m 0622 "$F" sh -c '"$@" & until [ -e go ]; do sleep 0.02; done; kill $!; exit 6' sh "${other[@]}" sleep 300
    until_true eval '"${other[@]}" "$P" kill -s 0 "$F" 2>&1 | grep -q "held, but by $pid "'
    as=("${other[@]}")
    not_known "$F"
}

@test "wait --status exits 125 where /proc hides the main process and a child can be seen" {
    setup_status
    another_user
    # shellcheck disable=SC2016 # the job's
    hold_bg -m 0622 "$F" sh -c '"$@" & until [ -e go ]; do sleep 0.02; done; kill $!; exit 6' sh "${other[@]}" sleep 300
    as=(unshare --mount sh -c 'mount -t proc -o hidepid=2 proc /proc && exec "$@"' sh "${other[@]}")
    until_true eval '"${as[@]}" "$P" who "$F"'
    go kill -s 0 "$F"
    ends 2 "procalive: $F: held, but by $pid "*
    not_known "$F"
}

@test "wait --status exits with the highest status of several" {
    setup_status
    job 3
    F=other job 5
    wait_bg "$F" other
    touch go
    returns 5
}

@test "wait --status --any exits with the status of the first, and prints its name" {
    setup_status
    hold_bg
    F=other job 5
    wait_bg --any "$F" other
    touch go
    returns 5 other
}

@test "wait --status --pid exits with the status of any process, child or not" {
    setup_status
    bg sh -c 'until [ -e go ]; do sleep 0.02; done; exit 11'
    local process=$pid
    wait_bg --pid "$process"
    touch go
    returns 11
}

@test "wait --status --pid waits until a zombie is reaped, and tells its status" {
    setup_status
    bg "$PY" -c 'import os, time
child = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 12"], {}); open("zombie", "w").write(str(child))
while not os.path.exists("go"): time.sleep(0.02)
os.waitpid(child, 0); time.sleep(300)'
    until_true zombie_in zombie
    go wait -t 0.1 --status --pid "$(<zombie)"
    ends 124
    wait_bg --pid "$(<zombie)"
    touch go
    returns 12
}

zombie_in() { [ -s "$1" ] && [ "$(state_of "$(<"$1")")" = Z ]; }

@test "wait --status exits 125 and says so when nobody held" {
    go wait --status "$F"
    ends 125 "procalive: $F: gone, but how it ended is not known *"
}

@test "wait --status --pid exits 125 and says so for a process already gone" {
    local process
    process=$(sh -c 'echo $$')
    go wait --status --pid "$process"
    ends 125 "procalive: $process: gone, but how it ended is not known *"
}

@test "wait --status -t exits 124 when the time runs out" {
    hold_bg
    go wait --status -t 0.1 "$F"
    ends 124
}

@test "wait --status tells of a child of its own, as procalive has where a shell becomes it" {
    local shell
    for shell in sh dash bash 'busybox sh' zsh ksh93 mksh yash; do
        command -v "${shell%% *}" >/dev/null || continue
        rm -f go
        # shellcheck disable=SC2016,SC2086 # the inner shell's; words
        bg $shell -c '"$1" hold "$2" sh -c "until [ -e go ]; do sleep 0.02; done; exit 13" & until "$1" check "$2"; do :; done; "$1" wait -t 60 --status "$2"' \
            x "$P" "$F"
        until_true waits_with_pidfd
        touch go
        status=0
        wait "$pid" || status=$?
        case $status in
        13) ;;
        125) setup_status && false ;; # a parent that is not procalive, on an older kernel
        *) same "$shell $status" "$shell 13" ;;
        esac
    done
}

# The shell of $pid, or a child of it, sleeps as a waiter.
waits_with_pidfd() {
    local process
    for process in "$pid" $(cat "/proc/$pid/task/$pid/children"); do
        if asleep_on_process "$process"; then return; fi
    done
    return 1
}

@test "wait --status --pid tells of a child of its own that was killed, and leaves it to be reaped" {
    # shellcheck disable=SC2016 # the inner shell's
    go_cmd bash -c 'sleep 300 & kill -s KILL $!; exec "$1" wait -t 60 --status --pid $!' bash "$P"
    ends 137
}

@test "wait --status takes 600 FIFOs with the usual limits, in one look, and loses no status" {
    setup_status
    need strace
    bg "$PY" -c 'import os, resource, sys, time
sys.path.insert(0, os.path.dirname(sys.argv[1])); import procalive
resource.setrlimit(resource.RLIMIT_NOFILE, (4000, 4000))
names = [f"f{n}" for n in range(600)]
for name in names: os.mkfifo(name)  # to be made by hold takes a look through /proc each
held = [procalive.hold(name) for name in names]; open("ready", "w")
while not os.path.exists("go"): time.sleep(0.02)
sys.exit(14)' "$LIB"
    until_true test -e ready
    bg_logged sh -c 'ulimit -Sn 1024; exec "$@"' sh strace -D -f -qqq -o trace -e trace=openat "$PY" -ISE "$LIB" wait --status f*
    until_true asleep_on "$pid" f99
    same "$(grep -c '"/proc", ' trace)" 1
    touch go
    returns 14
}
