"""What each holder in the storm does (see storm.py); as a script, what `hold` runs."""

from __future__ import annotations

import fcntl
import os
import random
import sys
import time


def log(place: str, event: bytes) -> None:
    fd = os.open(f"{place}/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.write(fd, event)
    os.close(fd)


def occupy(place: str) -> None:
    """Mark the place as occupied, for up to 4 ms."""
    marker = os.open(f"{place}/marker", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        log(place, b"O")
    me = b"%10d" % os.getpid()
    log(place, b"A" if os.pread(marker, 10, 0) == me else b"H")
    os.pwrite(marker, me, 0)
    time.sleep(random.random() * 0.004)
    os.close(marker)


if __name__ == "__main__":
    occupy(sys.argv[1])
