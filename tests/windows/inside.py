"""What runs under wine beside procalive: the module as `p`, and helpers of the tests."""

import ctypes
import os
import random
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "windows"))

import procalive as p  # noqa: E402  (found by the line above)

PYTHON = sys.executable
PROGRAM = p.__file__
F = "a.lock"
kernel = ctypes.WinDLL("kernel32", use_last_error=True)

# (access, share), for files of any program: R reads, W writes, D deletes.
R, W, D = 1, 2, 4
DATA = {"R": 0x100081, "W": 0x100182, "D": 0x110080}
KINDS = {
    "hold": (p._HOLD, R),
    "hold -s": (p._HOLD, R | W),
    "check": (p._LOOK, R | D),
    "wait": (p._LOOK, R | W | D),
    "reads, shares nothing": (DATA["R"], 0),
    "reads, shares reading": (DATA["R"], R),
    "writes, shares all": (DATA["W"], R | W | D),
    "writes, shares reading": (DATA["W"], R),
    "deletes, shares all": (DATA["D"], R | W | D),
}


def say(*words):
    print(*words, flush=True)


def order():
    return sys.stdin.readline().strip()


def open_as(kind, path=F):
    """A handle of that kind, or None: refused."""
    handle, code = p._open(path, *KINDS[kind], how=p._OPEN_ALWAYS)
    assert handle is not None or code == p._SHARING, code
    return handle


def procalive(*args, **options):
    """procalive, as another process."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **options}
    return subprocess.Popen([PYTHON, "-I", "-S", PROGRAM, *args], **options)


def python(code, *args, **options):
    """Python with these helpers, as another process."""
    prologue = f"import sys; sys.path[:0] = [{HERE!r}]; from inside import *\n"
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen([PYTHON, "-I", "-S", "-c", prologue + code, *map(str, args)], **options)


def outputs(processes):
    return [process.communicate()[0].strip() for process in processes]


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def outcome(function, *args, **options):
    try:
        say(function(*args, **options))
    except Exception as error:
        say(type(error).__name__, error)


def witness():
    """Opened by one process at a time, or None: somebody else is inside."""
    return p._open("witness", 0x100003, 0, p._OPEN_ALWAYS)[0]


def enter(times):
    """Hold F that often; how often somebody else was inside."""
    overlaps = 0
    for _ in range(times):
        with p.hold(F, timeout=None):
            inside = witness()
            overlaps += inside is None
            time.sleep(random.random() * 0.004)
            if inside:
                inside.close()
    say(overlaps)


def ask(times, seconds):
    """Check that often, or for that long: how often alive, free, and cannot tell."""
    answers = {True: 0, False: 0, None: 0}
    end = time.monotonic() + seconds
    for _ in range(times):
        if time.monotonic() > end:
            break
        try:
            answers[p.check(F)] += 1
        except p.ProcaliveError:
            answers[None] += 1
    say(answers[True], answers[False], answers[None])
