"""From the release of a lock to the start of the next job, with N that wait for it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import lab

sys.path.insert(0, str(lab.ROOT))
import procalive

FIRST = "release to the next job's start, N wait"
ALL = "release to the end of N short jobs in turn"
CPU = "CPU seconds a hand-over, N wait"
SWITCHES = "voluntary context switches a hand-over, N wait"
INVERSIONS = "pairs served out of order, N wait"
MAKING = "hold that makes its FIFO, N processes to look through"
REFUSED = "hold in the module"

_FILELOCK = (
    "import filelock, os, sys\nwith filelock.FileLock(sys.argv[1]): os.spawnvp(os.P_WAIT, sys.argv[2], sys.argv[2:])"
)


def _commands(d: str) -> dict[str, list[str]]:
    """How each waits for the lock and then runs what follows."""
    found = {
        "procalive": [lab.COMMAND, "hold", "-w", "inf", f"{d}/f"],
        "flock": ["flock", f"{d}/l"],
        "setlock": ["setlock", f"{d}/s"],
        "filelock": [sys.executable, "-c", _FILELOCK, f"{d}/p"],
        "sem": ["sem", "--fg", "--id", d.replace("/", "-"), "-j1"],
    }
    return {name: command for name, command in found.items() if shutil.which(command[0])}


def row(name: str, size: int) -> str:
    return f"{name}, N = {size}"


def queue(results: lab.Results, parent: str, sizes: tuple[int, ...], rounds: int) -> None:
    lab.say(FIRST)
    for _ in range(rounds):
        for size in sizes:
            for name in _commands(parent):
                # Those poll, or start a Perl each: a few tell enough.
                if size <= 10 or name not in ("filelock", "sem"):
                    _release(results, name, size, tempfile.mkdtemp(dir=parent))


def _release(results: lab.Results, name: str, size: int, d: str) -> None:
    command = _commands(d)[name]
    order = Path(d, "order")
    first = _program(f"{d}/first", f": >{d}/up; exec sleep inf")
    job = _program(f"{d}/job", f"date +%s%N-$1 >>{order}")  # a file, for sem has its words parsed by a shell
    with contextlib.ExitStack() as stack:
        holder = stack.enter_context(lab.Process([*command, first]))
        lab.until("the lock is held", Path(d, "up").exists)
        waiters = []
        for number in range(size):
            waiter = lab.Process([*command, job, str(number)])
            stack.callback(_forget, waiter)
            waiters.append(waiter)
            lab.until("it waits", lambda pid=waiter.pid, name=name: _waits(name, pid))
        before = [_spent(waiter.pid) for waiter in waiters]
        start = time.time_ns()
        holder.kill()
        usages = [os.wait4(waiter.pid, 0)[2] for waiter in waiters]
        end = time.time_ns()
    lines = [line.split("-") for line in order.read_text().split()]
    served = [int(number) for _, number in lines]
    after = [(usage.ru_utime + usage.ru_stime, usage.ru_nvcsw) for usage in usages]
    wrong = sum(a > b for at, a in enumerate(served) for b in served[at + 1 :])
    results.add(FIRST, row(name, size), [(int(lines[0][0]) - start) / 1e9])
    results.add(ALL, row(name, size), [(end - start) / 1e9])
    results.add(CPU, row(name, size), [(sum(a for a, _ in after) - sum(b for b, _ in before)) / size])
    results.add(SWITCHES, row(name, size), [(sum(a for _, a in after) - sum(b for _, b in before)) / size])
    results.add(INVERSIONS, row(name, size), [float(wrong)])


def _program(file: str, line: str) -> str:
    Path(file).write_text(f"#!/bin/sh\n{line}\n")
    os.chmod(file, 0o755)
    return file


def _forget(waiter: lab.Process) -> None:
    """It was reaped by wait4(2), or the measurement has failed."""
    with contextlib.suppress(ChildProcessError):
        waiter.kill()


def _waits(name: str, pid: int) -> bool:
    """Whether the kernel queues it; of who polls, whether it has gone to sleep after its start."""
    if name in ("filelock", "sem"):
        return _spent(pid)[1] > 2
    return any(words[1] == "->" and words[5] == str(pid) for words in map(str.split, open("/proc/locks")))


def _spent(pid: int) -> tuple[float, int]:
    """CPU seconds and voluntary switches so far."""
    seconds = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    return seconds, lab.switches(pid)[1]


# --- around it ---------------------------------------------------------------


def making(results: lab.Results, parent: str, sizes: tuple[int, ...], rounds: int) -> None:
    """What the look through /proc costs, once in the life of a FIFO."""
    lab.say(MAKING)
    d = tempfile.mkdtemp(dir=parent)
    with contextlib.ExitStack() as stack:
        running = 0
        for size in sizes:
            for _ in range(size - running):
                stack.enter_context(lab.Process(["sleep", "inf"]))
            running = size
            for number in range(rounds):
                for name, fifo in (("procalive, made", f"{d}/{size}.{number}"), ("procalive, there", f"{d}/there")):
                    start = time.perf_counter()
                    subprocess.run([lab.COMMAND, "hold", fifo, "true"], check=True)
                    results.add(MAKING, row(name, size), [time.perf_counter() - start])


def refused(results: lab.Results, parent: str, rounds: int) -> None:
    """A hold that is refused beside one that holds and lets go, without a look at who holds."""
    lab.say(REFUSED)
    fifo = f"{tempfile.mkdtemp(dir=parent)}/f"
    os.mkfifo(fifo, 0o600)
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(lab.LOOPS // 10):
            with procalive.hold(fifo):
                pass
        results.add(REFUSED, "hold and release", [(time.perf_counter() - start) / (lab.LOOPS // 10)])
        with procalive.hold(fifo):
            start = time.perf_counter()
            for _ in range(lab.LOOPS // 10):
                with contextlib.suppress(procalive.Held):
                    procalive.hold(fifo)
            results.add(REFUSED, "refused", [(time.perf_counter() - start) / (lab.LOOPS // 10)])
