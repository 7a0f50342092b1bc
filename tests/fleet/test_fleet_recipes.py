"""The unit and the cron line for a job that runs on one of many hosts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from support import FLEET, TOP, ended, eventually, needs_root, parent, send

UNIT = TOP / "shell/systemd/procalive-fleet-job.service"
CRON = TOP / "shell/cron/procalive-fleet.cron"


def test_the_unit_passes_systemd_analyze_verify_without_a_word(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze: Debian's package systemd cannot be had")
    text = (
        UNIT.read_text().replace("/usr/local/bin/procalive-fleet", FLEET[1]).replace("/usr/local/bin/job", "/bin/true")
    )
    copy = tmp_path / UNIT.name
    copy.write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", str(copy)]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_line_of_the_unit_holds_and_the_next_host_takes_over(h1, h2):
    words = next(line for line in UNIT.read_text().splitlines() if line.startswith("ExecStart=")).split()[2:]
    job = h1.directory / "job"
    job.write_text("#!/bin/sh\necho $PROCALIVE_FLEET_HOST >>${0%/*}/hosts\nexec sleep 600\n")
    job.chmod(0o755)
    words[-1] = str(job)
    hosts = h1.directory / "hosts"
    first = h1.begin("hold", "-f", h1.fifo("job"), *words)
    eventually(lambda: hosts.exists() and hosts.read_text() == "h1\n")
    h2.begin("hold", "-f", h2.fifo("job"), *words)
    h1.waiting("job", 2)
    first.send_signal(signal.SIGTERM)  # what systemd sends to the front alone
    assert ended(first)[0] == 143
    eventually(lambda: hosts.read_text() == "h1\nh2\n")


def _job(place):
    """A job that says where it ran, on a path that the line names."""
    (place / "bin").mkdir()
    job = place / "bin/report"
    job.write_text(f"#!/bin/sh\necho $PROCALIVE_FLEET_HOST $(date +%H:%M) >>{place}/runs\n")
    job.chmod(0o755)


def _crontab(host):
    """The recipe's first line as it stands, but every minute, and on paths that exist here."""
    line = next(line for line in CRON.read_text().splitlines() if line.startswith("*/5"))
    line = line.replace("*/5", "*", 1).replace("/usr/local/sbin/", f"{host.directory}/bin/")
    line = line.replace("procalive-fleet hold", f"{sys.executable} {FLEET[1]} hold -f {host.fifo('report')}")
    names = ("ETCDCTL_ENDPOINTS", "PROCALIVE_FLEET_HOST", "PROCALIVE_FLEET_PREFIX")
    settings = [f"{name}={host.env[name]}" for name in names]
    return "\n".join(["SHELL=/bin/sh", 'MAILTO=""', *settings, line, f"* * * * * root echo >>{host.directory}/ticks"])


def _cron(host):
    """The real cron daemon, in a mount namespace of its own, with our crontab alone."""
    place = host.directory / f"cron-{host.name}"
    for name in ("cron.d", "spool"):
        (place / name).mkdir(parents=True)
    (place / "empty").touch()
    (place / "cron.d/fleet").write_text(_crontab(host) + "\n")
    script = """
        mount --bind cron.d /etc/cron.d
        mount --bind empty /etc/crontab
        mount --bind spool /var/spool/cron/crontabs
        mount -t tmpfs none /run
        exec cron -f"""
    return subprocess.Popen(["unshare", "-m", "sh", "-ec", script], cwd=place, start_new_session=True)


@needs_root
@pytest.mark.timeout(300)
def test_a_cron_line_on_two_hosts_runs_the_job_on_one_of_them(h1, h2):
    if not shutil.which("cron") or not shutil.which("unshare"):
        pytest.skip("cron: Debian's package cron cannot be had")
    _job(h1.directory)
    daemons = [_cron(host) for host in (h1, h2)]
    try:
        ticks = h1.directory / "ticks"
        eventually(lambda: ticks.exists() and len(ticks.read_text().splitlines()) >= 2, "a tick of each cron", 140)
        runs = h1.directory / "runs"
        eventually(runs.exists, "the job", 30)
        time.sleep(3)  # for a second one to come
        assert all(daemon.poll() is None for daemon in daemons)
        minutes = [line.split()[1] for line in runs.read_text().splitlines()]
        assert len(minutes) == len(set(minutes)), runs.read_text()
    finally:
        for daemon in daemons:
            for pid in _session(daemon.pid):
                send(pid, signal.SIGKILL)
            daemon.wait()


def _session(pid):
    """The processes that the daemon has started, and itself: cron gives each job a session of its own."""
    family, more = {pid}, True
    while more:
        everyone = [int(one) for one in os.listdir("/proc") if one.isdigit()]
        found = {one for one in everyone if parent(one) in family} - family
        family, more = family | found, bool(found)
    return family
