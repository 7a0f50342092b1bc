#!/usr/bin/env python3
"""storm.py SECONDS [SEED [fleet|etcdctl]]: 12 contenders on three hosts, faults of all kinds, a count.

Faults: kill -9 and SIGSTOP of job, front and keeper; members killed and stopped,
hosts cut off.  Not both guards of one hold at a time, which is more than is promised.
`etcdctl lock` gets the same, as far as it has such processes.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from lab import HOSTS, Lab
from support import FLEET, HERE, binaries, children, parent, send

JOB = [sys.executable, "-ISE", str(HERE / "storm_job.py")]
OUR_FAULTS = ("job", "job", "front", "front", "keeper", "keeper", "stopped keeper", "stopped front", "stopped job")
PEER_FAULTS = ("job", "job", "front", "front", "stopped front", "stopped job")


_LONGEST_STOP = 8  # seconds
_RECOVERY = 7  # seconds: a TTL, and something for a slow machine


class Storm:
    """One storm: run() returns the counts."""

    def __init__(self, lab, directory, seed=1, mode="fleet"):
        self.lab = lab
        self.place = Path(directory)
        self.mode = mode
        self._random = random.Random(seed)
        self._over = threading.Event()
        self._running = {}
        self._hurt_until = {}
        self.statuses = collections.Counter()
        self.faults = collections.Counter()
        self.errors = open(self.place / "errors", "ab")  # noqa: SIM115 (as long as the storm)

    def run(self, seconds):
        threads = [threading.Thread(target=self._contend, args=(host, n)) for host in HOSTS for n in range(4)]
        threads += [threading.Thread(target=self._hurt_processes), threading.Thread(target=self._hurt_engine)]
        for thread in threads:
            thread.start()
        self._over.wait(seconds)
        self._over.set()
        for thread in threads:
            thread.join(120)
        self.errors.close()
        return self._counts(seconds)

    def _counts(self, seconds):
        told = (self.place / "log").read_text().splitlines()
        count = lambda word: sum(f" {word} " in line for line in told)  # noqa: E731
        return {
            "mode": self.mode,
            "seconds": seconds,
            "starts": count("START"),
            "ends": count("END"),
            "two": count("TWO"),
            "stale writes refused": count("STALE"),
            "fences not above": count("NOT-ABOVE"),
            "statuses": dict(self.statuses),
            "faults": dict(self.faults),
            "examples": [line for line in told if " TWO " in line or " NOT-ABOVE " in line][:5],
        }

    def _command(self, host, n):
        fifo = str(self.place / f"h{host}-{n}.fifo")
        if self.mode == "fleet":
            options = ["-w", "60", "--ttl", "5", "-f", fifo]
            return self.lab.on(host, *FLEET, "hold", *options, "storm", "--", *JOB, self.place)
        return self.lab.on(host, binaries() / "etcdctl", "lock", "--ttl", "5", "storm", "--", *JOB, self.place)

    def _contend(self, host, n):
        env = self.lab.site(host).env
        while not self._over.is_set():
            front = subprocess.Popen(self._command(host, n), env=env, stdout=subprocess.DEVNULL, stderr=self.errors)
            self._running[host, n] = front
            status = self._ended(front)
            self.statuses[status] += 1
            if status:
                self._over.wait(0.3)

    def _ended(self, front):
        """Its status; one that stops answering after the storm is ended."""
        while True:
            try:
                return front.wait(5 if self._over.is_set() else 1)
            except subprocess.TimeoutExpired:
                if self._over.is_set():
                    for pid in (*children(front.pid), front.pid):
                        send(pid, signal.SIGCONT)
                        send(pid, signal.SIGKILL)

    def _victims(self, kind):
        """Processes of that kind; of a holder, where there is one."""
        fronts = [front.pid for front in list(self._running.values()) if front.poll() is None]
        families = {front: children(front) for front in fronts}
        jobs = {
            front: [pid for pid, words in family.items() if words[-1] == str(self.place) and "lock" not in words]
            for front, family in families.items()
        }
        holding = [front for front in fronts if jobs[front]] or fronts
        if kind == "job":
            return [pid for front in holding for pid in jobs[front]]
        if kind == "front":
            return holding
        return [
            pid for front in holding for pid, words in families[front].items() if words[:2] == ["procalive", "fleet"]
        ]

    def _is_to_be_spared(self, fault, pid):
        """Whether the other guard of that hold is hurt still: both at once is more than is promised."""
        if fault.endswith("job"):
            return False
        front = next((one.pid for one in self._running.values() if one.pid == pid), None) or parent(pid)
        now = time.monotonic()
        if self._hurt_until.get(front, 0.0) > now:
            return True
        self._hurt_until[front] = now + (_LONGEST_STOP + _RECOVERY)
        return False

    def _hurt_processes(self):
        while not self._over.wait(self._random.uniform(0.5, 2.0)):
            fault = self._random.choice(OUR_FAULTS if self.mode == "fleet" else PEER_FAULTS)
            victims = self._victims(fault.replace("stopped ", ""))
            if not victims:
                continue
            pid = self._random.choice(victims)
            if self._is_to_be_spared(fault, pid):
                continue
            self.faults[fault] += 1
            if fault.startswith("stopped"):
                send(pid, signal.SIGSTOP)
                threading.Timer(self._random.uniform(1, _LONGEST_STOP), send, (pid, signal.SIGCONT)).start()
            else:
                send(pid, signal.SIGKILL)

    def _hurt_engine(self):
        while not self._over.wait(self._random.uniform(4, 8)):
            host = self._random.choice(HOSTS)
            fault = self._random.choice(("member killed", "member stopped", "host cut off", "host cut off"))
            self.faults[fault] += 1
            hurt, mend, least, most = {
                "member killed": (self.lab.kill, self.lab.start, 2, 4),
                "member stopped": (self.lab.stop, self.lab.resume, 5, 7),
                "host cut off": (self.lab.cut, self.lab.heal, 3, 9),
            }[fault]
            hurt(host)
            self._over.wait(self._random.uniform(least, most))
            mend(host)


def main():
    seconds = float(sys.argv[1])
    seed = int(sys.argv[2]) if sys.argv[2:] else 1
    mode = sys.argv[3] if sys.argv[3:] else "fleet"
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        lab = stack.enter_context(Lab(place))
        began = time.monotonic()
        counts = Storm(lab, place, seed, mode).run(seconds)
        print(json.dumps({"seed": seed, **counts, "took": round(time.monotonic() - began)}), flush=True)
        if counts["two"] and mode == "fleet":
            print((Path(place) / "log").read_text(), (Path(place) / "errors").read_text(), file=sys.stderr)
    return 1 if counts["two"] or counts["fences not above"] else 0


if __name__ == "__main__":
    os.environ.pop("PROCALIVE_FLEET_PREFIX", None)
    sys.exit(main())
