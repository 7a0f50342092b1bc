"""What the tests share: bounded polling, real processes, views of /proc."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.join(ROOT, "procalive.py")
NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")

# A child's pwd, signal, ... are imported before become(), which may put the library out of its reach.
PROLOGUE = f"""
import errno, fcntl, os, pwd, resource, signal, struct, subprocess, sys, threading, time
sys.path.insert(0, {ROOT!r})
import procalive
F = sys.argv[1] if sys.argv[1:] else None
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in a shell's background
def say(*words): os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # also inside a signal handler
def order(): return sys.stdin.readline().strip()
def reader(): return os.open(F, os.O_RDONLY | os.O_NONBLOCK)
def outcome(function, *args, **options):
    try: say(function(*args, **options))
    except Exception as error: say(type(error).__name__, error)
def become(uid, effective=None):
    effective = uid if effective is None else effective
    os.setgroups([]); os.setresgid(effective, effective, effective)
    os.setresuid(uid, effective, effective)
"""


def eventually(condition, seconds=10.0):
    """Poll until it is true, and return what it said; an error when it never is."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.001)


def keeper_of(job, path):
    """The PID of the keeper of that job, or None; for a moment that of the child that starts it."""
    import procalive

    return next((one.pid for one in procalive.holders(path) if one.keeps == job), None)


def proc(name):
    with open(f"/proc/{name}", "rb") as file:
        return file.read().decode(errors="replace")


def state(pid):
    """The letter that the kernel has for it: S, Z, T, ... (proc_pid_stat(5))."""
    return proc(f"{pid}/stat").rpartition(")")[2].split()[0]


def descriptors():
    """Number and target of every open descriptor of this process."""
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            found[int(fd)] = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:  # that of listdir() itself
            continue
    return found


def is_asleep(tid):
    """Whether this thread, of any process, sleeps in epoll_wait(2) or poll(2)."""
    try:
        return "poll" in proc(f"{tid}/wchan")
    except OSError:
        return False


class Program:
    """A Python process that says lines and takes orders; its first line says that it is ready."""

    def __init__(self, code, *args):
        command = [sys.executable, "-ISE", "-c", PROLOGUE + code, *map(str, args)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, text=True, start_new_session=True, **pipes)
        self.pid = self.process.pid
        self.first = self.heard()

    def heard(self):
        return self.process.stdout.readline().strip()

    def tell(self, line=""):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def runs(self):
        return self.process.poll() is None

    def send(self, sig):
        os.kill(self.pid, sig)

    def stop(self):
        """SIGSTOP, in effect: a signal sent too early after it could come first."""
        self.send(signal.SIGSTOP)
        eventually(lambda: state(self.pid) == "T")

    def kill(self):
        """SIGKILL, reaped: returns when nothing is left of it."""
        self.process.kill()
        return self.ended()

    def ended(self):
        return self.process.wait(timeout=20)

    def close(self):
        """End it and all that it has started, which is of its group."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.ended()
        for stream in (self.process.stdin, self.process.stdout):
            try:
                stream.close()
            except BrokenPipeError:  # an order that it no longer read
                pass


class Background(threading.Thread):
    """A call in a thread of its own."""

    def __init__(self, function, *args, **options):
        super().__init__(daemon=True)
        self._call = lambda: function(*args, **options)
        self._outcome = concurrent.futures.Future()
        self.start()

    def run(self):
        try:
            self._outcome.set_result(self._call())
        except BaseException as error:
            self._outcome.set_exception(error)

    def result(self):
        return self._outcome.result(timeout=20)

    def returned(self):
        return self._outcome.done()

    def asleep(self):
        """Return when it sleeps in the kernel, not on a lock of Python."""
        eventually(lambda: self.returned() or is_asleep(self.native_id))
        assert not self.returned(), self.result()
        return self
