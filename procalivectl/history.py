"""The last runs of each FIFO, as far as top saw them end.

Each holder seen is waited for in a thread that sleeps (`wait --status`), so
that it is known how it ended.  Nothing is made up: what had ended before top
came, or between two looks, is not there.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import procalive
from procalivectl import survey, words

KEPT = 5  # runs of a FIFO
_MOST = 500  # threads; how holders beyond them end is not known

_Key = tuple[str, int]  # path, PID


@dataclass
class Run:
    """began, ended: seconds since the epoch.  status: 128 + signal if killed, None if not known."""

    pid: int
    began: float
    ended: float | None = None
    status: int | None = None
    process_ended: bool = False

    def __str__(self) -> str:
        began = time.strftime("%H:%M:%S", time.localtime(self.began))
        lasted = words.duration((self.ended or time.time()) - self.began)
        return f"{self.pid} from {began} for {lasted}, {self._how()}"

    def _how(self) -> str:
        if not self.process_ended:
            return "no longer held"  # let go of, or its end is not yet known
        if self.status is None:
            return "how is not known"
        if self.status <= 128:
            return f"status {self.status}"
        try:
            return f"killed by {signal.Signals(self.status - 128).name[3:]}"
        except ValueError:
            return f"status {self.status}"


class History:
    """Runs by path, the last one last."""

    def __init__(self) -> None:
        self._going: dict[_Key, Run] = {}
        self._ended: dict[str, deque[Run]] = {}

    def runs(self, path: str) -> Sequence[Run]:
        return list(self._ended.get(path, ()))

    def record(self, fifos: Sequence[survey.Fifo], now: float) -> None:
        """Wait for the holders that are new; who is here no more has ended, or let go."""
        holding = {(fifo.path, holder.main): holder.since for fifo in fifos for holder in fifo.mains if holder.lock}
        for key in [key for key in self._going if key not in holding]:
            run = self._going.pop(key)
            run.ended = run.ended or now
            self._ended.setdefault(key[0], deque(maxlen=KEPT)).append(run)
        for (path, pid), since in holding.items():
            if (path, pid) not in self._going:
                self._going[path, pid] = run = Run(pid, since)
                if len(self._going) <= _MOST:
                    _start(run)


def _start(run: Run) -> None:
    try:
        threading.Thread(target=_follow, args=(run,), daemon=True).start()
    except RuntimeError:
        pass  # no more threads are to be had: how it ends is not known


def _follow(run: Run) -> None:
    try:
        run.status = procalive.wait(run.pid, status=True)[run.pid]
    except (procalive.ProcaliveError, OSError):
        return
    run.process_ended = True
    run.ended = time.time()
