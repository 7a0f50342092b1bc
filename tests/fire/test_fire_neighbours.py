"""Hostile neighbours that need many tries: a FIFO that is replaced all the time, a full pipe."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
import traceback
from pathlib import Path
from typing import Callable, Iterator

import pytest
from fire_common import is_read, until

import procalive

pytestmark = pytest.mark.timeout(300)
CONTENDERS = 16
TURNS = 100
TRIES = 50


def occupy(marker: Path) -> None:
    """Raises where another holder is just as sure to be the only one."""
    fd = os.open(marker, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    time.sleep(0.001)
    os.close(fd)


class SlowLock:
    """flock(2) with time between open and lock, in which others replace the FIFO.

    For the first TURNS calls: all the time, it would hardly ever be quick enough.
    `late`: the name led elsewhere when the lock had been taken, and so it will
    for as long as the descriptor is open: not to be taken for a hold.
    """

    def __init__(self) -> None:
        self.late = False
        self._slow_calls = TURNS
        self._flock, procalive._flock = procalive._flock, self

    def __call__(self, fd: int, shared: bool, path: Path) -> bool:
        if self._slow_calls:
            self._slow_calls -= 1
            time.sleep(0.002)
        locked = self._flock(fd, shared, path)
        try:
            self.late = locked and not os.path.samestat(os.fstat(fd), os.lstat(path))
        except FileNotFoundError:
            self.late = locked
        return locked


def hold_what_others_replace(place: Path, lock: SlowLock | None) -> None:
    """The marker is the inode's: he who replaces a FIFO makes a second one."""
    for _ in range(TURNS):
        with procalive.hold(place / "f", timeout=None) as held:
            assert not (lock and lock.late), "held what the name had left before the lock"
            occupy(place / str(os.fstat(held.fd).st_ino))


def hold_and_unlink(place: Path, lock: SlowLock | None) -> None:
    """As scripts do that tidy up their lock file: no second holder even so."""
    for _ in range(TURNS):
        with procalive.hold(place / "f", timeout=None):
            assert not (lock and lock.late), "held what the name had left before the lock"
            occupy(place / "marker")
            os.unlink(place / "f")


@contextlib.contextmanager
def contenders(work: Callable[[Path, SlowLock | None], None], place: Path) -> Iterator[set[int]]:
    """CONTENDERS processes at work, every third slow to lock, which all have to end with 0."""
    pids = []
    for number in range(CONTENDERS):
        pids.append(os.fork())
        if pids[-1] == 0:
            try:
                work(place, None if number % 3 else SlowLock())
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
    yield set(pids)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * CONTENDERS


def test_a_fifo_unlinked_and_made_anew_all_the_time_never_has_two_holders(tmp_path: Path) -> None:
    replaced = 0
    with contenders(hold_what_others_replace, tmp_path) as left:
        while left:
            with contextlib.suppress(FileNotFoundError, FileExistsError):
                os.unlink(tmp_path / "f")
                os.mkfifo(tmp_path / "f")
                replaced += 1
            left -= {pid for pid in left if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)}
    assert replaced > 100
    assert not procalive.check(tmp_path / "f")


def test_holders_that_unlink_the_fifo_at_their_end_never_are_two(tmp_path: Path) -> None:
    with contenders(hold_and_unlink, tmp_path):
        pass
    assert not procalive.check(tmp_path / "f")


def fill(fifo: Path) -> int:
    """The write end of a pipe that takes no further byte."""
    fd = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    for size in (65536, 1):
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(fd, b"x" * size)
    return fd


def is_asleep(tid: int) -> bool:
    """Whether that thread sleeps: not on the interpreter's lock, which is free meanwhile."""
    time.sleep(0.003)
    return Path(f"/proc/self/task/{tid}/stat").read_text().rpartition(") ")[2].startswith("S")


def hand_overs_seen(fifo: Path, full: bool) -> int:
    """How many of TRIES hand-overs, as quick as can be, wake a waiter; a death always does."""
    seen = 0
    for _ in range(TRIES):
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        writer = fill(fifo) if full else os.open(fifo, os.O_WRONLY)
        watch = procalive.Watch()
        watch.add(fifo)
        sleeper = threading.Thread(target=lambda watch=watch: watch.next(procalive._deadline(30)))
        sleeper.start()
        assert until(lambda tid=sleeper.native_id: is_asleep(tid))
        os.close(reader)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        sleeper.join(0.1)
        seen += not sleeper.is_alive()
        os.close(reader)
        sleeper.join(30)
        assert not sleeper.is_alive()
        os.close(writer)
        watch.__exit__()
    return seen


def test_a_writer_who_fills_the_pipe_hides_quick_hand_overs_but_no_death(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "f")
    seen = {full: hand_overs_seen(tmp_path / "f", full) for full in (False, True)}
    with capsys.disabled():
        print(f"\nquick hand-overs seen of {TRIES}: {seen[False]}, with a full pipe {seen[True]}", end="")
    assert seen[False] == TRIES
    assert not is_read(tmp_path / "f")


def test_a_change_of_the_pipes_size_wakes_a_waiter_though_the_holder_lives(tmp_path: Path) -> None:
    fifo, gone = tmp_path / "f", []
    with procalive.hold(fifo):
        waiter = threading.Thread(target=lambda: gone.append(procalive.wait(fifo, timeout=30)))
        waiter.start()
        assert until(lambda: is_asleep(waiter.native_id))
        writer = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        fcntl.fcntl(writer, getattr(fcntl, "F_SETPIPE_SZ", 1031), 1 << 17)
        os.close(writer)
        waiter.join(30)
        assert gone == [{fifo: None}]
        assert procalive.check(fifo)
