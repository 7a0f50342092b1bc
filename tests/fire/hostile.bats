#!/usr/bin/env bats
# Hostile neighbours: what they can and cannot do.  procalive(7) says the same in words.
# As root, some set fs.protected_symlinks or fs.protected_fifos, which are the whole machine's, for a moment.

load ../bats/helper

eval "$(declare -f teardown | sed '1s/teardown/end_recorded/')"
teardown() {
    if [ "${saved-}" ]; then
        sysctl -qw "$saved"
        flock -u "$lock" # whoever else may have inherited the descriptor
    fi
    end_recorded
}

# protect symlinks|fifos VALUE: set fs.protected_*, one of the two a test; teardown puts
# the old value back.  Under a lock, or one run would keep what another has set.
protect() {
    local name=fs.protected_$1 file=/proc/sys/fs/protected_$1
    need_root
    need sysctl
    need flock
    [ -w "$file" ] || skip "$name cannot be set here"
    if [ -z "${saved-}" ]; then
        exec {lock}<"$file"
        flock -w 100 "$lock"
        saved=$name=$(sysctl -n "$name")
    fi
    sysctl -qw "$name=$2"
}

# sticky: as in /tmp, in a directory where anybody may make files.
sticky() {
    another_user
    mkdir -m 1777 shared
    F=$BATS_TEST_TMPDIR/shared/f
}

# stranger FLAG [STATEMENT]: another user's process with $F open so, then asleep.
stranger() {
    bg "${other[@]}" "$PY" -ISE -c "import fcntl, os, time; fd = os.open('$F', os.$1); ${2-pass}; time.sleep(300)"
    until_true asleep_on "$pid" "$F"
}

# --- in a directory where anybody may make files ---

@test "a stranger's FIFO in a sticky directory: hold refuses with 125, root's too" {
    sticky
    "${other[@]}" mkfifo -m 0666 "$F"
    go hold "$F" true
    ends 125 'procalive: *: belongs to user nobody, *'
    go hold -o "$F" true
    ends 125 'procalive: *: belongs to user nobody, *'
}

@test "a stranger's FIFO in a sticky directory can say alive, 0, while he keeps it open" {
    sticky
    "${other[@]}" mkfifo -m 0666 "$F"
    stranger O_RDWR
    checks "$F"
    ends 0
}

@test "a stranger's symlink at the path: hold refuses with 125 whatever fs.protected_symlinks says" {
    sticky
    mkfifo mine
    for value in 0 1; do
        protect symlinks $value
        "${other[@]}" ln -sf "$BATS_TEST_TMPDIR/mine" "$F"
        go hold "$F" true
        ends 125 'procalive: *: a symbolic link; name the FIFO itself'
    done
    free mine
}

@test "a stranger's symlink at the path: check cannot tell, 2, with fs.protected_symlinks=1" {
    sticky
    mkfifo mine
    protect symlinks 1
    "${other[@]}" ln -s "$BATS_TEST_TMPDIR/mine" "$F"
    checks "$F"
    ends 2 'procalive: *: Permission denied'
}

@test "a stranger's symlink at the path: check follows it with fs.protected_symlinks=0" {
    sticky
    protect symlinks 0
    hold_bg "$BATS_TEST_TMPDIR/mine" sleep 300
    "${other[@]}" ln -s "$BATS_TEST_TMPDIR/mine" "$F"
    checks "$F"
    ends 0
}

@test "fs.protected_fifos 0, 1 and 2: check, wait and hold answer the same: 0, 124, 75" {
    sticky
    mkfifo -m 0666 "$F"
    bg "${other[@]}" "$P" hold "$F" sleep 300
    until_true held "$F"
    for value in 0 1 2; do
        protect fifos $value
        go_cmd sh -c "$P check $F; echo \$?; $P wait -t 0 $F; echo \$?; $P hold -q $F true; echo \$?"
        ends 0 '' $'0\n124\n75'
    done
}

# --- forged links ---

@test "a link forged to the FIFO itself makes bin/procalive say alive, 0; procalive.py says 1" {
    mkfifo "$F"
    ln -s "$F" "$F.holder"
    go check "$F"
    ends 0
    go_cmd "$PY" -ISE "$LIB" check "$F"
    ends 1
}

@test "a stranger's forged link in a sticky directory is not believed with fs.protected_symlinks=1: 1" {
    sticky
    mkfifo -m 0622 "$F"
    "${other[@]}" ln -s "$F" "$F.holder"
    protect symlinks 0
    go check "$F"
    ends 0
    protect symlinks 1
    checks "$F"
    ends 1
}

@test "a stranger who cannot write in the directory cannot forge a link" {
    another_user
    chmod 0755 .
    mkfifo -m 0622 "$F"
    go_cmd "${other[@]}" ln -s "$F" "$F.holder"
    ends 1 'ln: *Permission denied'
}

@test "a hold replaces a forged link, and leaves a file of that name alone" {
    mkfifo "$F"
    ln -s "$F" "$F.holder"
    go hold "$F" true
    checks "$F"
    ends 1
    rm "$F.holder"
    echo precious >"$F.holder"
    go hold "$F" true
    same "$(<"$F.holder")" precious
}

# --- those with read or write permission ---

@test "a stray reader counts as a holder: check 0, hold 75; who names it; gone with it: 1" {
    mkfifo "$F"
    bg sh -c "exec sleep 300 <>'$F'"
    until_true asleep_on "$pid" "$F"
    checks "$F"
    ends 0
    go hold "$F" true
    ends 75 "procalive: $F: read by $pid (sleep), which does not hold the lock"
    go who "$F"
    ends 0 '' "*$pid *reader *sleep 300"
    end_holder
    checks "$F"
    ends 1
}

@test "a watcher who locks its write end: check 1, hold 125 with his PID, until he ends" {
    another_user
    mkfifo -m 0622 "$F"
    hold_bg
    holder=$pid
    stranger O_WRONLY 'fcntl.flock(fd, fcntl.LOCK_EX)'
    watcher=$pid
    kill -s KILL "$holder"
    until_true obstructed "$watcher"
    checks "$F"
    ends 1
    kill -s KILL "$watcher"
    until_true hold_works
}

hold_works() { "$P" hold -q "$F" true; }

obstructed() {
    go hold "$F" true
    [ "$status" = 125 ] && [[ $stderr = "procalive: $F: locked by $1 (python3), which does not read it: "* ]]
}

@test "without write permission a stranger can neither watch nor obstruct: check 2, hold 125" {
    another_user
    hold_bg
    as=("${other[@]}")
    checks "$F"
    ends 2 'procalive: *: Permission denied: it belongs to root *'
    go hold "$F" true
    ends 125 'procalive: *: Permission denied: it belongs to root *'
}

@test "another user's holder: check 0, who and kill cannot tell, 2, and it lives on" {
    another_user
    mkfifo -m 0622 "$F"
    hold_bg
    as=("${other[@]}")
    checks "$F"
    ends 0
    go who "$F"
    ends 2 'procalive: *'
    go kill "$F"
    ends 2 'procalive: *'
    held "$F"
}

@test "one process poses as a keeper of another user's: kill does not signal that one" {
    another_user
    mkfifo -m 0666 "$F"
    bg sleep 300
    victim=$pid
    # shellcheck disable=SC2016 # Python
    bg "${other[@]}" "$PY" -ISE -c 'import os, sys, time
sys.path.insert(0, sys.argv[2]); import procalive
procalive._set_title("keep", sys.argv[1])
os.pidfd_open(int(sys.argv[3])); os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK); time.sleep(300)' "$F" "${LIB%/*}" "$victim" "$(printf '%0100d' 0)"
    until_true held "$F"
    go kill -s KILL "$F"
    kill -0 "$victim"
}

@test "whoever kills a keeper lets go, and the job goes on: 1" {
    bg "$P" hold -o "$F" sleep 300
    until_true held "$F"
    go_cmd sh -c "$P who --json $F | sed 's/.*\"pid\": \([0-9]*\).*/\1/'"
    kill -s KILL "$output"
    until_true free "$F"
    kill -0 "$pid"
}

# --- a writer who fills the pipe ---

# full_pipe: held, and the pipe as full as descriptor 8 can make it.
full_pipe() {
    mkfifo "$F"
    hold_bg
    exec 8>"$F"
    fill
}

fill() { dd if=/dev/zero of=/proc/self/fd/8 oflag=nonblock bs=4096 2>/dev/null || true; }

# A reader takes a page, and a writer fills it again: has the waiter ended?
drained() {
    dd if="$F" of=/dev/null bs=4096 count=1 iflag=nonblock 2>/dev/null
    fill
    ended "$1"
}

# waiting: a waiter asleep on $F.
waiting() {
    bg_logged "$P" wait "$F"
    until_true asleep_on "$pid" "$F"
}

@test "a full pipe: check is 0, hold 75, and the death is seen: 0, then 1" {
    full_pipe
    holder=$pid
    checks "$F"
    ends 0
    go hold -q "$F" true
    ends 75
    waiting
    kill -s KILL "$holder"
    returns 0
    checks "$F"
    ends 1
}

@test "a pipe filled, then drained by a reader: a waiter takes that for a death: 0 though held" {
    full_pipe
    waiting
    until_true drained "$pid"
    returns 0
    checks "$F"
    ends 0
}
