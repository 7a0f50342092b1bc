# tests/bats/helper.bash: the words that the tests are written in.
#
#   load helper
#   @test "check exits 0 and is silent while a process holds the FIFO" {
#       hold_bg
#       go check "$F"
#       ends 0
#   }
#
# A test runs in $BATS_TEST_TMPDIR.  $F is a FIFO to be, $P the launcher, $LIB
# procalive.py, $PY the Python that the launcher takes.  What a test leaves in
# the background it records; teardown ends that, and nothing else.

TOP=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
P=$TOP/bin/procalive
LIB=$TOP/procalive.py
PY=/usr/bin/python3
[ -x "$PY" ] || PY=$(command -v python3)

setup() {
    unset "${!PROCALIVE_@}"
    ulimit -c 0 # some holders crash on purpose
    recorded=()
    as=()
    cd "$BATS_TEST_TMPDIR" || return
    F=$BATS_TEST_TMPDIR/job.fifo
}

teardown() {
    local pid
    # The shell tells of each that was killed when it reaps it.
    for pid in "${recorded[@]}"; do
        kill -s KILL "$pid" && wait "$pid"
    done 2>/dev/null || true
}

# --- in the background ---

record_pid() { recorded+=("$@"); }

# bg COMMAND...: start a program; $pid is its PID.  A function would do, but
# then $pid is the PID of a shell around it.
bg() {
    # Whatever keeps descriptor 3 open keeps bats waiting.
    "$@" 3>&- &
    pid=$!
    record_pid "$pid"
}

# bg_logged COMMAND...: the same, into the files stdout and stderr, and as in the
# foreground: Ctrl-C reaches it.  What a shell starts in the background ignores it.
bg_logged() { bg env --default-signal=INT "$@" >stdout 2>stderr; }

# returns STATUS [STDOUT [STDERR]]: what bg_logged started ends so.
returns() {
    status=0
    wait "$pid" || status=$?
    same "$status" "$1"
    same "$(<stdout)" "${2-}"
    same "$(<stderr)" "${3-}"
}

# hold_bg [ARG]...: `procalive hold ARG...` in the background (without any: $F
# sleep 300); back when it has become its command.  $pid is the PID of both.
hold_bg() {
    [ $# -gt 0 ] || set -- "$F" sleep 300
    bg "$P" hold "$@"
    until_true became_command "$pid"
}

became_command() { grep -qsz '^PROCALIVE_FIFO=' "/proc/$1/environ"; }

# bg_lock_write_end: a watcher that has locked the write end of $F; $pid is its PID.
bg_lock_write_end() {
    bg "$PY" -c 'import fcntl, os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR); w = os.open(sys.argv[1], os.O_WRONLY); os.close(fd)
fcntl.flock(w, fcntl.LOCK_EX); open("locked", "w"); time.sleep(300)' "$F"
    until_true test -e locked
}

# end_holder: kill -9 the process of $pid; back when $F is free.
end_holder() {
    kill -s KILL "$pid"
    wait "$pid" 2>/dev/null || until_true free "$F"
}

# recorded_in FILE: the PID that a background process writes there, recorded.
recorded_in() {
    until_true test -s "$1"
    record_pid "$(<"$1")"
    cat "$1"
}

# until_true COMMAND...: wait until it succeeds, for 10 s or a little more.
until_true() {
    local tries
    for ((tries = 0; tries < 500; tries++)); do
        if "$@"; then return; fi
        sleep 0.02
    done
    printf 'never came true: %s\n' "$*"
    return 1
}

held() { "$P" check "$1"; }
free() { ! "$P" check "$1"; }

# ended PID: no such process, or one that only waits to be reaped.
ended() { case $(state_of "$1") in '' | Z | X) ;; *) return 1 ;; esac }

# state_of PID: its letter in proc_pid_stat(5), or nothing.
state_of() {
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
    stat=${stat##*) }
    printf '%s' "${stat%% *}"
}

# asleep_on PID FIFO: has it open, and sleeps.  How a waiter says that it waits.
asleep_on() {
    local fd
    for fd in "/proc/$1/fd"/*; do
        if [ "$fd" -ef "$2" ]; then
            [ "$(state_of "$1")" = S ]
            return
        fi
    done
    return 1
}

# asleep_on_process PID: the same for a waiter that has a pidfd.
asleep_on_process() { [ "$(state_of "$1")" = S ] && grep -qs '^Pid:' "/proc/$1/fdinfo"/*; }

# switches PID: how often its threads went to sleep by themselves.
switches() { cat "/proc/$1/task"/*/status | grep '^voluntary_ctxt_switches'; }

# --- running and judging ---

# go ARG...: run procalive, as=(COMMAND...) in front of it if set; sets $status,
# $output and $stderr.
go() { go_cmd "${as[@]}" "$P" "$@"; }

# go_cmd COMMAND...: the same with any command.  Not bats's `run`, which would
# take a 127 amiss.
go_cmd() {
    status=0
    output=$("$@" 2>"$BATS_TEST_TMPDIR.stderr" 3>&-) || status=$?
    stderr=$(<"$BATS_TEST_TMPDIR.stderr")
}

# checks ARG...: `check ARG...` by the launcher and by procalive.py, which must
# agree; sets the same as go.
checks() {
    local by_launcher
    go check "$@"
    by_launcher=$(declare -p status output stderr)
    go_cmd "${as[@]}" "$PY" -ISE "$LIB" check "$@"
    [ "$by_launcher" = "$(declare -p status output stderr)" ] && return
    printf 'launcher:\n%s\nprocalive.py:\n%s\n' "$by_launcher" "$(declare -p status output stderr)"
    return 1
}

# ends STATUS [STDERR [STDOUT]]: how it ended, and what it said, as patterns;
# without a pattern: nothing.  Messages have one line.
ends() {
    # shellcheck disable=SC2053 # patterns
    if [ "$status" = "$1" ] && [[ $stderr = ${2-} && $output = ${3-} ]]; then
        case ${2-} in *$'\n'*) return ;; esac
        case $stderr in *$'\n'*) ;; *) return ;; esac
    fi
    printf 'status %s, not %s\nstdout: %s\nstderr: %s\n' "$status" "$1" "$output" "${stderr-}"
    return 1
}

# same WORD WORD
same() {
    [ "$1" = "$2" ] && return
    printf '%q\nis not\n%q\n' "$1" "$2"
    return 1
}

# --- other users and missing tools ---

need() { command -v "$1" >/dev/null || skip "no $1 here"; }

need_root() { [ "$(id -u)" = 0 ] || skip "needs root"; }

# another_user: let ${other[@]} COMMAND run as nobody; $P and $LIB become copies
# that nobody can reach, and so do $F and its directory.
another_user() {
    need_root
    need setpriv
    other=(setpriv --reuid 65534 --regid 65534 --clear-groups --)
    chmod a+rx "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR"
    own_copy
}

# a_user: alice, whom a passwd of our own has, in a mount namespace with a /run of
# its own.  ${as_root[@]} and ${as_alice[@]} run a program there, sudo included.
a_user() {
    another_user
    need unshare
    need nsenter
    home=$BATS_TEST_TMPDIR/home
    mkdir "$home"
    chown 54321:54321 "$home"
    { cat /etc/passwd && echo "alice:x:54321:54321::$home:/bin/sh"; } >passwd
    { cat /etc/shadow && echo 'alice:*:19000:0:99999:7:::'; } >shadow
    echo 'ALL ALL=(ALL:ALL) NOPASSWD: ALL' >sudoers
    chmod 0440 sudoers
    # shellcheck disable=SC2016 # the inner shell's
    bg unshare --mount sh -c 'for file in passwd shadow; do mount --bind $file /etc/$file; done
        [ ! -e /etc/sudoers ] || mount --bind sudoers /etc/sudoers
        mount -t tmpfs -o mode=0755 none /run && touch mounted && exec sleep 300'
    until_true test -e mounted
    as_root=(nsenter --target "$pid" --mount --wd --)
    as_alice=("${as_root[@]}" setpriv --reuid 54321 --regid 54321 --clear-groups --)
}

# own_copy: make $P and $LIB the test's own, readable by all and compiled.
own_copy() {
    mkdir -p copy/bin
    cp "$P" copy/bin/procalive
    cp "$LIB" copy/procalive.py
    P=$BATS_TEST_TMPDIR/copy/bin/procalive
    LIB=$BATS_TEST_TMPDIR/copy/procalive.py
    "$P" --version >/dev/null
    chmod -R a+rX copy
}
