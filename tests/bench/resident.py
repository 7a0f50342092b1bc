"""What stays: memory and processes while something is held, work done while waiting."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path
from typing import Iterator

import lab
from peers import Peer, held, prepare, there

HOLDING = "beside the command while it holds"
WAITING = "of a waiter"
PROCESSES = "processes {}"
RSS = "memory {}, RSS"
PSS = "memory {}, PSS"
CPU = "waiting for a minute, CPU time"
SWITCHES = "waiting for a minute, context switches"
_HOLDERS = (
    "procalive",
    "procalive hold -o",
    "flock",
    "flock -F",
    "setlock",
    "s6-setlock",
    "lckdo",
    "s6-svok",
    "filelock",
)
_WAITERS = ("procalive", "C (limit)", "flock", "tail --pid", "pid file, kill -0", "pidwait -f", "filelock", "psutil")


def memory(results: lab.Results, parent: str) -> None:
    lab.say("processes and memory")
    for peer in there(*_HOLDERS):
        with _beside(peer, prepare(tempfile.mkdtemp(dir=parent))) as pids:
            _add(results, HOLDING, peer, pids)
    for peer in there(*_WAITERS):
        with _waiting(peer, parent) as pid:
            _add(results, WAITING, peer, [pid, *lab.descendants(pid)])


def _add(results: lab.Results, whose: str, peer: Peer, pids: list[int]) -> None:
    for group, size in zip((PROCESSES, RSS, PSS), (len(pids), *lab.memory(pids))):
        results.add(group.format(whose), peer.name, [size])


@contextlib.contextmanager
def _beside(peer: Peer, d: str) -> Iterator[list[int]]:
    """All that was started and is not the command itself."""
    before = set(lab.descendants(os.getpid()))
    holder, _ = held(peer, d)
    with holder:
        lab.asleep(holder.pid, children=True)
        new = [pid for pid in lab.descendants(os.getpid()) if pid not in before]
        yield [pid for pid in new if Path(f"/proc/{pid}/comm").read_text() != "sleep\n"]


@contextlib.contextmanager
def _waiting(peer: Peer, parent: str) -> Iterator[int]:
    d = prepare(tempfile.mkdtemp(dir=parent))
    holder, job = held(peer, d)
    with holder, lab.Process(peer.command("wait", d, job)) as waiter:
        lab.asleep(waiter.pid, children=True)
        yield waiter.pid


# --- work done while nothing happens -----------------------------------------


@contextlib.contextmanager
def idle(results: lab.Results, parent: str, seconds: float) -> Iterator[None]:
    """Waiters of each kind that sleep while the body runs, and for `seconds` at least."""
    with contextlib.ExitStack() as stack:
        pids = {peer.name: stack.enter_context(_waiting(peer, parent)) for peer in there(*_WAITERS)}
        begin, before = time.monotonic(), {name: _work(pid) for name, pid in pids.items()}
        yield
        time.sleep(max(0.0, begin + seconds - time.monotonic()))
        passed = time.monotonic() - begin
        for name, pid in pids.items():
            cpu, switches = (after - earlier for after, earlier in zip(_work(pid), before[name]))
            results.add(CPU, name, [cpu / passed * 60])
            results.add(SWITCHES, name, [switches / passed * 60])


def _work(pid: int) -> tuple[float, int]:
    """Seconds of CPU, ended children included, and voluntary context switches."""
    own = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    children = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[13:15]
    return own + sum(map(int, children)) / os.sysconf("SC_CLK_TCK"), lab.switches(pid)[1]
