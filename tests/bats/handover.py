"""wait.bats: hand-overs as quick as can be, close(2) and open(2) next to each other.

handover.py PROCALIVE_PY FIFO TIMES
"""

import os
import sys
import threading

LIBRARY, FIFO, TIMES = sys.argv[1:]
sys.path.insert(0, os.path.dirname(LIBRARY))
import procalive  # noqa: E402


class Waiter(threading.Thread):
    woken = False

    def run(self) -> None:
        self.woken = FIFO in procalive.wait(FIFO, timeout=5)

    def is_asleep(self) -> bool:
        with open(f"/proc/self/task/{self.native_id}/wchan") as file:
            return "poll" in file.read()


def take() -> int:
    return os.open(FIFO, os.O_RDONLY | os.O_NONBLOCK)


def hand_over() -> bool:
    """Whether a waiter noticed one."""
    reader = take()
    waiter = Waiter()
    waiter.start()
    while waiter.is_alive() and not waiter.is_asleep():
        pass
    os.close(reader)
    reader = take()
    waiter.join()
    os.close(reader)
    return waiter.woken


missed = 0
for _ in range(int(TIMES)):
    missed += not hand_over()
    if missed > 2:
        break
print(f"{missed} of {TIMES} missed")
