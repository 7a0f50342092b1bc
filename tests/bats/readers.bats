#!/usr/bin/env bats
# Programs that never heard of procalive: a runner that only opens the read end, and a
# checker that only tries the write end, each twenty lines of C, against every verb.

load helper

setup_file() {
    command -v cc >/dev/null || return 0
    cd "$BATS_FILE_TMPDIR" || return
    cat >runner.c <<'C'
/* runner FIFO COMMAND [ARG]...: alive while COMMAND runs */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    mkfifo(argv[1], 0600); /* it may be there already */
    int fd = open(argv[1], O_RDONLY | O_NONBLOCK);
    if (fd < 0) {
        perror(argv[1]);
        return 2;
    }
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 127;
}
C
    cat >checker.c <<'C'
/* checker FIFO: 0 if somebody reads it, 1 if nobody does */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    int fd = open(argv[1], O_WRONLY | O_NONBLOCK);
    if (fd >= 0)
        return close(fd) < 0 ? 2 : 0;
    if (errno == ENXIO || errno == ENOENT)
        return 1;
    perror(argv[1]);
    return 2;
}
C
    for program in runner checker; do cc -o $program $program.c || return; done
}

# run_foreign COMMAND...: the runner on $F; $pid is its PID and the command's.
run_foreign() {
    [ $# -gt 0 ] || set -- sleep 300
    bg "$BATS_FILE_TMPDIR/runner" "$F" "$@"
    until_true asleep_on "$pid" "$F"
}

foreign_check() { go_cmd "$BATS_FILE_TMPDIR/checker" "$F"; }

@test "a foreign runner is alive to check, and dead with its end; its FIFO may be ours" {
    need cc
    run_foreign
    checks "$F"
    ends 0
    go check -v "$F"
    ends 0 '' "$F: alive, read by $pid (sleep), which does not hold the lock"
    end_holder
    checks "$F"
    ends 1
}

@test "a foreign runner keeps hold out, which calls it a reader: 75" {
    need cc
    run_foreign
    go hold "$F" touch ran
    ends 75 "procalive: $F: read by $pid (sleep), which does not hold the lock"
    go hold -q -E 4 "$F" touch ran
    ends 4
    go hold --any "$F" other -- echo ran
    ends 0 '' ran
    [ ! -e ran ]
}

@test "hold -w waits for a foreign runner, says so under -v, and takes the FIFO at its end" {
    need cc
    run_foreign
    local runner=$pid
    bg_logged "$P" hold -v -w 60 "$F" sh -c 'exit 7'
    until_true asleep_on "$pid" "$F"
    kill -s KILL "$runner"
    returns 7 '' "procalive: $F: waiting for $runner (sleep), which reads it without the lock"$'\n'"procalive: $F: held; running sh"
}

@test "wait, wait --up and wait --status serve a foreign runner" {
    need cc
    mkfifo "$F"
    bg_logged "$P" wait --up "$F"
    local waiter=$pid
    until_true asleep "$waiter"
    # shellcheck disable=SC2016 # the job's
    run_foreign sh -c 'until [ -e go ]; do sleep 0.02; done; exit 9'
    local runner=$pid
    pid=$waiter returns 0
    bg_logged "$P" wait "$F"
    until_true asleep_on "$pid" "$F"
    waiter=$pid
    bg "$P" wait --status "$F"
    until_true asleep_on_process "$pid"
    touch go
    status=0
    wait "$pid" || status=$?
    same "$status" 9
    pid=$waiter returns 0
    until_true ended "$runner"
}

asleep() { [ "$(state_of "$1")" = S ]; }

@test "who and kill serve a foreign runner" {
    need cc
    run_foreign
    go who "$F"
    ends 0 '' "*$pid *reader *sleep 300"
    go kill "$F"
    ends 0
    status=0
    wait "$pid" || status=$?
    same "$status" 143
    run_foreign sh -c 'trap "" TERM; touch ready; while :; do sleep 0.02; done'
    until_true test -e ready
    go kill -k 0.1 "$F"
    ends 0
    free "$F"
}

@test "a foreign runner under hold, and hold under it, are no conflict with themselves" {
    need cc
    go hold "$F" "$BATS_FILE_TMPDIR/runner" "$F" sh -c "'$P' check '$F'"
    ends 0
    go check "$F"
    ends 1
}

@test "a foreign checker agrees with check: held, kept, waited for, and free" {
    need cc
    foreign_check
    same "$status" 1
    for option in -s -o --keep; do
        hold_bg $option "$F" sleep 300
        foreign_check
        same "$status" 0
        bg "$P" hold -w 60 "$F" true # who waits is not alive
        local waiter=$pid
        until_true asleep_on "$waiter" "$F"
        kill -s STOP "$waiter"
        kill -s KILL "${recorded[-2]}"
        until_true dead_to_checker
        kill -s KILL "$waiter"
        wait "$waiter" 2>/dev/null || true
    done
    bg_logged "$P" wait --up "$F"
    until_true asleep "$pid"
    foreign_check
    same "$status" 1
}

dead_to_checker() {
    foreign_check
    [ "$status" = 1 ]
}

@test "a foreign runner beside a holder: check 0 until both have ended, kill goes to the holder" {
    need cc
    hold_bg
    local holder=$pid
    run_foreign
    go hold "$F" true
    ends 75 "procalive: $F: held by $holder (sleep) for *"
    go kill "$F"
    ends 0
    until_true ended "$holder"
    kill -0 "$pid"
    checks "$F"
    ends 0
    end_holder
    checks "$F"
    ends 1
}
