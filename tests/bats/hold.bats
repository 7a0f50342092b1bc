#!/usr/bin/env bats
# `procalive hold FIFO -- COMMAND`: what it takes, what the command gets.

load helper

# alike COMMAND...: it prints the same with and without hold.
alike() {
    same "$("${as[@]}" "$P" hold "$F" "$@")" "$("${as[@]}" "$@")"
}

# --- the FIFO ---

@test "hold creates the FIFO with mode 0600 whatever the umask" {
    for mask in 000 022 077 777; do
        (umask $mask && "$P" hold "$mask.fifo" true)
        same "$(stat -c '%F %a' $mask.fifo)" 'fifo 600'
    done
}

@test "hold -m gives the new FIFO exactly that mode" {
    for mode in 0666 622 0 0777 0400; do
        (umask 077 && "$P" hold -m $mode "$mode.fifo" true) || true
        same "$(stat -c %a "$mode.fifo")" "$(printf %o "0$mode")"
    done
}

@test "hold -m leaves the mode of an existing FIFO alone" {
    mkfifo -m 0640 "$F"
    "$P" hold -m 0666 "$F" true
    same "$(stat -c %a "$F")" 640
}

@test "hold leaves the FIFO, and only the holder link beside it" {
    "$P" hold "$F" true
    same "$(ls -A)" $'job.fifo\njob.fifo.holder'
    [ -p "$F" ]
    go check "$F"
    ends 1
}

@test "hold leaves a link that is the FIFO while, and only while, it is held" {
    hold_bg
    [ "$F.holder" -ef "$F" ]
    end_holder
    [ -h "$F.holder" ]
    [ ! "$F.holder" -ef "$F" ]
}

@test "hold replaces the link of the last holder" {
    ln -s /proc/999999999/fd/701 "$F.holder"
    hold_bg
    same "$(readlink "$F.holder")" "/proc/$pid/fd/$(basename "$(readlink "$F.holder")")"
    [ "$F.holder" -ef "$F" ]
}

@test "hold leaves a file alone that has the name of the holder link" {
    echo data >"$F.holder"
    "$P" hold "$F" "$P" check "$F"
    same "$(cat "$F.holder")" data
}

@test "hold works where it may not leave a holder link" {
    another_user
    mkdir -m 0755 sub
    mkfifo -m 0666 sub/fifo
    as=("${other[@]}")
    go hold sub/fifo "$P" check sub/fifo
    ends 0
}

@test "hold beats once at the start" {
    mkfifo "$F"
    touch -d '2 hours ago' "$F"
    go hold "$F" find "$F" -mmin -60
    ends 0 '' "$F"
}

# --- the command ---

@test "hold becomes the command: the same PID" {
    hold_bg "$F" sh -c 'echo $$ >pid; exec sleep 300'
    until_true test -s pid
    same "$(cat pid)" "$pid"
    same "$(tr '\0' ' ' <"/proc/$pid/cmdline")" 'sleep 300 '
}

@test "hold ends with the command's status" {
    for code in 0 1 2 3 75 124 125 126 127 128 255; do
        go hold "$F" sh -c "exit $code"
        ends $code
    done
}

@test "hold ends by the signal that ended the command" {
    as=(env --default-signal) # one could be ignored where the tests run under nohup
    for signal in TERM SEGV KILL HUP ABRT; do
        go hold "$F" sh -c "kill -s $signal \$\$"
        ends $((128 + $(kill -l $signal)))
    done
}

@test "hold passes signals on, being the command" {
    hold_bg "$F" sh -c 'trap "exit 7" USR1; touch ready; while :; do sleep 0.02; done'
    until_true test -e ready
    kill -s USR1 "$pid"
    status=0
    wait "$pid" || status=$?
    same "$status" 7
}

@test "hold passes stdin, stdout, stderr and the arguments on as they are" {
    go_cmd "$P" hold "$F" sh -c 'cat; printf "<%s>" "$@"; echo err >&2' sh '' ' a ' $'\n' $'\xff' -- -q <<<in
    ends 0 err $'in\n<>< a ><\n><\xff><--><-q>'
}

@test "hold stops its options at the first operand" {
    go hold "$F" echo -q -w 1 --help
    ends 0 '' '-q -w 1 --help'
}

@test "hold takes -- before the FIFO and after it" {
    go hold -- -x -- echo a -- b
    ends 0 '' 'a -- b'
    [ -p ./-x ]
}

@test "hold leaves the signal dispositions to the command, SIGPIPE at its default" {
    as=(env --default-signal)
    alike grep '^Sig[BI]' /proc/self/status
}

@test "hold leaves the signal dispositions to the command, SIGPIPE ignored" {
    as=(env --default-signal --ignore-signal=PIPE)
    alike grep '^Sig[BI]' /proc/self/status
}

@test "hold leaves the signal dispositions to the command, INT, HUP and others ignored" {
    as=(env --default-signal '--ignore-signal=INT,QUIT,HUP,TERM,USR1,TSTP')
    alike grep '^Sig[BI]' /proc/self/status
}

@test "hold leaves SIGXFSZ to the command, ignored if it was" {
    as=(env --ignore-signal=XFSZ)
    alike grep '^Sig[BI]' /proc/self/status
}

@test "hold leaves a blocked signal blocked" {
    as=(env --block-signal=USR2)
    alike grep '^Sig[BI]' /proc/self/status
}

@test "hold adds PROCALIVE_FIFO and PROCALIVE_FD to the environment, and nothing else" {
    as=(env -i PATH="$PATH" PWD="$PWD" LANG=C)
    same "$("${as[@]}" "$P" hold "$F" env | grep -v '^PROCALIVE_' | sort)" "$("${as[@]}" sh -c 'exec env' | sort)"
}

@test "hold leaks no LC_CTYPE where none was set, and keeps one that was" {
    as=(env -u LC_ALL -u LANG -u LC_CTYPE)
    go hold "$F" printenv LC_CTYPE
    ends 1
    for locale in C.UTF-8 C POSIX ''; do
        as=(env -u LC_ALL -u LANG LC_CTYPE="$locale")
        go hold "$F" printenv LC_CTYPE
        ends 0 '' "$locale"
    done
}

@test "hold exports an absolute PROCALIVE_FIFO" {
    go hold job.fifo printenv PROCALIVE_FIFO
    ends 0 '' "$F"
    go hold "$F" printenv PROCALIVE_FIFO
    ends 0 '' "$F"
}

@test "hold exports a PROCALIVE_FD that is open on the FIFO, high and odd" {
    go hold "$F" sh -c '[ /proc/self/fd/$PROCALIVE_FD -ef "$PROCALIVE_FIFO" ] && echo $PROCALIVE_FD'
    ends 0 '' '[1-9]*[13579]'
    [ "$output" -ge 700 ]
}

@test "hold leaves the command no descriptor but PROCALIVE_FD" {
    local with without
    without=$(ls /proc/self/fd)
    with=$("$P" hold "$F" sh -c 'ls /proc/self/fd | grep -vx $PROCALIVE_FD')
    same "$with" "$without"
}

@test "hold lets a script let go by closing PROCALIVE_FD" {
    bg "$P" hold "$F" bash -c 'exec {PROCALIVE_FD}>&-; touch closed; exec sleep 300'
    until_true test -e closed
    go check "$F"
    ends 1
    kill -0 "$pid"
}

@test "hold survives a script that opens and closes low descriptors" {
    hold_bg "$F" bash -c 'for fd in {3..255}; do eval "exec $fd>&1 $fd>&-"; done; touch closed; exec sleep 300'
    until_true test -e closed
    go check "$F"
    ends 0
}

@test "hold works with closed standard descriptors, which stay closed" {
    printf 'for fd in 0 1 2 3; do [ -e /proc/$$/fd/$fd ] && echo $fd; done >"$1"\ntrue\n' >which
    local closed
    for closed in '<&-' '>&-' '2>&-' '<&- >&- 2>&-' '<&- >&- 2>&- 3>&-' '3</dev/null'; do
        eval "$P hold $F sh which with $closed"
        eval "sh which without $closed"
        same "$(<with)" "$(<without)"
    done
}

@test "hold works with 64 descriptors, with 16 and with 15" {
    for limit in 64 16 15; do
        go_cmd sh -c 'ulimit -n $0; exec "$@"' $limit "$P" hold "$F" sh -c 'echo $PROCALIVE_FD; "$@"' sh "$P" check "$F"
        ends 0 '' '*[13579]'
        [ "$output" -lt $limit ]
    done
}

@test "hold by procalive.py works where no odd descriptor is free" {
    # shellcheck disable=SC2016 # the inner shells'
    go_cmd bash -c 'ulimit -n 16; for fd in {3..15..2}; do eval "exec $fd</dev/null"; done; exec "$@"' bash \
        "$PY" -ISE "$LIB" hold "$F" sh -c '[ "/proc/self/fd/$PROCALIVE_FD" -ef "$PROCALIVE_FIFO" ]'
    ends 0
}

@test "hold by procalive.py works with 8 descriptors" {
    go_cmd sh -c 'ulimit -n 8; exec "$@"' sh "$PY" -ISE "$LIB" hold "$F" test -p "$F"
    ends 0
}

@test "hold runs a script without a #! line by sh, as execvp does" {
    printf 'echo "$0 $1 $$"\n' >script
    chmod +x script
    go hold "$F" ./script x
    ends 0 '' './script x [0-9]*'
    as=(env PATH="$PWD:$PATH")
    go hold "$F" script x
    ends 0 '' "$PWD/script x [0-9]*"
}

@test "hold exits 127 when the command is not found, and lets go" {
    as=(env PATH=/usr/bin:/bin) # a directory that may not be searched makes it 126, as execvp has it
    mkfifo "$F"
    for command in no-such-command ./no-such-command '' no/such/dir/command; do
        go hold "$F" "$command"
        ends 127 'procalive: *: command not found'
        go check "$F"
        ends 1
    done
}

@test "hold exits 126 when the command cannot be executed, and lets go" {
    echo 'echo wrong' >plain
    printf '#!/no/such/interpreter\n' >orphan
    chmod +x orphan
    mkdir dir
    for command in ./plain ./orphan ./dir; do
        go hold "$F" "$command"
        ends 126 "procalive: $command: cannot be run: *"
        go check "$F"
        ends 1
    done
}

@test "hold goes on along PATH past what is not executable" {
    mkdir first second
    echo 'echo wrong' >first/tool
    printf '#!/bin/sh\necho right\n' >second/tool
    chmod +x second/tool
    as=(env PATH="$PWD/first:$PWD/second:$PATH")
    go hold "$F" tool
    ends 0 '' right
}

@test "hold looks along PATH as execvp does: past what is no directory, here for an empty one, and at once after a loop" {
    mkdir second
    printf '#!/bin/sh\necho right\n' | tee tool >second/tool
    chmod +x tool second/tool
    touch file
    for path in "$PWD/file:$PWD/missing:$PWD/second" ":$PATH" "$PWD/file:"; do
        as=(env PATH="$path")
        go hold "$F" tool
        ends 0 '' right
    done
    mkdir first
    ln -s tool first/tool
    as=(env PATH="$PWD/first:$PWD/second:$PATH")
    go hold "$F" tool
    ends 126 'procalive: tool: cannot be run: Too many levels of symbolic links'
}

@test "hold finds a command where there is no PATH" {
    as=(env -u PATH)
    go hold "$F" cat /dev/null
    ends 0
}

@test "hold keeps the working directory, the umask, the niceness and the process group" {
    umask 027
    as=(nice -n 5)
    alike sh -c 'pwd; umask; nice; cut -d" " -f5-7 /proc/$$/stat | sed "s/ .*//" | wc -l'
}

# --- nested ---

@test "hold can be nested: both FIFOs are held, and the inner one is told" {
    go hold outer "$P" hold inner sh -c "'$P' check outer && '$P' check inner && echo \$PROCALIVE_FIFO"
    ends 0 '' "$PWD/inner"
    go check outer
    ends 1
    go check inner
    ends 1
}

@test "hold nested on one FIFO exits 75: it is held by ourselves" {
    go hold "$F" "$P" hold "$F" true
    ends 75 "procalive: $F: held by [0-9]* (*) for [0-9]*s"
}

@test "hold -w as the job of a hold of the same FIFO does not wait for itself" {
    go hold "$F" "$P" hold -w 20 "$F" echo ran
    ends 0 '' ran
}

@test "hold keeps nested descriptors apart, ten deep" {
    go_cmd sh -c 'n=0; while [ $n -lt 10 ]; do set -- "$0" hold "f$n" "$@"; n=$((n + 1)); done; exec "$@"' "$P" "$P" check f{0..9}
    ends 0
}

# --- another holder ---

@test "hold exits 75 at once when another holds, naming it, and runs nothing" {
    hold_bg
    go hold "$F" touch ran
    ends 75 "procalive: $F: held by $pid (sleep) for [0-9]*s"
    [ ! -e ran ]
}

@test "hold names the script that holds" {
    printf '#!/bin/sh\nwhile :; do sleep 0.1; done\n' >backup.sh
    chmod +x backup.sh
    hold_bg "$F" ./backup.sh
    until_true grep -q backup.sh "/proc/$pid/comm"
    go hold "$F" true
    ends 75 "procalive: $F: held by $pid (backup.sh) for [0-9]*s"
}

@test "hold -q exits 75 and is silent" {
    hold_bg
    go hold -q "$F" true
    ends 75
}

@test "hold -E sets the status of a conflict" {
    hold_bg
    for code in 0 1 3 255; do
        go hold -q -E $code "$F" touch ran
        ends $code
    done
    [ ! -e ran ]
}

@test "hold -E does not change the status of the command" {
    go hold -E 9 "$F" sh -c 'exit 4'
    ends 4
}

@test "hold -v says that it holds" {
    go hold -v "$F" true
    ends 0 "procalive: $F: held; running true"
}

@test "hold -v -w says whom it waits for" {
    hold_bg
    go hold -v -w 0.1 "$F" true
    ends 75 "procalive: $F: waiting for $pid (sleep), which holds it for *"$'\n'"procalive: $F: held by $pid (sleep) for *"
}

@test "hold -w exits 75 when the time runs out" {
    hold_bg
    go hold -w 0.1 "$F" touch ran
    ends 75 "procalive: $F: held by $pid (sleep) for *"
    [ ! -e ran ]
}

@test "hold -w takes the FIFO when the other ends" {
    for seconds in 60 1m inf; do
        hold_bg
        local holder=$pid
        bg "$P" hold -w $seconds "$F" sleep 300
        until_true asleep_on "$pid" "$F"
        kill -s KILL "$holder"
        until_true test "/proc/$pid/exe" -ef "$(command -v sleep)"
        [ "$F.holder" -ef "$F" ]
        end_holder
    done
}

@test "hold -w sleeps: not one wake-up while it waits" {
    hold_bg
    bg "$P" hold -w 60 "$F" true
    until_true asleep_on "$pid" "$F"
    local before
    before=$(switches "$pid")
    sleep 1.5
    same "$(switches "$pid")" "$before"
}

@test "hold -w ends quietly with 130 on Ctrl-C, and takes nothing" {
    hold_bg
    bg env --default-signal=INT "$P" hold -w 60 "$F" touch ran 2>stderr
    until_true asleep_on "$pid" "$F"
    kill -s INT "$pid"
    status=0
    wait "$pid" || status=$?
    same "$status $(cat stderr)" '130 '
    [ ! -e ran ]
}

@test "hold gives way to a plain reader too, as check calls that alive" {
    mkfifo "$F"
    bg sh -c 'exec sleep 300 8<>"$1"' sh "$F"
    until_true asleep_on "$pid" "$F"
    go hold "$F" true
    ends 75 "procalive: $F: read by $pid (sleep), which does not hold the lock"
}

@test "hold says 125 and the PID when a watcher has locked its write end" {
    mkfifo "$F"
    bg_lock_write_end
    go hold "$F" true
    ends 125 "procalive: $F: locked by $pid (python3*), which does not read it: *"
    go hold -w 60 -s "$F" true
    ends 125 "procalive: $F: locked by $pid (python3*), which does not read it: *"
}

# --- shared ---

@test "hold -s lets any number of -s holders in" {
    hold_bg -s "$F" sleep 300
    hold_bg -s "$F" sleep 300
    go hold -s "$F" echo third
    ends 0 '' third
}

@test "hold -s keeps an exclusive holder out, and one keeps it out" {
    hold_bg -s "$F" sleep 300
    go hold "$F" true
    ends 75 "procalive: $F: held by $pid (sleep) for *"
    end_holder
    hold_bg
    go hold -s "$F" true
    ends 75 "procalive: $F: held by $pid (sleep) for *"
}

@test "hold waits until the last of the -s holders is gone" {
    hold_bg -s "$F" sleep 300
    local first=$pid
    hold_bg -s "$F" sleep 300
    kill -s KILL "$pid"
    go hold -q "$F" true
    ends 75
    pid=$first end_holder
    go hold "$F" true
    ends 0
}

# --- what it refuses; nothing is created, nothing run ---

@test "hold exits 125 for what is not a FIFO, and leaves it as it is" {
    echo data >file
    mkdir dir
    for path in dir /dev/null; do
        go hold "$path" touch ran
        ends 125 "procalive: $path: not a FIFO"
    done
    go hold file touch ran
    ends 125 'procalive: file: not a FIFO but a regular file; if it is an old lock file that nothing uses, remove it'
    same "$(cat file) $(echo *)" 'data dir file'
}

@test "hold exits 125 for a UNIX socket" {
    "$PY" -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
    go hold socket touch ran
    ends 125 'procalive: socket: not a FIFO'
}

@test "hold exits 125 for a symbolic link, wherever it leads" {
    mkfifo "$F"
    touch file
    ln -s "$F" link
    ln -s missing dangling
    ln -s loop loop
    ln -s file other
    for path in link dangling loop other; do
        for wait in 0 20; do
            go hold -w $wait $path touch ran
            ends 125 "procalive: $path: a symbolic link; *"
        done
    done
    [ ! -e ran ] && [ ! -e missing ]
}

@test "hold exits 125 at once for a name that ends in a slash" {
    ln -s missing dangling
    for path in dangling/ new/; do
        go_cmd timeout -s KILL 20 "$P" hold -w 5 $path touch ran
        ends 125 "procalive: $path: No such file or directory"
    done
    [ ! -e ran ] && [ ! -e missing ] && [ ! -e new ]
}

@test "hold follows links on the way to the FIFO" {
    mkdir dir
    ln -s dir link
    go hold link/fifo "$P" check dir/fifo
    ends 0
}

@test "hold exits 125 when the directory is missing, and makes none" {
    go hold missing/fifo touch ran
    ends 125 'procalive: missing/fifo: no such directory'
    same "$(ls -A)" ''
}

@test "hold exits 125 for an empty name, one too long, and one below a file" {
    touch file
    go hold '' true
    ends 125 "procalive: '': No such file or directory"
    go hold "$(printf '%0300d' 0)" true
    ends 125 'procalive: 0*: File name too long'
    go hold file/fifo true
    ends 125 'procalive: file/fifo: Not a directory'
    same "$(ls -A)" file
}

@test "hold exits 125 for a stranger's FIFO in a directory where all may write" {
    need_root
    mkdir -m 1777 public
    mkfifo public/fifo
    chown 65534 public/fifo
    go hold public/fifo touch ran
    ends 125 'procalive: public/fifo: belongs to user *'
    [ ! -e ran ]
}

@test "hold takes a stranger's FIFO elsewhere, and root's in a directory where all may write" {
    another_user
    mkdir -m 1777 public
    mkfifo -m 0666 public/fifo stranger
    chmod 0666 public/fifo
    chown 65534 stranger
    go hold stranger true
    ends 0
    as=("${other[@]}")
    go hold public/fifo true
    ends 0
}

@test "hold exits 125 without permission to read, or to create" {
    another_user
    mkfifo "$F"
    chmod 0622 "$F"
    as=("${other[@]}")
    go hold "$F" touch ran
    ends 125 "procalive: $F: Permission denied: it belongs to root and has mode 0622; run this as root, or ask root for *"
    go hold new touch ran
    ends 125 'procalive: new: cannot be made: permission denied, . belongs to root; use a name such as @job, *'
    [ ! -e new ]
}

@test "hold needs no permission to write" {
    another_user
    mkfifo -m 0644 "$F"
    as=("${other[@]}")
    go hold "$F" true
    ends 0
}
