#!/usr/bin/env bats
# Never two holders at once.  The marker is a directory: mkdir fails if there is one.

load helper

# contend PROCESSES TIMES HOLD...: so many of `hold HOLD... occupy` at once.
contend() {
    local n workers=()
    cat >occupy <<'SH'
#!/bin/sh
mkdir occupied || echo overlap >>overlaps
echo "$$" >>acquired
rmdir occupied
SH
    cat >work <<'SH'
#!/bin/sh
n=$1
shift
while [ $((n -= 1)) -ge 0 ]; do "$@" || echo "status $?" >>failures; done
SH
    chmod +x occupy work
    for ((n = 0; n < $1; n++)); do
        bg ./work "$2" "${@:3}"
        workers+=("$pid")
    done
    wait "${workers[@]}"
}

never_two() {
    [ ! -e overlaps ] && [ ! -e failures ]
    same "$(wc -l <acquired)" "$1"
    go check "$F"
    ends 1
}

@test "8 processes acquire 40 times each through the command line: never two at once" {
    contend 8 40 "$P" hold -w inf "$F" ./occupy
    never_two 320
}

@test "4 processes acquire 25 times each with a keeper: never two at once" {
    contend 4 25 "$P" hold -o -w inf "$F" ./occupy
    never_two 100
}

@test "8 processes that do not wait: never two at once, and every refusal is 75" {
    contend 8 25 "$P" hold -q "$F" ./occupy
    [ ! -e overlaps ]
    same "$(sort -u failures)" 'status 75'
    same "$(cat acquired failures | wc -l)" 200
}

@test "holders that are killed leave no overlap either" {
    contend 4 25 "$P" hold -w inf "$F" sh -c './occupy; kill -s KILL $$' 2>/dev/null
    [ ! -e overlaps ]
    same "$(sort -u failures)" 'status 137'
    same "$(wc -l <acquired)" 100
}

@test "a shell with --fd and commands exclude each other" {
    mkfifo "$F"
    cat >fd <<'SH'
#!/bin/sh
exec 9<>"$2" && "$1" hold --fd 9 -w inf "$2" && ./occupy
SH
    chmod +x fd
    contend 4 20 ./fd "$P" "$F"
    never_two 80
}

@test "the FIFO removed again and again under contention: a new one is held, by one" {
    bg sh -c 'while :; do rm -f "$1"; sleep 0.05; done' sh "$F"
    contend 4 20 timeout 60 "$P" hold -w inf "$F" true
    [ ! -e failures ]
}

@test "hold takes the new FIFO when it is replaced between open and lock" {
    need strace
    mkfifo "$F"
    bg strace -qq -f -o /dev/null -e trace=flock -e inject=flock:delay_enter=500000 "$P" hold "$F" sh -c '
        [ "/proc/self/fd/$PROCALIVE_FD" -ef "$PROCALIVE_FIFO" ] && touch right'
    until_true held "$F" # that is, open for reading, and about to be locked
    rm "$F"
    mkfifo "$F"
    wait "$pid"
    [ -e right ]
}

@test "one of many who start at once holds, and the others exit 75" {
    local n pids=()
    for n in {1..16}; do
        bg sh -c '"$@"; echo $? >>statuses' sh "$P" hold -q "$F" sh -c 'echo $$ >>ran; until [ -e go ]; do sleep 0.02; done'
        pids+=("$pid")
    done
    until_true all_but_one_done
    touch go
    wait "${pids[@]}"
    same "$(sort statuses | uniq -c | tr -s ' ')" $' 1 0\n 15 75'
}

all_but_one_done() { [ -e statuses ] && [ "$(wc -l <statuses)" = 15 ] && [ "$(wc -l <ran)" = 1 ]; }

@test "processes that hold by turns are never told of an obstructor, nor are threads" {
    cat >turns.py <<'PYTHON'
import os, sys, threading
sys.path.insert(0, os.path.dirname(sys.argv[1])); import procalive

def turns():
    got = 0
    while got < 300:
        try:
            with procalive.hold(sys.argv[2], timeout=5):
                got += 1
        except procalive.Held:
            pass
        except procalive.Obstructed as error:
            print(error)
            os._exit(1)

workers = [threading.Thread(target=turns) for _ in range(2)]
for worker in workers: worker.start()
for worker in workers: worker.join()
PYTHON
    bg "$PY" -ISE turns.py "$LIB" "$F"
    local other=$pid
    go_cmd "$PY" -ISE turns.py "$LIB" "$F"
    ends 0
    wait "$other"
}
