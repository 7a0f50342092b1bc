#!/usr/bin/env bats
# A FIFO that was deleted, or whose directory was, while its holder goes on.

load helper

# deleted [COMMAND]...: $F is held by $pid, and then removed (or COMMAND is run).
deleted() {
    hold_bg
    [ $# -gt 0 ] || set -- rm "$F"
    "$@"
}

# refuses: hold makes nothing, runs nothing and says who.
refuses() {
    go hold "${1-$F}" touch ran
    ends 75 "procalive: ${1-$F}: held by $pid (sleep), whose FIFO was deleted"
    [ ! -e "${1-$F}" ] && [ ! -e ran ]
}

@test "the FIFO was deleted under its holder: check exits 1, hold 75 until the holder has ended" {
    deleted
    checks "$F"
    ends 1
    refuses
    go hold -q -E 9 "$F" touch ran
    ends 9
    kill -s KILL "$pid"
    wait "$pid" 2>/dev/null || true
    go hold "$F" echo ran
    ends 0 '' ran
}

@test "the FIFO's directory was removed and made again under its holder: hold exits 75" {
    mkdir dir
    F=$BATS_TEST_TMPDIR/dir/job.fifo
    deleted rm -r dir
    go hold "$F" true
    ends 125 "procalive: $F: no such directory"
    mkdir dir
    refuses
}

@test "hold finds the holder of a deleted FIFO by a relative name, and through a link to the directory" {
    mkdir dir
    ln -s dir link
    ln -s dir again
    F=link/job.fifo
    deleted rm dir/job.fifo
    refuses
    refuses again/job.fifo
    refuses dir/job.fifo
    refuses "$PWD/dir/job.fifo"
}

@test "hold finds the keeper of a deleted FIFO, and names its job" {
    hold_bg -o "$F" sleep 300
    rm "$F"
    refuses
}

@test "hold finds the holder of a deleted FIFO that was made by a module or a shell: by its name alone" {
    bg "$PY" -ISE -c 'import os, sys, time; sys.path.insert(0, os.path.dirname(sys.argv[1])); import procalive
held = procalive.hold(sys.argv[2]); time.sleep(300)' "$LIB" "$F"
    until_true held "$F"
    rm "$F"
    go hold "$F" true
    ends 75 "procalive: $F: held by $pid (python3*), whose FIFO was deleted"
}

@test "hold finds the holder of a FIFO that was deleted with the directory, moved before" {
    mkdir dir
    F=$BATS_TEST_TMPDIR/dir/job.fifo
    deleted mv dir away
    rm away/job.fifo
    mkdir dir
    refuses # by the environment of the job
}

@test "hold -w waits for the holder of a deleted FIFO, and then takes a new one" {
    deleted
    local holder=$pid
    bg "$P" hold -w 60 "$F" sleep 300
    until_true watches "$pid" "$holder"
    [ ! -e "$F" ]
    kill -s KILL "$holder"
    until_true became_command "$pid"
    held "$F"
}

# watches PID HOLDER: it sleeps with the FIFO open that the holder has open.
watches() {
    local fd
    for fd in "/proc/$2/fd"/*; do
        if [ -p "$fd" ] && asleep_on "$1" "$fd"; then return; fi
    done
    return 1
}

@test "hold -w exits 75 when the time runs out while the holder of a deleted FIFO goes on" {
    deleted
    go hold -w 0.1 "$F" touch ran
    ends 75 "procalive: $F: held by $pid (sleep), whose FIFO was deleted"
    [ ! -e "$F" ] && [ ! -e ran ]
}

@test "wait --up exits 2 and makes no FIFO beside a deleted one that is held, which hold would not find any more" {
    deleted
    go wait --up -t 60 "$F"
    ends 2 "procalive: $F: held by $pid (sleep), whose FIFO was deleted"
    [ ! -e "$F" ]
    refuses
    end_holder
    go wait --up -t 0 "$F"
    ends 124
    [ -p "$F" ]
}

@test "hold -k exits 75 and does not signal the holder of a deleted FIFO" {
    deleted
    go hold -k 0 "$F" touch ran
    ends 75 "procalive: $F: held by $pid (sleep), whose FIFO was deleted"
    kill -0 "$pid"
    [ ! -e ran ]
}

@test "hold --any passes over a deleted FIFO whose holder goes on" {
    deleted
    go hold --any "$F" other -- printenv PROCALIVE_FIFO
    ends 0 '*' "$PWD/other"
}

@test "hold --any -w waits for the holder of a deleted FIFO too" {
    deleted
    local holder=$pid
    hold_bg other sleep 300
    bg_logged "$P" hold -w inf --any other "$F" -- printenv PROCALIVE_FIFO
    until_true watches "$pid" "$holder"
    kill -s KILL "$holder"
    returns 0 "$F"
}

@test "a FIFO deleted by a process that only reads, or only has it open, keeps nobody out" {
    mkfifo "$F"
    bg sh -c 'exec sleep 300 8<>"$1"' sh "$F"
    until_true asleep_on "$pid" "$F"
    rm "$F"
    go hold "$F" echo ran
    ends 0 '' ran
}

@test "a deleted FIFO whose lock is on a write end keeps nobody out" {
    mkfifo "$F"
    bg_lock_write_end
    rm "$F"
    go hold "$F" true
    ends 0
}

@test "a deleted FIFO of that name in another directory keeps nobody out" {
    mkdir other
    hold_bg "other/${F##*/}" sleep 300
    rm "other/${F##*/}"
    go hold "$F" true
    ends 0
}

@test "a deleted FIFO of another name keeps nobody out" {
    F=$BATS_TEST_TMPDIR/otherjob.fifo deleted
    rm -f otherjob.fifo
    go hold job.fifo echo ran
    ends 0 '' ran
}

@test "hold looks for the holder of a deleted FIFO only where it has to make the FIFO" {
    need strace
    mkfifo "$F"
    # Once each way: the look lists /proc.
    strace -f -qq -e trace=openat -o there "$PY" -ISE "$LIB" hold "$F" true
    strace -f -qq -e trace=openat -o missing "$PY" -ISE "$LIB" hold other true
    same "$(grep -c '"/proc", .*O_DIRECTORY' there) $(grep -c '"/proc", .*O_DIRECTORY' missing)" '0 1'
}

# --- not to be fooled ---

@test "a stranger's deleted FIFO of that name keeps root not out: 0" {
    another_user
    mkdir -m 1777 public
    F=$BATS_TEST_TMPDIR/public/f
    bg "${other[@]}" "$P" hold "$F" sleep 300
    until_true became_command "$pid"
    rm "$F"
    go hold "$F" echo ran
    ends 0 '' ran
}

@test "the holder of a deleted FIFO of the same path in a chroot keeps nobody out" {
    need_root
    need unshare
    mkdir jail
    # shellcheck disable=SC2016 # the inner shell's
    go_cmd unshare --mount sh -c 'mount --rbind / jail && mount -t tmpfs here jail/mnt || exit 99
        chroot jail "$1" hold /mnt/job.fifo -- sleep 300 & holder=$!
        "$1" wait --up -t 60 jail/mnt/job.fifo && rm jail/mnt/job.fifo
        mount -t tmpfs here /mnt && "$1" hold /mnt/job.fifo echo ran
        chroot jail "$1" hold -q /mnt/job.fifo true
        echo "$?"
        kill -s KILL "$holder"' sh "$P"
    ends 0 '*' "ran"$'\n'"75"
}

@test "root is not fooled from a user namespace: 0" {
    another_user
    need unshare
    mkdir -m 0755 mine
    mkdir -m 0777 theirs
    F=$BATS_TEST_TMPDIR/mine/job.fifo
    # A mount of the stranger's own makes the name the same, and PROCALIVE_FIFO with it.
    # shellcheck disable=SC2016 # the inner shell's
    bg "${other[@]}" unshare --user --map-root-user --mount sh -c 'mount --bind "$3" "${2%/*}" && exec "$1" hold "$2" sleep 300' \
        sh "$P" "$F" "$PWD/theirs"
    until_true became_command "$pid" || skip "no user namespaces for users here"
    rm theirs/job.fifo
    go hold "$F" echo ran
    ends 0 '' ran
}

@test "a container's own /run, with a FIFO deleted there, is not taken for ours: 0" {
    need_root
    need unshare
    mkdir run
    F=$BATS_TEST_TMPDIR/run/job.fifo
    # shellcheck disable=SC2016 # the inner shell's
    bg unshare --mount sh -c 'mount -t tmpfs none "${2%/*}" && exec "$1" hold "$2" sleep 300' sh "$P" "$F"
    until_true became_command "$pid"
    nsenter --target "$pid" --mount rm "$F"
    go hold "$F" echo ran
    ends 0 '' ran
    # There it is noticed.
    go_cmd nsenter --target "$pid" --mount "$P" hold "$F" true
    ends 75 "procalive: $F: held by $pid (sleep), whose FIFO was deleted"
}
