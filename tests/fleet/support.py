"""What the fleet's tests share: real members of etcd, real holds, bounded polling."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP))
FLEET = [sys.executable, str(TOP / "bin/procalive-fleet")]
HERE = Path(__file__).resolve().parent
NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def eventually(condition, what="it", seconds=30.0):
    """Poll until it is true, and return what it said; an error when it never is."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.01)


def binaries():
    """The directory of etcd and etcdctl, or None."""
    for place in (os.environ.get("PROCALIVE_TEST_ETCD"), HERE / ".etcd/usr/bin"):
        if place and (Path(place) / "etcdctl").exists():
            return Path(place)
    found = shutil.which("etcd")
    return Path(found).parent if found and shutil.which("etcdctl") else None


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def proc(name):
    with open(f"/proc/{name}", "rb") as file:
        return file.read().decode(errors="replace")


def state(pid):
    """The letter that the kernel has for it: S, Z, T; '' when it is gone."""
    try:
        return proc(f"{pid}/stat").rpartition(")")[2].split()[0]
    except OSError:
        return ""


def is_asleep(pid):
    """Whether its first thread sleeps in poll(2) or epoll_wait(2)."""
    try:
        return "poll" in proc(f"{pid}/wchan")
    except OSError:
        return False


def alive(pid):
    return state(pid) not in ("", "Z", "X")


def unless_alive(pid):
    """A job that ends with 9 where that process lives: its parent need not have waited for it yet."""
    script = f'case $(cut -d " " -f 3 /proc/{pid}/stat 2>/dev/null) in "" | Z | X) ;; *) exit 9 ;; esac'
    return ("sh", "-c", script)


def parent(pid):
    """The PID of the parent; 0 when it is gone."""
    try:
        return int(proc(f"{pid}/stat").rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def children(pid):
    """PIDs of the children of a process, with their command lines."""
    found = {}
    for number in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, IndexError):
            if int(proc(f"{number}/stat").rpartition(")")[2].split()[1]) == pid:
                found[int(number)] = proc(f"{number}/cmdline").rstrip("\0").split("\0")
    return found


def send(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


class Member:
    """One etcd, in a directory of its own."""

    def __init__(self, directory, *options, scheme="http", host="127.0.0.1"):
        self.directory = Path(directory)
        self.client, self.peer = free_port(), free_port()
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{scheme}://{shown}:{self.client}"
        peer = f"http://127.0.0.1:{self.peer}"
        self._command = [
            *(str(binaries() / "etcd"), "--name", "one", "--data-dir", str(self.directory), "--unsafe-no-fsync"),
            *("--listen-client-urls", self.url, "--advertise-client-urls", self.url, "--log-level", "error"),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"one={peer}"),
            *options,
        ]
        self.start()

    def start(self):
        log = open(f"{self.directory}.log", "ab")  # noqa: SIM115 (its own to close)
        self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        log.close()

    def stop(self):
        self.process.kill()
        self.process.wait()


class Site:
    """A place to run procalive-fleet in: an etcd, a user, FIFOs; one object a host."""

    def __init__(self, directory, endpoints, name="h1", **environ):
        self.directory = Path(directory)
        self.name = name
        self.env = {key: value for key, value in os.environ.items() if not key.startswith(("ETCD", "PROCALIVE"))}
        self.env |= {"ETCDCTL_ENDPOINTS": endpoints, "ETCDCTL_API": "3", "PROCALIVE_FLEET_HOST": name, **environ}
        self.prefix = []  # how to run something on that host
        self._begun = []

    def fifo(self, name):
        return str(self.directory / f"{self.name}-{name}.fifo")

    def command(self, verb, *args):
        """hold gets a FIFO of this host, unless told otherwise."""
        place = []
        if verb == "hold" and "-f" not in args:
            name = next(word for word, before in zip(args, ("", *args)) if _is_operand(word, before))
            place = ["-f", self.fifo(name)]
        return [*self.prefix, *FLEET, verb, *place, *map(str, args)]

    def run(self, verb, *args, timeout=60, env=(), **options):
        """The finished process."""
        return subprocess.run(
            self.command(verb, *args),
            env={**self.env, **dict(env)},
            text=True,
            capture_output=True,
            timeout=timeout,
            check=False,
            **options,
        )

    def begin(self, verb, *args, **options):
        """A process that goes on; it ends with the test."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        env = {**self.env, **options.pop("env", {})}
        process = subprocess.Popen(self.command(verb, *args), env=env, text=True, **options)
        self._begun.append(process)
        return process

    def holding(self, name, *command, options=()):
        """A hold whose job runs; with .job and .keeper, their PIDs."""
        started = self.directory / f"started-{time.monotonic_ns()}"
        script = f'echo $$ >{started}.new; mv {started}.new {started}; exec "$@"'
        hold = self.begin("hold", *options, name, "--", "sh", "-c", script, "sh", *(command or ("sleep", "600")))
        eventually(lambda: started.exists() or hold.poll() is not None, f"the job of {name}")
        assert started.exists(), hold.communicate()
        hold.job = int(started.read_text())
        hold.keeper = next(pid for pid in children(hold.pid) if pid != hold.job)
        self._begun.append(hold)
        return hold

    def etcdctl(self, *args, env=(), timeout=60):
        command = [*self.prefix, str(binaries() / "etcdctl"), *map(str, args)]
        environ = {**self.env, **dict(env)}
        return subprocess.run(command, env=environ, text=True, capture_output=True, timeout=timeout, check=False)

    def queue(self, name):
        """What `who --json` says."""
        return [json.loads(line) for line in self.run("who", "--json", name).stdout.splitlines()]

    def waiting(self, name, count):
        """Return when so many contenders have their place."""
        eventually(lambda: len(self.queue(name)) == count, f"{count} contenders of {name}")

    def close(self):
        for process in self._begun:
            for pid in (*getattr(process, "ends", ()), *children(process.pid)):
                send(pid, signal.SIGCONT)
                send(pid, signal.SIGKILL)
            send(process.pid, signal.SIGCONT)
            process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()


_WITH_VALUE = ("-w", "-E", "--ttl", "--grace", "-f")


def _is_operand(word, before):
    return not str(word).startswith("-") and before not in _WITH_VALUE


def ended(process, seconds=40):
    """(status, standard output, standard error) of a process begun."""
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err
