"""Three hosts with a member each: cuts, leaders that die, and a live stale writer."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from storm import Storm
from support import HERE, TOP, alive, ended, eventually, is_asleep, needs_root, send, state, unless_alive

pytestmark = needs_root
LONG = os.environ.get("PROCALIVE_LONG") == "1"


@pytest.fixture
def hosts(lab):
    """hosts(1), hosts(2), ...: the hosts, whose links and members are whole again after the test."""
    made = {}

    def host(number):
        if number not in made:
            made[number] = lab.site(number)
        return made[number]

    yield host
    for one in made.values():
        one.close()
    for number in (1, 2, 3):
        lab.heal(number)
    eventually(lambda: lab.site(1).etcdctl("endpoint", "health", "--cluster").returncode == 0, "all members", 60)


def test_a_host_that_is_cut_off_stops_its_job_before_the_next_one_starts(lab, hosts):
    ttl = 5
    hold = hosts(1).holding("cut", options=("--ttl", str(ttl)))
    waiter = hosts(2).begin("hold", "-w", "60", "--ttl", "5", "cut", "--", *unless_alive(hold.job))
    hosts(2).waiting("cut", 2)
    lab.cut(1)
    assert ended(waiter)[0] == 0
    assert not alive(hold.job)
    status, _, told = ended(hold)
    assert (status, told) == (76, "procalive-fleet: cut: the lease cannot be renewed; stopping the job\n")
    # What was held is unknown now on the host that is cut off.
    assert hosts(1).run("check", "cut").returncode == 2
    mark = lab.directory / "ran"
    assert hosts(1).run("hold", "cut", "--", "touch", mark).returncode == 125
    assert not mark.exists()


def test_a_cut_that_is_mended_in_time_does_nothing(lab, hosts):
    hold = hosts(1).holding("short", options=("--ttl", "30"))
    lab.cut(1)
    time.sleep(3)
    lab.heal(1)
    assert hosts(2).run("check", "short").returncode == 0
    assert state(hold.job) == "S"
    send(hold.job, signal.SIGKILL)
    assert ended(hold)[0] == 137


def test_a_waiter_on_a_host_that_is_cut_off_loses_its_place_and_takes_a_new_one(lab, hosts):
    first = hosts(2).holding("place")
    waiter = hosts(1).begin("hold", "-w", "120", "--ttl", "5", "place", "--", "true")
    hosts(2).waiting("place", 2)
    lab.cut(1)
    hosts(2).waiting("place", 1)
    lab.heal(1)
    hosts(2).waiting("place", 2)
    send(first.job, signal.SIGKILL)
    assert ended(waiter)[0] == 0


def test_wait_misses_no_end_while_its_host_is_cut_off(lab, hosts):
    first = hosts(2).holding("end")
    waiter = hosts(1).begin("wait", "end")
    eventually(lambda: is_asleep(waiter.pid), "the waiter asleep")
    lab.cut(1)
    send(first.job, signal.SIGKILL)
    assert ended(first)[0] == 137
    hosts(3).holding("end")
    lab.heal(1)
    assert ended(waiter)[0] == 0


def test_the_death_of_the_leader_does_nothing_at_the_default_ttl(lab, hosts):
    hold = hosts(1).holding("leader")
    dead = lab.leader()
    lab.kill(dead)
    asks = hosts(dead % 3 + 1)
    eventually(lambda: asks.run("check", "leader").returncode == 0, "a new leader")
    assert asks.run("hold", "-w", "8", "leader", "--", "true").returncode == 75
    assert hold.poll() is None
    lab.start(dead)
    send(hold.job, signal.SIGKILL)
    assert ended(hold)[0] == 137


def test_without_a_quorum_nothing_is_told_and_nothing_is_run(lab, hosts):
    lab.kill(2)
    lab.kill(3)
    began = time.monotonic()
    assert hosts(1).run("check", "quorum").returncode == 2
    mark = lab.directory / "ran-without-quorum"
    assert hosts(1).run("hold", "quorum", "--", "touch", mark).returncode == 125
    assert time.monotonic() - began < 12
    assert not mark.exists()
    lab.start(2)
    lab.start(3)
    eventually(lambda: hosts(1).run("check", "quorum").returncode == 1, "a quorum", 60)


def test_a_live_stale_writer_is_refused_by_its_fence(lab, hosts):
    """Nobody stops the first writer: its guards are stopped, and it goes on to write after its lease."""
    database = lab.directory / "storage.db"
    storage = [sys.executable, str(TOP / "shell/examples/fenced_storage.py"), str(database)]
    go, told = lab.directory / "go", lab.directory / "told"
    script = f"""
        {" ".join(storage)} put who first || exit 3
        while [ ! -e {go} ]; do sleep 0.05; done
        {" ".join(storage)} put who stale 2>{told}.err; echo $? >{told}"""
    hold = hosts(1).holding("stale", "sh", "-c", script, options=("--ttl", "5"))
    eventually(lambda: database.exists() and _value(storage) == "first\n")
    send(hold.pid, signal.SIGSTOP)  # a front that is stopped, and a keeper too: no guard is left
    send(hold.keeper, signal.SIGSTOP)
    second = hosts(2).run("hold", "-w", "60", "stale", "--", *storage, "put", "who", "second")
    assert second.returncode == 0
    assert alive(hold.job)
    go.touch()
    eventually(lambda: told.exists() and told.read_text(), "the stale write")
    assert int(told.read_text()) == 76
    assert "refused" in (lab.directory / "told.err").read_text()
    assert _value(storage) == "second\n"
    with sqlite3.connect(database) as opened:
        assert opened.execute("SELECT count(*) FROM fence").fetchone() == (1,)
    for pid in (hold.pid, hold.keeper):
        send(pid, signal.SIGCONT)


def _value(storage):
    return subprocess.run([*storage, "get", "who"], text=True, capture_output=True, check=False).stdout


@pytest.mark.timeout(2400 if LONG else 240)
def test_a_storm_on_three_hosts_has_no_two_holders(lab, tmp_path):
    seconds, seeds = (600, (1, 2, 3)) if LONG else (60, (1,))
    starts = 0
    for seed in seeds:
        place = tmp_path / str(seed)
        place.mkdir()
        counts = Storm(lab, place, seed).run(seconds)
        print(json.dumps({"seed": seed, **counts}))
        assert (counts["two"], counts["fences not above"]) == (0, 0), counts
        starts += counts["starts"]
    assert starts >= (700 if LONG else 10)


def test_the_storm_would_see_two_holders(tmp_path):
    """The job's own marks: two at a time, and a fence that does not rise."""
    env = {**os.environ, "PROCALIVE_FENCE": "7"}
    jobs = [subprocess.Popen([sys.executable, str(HERE / "storm_job.py"), str(tmp_path)], env=env) for _ in (1, 2)]
    for job in jobs:
        job.wait(30)
    told = (tmp_path / "log").read_text()
    assert " TWO " in told
    assert " NOT-ABOVE " in told
