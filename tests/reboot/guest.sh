#!/bin/sh
# What the machine does at each boot: `GUEST boot N: WORDS: STATUS`, a line for each fact.
# shellcheck disable=SC2086 # $script is four words
/bin/busybox --install -s /bin
PATH=/bin:/usr/bin
F=/data/job.fifo
procalive=/srv/bin/procalive
script='/usr/bin/python3 -ISE /srv/procalive.py'

last=0
[ ! -e /data/state ] || read -r last old </data/state
boot=$((last + 1))
read -r id </proc/sys/kernel/random/boot_id
say() { echo "GUEST $*"; }

# try WORDS COMMAND...: the status of a command that must not take long.
try() {
    words=$1
    shift
    status=0
    timeout -s KILL 60 "$@" >/tmp/out 2>&1 || status=$?
    say "boot $boot: $words: $status"
}

# A holder that has surely begun: it says so in a file.
# shellcheck disable=SC2016 # the inner shell expands
start_holder() {
    rm -f /tmp/began
    $script hold "$1" sh -c 'echo $$ >/tmp/began; exec sleep 9999' &
    until [ -s /tmp/began ]; do usleep 20000; done
}

# An unrelated process with the PID and the descriptor that the old link names.
reuse_pid() {
    link=$(readlink $F.holder)
    pid=${link#/proc/}
    pid=${pid%%/*}
    echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid
    /usr/bin/python3 -ISE -c 'import os, sys, time; os.dup2(0, int(sys.argv[1])); time.sleep(9999)' "${link##*/}" &
    tries=0
    until [ -e $F.holder ] || [ $((tries += 1)) -gt 500 ]; do usleep 20000; done
    say "boot $boot: the holder link leads to an open file again: $([ -e $F.holder ] && echo yes || echo no)"
}

look() {
    say "boot $boot: a new boot: $([ "$id" != "$old" ] && echo yes || echo no)"
    say "boot $boot: the FIFO is there: $([ -p $F ] && echo yes || echo no)"
    say "boot $boot: the holder link is there: $([ -h $F.holder ] && echo yes || echo no)"
    say "boot $boot: the unsynced FIFO is there: $([ -p /data/late.fifo ] && echo yes || echo no)"
    reuse_pid
    try 'check by the script' $script check $F
    try 'check by the launcher' $procalive check $F
    PATH=/gnu:$PATH try 'check by the launcher and GNU dd' $procalive check $F
    try 'check of the unsynced FIFO' $procalive check /data/late.fifo
    try 'wait' $script wait $F
    try 'who' $procalive who $F
    try 'kill' $procalive kill $F
}

# bounded TRIES COMMAND...: until it succeeds.
bounded() {
    left=$1
    shift
    until "$@" || [ $((left -= 1)) -lt 0 ]; do usleep 20000; done
}
waiting() { [ "$(grep -c -e '->' /proc/locks)" = "$1" ]; }
asleep_in() { grep -q "$2" "/proc/$1/wchan"; }

# What an older kernel does of the rest: this one has no exit status of strangers (6.15).
smoke() {
    mkdir -p /run
    G=/tmp/g.fifo
    start_holder $G
    $script wait --status $G 2>/dev/null &
    waiter=$!
    bounded 500 asleep_in $waiter poll
    try 'kill -k' $procalive kill -k 5 $G
    status=0
    wait $waiter || status=$?
    say "boot $boot: wait --status of a stranger: $status"
    start_holder $G
    holder=$!
    for number in 1 2 3 4 5; do
        $script hold -w 60 $G sh -c "echo $number >>/tmp/order" &
        bounded 500 waiting $number
    done
    kill $holder
    bounded 1000 grep -q 5 /tmp/order
    # shellcheck disable=SC2046 # words
    say "boot $boot: order of the waiters:$(printf ' %s' $(cat /tmp/order))"
    try 'hold -o' $procalive hold -o $G true
    try 'hold at once after hold -o' $procalive hold $G true
    try 'hold --keep' $procalive hold --keep $G sh -c "$script check $G"
    try 'check --mine' $procalive hold $G sh -c "$procalive check --mine $G"
    try 'hold --any' $procalive hold --any $G /tmp/h.fifo -- true
    try 'a name' $procalive hold @x $procalive check /run/procalive/x.fifo
    start_holder $G
    try 'hold -k' $procalive hold -k 5 $G true
}

[ $boot = 1 ] || look
start_holder $F
try 'check while held' $procalive check $F
try 'a second hold' $script hold -q $F true
echo "$boot $id" >/data/state
sync
start_holder /data/late.fifo
try 'check of the new FIFO while held' $procalive check /data/late.fifo
case $boot in
1) echo b >/proc/sysrq-trigger ;;
2) say 'ready for power loss' ;;
3)
    smoke
    say 'done'
    ;;
esac
sleep 9999
