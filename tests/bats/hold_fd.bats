#!/usr/bin/env bats
# `procalive hold --fd N FIFO`: the calling shell itself holds, with no command.

load helper

# script LINES [ARG]...: run by sh, where procalive is $P and the FIFO, made before, $F.
script() {
    [ -e "$F" ] || mkfifo "$F"
    go_cmd env P="$P" F="$F" sh -c "$@"
}

@test "hold --fd makes the calling shell the holder until it ends" {
    script 'exec 9<>"$F" && "$P" hold --fd 9 "$F" && "$P" check "$F"'
    ends 0
    go check "$F"
    ends 1
}

@test "hold --fd lets go when the shell closes the descriptor" {
    script 'exec 9<>"$F"; "$P" hold --fd 9 "$F"; exec 9<&-; "$P" check "$F"'
    ends 1
}

@test "hold --fd excludes others, who are told of the shell" {
    script 'exec 9<>"$F"; "$P" hold --fd 9 "$F"; echo $$; exec 9>&9; "$P" hold "$F" true 9<&-'
    ends 75 "procalive: $F: held by $output (sh) for [0-9]*s" '[0-9]*'
}

@test "hold --fd points the holder link at the shell" {
    script 'exec 9<>"$F"; "$P" hold --fd 9 "$F"; [ "$(readlink "$F.holder")" = /proc/$$/fd/9 ]'
    ends 0
}

@test "hold --fd beats" {
    mkfifo "$F"
    touch -d '2 hours ago' "$F"
    script 'exec 9<>"$F"; "$P" hold --fd 9 "$F"; "$P" check --max-age 1h "$F"'
    ends 0
}

@test "hold --fd takes --fd=N, and a descriptor that can only read" {
    mkfifo "$F"
    exec 8<>"$F"
    script 'exec 7<"$F"; "$P" hold --fd=7 "$F"'
    ends 0
}

@test "hold --fd exits 75 when another holds, naming it" {
    hold_bg
    script 'exec 9<>"$F"; "$P" hold --fd 9 "$F"'
    ends 75 "procalive: $F: held by $pid (sleep) for [0-9]*s"
    script 'exec 9<>"$F"; "$P" hold -q -E 4 --fd 9 "$F"'
    ends 4
}

@test "hold --fd -s shares with -s holders only" {
    hold_bg -s "$F" sleep 300
    script 'exec 9<>"$F"; "$P" hold -s --fd 9 "$F"'
    ends 0
    script 'exec 9<>"$F"; "$P" hold -q --fd 9 "$F"'
    ends 75
}

@test "hold --fd -w exits 75 when the time runs out" {
    hold_bg
    script 'exec 9<>"$F"; "$P" hold -q -w 0.1 --fd 9 "$F"'
    ends 75
}

@test "hold --fd -w takes the FIFO when the other ends" {
    local holder seconds
    for seconds in 60 inf 1e15d; do
        hold_bg
        holder=$pid
        bg env F="$F" "${BASH}" -c 'exec 9<>"$F"; "$1" hold -w "$2" --fd 9 "$F" && touch taken' bash "$P" $seconds
        until_true blocked_flock
        kill -s KILL "$holder"
        until_true test -e taken
        until_true free "$F"
        rm taken
    done
}

@test "hold --fd -w exits 125 when the FIFO was replaced while it waited" {
    hold_bg
    local holder=$pid
    bg_logged bash -c 'exec 9<>"$2"; "$1" hold -w 60 --fd 9 "$2"; exit $?' bash "$P" "$F"
    until_true blocked_flock
    mv "$F" old
    mkfifo "$F"
    kill -s KILL "$holder"
    returns 125 '' "procalive: $F: was replaced while the lock was waited for"
}

# fd_rung ARG...: `hold --fd 9 ARG... $F`, with SIGALRM at the last of its three looks at the lock.
fd_rung() {
    need strace
    # shellcheck disable=SC2016 # the inner shell's
    bg_logged bash -c 'exec 9<>"$0"; "$@" --fd 9 "$0"; exit $?' "$F" \
        strace -D -f -qqq -o /dev/null -e trace=flock -e inject=flock:signal=ALRM:when=3 "$P" hold "$@"
}

@test "hold --fd -w takes an alarm after the first for none" {
    hold_bg
    fd_rung -q -w 0.1
    returns 75
}

@test "hold --fd -w takes an alarm after it got the lock for none" {
    hold_bg
    local holder=$pid
    fd_rung -w 60
    until_true blocked_flock
    kill -s KILL "$holder"
    returns 0
}

@test "hold --fd works without /proc" {
    need_root
    need unshare
    mkfifo "$F"
    # shellcheck disable=SC2016 # the inner shell's
    go_cmd unshare --mount sh -c 'mount -t tmpfs none /proc && exec 9<>"$2" && "$1" hold --fd 9 "$2" && "$1" check "$2"' sh "$P" "$F"
    ends 0
}

# Somebody waits for the lock of $F: proc_locks(5) shows it with an arrow.
blocked_flock() { grep -q -- "-> FLOCK .*:$(stat -c %i "$F") " /proc/locks; }

@test "hold --fd -w ends quietly with 130 on Ctrl-C" {
    hold_bg
    bg env --default-signal=INT setsid sh -c '
        trap : INT; exec 9<>"$1"; "$2" hold -w 60 --fd 9 "$1"; echo $? >status' sh "$F" "$P" 2>stderr
    until_true blocked_flock
    kill -s INT -- "-$pid"
    until_true test -s status
    same "$(cat status stderr)" 130
}

@test "hold --fd exits 125 when the descriptor is open for procalive alone" {
    mkfifo "$F" # not dash: it opens the descriptor in itself, for as long as the command runs
    go_cmd bash -c '"$1" hold --fd 9 "$2" 9<>"$2"; exit $?' bash "$P" "$F"
    ends 125 "procalive: $F: descriptor 9 *"
}

@test "hold --fd exits 75 where another holds, also as the command that its shell becomes" {
    hold_bg
    go_cmd bash -c 'exec 9<>"$2"; "$1" hold --fd 9 "$2"' bash "$P" "$F"
    ends 75 "procalive: $F: held by $pid (sleep) for *"
    go_cmd bash -c 'exec 9<>"$2"; "$1" hold -q -E 33 --fd 9 "$2"' bash "$P" "$F"
    ends 33
    end_holder
    go_cmd bash -c 'exec 9<>"$2"; "$1" hold --fd 9 "$2"' bash "$P" "$F"
    ends 125 "procalive: $F: descriptor 9 is open on it here, but not in the calling shell, *"
}

@test "hold --fd exits 125 when the calling shell has another file open there" {
    mkfifo "$F"
    go_cmd bash -c 'exec 9>log; "$1" hold --fd 9 "$2" 9<>"$2"' bash "$P" "$F"
    ends 125 "procalive: $F: descriptor 9 is open on it here, but not in the calling shell, which is to hold"
}

@test "hold --fd in a removed directory exits 125 and leaves the descriptor unlocked" {
    mkfifo "$F"
    mkdir gone
    go_cmd bash -c 'cd gone; rmdir ../gone; exec 9<>"$1"; "${@:2}" hold --fd 9 ../job.fifo; echo $?; flock -n "$1" true; echo $?' \
        bash "$F" "$PY" -ISE "$LIB"
    ends 0 'procalive: ../job.fifo: the current directory was removed; *' $'125\n0'
}

@test "hold --fd exits 125 and names the watcher that has locked its write end, not the caller" {
    mkfifo "$F"
    bg_lock_write_end
    for wait in '' '-w 60'; do
        # shellcheck disable=SC2016 # the inner shell's
        go_cmd bash -c 'exec 9<>"$2"; "$1" hold $3 --fd 9 "$2"; exit $?' bash "$P" "$F" "$wait"
        ends 125 "procalive: $F: locked by $pid (python3*), which does not read it: *"
    done
}

@test "hold --fd exits 125 when the descriptor is not open" {
    script '"$P" hold --fd 9 "$F"'
    ends 125 "procalive: $F: descriptor 9 is not open here; *"
}

@test "hold --fd exits 125 when the descriptor cannot read" {
    mkfifo "$F"
    exec 8<>"$F"
    script 'exec 9>"$F"; "$P" hold --fd 9 "$F"'
    ends 125 "procalive: $F: descriptor 9 is not open for reading; *"
}

@test "hold --fd exits 125 when the descriptor is open on another file" {
    script 'exec 9</dev/null; "$P" hold --fd 9 "$F"'
    ends 125 "procalive: $F: descriptor 9 is open on another file"
}

@test "hold --fd exits 125 when the FIFO was replaced since" {
    script 'exec 9<>"$F"; rm "$F"; mkfifo "$F"; "$P" hold --fd 9 "$F"'
    ends 125 "procalive: $F: descriptor 9 is open on another file"
}

@test "hold --fd exits 125 for a missing FIFO, and creates none" {
    go hold --fd 9 missing
    ends 125 'procalive: missing: No such file or directory'
    [ ! -e missing ]
}

@test "hold --fd exits 125 for what is not a FIFO" {
    echo data >file
    go_cmd sh -c 'exec 9<>file; "$0" hold --fd 9 file' "$P"
    ends 125 'procalive: file: not a FIFO but a regular file; *'
    same "$(cat file)" data
}

@test "hold --fd exits 125 with a command, with -o, and without a FIFO" {
    script 'exec 9<>"$F"; "$P" hold --fd 9 "$F" true'
    ends 125 'procalive: hold: --fd takes one FIFO*'
    script 'exec 9<>"$F"; "$P" hold -o --fd 9 "$F"'
    ends 125 'procalive: hold: --fd takes one FIFO*'
    script '"$P" hold --fd 9'
    ends 125 'procalive: hold: --fd takes one FIFO*'
}

@test "hold --fd exits 125 for what is no descriptor" {
    for word in -1 x 1_0 99999999999 '' 0x9 ٩; do
        go hold --fd "$word" "$F"
        ends 125 'procalive: hold: --fd: *: not a file descriptor*'
    done
}

@test "hold --fd -w exits 75 when the time is over, however short, and with SIGALRM blocked" {
    hold_bg
    script 'exec 9<>"$F"; "$P" hold -q -w 0.000001 --fd 9 "$F"'
    ends 75
    script 'exec 9<>"$F"; env --block-signal=ALRM "$P" hold -q -w 0.1 --fd 9 "$F"'
    ends 75
}
