"""What Python programs use today, as commands: VERB LIBRARY DIRECTORY [COMMAND...].

hold    runs COMMAND and holds meanwhile
check   status 0: alive; 1: not
wait    until nobody holds
serve   does so once for each line on standard input: says "armed", waits, and
        says what the clock was when the wait was over
"""

from __future__ import annotations

import fcntl
import functools
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable


class Filelock:
    def __init__(self, d: str) -> None:
        import filelock

        self.timeout = filelock.Timeout
        self.lock = filelock.FileLock(f"{d}/l")

    def hold(self) -> None:
        self.lock.acquire(blocking=False)

    def check(self) -> bool:
        try:
            self.lock.acquire(blocking=False)
        except self.timeout:
            return True
        self.lock.release()
        return False

    def wait(self) -> None:
        self.lock.acquire()
        self.lock.release()


class Portalocker:
    def __init__(self, d: str) -> None:
        import portalocker

        self.busy = portalocker.LockException
        self.try_lock = portalocker.Lock(f"{d}/l", timeout=0, fail_when_locked=True)
        self.lock = portalocker.Lock(f"{d}/l", timeout=3600)

    def hold(self) -> None:
        self.try_lock.acquire()

    def check(self) -> bool:
        try:
            self.try_lock.acquire()
        except self.busy:
            return True
        self.try_lock.release()
        return False

    def wait(self) -> None:
        self.lock.acquire()
        self.lock.release()


class Psutil:
    """Its processes are a PID and a start time, so both are left in the file."""

    def __init__(self, d: str) -> None:
        import psutil

        self.psutil = psutil
        self.file = Path(d, "p")
        self.process: psutil.Process | None = None

    def hold(self) -> None:
        me = self.psutil.Process()
        self.file.write_text(f"{me.pid} {me.create_time()}")

    def _holder(self) -> object:
        pid, _, started = self.file.read_text().partition(" ")
        process = self.psutil.Process(int(pid))
        if started.strip() and process.create_time() != float(started):
            raise self.psutil.NoSuchProcess(int(pid))
        return process

    def check(self) -> bool:
        try:
            self.process = self.process or self._holder()
            return self.process.is_running()
        except self.psutil.NoSuchProcess:
            return False

    def wait(self) -> None:
        try:
            self._holder().wait()
        except self.psutil.NoSuchProcess:
            pass


class Socket:
    """Alive while something listens; who is connected hears of the end."""

    def __init__(self, d: str) -> None:
        self.path = f"{d}/u"

    def hold(self) -> None:
        Path(self.path).unlink(missing_ok=True)  # a dead one's, or bind(2) fails
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(128)

    def check(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.setblocking(False)
            try:
                client.connect(self.path)
            except (ConnectionRefusedError, FileNotFoundError):
                return False
            except BlockingIOError:
                pass  # the queue is full of one who lives, but does not accept
            return True

    def wait(self) -> None:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(self.path)
                client.recv(1)
            except (ConnectionError, FileNotFoundError):
                return


class Flock:
    """fcntl.flock, as many programs call it themselves."""

    def __init__(self, d: str) -> None:
        self.path = f"{d}/l"

    def wait(self) -> None:
        with open(self.path, "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)


class PidFile:
    def __init__(self, d: str) -> None:
        self.path = f"{d}/p"

    def check(self) -> bool:
        try:
            with open(self.path) as file:
                os.kill(int(file.read().split()[0]), 0)
        except OSError:
            return False
        return True


class Procalive:
    def __init__(self, d: str) -> None:
        sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
        import procalive

        # No frame of ours between: the call itself is measured.
        self.check = functools.partial(procalive.check, f"{d}/f")
        self.wait = functools.partial(procalive.wait, f"{d}/f")


LIBRARIES = {
    "filelock": Filelock,
    "flock": Flock,
    "pid file, kill -0": PidFile,
    "portalocker": Portalocker,
    "procalive": Procalive,
    "psutil": Psutil,
    "socket": Socket,
}


def serve(wait: Callable[[], object]) -> None:
    for _ in sys.stdin:
        print("armed", flush=True)
        wait()
        print(time.monotonic_ns(), flush=True)


def main() -> int:
    verb, name, d, *command = sys.argv[1:]
    library = LIBRARIES[name](d)
    if verb == "hold":
        library.hold()
        return subprocess.run(command, check=False).returncode
    if verb == "check":
        return 0 if library.check() else 1
    if verb == "serve":
        serve(library.wait)
    else:
        library.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
