#!/usr/bin/env bats
# The promise kept over real reboots: machine.sh boots one, guest.sh tells what it saw.
# Each test asks both ends of power: boot 2 follows sysrq-b, boot 3 a power loss.

load ../bats/helper

setup_file() {
    local here=${BATS_TEST_FILENAME%/*} status=0
    bash "$here/machine.sh" "$BATS_FILE_TMPDIR" >"$BATS_FILE_TMPDIR/log" 2>&1 3>&- || status=$?
    echo "$status" >"$BATS_FILE_TMPDIR/status"
    tr -d '\r' <"$BATS_FILE_TMPDIR/serial" >"$BATS_FILE_TMPDIR/seen" 2>/dev/null || true
}

setup() {
    # shellcheck disable=SC2034 # for teardown
    recorded=()
    [ "$(<"$BATS_FILE_TMPDIR/status")" != 77 ] || skip "no machine: $(tail -n 1 "$BATS_FILE_TMPDIR/log")"
}

# saw BOOT FACT: the guest told it at that boot.
saw() {
    grep -qax "GUEST boot $1: $2" "$BATS_FILE_TMPDIR/seen" && return
    printf 'not seen: boot %s: %s\n' "$1" "$2"
    tail -n 40 "$BATS_FILE_TMPDIR/log" "$BATS_FILE_TMPDIR/seen"
    return 1
}

after_both() {
    saw 2 "$1"
    saw 3 "$1"
}

@test "the machine was reset by sysrq-b, lost its power and booted three times" {
    grep -qa 'sysrq: Resetting' "$BATS_FILE_TMPDIR/seen"
    grep -qax 'GUEST ready for power loss' "$BATS_FILE_TMPDIR/seen"
    grep -qax 'GUEST done' "$BATS_FILE_TMPDIR/seen"
    after_both 'a new boot: yes'
}

@test "before each loss the FIFO was held: check 0, a second hold 75" {
    for boot in 1 2 3; do
        saw $boot 'check while held: 0'
        saw $boot 'a second hold: 75'
    done
}

@test "the FIFO and the holder link are still there after it" {
    after_both 'the FIFO is there: yes'
    after_both 'the holder link is there: yes'
}

@test "the FIFO reads not alive: check 1 by the script, and by the launcher" {
    after_both 'check by the script: 1'
    after_both 'check by the launcher: 1'
}

@test "the FIFO reads not alive by GNU dd too, though the PID and descriptor in the link are in use again" {
    after_both 'the holder link leads to an open file again: yes'
    after_both 'check by the launcher and GNU dd: 1'
}

@test "wait ends with 0 at once, who and kill with 1" {
    after_both 'wait: 0'
    after_both 'who: 1'
    after_both 'kill: 1'
}

@test "a FIFO made and held just before, not yet synced, reads not alive: check 1" {
    for boot in 1 2; do saw $boot 'check of the new FIFO while held: 0'; done
    after_both 'check of the unsynced FIFO: 1'
}

@test "on this older kernel the rest works too, and the status of a stranger is not known (125)" {
    saw 3 'kill -k: 0'
    saw 3 'wait --status of a stranger: 125'
    saw 3 'order of the waiters: 1 2 3 4 5'
    for what in 'hold -o' 'hold at once after hold -o' 'hold --keep' 'check --mine' 'hold --any' 'a name' 'hold -k'; do
        saw 3 "$what: 0"
    done
}
