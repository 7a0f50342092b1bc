"""Holders of a FIFO whose name is another's by now, or nobody's.

`hold` leaves a link, FIFO.holder -> /proc/PID/fd/N.  Where that leads to
another FIFO than the name does, the FIFO was deleted, replaced or renamed
under its holder.  Where the link is gone too, procalive.deleted_holders()
looks for who holds a deleted FIFO of the name.
"""

from __future__ import annotations

import os
import re
import stat
from typing import NamedTuple

import procalive

SUFFIX = ".holder"
_DELETED = " (deleted)"  # what the kernel adds to the name of an unlinked file
_TARGET = re.compile(r"/proc/([1-9][0-9]*)/fd/([0-9]+)")


class Link(NamedTuple):
    """A holder link: where it lies and leads to, and when it was made (seconds since the epoch)."""

    path: str
    target: str
    made: float

    @property
    def pid(self) -> int | None:
        match = _TARGET.fullmatch(self.target)
        return int(match[1]) if match else None

    def names(self, holder: procalive.Holder) -> bool:
        return self.target == f"/proc/{holder.pid}/fd/{holder.fd}"

    def first_thread_has_ended(self) -> bool:
        try:
            with open(f"/proc/{self.pid}/stat", "rb") as file:
                return file.read().rpartition(b")")[2].split()[0] == b"Z"
        except (OSError, LookupError):
            return False

    def leads_elsewhere(self, inode: tuple[int, int] | None) -> bool:
        """To a FIFO that had this link's name; not to one of a process that just has the same number."""
        if not _TARGET.fullmatch(self.target):
            return False
        try:
            name = os.readlink(self.target)
            if os.path.dirname(name) != os.path.realpath(os.path.dirname(self.path) or "."):
                return False  # a pipe, or of another place, perhaps on a file system that does not answer
            found = os.stat(self.target)
        except OSError:
            return False  # it dangles, or is not ours to see
        if not stat.S_ISFIFO(found.st_mode) or (found.st_dev, found.st_ino) == inode:
            return False
        if found.st_nlink == 0:
            return name == os.path.realpath(self.path.removesuffix(SUFFIX)) + _DELETED
        renamed = link(name)  # or held by another, later process of that number
        return renamed is None or renamed.target != self.target


def link(fifo: str) -> Link | None:
    """The holder link of a FIFO, if there is one."""
    path = fifo + SUFFIX
    try:
        return Link(path, os.readlink(path), os.lstat(path).st_mtime)
    except (OSError, ValueError):
        return None


def holders(fifo: str, inode: tuple[int, int] | None) -> list[procalive.Holder]:
    """Who holds a deleted FIFO of that name, as `hold` believes them; not those of `inode`."""
    try:
        return [holder for holder in procalive.deleted_holders(fifo) if holder.inode != inode]
    except (procalive.ProcaliveError, OSError):
        return []
