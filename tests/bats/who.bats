#!/usr/bin/env bats
# `procalive who FIFO...`: which processes hold.

load helper

# json EXPRESSION: of the objects in $output, one a line, as o[0], o[1], …
json() {
    "$PY" -c 'import json, sys, time
o = [json.loads(line) for line in sys.stdin]
print(eval(sys.argv[1]))' "$1" <<<"$output"
}

@test "who exits 0 and lists PID, user, start, lock and command of the holder" {
    hold_bg
    go who "$F"
    ends 0 '' "FIFO *PID *USER *SINCE *TYPE *COMMAND"$'\n'"$F *$pid *$(id -un) *20[0-9][0-9]-* lock *sleep 300"
}

@test "who exits 1 and is silent when nobody holds" {
    mkfifo "$F"
    go who "$F"
    ends 1
    go who --json "$F"
    ends 1
}

@test "who exits 1 for a missing FIFO or directory, and creates none" {
    go who "$F" missing/fifo
    ends 1
    same "$(ls -A)" ''
}

@test "who --json prints one object a line with just these fields" {
    hold_bg "$F" sleep 300
    local fd
    fd=$(basename "$(readlink "$F.holder")")
    go who --json "$F"
    ends 0 '' '{*}'
    same "$(json 'list(o[0])')" "['fifo', 'pid', 'fd', 'uid', 'user', 'since', 'lock', 'keeps', 'command']"
    same "$(json '[v for k, v in o[0].items() if k != "since"]')" \
        "['$F', $pid, $fd, $(id -u), '$(id -un)', True, None, ['sleep', '300']]"
}

@test "who --json tells the start of the process in seconds since the epoch" {
    hold_bg
    go who --json "$F"
    same "$(json 'abs(o[0]["since"] - (time.time() - '"$(ps -o etimes= -p "$pid")"')) < 5')" True
}

@test "who tells a plain reader from the lock" {
    hold_bg
    bg sh -c 'exec sleep 300 8<>"$1"' sh "$F"
    until_true asleep_on "$pid" "$F"
    go who --json "$F"
    ends 0 '' '*'
    same "$(json 'sorted((x["lock"], x["pid"]) for x in o)[0]')" "(False, $pid)"
    go who "$F"
    ends 0 '' "*$pid * reader *"
}

@test "who lists no writer" {
    hold_bg
    local holder=$pid
    bg sh -c 'exec sleep 300 8>"$1"' sh "$F"
    until_true asleep_on "$pid" "$F"
    go who --json "$F"
    same "$(json '[x["pid"] for x in o]')" "[$holder]"
}

@test "who shows a keeper with the process that it keeps" {
    hold_bg -o "$F" sleep 300
    local keeper
    keeper=$(readlink "$F.holder" | cut -d / -f 3)
    go who --json "$F"
    same "$(json 'o[0]["pid"], o[0]["keeps"], o[0]["command"]')" "($keeper, $pid, ['procalive', 'keep', '$F'])"
    go who "$F"
    ends 0 '' "*$keeper * lock, keeps $pid (sleep) *procalive keep $F"
}

@test "who lists the children that inherited the descriptor, and all -s holders" {
    hold_bg -s "$F" sh -c 'sleep 300 & echo $! >child; wait'
    local first=$pid child
    child=$(recorded_in child)
    record_pid "$child"
    hold_bg -s "$F" sleep 300
    go who --json "$F"
    same "$(json 'sorted(x["pid"] for x in o)')" "$("$PY" -c "print(sorted([$first, $child, $pid]))")"
}

@test "who of several lists all, and exits 1 when one has nobody" {
    hold_bg
    F=other hold_bg
    go who --json "$F" other
    ends 0 '' '*'
    same "$(json 'sorted(x["fifo"] for x in o)')" "['$F', 'other']"
    go who "$F" missing
    ends 1 '' "*$F*"
}

@test "who exits 2 for what is not a FIFO, and lists the others" {
    hold_bg
    touch file
    go who file "$F" .
    ends 2 $'procalive: file: not a FIFO\nprocalive: .: not a FIFO' "*$F*"
}

@test "who exits 2 for a loop, a name too long, an empty one" {
    ln -s loop loop
    go who loop
    ends 2 'procalive: loop: Too many levels of symbolic links'
    go who "$(printf '%0300d' 0)"
    ends 2 'procalive: 0*: File name too long'
    go who ''
    ends 2 "procalive: '': No such file or directory"
}

@test "who exits 2 and says so when another user holds whom we may not see" {
    another_user
    hold_bg -m 0622 "$F" sleep 300
    as=("${other[@]}")
    go who "$F"
    ends 2 "procalive: $F: held, but by no process that you may see *"
}

@test "who exits 2 and says so when the holder is in another PID namespace" {
    need_root
    need unshare
    hold_bg
    as=(unshare --pid --fork --mount-proc)
    go who "$F"
    ends 2 "procalive: $F: held, but by no process that you may see *"
}

@test "who sees the holder in a PID namespace below, by its PID here" {
    need_root
    need unshare
    bg unshare --pid --fork --kill-child --mount-proc "$P" hold "$F" sleep 300
    until_true held "$F"
    go who --json "$F"
    same "$(json 'len(o), o[0]["pid"] > 1')" '(1, True)'
}

@test "who shows names and arguments with newlines on one line, --json as they are" {
    F=$'a\nb'
    hold_bg "$F" "$PY" -c 'import time; time.sleep(300)' $'x\ny'
    go who "$F"
    same "$(wc -l <<<"$output")" 2
    go who --json "$F"
    same "$(json '[o[0]["fifo"], o[0]["command"][-1]]')" "['a\\nb', 'x\\ny']"
}

@test "who finds the FIFO among thousands of descriptors of one process" {
    mkfifo "$F"
    bg "$PY" -c 'import os, resource, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (4000, 4000))
[os.open(os.devnull, os.O_RDONLY) for n in range(3000)]; os.open(sys.argv[1], os.O_RDWR); time.sleep(300)' "$F"
    until_true held "$F"
    go who --json "$F"
    same "$(json 'o[0]["pid"], o[0]["fd"] > 3000, len(o)')" "($pid, True, 1)"
}

@test "who works with processes that come and go" {
    hold_bg
    bg sh -c 'while :; do /bin/true; done'
    for n in {1..20}; do
        go who "$F"
        ends 0 '' "*$F*"
    done
}

@test "who and --version exit 141 and are silent where nobody reads their output" {
    hold_bg
    mkfifo pipe
    exec 7<>pipe
    exec 6>pipe
    exec 7<&-
    for words in "who $F" --version; do
        # shellcheck disable=SC2086 # words
        go_cmd sh -c '"$@" >&6; exit $?' sh "$P" $words
        ends 141
    done
}

@test "who does not list itself, nor the launcher, inside a job" {
    go hold "$F" sh -c '"$@"; exit $?' sh "$P" who --json "$F"
    ends 0 '' '{*}'
    same "$(json 'len(o), o[0]["command"][0]')" "(1, 'sh')"
}

@test "who lists itself where it alone holds, as check has it" {
    go hold "$F" "$P" who --json "$F"
    ends 0 '' '{*"procalive", "who", "--json"*}'
    go hold "$F" "$P" check "$F"
    ends 0
}

@test "who gives each row the name that it was asked for, of one FIFO with two names as well" {
    hold_bg
    go who --json "$F" ./job.fifo
    ends 0 '' '{*}'
    same "$(json '[one["fifo"] for one in o]')" "['$F', './job.fifo']"
}

@test "who looks at /proc a few times, however many FIFOs cannot be seen into" {
    need strace
    another_user
    for n in {1..20}; do
        mkfifo -m 666 "f$n"
        bg sleep 300 4<>"f$n"
    done
    status=0
    "${other[@]}" strace -qq -e trace=openat "$PY" -ISE "$LIB" who f{1..20} >/dev/null 2>trace || status=$?
    same "$status" 2
    same "$(grep -c '"/proc"' trace)" 6
}

@test "who exits 2 when its output cannot be written" {
    hold_bg
    as=(sh -c 'exec "$@" >/dev/full' sh)
    go who "$F"
    ends 2 'procalive: standard output: No space left on device'
}
