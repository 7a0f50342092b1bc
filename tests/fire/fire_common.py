"""What the tests under fire share: the program, and the kernel's own answer beside it."""

from __future__ import annotations

import errno
import os
import re
import sys
import time
from pathlib import Path
from typing import Callable

TOP = Path(__file__).resolve().parents[2]
SCRIPT = ["/usr/bin/python3", "-ISE", str(TOP / "procalive.py")]
LAUNCHER = [str(TOP / "bin" / "procalive")]
LONG = os.environ.get("PROCALIVE_LONG") == "1"

sys.path.insert(0, str(TOP))


def is_read(path: str | bytes) -> bool:
    """Whether the kernel says that somebody reads the FIFO; shares no code with procalive."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT):
            return False
        raise
    return True


def until(holds: Callable[[], object], seconds: float = 20.0) -> bool:
    """Bounded polling: whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def manners(stderr: bytes, most: int = 1) -> str:
    """What is wrong with this standard error; '' if it is what the contract says."""
    text = stderr.decode("utf-8", "backslashreplace")
    lines = text.splitlines()
    # What Python could not load any more is no error of the program's own.
    internal = re.search(r"internal error: (?!ModuleNotFoundError|ImportError|MemoryError)", text)
    if "Traceback" in text or internal:
        return f"a traceback or internal error: {lines}"
    if len(lines) > most or not all(re.match(r"procalive: \S", line) for line in lines):
        return f"not {most} line(s) that begin with procalive: {lines}"
    return ""
