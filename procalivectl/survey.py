"""Which FIFOs are there, and what is the state of each?

One pass over /proc, procalive.look(), serves all of them.  A FIFO that is not
procalive's (no holder link, no lock, not named) is never opened: the open
alone would wake a program that sleeps in open(2) on it, and feed it an end of
file.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import procalive
from procalivectl import elsewhere, words

Inode = tuple[int, int]  # device, inode number

HELD = "held"
SHARED = "shared"
FREE = "free"
UNKNOWN = "unknown"
# Trouble, the worst first.
REPLACED = "replaced"  # held, but another FIFO has its name by now
DELETED = "deleted"  # held, but its name is gone
LOCKED = "locked from outside"  # a lock without a reader
STRAY = "stray reader"  # a reader without the lock
ZOMBIE = "zombie"
STOPPED = "stopped"
FUTURE = "future beat"
NO_BEAT = "no beat"
TROUBLE = (REPLACED, DELETED, LOCKED, STRAY, ZOMBIE, STOPPED, FUTURE, NO_BEAT)
STATES = (*TROUBLE, HELD, SHARED, FREE, UNKNOWN)

TROUBLED = {"Z": ZOMBIE, "T": STOPPED, "t": STOPPED}  # states of proc_pid_stat(5)
_SLACK = 1.0  # seconds: from the start of a process to the beat that `hold` gives
_TICK = 1.0  # seconds: a beat may be so far ahead, for clocks are read one after the other

DIRECTORIES = ("/run", "/run/lock", f"/run/user/{os.getuid()}")
DEPTH = 2


@dataclass
class Fifo:
    """A FIFO as it was found; `remark` says what the state cannot.

    holders: who reads it, the main ones first.  others: who holds another FIFO
    that had this name.  watchers, lockers: a PID for each write end, without
    the lock and with it.  trouble: what is wrong, the worst first.
    """

    path: str
    named: bool = False
    inode: Inode | None = None
    mine: bool = False  # or root's to see: its holders should be
    state: str = UNKNOWN
    beat: float | None = None  # its mtime
    link: elsewhere.Link | None = None
    holders: list[procalive.Holder] = field(default_factory=list)
    others: list[procalive.Holder] = field(default_factory=list)
    watchers: list[int] = field(default_factory=list)
    lockers: list[int] = field(default_factory=list)
    exclusive: bool | None = None
    alive: bool | None = None  # what `check` would say; None where it cannot tell
    trouble: list[str] = field(default_factory=list)
    remark: str = ""

    @property
    def name(self) -> str | None:
        return words.name_of(self.path)

    @property
    def ours(self) -> bool:
        locked = self.lockers or self.others or any(holder.lock for holder in self.holders)
        return self.link is not None or bool(locked)

    @cached_property
    def mains(self) -> list[procalive.Holder]:
        return procalive.mains(self.holders)

    @property
    def pids(self) -> list[int]:
        """The main processes: for a keeper, the one that it keeps."""
        return [holder.main for holder in self.mains]

    @property
    def seen(self) -> bool:
        """Whether its processes could be: else there is no telling how many there are."""
        return self.alive is False or bool(self.holders)

    @property
    def held(self) -> bool:
        """With the lock, as far as can be seen: of a holder that cannot, nothing else is known."""
        return any(holder.lock for holder in self.holders) or (bool(self.alive) and not self.holders)

    def held_for(self, now: float) -> float | None:
        """Since the oldest main process began to hold, as procalive counts."""
        return max((now - holder.since for holder in self.mains), default=None)

    @property
    def beaten(self) -> bool | None:
        """Whether the job has beaten since its start, at which `hold` does it once; None if not held."""
        if self.beat is None or not self.held:
            return None
        if not self.mains:
            return True  # not to be seen when it began: the FIFO's time is all there is
        if self.link and any(self.link.names(holder) for holder in self.holders):
            return not self.link.made - _SLACK < self.beat <= self.link.made
        return self.beat > max(holder.since for holder in self.mains) + _SLACK

    def beat_age(self, now: float) -> float | None:
        """Seconds since a holder began or beat; None where nobody holds."""
        return max(0.0, now - self.beat) if self.beat is not None and self.held else None

    def idle(self, now: float) -> float | None:
        """The same of the last holder, where there was one and nobody holds by now."""
        known = self.beat is not None and self.state == FREE and self.link is not None
        return max(0.0, now - self.beat) if known and self.beat is not None else None

    @cached_property
    def command(self) -> list[str]:
        """Of the first main process, or of what a keeper keeps."""
        return words.command_of(self.mains[0]) if self.mains else []

    def as_dict(self) -> dict[str, Any]:
        """What `ls --json` prints, in its order."""
        now = time.time()
        return {
            "fifo": self.path,
            "name": self.name,
            "state": self.state,
            "trouble": self.trouble,
            "alive": self.alive,
            "pids": self.pids if self.seen else None,
            "user": self.mains[0].user if self.mains else None,
            "held_for": self.held_for(now),
            "beat_age": self.beat_age(now),
            "beaten": self.beaten,
            "idle": self.idle(now),
            "watchers": self.watchers if self.seen else None,
            "command": self.command,
            "remark": self.remark,
            "holders": [holder.as_dict() for holder in self.holders] if self.seen else None,
            "others": [holder.as_dict() for holder in self.others],
        }


class Survey:
    """The FIFOs named, and those in the directories named, looked at on demand.

    all: also FIFOs in directories that are not procalive's.  max_age: seconds
    without a beat that are too many.
    """

    def __init__(self, paths: Sequence[str] = (), *, all: bool = False, max_age: float | None = None) -> None:
        self.named = bool(paths)
        self.paths = list(dict.fromkeys(paths or default_directories()))
        self.all = all
        self.max_age = max_age
        self.directories: set[str] = set()  # where a change may matter, as of the last look
        self._held: list[str] = []  # at the last look: if one vanishes, its holder may still run

    def look(self) -> list[Fifo]:
        """All of them, those in trouble first."""
        self.directories = set()
        found: dict[str, Fifo] = {}
        for path in self.paths:
            for fifo in self._find(path):
                found.setdefault(fifo.path, fifo)
        for path in self._held:
            found.setdefault(path, Fifo(path))
        fifos = list(found.values())
        self._fill_in(fifos)
        shown = [fifo for fifo in fifos if fifo.named or fifo.remark or fifo.others or self._counts(fifo)]
        for fifo in shown:
            _judge(fifo, self.max_age)
        self._held = [fifo.path for fifo in shown if fifo.held or fifo.others]
        return sorted(shown, key=lambda fifo: not fifo.trouble)

    def _counts(self, fifo: Fifo) -> bool:
        return fifo.inode is not None and (self.all or fifo.ours)

    def _find(self, path: str) -> Iterator[Fifo]:
        try:
            path = procalive.path(path)
            found = os.stat(path)
        except FileNotFoundError as error:
            if path:
                parent = os.path.dirname(path) or "."
                self.directories.update({parent} if os.path.isdir(parent) else ())
                yield Fifo(path, self.named, link=elsewhere.link(path))
            else:  # no name at all, so "not alive" of nothing, as for `procalive check`
                yield _unknown(path, self.named, error)
        except (procalive.ProcaliveError, OSError, ValueError) as error:
            yield _unknown(path, self.named, error)
        else:
            if stat.S_ISDIR(found.st_mode):
                yield from self._walk(path, DEPTH, found.st_dev)
                return
            self.directories.add(os.path.dirname(path) or ".")
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
        if entry.is_symlink():
            if entry.name.endswith(elsewhere.SUFFIX):  # its FIFO may be gone
                yield from _left_behind(entry.path[: -len(elsewhere.SUFFIX)])
            return
        if entry.is_file():
            return  # told by readdir(3): no stat for most entries
        found = entry.stat(follow_symlinks=False)
        if stat.S_ISFIFO(found.st_mode):
            yield _fifo(entry.path, found, False)
        elif depth > 1 and stat.S_ISDIR(found.st_mode) and found.st_dev == device:
            # Another file system may be a dead network mount, or FUSE, which hangs.
            yield from self._walk(entry.path, depth - 1, device)

    def _fill_in(self, fifos: Sequence[Fifo]) -> None:
        """Both ends of all of them, and who holds another FIFO of the name."""
        links = {fifo.path: fifo.link.path for fifo in fifos if fifo.link and fifo.link.leads_elsewhere(fifo.inode)}
        ends = procalive.look(*(fifo.path for fifo in fifos if fifo.inode), *links.values())
        for fifo in fifos:
            end = ends.get(fifo.path)
            if isinstance(end, procalive.Ends):
                fifo.holders = _by_start(end.holders)  # the job before its children
                fifo.watchers = [pid for pid in end.watchers if not words.is_console(pid)]
                fifo.lockers, fifo.exclusive = end.lockers, end.exclusive
            elif end is not None:
                fifo.remark = words.reason(end)
            other = ends.get(links.get(fifo.path, ""))
            if isinstance(other, procalive.Ends):
                fifo.others = [holder for holder in other.holders if holder.lock and holder.inode != fifo.inode]
            if not fifo.others and fifo.inode is None and not fifo.remark and (fifo.named or fifo.path in self._held):
                fifo.others = elsewhere.holders(fifo.path, fifo.inode)  # a pass over /proc for each


def default_directories() -> list[str]:
    """Where FIFOs lie as a rule, and where the caller's own @NAMEs do."""
    try:
        own = [procalive.names_directory()]
    except (procalive.ProcaliveError, OSError):
        own = []  # no place for names is no place to look at
    return [path for path in dict.fromkeys([*DIRECTORIES, *own]) if os.path.isdir(path)]


def hidden(fifos: Sequence[Fifo]) -> list[Fifo]:
    """Those that were found, not named, and that this user may not look at."""
    return [fifo for fifo in fifos if fifo.state == UNKNOWN and not fifo.named]


def tell_hidden(fifos: Sequence[Fifo]) -> str:
    """Of them, a line; "" if there are none."""
    count = len(hidden(fifos))
    return f"{count} more that you may not see; try sudo" if count else ""


def summary(fifos: Sequence[Fifo], short: bool = False) -> str:
    """`12 FIFOs: 1 stopped, 8 held, 3 free`, or "" of none; if short, all trouble is one."""
    if not fifos:
        return ""
    states = ["in trouble" if short and fifo.trouble else fifo.state for fifo in fifos]
    counts = [f"{states.count(state)} {state}" for state in ("in trouble", *STATES) if state in states]
    return f"{len(states)} FIFO{'s' if len(states) > 1 else ''}: {', '.join(counts)}"


def complain(fifos: Sequence[Fifo]) -> int:
    """Whatever was named and cannot be told is an error, as for `procalive check`; the status."""
    bad = [fifo for fifo in fifos if fifo.named and fifo.state == UNKNOWN]
    for fifo in bad:
        words.say(f"{words.show(fifo.path)}: {fifo.remark}")
    return 2 if bad else 0


def _fifo(path: str, found: os.stat_result, named: bool) -> Fifo:
    mine = os.geteuid() in (0, found.st_uid)
    inode = (found.st_dev, found.st_ino)
    return Fifo(path, named, inode, mine, beat=found.st_mtime, link=elsewhere.link(path))


def _left_behind(path: str) -> Iterator[Fifo]:
    """A holder link without its FIFO; if that was merely let go of, nothing is left to show."""
    if not os.path.lexists(path):
        yield Fifo(path, link=elsewhere.link(path))


def _unknown(path: str, named: bool, error: Exception) -> Fifo:
    return Fifo(path, named, remark=words.reason(error))


def _by_start(holders: list[procalive.Holder]) -> list[procalive.Holder]:
    """Always the same order: `since` is told to 10 ms, and counted from a clock that moves between two looks."""
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return sorted(holders, key=lambda holder: (round((holder.since - boot) * 100), holder.pid))


def _judge(fifo: Fifo, max_age: float | None) -> None:
    if fifo.remark:
        return  # it could not be looked at
    _learn_whether_alive(fifo)
    problems = dict(_problems(fifo, max_age))
    fifo.trouble = [trouble for trouble in TROUBLE if trouble in problems]
    if fifo.trouble:
        fifo.state = fifo.trouble[0]
        fifo.remark = "; ".join(filter(None, (problems[trouble] for trouble in fifo.trouble)))
    elif fifo.held:
        fifo.state = HELD if fifo.exclusive or (fifo.exclusive is None and len(fifo.mains) < 2) else SHARED
    elif fifo.alive is False:
        fifo.state = FREE


def _learn_whether_alive(fifo: Fifo) -> None:
    """Where no reader is seen, only the kernel's answer to an open tells free from unseen."""
    if fifo.holders:
        fifo.alive = True
    elif fifo.inode is None:
        fifo.alive, fifo.remark = False, "missing"
    elif fifo.ours or fifo.named:
        try:
            fifo.alive = procalive.check(fifo.path)
            if fifo.alive and fifo.mine:
                fifo.holders = _by_start(_look_again(fifo))
        except procalive.Unseen:
            pass
        except (procalive.ProcaliveError, OSError) as error:
            fifo.remark = words.not_permitted(fifo.path, error)
            return
        fifo.remark = "by a process that you may not see" if fifo.alive and not fifo.holders else ""
    elif os.geteuid() == 0:
        fifo.alive = False
    else:
        fifo.remark = "no reader that you may see; not opened, for it is not procalive's"


def _look_again(fifo: Fifo) -> list[procalive.Holder]:
    """For who came just now; and for who has only threads left, which are looked through at a price."""
    if fifo.link and fifo.link.first_thread_has_ended():
        return procalive.holders(fifo.path)
    ends = procalive.look(fifo.path)[fifo.path]
    return ends.holders if isinstance(ends, procalive.Ends) else []


def _problems(fifo: Fifo, max_age: float | None) -> Iterator[tuple[str, str]]:
    """What is wrong, and what to say of it beside the state."""
    if fifo.others:
        whom = words.processes([holder.main for holder in procalive.mains(fifo.others)])
        yield (REPLACED, f"{whom} holds an older FIFO of this name") if fifo.inode else (DELETED, f"held by {whom}")
    strangers = [holder.pid for holder in fifo.holders if not holder.lock]
    if strangers:
        beside = "also " if len(strangers) < len(fifo.holders) else ""
        yield STRAY, f"{beside}read by {words.processes(strangers)} without the lock"
    if fifo.lockers and not any(holder.lock for holder in fifo.holders):
        yield LOCKED, f"locked by {words.processes(fifo.lockers)}, which does not read it"
    for holder in fifo.mains:
        if holder.state in TROUBLED and holder.lock:
            yield TROUBLED[holder.state], ""
    if fifo.held and fifo.beat is not None:
        yield from _late(fifo, max_age)


def _late(fifo: Fifo, max_age: float | None) -> Iterator[tuple[str, str]]:
    """By the rule of `check --max-age`, which is asked only where it can find something."""
    age = time.time() - (fifo.beat or 0.0)
    if age < -_TICK:
        yield FUTURE, f"its last beat is {words.duration(-age)} ahead of the clock"
    elif max_age is not None and age > max_age and _has_missed(fifo.path, max_age):
        yield NO_BEAT, ""


def _has_missed(path: str, max_age: float) -> bool:
    try:
        return procalive.beat_problem(path, max_age) is not None
    except (procalive.ProcaliveError, OSError):
        return False  # not for this user to ask, or gone since
