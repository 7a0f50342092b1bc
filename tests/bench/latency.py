"""From `kill -9` of the holder to the return of who waits for it."""

from __future__ import annotations

import contextlib
import os
import random
import select
import subprocess
import sys
import tempfile
import time
from typing import Callable

import lab
from peers import LIMIT, LOCKS, Peer, held, prepare, there

sys.path.insert(0, str(lab.ROOT))
import procalive

COMMANDS = "wait, whole command"
CALLS = "wait(), in a program"
_LIBRARIES = ("procalive", "psutil", "socket", "flock", "filelock", "portalocker")

_PROCESSES = ("pidwait -f", "waitpid", "tail --pid", "pid file, kill -0")  # a loop on pgrep or fuser is like the last
_WAITERS = ("procalive", "C (limit)", *LOCKS, *_PROCESSES)


# --- whole commands ----------------------------------------------------------


def commands(results: lab.Results, parent: str, rounds: int) -> None:
    lab.say(COMMANDS)
    waiting = there(*_WAITERS)
    d = prepare(tempfile.mkdtemp(dir=parent))
    for _ in range(rounds):
        for peer in waiting:
            if not peer.polls:
                results.add(COMMANDS, peer.name, [_one(peer, d)])
    for peer in waiting:
        if peer.polls:
            results.add(COMMANDS, peer.name, _many(peer, parent, rounds))


def _one(peer: Peer, d: str) -> float:
    holder, waiter = _pair(peer, d)
    with holder, waiter:
        start = _kill(holder)
        os.waitid(os.P_PID, waiter.pid, os.WEXITED | os.WNOWAIT)
        return (time.monotonic_ns() - start) / 1e9


def _pair(peer: Peer, d: str) -> tuple[lab.Process, lab.Process]:
    """A holder, and who waits for its end, asleep."""
    holder, job = held(peer, d)
    waiter = lab.Process(peer.command("wait", d, job))
    lab.asleep(waiter.pid)
    return holder, waiter


def _kill(holder: lab.Process) -> int:
    """End the holder; the clock just before.  Reaped at once: kill -0 sees zombies."""
    start = time.monotonic_ns()
    holder.kill()
    return start


def _many(peer: Peer, parent: str, count: int) -> list[float]:
    """Who looks once a second takes long: many at once, ended at random moments of a second."""
    pairs = []
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            pair = _pair(peer, prepare(tempfile.mkdtemp(dir=parent)))
            pairs.append(tuple(stack.enter_context(process) for process in pair))
        return _end_at_random(pairs)


def _end_at_random(pairs: list[tuple[lab.Process, lab.Process]]) -> list[float]:
    begin = time.monotonic()
    agenda = sorted((begin + random.random(), holder, waiter) for holder, waiter in pairs)
    killed, found = {}, []
    with select.epoll() as ends:
        while agenda or killed:
            left = agenda[0][0] - time.monotonic() if agenda else 5.0
            if agenda and left <= 0:
                _, holder, waiter = agenda.pop(0)
                pidfd = os.pidfd_open(waiter.pid)
                ends.register(pidfd, select.EPOLLIN)
                killed[pidfd] = _kill(holder)
                continue
            for pidfd, _ in ends.poll(left):
                found.append((time.monotonic_ns() - killed.pop(pidfd)) / 1e9)
                os.close(pidfd)
    return found


# --- in a program ------------------------------------------------------------


def calls(results: lab.Results, parent: str, rounds: int) -> None:
    """One process each that waits again and again, and tells when it was told."""
    lab.say(CALLS)
    d = prepare(tempfile.mkdtemp(dir=parent))
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(_serve(name, d)) for name in _LIBRARIES}
        for _ in range(rounds):
            for name, server in servers.items():
                results.add(CALLS, name, [_serve_once(server, d)])
            if os.path.exists(lab.LIMIT):
                results.add(CALLS, LIMIT.name, _crowd_once(d, 1, _spawn_c))


class _Server(lab.Process):
    """libs.py serve: it writes two lines a turn."""

    def __init__(self, command: list[str]) -> None:
        self.popen = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.pid = self.popen.pid


def _serve(name: str, d: str) -> _Server:
    with lab.hold_everything(d):  # some look at the file when they begin
        return _Server([sys.executable, "-I", str(lab.HERE / "libs.py"), "serve", name, d])


def _serve_once(server: _Server, d: str) -> float:
    with lab.hold_everything(d) as holder:
        server.popen.stdin.write("\n")
        server.popen.stdin.flush()
        server.popen.stdout.readline()
        lab.asleep(server.pid)
        start = _kill(holder)
        return (int(server.popen.stdout.readline()) - start) / 1e9


# --- many waiters, many FIFOs ------------------------------------------------


def _spawn_c(fifo: str, pipe: int) -> int:
    return os.posix_spawn(lab.LIMIT, [lab.LIMIT, "wait", fifo], {}, file_actions=[(os.POSIX_SPAWN_DUP2, pipe, 1)])


def _fork(wait: Callable[[], object], pipe: int) -> int:
    def tell() -> None:
        wait()
        os.write(pipe, b"%d\n" % time.monotonic_ns())
        os.close(pipe)

    return lab.fork(tell)


def _crowd_once(d: str, count: int, spawn: Callable[[str, int], int]) -> list[float]:
    """Seconds from the end of one holder to the return of each of its waiters."""
    out, into = os.pipe()
    with lab.hold_everything(d) as holder, open(out) as answers:
        pids = [spawn(f"{d}/f", into) for _ in range(count)]
        os.close(into)
        try:
            lab.asleep(*pids)
            start = _kill(holder)
            found = [(int(line) - start) / 1e9 for line in answers]
        finally:
            lab.end(*pids)
    if len(found) != count:
        raise RuntimeError(f"{len(found)} of {count} waiters returned")
    return found


def crowds(results: lab.Results, parent: str, sizes: tuple[int, ...], rounds: int) -> None:
    """The last of N waiters on one FIFO; one waiter on N FIFOs."""
    d = prepare(tempfile.mkdtemp(dir=parent))
    group = "wait(), the last of N waiters on one FIFO"
    lab.say(group)
    for size in sizes:
        for _ in range(max(5, int(rounds / size**0.5))):  # a thousand take seconds to gather
            found = _crowd_once(d, size, lambda fifo, pipe: _fork(lambda: procalive.wait(fifo), pipe))
            results.add(group, f"procalive, N = {size}", [max(found)])
            if os.path.exists(lab.LIMIT):
                results.add(group, f"{LIMIT.name}, N = {size}", [max(_crowd_once(d, size, _spawn_c))])
    group = "wait(any=True), one waiter on N FIFOs"
    lab.say(group)
    for size in sizes:
        results.add(group, f"procalive, N = {size}", _one_of_many(d, parent, size, rounds))


def _one_of_many(d: str, parent: str, size: int, rounds: int) -> list[float]:
    more = tempfile.mkdtemp(dir=parent)
    paths = [f"{more}/{number}" for number in range(size - 1)]
    for path in paths:
        os.mkfifo(path)
    ends = [os.open(path, os.O_RDONLY | os.O_NONBLOCK) for path in paths]  # we hold the others ourselves
    try:
        wait_any = lambda fifo, pipe: _fork(lambda: procalive.wait(fifo, *paths, any=True), pipe)  # noqa: E731
        return [_crowd_once(d, 1, wait_any)[0] for _ in range(rounds)]
    finally:
        for fd in ends:
            os.close(fd)
