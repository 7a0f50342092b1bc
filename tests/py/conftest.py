"""Fixtures: FIFOs of this test alone, real processes that end with it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import hypothesis
import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from support import SCRIPT, Background, Program, descriptors, eventually, keeper_of, proc

# No files left beside the tests, and no time limit but that of pytest-timeout.
hypothesis.settings.register_profile("procalive", database=None, deadline=None)
hypothesis.settings.load_profile("procalive")

HOLD = "h = procalive.hold(F, shared=sys.argv[2:] == ['shared']); say('held'); order()"


@pytest.fixture
def fifo(tmp_path):
    """The name of a FIFO, not yet made."""
    return str(tmp_path / "job.fifo")


@pytest.fixture
def commons():
    """A directory like /tmp, which every user reaches: pytest's own are private."""
    directory = tempfile.mkdtemp(prefix="procalive-")
    os.chmod(directory, 0o1777)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def public(commons):
    """The name of a FIFO that every user may hold and check."""
    path = f"{commons}/job.fifo"
    os.mkfifo(path)
    os.chmod(path, 0o666)
    return path


@pytest.fixture
def background():
    """background(function, ...): the call, begun in a thread of its own."""
    begun = []

    def begin(function, *args, **options):
        begun.append(Background(function, *args, **options))
        return begun[-1]

    yield begin
    for one in begun:
        one.join(timeout=5)


# background comes in first and leaves last: who waits for a process returns when that has ended.
@pytest.fixture
def program(background):  # noqa: ARG001
    """program(code, *args): a Program, started and ready, ended with the test."""
    started = []

    def start(code, *args):
        started.append(Program(code, *args))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def holder(program):
    """holder(fifo): a process that holds it until told anything, or killed."""
    return lambda path, *how: program(HOLD, path, *how)


@pytest.fixture
def old_holder(holder, monkeypatch):
    """old_holder(fifo): one that started a million seconds ago, by the boot clock of this process."""

    def start(path, *how):
        process, real = holder(path, *how), time.clock_gettime
        ahead = {time.CLOCK_BOOTTIME: 1e6}
        monkeypatch.setattr(time, "clock_gettime", lambda clock: real(clock) + ahead.get(clock, 0))
        return process

    return start


@pytest.fixture
def keeper(background):  # noqa: ARG001
    """keeper(fifo): (job, PID of its keeper) of `hold -o FIFO sleep`."""
    jobs, keepers = [], []

    def start(path):
        command = [sys.executable, "-ISE", SCRIPT, "hold", "-o", path, "sleep", "60"]
        jobs.append(subprocess.Popen(command))
        # Until the job has begun, the child between it and the keeper holds for a moment too.
        eventually(lambda: proc(f"{jobs[-1].pid}/comm") == "sleep\n")
        pid = eventually(lambda: keeper_of(jobs[-1].pid, path))
        keepers.append(os.pidfd_open(pid))  # it is nobody's child, so that its PID alone would not do
        return jobs[-1], pid

    yield start
    for job in jobs:
        job.kill()
        job.wait()
    for pidfd in keepers:
        end(pidfd)


def end(pidfd):
    """SIGKILL to a process that may have ended, or may be stopped."""
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        pass
    os.close(pidfd)


@pytest.fixture
def leaks_nothing():
    """The test leaves this process with the descriptors that it began with."""
    before = descriptors()
    yield
    assert descriptors() == before
