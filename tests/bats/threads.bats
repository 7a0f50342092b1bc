#!/usr/bin/env bats
# Holders whose first thread has ended, whose descriptors are a thread's own, or in flight.

load helper

# python LINES: a process that holds $F as the lines have it, and has made the file `ready`.
python() {
    bg "$PY" -c 'import ctypes, fcntl, os, socket, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def take():
    fd = os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK); fcntl.flock(fd, fcntl.LOCK_EX); return fd
def ready(): open("ready", "w").close()
'"$1" "$F"
    until_true test -e ready
}

setup_first_thread_ended() {
    mkfifo "$F"
    python '
def hold():
    time.sleep(0.2); ready(); time.sleep(300)
fd = take(); threading.Thread(target=hold).start(); libc.syscall(60, 0)  # exit(2) of this thread alone
' || true
    [ "$(uname -m)" = x86_64 ] || skip "the number of exit(2) is that of x86_64"
}

setup_own_descriptors() {
    mkfifo "$F"
    python '
def hold():
    if libc.unshare(0x400): os._exit(1)  # CLONE_FILES
    take(); ready(); time.sleep(300)
threading.Thread(target=hold).start(); time.sleep(300)
'
}

found_and_killed() {
    checks "$F"
    ends 0
    go who "$F"
    ends 0 '' "*$pid * lock *"
    go hold "$F" true
    ends 75 "procalive: $F: held by $pid (python3*) for *"
    go kill -k 10 "$F"
    ends 0
    free "$F"
}

@test "who, hold and kill find a holder whose first thread has ended" {
    setup_first_thread_ended
    found_and_killed
}

@test "who, hold and kill find a holder whose descriptors are a thread's own" {
    setup_own_descriptors
    found_and_killed
}

@test "wait --status tells the end of a holder whose first thread has ended" {
    setup_first_thread_ended
    local holder=$pid
    bg_logged "$P" wait --status "$F"
    until_true asleep_on_process "$pid"
    kill -s KILL "$holder"
    wait "$holder" 2>/dev/null || true
    returns 137
}

@test "a descriptor in flight over a UNIX socket: check 0, hold 75, who and kill cannot tell, 2" {
    mkfifo "$F"
    python '
a, b = socket.socketpair(socket.AF_UNIX)
fd = take(); socket.send_fds(a, [b"x"], [fd]); os.close(fd); ready(); time.sleep(300)
'
    checks "$F"
    ends 0
    go hold "$F" true
    ends 75 "procalive: $F: held by a process that you may not see"
    for verb in who kill 'kill -k 0'; do
        # shellcheck disable=SC2086 # words
        go $verb "$F"
        ends 2 "procalive: $F: held, but by no process that you may see (*on its way through a UNIX socket)"
    done
    kill -0 "$pid"
}

@test "a reader without the lock is no thread's: who lists it once, however many threads it has" {
    mkfifo "$F"
    python '
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK)
for n in range(5): threading.Thread(target=time.sleep, args=(300,), daemon=True).start()
ready(); time.sleep(300)
'
    go who "$F"
    ends 0 '' "FIFO *"$'\n'"$F *$pid * reader *"
    same "$(wc -l <<<"$output")" 2
}
