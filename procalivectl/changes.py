"""When to look again: the kernel says so, and a slow pace for what it cannot say.

Deaths come from the write ends of the held FIFOs, as in `procalive wait`;
births from inotify, which sees a holder leave its link beside the FIFO.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Sequence

from watchfiles import Change, awatch

import procalive
from procalivectl import survey

_RETRY = 10.0  # seconds, where inotify cannot be had (its limits are the user's, not ours)
_STEP = 500  # milliseconds: watchfiles wakes up so often, and gathers events so long


class Changes:
    """One for an event loop; close() gives back what it has open."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self._watch: procalive.Watch | None = None
        self._watched: dict[str, survey.Inode | None] = {}
        self._names: set[str] = set()  # of the FIFOs shown
        self._directories: set[str] = set()
        self._inotify: asyncio.Task[None] | None = None

    async def wait(self, seconds: float) -> None:
        """Sleep until there is news, or for that long."""
        try:
            await asyncio.wait_for(self._news.wait(), seconds)
        except asyncio.TimeoutError:
            pass
        self._news.clear()

    def follow(self, fifos: Sequence[survey.Fifo], directories: set[str]) -> None:
        """Listen for changes of these."""
        self._names = {os.path.basename(fifo.path) for fifo in fifos}
        held = {fifo.path: fifo.inode for fifo in fifos if fifo.ours and fifo.alive}
        if any(self._watched.get(path, inode) != inode for path, inode in held.items()):
            self._forget()  # replaced by another FIFO of that name
        for path, inode in held.items():
            if path not in self._watched:
                self._add(path, inode)
        if directories != self._directories:
            self._directories = directories
            self._stop_inotify()
            self._inotify = asyncio.create_task(self._listen(sorted(directories)))

    def close(self) -> None:
        self._forget()
        self._stop_inotify()

    def _add(self, path: str, inode: survey.Inode | None) -> None:
        if self._watch is None:
            self._watch = procalive.Watch()
            asyncio.get_running_loop().add_reader(self._watch.fileno(), self._died)
        try:
            procalive.raise_descriptor_limit(len(self._watched) + 64)
            if self._watch.add(path) is None:
                self._news.set()  # it died since the look
            else:
                self._watched[path] = inode
        except (procalive.ProcaliveError, OSError):
            pass  # not ours to open: left to the slow pace

    def _died(self) -> None:
        for path in self._watch.next(0.0) if self._watch else ():
            self._watched.pop(str(path), None)
            self._news.set()

    def _forget(self) -> None:
        if self._watch is not None:
            asyncio.get_running_loop().remove_reader(self._watch.fileno())
            self._watch.close()
        self._watch = None
        self._watched = {}

    def _stop_inotify(self) -> None:
        if self._inotify is not None:
            self._inotify.cancel()

    async def _listen(self, directories: list[str]) -> None:
        while directories:
            # Once inotify is there: what happened between the last look and now.
            asyncio.get_running_loop().call_soon(self._news.set)
            try:
                async for _ in awatch(
                    *directories,
                    watch_filter=self._matters,
                    debounce=_STEP,
                    step=_STEP,
                    recursive=False,
                    ignore_permission_denied=True,
                ):
                    self._news.set()
            except (OSError, RuntimeError):
                await asyncio.sleep(_RETRY)

    def _matters(self, change: Change, path: str) -> bool:
        """Holder links, and FIFOs that come and go.  Not beats, which are seen without a look."""
        if path.endswith(".holder"):
            return True
        if change is Change.deleted:
            return os.path.basename(path) in self._names
        try:
            return change is Change.added and stat.S_ISFIFO(os.lstat(path).st_mode)
        except OSError:
            return False
