#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # scripts for other shells are quoted; helper.bash assigns
# The examples, units and completions, each as it stands.

load helper
bats_require_minimum_version 1.5.0

# The examples as they stand, but that their names lead into the test's own directory.
examples=examples
setup() {
    shared_setup
    mkdir examples
    for example in "$top"/shell/examples/*.sh; do
        sed "s,@\([a-z-]*\)\b,$PWD/\1.fifo,g; s,\"@\(\$[a-z0-9]*\)\",\"$PWD/\1.fifo\"," "$example" >"examples/${example##*/}"
    done
    chmod +x examples/*
}

# --- examples ---

# with_own_run COMMAND...: with a /run that no other process sees.
with_own_run() { unshare -m sh -c 'mount -t tmpfs none /run && exec "$@"' sh "$@"; }

@test "an example means one FIFO in a login and under cron, whatever the variables say" {
    need_root
    need unshare
    for example in reexec.sh guard.sh; do
        run -75 with_own_run bash -c 'mkdir u; env -i PATH="$PATH" PROCALIVE_SH="$PROCALIVE_SH" "$1" 300 >first 2>&1 3>&- &
            procalive wait --up -t 10 "@$2" && XDG_RUNTIME_DIR=$PWD/u HOME=$PWD/u "$1" 1; second=$?
            procalive kill -a -k 10 "@$2"; exit "$second"' bash "$top/shell/examples/$example" "${example%.sh}"
        rmdir u
    done
}

@test "reexec.sh does not let itself in by variables that outlived the hold" {
    start procalive hold reexec.fifo -- sleep 300
    soon procalive check reexec.fifo
    run -75 env PROCALIVE_FIFO="$PWD/reexec.fifo" PROCALIVE_FD=701 "$examples/reexec.sh" 0
}

@test "no example, unit or cron line names a FIFO by a variable of the session" {
    run ! grep -rnE 'XDG_RUNTIME_DIR|\$HOME|\$TMPDIR|RuntimeDirectory=[^ ]' "$top/shell/examples" "$top/shell/cron" "$top/shell/systemd" --include='[!c]*'
    run ! grep -rnE '"?\$\{?PROCALIVE_FIFO[^"]*"? = ' "$top/shell/examples" "$top/shell/cron" "$top/shell/systemd"
}

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
    job='for i in 1 2 3 4 5 6; do touch -c "/proc/self/fd/$PROCALIVE_FD"; sleep 0.5; done'
    run -0 timeout 60 "$examples/watchdog.sh" 2 sh -c "$job" 3>&-
    [ "$output" = "" ]
}

# --- the manual's lines ---

# recipe WORDS: the line of EXAMPLES in procalive(1) that has them, as it stands,
# but that its names lead into the test's own directory.
recipe() {
    sed -n '/^\.Sh EXAMPLES/,/^\.Sh COMING/p' "$top/man/procalive.1" | grep -F -- "$1" | sed "s/\\\\(dq/\"/g; s,@\([a-z0-9]*\),$PWD/\1.fifo,g"
}

# stand_in NAME SCRIPT: a program of that name, for the recipes to call.
stand_in() {
    mkdir -p stand-ins
    printf '#!/bin/sh\n%s\n' "$2" >"stand-ins/$1"
    chmod +x "stand-ins/$1"
    PATH=$PWD/stand-ins:$PATH
}

@test "a limit on the run time ends the job, and with it the hold" {
    stand_in backup.sh 'exec sleep 300'
    line=$(recipe 'timeout -k 10 1h backup.sh')
    run -124 sh -c "${line/1h/0.3}" 3>&-
    run -1 procalive check backup.fifo
}

@test "silent unless it fails: chronic shows what a failed job had said, and nothing else" {
    stand_in chronic '"$@" >said 2>&1 && exit; ended=$?; cat said; exit $ended'
    stand_in backup.sh 'echo working; exit "${FAILS:-0}"'
    run -0 sh -c "$(recipe 'chronic backup.sh')"
    [ "$output" = "" ]
    FAILS=7 run -7 sh -c "$(recipe 'chronic backup.sh')"
    [ "$output" = working ]
    hold backup.fifo
    FAILS=7 run -0 sh -c "$(recipe 'chronic backup.sh')"
    [ "$output" = "" ]
}

@test "a ping is sent for a run that took place and succeeded, and for no other" {
    stand_in backup.sh 'exit "${FAILS:-0}"'
    stand_in curl 'echo "$*" >>pings'
    export PING_URL=https://ping.example/1
    run -0 sh -c "$(recipe PING_URL)"
    FAILS=1 run -1 sh -c "$(recipe PING_URL)"
    hold backup.fifo
    run -75 sh -c "$(recipe PING_URL)"
    [ "$(cat pings)" = "-fsS https://ping.example/1" ]
}

@test "a skip is counted, a run and a failure are not" {
    stand_in backup.sh 'exit "${FAILS:-0}"'
    stand_in logger 'echo "$*" >>log'
    run -0 sh -c "$(recipe 'logger skipped')"
    FAILS=3 run sh -c "$(recipe 'logger skipped')"
    [ ! -e log ]
    hold backup.fifo
    run -0 sh -c "$(recipe 'logger skipped')"
    [ "$(cat log)" = skipped ]
}

@test "start the daemon, or tell it to reload" {
    stand_in daemon 'trap "echo >>reloads" HUP; echo >>starts; while :; do sleep 0.1; done'
    start sh -c "$(recipe 'kill -s HUP')"
    soon test -s starts
    run -0 sh -c "$(recipe 'kill -s HUP')"
    soon test -s reloads
    [ "$(wc -l <starts)" = 1 ]
}

@test "the wait that spreads the load is outside of the lock" {
    stand_in shuf 'echo 7'
    stand_in sleep 'procalive check sync.fifo; echo "$1 $?" >slept'
    stand_in sync.sh 'procalive check sync.fifo && echo >ran'
    run -0 sh -c "$(recipe shuf)"
    [ "$(cat slept)" = "7 1" ] && [ -e ran ]
}

@test "at most three run at once, and all run" {
    stand_in convert.sh 'mkdir $$.in; set -- *.in; echo $# >>counts; sleep 0.3; rmdir $$.in'
    runs=()
    for _ in 1 2 3 4 5 6 7; do
        sh -c "$(recipe 'hold --any')" 3>&- &
        runs+=($!)
    done
    for one in "${runs[@]}"; do wait "$one"; done
    [ "$(wc -l <counts)" = 7 ] && [ "$(sort -n counts | tail -n 1)" -le 3 ]
}

@test "-c holds for a && b, and a && b behind hold for a alone" {
    stand_in b 'procalive check F; echo $? >b'
    run -0 procalive hold F -c 'true && b'
    [ "$(cat b)" = 0 ]
    run -0 sh -c 'procalive hold F -- true && b'
    [ "$(cat b)" = 1 ]
}

@test "one lock for a whole target of make, and a hook of git that runs once at a time" {
    need make
    printf 'all:\n\t+procalive hold F -- $(MAKE) -s parts\nparts: one two\none two:\n\tprocalive check F && echo $@\n' >Makefile
    run -0 make -s all
    [ "$output" = $'one\ntwo' ]
    need git
    git init -q repo
    printf '#!/bin/sh\nprocalive check --mine ../hook.fifo || exec procalive hold -q ../hook.fifo -- "$0" "$@"\necho ran >>../ran\n' >repo/.git/hooks/pre-commit
    chmod +x repo/.git/hooks/pre-commit
    commit=(git -C repo -c user.name=x -c user.email=x@example.org commit -q --allow-empty -m x)
    run -0 "${commit[@]}"
    hold hook.fifo
    run ! "${commit[@]}"
    [ "$(wc -l <ran)" = 1 ]
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
