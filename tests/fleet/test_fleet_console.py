"""procalivectl --fleet: names on etcd, findings about it, figures for Prometheus."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from support import TOP, free_port

pytest.importorskip("typer", reason="typer: the console's libraries cannot be had")
CTL = [sys.executable, str(TOP / "bin/procalivectl")]


def ctl(host, *words):
    return subprocess.run([*CTL, *map(str, words)], env=host.env, text=True, capture_output=True, check=False)


def findings(host, *words):
    done = ctl(host, "doctor", "--fleet", "--json", *words)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {finding["name"]: finding for finding in told}


def test_ls_fleet_lists_holders_and_waiters(h1, h2):
    assert "no name is held" in ctl(h1, "ls", "--fleet").stderr
    h1.holding("job")
    h2.begin("hold", "-w", "60", "job", "--", "true")
    h1.waiting("job", 2)
    done = ctl(h1, "ls", "--fleet", "--json")
    assert done.returncode == 0
    assert [json.loads(line)["host"] for line in done.stdout.splitlines()] == ["h1", "h2"]


def test_doctor_fleet_says_what_is_well(h1):
    h1.holding("job")
    status, found = findings(h1)
    assert status == 0
    assert {name: found[name]["level"] for name in found} == {
        "endpoint": "ok",
        "members": "note",
        "role": "ok",
        "holder": "ok",
        "lease": "ok",
        "guards": "note",
        "fifo": "note",  # not the default one
    }
    assert found["role"]["what"].endswith(h1.env["PROCALIVE_FLEET_PREFIX"])


def test_doctor_fleet_says_which_endpoint_is_dead_and_what_ttl_is_low(h1):
    h1.holding("job", options=("--ttl", "7"))
    h1.env["ETCDCTL_ENDPOINTS"] += f",http://127.0.0.1:{free_port()}"
    status, found = findings(h1)
    assert status == 1
    assert (found["endpoint"]["level"], found["lease"]["level"]) == ("wrong", "note")


def test_doctor_fleet_says_that_a_key_without_a_lease_holds_for_ever(h1):
    h1.etcdctl("put", f"{h1.env['PROCALIVE_FLEET_PREFIX']}job/x", "x")
    assert findings(h1)[1]["holder"]["level"] == "wrong"


def test_doctor_fleet_cannot_tell_without_etcd(site):
    status, found = findings(site(f"http://127.0.0.1:{free_port()}"))
    assert (status, found["etcd"]["level"], found["endpoint"]["level"]) == (2, "cannot tell", "wrong")


def test_export_fleet_has_what_is_held_and_what_the_lease_has_left(h1):
    h1.holding("job")
    done = ctl(h1, "export", "--fleet", h1.fifo("job"))
    assert 'procalive_fleet_held{name="job"} 1.0' in done.stdout
    left = next(line for line in done.stdout.splitlines() if line.startswith("procalive_fleet_lease_seconds{"))
    assert left.startswith('procalive_fleet_lease_seconds{host="h1",name="job"} ')
    assert 0 < float(left.split()[1]) <= 20
    assert "procalive_alive" in done.stdout


def test_export_fleet_has_nothing_of_what_cannot_be_told(site, tmp_path):
    done = ctl(site(f"http://127.0.0.1:{free_port()}"), "export", "--fleet", tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "procalive_fleet_held{" not in done.stdout


@pytest.mark.parametrize("words", [("ls", "--fleet", "a/b"), ("doctor", "--fleet", "a/b"), ("doctor",)])
def test_wrong_usage_is_one_line_and_2(h1, words):
    done = ctl(h1, *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
