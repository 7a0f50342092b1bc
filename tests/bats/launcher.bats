#!/usr/bin/env bats
# bin/procalive answers the plain check by itself.  Whatever the name, the tools
# and the links: it must say what procalive.py says.

load helper

# only_tools NAME...: a PATH of nothing but these.
only_tools() {
    local tool
    mkdir tools
    for tool; do ln -s "$(command -v "$tool")" tools/; done
    as=(env PATH="$PWD/tools")
}

# both_answers FIFO: 1 while nobody holds it, 0 with the holder link, 0 without.
both_answers() {
    mkfifo -- "$1"
    checks "$1"
    ends 1
    hold_bg -- "$1" sleep 300
    checks "$1"
    ends 0
    rm -- "$1.holder"
    checks "$1"
    ends 0
}

@test "launcher agrees for a plain name" { both_answers job; }
@test "launcher agrees for a name with blanks" { both_answers ' a  b '; }
@test "launcher agrees for a name with newlines" { both_answers $'a\nb\n'; }
@test "launcher agrees for a name of glob characters" { both_answers '*[a-z]?'; }
@test "launcher agrees for a name with quotes and backslashes" { both_answers "\\n'\"\$(id)\`id\`"; }
@test "launcher agrees for a name that is not UTF-8" { both_answers $'\xff\xfe'; }
@test "launcher agrees for a name with an equals sign" { both_answers 'of=x'; }
@test "launcher agrees for a name like an operator of test(1)" { both_answers '!'; }
@test "launcher agrees for a name like a parenthesis" { both_answers '('; }

@test "launcher agrees for a name like dd's own message" {
    both_answers "': No such device or address"
}

@test "launcher takes a name with a leading dash behind -- or ./, and else for an option" {
    both_answers ./-x
    checks -- -x
    ends 0
    checks -x
    ends 2 'procalive: check: -x: no such option*'
    checks -
    ends 1
}

@test "launcher believes no link left by a holder that is gone" {
    mkfifo "$F"
    ln -s /proc/999999999/fd/701 "$F.holder"
    checks "$F"
    ends 1
}

@test "launcher believes no link to a process that came later under the same PID" {
    mkfifo "$F"
    ln -s "/proc/$$/fd/0" "$F.holder"
    checks "$F"
    ends 1
}

@test "launcher believes no other name of the FIFO that is in the place of the link" {
    mkfifo "$F"
    ln "$F" "$F.holder"
    checks "$F"
    ends 1
}

@test "launcher needs no holder link, and none that can be written" {
    mkdir ro
    mkfifo ro/fifo
    exec 8<>ro/fifo
    touch ro/fifo.holder
    checks ro/fifo
    ends 0
}

@test "launcher agrees without dd on PATH" {
    mkfifo dead
    hold_bg
    only_tools true
    checks "$F"
    ends 0
    rm "$F.holder"
    checks "$F"
    ends 0
    checks dead
    ends 1
}

@test "launcher agrees with busybox's dd" {
    need busybox
    mkfifo dead
    hold_bg
    only_tools true
    ln -s "$(command -v busybox)" tools/dd
    rm "$F.holder"
    checks "$F"
    ends 0
    checks dead
    ends 1
}

@test "launcher agrees with a dd that fails, and is not led to \"dead\" by it" {
    hold_bg
    mkdir tools
    printf '#!/bin/sh\necho "dd: failed to open: out of order" >&2\nexit 1\n' >tools/dd
    chmod +x tools/dd
    rm "$F.holder"
    as=(env PATH="$PWD/tools:$PATH")
    checks "$F"
    ends 0
}

@test "launcher takes a file that comes in the FIFO's place for none, though dd can open it" {
    mkfifo "$F"
    mkdir tools
    printf '#!/bin/sh\nrm "%s"; exec touch "%s"\n' "$F" "$F" >tools/dd
    chmod +x tools/dd
    as=(env PATH="$PWD/tools:$PATH")
    go check "$F"
    ends 2 "procalive: $F: not a FIFO"
}

@test "launcher agrees in another language" {
    mkfifo "$F"
    as=(env LC_ALL=de_DE.UTF-8 LANGUAGE=de)
    checks "$F"
    ends 1
}

@test "launcher agrees for a FIFO of mode 0400" {
    another_user
    mkfifo -m 0400 "$F"
    chown 65534 "$F"
    as=("${other[@]}")
    checks "$F"
    ends 2 "procalive: $F: Permission denied: it belongs to *"
    exec 8<>"$F"
    checks "$F"
    ends 2 "procalive: $F: Permission denied: it belongs to *"
    chown 65534 .
    bg "${other[@]}" "$P" hold -s "$F" sleep 300
    until_true became_command "$pid"
    "${other[@]}" test "$F.holder" -ef "$F"
    checks "$F"
    ends 2 "procalive: $F: Permission denied: it belongs to *"
}

@test "launcher agrees on a read-only mount, dead and alive" {
    need_root
    mkfifo "$F"
    as=(unshare --mount sh -c 'mount --bind . . && mount -o remount,ro,bind . && cd "$PWD" && exec "$@"' sh)
    checks "$F"
    ends 1
    hold_bg
    checks "$F"
    ends 0
    rm "$F.holder"
    checks "$F"
    ends 0
}

@test "launcher agrees with 64 descriptors and with 16" {
    mkfifo dead
    hold_bg
    rm "$F.holder"
    for limit in 64 16; do # with 10 dash could run no script
        as=(sh -c 'ulimit -n $0; exec "$@"' "$limit")
        checks "$F"
        ends 0
        checks dead
        ends 1
    done
}

@test "launcher works through a symbolic link, a relative path, PATH and sh" {
    mkfifo "$F"
    ln -s "$P" link
    ln -s link again
    for start in ./again "$PWD/link" "sh $P" "env PATH=$PWD:$PATH link"; do
        # shellcheck disable=SC2086 # words
        go_cmd $start --version
        ends 0 '' 'procalive [0-9]*'
    done
    (cd "${P%/*}" && ./procalive --version && sh procalive --version)
}

@test "launcher starts procalive.py with no module of the current directory or PYTHONPATH" {
    printf 'raise SystemExit("wrong module")\n' | tee fcntl.py os.py procalive.py
    as=(env PYTHONPATH="$PWD" PYTHONSTARTUP="$PWD/os.py")
    checks missing -
    ends 1
}

@test "launcher takes a missing /dev/null for no answer" {
    need_root
    hold_bg
    rm "$F.holder"
    as=(unshare --mount sh -c 'mount -t tmpfs none /dev && exec "$@"' sh)
    checks "$F"
    ends 0
}

@test "launcher takes no module that lies beside procalive.py, as in site-packages" {
    own_copy
    printf 'raise SystemExit("wrong module")\n' | tee copy/argparse.py copy/json.py copy/enum.py copy/pwd.py >/dev/null
    hold_bg
    go check -h
    ends 0 '' 'usage: *'
    go who --json "$F"
    ends 0 '' '{*}'
    go kill "$F"
    ends 0
}

@test "launcher and procalive.py say names that the locale has no letters for" {
    localedef -i en_US -f ISO-8859-1 "$PWD/latin" 2>/dev/null || skip "no localedef or no locales here"
    F=$PWD/日本.fifo
    hold_bg
    as=(env LOCPATH="$PWD" LC_ALL=latin)
    go check -v "$F"
    ends 0 '' "$F: alive, *"
    go_cmd "${as[@]}" "$PY" -ISE "$LIB" check -v "$F"
    ends 0 '' "$F: alive, *"
    go who "$F"
    ends 0 '' "*$F *"
    go wait --any -v "$PWD/é"
    ends 0 "procalive: $PWD/é: no such FIFO"$'\n'"procalive: $PWD/é: gone" "$PWD/é"
}

@test "launcher says 2 when procalive.py is not there, and 125 for hold" {
    mkdir -p lone/bin
    cp "$P" lone/bin/
    go_cmd lone/bin/procalive check -v "$F"
    ends 2 'procalive: procalive.py not found *'
    go_cmd lone/bin/procalive hold "$F" true
    ends 125 'procalive: procalive.py not found *'
    [ ! -e "$F" ]
}

@test "launcher says 2 when Python cannot even start, for 1 would be an answer" {
    need_root
    hold_bg
    local library
    library=$("$PY" -c 'import os; print(os.path.dirname(os.__file__))')
    as=(unshare --mount sh -c 'mount -t tmpfs none "$0" && exec "$@"' "$library")
    for verb in 'check -v' who kill; do
        # shellcheck disable=SC2086 # words
        go $verb "$F"
        [ "$status" = 2 ]
        [[ $stderr == *"procalive: $PY could not start" ]]
    done
    kill -0 "$pid"
}

@test "launcher takes the bytes of names and arguments as they are, whatever the locale" {
    # Python alone decodes this pair by one table, and encodes it by another.
    localedef -c -i zh_TW -f BIG5 "$PWD/big5" 2>/dev/null || [ -d big5 ] || skip "no localedef or no locales here"
    local name=$'x\241\376'
    hold_bg ./before sleep 300
    as=(env LOCPATH="$PWD" LC_ALL=big5)
    go hold "$name" printf %s "$name"
    ends 0 '' "$name"
    [ -p "$name" ]
}

# --- what the command of hold gets -------------------------------------------

@test "launcher takes a blocked SIGPIPE or SIGXFSZ for no ignored one, and leaves none pending" {
    as=(env --default-signal --block-signal=PIPE --block-signal=XFSZ)
    expected=$("${as[@]}" grep -E '^(SigPnd|ShdPnd|SigBlk|SigIgn)' /proc/self/status)
    go hold "$F" grep -E '^(SigPnd|ShdPnd|SigBlk|SigIgn)' /proc/self/status
    ends 0 '' "$expected"
}

@test "launcher hands on what is ignored where there is no /proc, too" {
    need_root
    # Asked of a shell, which cannot trap what was ignored when it started.
    local dispositions='trap "echo PIPE" PIPE; trap "echo XFSZ" XFSZ; kill -s PIPE $$; kill -s XFSZ $$'
    for ignored in '' PIPE XFSZ; do
        as=(env --default-signal ${ignored:+"--ignore-signal=$ignored"} unshare --mount sh -c 'umount -l /proc && exec "$@"' sh)
        go_cmd "${as[@]}" sh -c "$dispositions"
        expected=$output
        go hold "$F" sh -c "$dispositions"
        ends 0 '' "$expected"
    done
}

# bash_with_job SCRIPT: what bash makes of it, where the function `job` is exported.
bash_with_job() { bash -c 'job() { echo "job runs"; }; export -f job; '"$1" "$P" "$F"; }

@test "launcher hands on exported functions, however bash starts it" {
    for start in '' exec nice 'exec env A=b' 'timeout 60'; do
        go_cmd bash_with_job "$start \"\$0\" hold \"\$1\" bash -c job; exit"
        ends 0 '' 'job runs'
        go_cmd bash_with_job "$start \"\$0\" hold \"\$1\" bash -c job" # its last command, which bash becomes
        ends 0 '' 'job runs'
    done
}

@test "launcher hands on exported functions of a script that ends in exec hold" {
    printf '#!/usr/bin/env bash\njob() { echo "job runs"; }; export -f job; exec %q hold %q bash -c job\n' "$P" "$F" >script.sh
    chmod +x script.sh
    for start in ./script.sh 'bash script.sh' 'sh -c ./script.sh' 'env -u _ ./script.sh'; do
        # shellcheck disable=SC2086 # words
        go_cmd $start
        ends 0 '' 'job runs'
    done
}

@test "launcher hands on variables whose names are none in a shell, and adds none" {
    given=('a.b=c d' 'x-y=' $'n%%=() { :;\n}' "PATH=$PATH" _=/usr/bin/env)
    as=(env -i "${given[@]}")
    go hold "$F" env
    [ "$(sort <<<"$output")" = "$(printf '%s\n' "${given[@]}" "PROCALIVE_FIFO=$F" PROCALIVE_FD=701 | sort)" ]
}

@test "launcher runs hold where no process can be started, for a plain hold starts none: 0, and 125 with -o" {
    another_user
    need prlimit
    mkfifo "$F"
    # A user of whom nothing else runs.  From bash, for then it looks for exported functions.
    other=(setpriv --reuid 54322 --regid 54322 --clear-groups -- prlimit --nproc=1)
    chown 54322 "$F"
    as=("${other[@]}")
    go hold "$F" echo ran
    ends 0 '' ran
    go hold -o "$F" echo ran
    ends 125 "procalive: $F: cannot start a keeper: Resource temporarily unavailable"
}

@test "launcher changes no variable that is called like one of its own" {
    given=(PATH PWD)
    for name in $(grep -oE '\b[a-z_]+=' "$P" | tr -d = | sort -u); do
        [[ $name == _* ]] || given+=("$name")
    done
    [ ${#given[@]} -ge 3 ]
    as=(env -i "${given[@]/%/=as it was}" PATH="$PATH" PWD="$PWD")
    go hold "$F" env
    for name in "${given[@]:2}"; do [[ $output == *"$name=as it was"* ]]; done
}

# --- check --mine --------------------------------------------------------------

# A launcher without procalive.py: what it answers, it answers itself.
lone_launcher() {
    mkdir -p lone/bin
    cp "$P" lone/bin/
    as=("$P" hold "$F")
    P=$PWD/lone/bin/procalive
}

@test "launcher says yes to check --mine of the job itself, without Python" {
    lone_launcher
    go_cmd "${as[@]}" sh -c '"$1" check --mine "$0"; echo $?; cd "${0%/*}" && "$1" check --mine "${0##*/}"; echo $?' "$F" "$P"
    ends 0 '' $'0\n0'
}

@test "launcher leaves every other answer to check --mine to Python" {
    lone_launcher
    mkfifo other
    for script in 'exec 701<&-' 'unset PROCALIVE_FD' PROCALIVE_FD=x 'PROCALIVE_FD=700; exec 700>"$1"' \
        'PROCALIVE_FD=8; exec 8<>"$1"' 'set -- other' 'ln "$1" @x; set -- @x' 'set -- -v'; do
        go_cmd "${as[@]}" bash -c 'eval "$2"; "$0" check --mine "$1"; exit' "$P" "$F" "$script"
        ends 2 '*procalive.py not found *'
    done
    go check --mine "$F"
    ends 2 '*procalive.py not found *'
    go_cmd bash -c 'exec 8<>"$1" 700>"$1"; flock -n 700; export PROCALIVE_FD=700; "$0" check --mine "$1"; exit' "$P" "$F"
    ends 2 '*procalive.py not found *'
}
