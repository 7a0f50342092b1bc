"""Whole command lines, names of any bytes, and any order of events against a model."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from typing import Iterator

import pytest
from fire_common import LAUNCHER, LONG, SCRIPT, is_read, manners, until
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

import procalive

# Examples, not seconds, are the measure: each starts processes, which a loaded machine does slowly.
pytestmark = pytest.mark.timeout(7200 if LONG else 600)
EXAMPLES = 2000 if LONG else 200
FUZZ = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


def run(program: list[str | bytes], words: list[bytes]) -> tuple[int, bytes, bytes]:
    done = subprocess.run([*program, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


@contextlib.contextmanager
def holding(fifo: bytes) -> Iterator[int]:
    """A process that really holds the FIFO."""
    job = subprocess.Popen([*SCRIPT, "hold", fifo, "sh", "-c", "echo; exec cat"], stdin=-1, stdout=-1)
    try:
        assert job.stdout
        assert job.stdin
        assert job.stdout.read(1) == b"\n"
        yield job.pid
    finally:
        job.communicate(timeout=30)


@contextlib.contextmanager
def ground(name: bytes, kind: str) -> Iterator[bytes]:
    """A directory with one file of that name and kind in it."""
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        path = os.path.join(os.fsencode(place), name)
        if kind in ("dead", "held"):
            os.mkfifo(path)
        if kind == "held":
            stack.enter_context(holding(path))
        if kind == "file":
            open(path, "x").close()
        if kind == "directory":
            os.mkdir(path)
        if kind == "loop":
            os.symlink(name, path)
        if kind == "socket":
            here = os.open(place, os.O_PATH)
            stack.callback(os.close, here)
            with socket.socket(socket.AF_UNIX) as listener, contextlib.suppress(OSError):
                listener.bind(b"/proc/self/fd/%d/%s" % (here, name))  # sun_path is short
        yield path


NAMES = st.binary(min_size=1, max_size=100).filter(
    lambda name: not set(name) & set(b"\0/") and name not in (b".", b"..")
)
KINDS = st.sampled_from(["dead", "held", "missing", "file", "directory", "loop", "socket"])


@FUZZ
@given(NAMES, KINDS)
def test_a_name_of_any_bytes_gets_the_kernels_answer_from_script_launcher_and_module(name: bytes, kind: str) -> None:
    with ground(name, kind) as path:
        if kind == "socket":
            assume(os.path.exists(path))
        true = {"dead": 1, "held": 0, "missing": 1}.get(kind, 2)
        for program in (SCRIPT, LAUNCHER):
            status, stdout, stderr = run(program, [b"check", path])
            assert (status, stdout, stderr.count(b"\n")) == (true, b"", true // 2)
            assert not manners(stderr)
        if true < 2:
            assert procalive.check(path) is (true == 0)
        else:
            with pytest.raises((procalive.NotAFifo, OSError)):
                procalive.check(path)


CONTRACT = {
    "hold": {0, 1, 7, 75, 125, 126, 127},
    "check": {0, 1, 2, 3},
    "wait": {0, 2, 3, 124, 125},
    "who": {0, 1, 2},
    "kill": {0, 1, 2, 124},
}
TIMES = st.sampled_from([b"0", b"0.01", b"10ms", b"-1", b"1e-3", b"nan", b"0s", b"", b"\xff", b"1_0"])
WORD = st.binary(max_size=12).filter(lambda word: b"\0" not in word and b"/" not in word)
OPTIONS = {
    "hold": [b"-s", b"-o", b"-q", b"-v", b"-qs", b"-E75", b"-m", b"0640", b"-m9", b"-h", b"--", b"--fd", b"--fd=0"],
    "check": [b"-v", b"--max-age=9", b"--max-age", b"--", b"-h"],
    "wait": [b"--any", b"--up", b"--status", b"-v", b"--max-age=9", b"--", b"--pid", b"-h"],
    "who": [b"--json", b"--", b"--json=1", b"-h"],
    "kill": [b"-a", b"-sCONT", b"-s", b"0", b"-q", b"-v", b"--", b"-h", b"-s99"],
}
COMMANDS = [[], [b"true"], [b"sh", b"-c", b"exit 7"], [b"no-such-command"], [b"/"], [b""], [b"--", b"true"]]


@st.composite
def lines(draw: st.DrawFn) -> tuple[str, list[bytes]]:
    """A command line that ends soon: what can sleep is given little time, first of all."""
    verb = draw(st.sampled_from(sorted(CONTRACT)))
    words = [b"-t", b"0.01"] if verb == "wait" else []
    for _ in range(draw(st.integers(0, 4))):
        words.append(draw(st.one_of(st.sampled_from(OPTIONS[verb]), WORD) if words or verb != "wait" else WORD))
        if draw(st.booleans()):
            flag = {"hold": b"-w", "check": b"--max-age", "wait": b"-t", "who": b"--json", "kill": b"-k"}[verb]
            words += [flag, draw(TIMES)]
    words += draw(st.lists(st.sampled_from([b"F", b"F", b"missing", b"plain", b"no/dir/f", b""]), max_size=3))
    return verb, words + (draw(st.sampled_from(COMMANDS)) if verb == "hold" else [])


@FUZZ
@given(lines(), st.sampled_from(["dead", "held", "missing"]), st.booleans())
def test_any_command_line_ends_with_a_status_of_the_contract(
    line: tuple[str, list[bytes]], kind: str, sh: bool
) -> None:
    verb, words = line
    with ground(b"F", kind) as path:
        where = os.path.dirname(path)
        open(os.path.join(where, b"plain"), "x").close()
        # Any word may turn out to be the command: few are to be found.
        for tool in ("sh", "true", "dd"):
            os.symlink(shutil.which(tool) or tool, os.path.join(os.fsdecode(where), tool))
        program = ["env", "-C", where, b"PATH=" + where, *(LAUNCHER if sh else SCRIPT), verb]
        status, _, stderr = run(program, words)
        # Each FIFO may have a line; -v says more, and `sh` may say that it cannot exec.
        assert not manners(stderr, most=max(1, len(words)))
        assert status in CONTRACT[verb] or b"-E75" in words, (status, stderr)
        if kind == "dead" and verb != "hold":
            assert not is_read(path)


class Model(RuleBasedStateMachine):
    """Two FIFOs, who holds them as the model has it, and procalive beside it."""

    names = st.sampled_from(["a", "b"])
    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.place = tempfile.TemporaryDirectory()
        self.holder: dict[str, subprocess.Popen[bytes] | procalive.Hold | None] = {"a": None, "b": None}

    def path(self, name: str) -> str:
        return os.path.join(self.place.name, name)

    @rule(target=jobs, name=names, options=st.sampled_from([[], ["-o"]]))
    def hold(self, name: str, options: list[str]) -> object:
        words = ["hold", "-q", *options, self.path(name), "sh", "-c", "echo; exec cat"]
        job = subprocess.Popen([*SCRIPT, *words], stdin=-1, stdout=-1)
        assert job.stdin
        assert job.stdout
        began = job.stdout.read(1) == b"\n"
        assert began is (self.holder[name] is None)
        if began:
            self.holder[name] = job
            return (name, job)
        assert job.communicate(timeout=30) == (b"", None)
        assert job.returncode == 75
        return multiple()

    @rule(job=consumes(jobs), how=st.sampled_from(["kill -9", "release", "procalive kill", "procalive kill -k"]))
    def end(self, job: tuple[str, subprocess.Popen[bytes]], how: str) -> None:
        name, process = job
        if how == "kill -9":
            process.kill()
        elif how != "release":
            words = how.split()[1:] + ["5"] * how.endswith("-k")
            assert subprocess.run([*SCRIPT, *words, self.path(name)], check=False).returncode == 0
        process.communicate(timeout=30)
        self.holder[name] = None
        # A keeper lets go right after its job has ended, not with it.
        assert until(lambda: not is_read(self.path(name)))

    @rule(name=names)
    def hold_by_module(self, name: str) -> None:
        try:
            held = procalive.hold(self.path(name))
        except procalive.Held:
            assert self.holder[name] is not None
        else:
            assert self.holder[name] is None
            self.holder[name] = held

    @precondition(lambda self: any(isinstance(holder, procalive.Hold) for holder in self.holder.values()))
    @rule()
    def release_by_module(self) -> None:
        for name, holder in self.holder.items():
            if isinstance(holder, procalive.Hold):
                holder.release()
                self.holder[name] = None

    @rule(name=names, program=st.sampled_from([SCRIPT, LAUNCHER]))
    def check(self, name: str, program: list[str]) -> None:
        assert subprocess.run([*program, "check", self.path(name)], check=False).returncode == (
            self.holder[name] is None
        )

    @rule(name=names)
    def wait(self, name: str) -> None:
        gone = subprocess.run([*SCRIPT, "wait", "-t", "0", self.path(name)], check=False).returncode
        assert gone == (0 if self.holder[name] is None else 124)

    @rule(name=names)
    def who(self, name: str) -> None:
        found = procalive.holders(self.path(name))
        holder = self.holder[name]
        main = os.getpid() if isinstance(holder, procalive.Hold) else holder and holder.pid
        assert {one.keeps or one.pid for one in procalive.mains(found)} == ({main} if holder else set())

    @invariant()
    def the_kernel_agrees(self) -> None:
        for name, holder in self.holder.items():
            assert is_read(self.path(name)) is procalive.check(self.path(name)) is (holder is not None)

    def teardown(self) -> None:
        for holder in self.holder.values():
            if isinstance(holder, subprocess.Popen):
                holder.send_signal(signal.SIGKILL)
                holder.communicate(timeout=30)
        self.release_by_module()
        self.place.cleanup()


def test_any_order_of_hold_kill_release_check_and_wait_agrees_with_the_model() -> None:
    run_state_machine_as_test(
        Model, settings=settings(FUZZ, max_examples=(EXAMPLES if LONG else EXAMPLES // 2), stateful_step_count=12)
    )
