# A real machine, once: what systemd, logind and cron themselves do.

bats_require_minimum_version 1.5.0

@test "Debian 13 with systemd: units, a RuntimeDirectory= that is removed, logout, crontab, reboot" {
    run "$BATS_TEST_DIRNAME/machine.sh" "$BATS_TEST_TMPDIR"
    [ "$status" != 77 ] || skip "$output"
    echo "$output"
    cat "$BATS_TEST_TMPDIR/facts" || tail -n 40 "$BATS_TEST_TMPDIR/console"
    [ "$status" = 0 ]
    run -1 grep -q '^not ok' "$BATS_TEST_TMPDIR/facts"
    [ "$(grep -c '^ok' "$BATS_TEST_TMPDIR/facts")" -ge 20 ]
}
