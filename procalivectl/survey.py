"""Which FIFOs are there, and what is the state of each?

One pass over /proc serves all of them.  A FIFO that is not procalive's (no
holder link, no lock, not named) is never opened: the open alone would wake a
program that sleeps in open(2) on it, and feed it an end of file.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import procalive
from procalivectl import words

Inode = tuple[int, int]  # device, inode number

HELD = "held"
SHARED = "shared"
STALE = "stale"
FREE = "free"
STRANGER = "read by a stranger"  # a reader without the lock
LOCKED = "locked, not held"  # a lock without a reader
UNKNOWN = "unknown"
ALIVE = (HELD, SHARED, STALE, STRANGER)

DEFAULT_DIRECTORIES = ("/run", "/run/lock", f"/run/user/{os.getuid()}")
DEPTH = 2


class Lock(NamedTuple):
    """A line of /proc/locks: who took it, which need not be who has it now."""

    pid: int
    shared: bool


@dataclass
class Fifo:
    """A FIFO as it was found; `remark` says what the state cannot."""

    path: str
    named: bool = False
    inode: Inode | None = None
    state: str = UNKNOWN
    beat: float | None = None  # its mtime
    lock: Lock | None = None
    linked: bool = False
    readers: list[procalive.Holder] = field(default_factory=list)
    watchers: list[int] = field(default_factory=list)  # a PID for each write end
    remark: str = ""

    @property
    def ours(self) -> bool:
        return self.linked or self.lock is not None

    @cached_property
    def mains(self) -> list[procalive.Holder]:
        return procalive._mains(self.readers)

    @property
    def pids(self) -> list[int]:
        """The main processes: for a keeper, the one that it keeps."""
        return [holder.keeps or holder.pid for holder in self.mains]

    @property
    def seen(self) -> bool:
        """Whether its processes could be: else there is no telling how many there are."""
        return self.alive is False or bool(self.readers)

    @property
    def alive(self) -> bool | None:
        """What `check` would say; None where it cannot tell."""
        return None if self.state == UNKNOWN else self.state in ALIVE

    def held_for(self, now: float) -> float | None:
        """Since the start of the oldest main process, as procalive counts."""
        return max((now - holder.since for holder in self.mains), default=None)

    def beat_age(self, now: float) -> float | None:
        return None if self.beat is None else max(0.0, now - self.beat)

    @cached_property
    def command(self) -> list[str]:
        """Of the first main process, or of what a keeper keeps."""
        for holder in self.mains:
            if holder.keeps is None:
                return holder.command
            try:
                return procalive._read_command(holder.keeps)
            except OSError:
                return holder.command  # ended since
        return []

    def as_dict(self) -> dict[str, Any]:
        """What `ls --json` prints, in its order."""
        now = time.time()
        return {
            "fifo": self.path,
            "state": self.state,
            "pids": self.pids if self.seen else None,
            "user": self.mains[0].user if self.mains else None,
            "held_for": self.held_for(now),
            "beat_age": self.beat_age(now),
            "watchers": self.watchers if self.seen else None,
            "command": self.command,
            "remark": self.remark,
            "holders": [holder.as_dict() for holder in self.readers] if self.seen else None,
        }


class Survey:
    """The FIFOs named, and those in the directories named, looked at on demand.

    all: also FIFOs in directories that are not procalive's.  max_age: a beat
    older than these seconds makes a held FIFO stale.
    """

    def __init__(self, paths: Sequence[str] = (), *, all: bool = False, max_age: float | None = None) -> None:
        self.paths = list(paths) or [path for path in DEFAULT_DIRECTORIES if os.path.isdir(path)]
        self.named = bool(paths)
        self.all = all
        self.max_age = max_age
        self.directories: set[str] = set()  # where a change may matter, as of the last look

    def look(self) -> list[Fifo]:
        self.directories = set()
        locks = read_locks()
        found: dict[str, Fifo] = {}
        for path in self.paths:
            for fifo in self._find(path):
                fifo.lock = locks.get(fifo.inode) if fifo.inode else None
                if self.all or fifo.named or fifo.ours or fifo.remark:
                    found.setdefault(fifo.path, fifo)
        fifos = list(found.values())
        _fill_in_ends(fifos)
        for fifo in fifos:
            fifo.readers = _by_start(fifo.readers)  # the job before its children
            if not fifo.remark:
                _judge(fifo, self.max_age)
        return fifos

    def _find(self, path: str) -> Iterator[Fifo]:
        parent = os.path.dirname(path) or "."
        try:
            found = os.stat(path)
        except FileNotFoundError as error:
            if not path:  # no name at all, so "not alive" of nothing, as for `procalive check`
                yield _unknown(path, self.named, error)
                return
            self.directories.update({parent} if os.path.isdir(parent) else ())
            yield Fifo(path, self.named, state=FREE, remark="missing")
        except (OSError, ValueError) as error:
            yield _unknown(path, self.named, error)
        else:
            if stat.S_ISDIR(found.st_mode):
                yield from self._walk(path, DEPTH, found.st_dev)
                return
            self.directories.add(parent)
            if stat.S_ISFIFO(found.st_mode):
                yield _fifo(path, found, self.named)
            else:
                yield Fifo(path, self.named, remark="not a FIFO")

    def _walk(self, directory: str, depth: int, device: int) -> Iterator[Fifo]:
        """FIFOs up to `depth` levels down, on one file system, following no link."""
        try:
            with os.scandir(directory) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            return  # gone since it was seen
        except OSError as error:
            yield _unknown(os.path.join(directory, ""), directory in self.paths and self.named, error)
            return
        self.directories.add(directory)
        for entry in inside:
            try:
                yield from self._enter(entry, depth, device)
            except FileNotFoundError:
                continue

    def _enter(self, entry: os.DirEntry[str], depth: int, device: int) -> Iterator[Fifo]:
        if entry.is_symlink() or entry.is_file():
            return  # told by readdir(3): no stat for most entries
        found = entry.stat(follow_symlinks=False)
        if stat.S_ISFIFO(found.st_mode):
            yield _fifo(entry.path, found, False)
        elif depth > 1 and stat.S_ISDIR(found.st_mode) and found.st_dev == device:
            # Another file system may be a dead network mount, or FUSE, which hangs.
            yield from self._walk(entry.path, depth - 1, device)


def complain(fifos: Sequence[Fifo]) -> int:
    """Whatever was named and cannot be told is an error, as for `procalive check`; the status."""
    bad = [fifo for fifo in fifos if fifo.named and fifo.state == UNKNOWN]
    for fifo in bad:
        words.say(f"{words.show(fifo.path)}: {fifo.remark}")
    return 2 if bad else 0


def _fifo(path: str, found: os.stat_result, named: bool) -> Fifo:
    linked = os.path.islink(path + ".holder")
    return Fifo(path, named, (found.st_dev, found.st_ino), beat=found.st_mtime, linked=linked)


def _unknown(path: str, named: bool, error: Exception) -> Fifo:
    return Fifo(path, named, remark=words.reason(error))


def read_locks() -> dict[Inode, Lock]:
    """Every flock of this PID namespace, by inode: proc_locks(5)."""
    locks = {}
    try:
        with open("/proc/locks") as file:
            for line in file:
                fields = line.split()
                if fields[1] == "FLOCK":  # "->" is one that still waits
                    major, minor, number = fields[5].split(":")
                    inode = (os.makedev(int(major, 16), int(minor, 16)), int(number))
                    locks[inode] = Lock(int(fields[4]), fields[3] == "READ")
    except OSError:
        pass  # /proc not mounted: the holder links remain
    return locks


def _fill_in_ends(fifos: list[Fifo]) -> None:
    """The readers and the watchers of all of them, in one pass over /proc."""
    by_inode: dict[Inode, list[Fifo]] = {}
    for fifo in fifos:
        if fifo.inode:
            by_inode.setdefault(fifo.inode, []).append(fifo)
    if not by_inode:
        return
    for pid, fd, inode in _open_ends(by_inode):
        for fifo in by_inode[inode]:
            _add_end(fifo, pid, fd, inode)


def _open_ends(inodes: dict[Inode, list[Fifo]]) -> Iterator[tuple[str, str, Inode]]:
    """(PID, descriptor, inode) of every descriptor that is open on one of the inodes."""
    for pid in os.listdir("/proc"):
        if pid[0] not in "123456789":
            continue
        for fd in procalive._open_files(pid):
            try:
                found = os.stat(f"/proc/{pid}/fd/{fd}")
            except OSError:
                continue  # closed or ended while we looked
            inode = (found.st_dev, found.st_ino)
            if inode in inodes:
                yield pid, fd, inode


def _add_end(fifo: Fifo, pid: str, fd: str, inode: Inode) -> None:
    reader = procalive._reads_inode(pid, fd, {inode})
    try:
        if reader is not None:
            fifo.readers.append(procalive.Holder(fifo.path, inode, int(pid), int(fd), reader[1]))
        elif int(pid) != os.getpid() and _writes(pid, fd):
            fifo.watchers.append(int(pid))
    except (OSError, LookupError, ValueError):
        pass  # closed or ended while we looked


def _by_start(holders: list[procalive.Holder]) -> list[procalive.Holder]:
    """Always the same order: `since` is told to 10 ms, and counted from a clock that moves between two looks."""
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return sorted(holders, key=lambda holder: (round((holder.since - boot) * 100), holder.pid))


def _writes(pid: str, fd: str) -> bool:
    info = procalive._read_proc(f"{pid}/fdinfo/{fd}")
    flags = int(info.partition(b"flags:")[2].split()[0], 8)
    return flags & os.O_ACCMODE == os.O_WRONLY


def _judge(fifo: Fifo, max_age: float | None) -> None:
    if any(holder.lock for holder in fifo.readers):
        fifo.state = _held(fifo, max_age)
    elif fifo.readers:
        fifo.state = STRANGER
    elif fifo.ours or fifo.named:
        _probe(fifo, max_age)
    elif os.geteuid() == 0:
        fifo.state = FREE
    else:
        fifo.remark = "no reader that you may see; not opened, for it is not procalive's"


def _held(fifo: Fifo, max_age: float | None) -> str:
    age = fifo.beat_age(time.time())
    if max_age is not None and age is not None and age > max_age:
        return STALE
    # The lock is not found where stat(2) and /proc/locks name other devices (btrfs).
    shared = fifo.lock.shared if fifo.lock else len(fifo.mains) > 1
    return SHARED if shared else HELD


def _probe(fifo: Fifo, max_age: float | None) -> None:
    """No reader was seen: only the kernel's answer to an open tells free from unseen."""
    try:
        alive = procalive._probe(fifo.path) is not None
    except (procalive.ProcaliveError, OSError) as error:
        fifo.remark = words.reason(error)
        return
    owner = f"{fifo.lock.pid} ({procalive._name_of(fifo.lock.pid)})" if fifo.lock and fifo.lock.pid > 0 else ""
    if not alive:
        fifo.state = LOCKED if fifo.lock else FREE
        fifo.remark = f"locked by {owner or 'a process that cannot be seen'}" if fifo.lock else ""
        return
    fifo.state = _held(fifo, max_age) if fifo.lock else UNKNOWN
    fifo.remark = f"taken by {owner}, of which you may not see more" if owner else "read by a process you may not see"
