"""Where the measurements are made: tools, a directory, processes, results."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import itertools
import json
import os
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Iterator

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COMMAND = str(ROOT / "bin/procalive")
MODULE = str(ROOT / "procalive.py")
LIBRARY = ROOT / "shell/procalive.sh"
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else "python3"  # as bin/procalive takes it
LIMIT = str(Path(sys.prefix) / "bin/limit")  # limit.c, compiled by tests/bench/run

TIMES = "\N{MULTIPLICATION SIGN}"
LOOPS = 2000  # calls that are timed together
PATIENCE = 20  # seconds for what takes a few milliseconds on an idle machine

_DEVNULL = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
_BEGIN = time.monotonic()
_numbers = itertools.count(1)


def workplace() -> str:
    """A directory for the FIFOs: on a tmpfs where there is one, as /run is."""
    for parent in (os.environ.get("XDG_RUNTIME_DIR"), "/run", "/dev/shm"):
        if parent and os.access(parent, os.W_OK) and _is_tmpfs(parent):
            return tempfile.mkdtemp(prefix="procalive-bench-", dir=parent)
    return tempfile.mkdtemp(prefix="procalive-bench-")


def _is_tmpfs(path: str) -> bool:
    found = subprocess.run(["stat", "-f", "-c", "%T", path], capture_output=True, text=True, check=False)
    return found.stdout.strip() == "tmpfs"


def comes(true: Callable[[], object], seconds: float, every: float = 0.002) -> bool:
    """Look again and again, but not for ever."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


def until(what: str, true: Callable[[], object], every: float = 0.002) -> None:
    """What must come before anything can be measured."""
    if not comes(true, PATIENCE, every):
        raise RuntimeError(f"{what}: not within {PATIENCE} s")


@contextlib.contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """End whatever system call the body sleeps in when the time is over."""

    def over(*_: object) -> None:
        raise TimeoutError(f"not done within {seconds} s")

    signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


# --- processes ---------------------------------------------------------------


def job() -> list[str]:
    """A command that lasts and that no other process has in its arguments."""
    return ["sleep", "inf", f"0.{os.getpid()}{next(_numbers)}"]


class Process:
    """A command in a session of its own, which is killed whole."""

    def __init__(self, command: list[str], fds: tuple[int, ...] = (), stdout: int = subprocess.DEVNULL) -> None:
        self.popen = subprocess.Popen(command, pass_fds=fds, start_new_session=True, **{**_DEVNULL, "stdout": stdout})
        self.pid = self.popen.pid
        self.fifo = -1

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()
        with contextlib.suppress(ChildProcessError):
            while True:  # the zombies that it left to us keep its number in use
                os.waitpid(-self.pid, 0)


def fork(body: Callable[[], None]) -> int:
    """A copy of this process that stays after its body until it is killed."""
    pid = os.fork()
    if pid == 0:
        try:
            body()
            signal.pause()  # not the tear-down of many interpreters while others are measured
        finally:
            os._exit(1)  # or it would go on as the parent does
    return pid


def end(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def hold_everything(d: str) -> Process:
    """One process that holds by all means: FIFO, flock, socket and pid file.

    As small as can be: what is measured is how its end is noticed.
    """
    fifo = os.open(f"{d}/f", os.O_RDONLY | os.O_NONBLOCK)
    lock = os.open(f"{d}/l", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with socket.socket(socket.AF_UNIX) as listener:
        Path(f"{d}/u").unlink(missing_ok=True)
        listener.bind(f"{d}/u")
        listener.listen(128)
        holder = Process(job(), fds=(fifo, lock, listener.fileno()))
    os.close(fifo)
    os.close(lock)
    Path(f"{d}/p").write_text(f"{holder.pid}\n")
    holder.fifo = fifo  # the number is the same there
    return holder


def adopt_orphans() -> None:
    """Have what our children leave behind become ours (prctl(2)), to end it."""
    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            after_name = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            children.setdefault(int(after_name[1]), []).append(int(name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found[1:]


def runs(pid: int, command: list[str]) -> bool:
    """Whether the process, or a descendant, executes the command."""
    wanted = "\0".join(command) + "\0"
    for one in (pid, *descendants(pid)):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{one}/cmdline").read_text() == wanted:
                return True
    return False


def end_orphans() -> None:
    for pid in descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def asleep(*pids: int, children: bool = False) -> None:
    """Until each process sleeps and did not run between two looks."""

    def steady() -> bool:
        family = [child for pid in pids for child in descendants(pid)] if children else []
        before = [switches(pid) for pid in (*pids, *family)]
        if any(state in ("ended", "Z") for state, _ in before[: len(pids)]):
            raise RuntimeError("ended instead of waiting")
        time.sleep(0.004)  # shorter than the steps of those that poll
        return before == [switches(pid) for pid in (*pids, *family)] and all(state == "S" for state, _ in before)

    until(f"process {pids[0]} sleeps", steady, every=0)


def switches(pid: int) -> tuple[str, int]:
    """(state, voluntary context switches) of a process: proc_pid_status(5)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return "ended", 0
    return status.partition("\nState:\t")[2][0], int(status.partition("\nvoluntary_ctxt_switches:\t")[2].split()[0])


def memory(pids: list[int]) -> tuple[int, int]:
    """(RSS, PSS) of some processes together, in bytes: proc_pid_smaps(5)."""
    rss = pss = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "Rss":
                rss += int(value.split()[0]) * 1024
            elif name == "Pss":
                pss += int(value.split()[0]) * 1024
    return rss, pss


# --- results -----------------------------------------------------------------


class Results:
    """Samples by group and row, with what was skipped."""

    def __init__(self) -> None:
        self.groups: dict[str, dict[str, list[float]]] = {}
        self.correct: dict[str, dict[str, bool | None]] = {}
        self.skipped: list[str] = []

    def add(self, group: str, row: str, samples: list[float]) -> None:
        if samples:
            self.groups.setdefault(group, {}).setdefault(row, []).extend(samples)

    def skip(self, what: str, why: str) -> None:
        line = f"{what} ({why})"
        if line not in self.skipped:
            self.skipped.append(line)
            say(f"skipped: {line}")

    def median(self, group: str, row: str) -> float:
        return statistics.median(self.groups[group][row])


def p99(samples: list[float]) -> float | None:
    """None of fewer than a hundred: it would be the maximum."""
    return sorted(samples)[int(len(samples) * 0.99)] if len(samples) >= 100 else None


def say(text: str) -> None:
    print(f"tests/bench/run: {time.monotonic() - _BEGIN:3.0f} s: {text}", file=sys.stderr, flush=True)


def hyperfine(commands: dict[str, list[str]], rounds: int, runs: int) -> dict[str, list[float]]:
    """Seconds that each whole command takes.

    All of them once around, and again, beginning with another one each time:
    what disturbs the machine for a moment then hits all alike.
    """
    names = [name for name, command in commands.items() if shutil.which(command[0])]
    times: dict[str, list[float]] = {name: [] for name in names}
    if not shutil.which("hyperfine"):
        return times
    for turn in range(rounds):
        first = turn * len(names) // rounds
        order = names[first:] + names[:first]
        for name, found in zip(order, _hyperfine([commands[name] for name in order], runs)):
            times[name] += found
    return times


def c_loop(fifo: str) -> float:
    """Seconds that one check takes in the C loop."""
    return float(subprocess.check_output([LIMIT, "loop", str(LOOPS), fifo])) / 1e9


def _hyperfine(commands: list[list[str]], runs: int) -> Iterator[list[float]]:
    with tempfile.NamedTemporaryFile() as file:
        options = ["-N", "-i", "--style", "none", "-w", "2", "-r", str(runs), "--export-json", file.name]
        subprocess.run(["hyperfine", *options, *map(shlex.join, commands)], check=True, **_DEVNULL)
        for result in json.load(file)["results"]:
            yield result["times"]
