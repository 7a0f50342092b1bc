#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # scripts for other shells are quoted; helper.bash assigns
# The examples, units and completions, each as it stands.

load helper
bats_require_minimum_version 1.5.0

examples=$top/shell/examples

# --- examples ---

pid_of() { procalive who --json "$1" | sed 's/.*"pid": \([0-9]*\).*/\1/'; }

@test "reexec.sh runs its job once at a time, and 75 says who is in the way" {
    start "$examples/reexec.sh" 300
    soon procalive check reexec.fifo
    run -75 "$examples/reexec.sh" 300
    [[ $output == *"held by $! "* ]]
    procalive kill -k 5 reexec.fifo
    run -0 "$examples/reexec.sh" 0
    cp "$examples/reexec.sh" .
    run -0 sh reexec.sh 0
}

@test "guard.sh is 75 while another run goes on, and waits for it where WAIT says so" {
    start "$examples/guard.sh" 300
    soon procalive check guard.fifo
    run -75 "$examples/guard.sh" 0
    [[ $output == *"another run goes on"* ]]
    start env WAIT=1m "$examples/guard.sh" 0
    procalive kill -k 5 guard.fifo
    soon bash -c '! procalive check guard.fifo'
}

@test "daemon.sh starts once, tells its status, and stops" {
    run -1 "$examples/daemon.sh" status
    "$examples/daemon.sh" start sleep 300 3>&-
    "$examples/daemon.sh" start sleep 300 3>&-
    run -0 "$examples/daemon.sh" status
    [[ $output == *"alive, held by"*"(sleep)"* ]]
    [ "$(procalive who --json daemon.fifo | wc -l)" = 1 ]
    "$examples/daemon.sh" stop
    run -1 "$examples/daemon.sh" status
    "$examples/daemon.sh" stop
    run -2 "$examples/daemon.sh"
}

@test "daemon.sh says so when the daemon does not stay up" {
    sed 's/-t 10 /-t 0.1 /; s/setsid/: &/' "$examples/daemon.sh" >daemon.sh
    run -1 sh daemon.sh start sleep 300
    [ "$output" = "daemon.sh: sleep: did not stay up" ]
}

@test "daemon.sh says so when the daemon ends at once" {
    for _ in 1 2 3 4 5; do
        sed 's/-t 10 /-t 0.5 /' "$examples/daemon.sh" >daemon.sh
        run -1 sh daemon.sh start false
        [ "$output" = "daemon.sh: false: did not stay up" ]
    done
}

@test "stage.sh and watchdog.sh without a command are 2" {
    run -2 "$examples/stage.sh" load extract
    [[ $output == usage:* ]]
    run -2 "$examples/watchdog.sh" 10
    [[ $output == usage:* ]]
}

@test "stage.sh runs its command when the stage before it is over, and with its status" {
    start "$examples/stage.sh" extract none sleep 300
    soon procalive check extract.fifo
    start bash -c '"$1" load extract sh -c "exit 7"; echo $? >status' bash "$examples/stage.sh"
    soon pgrep -f "wait -t 1h $PWD/extract.fifo" >/dev/null
    [ ! -e status ]
    procalive kill extract.fifo
    soon grep -qx 7 status
}

@test "watchdog.sh restarts a job that misses its beat, and ends with the job's status" {
    job='[ ! -e second ] || exit 5; >second; sleep 300'
    run -5 timeout 60 "$examples/watchdog.sh" 1 sh -c "$job" 3>&-
    [ "$output" = "watchdog.sh: sh was hung; starting it again" ]
}

@test "watchdog.sh is 75 while another watches, and leaves its job alone" {
    start "$examples/watchdog.sh" 300 sleep 300
    soon procalive check watchdog.fifo
    job=$(pid_of watchdog.fifo)
    run -75 timeout 60 "$examples/watchdog.sh" 0.1 true 3>&-
    [[ $output == *"watchdog-itself.fifo: held by $! "* ]]
    [ "$(pid_of watchdog.fifo)" = "$job" ]
}

@test "watchdog.sh starts nothing where SECS is no time" {
    run -2 "$examples/watchdog.sh" 2x touch started 3>&-
    [[ $output == *"2x: not a time"* ]]
    [ ! -e started ]
}

@test "watchdog.sh leaves a job alone that beats" {
    job='for i in 1 2 3 4 5 6; do touch -c "$PROCALIVE_FIFO"; sleep 0.5; done'
    run -0 timeout 60 "$examples/watchdog.sh" 2 sh -c "$job" 3>&-
    [ "$output" = "" ]
}

# --- systemd ---

# units: copies whose paths exist here.
units() {
    mkdir -p units bin
    printf '#!/bin/sh\nexec true\n' >bin/job && chmod +x bin/job
    for unit in "$top"/shell/systemd/*.service "$top"/shell/systemd/*.timer; do
        sed "s,/usr/local/bin/procalive,$top/bin/procalive,; s,/usr/local/bin/job,$PWD/bin/job,; s,/run/procalive/,$PWD/," "$unit" >"units/${unit##*/}"
    done
}

@test "the units pass systemd-analyze verify without a word" {
    need systemd-analyze
    units
    run -0 systemd-analyze verify --man=no units/*
    [ "$output" = "" ]
}

@test "ExecCondition is 0 when dead, 1 (skip) when held, 255 (fail) when it cannot be told" {
    units
    line=$(sed -n "s/^ExecCondition=.bin.sh -c '\(.*\)'/\1/p" units/procalive-job.service)
    run -0 sh -c "${line//\$\$/\$}"
    hold job.fifo
    run -1 sh -c "${line//\$\$/\$}"
    kill "$!" && rm job.fifo* && mkdir job.fifo
    run -255 sh -c "${line//\$\$/\$}"
}

@test "ExecStart becomes the job under the same PID" {
    units
    printf '#!/bin/sh\necho $$ >pid; exec sleep 300\n' >bin/job
    line=$(sed -n 's/^ExecStart=//p' units/procalive-job.service)
    start sh -c "exec $line"
    soon grep -qx "$!" pid
}

@test "tmpfiles.d makes the directory for FIFOs" {
    need systemd-tmpfiles
    need_root
    mkdir root
    systemd-tmpfiles --create --root="$PWD/root" "$top/shell/systemd/procalive.conf"
    [ "$(stat -c %a root/run/procalive)" = 755 ]
}
