#!/usr/bin/env bats
# `procalive hold --keep`, by itself for what closes the descriptors that it inherits:
# a keeper holds as well as the command.

load helper

# tool NAME...: programs of these names that close whatever they inherit, say so in the
# file `closed`, and sleep; first on the PATH of what follows.
tool() {
    mkdir -p tools
    local name
    for name; do
        printf '#!%s -ISE\nimport os, time\nos.closerange(3, 2000); open("closed", "w"); time.sleep(300)\n' "$PY" >"tools/$name"
        chmod +x "tools/$name"
    done
    PATH=$PWD/tools:$PATH
}

# kept COMMAND...: hold runs it, and it is held by a keeper once the command has closed everything.
kept() {
    rm -f closed
    bg_logged "$P" hold "$F" "$@"
    until_true test -e closed
    held "$F"
    same "$(<stderr)" ''
    go kill -k 10 "$F"
    ends 0
    free "$F"
}

# keepers: how many there are of $F.
keepers() { "$P" who --json "$F" | grep -c '"command": \["procalive", "keep"'; }

# --- --keep ---

@test "hold --keep holds a command that closes what it inherits, until it ends" {
    tool job
    hold_bg --keep "$F" job
    until_true test -e closed
    checks "$F"
    ends 0
    go hold "$F" true
    ends 75 "procalive: $F: held by $pid (job) for *"
    end_holder
}

@test "hold --keep holds on while a child has the descriptor, unlike -o" {
    hold_bg --keep "$F" sh -c 'sleep 300 & echo $! >child; wait'
    local child
    child=$(recorded_in child)
    record_pid "$child"
    kill -s KILL "$pid"
    wait "$pid" 2>/dev/null || true
    until_true no_keeper
    held "$F"
    kill -s KILL "$child"
    until_true free "$F"
}

no_keeper() { [ "$(keepers)" = 0 ]; }

@test "hold --keep gives the command PROCALIVE_FD, its PID and its status" {
    # shellcheck disable=SC2016 # the job's
    go hold --keep "$F" sh -c '[ "/proc/self/fd/$PROCALIVE_FD" -ef "$PROCALIVE_FIFO" ]; exit $(($? + 7))'
    ends 7
    hold_bg --keep "$F" sh -c 'echo $$ >pid; exec sleep 300'
    until_true test -s pid
    same "$(<pid)" "$pid"
}

@test "hold --keep exits 127 when the command is not found, and has let go" {
    mkfifo "$F"
    for n in {1..5}; do
        go hold --keep "$F" /no/such/command
        ends 127 'procalive: /no/such/command: command not found'
        free "$F"
    done
}

@test "hold --keep excludes -o and --fd: 125" {
    go hold --keep -o "$F" touch ran
    ends 125 'procalive: hold: --keep and -o exclude each other; *'
    go hold --keep --fd 9 "$F"
    ends 125 'procalive: hold: --keep does not go with --fd; *'
    same "$(ls -A)" ''
}

@test "keeper and command are one holder: to a conflict, to kill and to check -v" {
    hold_bg --keep "$F" sleep 300
    until_true grep -qx sleep "/proc/$pid/comm"
    go hold "$F" true
    ends 75 "procalive: $F: held by $pid (sleep) for +([0-9])s"
    go check -v "$F"
    ends 0 '' "$F: alive, held by $pid (sleep) for [0-9]*s"
    go who "$F"
    ends 0 '' "*lock, keeps $pid (sleep) *procalive keep $F*"
    go kill -v "$F"
    ends 0 "procalive: $F: signalled $pid"
    until_true free "$F"
}

@test "a keeper that was killed leaves the FIFO to the command that has inherited it" {
    hold_bg --keep "$F" sleep 300
    local keeper
    keeper=$(readlink "$F.holder" | cut -d / -f 3)
    kill -s KILL "$keeper"
    until_true ended "$keeper"
    held "$F"
    end_holder
}

@test "a keeper that was killed leaves a command that closed its descriptor unheld: check exits 1" {
    tool job
    hold_bg --keep "$F" job
    until_true test -e closed
    kill -s KILL "$(readlink "$F.holder" | cut -d / -f 3)"
    until_true free "$F"
    kill -0 "$pid"
}

@test "hold --keep: a terminal's Ctrl-C and signals to the group do not end the keeper" {
    bg setsid "$P" hold --keep "$F" sh -c 'trap "" TERM INT; touch ready; while :; do sleep 0.02; done'
    until_true test -e ready
    kill -s TERM -- "-$pid"
    kill -s INT -- "-$pid"
    same "$(keepers)" 1
    end_holder
}

# --- by itself ---

@test "hold keeps by itself what is known to close what it inherits" {
    tool csh doas haproxy lvm perl sendmail ssh su sudo tcsh
    for name in csh doas haproxy lvm perl sendmail ssh su sudo tcsh; do kept $name; done
    kept "$PWD/tools/ssh"
    tool screen sshd dnsmasq snmpd snmptrapd monit keepalived
    kept screen -D -m x
    kept sshd -D
    kept dnsmasq -k
    kept dnsmasq -d
    kept snmpd -f
    kept snmptrapd -f
    kept monit -I
    kept keepalived -n
}

@test "hold keeps by itself a link to one of these" {
    tool lvm
    ln -s lvm tools/vgs
    kept vgs
}

@test "hold keeps by itself a script whose interpreter is one of these" {
    tool tcsh
    local line
    for line in "$PWD/tools/tcsh" "$PWD/tools/tcsh -f" '/usr/bin/env tcsh'; do
        printf '#!%s\n' "$line" >job
        chmod +x job
        kept ./job
    done
}

@test "hold keeps by itself a set-user-ID program" {
    tool mount-it
    chmod u+s tools/mount-it
    kept mount-it
}

@test "hold keeps by itself what wrappers run, with their options" {
    tool ssh
    for words in 'env' 'env A=1 B=2' 'env -i' 'env -u A' 'nice' 'nice -n 1' 'nice --adjustment=1' 'ionice -c 3' 'nohup' \
        'setsid -w' 'stdbuf -o L' 'timeout 100' 'timeout -k 5 100' 'timeout --signal=TERM 100' 'taskset -c 0' \
        'chrt -o 0' 'setpriv --no-new-privs' 'prlimit --core=0' 'choom -n 0 --' 'unshare' 'busybox env' '/usr/bin/nice' 'env nice -n 1 ionice -c3 setpriv --no-new-privs'; do
        command -v "${words%% *}" >/dev/null || continue
        # shellcheck disable=SC2086 # words
        kept $words "$PWD/tools/ssh"
    done
}

@test "hold keeps by itself what the line of a shell names, for most shells become its last command" {
    tool ssh
    kept -c 'cd . && ssh host'
    for shell in sh dash 'env bash' zsh ksh mksh yash 'busybox sh'; do
        command -v "${shell%% *}" >/dev/null || continue
        # shellcheck disable=SC2086 # words
        kept $shell -c 'x=1;exec ssh host'
    done
    kept bash -ec "(exec '$PWD/tools/ssh')"
}

@test "hold starts no keeper for what is not known to close anything" {
    for command in 'sleep 300' 'nice sleep 300' 'sh -c :;exec${IFS}sleep${IFS}300' 'env ssh=1 sleep 300'; do
        # shellcheck disable=SC2086 # words
        hold_bg "$F" $command
        same "$(keepers)" 0
        same "$(readlink "$F.holder" | cut -d / -f 3)" "$pid"
        end_holder
    done
}

@test "hold -o needs no second keeper for ssh" {
    tool ssh
    hold_bg -o "$F" ssh
    until_true test -e closed
    same "$(keepers)" 1
    end_holder
}

# --- what cannot be kept: it goes to the background ---

@test "hold warns once of what goes to the background, -q does not" {
    tool ssh sudo dnsmasq snmpd monit sshd screen keepalived
    for name in ssh sudo dnsmasq snmpd monit sshd screen keepalived; do printf '#!/bin/sh\n' >tools/$name; done
    for words in 'ssh -f host x' 'ssh -fN host' 'sudo -b x' 'nice ssh -f host x' dnsmasq snmpd monit sshd 'screen -d -m x' keepalived; do
        # shellcheck disable=SC2086 # words
        go hold "$F" $words
        ends 0 "procalive: $F: * goes to the background, and nothing holds then; *"
        # shellcheck disable=SC2086 # words
        go hold -q "$F" $words
        ends 0
    done
    for words in 'ssh host' 'ssh -N host' 'sudo x' 'dnsmasq -k' 'snmpd -Lf x -f' 'sshd -D' 'screen -D -m x'; do
        # shellcheck disable=SC2086 # words
        go hold "$F" $words
        ends 0
    done
}

@test "hold warns of setsid where that forks, and not of setsid -w" {
    tool ssh
    printf '#!/bin/sh\n' >tools/ssh
    as=(setsid -w) # of its own, a process leads its group, and setsid forks
    go hold "$F" setsid ssh host
    ends 0 "procalive: $F: setsid forks here and ends, and nothing holds then; use setsid -w"
    go hold "$F" setsid -w ssh host
    ends 0
    as=(setsid -w sh -c '"$@"; exit $?' sh) # leads no group
    go hold "$F" setsid ssh host
    ends 0
}

@test "keeper, command and a child that holds when the command has closed everything are one holder" {
    # shellcheck disable=SC2016 # the job's
    hold_bg --keep "$F" bash -c 'sleep 300 & echo $! >child; eval "exec $PROCALIVE_FD>&-"; : >closed; wait'
    until_true test -e closed
    record_pid "$(<child)"
    go hold "$F" true
    ends 75 "procalive: $F: held by $pid (bash) for +([0-9])s"
}

# --- the real programs, where they are installed ---

# real COMMAND...: it is held while it runs.
real() {
    bg_logged setsid -w "$P" hold "$F" "$@" </dev/null
    until_true held "$F"
    until_true kept_process
    sleep 0.5 # they close after their start, at no event
    held "$F"
    go kill -k 10 "$F"
    [ "$status" = 0 ]
    free "$F"
}

kept_process() { "$P" who "$F" | grep -q 'lock, keeps [0-9]* ('; }

@test "ssh is held" {
    need ssh
    real ssh -o ProxyCommand='sleep 300' -o ConnectTimeout=60 x
}

@test "ssh behind wrappers is held" {
    need ssh
    real env A=1 nice ssh -o ProxyCommand='sleep 300' -o ConnectTimeout=60 x
}

@test "perl that closes everything is held" {
    need perl
    real perl -MPOSIX -e 'POSIX::close($_) for 3..1023; sleep 300'
}

@test "screen -D -m is held" {
    need screen
    need_root
    export SCREENDIR=$PWD/sockets
    mkdir -m 0700 sockets
    real screen -D -m sleep 300
}

@test "dnsmasq -k is held" {
    need_root
    command -v dnsmasq >/dev/null || [ -x /usr/sbin/dnsmasq ] || skip "no dnsmasq here"
    PATH=$PATH:/usr/sbin
    real dnsmasq -k -p 0 -C /dev/null --pid-file=
}

@test "sudo is held, and kill reaches it" {
    a_user
    need sudo
    bg "${as_root[@]}" "$P" hold "$F" sudo sleep 300
    until_true grep -qsx sudo "/proc/$pid/comm"
    until_true kept_process
    held "$F"
    go kill -k 10 "$F"
    ends 0
}

@test "lvm is held" {
    need lvm
    need_root
    mkfifo in
    exec 8<>in
    # shellcheck disable=SC2016 # the inner shell's; bash has no input for what is in the background
    bg_logged sh -c 'exec "$@" <in' sh "$P" hold "$F" lvm
    until_true kept_process
    sleep 0.5
    held "$F"
    go kill -k 10 "$F"
    free "$F"
}

@test "root's kill believes the keeper of a user whose command has another user by now" {
    a_user
    need sudo
    chmod 0777 .
    F=$BATS_TEST_TMPDIR/alices.fifo
    bg "${as_alice[@]}" "$P" hold "$F" sudo sleep 300
    until_true grep -qsx sudo "/proc/$pid/comm"
    until_true kept_process
    as=("${as_root[@]}")
    go kill -k 10 "$F"
    ends 0
    until_true free "$F"
}

@test "root's kill does not believe a keeper where the process was given another FIFO" {
    a_user
    chmod 0777 .
    F=$BATS_TEST_TMPDIR/alices.fifo
    hold_bg ./roots.fifo sleep 300
    victim=$pid
    # As a keeper would: the title, the lock, and a pidfd of root's process.
    bg "${as_alice[@]}" "$PY" -ISE -c 'import os, sys, time
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import procalive
held = procalive.hold(sys.argv[2]); pidfd = os.pidfd_open(int(sys.argv[3]))
procalive._set_title("keep", sys.argv[2]); open("poses", "w"); time.sleep(300)' "$LIB" "$F" "$victim"
    until_true test -e poses
    as=("${as_root[@]}")
    go kill "$F"
    ends 2 "procalive: $F: held, but by keeper * for a process that cannot be told, or is not alice's"
    same "$(state_of "$victim")" S
}
