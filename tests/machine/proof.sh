#!/bin/bash
# proof.sh: what a whole Debian, with systemd as its first process, shows of procalive.
#
# Run by a unit at each boot of the machine that machine.sh makes.  A line for each
# fact: `ok WHAT` or `not ok WHAT`; machine.bats reads them from the second serial line.
set -u
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec >/dev/ttyS1 2>&1

fact() { # fact WHAT COMMAND...
    local what=$1
    shift
    if "$@"; then echo "ok $what"; else echo "not ok $what ($?)"; fi
}
ends() { # ends STATUS COMMAND...
    local wanted=$1 got=0
    shift
    "$@" || got=$?
    [ "$got" = "$wanted" ]
}
as_user() { su -l someone -c "$1"; }

second_boot() {
    fact "after a reboot nobody holds what was held" ends 1 procalive check /var/lib/kept.fifo
    fact "after a reboot /run is empty, which is not alive" ends 1 procalive check @kept
    fact "after a reboot the user's name is free" as_user 'procalive hold @job -- true'
}

tmpfiles() {
    fact "systemd-tmpfiles has made /run/procalive" test "$(stat -c %a:%U /run/procalive)" = 755:root
}

units() {
    printf '#!/bin/sh\nexec sleep 600\n' >/usr/local/bin/job
    chmod +x /usr/local/bin/job
    cp /usr/share/procalive/systemd/*.service /usr/share/procalive/systemd/*.timer /etc/systemd/system/
    systemctl daemon-reload
    local fifo
    fifo=$(sed -n 's/^ExecStart=.* hold \([^ ]*\) -- .*/\1/p' /etc/systemd/system/procalive-job.service)
    procalive hold "$fifo" -- sleep 600 &
    local holder=$!
    procalive wait --up -t 60 "$fifo"
    systemctl start procalive-job.service
    systemctl show -p Result -p ExecMainStatus -p ExecCondition procalive-job.service
    fact "ExecCondition skips the service while somebody else holds" \
        sh -c 'journalctl -b -u procalive-job.service | grep -q "exec-condition\|Skipped"'
    fact "a skipped service has not failed" ends 1 systemctl -q is-failed procalive-job.service
    kill "$holder"
    procalive wait -t 60 "$fifo"
    # To the second: a timer may be a minute late else.
    sed -i 's/^OnCalendar=.*/OnActiveSec=1s\nAccuracySec=1s/' /etc/systemd/system/procalive-job.timer
    systemctl daemon-reload
    systemctl start procalive-job.timer
    fact "the timer starts the job, which holds" procalive wait --up -t 60 "$fifo"
    fact "the service's main process is the job itself" \
        test "$(cat "/proc/$(systemctl show -p MainPID --value procalive-job.service)/comm")" = sleep
    systemctl kill procalive-job.service
    fact "systemctl kill frees it" procalive wait -t 60 "$fifo"
}

# The unit owns the directory; a job from elsewhere holds in it when the unit stops.
runtime_directory() {
    systemd-run -q --unit=owner -p RuntimeDirectory=owned sleep 600
    until [ -d /run/owned ]; do procalive wait -t 0.1 --pid $$; done
    procalive hold /run/owned/job.fifo -- sleep 600 &
    local holder=$!
    procalive wait --up -t 60 /run/owned/job.fifo
    systemctl stop owner.service
    fact "RuntimeDirectory= is removed at the stop of its unit, whoever holds in it" test ! -e /run/owned
    mkdir /run/owned
    fact "the next hold notices the deleted FIFO" ends 75 procalive hold /run/owned/job.fifo -- true
    fact "and makes nothing" test ! -e /run/owned/job.fifo
    kill "$holder"
}

logout() {
    local uid tries=0
    uid=$(id -u someone)
    # shellcheck disable=SC2016 # for that shell
    fact "a session has /run/user/UID" as_user 'test -d "$XDG_RUNTIME_DIR"'
    # logind takes it away some seconds after the last session has ended.
    while [ -d "/run/user/$uid" ] && [ $((tries += 1)) -lt 600 ]; do procalive wait -t 0.1 --pid $$; done
    fact "/run/user/UID is gone after the last logout" test ! -d "/run/user/$uid"
    as_user 'setsid procalive hold @job -- sleep 600 </dev/null >/dev/null 2>&1 & procalive wait --up -t 60 @job'
    fact "a user's job goes on after the logout, and its name is held" as_user 'procalive check @job'
    fact "the name lies in the home directory" test -p /home/someone/.local/state/procalive/job.fifo
    loginctl enable-linger someone
    until [ -d "/run/user/$uid" ]; do procalive wait -t 0.1 --pid $$; done
    as_user : # a session that begins and ends
    fact "with linger /run/user/UID stays" test -d "/run/user/$uid"
}

crontab_of_a_user() {
    echo '* * * * * procalive hold @cron -- sleep 600' | crontab -u someone -
    fact "a line of the user's crontab takes the same name" as_user 'procalive wait --up -t 150 @cron'
    fact "a login of that user is refused" ends 75 as_user 'procalive hold -q @cron -- true'
}

if [ -e /var/lib/kept.fifo ]; then
    second_boot
    echo "GUEST done"
    systemctl poweroff
    exit
fi
fact "systemd is the first process" test "$(cat /proc/1/comm)" = systemd
fact "the package is installed" test -x /usr/bin/procalive
tmpfiles
units
runtime_directory
logout
crontab_of_a_user
procalive hold /var/lib/kept.fifo -- sleep 600 &
procalive hold @kept -- sleep 600 &
procalive wait --up -t 60 /var/lib/kept.fifo @kept
echo "GUEST reboots"
systemctl reboot
