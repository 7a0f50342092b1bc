#!/usr/bin/env bats
# What is easily mistyped, and what is said of it.

load helper

# --- a path that is not there ---

@test "a mistyped path is told: no such FIFO in check -v, wait -v and kill" {
    go check -v "$F"
    ends 1 '' "$F: no such FIFO"
    go check -v missing/dir/fifo
    ends 1 '' "missing/dir/fifo: no such FIFO"
    go wait -v "$F"
    ends 0 "procalive: $F: no such FIFO"$'\n'"procalive: $F: gone"
    go kill "$F"
    ends 1 "procalive: $F: no such FIFO"
    mkfifo "$F"
    go check -v "$F"
    ends 1 '' "$F: not alive"
    go wait -v "$F"
    ends 0 "procalive: $F: gone"
}

@test "kill with a PID exits 1, signals nobody, and says that it takes a FIFO" {
    bg sleep 300
    for words in "$pid" "-s KILL $pid" "-k 1 $pid" "-- $pid"; do
        # shellcheck disable=SC2086 # words
        go kill $words
        ends 1 "procalive: $pid: no such FIFO; kill takes a FIFO, not a PID"
    done
    go kill -q "$pid"
    ends 1
    same "$(state_of "$pid")" S
    go kill "${pid}x"
    ends 1 "procalive: ${pid}x: no such FIFO"
}

@test "kill takes a FIFO whose name is a number" {
    hold_bg ./4312 sleep 300
    go kill -s KILL 4312
    ends 0
    until_true ended "$pid"
}

# --- a FIFO that was forgotten, or a command that is none ---

@test "hold without a FIFO makes nothing, and says what was taken for it" {
    go hold sleep 1
    ends 127 'procalive: 1: command not found (sleep was taken for the FIFO)'
    go hold -w 5 min job.fifo -- true
    ends 127 'procalive: job.fifo: command not found (min was taken for the FIFO)'
    same "$(ls -A)" ''
    touch plain
    go hold sleep ./plain
    ends 126 'procalive: ./plain: cannot be run: Permission denied (sleep was taken for the FIFO)'
    same "$(ls -A)" plain
    go hold sleep /
    ends 126 'procalive: /: cannot be run: Permission denied (sleep was taken for the FIFO)'
    same "$(ls -A)" plain
}

@test "hold --any looks its command up before it makes a FIFO" {
    go hold --any a b -- no-such-command
    ends 127 'procalive: no-such-command: command not found (a was taken for the FIFO)'
    same "$(ls -A)" ''
}

@test "hold with a line of the shell for a command says -c" {
    mkfifo "$F"
    for line in 'a | b' 'a && b' 'a; b' 'a >b' 'echo $HOME' 'a b'; do
        go hold "$F" -- "$line"
        ends 127 "procalive: *: command not found; for a line of the shell use -c: procalive hold FIFO -c 'LINE'"
    done
    for words in 'cd x' 'ulimit -n 5' 'export A=1' '[[ a ]]'; do
        as=(env PATH=/usr/bin:/bin)
        # shellcheck disable=SC2086 # words
        go hold "$F" -- $words
        ends 127 "procalive: ${words%% *}: command not found; for a line of the shell use -c: *"
    done
}

@test "hold with an option behind the FIFO says where options go" {
    mkfifo "$F"
    go hold "$F" -w 5 true
    ends 127 'procalive: -w: command not found; options go before the FIFO'
}

# --- permissions and file systems ---

@test "permission denied says whose the FIFO is, which mode it has and what to do" {
    another_user
    mkfifo -m 0600 "$F"
    as=("${other[@]}")
    go hold "$F" true
    ends 125 "procalive: $F: Permission denied: it belongs to root and has mode 0600; run this as root, or ask root for chmod or setfacl"
    for verb in check wait; do
        go $verb "$F"
        ends 2 "procalive: $F: Permission denied: it belongs to root and has mode 0600; *"
    done
}

@test "hold -w without permission to write says that waiting takes it" {
    another_user
    mkfifo -m 0644 "$F"
    hold_bg
    as=("${other[@]}")
    go hold -w 5 "$F" touch ran
    ends 125 "procalive: $F: held, and to wait for its end takes permission to write to the FIFO"
    [ ! -e ran ]
}

@test "a directory that may not be written says whose it is, and names a place" {
    another_user
    as=("${other[@]}")
    go hold /run/job.fifo true
    ends 125 'procalive: /run/job.fifo: cannot be made: permission denied, /run belongs to root; use a name such as @job, or a directory of your own'
}

@test "a stranger's FIFO where anybody may make files is refused, and a place is named" {
    another_user
    mkdir -m 1777 public
    "${other[@]}" mkfifo public/f
    go hold public/f true
    ends 125 'procalive: public/f: belongs to user nobody, in a directory where anybody may create files; use a name such as @job, or a directory of your own'
}

@test "a file system without FIFOs is named as the reason" {
    need_root
    go hold /sys/f true
    ends 125 'procalive: /sys/f: cannot be made: the file system of /sys has no FIFOs; name a FIFO on another'
}

@test "a file system without FIFOs is named as the reason, vfat too" {
    need_root
    need unshare
    need mkfs.vfat
    truncate -s 1M image
    mkfs.vfat image >/dev/null
    mkdir fat
    # shellcheck disable=SC2016 # the inner shell's
    go_cmd unshare --mount sh -c 'mount -o loop image fat 2>/dev/null || exit 99; "$1" hold fat/f true; echo $?; ls fat' sh "$P"
    [ "$status" != 99 ] || skip "no vfat, or no loop device here"
    ends 0 'procalive: fat/f: cannot be made: the file system of fat has no FIFOs; name a FIFO on another' 125
}

@test "an old lock file says what to do" {
    touch lock
    go hold lock true
    ends 125 'procalive: lock: not a FIFO but a regular file; if it is an old lock file that nothing uses, remove it'
}

# --- who holds ---

@test "a stopped holder is told as stopped" {
    hold_bg
    kill -s STOP "$pid"
    until_true stopped
    go hold "$F" true
    ends 75 "procalive: $F: held by $pid (sleep, stopped) for [0-9]*s"
    go check -v "$F"
    ends 0 '' "$F: alive, held by $pid (sleep, stopped) for *"
    go who "$F"
    ends 0 '' '*lock, stopped *sleep 300'
}

stopped() { [ "$(state_of "$pid")" = T ]; }

@test "held for counts from the hold, not from the start of a process that waited first" {
    hold_bg
    local holder=$pid
    bg "$P" hold -w 60 "$F" sleep 300
    until_true asleep_on "$pid" "$F"
    sleep 1.5 # that much is not to be counted
    kill -s KILL "$holder"
    until_true became_command "$pid"
    go hold "$F" true
    ends 75 "procalive: $F: held by $pid (sleep) for 0s"
}
