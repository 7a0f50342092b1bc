#!/usr/bin/env bats
# Real shortages: what the machine can really run out of, or does not have.

load ../bats/helper

# alone_mounted: a shell script in a mount namespace of its own, as root there.
alone_mounted() {
    need unshare
    local user=()
    [ "$(id -u)" = 0 ] || user=(--user --map-root-user)
    unshare "${user[@]}" --mount true 2>/dev/null || skip "no mount namespaces here"
    go_cmd env P="$P" F="$F" unshare "${user[@]}" --mount sh -euc "$1"
}

# A small file system at ./small, mounted with $1.
small() { printf 'mkdir small; mount -t tmpfs -o %s none small' "$1"; }

# pidfds_fail ERRNO ARG...: procalive.py on a kernel or under a seccomp filter without them.
pidfds_fail() {
    need strace
    local error=$1
    shift
    strace -o /dev/null true 2>/dev/null || skip "strace cannot trace here"
    go_cmd strace -D -f -qqq -o /dev/null -e trace=pidfd_open -e inject=pidfd_open:error="$error" "$PY" -ISE "$LIB" "$@"
}

@test "hold ends with 125 and one line where the file system has no inodes left" {
    alone_mounted "$(small size=64k,nr_inodes=2); touch small/last; \$P hold small/f true"
    ends 125 'procalive: small/f: cannot be made: No space left on device'
}

@test "hold holds, without its link, where the last inode went to the FIFO" {
    alone_mounted "$(small size=64k,nr_inodes=2); \$P hold small/f sh -c '\$P check small/f'; ls small"
    ends 0 '' f
}

@test "hold and check work on a file system that is full" {
    alone_mounted "$(small size=16k); cat /dev/zero >small/fill 2>/dev/null || \$P hold small/f sh -c '\$P check small/f && \$P hold -E 9 small/f true' 2>/dev/null"
    ends 9
}

@test "hold ends with 125 and one line on a read-only file system without the FIFO, check with 1" {
    alone_mounted "$(small ro); \$P check small/f || [ \$? = 1 ]; \$P hold small/f true"
    ends 125 'procalive: small/f: cannot be made: Read-only file system'
}

@test "hold and check work on a read-only file system that has the FIFO" {
    alone_mounted "$(small size=64k); mkfifo small/f; mount -o remount,bind,ro small; \$P hold small/f sh -c '\$P check small/f && \$P hold -q small/f true'"
    ends 75
}

# limited N ARG...: procalive.py with N descriptors at most.
limited() { go_cmd bash -c 'ulimit -n "$1"; shift; exec "$@"' sh "$1" "$PY" -ISE "$LIB" "${@:2}"; }

@test "with 8 descriptors at most hold, check and wait work" {
    limited 8 hold "$F" sh -c 'exit 7'
    ends 7
    hold_bg
    limited 8 check "$F"
    ends 0
    limited 8 wait -t 0 "$F"
    ends 124
    limited 8 hold -q "$F" true
    ends 75
}

@test "with 3 descriptors at most nothing answers 0 or 1" {
    hold_bg
    for verb in check wait who kill hold; do
        limited 3 "$verb" "$F" true
        [ "$status" -ge 2 ]
        [[ $stderr != *Traceback* ]]
    done
}

@test "hold -o ends with 125 and one line, and lets go, where no process can be made" {
    another_user
    need prlimit
    mkfifo -m 0666 "$F"
    go_cmd "${other[@]}" prlimit --nproc=0 "$PY" -ISE "$LIB" hold -o "$F" true
    ends 125 "procalive: *Resource temporarily unavailable"
    free "$F"
}

@test "hold needs no further process: it works where none can be made" {
    another_user
    need prlimit
    mkfifo -m 0666 "$F"
    go_cmd "${other[@]}" prlimit --nproc=0 "$PY" -ISE "$LIB" hold "$F" sh -c 'exit 7'
    ends 7
}

@test "bin/procalive check ends with neither 0 nor 1 where no process can be made" {
    another_user
    need prlimit
    mkfifo -m 0666 "$F"
    go_cmd "${other[@]}" prlimit --nproc=0 "$P" check "$F"
    [ "$status" -ge 2 ]
}

@test "a path of 4,096 bytes or a name of 256: check and hold cannot tell, 2 and 125, one line" {
    for long in "$(printf '%04096d' 0)" "$(printf '%0256d' 0)"; do
        checks "$long"
        ends 2 'procalive: *: File name too long'
        go hold "$long" true
        ends 125 'procalive: *: File name too long'
    done
}

@test "a path of 4,095 bytes works, though there is no room for its holder link" {
    local long=$BATS_TEST_TMPDIR/
    while [ ${#long} -lt 4092 ]; do long+=./; done
    long+=$(printf '%0*d' $((4095 - ${#long})) 0)
    hold_bg "$long" sleep 300
    checks "$long"
    ends 0
    go wait -t 0 "$long"
    ends 124
}

@test "without /proc hold, check and wait work, and who cannot tell: 2" {
    alone_mounted "mount -t tmpfs none /proc
        \$P hold $F sh -c '\$P check $F; echo check \$?; \$P hold -q $F true; echo hold \$?; \$P wait -t 0 $F; echo wait \$?
            \$P who $F 2>/dev/null; echo who \$?; \$P kill $F 2>/dev/null; echo kill \$?'"
    ends 0 '' $'check 0\nhold 75\nwait *\nwho 2\nkill 2'
}

@test "without pidfds wait works on FIFOs, and hold without -o" {
    pidfds_fail ENOSYS hold "$F" true
    ends 0
    hold_bg
    pidfds_fail ENOSYS wait -t 0 "$F"
    ends 124
}

@test "without pidfds hold -o ends with 125, kill and wait --pid with 2, and one line each" {
    for error in ENOSYS EPERM; do
        pidfds_fail $error hold -o "$F" true
        ends 125 'procalive: *'
        hold_bg
        pidfds_fail $error kill "$F"
        ends 2 'procalive: *'
        pidfds_fail $error wait --pid "$pid"
        ends 2 'procalive: *'
        end_holder
    done
}

@test "no verb hangs because some process has a descriptor on a file system that does not answer" {
    need_root
    need unshare
    [ -c /dev/fuse ] || skip "no /dev/fuse here"
    mkdir dead
    # A FUSE server that answers nothing but the first request; its end aborts all.
    cat >server.py <<'PYTHON'
import ctypes, os, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
directory = sys.argv[1]
fd = os.open("/dev/fuse", os.O_RDWR)
if libc.mount(b"x", directory.encode(), b"fuse", 0, f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other".encode()):
    sys.exit(99)
unique = struct.unpack_from("IIQ", os.read(fd, 1 << 20))[2]
answer = struct.pack("IIIIHHIIHHIIHHI", 7, 31, 65536, 0, 12, 9, 65536, 1, 256, 0, 0, 0, 0, 0, 0).ljust(64, b"\0")
os.write(fd, struct.pack("IiQ", 16 + len(answer), 0, unique) + answer)
keep = os.open(directory, os.O_PATH)  # takes no answer
open("mounted", "w").close()
time.sleep(300)
PYTHON
    bg unshare --mount --propagation private "$PY" server.py "$PWD/dead"
    local server=$pid
    until_true eval '[ -e mounted ] || ended '"$server"
    [ -e mounted ] || skip "no FUSE here"
    hold_bg
    for words in "who $F" "check -v $F" "hold $F true" "hold -q $F true" "hold -w 0.1 $F true" "hold -k 0 $F true" "kill $F"; do
        held "$F" || hold_bg
        # shellcheck disable=SC2086 # words
        go_cmd timeout -s KILL 20 "$P" $words
        [ "$status" != 137 ]
    done
    go_cmd timeout -s KILL 20 "$P" hold missing true # the look for a deleted one
    ends 0
    go_cmd timeout -s KILL 20 "$P" check --mine "$F"
    ends 1
    kill -0 "$server"
}
