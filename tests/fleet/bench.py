#!/usr/bin/env python3
"""bench.py [ROUNDS]: procalive-fleet beside etcdctl, in one run on three hosts; as root.

Medians.  Ratios are what counts: the machine is the same for both.
"""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lab import Lab
from support import FLEET, binaries, children, ended, eventually, proc, send, unless_alive

TTL = 5
PROGRAM = ["/usr/bin/python3", "-ISE", FLEET[1]] if Path("/usr/bin/python3").exists() else FLEET
ETCDCTL = [str(binaries() / "etcdctl")]


def timed(lab, rounds, *command):
    """Median seconds of a command on host 1."""
    took = []
    for _ in range(rounds):
        began = time.monotonic()
        subprocess.run(lab.on(1, *command), env=lab.site(1).env, capture_output=True, check=False)
        took.append(time.monotonic() - began)
    return statistics.median(took)


def row(what, ours, theirs, target):
    ratio = f"{ours / theirs:5.1f} x" if theirs else ""
    print(
        f"{what:44} {ours * 1e3:8.0f} ms {theirs * 1e3 if theirs else float('nan'):8.0f} ms {ratio:8}  {target}",
        flush=True,
    )


def handover(lab, rounds, lock, label):
    """Median seconds from the death of a job to the start of the next one, on another host.

    The first round is not counted: it makes the FIFOs.
    """
    took = []
    for number in range(rounds + 1):
        name = f"{label}{number}"
        marks = [Path(lab.directory) / f"{name}-{which}" for which in "ab"]
        jobs = [
            ["sh", "-c", f"echo $$ $(date +%s.%N) >{mark}.new; mv {mark}.new {mark}; exec sleep 600"] for mark in marks
        ]
        first = subprocess.Popen(lab.on(1, *lock(1, name), *jobs[0]), env=lab.site(1).env, stderr=subprocess.DEVNULL)
        pid = int(eventually(lambda mark=marks[0]: mark.exists() and mark.read_text()).split()[0])
        second = subprocess.Popen(lab.on(2, *lock(2, name), *jobs[1]), env=lab.site(2).env, stderr=subprocess.DEVNULL)
        lab.site(3).waiting(name, 2)
        time.sleep(0.3)  # asleep in the queue by then
        died = time.time()
        send(pid, signal.SIGKILL)
        next_pid, started = eventually(lambda mark=marks[1]: mark.exists() and mark.read_text()).split()
        took.append(float(started) - died)
        send(int(next_pid), signal.SIGKILL)
        for process in (first, second):
            process.wait(30)
    return statistics.median(took[1:])


def cut_off(lab):
    """Seconds from the cut of a host to the start of the job on the next one."""
    hold = lab.site(1).holding("cut", options=("--ttl", str(TTL)))
    waiter = lab.site(2).begin("hold", "-w", "60", "--ttl", str(TTL), "cut", "--", *unless_alive(hold.job))
    lab.site(3).waiting("cut", 2)
    began = time.monotonic()
    lab.cut(1)
    status = ended(waiter)[0]
    took = time.monotonic() - began
    lab.heal(1)
    assert status == 0
    ended(hold)
    return took


def switches(pid):
    return sum(int(line.split()[1]) for line in proc(f"{pid}/status").splitlines() if "ctxt_switches" in line)


def private(pid):
    """MiB that this process alone has."""
    lines = dict(line.split(":", 1) for line in proc(f"{pid}/smaps_rollup").splitlines()[1:])
    return sum(int(lines[name].split()[0]) for name in ("Private_Clean", "Private_Dirty")) / 1024


def main():
    rounds = int(sys.argv[1]) if sys.argv[1:] else 15
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place, Lab(place) as lab:
        fleet = lambda host, name: [*PROGRAM, "hold", "-w", "60", "-f", f"{place}/h{host}.fifo", name, "--"]  # noqa: E731
        peer = lambda host, name: [*ETCDCTL, "lock", f"/procalive/{name}", "--"]  # noqa: ARG005, E731
        print(f"{'':44} {'fleet':>11} {'etcdctl':>11}")
        held = lab.site(1).holding("held")
        get = [*ETCDCTL, "get", "--prefix", "/procalive/held/"]
        row(
            "check, held; etcdctl get",
            timed(lab, rounds, *PROGRAM, "check", "held"),
            timed(lab, rounds, *get),
            "<= 3 x",
        )
        lock = timed(lab, rounds, *peer(1, "free"), "true")
        row("hold true; etcdctl lock true", timed(lab, rounds, *fleet(1, "free"), "true"), lock, "<= 3 x")
        row(
            "hold, held elsewhere",
            timed(lab, rounds, *PROGRAM, "hold", "-q", "-f", f"{place}/x", "held", "true"),
            0,
            "",
        )
        few = max(3, rounds // 3)
        row(
            "death of the job to the next job",
            handover(lab, few, fleet, "ours"),
            handover(lab, few, peer, "theirs"),
            "<= 3 x",
        )
        row(f"host cut off to the next job, TTL {TTL} s", cut_off(lab), 0, f"<= {1.2 * TTL + 1:g} s")
        waiter = lab.site(2).begin("wait", "held")
        eventually(lambda: "poll" in proc(f"{waiter.pid}/wchan"))
        threads = [int(thread.name) for thread in Path(f"/proc/{waiter.pid}/task").iterdir()]
        time.sleep(1)
        before = sum(map(switches, threads))
        time.sleep(20)
        print(f"{'wait, context switches in 20 s':44} {sum(map(switches, threads)) - before:8}       target 0")
        keeper = next(pid for pid in children(held.pid) if pid != held.job)
        print(f"{'keeper, private memory':44} {private(keeper):8.1f} MiB   target <= 12 MiB")
        print(f"{'front, private memory':44} {private(held.pid):8.1f} MiB")


if __name__ == "__main__":
    main()
