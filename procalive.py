#!/usr/bin/python3 -ISE
"""procalive: a process is alive while it keeps the read end of a FIFO open.

The kernel says so, not the contents of a file.  `hold` opens the read end,
takes flock(2) on that very descriptor and becomes the job; `check` tries to
open the write end, which fails with ENXIO when nobody reads (fifo(7)); `wait`
sleeps on the write end until the last reader is gone.

Guaranteed, on one kernel: after exit, crash, kill -9 or reboot nothing is left
that reads as alive; never two exclusive holders of one FIFO; `wait` misses no
moment without a holder, however short; no signal ever goes to a process that
does not hold, nor is kept by one that does.
Not guaranteed: anything across hosts, or after somebody unlinks the FIFO.

Invariants:
  * "alive" and "dead" are said only on proof (S_ISFIFO plus the outcome of
    open(2)); everything else is an exception, or status 2.
  * Lock and liveness are one open file description.  It is never unlocked,
    only closed, so that both end together; the FIFO is never unlinked.
  * A contender opens the read end only after a probe said dead, because an
    open read end is what everybody else takes for a living holder.
  * A signal goes through a pidfd that was checked after it was opened.

Stable: the names in __all__, the command line and its statuses.  All else may
change.  procalive(1) is the manual of the commands, procalive(7) tells how and
why it works.
"""

from __future__ import annotations

import _signal as signal  # without the enums, which cost 3 ms and, in each keeper, 2 MiB
import _thread
import errno
import fcntl
import posix  # os without its paths and environment: those cost 1 ms at start
import select
import stat
import sys
import time

# typing costs 7 ms at start, and nothing here needs it at run time.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    import os
    from collections.abc import Container, Iterable, Sequence
    from typing import Any, Callable, NoReturn, Union

    _Inode = tuple[int, int]  # device, inode number
    Path = Union[str, bytes, os.PathLike[str], os.PathLike[bytes]]
    Target = Union[Path, int]
else:  # strings, which typing.get_type_hints() evaluates for who asks it
    Any, _Inode = object, "tuple[int, int]"
    Path = "str | bytes | __import__('os').PathLike[str] | __import__('os').PathLike[bytes]"
    Target = Path + " | int"

__all__ = [
    "Held",
    "Hold",
    "Holder",
    "NotAFifo",
    "Obstructed",
    "ProcaliveError",
    "Refused",
    "Stale",
    "TimedOut",
    "Unseen",
    "__version__",
    "check",
    "hold",
    "holders",
    "kill",
    "wait",
]
__version__ = "0.1.0"

# Exit statuses: the contract of procalive(1).  0 and 1 alone are answers.
_YES = 0
_NO = 1
_UNKNOWN = 2
_STALE = 3
_HELD = 75  # EX_TEMPFAIL of sysexits.h
_TIMED_OUT = 124  # as timeout(1)
_FAILED = 125  # 125 to 127 as env(1), nohup(1) and timeout(1)
_CANNOT_RUN = 126
_NOT_FOUND = 127
_INTERRUPTED = 130
_BROKEN_PIPE = 141

_INF = float("inf")
_LONGEST_SLEEP = 2_000_000.0  # seconds: epoll_wait(2) counts in an int of milliseconds
_BATCH = 64  # events taken from epoll at once
_READ_END = posix.O_RDONLY | posix.O_NONBLOCK | posix.O_NOFOLLOW | posix.O_CLOEXEC
_WRITE_END = posix.O_WRONLY | posix.O_NONBLOCK | posix.O_NOCTTY | posix.O_CLOEXEC


# --- errors ------------------------------------------------------------------


class ProcaliveError(Exception):
    """What procalive found wrong; str() is the line that the command prints.

    An OSError of the kernel is passed on as it is, with errno and filename.
    """

    def __init__(self, path: Target, text: str) -> None:
        super().__init__(path, text)
        self.path = path
        self.text = text

    def __str__(self) -> str:
        return f"{_show(self.path)}: {self.text}"

    def __reduce__(self) -> tuple[Any, ...]:
        # By its parts: the default would call __init__ with `args`, not its own.
        return type(self).__new__, (type(self), *self.args), self.__dict__


class NotAFifo(ProcaliveError):
    """The path names something else, about which nothing can be told."""

    def __init__(self, path: Path, text: str = "not a FIFO") -> None:
        super().__init__(path, text)


class Refused(ProcaliveError):
    """It is a FIFO, or could become one, but holding it would not be safe."""


class Held(ProcaliveError):
    """Another process holds the FIFO.

    `holders` lists those that this user may see: possibly none.
    """

    def __init__(self, path: Path, holders: list[Holder], text: str = "") -> None:
        super().__init__(path, text or f"held by {_describe(holders)}")
        self.holders = holders


class Obstructed(ProcaliveError):
    """The lock is taken by a process that does not read the FIFO.

    Whoever may open the write end may flock(2) it.  `pid` is the process that
    has the lock as far as can be seen, or None.
    """

    def __init__(self, path: Path, pid: int | None) -> None:
        who = f"{pid} ({_name_of(pid)})" if pid else "a process that cannot be seen"
        super().__init__(
            path, f"locked by {who}, which does not read it: not held, yet nobody can hold it; end that process"
        )
        self.pid = pid


class Stale(ProcaliveError):
    """Alive, but the last beat is older than `max_age`; `age` is in seconds."""

    def __init__(self, path: Path, age: float) -> None:
        super().__init__(path, f"alive, but no beat for {_duration(age)}")
        self.age = age


class TimedOut(ProcaliveError, TimeoutError):
    """The time given ran out first; `path` is one that was still waited for."""

    def __init__(self, path: Target, text: str) -> None:
        super().__init__(path, text)
        self.errno, self.strerror, self.filename = errno.ETIMEDOUT, text, path

    def __str__(self) -> str:
        return ProcaliveError.__str__(self)  # OSError's would name the errno too

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, self.__dict__  # errno and filename are set by __init__ alone


class Unseen(ProcaliveError):
    """Alive, but no process that this user may look into, or believe, reads the FIFO."""

    def __init__(self, path: Path, whose: str = "by no process that you may see") -> None:
        super().__init__(path, f"held, but {whose} (another user's, or in another PID namespace)")


class _Usage(Exception):
    """A wrong command line: the message, without the program's name."""


# --- names and words ---------------------------------------------------------


def _fsencode(path: Path) -> bytes:
    """As os.fsencode()."""
    name = posix.fspath(path)
    return name if isinstance(name, bytes) else name.encode(sys.getfilesystemencoding(), "surrogateescape")


def _fsdecode(path: Path) -> str:
    """As os.fsdecode()."""
    name = posix.fspath(path)
    return name if isinstance(name, str) else name.decode(sys.getfilesystemencoding(), "surrogateescape")


def _type_of(path: bytes) -> int:
    """S_IFLNK and the like, of the name itself; 0 where there is none."""
    try:
        return stat.S_IFMT(posix.lstat(path).st_mode)
    except FileNotFoundError:
        return 0


def _inode(found: os.stat_result) -> _Inode:
    return found.st_dev, found.st_ino


def _show(path: Target) -> str:
    """A path or PID fit for a one-line message: control characters escaped."""
    if isinstance(path, int):
        return str(path)
    # A byte that is no UTF-8 becomes \\xff, and a newline \\n: one line is promised.
    text = _fsencode(path).decode("utf-8", "backslashreplace")
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown or "''"


def _duration(seconds: float) -> str:
    """Seconds in the two largest units that matter: 3h12m, 45s, 2d5h."""
    left = max(0, int(seconds))
    units = []
    for letter, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        units.append((count, letter))
    while len(units) > 1 and not units[0][0]:
        del units[0]
    return "".join(f"{count}{letter}" for count, letter in units[:2] if count) or "0s"


def _seconds(text: str) -> float:
    """SECS as sleep(1) takes them: 90, 1.5, 30s, 5m, 2h, 1d, inf.

    Raises ValueError for anything else, negative numbers and NaN included.
    """
    units = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1.0)
    if number.lower() in ("inf", "infinity"):
        return _INF
    # float() alone would take 1_0, blanks, nan, -1 and the digits of every script.
    if not number or not set(number) <= set("0123456789.eE+-") or number[0] in "+-":
        raise ValueError(text)
    return float(number) * unit


def _name_of(pid: int) -> str:
    """The name that the kernel has for a process (proc_pid_comm(5)), or '?'."""
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            return _show(file.read().rstrip(b"\n"))
    except OSError:
        return "?"


def _describe(found: list[Holder]) -> str:
    """Holders as a conflict names them: `4312 (backup.sh) for 3h12m`."""
    mains = _mains(found)
    if not mains:
        return "a process that you may not see"
    now = time.time()
    told = [(holder.keeps or holder.pid, now - holder.since) for holder in mains[:3]]
    shown = [f"{pid} ({_name_of(pid)}) for {_duration(age)}" for pid, age in told]
    return ", ".join(shown) + (f" and {len(mains) - 3} more" if len(mains) > 3 else "")


# --- the write end: is somebody reading? -------------------------------------


def _open_write_end(path: Path) -> int | None:
    """A descriptor of the write end, or None on proof that nobody reads.

    fifo(7): with O_NONBLOCK the open fails with ENXIO while the FIFO has no
    reader.  A missing FIFO, or directory, is read by nobody either.
    """
    try:
        fd = posix.open(path, _WRITE_END)
    except OSError as error:
        if error.errno == errno.ENXIO:
            _prove_dead(path)
            return None
        if error.errno == errno.ENOENT and posix.fspath(path):
            return None
        if error.errno == errno.EISDIR:
            raise NotAFifo(path) from None
        raise
    # A regular file opens too, and would read as "held" for ever.
    if not stat.S_ISFIFO(posix.fstat(fd).st_mode):
        posix.close(fd)
        raise NotAFifo(path)
    return fd


def _prove_dead(path: Path) -> None:
    """ENXIO is proof only from a FIFO: UNIX sockets and odd devices give it too."""
    try:
        if not stat.S_ISFIFO(posix.stat(path).st_mode):
            raise NotAFifo(path)
    except FileNotFoundError:
        pass  # gone since the open: read by nobody


def _probe(path: Path) -> os.stat_result | None:
    """The FIFO's stat while somebody reads it, None when nobody does."""
    fd = _open_write_end(path)
    if fd is None:
        return None
    try:
        return posix.fstat(fd)
    finally:
        posix.close(fd)


# --- waiting: one epoll instance, no polling ---------------------------------


class _Watch:
    """Sleeps until FIFOs lose their last reader or processes end.

    epoll(7), edge-triggered for EPOLLOUT: when the last reader closes,
    pipe_release() wakes the write end without naming an event, and epoll then
    reports EPOLLOUT (writable) even where a new holder has opened meanwhile
    and a level (POLLERR) would show nothing.  Further readers, checks, writes,
    reads and touches wake nothing.  SIGIO would not do: since Linux 5.14 every
    read(2) by a reader sends one.  See procalive(7) for the one exception, a
    pipe that somebody has filled.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._targets: dict[int, Target] = {}
        self._gone: list[Target] = []
        self._kept: set[int] = set()

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self._kept:
            posix.close(fd)
        self._epoll.close()

    def keep(self, fd: int) -> int:
        """Let a descriptor stay open until the watch ends, and close it then."""
        self._kept.add(fd)
        return fd

    def add(self, target: Target) -> int | None:
        """Watch a FIFO or a PID; the descriptor watched, or None if it is gone."""
        if isinstance(target, int):
            pidfd = _pidfd_open(target)
            if pidfd is not None:
                self.add_process(target, self.keep(pidfd))
            return pidfd
        fd = _open_write_end(target)
        if fd is None:
            return None
        self._targets[self.keep(fd)] = target
        self._epoll.register(fd, select.EPOLLOUT | select.EPOLLET)
        # A fresh registration reports "writable" once.  Take that report now,
        # or it would pass for a death; real events may come along with it.
        # It is there at once; with 0 an interrupted call would not be repeated.
        self._collect(0.01, fresh=fd)
        return fd

    def add_process(self, pid: int, pidfd: int) -> None:
        """Watch a process by a pidfd that is kept."""
        self._targets[pidfd] = pid
        self._epoll.register(pidfd, select.EPOLLIN)

    def went(self) -> list[Target]:
        """What is gone and was not yet returned by next(), which still will."""
        self._collect(0)
        return self._gone

    def next(self, deadline: float) -> list[Target]:
        """What is gone since the last call; [] when `deadline` (monotonic) passed."""
        while not self._gone:
            left = deadline - time.monotonic()
            self._collect(-1 if left == _INF else max(0.0, min(left, _LONGEST_SLEEP)))
            if left <= 0:
                break
        gone, self._gone = self._gone, []
        return gone

    def stale_at(self, max_age: float) -> float:
        """When the next beat will be missed (monotonic); raises Stale if one was."""
        if self._gone:
            return 0.0  # something to tell first
        now = time.time()
        fifos = [(posix.fstat(fd).st_mtime, path) for fd, path in self._targets.items() if not isinstance(path, int)]
        beat, path = min(fifos, key=lambda pair: pair[0], default=(_INF, ""))
        if now - beat > max_age:
            raise Stale(path, now - beat)
        return time.monotonic() + beat + max_age - now + 0.001  # strictly older, then

    def _collect(self, pause: float, fresh: int = -1) -> None:
        more = True
        while more:
            events = self._epoll.poll(pause, _BATCH)
            for fd, event in events:
                if fd != fresh or event & select.EPOLLERR:
                    target = self._targets.pop(fd)
                    self._gone.append(target)
                    # Unregistered first: a copy in a child that the host program has forked
                    # would keep a closed descriptor in the set (epoll(7), Q6).
                    self._epoll.unregister(fd)
                    # A pidfd is still good for its status; a write end could be taken for
                    # the read end that an old holder link names.
                    if not isinstance(target, int):
                        self._kept.remove(fd)
                        posix.close(fd)
            pause, more = 0, len(events) == _BATCH


def _refuse_nan(seconds: float | None) -> None:
    if seconds is not None and seconds != seconds:  # it would compare false for ever
        raise ValueError("the time is not a number")


def _deadline(seconds: float | None) -> float:
    _refuse_nan(seconds)
    return _INF if seconds is None else time.monotonic() + seconds


def _wait_gone(path: Path, deadline: float) -> bool:
    """Sleep until the FIFO has no reader; False if the deadline came first."""
    with _Watch() as watch:
        return watch.add(path) is None or bool(watch.next(deadline))


class _Arrival:
    """A thread asleep in open(2) of the write end until a reader comes.

    The blocking open is the only wait for a reader that misses none, not even
    one that comes and goes.  Nothing but a signal can call it back, and signals
    belong to the host program: a wait that runs out of time leaves its thread
    to the next wait for the same FIFO.
    """

    _guard = _thread.allocate_lock()
    _asleep: dict[_Inode, _Arrival] = {}

    def __init__(self) -> None:
        self.came = False
        self.error: Exception | None = None
        self.bells: list[_thread.LockType] = []

    @classmethod
    def expect(cls, path: Path, bell: _thread.LockType) -> _Arrival:
        """The arrival at this FIFO, on which `bell` (a held lock) is released."""
        found = posix.stat(path)
        if not stat.S_ISFIFO(found.st_mode):
            raise NotAFifo(path)
        key = _inode(found)
        with cls._guard:
            arrival = cls._asleep.get(key)
            if arrival is None:
                arrival = cls()
                _start_thread(arrival._sleep, path, key)
                cls._asleep[key] = arrival
            arrival.bells.append(bell)
        return arrival

    @classmethod
    def forget(cls) -> None:
        """In a child made by fork(2), which has none of the threads, and a guard that one may have locked."""
        cls._guard, cls._asleep = _thread.allocate_lock(), {}

    def _sleep(self, path: Path, key: _Inode) -> None:
        try:
            fd = posix.open(path, _WRITE_END & ~posix.O_NONBLOCK)
            if not stat.S_ISFIFO(posix.fstat(fd).st_mode):
                self.error = NotAFifo(path)
            posix.close(fd)
        except OSError as error:
            self.error = error
        with self._guard:
            del self._asleep[key]
            self.came = True
            for bell in self.bells:
                if bell.locked():
                    bell.release()

    def has_come(self) -> bool:
        if self.error is not None:
            raise self.error
        return self.came

    def leave(self, bell: _thread.LockType) -> None:
        with self._guard:
            self.bells.remove(bell)


posix.register_at_fork(after_in_child=_Arrival.forget)


def _start_thread(function: Callable[..., None], *args: object) -> None:
    try:
        _thread.start_new_thread(function, args)
    except RuntimeError:  # how Python says EAGAIN of pthread_create(3)
        raise OSError(errno.EAGAIN, "cannot start a thread") from None


# --- the read end: becoming a holder -----------------------------------------


def _make_fifo(path: Path, mode: int) -> None:
    """Create the FIFO with exactly this mode; one that exists stays as it is."""
    try:
        posix.mkfifo(path, mode)
    except FileExistsError:
        return
    except OSError as error:
        error.filename = posix.fspath(path)
        if error.errno == errno.ENOENT:
            error.strerror = "no such directory"
        raise
    _set_mode(path, mode)


def _set_mode(path: Path, mode: int) -> None:
    """Undo what the umask took from a FIFO just made.

    The umask is the whole process's, so other threads forbid to change it.  Nor
    may chmod(2) go by the name, to which another file could be moved meanwhile:
    it gets what was opened, and seen to be a FIFO.
    """
    try:
        fd = posix.open(path, posix.O_PATH | posix.O_NOFOLLOW | posix.O_CLOEXEC)
    except FileNotFoundError:
        return  # unlinked since: the caller looks again
    try:
        made = posix.fstat(fd).st_mode
        if stat.S_ISFIFO(made) and stat.S_IMODE(made) != mode:
            posix.chmod(f"/proc/self/fd/{fd}", mode)
    except FileNotFoundError:
        raise OSError(errno.ENOENT, f"its mode cannot be made {mode:04o} without /proc", path) from None
    finally:
        posix.close(fd)


def _prepare(path: Path, mode: int | None) -> None:
    """Refuse what is not fit to be held; create a FIFO if missing and a mode is given."""
    while True:
        try:
            found = posix.lstat(path)
        except FileNotFoundError:
            # Behind a slash no FIFO can be made, and a dangling link "exists" (EEXIST) for ever.
            if mode is None or _fsencode(path)[-1:] in (b"", b"/"):
                raise
            _make_fifo(path, mode)
            continue
        if stat.S_ISLNK(found.st_mode):
            raise Refused(path, "a symbolic link; name the FIFO itself")
        if not stat.S_ISFIFO(found.st_mode):
            raise NotAFifo(path)
        _refuse_planted(path, found)
        return


def _refuse_planted(path: Path, found: os.stat_result) -> None:
    """In /tmp anybody can put a FIFO in place, keep it open and block the job."""
    if found.st_uid in (posix.geteuid(), 0):
        return
    directory, slash, _ = _fsencode(path).rpartition(b"/")
    parent = posix.stat(directory + slash or b".").st_mode
    if parent & stat.S_ISVTX and parent & stat.S_IWOTH:
        raise Refused(
            path,
            f"belongs to user {_user_name(found.st_uid)}, in a directory where anybody may create files; "
            "use a directory of your own, such as $XDG_RUNTIME_DIR or one in /run",
        )


def _flock(fd: int, shared: bool, path: Path, block: bool = False) -> bool:
    """flock(2); False if another open file description has the lock."""
    how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(fd, how if block else how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        error.filename = posix.fspath(path)
        raise
    return True


def _leads_to(path: Path, found: os.stat_result) -> bool:
    """Whether the name still leads to this FIFO, and not to a newer one."""
    try:
        return _inode(found) == _inode(posix.lstat(path))
    except FileNotFoundError:
        return False


def _reads_now(path: Path, unknown: bool) -> bool:
    """The probe of a contender; `unknown` if it may read the FIFO but not write it."""
    try:
        return _probe(path) is not None
    except PermissionError:
        return unknown


def _open_read_end(path: Path) -> int | None:
    try:
        return posix.open(path, _READ_END)
    except FileNotFoundError:
        return None  # unlinked since it was seen


def _try_hold(path: Path, shared: bool, mode: int) -> int | None:
    """One attempt: the locked read end, or None while another process holds.

    An exclusive contender opens the read end only where the probe said dead:
    the open alone looks like a living holder to everybody else.
    """
    obstructed = 0
    while True:
        _prepare(path, mode)
        if not shared and _reads_now(path, unknown=False):
            return None
        fd = _open_read_end(path)
        if fd is None:
            continue
        try:
            found = posix.fstat(fd)
            locked = stat.S_ISFIFO(found.st_mode) and _flock(fd, shared, path)
            if locked and _leads_to(path, found):
                return fd
        except BaseException:
            posix.close(fd)
            raise
        posix.close(fd)
        if locked:
            continue  # unlinked or replaced: what we locked is nobody's FIFO
        if _reads_now(path, unknown=True):
            return None
        obstructed = obstructed + 1 if _leads_to(path, found) else 0
        _refuse_obstructed(path, found, obstructed)


def _refuse_obstructed(path: Path, found: os.stat_result, times: int) -> None:
    """Raise if the lock stays taken while nobody reads; return if its holder just left.

    A closing descriptor gives up the lock before the read end (__fput() in
    fs/file_table.c), so the same owner seen before and after a dead probe
    cannot be a holder that is leaving.
    """
    owners = _lock_owners(found)
    if owners and _probe(path) is None and _leads_to(path, found) and _lock_owners(found) == owners:
        raise Obstructed(path, _locker(found, owners))
    # /proc/locks hides the owners of other PID namespaces, and has another device
    # number on btrfs and overlay file systems.  No holder can come and go unseen
    # this often, so the lock must be such an owner's.
    if times > 100:
        raise Obstructed(path, _locker(found, []))


def _lock_owners(found: os.stat_result) -> list[int]:
    """The PIDs in /proc/locks that took a flock on this inode (proc_locks(5))."""
    device = f"{posix.major(found.st_dev):02x}:{posix.minor(found.st_dev):02x}:{found.st_ino}"
    try:
        with open("/proc/locks") as file:
            lines = [line.split() for line in file]
    except OSError:
        return []  # /proc not mounted
    return [int(words[4]) for words in lines if words[1] == "FLOCK" and words[5] == device]


def _hold_within(path: Path, shared: bool, mode: int, deadline: float) -> int | None:
    """The locked read end, or None if another process held until the deadline."""
    while True:
        fd = _try_hold(path, shared, mode)
        if fd is not None or time.monotonic() >= deadline:
            return fd
        try:
            _wait_gone(path, deadline)
        except PermissionError:
            raise Refused(path, "held, and to wait for its end takes permission to write to the FIFO") from None


def _beat(fd: int) -> None:
    """Touch the FIFO: `check --max-age` counts from here."""
    try:
        posix.utime(fd)
    except OSError:
        pass  # neither owner nor allowed to write: another can beat, the hold is good


def _publish(path: Path, pid: int, fd: int) -> None:
    """Leave `FIFO.holder` -> /proc/PID/fd/N, by which a shell can check unforked.

    Only a hint: it is believed while it leads to the FIFO itself, which the
    kernel makes it do just as long as that process keeps it open.  So it may
    dangle, and failing to leave it is no error.
    """
    link = _fsencode(path) + b".holder"
    fresh = link + b".new"
    try:
        if _type_of(link) not in (0, stat.S_IFLNK):
            return  # somebody's file: not ours to replace
        if _type_of(fresh) == stat.S_IFLNK:
            posix.unlink(fresh)  # of a holder killed between the next two lines
        posix.symlink(b"/proc/%d/fd/%d" % (pid, fd), fresh)
        posix.rename(fresh, link)
    except OSError:
        pass


# --- /proc: who reads? -------------------------------------------------------


class Holder:
    """A process that has the FIFO open for reading.

    fifo: path as the caller named it.  pid, fd: whose descriptor, and which.
    uid: effective user ID.  since: start of the process, seconds since the
    epoch.  lock: whether the descriptor carries the flock, or just reads.
    keeps: for a keeper (`hold -o`), the PID of the process that it keeps.
    command: the argument list.
    """

    __slots__ = (
        "_caller",
        "_inode",
        "_keeper",
        "_parent",
        "command",
        "fd",
        "fifo",
        "keeps",
        "lock",
        "pid",
        "since",
        "uid",
    )

    def __init__(self, fifo: Path, inode: _Inode, pid: int, fd: int, lock: bool) -> None:
        self.fifo = fifo
        self._inode = inode
        self.pid = pid
        self.fd = fd
        self.lock = lock
        self.uid, self._caller, self._parent = _read_status(pid)
        self.since = _read_start(pid)
        self.command = _read_command(pid)
        kept = _read_kept(pid) if self.command[:2] == ["procalive", "keep"] else [_ENDED]
        self._keeper = set(kept) != {_ENDED}  # once the job has ended, it is a holder like any
        self.keeps = _believed(kept, self._caller)

    def _with(self, **facts: Any) -> Holder:
        """The same process with another descriptor, or another name of the FIFO."""
        twin = object.__new__(Holder)
        for name in self.__slots__:
            setattr(twin, name, facts.get(name, getattr(self, name)))
        return twin

    def __repr__(self) -> str:
        return f"Holder({self.as_dict()})"

    @property
    def user(self) -> str:
        """The name of `uid` in the user database, or the number itself."""
        return _user_name(self.uid)

    def as_dict(self) -> dict[str, Any]:
        """What `who --json` prints, in its order."""
        names = ("fifo", "pid", "fd", "uid", "user", "since", "lock", "keeps", "command")
        return {name: getattr(self, name) for name in names} | {"fifo": _fsdecode(self.fifo)}


def _user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _read_proc(name: str) -> bytes:
    with open(f"/proc/{name}", "rb", buffering=0) as file:
        return file.read()


def _read_status(pid: int) -> tuple[int, int, int]:
    """(effective UID, real UID, parent's PID): proc_pid_status(5)."""
    fields = dict(line.split(b":", 1) for line in _read_proc(f"{pid}/status").splitlines() if b":" in line)
    real, effective = fields[b"Uid"].split()[:2]
    return int(effective), int(real), int(fields[b"PPid"])


def _read_start(pid: int) -> float:
    """Start of a process in seconds since the epoch, to 10 ms: proc_pid_stat(5).

    Counted back from now, so it follows the steps of the clock as `ps` does.
    """
    after_name = _read_proc(f"{pid}/stat").rpartition(b")")[2].split()
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.time() - uptime + int(after_name[19]) / posix.sysconf("SC_CLK_TCK")


def _read_command(pid: int) -> list[str]:
    """The argument list (proc_pid_cmdline(5)); of a process without one, its name."""
    words = _read_proc(f"{pid}/cmdline").rstrip(b"\0").split(b"\0")
    return [_fsdecode(word) for word in words] if words[0] else [_name_of(pid)]


_ENDED, _CANNOT_TELL = -1, 0  # what the kernel, too, has in the place of a PID


def _read_kept(pid: int) -> list[int]:
    """The processes that its pidfds stand for: proc_pid_fdinfo(5).

    _ENDED is one that was reaped; _CANNOT_TELL one in a PID namespace that we do
    not see into, and any descriptor that cannot be looked at.
    """
    kept = []
    for fd in _open_files(str(pid)):
        try:
            info = _read_proc(f"{pid}/fdinfo/{fd}")
            kept += [int(info.partition(b"\nPid:")[2].split()[0])] if b"\nPid:" in info else []
        except OSError as error:
            _pass_over(error)
            kept.append(_CANNOT_TELL)
    return kept


def _believed(kept: list[int], caller: int) -> int | None:
    """The process that a keeper keeps, where its real user, `caller`, may speak for it.

    That is the user of the process, root, or ourselves: nobody shall point
    another user's `kill` at a process by posing as its keeper, not by the
    effective user of a set-user-ID program either.
    """
    for pid in kept:
        try:
            if pid > 0 and caller in (0, posix.geteuid(), _read_status(pid)[0]):
                return pid
        except OSError as error:
            _pass_over(error)
    return None


def _reading(pid: str, fd: str) -> tuple[bool, bool]:
    """(open for reading, carries a flock): proc_pid_fdinfo(5)."""
    info = _read_proc(f"{pid}/fdinfo/{fd}")
    flags = int(info.partition(b"flags:")[2].split()[0], 8)
    reads = flags & posix.O_ACCMODE != posix.O_WRONLY and not flags & posix.O_PATH
    return reads, b"FLOCK" in info  # and not a POSIX lock, which is another matter


def _processes() -> list[str]:
    try:
        return [pid for pid in posix.listdir("/proc") if pid[0] in "123456789"]
    except FileNotFoundError:
        return []  # /proc not mounted: nobody to be seen


def _pass_over(error: Exception) -> None:
    """Ended or closed while we looked, or not ours to see; all else is passed on.

    A want of descriptors or memory must not read as "does not hold".
    """
    if isinstance(error, OSError) and error.errno not in (errno.ENOENT, errno.ESRCH, errno.EACCES, errno.EPERM):
        raise error


def _open_files(pid: str) -> list[str]:
    try:
        return posix.listdir(f"/proc/{pid}/fd")
    except OSError as error:
        _pass_over(error)
        return []


def _inode_behind(pid: str, fd: str) -> _Inode | None:
    try:
        found = posix.stat(f"/proc/{pid}/fd/{fd}")
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            raise
        return None  # closed, or on a file system that does not answer: no FIFO
    return _inode(found)


def _reads_inode(pid: str, fd: str, inodes: Container[_Inode]) -> tuple[_Inode, bool] | None:
    """(inode, carries a flock) if this descriptor reads one of the inodes."""
    inode = _inode_behind(pid, fd)
    if inode is None or inode not in inodes:
        return None
    try:
        reads, lock = _reading(pid, fd)
    except (OSError, LookupError, ValueError) as error:
        _pass_over(error)
        return None
    return (inode, lock) if reads else None


def _find_holders(fifos: dict[_Inode, Path]) -> list[Holder]:
    """The readers of these FIFOs, in one pass over /proc."""
    found: list[Holder] = []
    for pid in _processes() if fifos else ():
        for fd in _open_files(pid):
            reader = _reads_inode(pid, fd, fifos)
            if reader is None:
                continue
            inode, lock = reader
            if found and found[-1].pid == int(pid):  # once for each process, not for each of its descriptors
                found.append(found[-1]._with(fifo=fifos[inode], _inode=inode, fd=int(fd), lock=lock))
                continue
            try:
                found.append(Holder(fifos[inode], inode, int(pid), int(fd), lock))
            except (OSError, LookupError, ValueError) as error:
                _pass_over(error)
    return found


def _locks(pid: str, inode: _Inode) -> list[bool]:
    """Of its descriptors that carry a flock on the inode: whether each is open for reading."""
    try:
        found = [_reading(pid, fd) for fd in _open_files(pid) if _inode_behind(pid, fd) == inode]
    except (OSError, LookupError, ValueError):
        return []
    return [reads for reads, lock in found if lock]


def _locker(found: os.stat_result, named: list[int]) -> int | None:
    """Who to end to free the lock: a process that /proc/locks names, unless those
    have left the descriptor to another."""
    inode = _inode(found)
    first = named[0] if named else None
    return next((int(pid) for pid in (*map(str, named), *_processes()) if _locks(pid, inode)), first)


def _inode_of(path: Path) -> _Inode | None:
    """The FIFO's inode, or None if it is missing."""
    try:
        found = posix.stat(posix.fspath(path))  # an int would be a descriptor
    except FileNotFoundError:
        if posix.fspath(path):
            return None
        raise
    if not stat.S_ISFIFO(found.st_mode):
        raise NotAFifo(path)
    return _inode(found)


def _mains(found: list[Holder]) -> list[Holder]:
    """The holders whose parent does not hold; those with the lock, if any has it.

    The rest are children that inherited the descriptor, and stray readers.
    """
    everyone = {holder.pid: holder for holder in found}
    locked = {holder.pid: holder for holder in found if holder.lock} or everyone
    return [holder for holder in locked.values() if holder._parent not in locked]


# --- pidfds ------------------------------------------------------------------


def _pidfd_open(pid: int) -> int | None:
    """pidfd_open(2), Linux 5.3; None if there is no such process."""
    try:
        return posix.pidfd_open(pid)
    except ProcessLookupError:
        return None
    except OverflowError:
        number = errno.EINVAL
    except AttributeError:  # a Python built on an older system
        number = errno.ENOSYS
    except OSError as error:
        number = error.errno or 0
    if number in (errno.ENOSYS, errno.EPERM):
        raise OSError(number, "pidfd_open(2) is not to be had here (it takes Linux 5.3)", str(pid))
    if number in (errno.EINVAL, errno.ENOENT):
        raise OSError(number, "not a process ID", str(pid))  # but a thread's
    raise OSError(number, posix.strerror(number), str(pid))


def _pidfd_of(holder: Holder, watch: _Watch) -> int | None:
    """A pidfd of the process that holds (or is kept), or None if it let go.

    The check comes after the open.  Had the PID been reused before it, the
    check would find a process that does not hold; had it been reused since, the
    pidfd stands for the old process and reaches nobody.
    """
    # For a keeper that of its job, never its own: without it the job would run unheld.
    pid = holder.keeps if holder._keeper else holder.pid
    pidfd = None if pid is None else _pidfd_open(pid)
    if pidfd is None:
        return None
    watch.keep(pidfd)
    return pidfd if _still_holds(holder) else None


def _still_holds(holder: Holder) -> bool:
    try:
        found = posix.stat(f"/proc/{holder.pid}/fd/{holder.fd}")
        reads = _inode(found) == holder._inode and _reading(str(holder.pid), str(holder.fd))[0]
    except (FileNotFoundError, ProcessLookupError, LookupError, ValueError):
        return False  # whatever else goes wrong, it may well hold
    # A keeper's own pidfd shows its job's PID only as long as that process is there.
    return reads and (not holder._keeper or _believed(_read_kept(holder.pid), holder._caller) == holder.keeps)


def _owners(path: Path, found: list[Holder]) -> tuple[list[int], float]:
    """Who took the lock, even where it ended since, and when the process had started by then.

    What inherited the lock tells both best: neither the link, nor the clock that
    dates it, nor the device number, which /proc/locks has other than stat(2) on
    btrfs and some overlays, can then mislead.
    """
    heirs = [holder for holder in found if holder.lock]
    if not heirs:
        return _lock_owners(posix.stat(path)), posix.lstat(_fsencode(path) + b".holder").st_mtime
    lines: list[list[bytes]] = []
    for heir in heirs:
        try:
            lines += map(bytes.split, _read_proc(f"{heir.pid}/fdinfo/{heir.fd}").splitlines())
        except OSError:
            continue  # ended meanwhile; the others tell the same
    owners = [int(words[5]) for words in lines if words[:1] == [b"lock:"] and words[2] == b"FLOCK"]
    return owners, min(heir.since for heir in heirs)


def _unseen_owners(path: Path, found: list[Holder]) -> list[int]:
    """Other users' processes that hold, but whose descriptors cannot be seen."""
    seen = {pid for holder in found for pid in (holder.pid, holder.keeps)}
    try:
        owners, since = _owners(path, found)
        since += 0.02  # starts are told to 10 ms
        return [pid for pid in dict.fromkeys(owners) if pid not in seen and _is_hidden(pid, since)]
    except (OSError, LookupError, ValueError):
        return []


def _is_hidden(pid: int, since: float) -> bool:
    """Whether this process started by then, and does not show its descriptors."""
    try:
        if _read_start(pid) <= since:
            posix.listdir(f"/proc/{pid}/fd")
    except PermissionError:
        return True
    except OSError:
        return _is_there(pid)  # hidepid=2 (proc(5)) hides other users' processes whole
    return False


def _is_there(pid: int) -> bool:
    try:
        posix.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _pidfds_of_unseen(path: Path, found: list[Holder], watch: _Watch) -> list[int]:
    """Of the owners unseen: all, or none where one of them cannot be told for sure."""
    owners = _unseen_owners(path, found)
    pidfds = [watch.keep(pidfd) for pidfd in map(_pidfd_open, owners) if pidfd is not None]
    return pidfds if _unseen_owners(path, found) == owners else []  # the check comes after the open


# From linux/pidfd.h: _IOWR(PIDFS_IOCTL_MAGIC, 11, struct pidfd_info), whose first
# member is a 64-bit mask and whose 32 bits at 60 are the wait status (Linux 6.15).
_PIDFD_GET_INFO = 0xC040FF0B
_PIDFD_INFO_EXIT = 8
_MASK_SIZE, _EXIT_CODE_AT = 8, 60  # bytes


def _exit_status(pidfd: int, deadline: float) -> int | None:
    """How a process ended, as a shell counts: its status, or 128 + signal.

    Asleep until the process was reaped, for only then does the kernel tell.
    None where the kernel cannot say (before 6.15).  Raises TimeoutError.
    """
    reaped = select.poll()
    reaped.register(pidfd, 0)  # POLLHUP, reported unasked
    while True:
        info = bytearray(_PIDFD_INFO_EXIT.to_bytes(_MASK_SIZE, sys.byteorder).ljust(_EXIT_CODE_AT + 4, b"\0"))
        try:
            fcntl.ioctl(pidfd, _PIDFD_GET_INFO, info)
        except OSError:
            return None
        if int.from_bytes(info[:_MASK_SIZE], sys.byteorder) & _PIDFD_INFO_EXIT:
            code = int.from_bytes(info[_EXIT_CODE_AT:], sys.byteorder)
            return 128 + posix.WTERMSIG(code) if posix.WIFSIGNALED(code) else posix.WEXITSTATUS(code)
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        reaped.poll(None if left == _INF else min(left, _LONGEST_SLEEP) * 1000)


# --- what the verbs are made of ----------------------------------------------


def _look_up(paths: Sequence[Path]) -> dict[Path, list[Holder] | Exception]:
    """For each FIFO its holders, or what forbids to tell, in one pass over /proc.

    Nobody, on proof only: a look takes its time, and holders that come, fork and
    exec meanwhile can slip through it, though hardly through several.
    """
    results: dict[Path, list[Holder] | Exception] = {path: Unseen(path) for path in paths}
    for _ in range(6):
        inodes = {path: _outcome(_inode_of, path) for path, result in results.items() if isinstance(result, Unseen)}
        seen = _find_holders({inode: path for path, inode in inodes.items() if isinstance(inode, tuple)})
        for path, inode in inodes.items():
            found = [holder._with(fifo=path) for holder in seen if holder._inode == inode]
            alive = inode if found or isinstance(inode, Exception) else _outcome(_probe, path)
            if isinstance(alive, Exception):
                results[path] = alive
            elif found or alive is None:
                results[path] = found
    return results


def _outcome(look: Callable[[Path], Any], path: Path) -> Any:
    """What a look at the FIFO returns or raises."""
    try:
        return look(path)
    except (ProcaliveError, OSError) as error:
        return error


def _held(path: Path) -> Held:
    """The conflict, with those who can be seen: it must not fail for want of them."""
    try:
        found = holders(path)
    except (ProcaliveError, OSError):
        return Held(path, [])
    return Held(path, found) if found else Held(path, found, "held a moment ago, by a process that has let go since")


def _open_for_status(watch: _Watch, watched: dict[Target, int | None]) -> dict[Target, list[int]]:
    """For each target the pidfds of the processes whose exit status counts."""
    pidfds: dict[Target, list[int]] = {}
    for target, fd in watched.items():
        if fd is None:
            continue
        if isinstance(target, int):
            pidfds[target] = [fd]
        elif target not in watch.went():
            pidfds[target] = _pidfds_of_mains(target, watch)
    for target in watch.went():
        if not isinstance(target, int):
            pidfds.pop(target, None)  # handed over while we looked: they may be of the next holder
    return pidfds


def _pidfds_of_mains(path: Path, watch: _Watch) -> list[int]:
    try:
        found = holders(path)
    except Unseen:
        found = []
    if not all(posix.access(f"/proc/{pid}", posix.F_OK) for pid in _unseen_owners(path, found)):
        return []  # hidden whole, its start too: it may have got the PID of the one that took the lock
    unseen = _pidfds_of_unseen(path, found, watch)
    if unseen:
        # The others are main only if they took the lock themselves, and did not inherit it.
        owners, _ = _owners(path, found)
        found = [holder for holder in found if holder.pid in owners or holder.keeps in owners]
    seen = [_pidfd_of(holder, watch) for holder in _mains(found)]
    return [*unseen, *(pidfd for pidfd in seen if pidfd is not None)]


def _wait_down(
    watch: _Watch, watched: dict[Target, int | None], any: bool, max_age: float | None, deadline: float
) -> list[Target]:
    """The targets in the order in which they went; with `any` the first alone."""
    gone = [target for target, fd in watched.items() if fd is None]
    while len(gone) < len(watched) and not (any and gone):
        until = deadline if max_age is None else min(deadline, watch.stale_at(max_age))
        news = watch.next(until)
        gone += news
        if not news and time.monotonic() >= deadline:
            raise TimedOut(next(target for target in watched if target not in gone), "still there")
    return gone[:1] if any else gone


def _ending(target: Target, pidfds: Iterable[int], deadline: float) -> int | None:
    """The highest exit status among the processes; None if one is not known."""
    try:
        statuses = [_exit_status(pidfd, deadline) for pidfd in pidfds]
    except TimeoutError:
        raise TimedOut(target, "ended, but not yet reaped by its parent") from None
    known = [status for status in statuses if status is not None]
    return max(known) if known and len(known) == len(statuses) else None


def _wait_up(paths: list[Path], any: bool, deadline: float) -> list[Path]:
    """The FIFOs in the order in which they came alive; with `any` the first alone."""
    for path in paths:
        if _inode_of(path) is None:
            _make_fifo(path, 0o600)
    bell = _thread.allocate_lock()
    bell.acquire()
    arrivals: dict[Path, _Arrival] = {}
    try:
        came = dict.fromkeys(path for path in paths if _probe(path) is not None)  # in this order
        for path in paths:
            if path not in came:
                arrivals[path] = _Arrival.expect(path, bell)
        while True:
            came.update(dict.fromkeys(path for path in paths if path not in came and arrivals[path].has_come()))
            if len(came) == len(paths) or (any and came):
                return list(came)[: 1 if any else None]
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimedOut(next(path for path in paths if path not in came), "nobody holds it")
            bell.acquire(timeout=min(left, _LONGEST_SLEEP))
    finally:
        for arrival in arrivals.values():
            arrival.leave(bell)


def _signal(path: Path, sig: int, all: bool, watch: _Watch, spare: Iterable[int] = ()) -> list[int]:
    """Signal the holders; those of the next generation, told by the watch, not."""
    found = holders(path)
    unseen = _unseen_owners(path, found)
    if unseen:
        raise Unseen(path, f"by {unseen[0]} ({_name_of(unseen[0])}), into which you may not look")
    sent: list[int] = []
    for holder in {holder.pid: holder for holder in (found if all else _mains(found))}.values():
        pid = holder.keeps or holder.pid
        # Never ourselves, and none twice: a job that is about to exec holds beside its keeper.
        pidfd = None if pid in (posix.getpid(), *spare, *sent) else _pidfd_of(holder, watch)
        # In this order: a holder seen before a watch that saw no death is one
        # of those that held when the watch began.
        if pidfd is not None and path not in watch.went() and _send(path, pid, pidfd, sig):
            watch.add_process(pid, pidfd)
            sent.append(pid)
    for holder in () if sent else found:
        # Nobody for want of belief in a keeper, or of a second look, is no proof of nobody.
        if holder._keeper and holder.keeps not in (posix.getpid(), *spare) and _probe(path) is not None:
            raise Unseen(path, f"by keeper {holder.pid} for a process that cannot be told, or is not {holder.user}'s")
    return sent


def _send(path: Path, pid: int, pidfd: int, sig: int) -> bool:
    """pidfd_send_signal(2), Linux 5.1; False if the process is gone."""
    try:
        signal.pidfd_send_signal(pidfd, sig)
    except ProcessLookupError:
        return False
    except OSError as error:
        error.filename = posix.fspath(path)
        whom = f"signal {pid} ({_name_of(pid)})"
        error.strerror = (
            f"not permitted to {whom}" if error.errno == errno.EPERM else f"cannot {whom}: {error.strerror}"
        )
        raise
    return True


def _free_within(watch: _Watch, path: Path, deadline: float) -> bool:
    """Sleep until the FIFO is free; the ends of single processes do not count."""
    while True:
        news = watch.next(deadline)
        if not news or path in news:
            return bool(news)


def _kill_rest(watch: _Watch, path: Path, all: bool, deadline: float) -> list[int]:
    """SIGKILL what holds, and what its end leaves holding, until it is free."""
    killed: list[int] = []
    while True:
        killed += _signal(path, signal.SIGKILL, all, watch, killed)
        news = watch.next(deadline)
        if path in news:
            return killed
        if time.monotonic() >= deadline:
            after = " after SIGKILL" if killed else ""
            raise TimedOut(path, f"still held{after} by {_describe(_held(path).holders)}")


# --- public: the verbs -------------------------------------------------------


class Hold:
    """A FIFO held by this process: a context manager, or release() by hand.

    fd is the locked read end, close-on-exec, and -1 after the release, when
    `with` raises ValueError.  A child made by fork(2) without exec keeps the
    FIFO alive until it ends too.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd

    def __enter__(self) -> Hold:
        if self.fd < 0:
            raise ValueError(f"{_show(self.path)}: was released")
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Let go, by closing: never LOCK_UN, which would leave a reader unlocked."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            posix.close(fd)


def hold(path: Path, *, timeout: float | None = 0.0, shared: bool = False, mode: int = 0o600) -> Hold:
    """Hold the FIFO, created with `mode` if missing; its directory must exist.

    timeout: seconds to wait for another holder to end, asleep; None for ever.
    shared: beside other shared holders, but no exclusive one.

    Raises Held; NotAFifo; Refused (a symbolic link, or a stranger's FIFO in a
    sticky directory); Obstructed; OSError; ValueError (a timeout that is NaN, a
    mode above 0o777).  See fifo(7), flock(2).
    """
    if not 0 <= mode <= 0o777:
        raise ValueError(f"{mode:#o}: not a mode from 0 to 0o777")
    fd = _hold_within(path, shared, mode, _deadline(timeout))
    if fd is None:
        raise _held(path)
    _beat(fd)
    _publish(path, posix.getpid(), fd)
    return Hold(path, fd)


def check(path: Path, *, max_age: float | None = None) -> bool:
    """Whether a process has the FIFO open for reading.  Never blocks.

    A missing FIFO, or directory, is not alive.  With max_age (seconds): alive
    and well, which raises Stale where the last beat, the FIFO's mtime, is older.

    Raises NotAFifo, or OSError (permission denied, a loop of links): cannot tell.
    ValueError if max_age is NaN.  See fifo(7), ENXIO in open(2).
    """
    _refuse_nan(max_age)
    found = _probe(path)
    if found is not None and max_age is not None:
        age = time.time() - found.st_mtime
        if age > max_age:
            raise Stale(path, age)
    return found is not None


def wait(
    *targets: Target,
    timeout: float | None = None,
    any: bool = False,
    up: bool = False,
    status: bool = False,
    max_age: float | None = None,
) -> dict[Target, int | None]:
    """Sleep until every target, or with `any` the first, is gone.

    A target is a FIFO's path, gone once it has been without a reader since the
    call, even if a new holder took it at once; or an int, the PID of any
    process of the system (pidfd_open(2), Linux 5.3).

    timeout: seconds.  up: wait for a holder; a missing FIFO is created.  status:
    also learn how the process, or the FIFO's main holder, ended.  max_age:
    seconds; give up as soon as a live holder misses its beat.

    Returns the targets in the order in which they went; the values are exit
    statuses (128 + signal if killed), None if not asked for or not known
    (before Linux 6.15, or a holder that could not be seen).

    Raises TimedOut, Stale, NotAFifo, OSError, ValueError.  Works in any thread, leaves
    signals alone and wakes for nothing but the event.
    """
    deadline = _deadline(timeout)
    _refuse_nan(max_age)
    waiting = list(dict.fromkeys(targets))
    if up:
        paths = [target for target in waiting if not isinstance(target, int)]
        if status or max_age is not None or len(paths) < len(waiting):
            raise ValueError("up goes with neither PIDs, status nor max_age")
        return dict.fromkeys(_wait_up(paths, any, deadline))
    with _Watch() as watch:
        watched = {target: watch.add(target) for target in waiting}
        pidfds = _open_for_status(watch, watched) if status else {}
        gone = _wait_down(watch, watched, any, max_age, deadline)
        return {target: _ending(target, pidfds.get(target, ()), deadline) for target in gone}


def holders(path: Path) -> list[Holder]:
    """The processes that have the FIFO open for reading; [] if nobody does.

    Read from /proc/*/fd, so it may miss those of other users; raises Unseen
    when that leaves none though the FIFO is alive.  Also NotAFifo, OSError.
    """
    found = _look_up([path])[path]
    if isinstance(found, Exception):
        raise found
    return found


def kill(path: Path, sig: int = signal.SIGTERM, *, all: bool = False, grace: float | None = None) -> list[int]:
    """Signal the main holder, or with `all` every holder; returns the PIDs.

    The main holder is the one whose parent does not hold; for a keeper, the
    process kept.  Each signal goes through a pidfd that was opened before the
    process was seen to hold, so never to a reused PID (Linux 5.3).

    grace: seconds; then sleep until the FIFO is free, and end with SIGKILL what
    still holds it after that time.  The caller itself is never signalled.

    Raises TimedOut (still held after SIGKILL), PermissionError, Unseen,
    NotAFifo, OSError, ValueError.
    """
    if grace is not None and not grace >= 0:
        raise ValueError("the grace is not a time")
    with _Watch() as watch:
        if grace is None:
            return _signal(path, sig, all, watch)
        # Watched before the first signal, so that not even a job that is
        # restarted at once can be taken for the one that was to end.
        if watch.add(path) is None:
            return []
        sent = _signal(path, sig, all, watch)
        if not _free_within(watch, path, _deadline(grace)):
            sent += _kill_rest(watch, path, all, _deadline(max(grace, 1.0)))
        return list(dict.fromkeys(sent))


# --- hold: becoming the command ----------------------------------------------


def _move_high(fd: int) -> int:
    """The descriptor at a number that scripts do not use, for the command to inherit.

    `exec 3>&1` in the wrapped script would close a low one, and let go.
    """
    limit = posix.sysconf("SC_OPEN_MAX")
    odd = range(701, limit, 2) if limit > 701 else range((limit - 2) | 1, 2, -2)
    for high in odd:
        if not _is_open(high):
            posix.dup2(fd, high)
            posix.close(fd)
            return high
    posix.set_inheritable(fd, True)
    return fd


def _is_open(fd: int) -> bool:
    try:
        return fcntl.fcntl(fd, fcntl.F_GETFD) >= 0
    except OSError:
        return False


def _start_keeper(path: str, fd: int) -> int:
    """Leave the FIFO to a process that lets go when this one, the job, ends.

    Returns the write end of a pipe that ties the keeper to the exec; see
    _dismiss_keeper.
    """
    try:
        job = _pidfd_open(posix.getpid()) or 0
        order, dismiss = posix.pipe()
        code = _fork_between(path, fd, job, order)
        if code:
            raise OSError(code, posix.strerror(code))
    except OSError as error:
        raise OSError(error.errno, f"cannot start a keeper: {error.strerror}", path) from None
    posix.close(order)
    posix.close(job)
    return dismiss


def _fork_between(path: str, fd: int, job: int, order: int) -> int:
    """Fork the keeper by way of a child that ends at once; an errno if it failed.

    So it is nobody's child: a command that waits for all its children would
    wait for it.
    """
    # Where the caller ignores SIGCHLD, the kernel would keep the status to itself.
    chld = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    between = posix.fork()
    if between == 0:
        try:
            _fork_keeper(path, fd, job, order)
            posix._exit(0)
        except OSError as error:
            posix._exit(error.errno or errno.EIO)
        except BaseException:
            posix._exit(errno.EIO)
    status = posix.waitpid(between, 0)[1]
    signal.signal(signal.SIGCHLD, chld)
    return posix.WEXITSTATUS(status) if posix.WIFEXITED(status) else errno.EIO


def _fork_keeper(path: str, fd: int, job: int, order: int) -> None:
    """In the child between: all that can fail, then the keeper itself."""
    posix.setsid()
    # Its end is the job's end; a signal meant for the group must not let go.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    posix.chdir("/")
    for other in _own_descriptors():
        if other not in (fd, job, order):
            _close_quietly(other)
    # Before there is a keeper: by its title `kill` knows that it is none to signal.
    _set_title("keep", path)
    keeper = posix.fork()
    if keeper:
        _publish(path, keeper, fd)
        return
    _keep(job, order)


def _keep(job: int, order: int) -> NoReturn:
    """Sleep until the job ends, or is not to begin; exiting lets go."""
    events = select.poll()
    events.register(job, select.POLLIN)
    events.register(order, select.POLLIN)
    while True:
        try:
            ready = events.poll()
        except OSError:  # no memory: to let go while the job runs would be worse
            time.sleep(1)
            continue
        for fd, event in ready:
            if fd == job or event & select.POLLIN:
                posix._exit(0)
            events.unregister(order)  # hung up: the exec has closed the other end


def _dismiss_keeper(dismiss: int) -> None:
    """After a failed exec: have the keeper let go, and return when it has."""
    try:
        posix.write(dismiss, b"x")
    except BrokenPipeError:
        return  # somebody has ended it
    gone = select.poll()
    gone.register(dismiss, 0)  # POLLERR, reported unasked
    gone.poll()


def _own_descriptors() -> Sequence[int]:
    try:
        return [int(fd) for fd in posix.listdir("/proc/self/fd")]
    except OSError:  # /proc not mounted
        return range(posix.sysconf("SC_OPEN_MAX"))


def _close_quietly(fd: int) -> None:
    try:
        posix.close(fd)
    except OSError:
        pass


def _set_title(*words: str) -> None:
    """What ps(1) shows: the arguments are written over where the kernel reads them.

    Raises OSError; without /proc, where nobody can look, it does nothing.
    """
    try:
        ends = _read_proc("self/stat").rpartition(b")")[2].split()
        start, end = int(ends[45]), int(ends[46])
        title = b"\0".join(_fsencode(word) for word in ("procalive", *words))[: end - start - 1]
        memory = posix.open("/proc/self/mem", posix.O_RDWR | posix.O_CLOEXEC)
        posix.pwrite(memory, title.ljust(end - start, b"\0"), start)
        posix.close(memory)
        with open("/proc/self/comm", "wb") as comm:
            comm.write(b"procalive")
    except FileNotFoundError:
        pass


def _restore_signals(ignored: str) -> None:
    """Give the command the dispositions that Python changed at its start."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # one that comes just before the exec ends us, too
    if "p" not in ignored:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if "x" not in ignored:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def _restore_locale() -> None:
    """Give back the LC_CTYPE that Python replaces where it is C or not set (PEP 538)."""
    if not posix.environ.get(b"LC_CTYPE", b"").endswith((b"UTF-8", b"utf8")):
        return
    try:
        given = [entry for entry in _read_proc("self/environ").split(b"\0") if entry.startswith(b"LC_CTYPE=")]
    except OSError:
        return  # /proc not mounted
    posix.unsetenv("LC_CTYPE")
    for entry in given:
        posix.putenv(b"LC_CTYPE", entry.partition(b"=")[2])


def _candidates(name: bytes) -> list[bytes]:
    if b"/" in name:
        return [name]
    path = posix.environ.get(b"PATH", b"/bin:/usr/bin")
    return [(directory or b".") + b"/" + name for directory in path.split(b":")]


def _exec_file(file: bytes, command: list[str]) -> None:
    try:
        posix.execv(file, command)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        posix.execv("/bin/sh", ["sh", _fsdecode(file), *command[1:]])  # a script without #!


def _exec(command: list[str]) -> tuple[int, str]:
    """execvp(3), which returns only if it failed: the status and what to say."""
    status, reason = _NOT_FOUND, "command not found"
    if command[0].startswith("-"):
        reason += "; options go before the FIFO"
    for file in _candidates(_fsencode(command[0])) if command[0] else ():
        found = False
        try:
            posix.stat(file)  # an execve(2) that fails costs ten times as much
            found = True
            _exec_file(file, command)
        except (FileNotFoundError, NotADirectoryError):
            if found:
                status, reason = _CANNOT_RUN, "cannot be run: its interpreter is missing"
        except OSError as error:
            status, reason = _CANNOT_RUN, f"cannot be run: {error.strerror}"
            if error.errno != errno.EACCES:
                break
    return status, reason


# --- the command line --------------------------------------------------------


class _Options:
    """Every option, with its default."""

    all = False
    any = False
    conflict = _HELD
    fd: int | None = None
    grace: float | None = None
    help = False
    json = False
    max_age: float | None = None
    mode: int | None = None
    pid = False
    private = False
    quiet = False
    shared = False
    signal = signal.SIGTERM
    status = False
    timeout: float | None = None
    up = False
    verbose = False
    # Told by the launcher, not on the command line:
    ignored = ""  # p: SIGPIPE, x: SIGXFSZ
    launcher = 0  # its PID, while it waits for us


def _write(fd: int, text: bytes) -> None:
    while text:
        text = text[posix.write(fd, text) :]


def _print(text: str | bytes) -> None:
    """One line on standard output; a name that is to be read back comes as bytes."""
    line = text if isinstance(text, bytes) else text.encode("utf-8", "backslashreplace")
    try:
        _write(1, line + b"\n")
    except OSError as error:
        error.filename = "standard output"
        raise


def _say(text: object) -> None:
    """One line on standard error; where that is full or closed, the status must do."""
    try:
        _write(2, f"procalive: {text}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass


def _line(error: BaseException) -> str:
    """An exception as one line: what is wrong, with what."""
    if isinstance(error, (ProcaliveError, _Usage)):
        return str(error)
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        if error.errno in (errno.EMFILE, errno.ENFILE):
            reason += "; raise the limit (ulimit -Hn, fs.file-max)"
        return reason if error.filename is None else f"{_show(error.filename)}: {reason}"
    return f"internal error: {type(error).__name__}: {_show(str(error))}"


def _absolute(path: str) -> str:
    try:
        return path if path.startswith("/") else f"{posix.getcwd().rstrip('/')}/{path}"
    except FileNotFoundError:
        raise Refused(path, "the current directory was removed; change to another") from None


_DROPS_DESCRIPTORS = ("doas", "ssh")


def _cmd_hold(options: _Options, operands: list[str]) -> int:
    if options.fd is not None:
        return _hold_descriptor(options, options.fd, operands)
    if len(operands) > 1 and operands[1] == "--":
        del operands[1]
    if len(operands) < 2:
        raise _Usage("hold: needs a FIFO and a command; see procalive hold -h")
    path, *command = operands
    absolute = _absolute(path)
    fd = _hold_or_wait(path, options)
    if fd is None:
        return _report_held(path, options)
    name = command[0].rpartition("/")[2]
    if name in _DROPS_DESCRIPTORS and not options.private and not options.quiet:
        _say(f"{_show(path)}: {name} closes every descriptor that it inherits, and so lets go at once; use hold -o")
    return _become(absolute, fd, command, options)


def _let_go_of(paths: Iterable[str]) -> None:
    """Close read ends that we inherited: inside a job we would wait for ourselves."""
    inodes = set()
    for path in paths:
        try:
            inodes.add(_inode_of(path))
        except (ProcaliveError, OSError):
            continue  # told where it matters
    for fd in _own_descriptors():
        try:
            found = posix.fstat(fd)
        except OSError:
            continue
        if _inode(found) in inodes and fcntl.fcntl(fd, fcntl.F_GETFL) & posix.O_ACCMODE != posix.O_WRONLY:
            posix.close(fd)
    _open_standard_descriptors()


def _hold_or_wait(path: str, options: _Options) -> int | None:
    """_hold_within, telling under -v whom it waits for."""
    if options.timeout:
        _let_go_of([path])
    deadline = _deadline(options.timeout or 0.0)
    mode = 0o600 if options.mode is None else options.mode
    if options.verbose and options.timeout:
        fd = _try_hold(path, options.shared, mode)
        if fd is not None:
            return fd
        _say(f"{_held(path)}; waiting")
    return _hold_within(path, options.shared, mode, deadline)


def _report_held(conflict: Held | str, options: _Options) -> int:
    """Say who holds, or who holds this FIFO, unless that is not wanted."""
    if not options.quiet:
        _say(_held(conflict) if isinstance(conflict, str) else conflict)
    return options.conflict


def _become(path: str, fd: int, command: list[str], options: _Options) -> int:
    """Exec the command as holder; returns only if that failed, the FIFO let go."""
    fd = _move_high(fd)
    _beat(fd)
    dismiss = None
    for name in ("PROCALIVE_FIFO", "PROCALIVE_FD"):
        posix.unsetenv(name)  # of an outer hold; and all of them, should there be several
    if options.private:
        posix.set_inheritable(fd, False)
        dismiss = _start_keeper(path, fd)
    else:
        _publish(path, posix.getpid(), fd)
        posix.putenv("PROCALIVE_FD", str(fd))
    posix.putenv("PROCALIVE_FIFO", path)
    if options.verbose:
        _say(f"{_show(path)}: held; running {_show(command[0])}")
    _restore_locale()
    _restore_signals(options.ignored)
    status, reason = _exec(command)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # standard error, or a keeper, may be gone
    if dismiss is not None:
        _dismiss_keeper(dismiss)
    posix.close(fd)
    _say(f"{_show(command[0])}: {reason}")
    return status


def _hold_descriptor(options: _Options, fd: int, operands: list[str]) -> int:
    """Lock a descriptor that the calling shell has open for reading on the FIFO."""
    if len(operands) != 1 or options.private or options.mode is not None:
        raise _Usage("hold: --fd takes one FIFO and no command, and goes with neither -o nor -m; see procalive hold -h")
    path = operands[0]
    absolute = _absolute(path)
    _prepare(path, None)
    if not _is_open(fd):
        raise Refused(
            path, f"descriptor {fd} is not open here; open it with: exec {fd}<>FIFO (ksh: and hand it on, {fd}<&{fd})"
        )
    if fcntl.fcntl(fd, fcntl.F_GETFL) & posix.O_ACCMODE == posix.O_WRONLY:
        raise Refused(path, f"descriptor {fd} is not open for reading; open it with: exec {fd}<>FIFO")
    found = posix.fstat(fd)
    if not _leads_to(path, found):
        raise Refused(path, f"descriptor {fd} is open on another file")
    caller = str(posix.getppid())
    if posix.access(f"/proc/{caller}/fd", posix.X_OK) and _inode_behind(caller, str(fd)) != _inode(found):
        if _is_locked(path, options.shared):  # by another, be the caller who it may: bash becomes its last command
            return _report_held(_locked_by(path, fd), options)
        raise Refused(path, f"descriptor {fd} is open on it here, but not in the calling shell, which is to hold")
    conflict = _flock_within(fd, path, options)
    if conflict:
        return _report_held(conflict, options)
    if not _leads_to(path, found):
        raise Refused(path, "was replaced while the lock was waited for")
    _beat(fd)
    _publish(absolute, int(caller), fd)
    if options.verbose:
        _say(f"{_show(path)}: held by descriptor {fd}")
    return _YES


def _is_locked(path: str, shared: bool) -> bool:
    fd = posix.open(path, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    try:
        return not _flock(fd, shared, path)
    finally:
        posix.close(fd)


def _locked_by(path: str, fd: int) -> Held:
    """The conflict where the caller itself reads the FIFO, and so shall not be named.

    Raises Obstructed where a process has locked a descriptor that does not read.
    """
    inode = _inode(posix.fstat(fd))
    holding = [holder for holder in _find_holders({inode: path}) if holder.lock]
    for pid in () if holding else _processes():
        if False in _locks(pid, inode):
            raise Obstructed(path, int(pid))
    return Held(path, holding)


class _Alarm(Exception):
    """SIGALRM: it bounds a wait in flock(2), in the command's own process."""


def _ring(number: int, _: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # once: the next could ring in the except clause
    raise _Alarm


def _flock_within(fd: int, path: str, options: _Options) -> Held | None:
    """Wait for the lock itself: the caller reads, so the FIFO never reads dead."""
    if _flock(fd, options.shared, path):
        return None
    conflict = _locked_by(path, fd)
    if not options.timeout:
        return conflict
    if options.verbose:
        _say(f"{conflict}; waiting")
    try:
        if options.timeout != _INF:
            signal.signal(signal.SIGALRM, _ring)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
            # Again and again: the first may ring just before flock(2) is entered.
            signal.setitimer(signal.ITIMER_REAL, min(options.timeout, 1e9), 0.1)
        _flock(fd, options.shared, path, block=True)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
    except _Alarm:
        pass
    # The alarm may have rung just after the lock was granted.
    return None if _flock(fd, options.shared, path) else _locked_by(path, fd)


def _cmd_check(options: _Options, operands: list[str]) -> int:
    """The worst answer for several: unknown, else dead, else stale, else alive."""
    if not operands:
        raise _Usage("check: needs a FIFO; see procalive check -h")
    answers = {_check_one(path, options) for path in operands}
    return next(answer for answer in (_UNKNOWN, _NO, _STALE, _YES) if answer in answers)


def _check_one(path: str, options: _Options) -> int:
    try:
        alive = check(path, max_age=options.max_age)
    except Stale as error:
        if options.verbose:
            _print(str(error))
        return _STALE
    except (ProcaliveError, OSError) as error:
        _say(_line(error))
        return _UNKNOWN
    if options.verbose:
        _print(f"{_show(path)}: alive, {_held(path).text}" if alive else f"{_show(path)}: not alive")
    return _YES if alive else _NO


def _cmd_wait(options: _Options, operands: list[str]) -> int:
    targets = _wait_targets(options, operands)
    if not options.pid:
        _let_go_of(operands)
    _raise_descriptor_limit(len(targets))
    try:
        gone = wait(
            *targets,
            timeout=options.timeout,
            any=options.any,
            up=options.up,
            status=options.status,
            max_age=options.max_age,
        )
    except (TimedOut, Stale) as error:
        if options.verbose:
            _say(error)
        return _STALE if isinstance(error, Stale) else _TIMED_OUT
    if options.verbose:
        for target in gone:
            _say(f"{_show(target)}: {'alive' if options.up else 'gone'}")
    if options.any:
        first = next(iter(gone))
        _print(str(first) if isinstance(first, int) else _fsencode(first))
    return _report_statuses(gone) if options.status else _YES


def _wait_targets(options: _Options, operands: list[str]) -> list[str] | list[int]:
    if not operands:
        raise _Usage("wait: needs a FIFO, or --pid and a PID; see procalive wait -h")
    if options.up and (options.pid or options.status or options.max_age is not None):
        raise _Usage("wait: --up goes with neither --pid, --status nor --max-age")
    if not options.pid:
        return operands
    if options.max_age is not None:
        raise _Usage("wait: --max-age goes with FIFOs, not with --pid")
    pids = [_pid(word) for word in operands]
    if options.verbose:
        for pid in pids:
            pidfd = _pidfd_open(pid)
            if pidfd is None:
                _say(f"{pid}: no such process: already gone")
            else:
                posix.close(pidfd)
    return pids


def _report_statuses(gone: dict[Target, int | None]) -> int:
    """The highest status; 125 stands for one that the kernel could not tell."""
    for target, status in gone.items():
        if status is None:
            _say(f"{_show(target)}: gone, but how it ended is not known (see --status in procalive(1))")
    return max(_FAILED if status is None else status for status in gone.values())


def _raise_descriptor_limit(targets: int) -> None:
    """Room for a descriptor a target, as far as the hard limit allows."""
    needed = targets + 32
    if posix.sysconf("SC_OPEN_MAX") >= needed:
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, hard), hard))


def _cmd_who(options: _Options, operands: list[str]) -> int:
    if not operands:
        raise _Usage("who: needs a FIFO; see procalive who -h")
    found: list[Holder] = []
    answers = set()
    for holders_or_error in _look_up(operands).values():
        if isinstance(holders_or_error, list):
            # Within a job we hold too, having inherited it; that is news where nobody else does.
            others = [holder for holder in holders_or_error if holder.pid not in (posix.getpid(), options.launcher)]
            found += others or holders_or_error
            answers.add(_YES if holders_or_error else _NO)
        else:
            _say(_line(holders_or_error))
            answers.add(_UNKNOWN)
    _print_holders(found, options.json)
    return max(answers)  # unknown, else nobody, else somebody


def _print_holders(found: list[Holder], as_json: bool) -> None:
    if as_json:
        import json

        for holder in found:
            _print(json.dumps(holder.as_dict()))
        return
    rows = [("FIFO", "PID", "USER", "SINCE", "TYPE", "COMMAND"), *map(_row, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows if found else ():
        _print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[5]]))


def _row(holder: Holder) -> tuple[str, ...]:
    kind = "lock" if holder.lock else "reader"
    if holder.keeps is not None:
        kind += f", keeps {holder.keeps} ({_name_of(holder.keeps)})"
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder.since))
    command = " ".join(_show(word) for word in holder.command)
    return (_show(holder.fifo), str(holder.pid), holder.user, since, kind, command)


def _cmd_kill(options: _Options, operands: list[str]) -> int:
    if len(operands) != 1:
        raise _Usage("kill: needs one FIFO; see procalive kill -h")
    path = operands[0]
    _let_go_of(operands)
    try:
        sent = kill(path, options.signal, all=options.all, grace=options.grace)
    except TimedOut as error:
        if not options.quiet:
            _say(error)
        return _TIMED_OUT
    if options.verbose:
        _say(f"{_show(path)}: signalled {' '.join(map(str, sent)) or 'nobody'}")
    return _YES if sent else _NO


# Option values: each converter raises ValueError with the message to print.


def _secs(text: str) -> float:
    try:
        return _seconds(text)
    except ValueError:
        raise ValueError(f"{_show(text)}: not a time (90, 1.5, 30s, 5m, 2h, 1d or inf)") from None


def _number(text: str, what: str, highest: int, base: int = 10, lowest: int = 0) -> int:
    # int() alone would take 1_0, blanks, a sign and the digits of every script.
    try:
        number = int(text, base) if text.isascii() and text.isdigit() else -1
    except ValueError:
        number = -1
    if not lowest <= number <= highest:
        raise ValueError(f"{_show(text)}: not {what}")
    return number


def _mode(text: str) -> int:
    return _number(text, "an octal mode from 0 to 0777", 0o777, 8)


def _status(text: str) -> int:
    return _number(text, "an exit status from 0 to 255", 255)


def _descriptor(text: str) -> int:
    return _number(text, "a file descriptor", 2**31 - 1)


def _pid(text: str) -> int:
    try:
        return _number(text, "a process ID", 2**31 - 1, lowest=1)
    except ValueError as error:
        raise _Usage(f"wait: {error}") from None


def _signal_number(text: str) -> int:
    """TERM, SIGTERM, RTMIN+1, RTMAX-1 or 15."""
    if text.isascii() and text.isdigit():
        return _number(text, "a signal", signal.NSIG - 1)
    for start, sign in (("RTMIN", 1), ("RTMAX", -1)):
        name, operator, offset = text.upper().partition("+" if sign > 0 else "-")
        if operator and name in (start, f"SIG{start}"):
            distance = _number(offset, "a signal", signal.SIGRTMAX - signal.SIGRTMIN)
            return int(getattr(signal, f"SIG{start}")) + sign * distance
    name = text.upper()
    number = getattr(signal, name if name.startswith("SIG") else f"SIG{name}", None)
    if "_" in name or not text.isascii() or not isinstance(number, int):
        raise ValueError(f"{_show(text)}: not a signal")
    return number


# The options of each verb: flag, attribute of _Options, value, converter, help.
_VERBOSE = ("-v", "verbose", None, None, "say more")
_HELP = ("-h", "help", None, None, "show this help")
_SPECS: dict[str, tuple[Any, ...]] = {
    "hold": (
        "hold FIFO and become COMMAND; 75 if another process holds it",
        (
            "[-w SECS] [-s] [-o] [-E CODE] [-m MODE] [-q|-v] FIFO [--] COMMAND [ARG]...",
            "--fd N [-w SECS] [-s] [-E CODE] [-q|-v] FIFO",
        ),
        ("-w", "timeout", "SECS", _secs, "wait up to SECS for another holder to end (90, 1.5, 30s, 5m, 2h, 1d, inf)"),
        ("-s", "shared", None, None, "share with other -s holders, exclude the rest"),
        ("-o", "private", None, None, "COMMAND alone counts: its children do not inherit the descriptor"),
        ("-E", "conflict", "CODE", _status, "status when another process holds (75)"),
        ("-m", "mode", "MODE", _mode, "mode of a FIFO that is created (0600)"),
        ("--fd", "fd", "N", _descriptor, "lock descriptor N of the calling shell, which it has open on FIFO"),
        ("-q", "quiet", None, None, "no message when another process holds"),
        _VERBOSE,
    ),
    "check": (
        "0 if a process holds FIFO, 1 if none does, 2 if that cannot be told",
        ("[-v] [--max-age SECS] FIFO...",),
        ("--max-age", "max_age", "SECS", _secs, "3 if alive, but not touched for SECS"),
        _VERBOSE,
    ),
    "wait": (
        "sleep until nobody holds FIFO",
        (
            "[-t SECS] [--any] [--status] [--max-age SECS] [-v] FIFO...",
            "[-t SECS] [--any] --up [-v] FIFO...",
            "[-t SECS] [--any] [--status] [-v] --pid PID...",
        ),
        ("-t", "timeout", "SECS", _secs, "124 if it takes longer"),
        ("--any", "any", None, None, "for the first of them; print its name"),
        ("--up", "up", None, None, "wait for a holder instead"),
        ("--status", "status", None, None, "end with the status that the holder ended with; 125 if not known"),
        ("--max-age", "max_age", "SECS", _secs, "3 as soon as a holder has not touched FIFO for SECS"),
        ("--pid", "pid", None, None, "wait for processes, by number"),
        _VERBOSE,
    ),
    "who": (
        "list the processes that have FIFO open for reading",
        ("[--json] FIFO...",),
        ("--json", "json", None, None, "one JSON object a line"),
    ),
    "kill": (
        "signal the process that holds FIFO, and no other",
        ("[-s SIGNAL] [-k SECS] [-a] [-q|-v] FIFO",),
        ("-s", "signal", "SIGNAL", _signal_number, "by name or number (TERM)"),
        ("-k", "grace", "SECS", _secs, "wait until FIFO is free; SIGKILL after SECS"),
        ("-a", "all", None, None, "all holders, children included"),
        ("-q", "quiet", None, None, "no message when it is still held"),
        _VERBOSE,
    ),
}
_STATUSES = {
    "hold": "COMMAND's own, or 75 held by another, 125 procalive failed, 126 COMMAND cannot be run, 127 not found",
    "check": "0 alive, 1 not alive, 2 cannot tell, 3 alive but without a beat",
    "wait": "0 gone (--up: alive), 2 cannot tell, 3 no beat, 124 time ran out; --status: the holder's own, or 125",
    "who": "0 somebody, 1 nobody, 2 cannot tell",
    "kill": "0 sent (-k: and gone), 1 nobody to signal, 2 cannot tell or not permitted, 124 still there",
}
_RUN: dict[str, Callable[[_Options, list[str]], int]] = {
    "hold": _cmd_hold,
    "check": _cmd_check,
    "wait": _cmd_wait,
    "who": _cmd_who,
    "kill": _cmd_kill,
}


def _parser() -> argparse.ArgumentParser:
    """The whole command line as argparse has it, for -h and for the completions.

    The parsing itself is _parse(): argparse costs 6 ms and 2 MiB, and takes
    options behind operands too, and so the command's own.
    """
    import argparse

    parser = argparse.ArgumentParser(
        prog="procalive",
        description="A single-instance lock that cannot go stale, on a FIFO.",
        epilog="procalive VERB -h tells the options of a verb; procalive(1) tells all.",
    )
    parser.add_argument("--version", action="store_true", help="show the version")
    verbs = parser.add_subparsers(metavar="VERB")
    for verb, (text, usages, *options) in _SPECS.items():
        usage = "\n       ".join(f"procalive {verb} {operands}" for operands in usages)
        ends = f"Exit status: {_STATUSES[verb]}. procalive(1) tells all."
        one = verbs.add_parser(verb, usage=usage, help=text, description=text, epilog=ends)
        for flag, _, value, _, about in options:
            if value:
                one.add_argument(flag, metavar=value, help=about)
            else:
                one.add_argument(flag, action="store_true", help=about)
        one.add_argument("FIFO", nargs="*", help=argparse.SUPPRESS)
    return parser


def _help(verb: str | None = None) -> str:
    parser: Any = _parser()
    if verb is not None:
        parser = parser._subparsers._group_actions[0].choices[verb]
    return str(parser.format_help()).rstrip()


def _parse(verb: str, args: list[str]) -> tuple[_Options, list[str]]:
    """The options up to the first operand (POSIX, guideline 9), and the operands."""
    options, words, flag = _Options(), list(args), ""
    specs = {flag: rest for flag, *rest in (*_SPECS[verb][2:], _HELP, ("--help", *_HELP[1:]))}
    try:
        while words and words[0] != "-" and words[0].startswith("-"):
            flag, glued = _next_flag(words)
            if flag == "--" and glued is None:
                break
            if flag not in specs:
                raise _Usage("no such option")
            attribute, value, convert, _ = specs[flag]
            setattr(options, attribute, convert(_value(words, glued, value)) if value else _bare(words, flag, glued))
    except _Usage as error:
        raise _Usage(f"{verb}: {_show(flag)}: {error}; see procalive {verb} -h") from None
    except ValueError as error:
        raise _Usage(f"{verb}: {flag}: {error}") from None
    if options.quiet and options.verbose:
        raise _Usage(f"{verb}: -q and -v exclude each other")
    late = next((word for word in words if word.startswith("-") and word != "-"), None)
    if late and flag != "--" and verb != "hold":
        # As a FIFO it would be missing, and `check F -v` would say "not alive".
        raise _Usage(f"{verb}: {_show(late)}: options go before the FIFO; a FIFO of that name is ./{_show(late)}")
    return options, words


def _value(words: list[str], glued: str | None, name: str) -> str:
    if glued is not None:
        return glued
    if not words:
        raise _Usage(f"needs {name}")
    return words.pop(0)


def _bare(words: list[str], flag: str, glued: str | None) -> bool:
    """An option without a value: what is glued on is the rest of a cluster such as -qs."""
    if glued is not None and (flag.startswith("--") or glued.startswith("-")):
        raise _Usage("takes no value")
    words[:0] = [f"-{glued}"] if glued else []
    return True


def _next_flag(words: list[str]) -> tuple[str, str | None]:
    """Take an option off the front: its flag, and the value glued to it (-w5, --fd=9)."""
    word = words.pop(0)
    if word.startswith("--"):
        flag, equals, glued = word.partition("=")
        return flag, glued if equals else None
    return word[:2], word[2:] or None


def _run(args: list[str]) -> int:
    verb = args[0] if args else ""
    if verb in _RUN:
        options, operands = _parse(verb, args[1:])
        if not options.help:
            return _RUN[verb](options, operands)
        _print(_help(verb))
    elif verb == "--version":
        _print(f"procalive {__version__}")
    elif verb in ("-h", "--help"):
        _print(_help())
    else:
        what = f"{_show(verb)}: no such verb" if args else "a verb is missing"
        raise _Usage(f"{what} ({', '.join(_RUN)}); see procalive -h")
    return _YES


def _open_standard_descriptors() -> None:
    """Fill closed ones, or a FIFO could become descriptor 2 and get our messages."""
    while not (_is_open(0) and _is_open(1) and _is_open(2)):
        posix.open("/dev/null", posix.O_RDWR)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status, or never (`hold` becomes its command)."""
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        _open_standard_descriptors()
        return _run(args)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        return _BROKEN_PIPE  # as the signal would have it, and as quietly
    except Exception as error:
        _say(_line(error))
    # Never 1, which would say "not alive".
    return _FAILED if args[:1] == ["hold"] else _UNKNOWN


def _restore_environment(given: bytes) -> None:
    """Make it what the launcher was started with; `given` is as in /proc/PID/environ."""
    for name in posix.environ:
        posix.unsetenv(name)
    for variable in given.split(b"\0"):
        name, equals, value = variable.partition(b"=")
        if name and equals:
            posix.putenv(name, value)


def _launch(notes: str, args: list[str]) -> NoReturn:
    """Entry from bin/procalive, whose notes are letters.

    p, x: SIGPIPE, SIGXFSZ were ignored at the start.  n: say "no" as 10, because
    1 is also how an interpreter ends that could not even start.  e: the first of
    the arguments is the caller's environment, of which dash has dropped a part.
    """
    if "e" in notes:
        _restore_environment(bytes.fromhex(args.pop(0)))
    _Options.ignored = notes
    _Options.launcher = posix.getppid() if "n" in notes else 0
    plain_hold = args[:1] == ["hold"] and not "".join(args[1:2]).startswith("-")
    if not plain_hold:
        try:
            _set_title(*args)  # may sleep for long: ps(1) shall show it as it was called
        except (OSError, LookupError, ValueError):
            pass  # looks only; to a keeper it matters
    status = main(args)
    posix._exit(10 if status == _NO and "n" in notes else status)


if __name__ == "__main__":
    posix._exit(main())  # nothing is buffered, and a tear-down would cost 3 ms
