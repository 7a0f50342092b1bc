#!/usr/bin/env python3
"""faults.py CASE: fail each system call of one verb in turn, by strace's injection.

A clean run is traced first.  What follows the first call on the FIFO's path is
the verb's own; what comes before is the interpreter's start.  Then the verb is
run again for each of these calls and each fitting errno, and its outcome is
held against the contract and against what the kernel says.

Meant to be process 1 of a PID namespace with a /proc of its own: the scans of
/proc are short and the same every time, and nothing survives the end.
"""

from __future__ import annotations

import collections
import fcntl
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
from typing import NamedTuple

from fire_common import LAUNCHER, LONG, SCRIPT, is_read, manners, until

# The likeliest first: the ordinary run tries only that one.
FITTING = {
    "openat": "EMFILE ENFILE EACCES EIO ENOMEM EINTR",
    "newfstatat": "EIO EACCES ENOMEM EINTR",
    "mknodat": "ENOSPC EROFS EACCES EIO",
    "mknod": "ENOSPC EROFS EACCES EIO",
    "flock": "ENOLCK EOPNOTSUPP EIO EINTR",
    "symlink": "ENOSPC EROFS EACCES",
    "rename": "ENOSPC EROFS EIO",
    "unlink": "EROFS EACCES",
    "utimensat": "EROFS EACCES EINTR",
    "clone": "EAGAIN ENOMEM",
    "pipe2": "EMFILE ENFILE",
    "pidfd_open": "EMFILE ENFILE ENOMEM ENOSYS EPERM",
    "pidfd_send_signal": "EPERM ENOSYS",
    "epoll_create1": "EMFILE ENFILE ENOMEM",
    "epoll_ctl": "ENOMEM ENOSPC",
    "epoll_wait": "EINTR",
    "poll": "ENOMEM EINTR",
    "execve": "EACCES ENOMEM EIO",
    "getdents64": "EIO ENOMEM EINTR",
    "read": "EIO EINTR",
    "write": "EIO ENOSPC EINTR",
    "wait4": "EINTR",
    "mmap": "ENOMEM",
    "brk": "ENOMEM",
}
# These cannot fail, or their failure is the C library's to die of.  A close(2)
# that fails has closed all the same, which an injected one has not.
LEFT_OUT = {"close", "exit_group", "exit", "futex", "getpid", "getppid", "gettid", "getuid", "geteuid", "rt_sigreturn"}
LEFT_OUT |= {"munmap", "rseq"}
HERE = f"import sys; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r}); import faults"
RAN_WITH_LOCK, RAN_WITHOUT = 33, 34
HOLDERS_OWN = 7
HUNG = 256


def be_the_command(fifo: str) -> None:
    """What `hold` runs: is the FIFO really read, and really locked?"""
    fd = os.open(fifo, os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        os._exit(RAN_WITH_LOCK if is_read(fifo) else RAN_WITHOUT)
    os._exit(RAN_WITHOUT)


def be_the_job(tell: int, order: int, mortal: bool) -> None:
    """What a holder does: it tells of each SIGTERM, and ends when told."""

    def on_term(*_: object) -> None:
        os.write(tell, b"T")
        if mortal:
            os._exit(HOLDERS_OWN)

    signal.signal(signal.SIGTERM, on_term)
    os.write(tell, b"H")
    os.read(order, 1)
    os._exit(HOLDERS_OWN)


class Holder:
    """A child that holds the FIFO: by itself, or kept by `hold -o`."""

    def __init__(self, fifo: str, mortal: bool, kept: bool) -> None:
        self._news, tell = os.pipe()
        order, self._order = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._order)
            self._live(fifo, tell, order, mortal, kept)
        os.close(tell)
        os.close(order)
        assert os.read(self._news, 1) == b"H"
        os.set_blocking(self._news, False)

    def _live(self, fifo: str, tell: int, order: int, mortal: bool, kept: bool) -> None:
        if kept:
            os.set_inheritable(tell, True)
            os.set_inheritable(order, True)
            job = f"{HERE}; faults.be_the_job({tell}, {order}, {mortal})"
            os.execv(SCRIPT[0], [*SCRIPT, "hold", "-o", fifo, SCRIPT[0], "-ISE", "-c", job])
        fcntl.flock(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), fcntl.LOCK_EX)
        be_the_job(tell, order, mortal)

    def was_signalled(self) -> bool:
        try:
            return os.read(self._news, 1) == b"T"
        except BlockingIOError:
            return False

    def release(self) -> None:
        os.close(self._order)
        os.waitpid(self.pid, 0)
        os.close(self._news)


class Case(NamedTuple):
    """A command line, the state it meets, and the statuses that would be true."""

    args: list[str]
    allowed: set[int]
    held: bool = False
    dies: bool = False  # the holder, as soon as the verb sleeps
    mortal: bool = False  # the holder ends by SIGTERM
    kept: bool = False  # the holder has a keeper
    program: list[str] = SCRIPT
    whole: bool = False  # the start of the interpreters included
    becomes: bool = False  # Python: the 1 of one that cannot start is the outcome
    missing: bool = False


HELPER = [*SCRIPT[:2], "-c", f"{HERE}; faults.be_the_command(sys.argv[1])", "F"]
CASES = {
    "check, alive": Case(["check", "F"], {0, 2}, held=True),
    "check, dead": Case(["check", "F"], {1, 2}),
    "check, missing": Case(["check", "F"], {1, 2}, missing=True),
    "bin/procalive check, alive": Case(["check", "F"], {0, 2}, held=True, program=LAUNCHER, whole=True),
    "bin/procalive check, dead": Case(["check", "F"], {1, 2}, program=LAUNCHER, whole=True),
    "bin/procalive check by Python, alive": Case(["check", "F", "F"], {0, 2}, held=True, program=LAUNCHER, whole=True),
    "bin/procalive who, alive": Case(["who", "F"], {0, 2}, held=True, program=LAUNCHER, whole=True),
    "bin/procalive kill, alive": Case(["kill", "F"], {0, 2}, held=True, program=LAUNCHER, whole=True, becomes=True),
    "bin/procalive wait, alive": Case(
        ["wait", "-t", "0.02", "F"], {124, 2}, held=True, program=LAUNCHER, whole=True, becomes=True
    ),
    "bin/procalive hold, free": Case(
        ["hold", "F", *HELPER], {RAN_WITH_LOCK, 125, 126}, program=LAUNCHER, whole=True, becomes=True
    ),
    "wait, alive": Case(["wait", "-t", "0.02", "F"], {124, 2}, held=True),
    "wait, dead": Case(["wait", "F"], {0, 2}),
    "wait, dying": Case(["wait", "F"], {0, 2}, held=True, dies=True),
    "wait --status, dying": Case(["wait", "--status", "F"], {HOLDERS_OWN, 125, 2}, held=True, dies=True),
    "who, alive": Case(["who", "F"], {0, 2}, held=True),
    "who, dead": Case(["who", "F"], {1, 2}),
    "kill, alive": Case(["kill", "F"], {0, 2}, held=True),
    "kill -k, alive": Case(["kill", "-k", "2", "F"], {0, 2}, held=True, mortal=True),
    "kill, kept": Case(["kill", "F"], {0, 2}, held=True, kept=True),
    "kill, dead": Case(["kill", "F"], {1, 2}),
    "hold, free": Case(["hold", "F", *HELPER], {RAN_WITH_LOCK, 125, 126}),
    "hold, missing": Case(["hold", "F", *HELPER], {RAN_WITH_LOCK, 125, 126}, missing=True),
    "hold, held": Case(["hold", "F", *HELPER], {75, 125}, held=True),
    "hold -o, free": Case(["hold", "-o", "F", *HELPER], {RAN_WITH_LOCK, 125, 126}),
    "hold -w, held": Case(["hold", "-w", "0.02", "F", *HELPER], {75, 125}, held=True),
    "hold -w, dying": Case(
        ["hold", "-w", "9", "F", *HELPER], {RAN_WITH_LOCK, 125, 126}, held=True, dies=True, becomes=True
    ),
}


class Range:
    """One FIFO, and the runs of one case on it."""

    def __init__(self, case: Case, directory: str) -> None:
        self.case = case
        self.fifo = os.path.join(directory, "f.fifo")
        self.trace = os.path.join(directory, "trace")
        self.command = [*case.program, *(self.fifo if word == "F" else word for word in case.args)]
        self.holder: Holder | None = None

    def run(self, options: list[str]) -> tuple[int, bytes]:
        """One run under strace; its status (HUNG for none) and its standard error."""
        self._set_up()
        strace = ["strace", "-f", "-qqq", *options, *self.command]
        child = subprocess.Popen(strace, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if self.case.dies:
            until(lambda: child.poll() is not None or self._sleeps(child.pid), 5)
            self._end_holder()
        try:
            stderr = child.communicate(timeout=60)[1]
        except subprocess.TimeoutExpired:
            child.kill()
            return HUNG, b""
        return child.returncode, stderr

    def _set_up(self) -> None:
        if self.case.missing and os.path.exists(self.fifo):
            os.unlink(self.fifo)
        elif not self.case.missing and not os.path.exists(self.fifo):
            os.mkfifo(self.fifo)
        if self.case.held and self.holder is None:
            self.holder = Holder(self.fifo, self.case.mortal, self.case.kept)
        while self.holder and self.holder.was_signalled():
            pass  # by a run before that did not say so

    def _end_holder(self) -> None:
        if self.holder is not None:
            self.holder.release()
            self.holder = None

    def _sleeps(self, pid: int) -> bool:
        """Whether the traced process has opened what it sleeps on: with -D it is our child."""
        last = "pidfd" if "--status" in self.case.args else "eventpoll"
        try:
            return any(last in os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            return False

    def judge(self, status: int, stderr: bytes, call: str) -> str:
        """What this outcome does against the contract; '' for nothing."""
        # Without memory the interpreter or the C library may crash: no answer, and no wrong one.
        crashed = status < 0 and call in ("brk", "mmap")
        wrong = "" if crashed else self._untrue(status, stderr) or self._unmannerly(stderr)
        if self.case.mortal:
            self._end_holder()
        while self._reap():
            pass
        if not self.case.held and not until(lambda: self.case.missing or not is_read(self.fifo), 5):
            wrong = wrong or "still alive though all is over"
        return wrong

    def _untrue(self, status: int, stderr: bytes) -> str:
        if status == HUNG:
            return "hangs"
        if status not in self.case.allowed and not (self._starts_too() and self._is_of_a_start(status, stderr)):
            return f"status {status}"
        told = self.case.args[0] == "kill" and status == 0 and self.holder is not None
        return "0, but no signal came" if told and not until(self.holder.was_signalled, 2) else ""

    def _unmannerly(self, stderr: bytes) -> str:
        if not self._starts_too():
            return manners(stderr)
        # A loader or interpreter that cannot start says so in its own words, of many lines.
        return "a traceback of procalive.py" if re.search(rb'procalive\.py", line \d', stderr) else ""

    def _starts_too(self) -> bool:
        """Whether a fault may hit the start of an interpreter, the command's too: a waiter looks
        through /proc, so its calls are not as many each time."""
        return self.case.whole or self.case.becomes

    def _is_of_a_start(self, status: int, stderr: bytes) -> bool:
        """A loader or interpreter that could not start ends by a signal, or with any status but an answer."""
        if status == 1:
            return self.case.becomes and b"Fatal Python error" in stderr
        return status not in (0, RAN_WITHOUT)

    def _reap(self) -> bool:
        """Detached tracers are ours to reap, as process 1; holders are not to be touched."""
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None or (self.holder and found.si_pid == self.holder.pid):
                return False
            os.waitpid(found.si_pid, 0)
        except ChildProcessError:
            return False
        return True

    def calls(self) -> dict[str, set[int]]:
        """For each system call the numbers (first: 1) of those that are the verb's own."""
        status, stderr = self.run(["-s", "4096", "-o", self.trace])
        assert status in self.case.allowed - {2, 126}, (status, stderr)
        if self.case.mortal:
            self._end_holder()
        with open(self.trace, encoding="utf-8", errors="replace") as file:
            return own_calls(file, self.fifo, self.case)


def own_calls(trace: object, fifo: str, case: Case) -> dict[str, set[int]]:
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    own: dict[str, set[int]] = collections.defaultdict(set)
    before: collections.Counter[str] = collections.Counter()  # of the start, not to be hit in the first process
    main, started, ended = "", case.whole, False
    for line in trace:  # type: ignore[attr-defined]
        found = re.match(r"(\d+) +(\w+)\((.*)", line)
        if not found:
            continue
        pid, call, rest = found.groups()
        main = main or pid
        counts[pid][call] += 1
        started = started or (fifo in rest and call != "execve")
        if pid == main and started and call == "execve" and "be_the_command" in rest and '"hold"' not in rest:
            ended = True
        if call == "read" and '"#!/bin/sh' in rest:
            # The shell takes a failure here for the end of its script, and ends with 0.
            before[call] = counts[pid][call]
        if pid == main and not started:
            before[call] += 1
        elif started and call not in LEFT_OUT and not (ended and pid == main) and counts[pid][call] > before[call]:
            own[call].add(counts[pid][call])
    return own


def fire(case: Case) -> tuple[int, int, collections.Counter[int], list[str]]:
    """Every fault of a case: how many calls, faults, which statuses, what was wrong."""
    wrong, statuses, faults = [], collections.Counter(), 0
    with tempfile.TemporaryDirectory() as directory:
        ground = Range(case, directory)
        calls = ground.calls()
        for call, numbers in calls.items():
            names = FITTING.get(call, "EIO").split()
            for number in sorted(numbers):
                for name in names if LONG else names[:1]:
                    inject = f"inject={call}:error={name}:when={number}"
                    status, stderr = ground.run(["-D", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject])
                    problem = ground.judge(status, stderr, call)
                    statuses[status] += 1
                    faults += 1
                    if problem:
                        wrong.append(f"{inject}: {problem}; {stderr.decode(errors='replace')!r}")
    return sum(map(len, calls.values())), faults, statuses, wrong


if __name__ == "__main__":
    # The first waiter fills the numbers below that of its read end: not 700 calls of one kind.
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    calls, faults, statuses, wrong = fire(CASES[sys.argv[1]])
    shown = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
    print(f"{sys.argv[1]}: {faults} faults in {calls} calls; statuses {shown}; {len(wrong)} against the contract")
    print(*wrong, sep="\n")
    sys.exit(1 if wrong else 0)
