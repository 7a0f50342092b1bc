#!/usr/bin/env python3
"""storm.py SECONDS: 64 processes want, hold and watch one FIFO while kill -9 hits them all.

Whoever holds takes a record lock (fcntl(2)) on a marker file as well: a second
mechanism of the kernel's, which ends with the process just before the FIFO is
let go.  Finding it taken is an overlap.  Everything that happens is a byte in a
log: A acquired, H acquired after another process, O overlap, W a waiter
returned, M a waiter that slept through 20 s, or through the deaths before so
many acquisitions that it must have missed some.

The rounds end by killing all contenders at once: the FIFO must then read dead,
every waiter must return by itself, and no process or descriptor be left over.
All processes become this one's children (PR_SET_CHILD_SUBREAPER), keepers too,
so that none can be missed, and no PID is free before it is reaped here.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

from fire_common import LAUNCHER, SCRIPT, is_read, until
from storm_job import log, occupy

import procalive

SLOTS = ["module"] * 24 + ["hold"] * 20 + ["hold -o"] * 8 + ["wait"] * 8 + ["wait command"] * 4
ROUNDS = 4
PATIENCE = 20
MANY = 30  # acquisitions: half a second of them, so that a late wake-up is no miss
PRCTL = ctypes.CDLL(None).prctl


def contend(place: str, over: mmap.mmap) -> None:
    while not over[0]:
        try:
            with procalive.hold(f"{place}/f", timeout=PATIENCE):
                occupy(place)
        except procalive.Held:
            continue


def watch(place: str, over: mmap.mmap) -> None:
    while not over[0]:
        if procalive.check(f"{place}/f"):
            try:
                begun = os.stat(f"{place}/log").st_size
                procalive.wait(f"{place}/f", timeout=PATIENCE)
                log(place, b"W" if acquisitions(place, begun) < MANY else b"M")
            except procalive.TimedOut:
                log(place, b"M")
        else:
            time.sleep(0.001)


def acquisitions(place: str, since: int) -> int:
    with open(f"{place}/log", "rb") as file:
        file.seek(since)
        events = file.read()
    return events.count(b"A") + events.count(b"H")


class Storm:
    """The 64 slots, each refilled as soon as its process is gone."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.fifo = f"{place}/f"
        self.over = mmap.mmap(-1, 1)
        self.slot_of: dict[int, int] = {}
        self.kills = dict.fromkeys(("holder", "keeper", "waiter", "contender"), 0)
        self.odd: list[str] = []

    def fill(self, slot: int) -> None:
        kind = SLOTS[slot]
        if kind in ("module", "wait"):
            pid = os.fork()
            if pid == 0:
                PRCTL(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: not to outlive the storm
                random.seed()
                (contend if kind == "module" else watch)(self.place, self.over)
                os._exit(0)
        else:
            job = [SCRIPT[0], "-SE", f"{os.path.dirname(os.path.abspath(__file__))}/storm_job.py", self.place]
            words = {
                "hold": ["hold", "-q", "-w", str(PATIENCE), self.fifo, *job],
                "hold -o": ["hold", "-q", "-o", "-w", str(PATIENCE), self.fifo, *job],
                "wait command": ["wait", "-t", str(PATIENCE), self.fifo],
            }[kind]
            pid = os.posix_spawn(SCRIPT[0], [*SCRIPT, *words], os.environ)
        self.slot_of[pid] = slot

    def reap(self, refill: bool) -> bool:
        """Take what ended; False once there is no child at all."""
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        slot = self.slot_of.pop(pid, None)
        if slot is not None:
            self.note(SLOTS[slot], os.waitstatus_to_exitcode(status))
            if refill:
                self.fill(slot)
        return bool(pid) and self.reap(refill)

    def note(self, kind: str, status: int) -> None:
        """How a process ended: log a waiter's return; nothing may end unexpectedly."""
        if kind == "wait command" and status in (0, 124):
            log(self.place, b"M" if status else b"W")
        elif status not in (0, -signal.SIGKILL) and not (kind.startswith("hold") and status == 75):
            self.odd.append(f"{kind} ended with {status}")

    def kill_someone(self) -> None:
        pid, slot = random.choice(list(self.slot_of.items()))
        os.kill(pid, signal.SIGKILL)
        self.kills["waiter" if SLOTS[slot].startswith("wait") else "contender"] += 1

    def kill_the_holder(self) -> None:
        for holder in procalive.look(self.fifo)[self.fifo].holders:
            if holder.pid in self.slot_of:
                os.kill(holder.pid, signal.SIGKILL)
                self.kills["holder"] += 1
            elif holder.keeps in self.slot_of:
                self.kill_keeper(holder.pid, holder.keeps)

    def kill_keeper(self, keeper: int, job: int) -> None:
        """After its job: whoever kills a keeper lets go of a job that may still run."""
        try:
            os.kill(keeper, signal.SIGSTOP)
        except ProcessLookupError:
            return  # the child that starts the keeper, and holds for a moment too
        os.kill(job, signal.SIGKILL)
        os.waitid(os.P_PID, job, os.WEXITED | os.WNOWAIT)
        os.kill(keeper, signal.SIGKILL)
        self.kills["keeper"] += 1

    def blow(self, seconds: float) -> None:
        """One round."""
        self.over[0] = 0
        for slot in range(len(SLOTS)):
            self.fill(slot)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.reap(refill=True)
            random.choice((self.kill_someone, self.kill_someone, self.kill_the_holder))()
            time.sleep(random.random() * 0.05)
        self.over[0] = 1
        for pid, slot in self.slot_of.items():
            if not SLOTS[slot].startswith("wait"):
                os.kill(pid, signal.SIGKILL)

    def calm(self) -> list[str]:
        """What is wrong after a round, when nobody should be left."""
        wrong, self.odd = self.odd, []
        if not until(lambda: not self.reap(refill=False) and not self.children(), PATIENCE + 10):
            wrong.append(f"processes left over: {self.children()}")
        answers = [
            subprocess.run([*program, "check", self.fifo], check=False).returncode for program in (SCRIPT, LAUNCHER)
        ]
        if is_read(self.fifo) or procalive.check(self.fifo) or answers != [1, 1]:
            wrong.append(f"a stale alive: the kernel says {is_read(self.fifo)}, check {answers}")
        return wrong

    @staticmethod
    def children() -> list[int]:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return [int(word) for word in file.read().split()]


def main(seconds: float) -> int:
    PRCTL(36, 1)  # PR_SET_CHILD_SUBREAPER
    with tempfile.TemporaryDirectory() as place:
        os.mkfifo(f"{place}/f")
        log(place, b"")
        storm, wrong = Storm(place), []
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(ROUNDS):
            storm.blow(seconds / ROUNDS)
            wrong += storm.calm()
        left = len(os.listdir("/proc/self/fd")) - before
        with open(f"{place}/log", "rb") as file:
            events = {name: count for name in "AHOWM" for count in [file.seek(0) or file.read().count(name.encode())]}
    kills = ", ".join(f"{count} of {kind}s" for kind, count in storm.kills.items())
    print(f"storm: {len(SLOTS)} processes, {seconds:.0f} s: {events['A'] + events['H']} acquisitions")
    print(f"  {events['H']} hand-overs, {events['O']} overlaps, {events['W']} waits, {events['M']} misses")
    print(f"  {sum(storm.kills.values())} kill -9 ({kills}), {len(wrong)} stale or left over, {left} descriptors left")
    print(*wrong, sep="\n")
    done = events["H"] > 100 and events["W"] > 10 and all(storm.kills.values())
    return 0 if done and not (events["O"] or events["M"] or wrong or left) else 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
