"""How it grows: many FIFOs, many holders, a crowded directory; and shell loops."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Iterator

import lab
from peers import prepare

sys.path.insert(0, str(lab.ROOT))
import procalive

FIFOS = "check of N FIFOs in one command"
C_LOOP = "C loop (limit), one of them"
FORKS = "forks in 100 calls of procalive_check, alive"
SHELL = "check in a loop of {}, alive"
PID_FILE = "pid file, kill -0"
EMPTY_FUNCTION = "an empty function"


# --- FIFOs -------------------------------------------------------------------


def fifos(results: lab.Results, parent: str, sizes: tuple[int, ...], rounds: int) -> None:
    lab.say(FIFOS)
    d = tempfile.mkdtemp(dir=parent)
    paths = [f"{d}/{number}" for number in range(max(sizes))]
    with _held_by_another(paths):
        for _ in range(rounds):
            for size in sizes:
                results.add(FIFOS, _row("procalive", size), [_timed([lab.COMMAND, "check", *paths[:size]])])
                results.add(FIFOS, _row("loop on pid files", size), [_pid_files(d, size)])
            if os.path.exists(lab.LIMIT):
                results.add(FIFOS, C_LOOP, [lab.c_loop(paths[0])])
        _crowded(results, paths, rounds)


@contextlib.contextmanager
def _held_by_another(paths: list[str]) -> Iterator[None]:
    """Not by us: whom we start would first have to close all those descriptors.

    Made before: a hold that has to make its FIFO looks through every descriptor.
    """
    for path in paths:
        os.mkfifo(path, 0o600)
    holds = []
    pid = lab.fork(lambda: holds.extend(procalive.hold(path) for path in paths))
    try:
        lab.until("the last FIFO is held", lambda: procalive.check(paths[-1]))
        yield
    finally:
        lab.end(pid)


def _row(name: str, size: int) -> str:
    return f"{name}, N = {size}"


def _timed(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, close_fds=False, check=True)
    return time.perf_counter() - start


def _pid_files(d: str, size: int) -> float:
    loop = "i=0; while [ $i -lt $1 ]; do read -r p <$0 && kill -0 $p || exit; i=$((i+1)); done"
    with open(f"{d}/p", "w") as file:
        print(os.getpid(), file=file)
    return _timed(["dash", "-c", loop, f"{d}/p", str(size)])


def _crowded(results: lab.Results, paths: list[str], rounds: int) -> None:
    """A check inside a directory with all of them, beside one with a few."""
    few = paths[:10]
    for _ in range(rounds):
        for name, some in ((f"one of {len(paths)} FIFOs", paths), ("one of the same 10", few * (len(paths) // 10))):
            start = time.perf_counter()
            for path in some:
                procalive.check(path)
            results.add("check() in a directory of many", name, [(time.perf_counter() - start) / len(some)])


# --- holders -----------------------------------------------------------------


def who(results: lab.Results, parent: str, sizes: tuple[int, ...], rounds: int) -> None:
    """The readers of one FIFO among N processes that all hold it."""
    group = "who, N processes hold"
    lab.say(group)
    fifo = f"{prepare(tempfile.mkdtemp(dir=parent))}/f"
    end = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.flock(end, fcntl.LOCK_EX)
    with contextlib.ExitStack() as stack:
        running = 0
        for size in sizes:
            for _ in range(size - running):
                stack.enter_context(lab.Process(["sleep", "inf"], fds=(end,)))
            running = size
            commands = {"procalive who": [lab.COMMAND, "who", fifo], "fuser": ["fuser", fifo]}
            for name, times in lab.hyperfine(commands, rounds, 2).items():
                results.add(group, f"{name}, N = {size}", times)
    os.close(end)


# --- sourced shells ----------------------------------------------------------


def shells(results: lab.Results, parent: str, rounds: int) -> None:
    """One check, within a script that runs anyhow: a loop less the empty loop."""
    if not lab.LIBRARY.exists():
        results.skip("procalive_check in a sourced shell", "there is no shell/procalive.sh")
    for shell in ("dash", "bash", "zsh"):
        if not shutil.which(shell):
            results.skip(f"checks in {shell}", "it is not installed")
            continue
        d = prepare(tempfile.mkdtemp(dir=parent))
        _shell(results, shell, d, rounds)


def _bodies() -> dict[str, tuple[str, int]]:
    """What is measured and how often: forks cost a hundred times as much."""
    bodies = {
        PID_FILE: ("read -r p <$D/p; kill -0 $p", lab.LOOPS),
        EMPTY_FUNCTION: ("empty", lab.LOOPS),
        "procalive hold's link, [ -ef ]": ("[ $D/f.holder -ef $D/f ]", lab.LOOPS),
        "flock -n": ("flock -n $D/l true", 100),
        "svok": ("svok $D/s", 100),
        "procalive check": (f"'{lab.COMMAND}' check $D/f", 100),
    }
    if lab.LIBRARY.exists():
        bodies["procalive_check"] = ("procalive_check $D/f", lab.LOOPS)
    return bodies


def _shell(results: lab.Results, shell: str, d: str, rounds: int) -> None:
    group = SHELL.format(shell)
    lab.say(group)
    bodies = {name: body for name, body in _bodies().items() if name != "svok" or shutil.which("svok")}
    with lab.hold_everything(d) as holder:
        # What `hold` leaves for the shells, and what svok looks at.
        os.symlink(f"/proc/{holder.pid}/fd/{holder.fifo}", f"{d}/f.holder")
        os.mkdir(f"{d}/s/supervise")
        os.link(f"{d}/f", f"{d}/s/supervise/ok")
        for _ in range(rounds):
            for name, (body, count) in bodies.items():
                took = _loop(shell, d, body, count) - _loop(shell, d, ":", count)
                results.add(group, name, [took / count])
    if lab.LIBRARY.exists() and shutil.which("strace"):
        results.add(FORKS, shell, [_forks(shell, d)])


def _script(body: str, count: int) -> str:
    source = f". '{lab.LIBRARY}'; " if lab.LIBRARY.exists() else ""
    return f"{source}empty() {{ :; }}; i=0; while [ $i -lt {count} ]; do {body}; i=$((i+1)); done"


def _loop(shell: str, d: str, body: str, count: int) -> float:
    start = time.perf_counter()
    subprocess.run(
        [shell, "-c", _script(body, count)],
        env={**os.environ, "D": d},
        close_fds=False,
        capture_output=True,
        check=False,
    )
    return time.perf_counter() - start


def _forks(shell: str, d: str) -> float:
    """System calls that make processes, by strace."""
    trace = ["strace", "-f", "-qq", "-e", "trace=fork,vfork,clone,clone3", "-e", "signal=none"]
    with procalive.hold(f"{d}/f"):
        done = subprocess.run(
            [*trace, shell, "-c", _script("procalive_check $D/f", 100)],
            env={**os.environ, "D": d},
            capture_output=True,
            text=True,
            check=False,
        )
    return float(len(done.stderr.splitlines()))
