#!/usr/bin/env bats
# `procalive check --mine`: whether the calling process itself holds.  Told by the
# descriptor, or by the keeper, and never by the environment.

load helper

# asks [FIFO]...: shell lines, for a job, that print the answers of the launcher and of procalive.py.
asks() {
    local fifos=${*:-$F} line
    for line in "$P" "$PY -ISE $LIB"; do printf '%s check --mine %s; echo $?; ' "$line" "$fifos"; done
}

# mine ANSWER COMMAND...: it ends with 0, and has printed this answer twice.
mine() {
    go_cmd "${@:2}"
    same "$status $output" "0 $1"$'\n'"$1"
}

@test "check --mine exits 1 and is silent when nobody holds, and for a missing FIFO" {
    checks --mine "$F"
    ends 1
    mkfifo "$F"
    checks --mine "$F"
    ends 1
}

@test "check --mine exits 2 for what is not a FIFO" {
    touch file
    checks --mine file
    ends 2 'procalive: file: not a FIFO'
}

@test "check --mine exits 0 in the job, and 1 beside it, whoever else holds" {
    mine 0 "$P" hold "$F" sh -c "$(asks)"
    hold_bg
    mine 1 sh -c "$(asks)"
    checks --mine "$F"
    ends 1
}

@test "check --mine exits 1 whatever the environment says" {
    hold_bg
    local fd
    fd=$(basename "$(readlink "$F.holder")")
    mine 1 env PROCALIVE_FIFO="$F" PROCALIVE_FD="$fd" sh -c "$(asks)"
    mine 1 env PROCALIVE_FIFO="$F" PROCALIVE_FD=0 sh -c "$(asks)"
    # With a write end, or another FIFO, at that number.
    # shellcheck disable=SC2016 # the inner shell's
    mine 1 env PROCALIVE_FIFO="$F" PROCALIVE_FD=9 bash -c 'exec 9>"$1"; eval "$2"' bash "$F" "$(asks)"
    mkfifo other
    # shellcheck disable=SC2016 # the inner shell's
    mine 1 env PROCALIVE_FIFO="$F" PROCALIVE_FD=9 bash -c 'exec 9<>other; eval "$1"' bash "$(asks)"
}

@test "check --mine exits 1 for a plain reader, alone or beside a holder" {
    mkfifo "$F"
    # shellcheck disable=SC2016 # the inner shell's
    mine 1 env PROCALIVE_FD=9 bash -c 'exec 9<>"$1"; eval "$2"' bash "$F" "$(asks)"
    hold_bg -s "$F" sleep 300
    # shellcheck disable=SC2016 # the inner shell's
    mine 1 env PROCALIVE_FD=9 bash -c 'exec 9<>"$1"; eval "$2"' bash "$F" "$(asks)"
}

@test "check --mine exits 1 in what the job starts without its descriptors" {
    # shellcheck disable=SC2016 # Python
    mine 1 "$P" hold "$F" "$PY" -c 'import subprocess, sys; subprocess.run(["sh", "-c", sys.argv[1]])' "$(asks)"
    # shellcheck disable=SC2016 # the job's
    mine 1 "$P" hold "$F" bash -c 'bash -c "exec $PROCALIVE_FD<&-; $1"; :' bash "$(asks)"
}

@test "check --mine exits 1 once the job has closed its descriptor" {
    # shellcheck disable=SC2016 # the job's
    mine 1 "$P" hold "$F" bash -c 'eval "exec $PROCALIVE_FD<&-"; eval "$1"' bash "$(asks)"
}

@test "check --mine exits 1 in what outlives its hold, though another holds since" {
    # shellcheck disable=SC2016 # the job's
    bg "$P" hold "$F" "$PY" -c 'import subprocess, sys
subprocess.Popen(["sh", "-c", "until [ -e go ]; do sleep 0.02; done; (" + sys.argv[1] + ") >answers 2>&1; touch answered"])' "$(asks)"
    wait "$pid"
    hold_bg
    touch go
    until_true test -e answered
    same "$(<answers)" $'1\n1'
}

@test "check --mine exits 0 with an empty environment, in another session and through wrappers" {
    for wrap in 'env -i' 'setsid -w' 'nice -n 1' 'env PROCALIVE_FIFO=/x PROCALIVE_FD=1' 'setsid -w env -i nice'; do
        # shellcheck disable=SC2086 # words
        mine 0 "$P" hold "$F" $wrap sh -c "$(asks)"
    done
}

@test "check --mine exits 0 by a relative name, and through a link" {
    mkdir dir
    ln -s job.fifo link
    mine 0 "$P" hold job.fifo sh -c "$(asks job.fifo)"
    mine 0 "$P" hold job.fifo sh -c "cd dir; $(asks ../job.fifo)"
    mine 0 "$P" hold job.fifo sh -c "$(asks link)"
}

@test "check --mine exits 0 where the shell becomes procalive, as most do with their last command" {
    local shell
    for shell in sh dash bash 'busybox sh' zsh ksh93 mksh yash; do
        command -v "${shell%% *}" >/dev/null || continue
        # shellcheck disable=SC2086 # words
        go hold "$F" $shell -c "$P check --mine $F"
        ends 0
        # shellcheck disable=SC2086 # words
        go hold "$F" $shell -c "exec $PY -ISE $LIB check --mine $F"
        ends 0
        # shellcheck disable=SC2086 # words
        mine 0 "$P" hold "$F" $shell -c "$(asks)"
        # shellcheck disable=SC2086 # words
        go_cmd $shell -c "$P check --mine $F"
        ends 1
    done
}

@test "check --mine exits 0 as the job itself" {
    go hold "$F" "$P" check --mine "$F"
    ends 0
    go hold "$F" "$PY" -ISE "$LIB" check --mine "$F"
    ends 0
    go hold -o "$F" "$P" check --mine "$F"
    ends 0
    go hold -o "$F" "$PY" -ISE "$LIB" check --mine "$F"
    ends 0
}

@test "check --mine under -o exits 0 in the process that is kept, and 1 in its children" {
    mine 0 "$P" hold -o "$F" sh -c "$(asks)"
    mine 1 "$P" hold -o "$F" sh -c "sh -c '$(asks)'; :"
}

@test "check --mine under --keep exits 0 in the process that is kept, its descriptor closed or not, and in children that have it" {
    mine 0 "$P" hold --keep "$F" sh -c "$(asks)"
    # shellcheck disable=SC2016 # the job's
    mine 0 "$P" hold --keep "$F" bash -c 'eval "exec $PROCALIVE_FD<&-"; eval "$1"' bash "$(asks)"
    mine 0 "$P" hold --keep "$F" sh -c "sh -c '$(asks)'; :"
}

@test "check --mine exits 0 in a shell that holds by --fd, and by the guard" {
    mkfifo "$F"
    # shellcheck disable=SC2016 # the inner shell's
    mine 0 sh -c 'exec 9<>"$1"; "$2" hold --fd 9 "$1"; eval "$3"' sh "$F" "$P" "$(asks)"
    # shellcheck disable=SC2016 # the inner shell's
    mine 0 sh -c 'PATH=${2%/*}:$PATH; . "$1/shell/procalive.sh"; procalive_guard "$3"; eval "$4"' sh "$TOP" "$P" "$F" "$(asks)"
}

@test "check --mine exits 0 in a shell that holds but does not hand the descriptor on" {
    # shellcheck disable=SC2016 # the inner shell's
    mkfifo "$F"
    go_cmd bash -c 'exec 9<>"$2"; "$1" hold --fd 9 "$2" && "$1" check --mine "$2" 9>&-; exit $?' bash "$P" "$F"
    ends 0
}

@test "check --mine exits 1 for an inherited write end, though it has the lock" {
    hold_bg -s "$F" sleep 300
    go_cmd "$PY" -ISE -c 'import fcntl, os, sys
w = os.open(sys.argv[2], os.O_WRONLY); fcntl.flock(w, fcntl.LOCK_SH); os.set_inheritable(w, True)
os.execv(sys.argv[1], [sys.argv[1], "check", "--mine", sys.argv[2]])' "$P" "$F"
    ends 1
}

@test "check --mine of nested holds exits 0 for both, and 1 beside one that is not" {
    mkfifo other
    mine 0 "$P" hold outer "$P" hold inner sh -c "$(asks outer inner)"
    mine 0 "$P" hold -o outer "$P" hold inner sh -c "$(asks outer inner)"
    mine 1 "$P" hold outer "$P" hold inner sh -c "$(asks outer inner other)"
}

@test "check --mine of several exits 2 before 1 before 3 before 0" {
    touch file
    mine 2 "$P" hold "$F" sh -c "$(asks "$F" missing file)"
    mine 3 "$P" hold "$F" sh -c "sleep 0.3; touch -d yesterday $F; $(asks --max-age 0.2 "$F")"
    mine 1 "$P" hold "$F" sh -c "sleep 0.3; touch -d yesterday $F; $(asks --max-age 0.2 "$F" missing)"
}

@test "check --mine exits 0 in each of the shared holders, and 1 beside them" {
    hold_bg -s "$F" sleep 300
    mine 0 "$P" hold -s "$F" sh -c "$(asks)"
    mine 1 sh -c "$(asks)"
}

# --- set-user-ID programs: they close what they inherit, and wait for us ---

@test "check --mine exits 0 under sudo and su that the hold runs, also in children" {
    a_user
    mine 0 "${as_root[@]}" "$P" hold "$F" su root -c "$(asks)"
    mine 0 "${as_root[@]}" "$P" hold "$F" nice su root -c "sh -c '$(asks)'; :"
    need sudo
    mine 0 "${as_root[@]}" "$P" hold "$F" sudo sh -c "$(asks)"
    mine 0 "${as_root[@]}" "$P" hold "$F" sudo sh -c "sh -c '$(asks)'; :"
    chmod 0777 .
    F=$BATS_TEST_TMPDIR/alices.fifo
    mine 0 "${as_alice[@]}" "$P" hold "$F" sudo sh -c "$(asks)"
}

@test "check --mine exits 1 under sudo that did not get the descriptor: a holding ancestor alone is no proof" {
    a_user
    need sudo
    # shellcheck disable=SC2016 # the job's
    mine 1 "${as_root[@]}" "$P" hold "$F" "$PY" -c 'import subprocess, sys
subprocess.run(["sudo", "sh", "-c", sys.argv[1]])' "$(asks)"
    mine 1 "${as_root[@]}" "$P" hold -o "$F" sh -c 'sudo sh -c "$1"; :' sh "$(asks)"
}

@test "check --mine exits 1 under sudo beside the hold" {
    a_user
    need sudo
    hold_bg
    mine 1 "${as_root[@]}" sudo sh -c "$(asks)"
}

# --- where it cannot be told ---

@test "check --mine exits 2 or is right without /proc, and under that of another PID namespace" {
    need_root
    need unshare
    # shellcheck disable=SC2016 # the inner shell's
    mine 2 unshare --mount sh -c 'mount -t tmpfs none /proc; "$1" hold -o "$2" sh -c "$3"' sh "$P" "$F" "$(asks)"
    mine 0 unshare --pid --fork --kill-child "$P" hold "$F" sh -c "$(asks)"
    mine 2 unshare --pid --fork --kill-child "$P" hold -o "$F" sh -c "$(asks)"
}

@test "check --mine exits 1 for another user's hold that cannot be looked into, in what cannot have it" {
    another_user
    hold_bg -m 0666 "$F" sleep 300
    as=("${other[@]}")
    go check --mine "$F"
    [ "$status" = 1 ] || [ "$status" = 2 ] # never 0
}

# --- the recipe ---

@test "the recipe: a script's first line lets it in once, by absolute and by relative name, late children too" {
    cat >script <<'S'
#!/bin/sh
"$P" check --mine job.fifo || exec "$P" hold -q job.fifo -- "$0" "$@"
echo "$1" >>ran
[ "$1" != first ] || "$PY" -c 'import subprocess
subprocess.Popen(["sh", "-c", "until [ -e go ]; do sleep 0.02; done; ./script late; echo $? >late"])'
S
    chmod +x script
    P=$P PY=$PY ./script first
    same "$(<ran)" first
    hold_bg
    touch go
    until_true test -s late
    same "$(<ran) $(<late)" 'first 75'
}
