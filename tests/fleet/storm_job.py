"""The storm's job: storm_job.py DIRECTORY.

An occupancy mark, by flock(2), so that the kernel knows who lives, and children
inherit it; and a storage that looks at the fence.
"""

import fcntl
import os
import random
import signal
import subprocess
import sys
import time

place = sys.argv[1]
fence = int(os.environ.get("PROCALIVE_FENCE") or os.environ["ETCD_LOCK_REV"].rpartition(":")[2])
me = f"{os.getpid()} fence {fence}"
log_fd = os.open(f"{place}/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def log(*words):
    os.write(log_fd, (" ".join(map(str, (f"{time.time():.3f}", *words, me))) + "\n").encode())


def write():
    """The fence of the last writer, after a write that is refused where ours is lower."""
    storage = os.open(f"{place}/storage", os.O_RDWR | os.O_CREAT)
    fcntl.flock(storage, fcntl.LOCK_EX)
    last = int(os.pread(storage, 30, 0) or 0)
    if fence < last:
        log("STALE refused, the storage has seen", last)
    elif fence > last:
        os.pwrite(storage, b"%d\n" % fence, 0)
    os.close(storage)
    return last


occupied = os.open(f"{place}/occupied", os.O_RDWR | os.O_CREAT)
os.set_inheritable(occupied, True)
if random.random() < 0.3:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
try:
    fcntl.flock(occupied, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    log("TWO jobs live; the other:", os.pread(occupied, 99, 0).decode().strip())
else:
    os.pwrite(occupied, me.ljust(60).encode(), 0)
log("START" if fence > write() else "NOT-ABOVE")
end = time.monotonic() + (random.uniform(0.05, 0.5) if random.random() < 0.9 else 7)
if random.random() < 0.2:
    subprocess.Popen(["sleep", str(random.uniform(0.2, 1.5))], close_fds=False)
while time.monotonic() < end:
    time.sleep(0.05)
    write()
log("END")
