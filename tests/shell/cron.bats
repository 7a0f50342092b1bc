#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # scripts for other shells are quoted; helper.bash assigns
# The lines of shell/cron/procalive.cron under the real cron daemon, which is
# started in a mount namespace of its own: no crontab, PID file or mail of the
# system is touched.

load helper
bats_require_minimum_version 1.5.0

setup_file() {
    export BATS_TEST_TIMEOUT=280 # cron's clock ticks once a minute
}

# crontab: the recipe as it stands, but every minute, on paths that exist here; its
# names lead into a /run of cron's own.
# $1: a job that takes long.
crontab() {
    sed -E "s,^(\*/[0-9]+|0) (\*|[0-9]+) \* \* \* ,* * * * * ,; s,^PATH=,&$top/bin:,; s,/usr/local/sbin/,$PWD/bin/,g; s,-w 10m,-w 0.03m,; s,--max-age 6h,--max-age 1s," \
        "$top/shell/cron/procalive.cron"
    echo "* * * * * root echo >>$PWD/ticks"
}

# A job that says when it runs, and where it would run twice at a time.
jobs() {
    mkdir -p bin cron.d spool
    printf '#!/bin/sh\nname=${0##*/}; cd %q && echo >>$name.starts; mkdir $name.inside || echo >>$name.overlap; sleep 90; rmdir $name.inside\n' "$PWD" >bin/backup
    for job in sync report agent; do cp bin/backup "bin/$job"; done
    # Debian 13's cron folds long lines of a mail, by a = at the end (quoted-printable).
    printf '#!/bin/sh\n{ sed -e :a -e "/=\$/{N;s/=\\n//;ta" -e "}"; echo; } >>%q\n' "$PWD/mail" >sendmail
    chmod +x bin/* sendmail
}

# cron_daemon: with our crontab alone, and with our sendmail.
cron_daemon() {
    : >empty
    [ -e /usr/sbin/sendmail ] || skip "no /usr/sbin/sendmail to put a stand-in over"
    start unshare -m sh -ec '
        mount --bind cron.d /etc/cron.d
        mount --bind empty /etc/crontab
        mount --bind spool /var/spool/cron/crontabs
        mount --bind sendmail "$(readlink -f /usr/sbin/sendmail)"
        mount -t tmpfs none /run
        exec cron -f'
}

lines() { [ "$(wc -l <"$1")" -ge "$2" ]; }

@test "a job of 90 s started each minute by cron runs once at a time, and only the telling forms mail" {
    need_root
    need cron
    need unshare
    jobs
    crontab >cron.d/procalive
    cron_daemon
    for tick in 1 2 3; do timeout 70 sh -c "until [ \$(wc -l <ticks) -ge $tick ]; do sleep 0.5; done" 2>/dev/null || return 1; done
    soon lines backup.starts 2 # the third tick finds the first run over
    [ "$(wc -l <backup.starts) $(ls -- *.overlap 2>/dev/null)" = "2 " ]
    soon grep -q "sync.fifo: held by [0-9]* (sync) for" mail
    soon grep -q "report.fifo: held by [0-9]* (report) for" mail
    soon grep -q "backup.fifo  *[0-9]* .*bin/backup" mail # held for too long
    run ! grep -q "Subject:.*hold -q -E 0" mail
}
