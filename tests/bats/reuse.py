"""kill.bats: a PID that is really reused between procalive's look-up and its signal.

reuse.py PROCALIVE_PY FIFO, as root in a PID namespace of its own.
"""

import os
import signal
import sys
import time

LIBRARY, FIFO = sys.argv[1:]
sys.path.insert(0, os.path.dirname(LIBRARY))
import procalive  # noqa: E402


def start(job: str) -> int:
    """Fork a sleeper; the holder is one that has taken the FIFO when this returns."""
    ready, child_ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        held = procalive.hold(FIFO, shared=True) if job == "holder" else None  # noqa: F841
        os.write(child_ready, b".")
        time.sleep(300)
        os._exit(0)
    os.read(ready, 1)
    return pid


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def start_as(pid: int) -> None:
    """A bystander under this PID: the kernel gives the one after the last."""
    with open("/proc/sys/kernel/ns_last_pid", "w") as file:
        file.write(str(pid - 1))
    assert start("bystander") == pid, "the PID was not reused"


def swap_after_look_up() -> None:
    look_up = procalive.holders

    def holders(path: str) -> list[procalive.Holder]:
        found = look_up(path)
        procalive.holders = look_up
        end(victim)
        start_as(victim)
        return found

    procalive.holders = holders


victim = start("holder")
stays = start("holder")  # so that the FIFO is held all the time
swap_after_look_up()
sent = procalive.kill(FIFO, signal.SIGKILL)
assert sent == [stays], (sent, victim, stays)
assert os.waitpid(victim, os.WNOHANG) == (0, 0), "the bystander was signalled"
print("reused, and not signalled")
