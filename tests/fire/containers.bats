#!/usr/bin/env bats
# Containers, as the kernel makes them: PID, mount and user namespaces that share a directory.

load ../bats/helper

# Two sibling namespaces see nothing of each other's processes; this one, their
# parent, sees both.
space() {
    need unshare
    local user=()
    [ "$(id -u)" = 0 ] || user=(--user --map-root-user)
    inside=(unshare "${user[@]}" --mount --pid --fork --kill-child --mount-proc --)
    "${inside[@]}" true 2>/dev/null || skip "no PID namespaces here"
}

# hold_inside [ARG]...: a holder in a PID namespace of its own; $pid is the whole namespace's.
hold_inside() {
    space
    bg "${inside[@]}" "$P" hold "$@" "$F" sh -c 'exec sleep 300'
    until_true held "$F"
}

@test "held in one PID namespace: outside check is 0, hold 75, wait -t 124" {
    hold_inside
    checks "$F"
    ends 0
    go hold -q "$F" true
    ends 75
    go wait -t 0 "$F"
    ends 124
}

@test "held in one PID namespace: in another check is 0, hold 75, wait -t 124" {
    hold_inside
    go_cmd "${inside[@]}" sh -c "$P check $F; echo \$?; $P hold -q $F true; echo \$?; $P wait -t 0 $F; echo \$?"
    ends 0 '' $'0\n75\n124'
}

@test "who and kill from another PID namespace cannot tell: 2, and signal nobody" {
    hold_inside
    go_cmd "${inside[@]}" "$P" who "$F"
    ends 2 'procalive: *another PID namespace*'
    go_cmd "${inside[@]}" "$P" kill "$F"
    ends 2 'procalive: *'
    held "$F"
}

@test "who and kill from the outer PID namespace find the holder inside" {
    hold_inside
    go who "$F"
    ends 0 '' '*sleep 300'
    go kill -k 5 "$F"
    ends 0
    free "$F"
}

@test "held outside: a waiter in a PID namespace returns 0 when the holder is killed" {
    space
    hold_bg
    holder=$pid
    mkfifo asleep
    bg_logged "${inside[@]}" sh -c "$P wait $F & echo >asleep; wait \$!"
    read -r <asleep
    go_cmd kill -s KILL "$holder"
    returns 0
}

@test "a hold that waits in another PID namespace takes over with 0 when the holder is killed" {
    hold_inside
    first=$pid
    bg_logged "${inside[@]}" "$P" hold -w 60 "$F" sh -c 'exit 7'
    kill -s KILL "$first"
    returns 7
}

@test "the end of a whole PID namespace frees the FIFO: keeper and child included" {
    for option in '' -o; do
        # shellcheck disable=SC2086 # one option or none
        hold_inside $option
        bg_logged "$P" wait "$F"
        waiter=$pid
        kill -s KILL "${recorded[-2]}"
        pid=$waiter
        returns 0
        until_true free "$F"
    done
}

@test "a stale link from a namespace names a PID that is somebody else in another: check 1" {
    hold_inside
    end_holder
    until_true free "$F"
    # Process 1 there too, with that very descriptor.
    go_cmd "${inside[@]}" bash -c 'eval "exec ${1##*/}</dev/null"; shift; [ -e "$1.holder" ] || exit 99
        "$2" check "$1"; echo $?; "$3" -ISE "$4" check "$1"; echo $?' bash "$(readlink "$F.holder")" "$F" "$P" "$PY" "$LIB"
    ends 0 '' $'1\n1'
}

@test "on a read-only bind mount check, wait and hold answer as elsewhere: 0, 124, 75, then 1, 0, 0" {
    space
    mkdir real view
    F=$BATS_TEST_TMPDIR/real/f
    look="mount --bind real view; mount -o remount,bind,ro view; $P check view/f; echo \$?; $P wait -t 0 view/f; echo \$?"
    hold_bg
    go_cmd "${inside[@]}" sh -c "$look; $P hold -q view/f true; echo \$?"
    ends 0 '' $'0\n124\n75'
    end_holder
    go_cmd "${inside[@]}" sh -c "$look; $P hold -q view/f true; echo \$?"
    ends 0 '' $'1\n0\n0'
}

@test "a holder in a user namespace is seen outside: 0; a stranger's namespace cannot tell: 2" {
    another_user
    chmod 0777 .
    bg "${other[@]}" unshare --user --map-root-user "$P" hold "$F" sleep 300
    until_true held "$F" || skip "no user namespaces for users here"
    go hold -q "$F" true
    ends 75
    go who "$F"
    ends 0 '' '*sleep 300'
    go_cmd unshare --user --map-root-user "$P" check "$F"
    ends 2 'procalive: *: Permission denied: it belongs to *'
}

@test "two overlay mounts of one lower FIFO are two FIFOs: held in one, not alive in the other" {
    space
    mkdir lower a b wa wb ma mb
    mkfifo lower/f
    go_cmd "${inside[@]}" sh -ec "mount -t tmpfs none wa; mkdir wa/1 wa/2 wa/3 wa/4
        mount -t overlay none -o lowerdir=lower,upperdir=wa/1,workdir=wa/2 ma || exit 99
        mount -t overlay none -o lowerdir=lower,upperdir=wa/3,workdir=wa/4 mb
        $P hold ma/f sh -c '$P check ma/f; echo \$?; $P check mb/f; echo \$?'"
    [ "$status" != 99 ] || skip "no overlay file system here"
    ends 0 '' $'0\n1'
}
