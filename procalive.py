#!/usr/bin/python3 -ISEXutf8
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
  * What /proc says of other processes is believed only where /proc is that of
    our own PID namespace.

The sections: errors; names and words; the write end (is somebody reading?);
waiting; beats; the read end (becoming a holder); /proc (who reads?); pidfds
and signals; the queue of `hold -w`; the module's verbs; the keeper; becoming
the command; the command line.

Stable: the names in __all__, the command line and its statuses.  All else may
change.  procalive(1) is the manual of the commands, procalive(7) tells how and
why it works.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":  # before what Windows does not have is imported
    if __name__ != "__main__":
        raise ImportError("on Windows take windows/procalive.py, which is a module of its own")
    sys.stderr.write("procalive: on Windows take windows/procalive.py, which is a program of its own\n")
    raise SystemExit(125 if sys.argv[1:2] == ["hold"] else 2)

import _signal as signal  # without the enums, which cost 3 ms and, in each keeper, 2 MiB
import _thread
import errno
import fcntl
import posix  # os without its paths and environment: those cost 1 ms at start
import select
import stat
import time

# typing costs 7 ms at start, and nothing here needs it at run time.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    import os
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, Callable, NoReturn, Union

    _Inode = tuple[int, int]  # device, inode number
    Path = Union[str, bytes, os.PathLike[str], os.PathLike[bytes]]
    Paths = Iterable[Path]
    Target = Union[Path, int]
else:  # strings, which typing.get_type_hints() evaluates where it is asked
    Any, _Inode = object, "tuple[int, int]"
    Path = "str | bytes | __import__('os').PathLike[str] | __import__('os').PathLike[bytes]"
    Paths = f"__import__('collections.abc').abc.Iterable[{Path}]"
    Target = Path + " | int"

__all__ = [
    "Ends",
    "FutureBeat",
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
    "Watch",
    "__version__",
    "beat_problem",
    "check",
    "deleted_holders",
    "duration",
    "escape",
    "hold",
    "hold_any",
    "holders",
    "keeps_nothing",
    "kill",
    "look",
    "mains",
    "message",
    "names_directory",
    "path",
    "process_name",
    "raise_descriptor_limit",
    "refuse_planted",
    "seconds",
    "user_name",
    "wait",
]
__version__ = "0.2.0"

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
# Holders get odd numbers and write ends even ones, so that a holder link that
# names a number which was used again never leads to a write end.
_FIRST_READ_END, _FIRST_WRITE_END = 701, 700

# --- errors ------------------------------------------------------------------


class ProcaliveError(Exception):
    """What procalive found wrong; str() is the line that the command prints.

    An OSError of the kernel is passed on as it is, with errno and filename.
    """

    def __init__(self, path: Target, text: str) -> None:
        super().__init__(path, text)
        self.path: Any = path  # a Path, or a PID in TimedOut
        self._text = text

    @property
    def text(self) -> str:
        """What is wrong, without the path."""
        return self._text

    def __str__(self) -> str:
        return f"{escape(self.path)}: {self.text}"

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

    `holders` lists those that this user may see: possibly none.  They are looked
    up when they, or the text, are first asked for: a refusal must not cost more
    than the lock.
    """

    def __init__(self, path: Path, holders: list[Holder] | None = None, text: str = "") -> None:
        super().__init__(path, text)
        self._holders = holders
        self._unseen = False  # there are some, and none may be looked into

    @property
    def holders(self) -> list[Holder]:
        """Those that can be seen."""
        if self._holders is None:
            found = _look_up([self.path])[self.path]
            self._holders, self._unseen = ([], True) if isinstance(found, Exception) else (found, False)
        return self._holders

    @property
    def text(self) -> str:
        """Who holds, and for how long."""
        if not self._text:
            if self.holders or self._unseen:
                self._text = _who_holds(self.holders)
            else:
                self._text = "held a moment ago, by a process that has let go since"
        return self._text

    def __reduce__(self) -> tuple[Any, ...]:
        self._holders, self._text = self.holders, self.text  # as they are here and now
        return super().__reduce__()


class Obstructed(ProcaliveError):
    """The lock is taken by a process that does not read the FIFO.

    Whoever may open the write end may flock(2) it.  `pid` is the process that
    has the lock as far as can be seen, or None.
    """

    def __init__(self, path: Path, pid: int | None) -> None:
        who = f"{pid} ({process_name(pid)})" if pid else "a process that cannot be seen"
        super().__init__(
            path, f"locked by {who}, which does not read it: not held, yet nobody can hold it; end that process"
        )
        self.pid = pid


class Stale(ProcaliveError):
    """Alive, but the last beat is older than `max_age`; `age` is in seconds."""

    def __init__(self, path: Path, age: float) -> None:
        super().__init__(path, f"alive, but no beat for {duration(age)}")
        self.age = age


class FutureBeat(ProcaliveError):
    """The last beat is in the future: the clock was set back, so its age is not known."""

    def __init__(self, path: Path, ahead: float) -> None:
        super().__init__(
            path, f"the last beat is {duration(ahead)} in the future: the clock was wrong, and its age cannot be told"
        )
        self.ahead = ahead


class TimedOut(ProcaliveError, TimeoutError):
    """The time given ran out first; `path` is one that was still waited for."""

    def __init__(self, path: Target, text: str) -> None:
        super().__init__(path, text)
        self.errno, self.strerror, self.filename = errno.ETIMEDOUT, text, path

    def __str__(self) -> str:
        return ProcaliveError.__str__(self)  # OSError's would name the errno too

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, self.__dict__  # errno and filename are set by __init__ alone


_WHERE_UNSEEN = "another user's, in another PID namespace, or its descriptor is on its way through a UNIX socket"


class Unseen(ProcaliveError):
    """Alive, but no process that this user may look into, or believe, reads the FIFO."""

    def __init__(self, path: Path, whose: str = f"by no process that you may see ({_WHERE_UNSEEN})") -> None:
        super().__init__(path, f"held, but {whose}")


class _Usage(Exception):
    """A wrong command line: the message, without the program's name."""


class _DeletedHeld(Held):
    """A FIFO of this name was deleted, and its holder goes on."""

    def __init__(self, path: Path, found: list[Holder]) -> None:
        who = ", ".join(_with_name(holder) for holder in found)
        super().__init__(path, found, f"held by {who}, whose FIFO was deleted")


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


def _directory_of(path: Path) -> bytes:
    directory, slash, _ = _fsencode(path).rpartition(b"/")
    return directory + slash or b"."


def escape(path: Target) -> str:
    """A path or PID fit for a one-line message: control characters escaped."""
    if isinstance(path, int):
        return str(path)
    # A byte that is no UTF-8 becomes \\xff, and a newline \\n: one line is promised.
    text = _fsencode(path).decode("utf-8", "backslashreplace")
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown or "''"


def duration(seconds: float) -> str:
    """Seconds in the two largest units that matter: 3h12m, 45s, 2d5h."""
    left = max(0, int(min(seconds, 1e15)))
    units = []
    for letter, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        units.append((count, letter))
    while len(units) > 1 and not units[0][0]:
        del units[0]
    return "".join(f"{count}{letter}" for count, letter in units[:2] if count) or "0s"


def seconds(text: str) -> float:
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


def process_name(pid: int) -> str:
    """The name that the kernel has for a process (proc_pid_comm(5)), or '?'."""
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            return escape(file.read().rstrip(b"\n"))
    except OSError:
        return "?"


def user_name(uid: int) -> str:
    """The name of a user in the user database, or the number itself."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _with_name(holder: Holder) -> str:
    """A holder as messages name it: `4312 (backup.sh)`, `4312 (backup.sh, stopped)`."""
    stopped = ", stopped" if _state_of(holder.main) in "Tt" else ""
    return f"{holder.main} ({process_name(holder.main)}{stopped})"


def _named_with_age(found: list[Holder]) -> str:
    """`4312 (backup.sh) for 3h12m`: the first three."""
    now = time.time()
    shown = [f"{_with_name(holder)} for {duration(now - holder.since)}" for holder in found[:3]]
    return ", ".join(shown) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def _who_holds(found: list[Holder]) -> str:
    """A conflict in words: who holds, or who reads without the lock."""
    main = mains(found)
    if not main:
        return "held by a process that you may not see"
    if not main[0].lock:
        who = ", ".join(map(_with_name, main[:3])) + (f" and {len(main) - 3} more" if len(main) > 3 else "")
        return f"read by {who}, which {'does' if len(main) == 1 else 'do'} not hold the lock"
    return f"held by {_named_with_age(main)}"


# --- @NAME: one place for each user, whatever the session ---------------------
#
# A place that depends on the environment is two places: cron, su and sudo set no
# XDG_RUNTIME_DIR, and logind removes /run/user/UID at the last logout.  So the
# directory depends on the user ID alone.

_NAME_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-")


def path(name: Path) -> str:
    """The path of `@NAME`; any other path as it is.

    For root /run/procalive/NAME.fifo, else HOME/.local/state/procalive/NAME.fifo,
    HOME from the user database by the effective user ID.  Nothing is made.

    Raises Refused: not a name, or a directory that cannot be trusted.
    """
    return _fsdecode(_resolve(name))


def names_directory() -> str:
    """Where the caller's own `@NAME`s lie; it need not exist.  Raises Refused."""
    directory = _names_below(_names_home("@"))
    _refuse_directory(directory, "@")
    return directory


def _resolve(path: Path, make: bool = False) -> Path:
    """A FIFO's path, where `@NAME` stands for one; `make`: its directory too, if missing."""
    if not isinstance(path, (str, bytes)) or path[:1] not in ("@", b"@"):
        return path
    given = _fsdecode(path)
    name = given[1:]
    if not 0 < len(name) <= 200 or not set(name) <= _NAME_CHARACTERS or name[0] in "._+-":
        raise _BadName(
            path,
            "not a name: letters, digits and ._+- behind the @, a letter or digit first, 200 at most; "
            f"a file of that name is ./{escape(path)}",
        )
    home = _names_home(given)
    directory = _names_below(home)
    if make:
        _make_names_directory(home, directory, given)
    _refuse_directory(directory, given)
    full = f"{directory}/{name}.fifo"
    return full if isinstance(path, str) else _fsencode(full)


class _BadName(Refused):
    """What begins with @ and is no name: wrong usage, on the command line."""


def _names_home(given: str) -> str:
    """What must exist already: /run for root, the home directory for everybody else."""
    uid = posix.geteuid()
    if uid == 0:
        return "/run"
    import pwd

    try:
        home = pwd.getpwuid(uid).pw_dir
    except KeyError:
        raise _no_place(given, f"user {uid} is not in the user database") from None
    if not home.startswith("/") or not home.strip("/"):
        raise _no_place(given, f"the home directory of {user_name(uid)} is {escape(home)}")
    if not stat.S_ISDIR(_type_of_followed(home)):
        raise _no_place(given, f"the home directory {escape(home)} is missing")
    return home.rstrip("/")


def _type_of_followed(path: str) -> int:
    try:
        return posix.stat(path).st_mode
    except OSError:
        return 0


def _no_place(given: str, why: str) -> Refused:
    user = user_name(posix.geteuid())
    return Refused(
        given,
        f"{why}, so there is no place for names; use an absolute path in a directory that root makes "
        f"(a line for /etc/tmpfiles.d: d /run/{user} 0700 {user} - -)",
    )


def _names_below(home: str) -> str:
    return home + ("/procalive" if posix.geteuid() == 0 else "/.local/state/procalive")


def _make_names_directory(home: str, directory: str, given: str) -> None:
    """Make what is missing below home, which itself must exist."""
    mode = 0o755 if posix.geteuid() == 0 else 0o700
    made = home
    for part in directory[len(home) + 1 :].split("/"):
        made += f"/{part}"
        try:
            posix.mkdir(made, mode)
            posix.chmod(made, mode)  # whatever the umask is
        except FileExistsError:
            continue
        except OSError as error:
            raise _no_place(given, f"{escape(made)} cannot be made ({error.strerror})") from None


def _refuse_directory(directory: str, given: str) -> None:
    """In a directory of somebody else's, or behind a link, a FIFO could be planted."""
    try:
        found = posix.lstat(directory)
    except FileNotFoundError:
        return
    if stat.S_ISLNK(found.st_mode) or not stat.S_ISDIR(found.st_mode):
        raise Refused(given, f"{escape(directory)} is not a directory of its own, but a link or a file; move it away")
    if found.st_uid != posix.geteuid():
        raise Refused(given, f"{escape(directory)} belongs to {user_name(found.st_uid)}, and not to you")
    if found.st_mode & 0o022:
        raise Refused(given, f"others may write to {escape(directory)}; run: chmod go-w {escape(directory)}")


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


def _move_high(fd: int, start: int) -> int:
    """The descriptor at a free number from `start` up, every second one; still close-on-exec.

    Scripts do not use those numbers: `exec 3>&1` in the wrapped script would
    close a low one, and let go.  Where the limit forbids it: the highest that go.
    """
    limit = posix.sysconf("SC_OPEN_MAX")
    number = start if limit < 0 or limit > start + 8 else max(4, limit - 30) + start % 2
    while True:
        try:
            high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, number)
        except OSError:
            return fd
        if high % 2 == start % 2:
            posix.close(fd)
            return high
        posix.close(high)
        number = high + 1


# --- waiting: one epoll instance, no polling ---------------------------------


class Watch:
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
        self._number = _FIRST_WRITE_END  # of the next write end; to look from the start would take long for many

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back every descriptor."""
        kept, self._kept = self._kept, set()
        for fd in kept:
            posix.close(fd)
        self._epoll.close()

    def fileno(self) -> int:
        """For an event loop: readable when next() has something to return."""
        return self._epoll.fileno()

    def keep(self, fd: int) -> int:
        """Let a descriptor stay open until the watch ends, and close it then."""
        self._kept.add(fd)
        return fd

    def add(self, target: Target) -> int | None:
        """Watch a FIFO or a PID; the descriptor watched, or None if it is gone.

        Raises NotAFifo, OSError.
        """
        if isinstance(target, int):
            pidfd = _pidfd_open(target)
            if pidfd is not None:
                self.add_process(target, self.keep(pidfd))
            return pidfd
        fd = _open_write_end(target)
        if fd is None:
            return None
        fd = self.keep(_move_high(fd, self._number))
        self._number = max(self._number, fd + 2)
        self._targets[fd] = target
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

    def gone_already(self) -> list[Target]:
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

    def _fifos(self) -> list[tuple[int, Path]]:
        return [(fd, target) for fd, target in self._targets.items() if not isinstance(target, int)]

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
                    # A pidfd is still good for its status; a write end is not.
                    if not isinstance(target, int):
                        self._kept.remove(fd)
                        posix.close(fd)
            pause, more = 0, len(events) == _BATCH


def _refuse_nan(seconds: float | None) -> None:
    if seconds is not None and not seconds >= 0:  # NaN would compare false for ever
        raise ValueError(f"{seconds}: not a time")


def _deadline(seconds: float | None) -> float:
    """The end of a time limit on the monotonic clock; ValueError if it is negative or NaN."""
    _refuse_nan(seconds)
    return _INF if seconds is None else time.monotonic() + seconds


def _wait_gone(path: Path, deadline: float) -> bool:
    """Sleep until the FIFO has no reader; False if the deadline came first."""
    with Watch() as watch:
        return watch.add(path) is None or bool(watch.next(deadline))


def _refuse_old_kernel(path: Target) -> None:
    """Before Linux 5.6 pipe_release() wakes the write end at every close, of checks too."""
    release = posix.uname().release.split(".")
    try:
        old = (int(release[0]), int(release[1].partition("-")[0])) < (5, 6)
    except (LookupError, ValueError):
        return
    if old:
        raise OSError(errno.ENOSYS, "on Linux before 5.6 the end of a holder cannot be told from that of a check", path)


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


# --- beats: alive, and well? --------------------------------------------------
#
# A beat is the FIFO's mtime, a time of the wall clock, which may step; the start
# of a process is counted from boot.  So: a holder that started less than max_age
# ago is well, whatever the clock says; else a beat in the future is no answer;
# else the mtime decides.

_SLACK = 1.0  # seconds that a beat may lie ahead: another clock of the same host


def _boot_clock() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _judge_beat(path: Path, age: float, max_age: float) -> tuple[ProcaliveError | None, float]:
    """What is wrong with a beat of that age, or None, and the seconds until it may be."""
    if -_SLACK <= age <= max_age:
        return None, max_age - age
    try:
        running = min((_boot_clock() - holder.started for holder in mains(holders(path))), default=_INF)
    except (ProcaliveError, OSError):
        running = _INF  # nobody to be seen: the beat decides
    if running <= max_age:
        return None, max_age - running
    return (Stale(path, age) if age > 0 else FutureBeat(path, -age)), 0.0


def beat_problem(path: Path, max_age: float) -> ProcaliveError | None:
    """Stale or FutureBeat where the holder has not beaten within max_age seconds.

    None where it has, and where nobody holds.  Raises NotAFifo, OSError, ValueError.
    """
    _refuse_nan(max_age)
    found = _probe(path)
    return None if found is None else _judge_beat(path, time.time() - found.st_mtime, max_age)[0]


class _Beats:
    """The ages of the beats of watched FIFOs, on the boot clock between two looks.

    So neither a step of the wall clock nor a suspend in between misleads.
    """

    def __init__(self, max_age: float) -> None:
        self.max_age = max_age
        self._seen: dict[int, tuple[float, float, float]] = {}  # descriptor: mtime, age, when

    def due(self, watch: Watch, future_is_wrong: bool = True) -> float:
        """When the next beat will be missed (monotonic); raises what is wrong with one."""
        if watch.gone_already():
            return 0.0  # something to tell first
        left = _INF
        for fd, path in watch._fifos():
            problem, seconds_left = _judge_beat(path, self._age(fd), self.max_age)
            if isinstance(problem, FutureBeat) and not future_is_wrong:
                seconds_left = min(problem.ahead, self.max_age)
            elif problem is not None:
                raise problem
            left = min(left, seconds_left)
        return time.monotonic() + left + 0.001  # strictly older, then

    def due_or_later(self, watch: Watch) -> float:
        """The same where a beat in the future is waited out: it is no answer."""
        return self.due(watch, future_is_wrong=False)

    def _age(self, fd: int) -> float:
        beat, now = posix.fstat(fd).st_mtime, _boot_clock()
        age = time.time() - beat
        if fd in self._seen:
            last_beat, last_age, when = self._seen[fd]
            if beat == last_beat:
                age = last_age + now - when
            elif not 0 <= age <= now - when:
                age = 0.0  # the clock has stepped: a new beat, and no proof that it is old
        self._seen[fd] = beat, age, now
        return age


# --- the read end: becoming a holder -----------------------------------------


def _make_missing(path: Path, mode: int) -> None:
    """Create the FIFO, but none beside a deleted one of this name that is still held: raises _DeletedHeld."""
    deleted = deleted_holders(path)
    if deleted:
        raise _DeletedHeld(path, deleted) from None
    _make_fifo(path, mode)


def _make_fifo(path: Path, mode: int) -> None:
    """Create the FIFO with exactly this mode; one that exists stays as it is."""
    try:
        posix.mkfifo(path, mode)
    except FileExistsError:
        return
    except OSError as error:
        error.filename = posix.fspath(path)
        error.strerror = _why_not_made(path, error)
        raise
    _set_mode(path, mode)


def _why_not_made(path: Path, error: OSError) -> str:
    directory = _directory_of(path).rstrip(b"/") or b"/"
    if error.errno == errno.ENOENT:
        return "no such directory"
    if error.errno in (errno.EPERM, errno.EOPNOTSUPP):
        return f"cannot be made: the file system of {escape(directory)} has no FIFOs; name a FIFO on another"
    if error.errno == errno.EACCES:
        try:
            owner = user_name(posix.stat(directory).st_uid)
        except OSError:
            owner = "another user"
        return (
            f"cannot be made: permission denied, {escape(directory)} belongs to {owner}; "
            "use a name such as @job, or a directory of your own"
        )
    return f"cannot be made: {error.strerror}"


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
            _make_missing(path, mode)
            continue
        if stat.S_ISLNK(found.st_mode):
            raise Refused(path, "a symbolic link; name the FIFO itself")
        if stat.S_ISREG(found.st_mode):
            raise NotAFifo(
                path, "not a FIFO but a regular file; if it is an old lock file that nothing uses, remove it"
            )
        if not stat.S_ISFIFO(found.st_mode):
            raise NotAFifo(path)
        refuse_planted(path, found)
        return


def refuse_planted(path: Path, found: posix.stat_result) -> None:
    """Raise Refused of a stranger's FIFO in a directory where anybody may create files.

    In /tmp anybody can put a FIFO in place, keep it open and block the job.
    """
    if found.st_uid in (posix.geteuid(), 0):
        return
    parent = posix.stat(_directory_of(path)).st_mode
    if parent & stat.S_ISVTX and parent & stat.S_IWOTH:
        raise Refused(
            path,
            f"belongs to user {user_name(found.st_uid)}, in a directory where anybody may create files; "
            "use a name such as @job, or a directory of your own",
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


def _open_read_end(path: Path, ends: list[int]) -> int | None:
    """The descriptor, also put into `ends`; None if the FIFO was unlinked since it was seen.

    Opened and put there by one call of C: between a call and the assignment of what it
    returns, a signal handler that raises would leave a read end that nobody knows of.
    """
    try:
        ends.extend(map(posix.open, (path,), (_READ_END,)))
    except FileNotFoundError:
        return None
    return ends[-1]


def _let_go(path: Path, ends: list[int]) -> None:
    """Close the read ends, and leave no link to them."""
    while ends:
        fd = ends.pop()
        try:
            _unpublish(path, fd)
        finally:
            posix.close(fd)


def _try_hold(path: Path, shared: bool, mode: int, ends: list[int] | None = None) -> int | None:
    """One attempt: the locked read end, or None while another process holds.

    ends: where it is put too, for who may be interrupted.
    """
    ends = [] if ends is None else ends
    fd = _contend(path, shared, mode, ends)
    if fd is None and _has_let_go(path):
        fd = _contend(path, shared, mode, ends)
    return fd


def _contend(path: Path, shared: bool, mode: int, ends: list[int]) -> int | None:
    """As _try_hold().

    An exclusive contender opens the read end only where the probe said dead:
    the open alone looks like a living holder to everybody else.
    """
    obstruction = None
    while True:
        _prepare(path, mode)
        if not shared and _reads_now(path, unknown=False):
            return None
        fd = _open_read_end(path, ends)
        if fd is None:
            continue
        try:
            found = posix.fstat(fd)
            locked = stat.S_ISFIFO(found.st_mode) and _flock(fd, shared, path)
            if locked and _leads_to(path, found):
                return fd
        except BaseException:
            posix.close(ends.pop())
            raise
        posix.close(ends.pop())
        if locked:
            continue  # unlinked or replaced: what we locked is nobody's FIFO
        if _reads_now(path, unknown=True):
            return None
        obstruction = obstruction or _Obstruction(path, lambda: not _reads_now(path, unknown=False))
        obstruction.lost_again()


def _has_let_go(path: Path) -> bool:
    """Whether it was held by a process that is over: a keeper whose job has ended, or one that ends just now.

    Then this returns when it has let go: nobody shall be refused by what has ended.
    """
    try:
        root, proc, word, *_ = posix.readlink(_fsencode(path) + b".holder").split(b"/")
        pid = int(word)
        if (root, proc) != (b"", b"proc") or not _proc_is_ours():
            return False
        if _is_ending(pid):
            return _wait_gone(path, time.monotonic() + 5)
        return _state_of(pid) in "ZX?"  # since we looked; what it leaves holding is found by another look
    except (FileNotFoundError, ProcessLookupError):
        return _type_of(_fsencode(path) + b".holder") != 0  # it has ended just now
    except (OSError, ValueError):
        return False


def _is_ending(pid: int) -> bool:
    """Whether a holder has closed its memory, but not yet its files, or is a keeper whose job was reaped."""
    words = _read_proc(f"{pid}/cmdline").split(b"\0")
    if not words[0]:
        return _state_of(pid) not in "ZX?"
    return words[:2] == [b"procalive", b"keep"] and set(_read_kept(pid)) == {_ENDED}


class _Obstruction:
    """Tells a lock that stays taken though nobody reads from a race that was lost.

    Only a descriptor that is seen to have the lock and not to read, in two looks,
    is an obstructor: a holder has the lock on its read end, and the first of the
    queue locks its write end for the moment before it reads.
    """

    def __init__(self, path: Path, is_dead: Callable[[], bool]) -> None:
        self.path = path
        self.is_dead = is_dead
        self.lost = 0
        self.seen: set[tuple[int, int]] = set()

    def lost_again(self) -> None:
        """Raise Obstructed where it is one; return to try once more."""
        self.lost += 1
        if self.lost < 4:
            return
        time.sleep(0.01)  # no event tells when a lock is free that nobody reads
        lockers = set(_look([self.path])[self.path].locker_ends)
        stayed = lockers & self.seen
        if stayed and self.is_dead():
            raise Obstructed(self.path, min(stayed)[0])
        self.seen = lockers
        # Its process cannot be seen.  No holder can come and go unseen this often.
        if self.lost > 200:
            raise Obstructed(self.path, None)


class _Rules:
    """What a contender does on a conflict, beside waiting; see hold()."""

    def __init__(self, replace: float | None = None, max_age: float | None = None, next: bool = False) -> None:
        self.replace, self.max_age, self.next = replace, max_age, next
        self.missed = False  # a beat, while this waiter was about to sleep

    def apply(self, path: Path) -> bool:
        """Replace the holder where that is wanted, once; True if it was.  Raises Stale, Held."""
        overdue = None if self.max_age is None else beat_problem(path, self.max_age)
        if isinstance(overdue, Stale) and self.replace is None:
            raise overdue
        if self.replace is None or (self.max_age is not None and not isinstance(overdue, Stale)):
            return False
        if _others_wait(path):
            return False
        conflict = _self_conflict(path, holders(path))
        if conflict:
            raise conflict
        _replace(path, self.replace)
        self.replace = None  # one generation, never a second
        return True


def _hold_within(path: Path, shared: bool, mode: int, deadline: float, rules: _Rules, ends: list[int]) -> int | None:
    """The locked read end, also put into `ends`, or None if another process held until the deadline.

    Not in the order of coming: that takes a process of its own; see the queue below.
    """
    asked = False
    while True:
        deleted: Holder | None = None
        try:
            fd = _try_hold(path, shared, mode, ends)
            if fd is not None:
                return fd
            if (rules.replace is not None or rules.max_age is not None) and rules.apply(path):
                continue
        except _DeletedHeld as held:
            if time.monotonic() >= deadline:
                raise
            deleted = held.holders[0]
        if time.monotonic() >= deadline:
            return None
        conflict = None if asked else _own_conflict(path)
        if conflict:
            raise conflict
        asked = True
        try:
            if deleted:
                _with_deleted(deleted, lambda name: _wait_as_waiter(name, deadline, rules))
            elif not _wait_as_waiter(path, deadline, rules):
                return None
        except PermissionError:
            raise Refused(path, _WAIT_NEEDS_WRITE) from None


_WAIT_NEEDS_WRITE = "held, and to wait for its end takes permission to write to the FIFO"


def _conflict_now(path: Path) -> Held:
    """Who holds, be it a FIFO that was deleted."""
    deleted = deleted_holders(path) if _type_of(_fsencode(path)) == 0 else []
    return _DeletedHeld(path, deleted) if deleted else Held(path)


def _with_deleted(holder: Holder, use: Callable[[str], Any]) -> Any:
    """Call `use` with a name of the FIFO that a process has open and that has no name of its own.

    None where it has let go.  The number may be another file's by now: so it is opened
    without effect (O_PATH) and looked at first, and then called by that descriptor.
    """
    try:
        pin = posix.open(f"/proc/{holder._where}/fd/{holder.fd}", posix.O_PATH | posix.O_CLOEXEC)
    except OSError:
        return None
    try:
        same = _outcome(posix.fstat, pin)
        return use(f"/proc/self/fd/{pin}") if not isinstance(same, Exception) and _inode(same) == holder.inode else None
    finally:
        posix.close(pin)


def _wait_as_waiter(path: Path, deadline: float, rules: _Rules) -> bool:
    """Sleep until the FIFO is free, or a beat is missed, or the deadline; counted as a waiter.

    False if this was to be the only waiter, and is not.
    """
    with Watch() as watch:
        fd = watch.add(path)
        if fd is None or watch._gone:  # then its descriptor is closed already
            return True
        if _take_ticket(fd, rules.next) is None:
            return False
        until = deadline
        if rules.max_age is not None:
            try:
                until = min(deadline, _Beats(rules.max_age).due_or_later(watch))
            except Stale:
                if not rules.missed:  # since the rules were applied: once more
                    rules.missed = True
                    return True
        watch.next(until)
        return True


def _others_wait(path: Path) -> bool:
    fd = _open_write_end(path)
    if fd is None:
        return False
    try:
        return _somebody_waits(fd)
    finally:
        posix.close(fd)


def _beat(fifo: int | Path) -> None:
    """Touch the FIFO: `check --max-age` counts from here."""
    try:
        posix.utime(fifo)
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
        if not _proc_is_ours() or _type_of(link) not in (0, stat.S_IFLNK):
            return  # our number is another's there; or somebody's file: not ours to replace
        if _type_of(fresh) == stat.S_IFLNK:
            posix.unlink(fresh)  # of a holder killed between the next two lines
        posix.symlink(b"/proc/%d/fd/%d" % (pid, fd), fresh)
        posix.rename(fresh, link)
    except OSError:
        pass


def _unpublish(path: Path, fd: int) -> None:
    """Before a living process lets go: its number may soon lead elsewhere."""
    link = _fsencode(path) + b".holder"
    try:
        if posix.readlink(link) == b"/proc/%d/fd/%d" % (posix.getpid(), fd):
            posix.unlink(link)
    except OSError:
        pass


# --- /proc: who has it open? --------------------------------------------------


class Holder:
    """A process that has the FIFO open for reading.

    fifo: path as the caller named it.  inode: (st_dev, st_ino) of it.  pid, fd:
    whose descriptor, and which.  uid: effective user ID.  since: when it took
    the FIFO, or else the start of the process, in seconds since the epoch.
    lock: whether the descriptor carries the flock, or just reads.  keeps: for a
    keeper (`hold -o`, `--keep`), the PID of the process that it keeps.  command:
    the argument list.  parent: PID.  started: start of the process on the boot
    clock, in seconds.  taker: the PID that took the lock (proc_pid_fdinfo(5)),
    0 where the kernel does not say, None without a lock.  inheritable: the
    descriptor is not close-on-exec.
    """

    __slots__ = (
        "_is_keeper",
        "_where",
        "command",
        "fd",
        "fifo",
        "inheritable",
        "inode",
        "keeps",
        "lock",
        "parent",
        "pid",
        "since",
        "started",
        "taker",
        "uid",
    )

    def __init__(self, fifo: Path, inode: _Inode, end: _End) -> None:
        self.fifo, self.inode = fifo, inode
        self.pid, self.fd, self._where = end.pid, end.fd, end.process
        self.lock, self.taker, self.inheritable = end.taker is not None, end.taker, end.inheritable
        self.uid, real_uid, self.parent = _read_status(self.pid)
        self.started = _read_start(self.pid)
        self.since = _held_since(fifo, self)
        self.command = _read_command(self.pid)
        kept = _read_kept(self.pid) if self.command[:2] == ["procalive", "keep"] else [_ENDED]
        self._is_keeper = set(kept) != {_ENDED}  # once the job has ended, it is a holder like any
        self.keeps = _trusted_job(kept, real_uid, inode)

    def _renamed(self, fifo: Path) -> Holder:
        """The same under another name of the FIFO."""
        twin = object.__new__(Holder)
        for slot in self.__slots__:
            setattr(twin, slot, fifo if slot == "fifo" else getattr(self, slot))
        return twin

    def __repr__(self) -> str:
        return f"Holder({self.as_dict()})"

    @property
    def user(self) -> str:
        """The name of `uid` in the user database, or the number itself."""
        return user_name(self.uid)

    @property
    def main(self) -> int:
        """The PID that counts: for a keeper, that of the process that it keeps."""
        return self.keeps or self.pid

    @property
    def name(self) -> str:
        """The kernel's name of the process that counts, or '?' when it has ended."""
        return process_name(self.main)

    @property
    def state(self) -> str:
        """The state of the process that counts, now: a letter of proc_pid_stat(5)."""
        return _state_of(self.main)

    def as_dict(self) -> dict[str, Any]:
        """What `who --json` prints, in its order."""
        names = ("fifo", "pid", "fd", "uid", "user", "since", "lock", "keeps", "command")
        return {name: getattr(self, name) for name in names} | {"fifo": _fsdecode(self.fifo)}


class Ends:
    """What has a FIFO open, as look() found it.

    holders: every read end.  watchers: the PIDs of write ends without the lock,
    the caller's own left out.  lockers: the PIDs of write ends that carry the
    lock.  exclusive: whether the lock that was seen is an exclusive one; None
    where none was seen.
    """

    __slots__ = ("exclusive", "holders", "locker_ends", "watchers")

    def __init__(self) -> None:
        self.holders: list[Holder] = []
        self.watchers: list[int] = []
        self.locker_ends: list[tuple[int, int]] = []  # PID and descriptor
        self.exclusive: bool | None = None

    @property
    def lockers(self) -> list[int]:
        """The PIDs of the write ends that carry the lock."""
        return [pid for pid, _ in self.locker_ends]


class _End:
    """A descriptor that some process has on a file, as proc_pid_fdinfo(5) tells."""

    __slots__ = ("exclusive", "fd", "inheritable", "number", "pid", "process", "reads", "taker", "writes")

    def __init__(self, process: str, fd: str) -> None:
        info = _read_proc(f"{process}/fdinfo/{fd}")
        flags = int(info.partition(b"flags:")[2].split()[0], 8)
        opened = not flags & posix.O_PATH
        self.process = process  # PID, or PID/task/TID for a thread with descriptors of its own
        self.pid, self.fd = int(process.partition("/")[0]), int(fd)
        self.reads = opened and flags & posix.O_ACCMODE != posix.O_WRONLY
        self.writes = opened and not self.reads
        self.inheritable = not flags & posix.O_CLOEXEC
        self.number = _kernel_number(info)
        self.taker, self.exclusive = _read_lock(info)


def _kernel_number(info: bytes) -> list[bytes]:
    """The inode's number inside the kernel, told since Linux 5.14; [] before."""
    return info.partition(b"\nino:")[2].split()[:1]


def _read_lock(info: bytes) -> tuple[int | None, bool]:
    """(who took the flock, whether it is exclusive) from an fdinfo; a POSIX lock is another matter."""
    for words in map(bytes.split, info.splitlines()):
        if words[:1] == [b"lock:"] and words[2] == b"FLOCK":
            return int(words[5]), words[4] == b"WRITE"
    return None, False


def _read_proc(name: str) -> bytes:
    with open(f"/proc/{name}", "rb", buffering=0) as file:
        return file.read()


def _proc_is_ours() -> bool:
    """Whether /proc is mounted, and of our own PID namespace: else its numbers are others' here."""
    try:
        return posix.readlink("/proc/self") == str(posix.getpid())
    except OSError:
        return False


def _read_status(pid: int) -> tuple[int, int, int]:
    """(effective UID, real UID, parent's PID): proc_pid_status(5)."""
    fields = dict(line.split(b":", 1) for line in _read_proc(f"{pid}/status").splitlines() if b":" in line)
    real, effective = fields[b"Uid"].split()[:2]
    return int(effective), int(real), int(fields[b"PPid"])


def _stat_fields(pid: int) -> list[bytes]:
    """Of proc_pid_stat(5), from the third field, the state, on."""
    return _read_proc(f"{pid}/stat").rpartition(b")")[2].split()


def _state_of(pid: int) -> str:
    try:
        return _stat_fields(pid)[0].decode()
    except (OSError, LookupError):
        return "?"


def _read_start(pid: int) -> float:
    """Start of a process on the boot clock, in seconds, to 10 ms."""
    return int(_stat_fields(pid)[19]) / posix.sysconf("SC_CLK_TCK")


def _held_since(fifo: Path, holder: Holder) -> float:
    """Seconds since the epoch: the holder link's own time where it is this holder's.

    Else the start of the process, counted back from now, as `ps` does.
    """
    link = _fsencode(fifo) + b".holder"
    try:
        if posix.readlink(link) == b"/proc/%d/fd/%d" % (holder.pid, holder.fd):
            return posix.lstat(link).st_mtime
    except OSError:
        pass
    return time.time() - _boot_clock() + holder.started


def _read_command(pid: int) -> list[str]:
    """The argument list (proc_pid_cmdline(5)); of a process without one, its name."""
    words = _read_proc(f"{pid}/cmdline").rstrip(b"\0").split(b"\0")
    return [_fsdecode(word) for word in words] if words[0] else [process_name(pid)]


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


def _trusted_job(kept: list[int], keepers_uid: int, inode: _Inode) -> int | None:
    """The process that a keeper keeps, where the keeper's real user may speak for it.

    That is the user of the process, root, or ourselves: nobody shall point
    another user's `kill` at a process by posing as its keeper.  Root also believes
    the process itself, whose environment says that it was given this FIFO: a
    set-user-ID program, sudo say, no longer has the user that started it.
    """
    us = posix.geteuid()
    for pid in kept:
        try:
            if pid > 0 and (keepers_uid in (0, us, _read_status(pid)[0]) or (us == 0 and _was_given(pid, inode))):
                return pid
        except OSError as error:
            _pass_over(error)
    return None


def _environment(pid: int) -> dict[bytes, bytes]:
    return dict(entry.partition(b"=")[::2] for entry in _read_proc(f"{pid}/environ").split(b"\0"))


def _was_given(pid: int, inode: _Inode) -> bool:
    """Whether `hold` started this process as the holder of this FIFO."""
    path = _environment(pid).get(b"PROCALIVE_FIFO")
    try:
        return bool(path) and _inode(posix.stat(path or b"")) == inode
    except OSError:
        return False


def _processes() -> list[str]:
    return [pid for pid in posix.listdir("/proc") if pid[0] in "123456789"] if _proc_is_ours() else []


def _threads(pid: str) -> list[str]:
    """A process and its further threads: they can have descriptors of their own, or outlive the first."""
    try:
        return [pid, *(f"{pid}/task/{thread}" for thread in posix.listdir(f"/proc/{pid}/task") if thread != pid)]
    except OSError as error:
        _pass_over(error)
        return [pid]


def _pass_over(error: Exception) -> None:
    """Ended or closed while we looked, or not ours to see; all else is passed on.

    A want of descriptors or memory must not read as "does not hold".
    """
    if isinstance(error, OSError) and error.errno not in (errno.ENOENT, errno.ESRCH, errno.EACCES, errno.EPERM):
        raise error


def _open_files(process: str) -> list[str]:
    try:
        return posix.listdir(f"/proc/{process}/fd")
    except OSError as error:
        _pass_over(error)
        return []


def _named_files(threads: bool = False, pids: Iterable[str] | None = None) -> Iterator[tuple[str, str, bytes]]:
    """(process, descriptor, its link) of whatever any process, or one of these, has open that has a name."""
    for pid in _processes() if pids is None else pids:
        for process in _threads(pid) if threads else [pid]:
            for fd in _open_files(process):
                try:
                    link = posix.readlink(f"/proc/{process}/fd/{fd}".encode())
                except OSError as error:
                    _pass_over(error)
                    continue
                if link[:1] == b"/":  # and no socket, pipe or the like
                    yield process, fd, link


def _inode_behind(process: str, fd: str) -> _Inode | None:
    try:
        found = posix.stat(f"/proc/{process}/fd/{fd}")
    except OSError as error:
        _pass_over(error)
        return None
    return _inode(found)


def _ends_of(
    inodes: dict[_Inode, list[bytes]], threads: bool = False, pids: Iterable[str] | None = None
) -> Iterator[tuple[_Inode, _End]]:
    """Every descriptor that a process has on one of the inodes, in one pass over /proc.

    inodes: with the kernel's own number of each, which is compared first: stat(2)
    of a descriptor on a network file system that does not answer never returns.
    """
    numbers = [number for number in inodes.values() if number]
    for process, fd, _ in _named_files(threads, pids) if inodes else ():
        try:
            end = _End(process, fd)
            inode = None if end.number and end.number not in numbers else _inode_behind(process, fd)
        except (OSError, LookupError, ValueError) as error:
            _pass_over(error)
            continue
        if inode is not None and inode in inodes:
            yield inode, end


def _identify(path: Path) -> tuple[_Inode, list[bytes]] | None:
    """The FIFO's inode and the kernel's number of it, which is another on btrfs and overlays.

    None if the FIFO is missing; raises NotAFifo, OSError.  Nothing is woken by O_PATH.
    """
    try:
        fd = posix.open(posix.fspath(path), posix.O_PATH | posix.O_CLOEXEC)
    except FileNotFoundError:
        if posix.fspath(path):
            return None
        raise
    try:
        found = posix.fstat(fd)
        if not stat.S_ISFIFO(found.st_mode):
            raise NotAFifo(path)
        try:
            number = _kernel_number(_read_proc(f"self/fdinfo/{fd}"))
        except OSError:
            number = []  # /proc not mounted
        return _inode(found), number
    finally:
        posix.close(fd)


def _inode_of(path: Path) -> _Inode | None:
    """The FIFO's inode, or None if it is missing."""
    identity = _identify(path)
    return None if identity is None else identity[0]


def _look(paths: Sequence[Path], threads: bool = False, pids: Iterable[str] | None = None) -> dict[Path, Any]:
    """look(), without following up what it did not find."""
    results: dict[Path, Any] = {path: _outcome(_identify, path) for path in paths}
    by_inode: dict[_Inode, list[Path]] = {}
    numbers: dict[_Inode, list[bytes]] = {}
    for path, identity in results.items():
        if isinstance(identity, Exception):
            continue
        results[path] = Ends()
        if identity is not None:
            by_inode.setdefault(identity[0], []).append(path)
            numbers[identity[0]] = identity[1]
    seen = set()
    for inode, end in _ends_of(numbers, threads, pids):
        known = inode, end.pid, end.fd, end.taker, end.reads
        if known not in seen:  # as mostly, threads share their descriptors
            seen.add(known)
            _add_end([results[path] for path in by_inode[inode]], by_inode[inode], inode, end)
    return results


def _add_end(all_ends: list[Ends], paths: list[Path], inode: _Inode, end: _End) -> None:
    holder = None
    if end.reads:
        try:
            holder = Holder(paths[0], inode, end)
        except (OSError, LookupError, ValueError) as error:
            _pass_over(error)
            return
    for ends, path in zip(all_ends, paths):
        if end.taker is not None:
            ends.exclusive = end.exclusive
        if holder is not None:
            ends.holders.append(holder if path is paths[0] else holder._renamed(path))
        elif end.writes and end.taker is not None:
            ends.locker_ends.append((end.pid, end.fd))
        elif end.writes and end.pid != posix.getpid():
            ends.watchers.append(end.pid)


def look(*paths: Path) -> dict[Path, Ends | Exception]:
    """What any process that we may look into has open of these FIFOs, in one pass over /proc.

    No end is opened, so nothing wakes up.  A missing FIFO has no ends; NotAFifo
    or an OSError stands for what cannot be looked at.
    """
    resolved = {path: _outcome(_resolve, path) for path in paths}
    found = _look([path for path in resolved.values() if not isinstance(path, Exception)])
    return {path: real if isinstance(real, Exception) else found[real] for path, real in resolved.items()}


def mains(found: list[Holder]) -> list[Holder]:
    """The holders whose parent does not hold; those with the lock, if any has it.

    The rest are children that inherited the descriptor, and stray readers.  A
    keeper and the process that it keeps are one.
    """
    everyone = {holder.pid: holder for holder in found}
    locked = {holder.pid: holder for holder in found if holder.lock} or everyone
    kept = {holder.keeps for holder in locked.values() if holder.keeps}
    return [
        holder
        for holder in locked.values()
        if (holder.keeps not in locked if holder.keeps else holder.parent not in locked and holder.parent not in kept)
    ]


def _is_locked(path: Path, shared: bool = False) -> bool:
    """Whether the lock is taken, by any process; only for a FIFO that is read anyway."""
    fd = posix.open(path, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    try:
        return not _flock(fd, shared, path)
    finally:
        posix.close(fd)


def _hidden_owner(path: Path, found: list[Holder]) -> str:
    """Whoever took the lock and cannot be looked into, in words; "" if there is none.

    Heirs of the lock name the process that took it.  Where that has ended, or is
    not known (0, in another PID namespace), the heirs that are seen are enough.
    """
    seen = {pid for holder in found for pid in (holder.pid, holder.keeps)}
    for taker in {holder.taker for holder in found if holder.taker} - seen:
        if taker and _is_hidden(taker):
            return f"by {taker} ({process_name(taker)}), into which you may not look"
    if found and not any(holder.lock for holder in found):
        try:
            if _probe(path) is not None and _is_locked(path, shared=True):
                return f"by a process that you may not see ({_WHERE_UNSEEN})"
        except OSError:
            pass  # not ours to open
    return ""


def _lock_takers(path: Path) -> set[int]:
    """The processes that took a lock of flock(2) on the FIFO, be they ended or hidden: /proc/locks."""
    device, number = _inode(posix.stat(path))
    file = b"%02x:%02x:%d" % (posix.major(device), posix.minor(device), number)
    locks = [line.split() for line in _read_proc("locks").splitlines()]
    return {int(words[4]) for words in locks if words[1] == b"FLOCK" and words[5] == file} - {0}


def _is_hidden(pid: int) -> bool:
    """Whether there is such a process, and its descriptors are not shown to us."""
    try:
        posix.listdir(f"/proc/{pid}/fd")
    except PermissionError:
        return True
    except OSError:
        try:
            posix.kill(pid, 0)  # hidepid=2 (proc(5)) hides other users' processes whole
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
    return False


def deleted_holders(path: Path) -> list[Holder]:
    """The processes that hold a FIFO of this name which was deleted, or whose directory was.

    Believed only of a FIFO without a name (st_nlink 0) whose descriptor has the
    lock and which is ours or root's, and where either the full name and the
    directory's device agree, or the process was given that path to hold in our
    own mount namespace: a container's own /run, or a user namespace, fools nobody.
    """
    try:
        full = _fsencode(_absolute(_fsdecode(_resolve(path))))
        directory = posix.stat(_directory_of(full))
    except (OSError, ProcaliveError):
        return []
    parent, name = _directory_of(full), b"/" + full.rpartition(b"/")[2] + b" (deleted)"
    real = _real_directory(parent, path).rstrip(b"/") + name
    found = []
    for process, fd, link in _named_files():
        if link.endswith(name):
            holder = _deleted_holder(path, process, fd)
            if holder and _is_of_this_name(holder, full, link == real, directory.st_dev):
                found.append(holder)
    return mains(found)


def _real_directory(directory: bytes, path: Path) -> bytes:
    """The directory as the kernel names it, behind every link."""
    try:
        fd = posix.open(directory, posix.O_PATH | posix.O_CLOEXEC)
    except OSError as error:
        error.filename = posix.fspath(path)
        raise
    try:
        return posix.readlink(f"/proc/self/fd/{fd}".encode())
    except OSError:
        return directory
    finally:
        posix.close(fd)


def _deleted_holder(path: Path, process: str, fd: str) -> Holder | None:
    try:
        end = _End(process, fd)
        if not end.reads or end.taker is None:
            return None
        found = posix.stat(f"/proc/{process}/fd/{fd}")
        if not stat.S_ISFIFO(found.st_mode) or found.st_nlink or found.st_uid not in (0, posix.geteuid()):
            return None
        return Holder(path, _inode(found), end)
    except (OSError, LookupError, ValueError) as error:
        _pass_over(error)
        return None


def _is_of_this_name(holder: Holder, full: bytes, same_name: bool, device: int) -> bool:
    if same_name and holder.inode[0] == device:
        return True
    try:
        ours = all(
            posix.readlink(f"/proc/self/{place}") == posix.readlink(f"/proc/{holder.pid}/{place}")
            for place in ("ns/mnt", "root")  # in a chroot the path is another
        )
        return ours and _environment(holder.main).get(b"PROCALIVE_FIFO") == full
    except OSError:
        return False


def _ancestors(pid: int) -> list[int]:
    """The parent, its parent and so on, as far as they can be seen."""
    found: list[int] = []
    try:
        while _proc_is_ours():
            pid = _read_status(pid)[2]
            if pid <= 0:
                break
            found.append(pid)
    except (OSError, LookupError, ValueError):
        pass
    return found


def _own_ancestor(found: list[Holder], caller: int) -> int | None:
    """The living ancestor that holds and cannot let go before we have ended, or None.

    It has the lock by a descriptor that is not close-on-exec (a module that can
    release has it otherwise), or a keeper keeps it.  Whoever means to run after
    its own job detaches first (setsid -f).
    """
    above = _ancestors(caller)
    if caller != posix.getpid():
        above.append(caller)  # the shell whose guard we serve
    for holder in found:
        if holder.lock and holder.inheritable and holder.pid in above:
            return holder.pid
        if holder.lock and holder.keeps in (caller, *above):
            return holder.keeps
    return None


def _self_conflict(path: Path, found: list[Holder], caller: int = 0) -> Held | None:
    pid = _own_ancestor(found, caller or posix.getpid())
    return None if pid is None else Held(path, found, f"held by your own ancestor {pid} ({process_name(pid)})")


def _own_conflict(path: Path, caller: int = 0) -> Held | None:
    """The same, looked up among the few that it can be: our ancestors, and the keepers.

    Every waiter asks it, and a look at all processes would cost more than the hold.
    """
    caller = caller or posix.getpid()
    ends = _look([path], pids=[str(caller), *map(str, _ancestors(caller)), *_keepers()])[path]
    return None if isinstance(ends, Exception) else _self_conflict(path, ends.holders, caller)


def _keepers() -> list[str]:
    """The processes that have a keeper's title."""
    found = []
    for pid in _processes():
        try:
            if (
                _read_proc(f"{pid}/comm") == b"procalive\n"
                and _read_proc(f"{pid}/cmdline")[:15] == b"procalive\0keep\0"
            ):
                found.append(pid)
        except OSError as error:
            _pass_over(error)
    return found


# --- what the verbs are made of ----------------------------------------------


def _look_up(paths: Sequence[Path]) -> dict[Path, list[Holder] | Exception]:
    """For each FIFO its holders, or what forbids to tell.

    Nobody, on proof only: a look takes its time, and holders that come, fork and
    exec meanwhile can slip through it, though hardly through several.  A first
    thread that has ended shows no descriptors, and a thread can have descriptors
    of its own: where nobody has the lock, every thread is looked at.
    """
    results: dict[Path, list[Holder] | Exception] = {path: Unseen(path) for path in paths}
    readers_alone = False
    for attempt in range(6):
        threads = attempt > 1 or readers_alone
        unseen = [path for path, result in results.items() if isinstance(result, Unseen)]
        for path, ends in _look(unseen, threads).items() if unseen else ():
            found = ends if isinstance(ends, Exception) else ends.holders
            if found and not isinstance(found, Exception) and not threads and not any(h.lock for h in found):
                readers_alone = True
                continue
            alive = found or _outcome(_probe, path)
            if isinstance(alive, Exception):
                results[path] = alive
            elif found or alive is None:
                results[path] = found
            elif not _proc_is_ours():
                results[path] = Unseen(path, "by whom cannot be told: /proc is missing, or of another PID namespace")
    return results


def _outcome(look: Callable[[Any], Any], path: Any) -> Any:
    """What a look at the FIFO returns or raises."""
    try:
        return look(path)
    except (ProcaliveError, OSError) as error:
        return error


# --- pidfds and signals -------------------------------------------------------


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
        raise OSError(number, "pidfd_open(2) is not available here (it needs Linux 5.3)", str(pid))
    if number in (errno.EINVAL, errno.ENOENT):
        raise OSError(number, "not a process ID", str(pid))  # but a thread's
    raise OSError(number, posix.strerror(number), str(pid))


def _pidfd_of(holder: Holder, watch: Watch) -> int | None:
    """A pidfd of the process that holds (or is kept), or None if it let go.

    The check comes after the open.  Had the PID been reused before it, the
    check would find a process that does not hold; had it been reused since, the
    pidfd stands for the old process and reaches nobody.
    """
    # For a keeper that of its job, never its own: without it the job would run unheld.
    pid = holder.keeps if holder._is_keeper else holder.pid
    pidfd = None if pid is None else _pidfd_open(pid)
    if pidfd is None:
        return None
    watch.keep(pidfd)
    return pidfd if _still_holds(holder) else None


def _still_holds(holder: Holder) -> bool:
    try:
        found = posix.stat(f"/proc/{holder._where}/fd/{holder.fd}")
        reads = _inode(found) == holder.inode and _End(holder._where, str(holder.fd)).reads
    except (FileNotFoundError, ProcessLookupError, LookupError, ValueError):
        return False  # whatever else goes wrong, it may well hold
    # A keeper's own pidfd shows its job's PID only as long as that process is there.
    return reads and (not holder._is_keeper or holder.keeps in _read_kept(holder.pid))


# From linux/pidfd.h: _IOWR(PIDFS_IOCTL_MAGIC, 11, struct pidfd_info), whose first
# member is a 64-bit mask and whose 32 bits at 60 are the wait status (Linux 6.15).
_PIDFD_GET_INFO = 0xC040FF0B
_PIDFD_INFO_EXIT = 8
_MASK_SIZE, _EXIT_CODE_AT = 8, 60  # bytes


def _exit_status(pidfd: int, deadline: float) -> int | None:
    """How a process ended, as a shell counts: its status, or 128 + signal.

    Asleep until the process was reaped, for only then does the kernel tell; of
    our own child, which only we could reap, waitid(2) tells before.  None where
    the kernel cannot say (before 6.15).  Raises TimeoutError.
    """
    ended = select.poll()
    ended.register(pidfd, 0)  # POLLHUP, reported unasked, once it was reaped
    while True:
        own, status = _status_of_child(pidfd)
        if status is not None:
            return status
        if own:
            ended.modify(pidfd, select.POLLIN)  # once it has ended
        else:
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
        ended.poll(None if left == _INF else min(left, _LONGEST_SLEEP) * 1000)


def _status_of_child(pidfd: int) -> tuple[bool, int | None]:
    """(whether it is our own child, how it ended or None): waitid(2), Linux 5.4; it stays to be reaped."""
    try:
        ended = posix.waitid(posix.P_PIDFD, pidfd, posix.WEXITED | posix.WNOHANG | posix.WNOWAIT)
    except (OSError, AttributeError):
        return False, None  # not our child
    if ended is None:
        return True, None
    return True, ended.si_status if ended.si_code == posix.CLD_EXITED else 128 + ended.si_status


def _open_for_status(watch: Watch, watched: dict[Target, int | None]) -> dict[Target, list[int]]:
    """For each target the pidfds of the processes whose exit status counts; one look for all FIFOs."""
    pidfds: dict[Target, list[int]] = {}
    for target, fd in watched.items():
        if isinstance(target, int) and fd is not None:
            pidfds[target] = [fd]
    gone = watch.gone_already()
    paths = [t for t, fd in watched.items() if not isinstance(t, int) and fd is not None and t not in gone]
    for path, found in _look_up(paths).items() if paths else ():
        if isinstance(found, list) and not _hidden_owner(path, found):
            opened = [_pidfd_of(holder, watch) for holder in mains(found)]
            pidfds[path] = [pidfd for pidfd in opened if pidfd is not None]
    for target in watch.gone_already():
        if not isinstance(target, int):
            pidfds.pop(target, None)  # handed over while we looked: they may be of the next holder
    return pidfds


def _wait_down(
    watch: Watch, watched: dict[Target, int | None], any: bool, max_age: float | None, deadline: float
) -> list[Target]:
    """The targets in the order in which they went; with `any` the first alone."""
    gone = [target for target, fd in watched.items() if fd is None]
    beats = None if max_age is None else _Beats(max_age)
    while len(gone) < len(watched) and not (any and gone):
        until = deadline if beats is None else min(deadline, beats.due(watch))
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
            _make_missing(path, 0o600)
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


def _send(path: Path, pid: int, pidfd: int, sig: int) -> bool:
    """pidfd_send_signal(2), Linux 5.1; False if the process is gone."""
    try:
        signal.pidfd_send_signal(pidfd, sig)
    except ProcessLookupError:
        return False
    except OSError as error:
        error.filename = posix.fspath(path)
        whom = f"signal {pid} ({process_name(pid)})"
        error.strerror = (
            f"not permitted to {whom}, which belongs to {_owner_of(pid)}"
            if error.errno == errno.EPERM
            else f"cannot {whom}: {error.strerror}"
        )
        raise
    return True


def _owner_of(pid: int) -> str:
    try:
        return user_name(_read_status(pid)[0])
    except (OSError, LookupError, ValueError):
        return "another user"


class _Generation:
    """The holders of one moment and what they leave holding, to be signalled, and no new holder.

    The watch sees whether the FIFO was dead since: then this generation is over.
    Of the lock, an heir is told by the kernel: its descriptor still names the
    process that took the lock.  Where the kernel names nobody (another PID
    namespace), those seen at the first look alone count.
    """

    def __init__(self, path: Path, all: bool, watch: Watch) -> None:
        self.path, self.all, self.watch = path, all, watch
        self.seen = holders(path)
        self.takers = {holder.taker for holder in self.seen if holder.taker}
        self.locked = any(holder.lock for holder in self.seen)
        self.pids = {holder.pid for holder in self.seen}
        hidden = _hidden_owner(path, self.seen)
        if hidden:
            raise Unseen(path, hidden)

    def to_signal(self) -> list[Holder]:
        """Those to be signalled now: the main ones, or all; one for each process."""
        found = self.seen if self.all else mains(self.seen)
        return list({holder.main: holder for holder in found if holder.main != posix.getpid()}.values())

    def look_again(self) -> None:
        """See who of this generation is left."""
        try:
            found = holders(self.path)
        except Unseen:
            found = []
        self.seen = [holder for holder in found if self._belongs(holder)]
        self.pids |= {holder.pid for holder in self.seen if holder.taker}

    def _belongs(self, holder: Holder) -> bool:
        if holder.lock != self.locked:
            return False  # a plain reader beside holders is no heir of theirs
        return holder.taker in self.takers if holder.taker else holder.pid in self.pids

    def signal(self, sig: int, resume: bool, spared: Iterable[int] = ()) -> list[int]:
        """Signal each but those spared, by a pidfd that was checked; `resume`: and continue it.  The PIDs."""
        sent: list[int] = []
        for holder in self.to_signal():
            if holder.main in spared:
                continue
            pidfd = _pidfd_of(holder, self.watch)
            # In this order: a holder seen before a watch that saw no death is one
            # of those that held when the watch began.
            if pidfd is None or self.path in self.watch.gone_already():
                continue
            if _send(self.path, holder.main, pidfd, sig):
                if resume:
                    _send(self.path, holder.main, pidfd, signal.SIGCONT)
                self.watch.add_process(holder.main, pidfd)
                sent.append(holder.main)
        if not sent:
            self._refuse_untrusted_keeper(spared)
        return sent

    def _refuse_untrusted_keeper(self, spared: Iterable[int]) -> None:
        """That a keeper is not believed, or has gone since, is no proof that nobody holds."""
        for holder in self.seen:
            if holder._is_keeper and holder.keeps not in (posix.getpid(), *spared) and _probe(self.path) is not None:
                whose = f"by keeper {holder.pid} for a process that cannot be told, or is not {holder.user}'s"
                raise Unseen(self.path, whose)

    def may_be_signalled(self) -> None:
        """Raise PermissionError or Unseen where one of them may not be: signal 0 to each."""
        for holder in self.to_signal():
            pidfd = _pidfd_of(holder, self.watch)
            if pidfd is not None:
                _send(self.path, holder.main, pidfd, 0)
        for pid in _lock_takers(self.path) - self.takers:
            if _is_hidden(pid):
                raise Unseen(self.path, f"by {pid} ({process_name(pid)}) too, into which you may not look")

    def end(self, sig: int, grace: float) -> list[int]:
        """Signal, and after `grace` seconds kill, until the FIFO is free: the PIDs signalled.

        Whatever the end of a main process leaves holding gets the signal too, at
        once.  Raises TimedOut where the FIFO is still held after SIGKILL.
        """
        deadline = _deadline(grace)
        sent = self.signal(sig, resume=True)
        while not self._over(deadline):
            if time.monotonic() >= deadline:
                return sent + self._kill_all(max(grace, 1.0))
            sent += self._signal_rest(sig, sent)
        return sent

    def _kill_all(self, patience: float) -> list[int]:
        killed = self._signal_rest(signal.SIGKILL, [])
        deadline = _deadline(patience)  # from now on: the look itself can take long
        while not self._over(deadline):
            if time.monotonic() >= deadline:
                after = " after SIGKILL" if killed else ""
                raise TimedOut(self.path, f"still {Held(self.path).text}{after}")
            killed += self._signal_rest(signal.SIGKILL, killed)
        return killed

    def _signal_rest(self, sig: int, spared: list[int]) -> list[int]:
        self.look_again()
        return self.signal(sig, resume=sig != signal.SIGKILL, spared=spared)

    def _over(self, deadline: float) -> bool:
        """Sleep until the FIFO is free, or a process has ended, or until the deadline."""
        return self.path in self.watch.next(deadline)


_RESUMED_AFTER = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)  # or a stopped holder could not act on it


def _end_generation(path: Path, sig: int, grace: float, all: bool = False) -> list[int]:
    """`kill -k`: signal, wait until the FIFO is free, SIGKILL after `grace`; the PIDs signalled."""
    with Watch() as watch:
        # Watched before the first signal, so that not even a job that is
        # restarted at once can be taken for the one that was to end.
        if watch.add(path) is None:
            return []
        generation = _Generation(path, all, watch)
        return list(dict.fromkeys(generation.end(sig, grace)))


# --- the queue of `hold -w` ---------------------------------------------------
#
# The whole idea.  Beside the lock there is a mark of order: a classic POSIX lock
# (fcntl(2)) on byte 0 of the FIFO.  It belongs to a process: execve(2) keeps it,
# no child inherits it, and it goes when its process ends or closes *any*
# descriptor of the FIFO.  The mark decides nothing but order; who holds is
# decided as ever, by a dead FIFO and flock(2) on the read end.
#
#  * A holder has the mark.  A waiter opens the write end and sleeps for the mark in
#    F_SETLKW, where the kernel keeps the waiters in the order of their coming and
#    wakes one at a time.  Asleep there it owns nothing: who is killed, stopped,
#    interrupted or out of time just leaves the queue.
#  * Who gets the mark is first.  It waits until nobody reads (mostly that is so
#    already; a child of the last holder may still hold), takes the lock, and
#    keeps its write end, and with it the mark, for as long as it holds.
#  * While it has the mark it must close no descriptor of the FIFO.  So it takes the
#    lock on the *write* end first: a read end that lost the race to a hold without
#    -w could only be closed.  Then it opens the read end, at the number that it
#    keeps, and moves the lock there, shared on both for a moment.
#  * A holder that never waited marks through its read end.  Shared holders have no
#    mark, for others are to come in beside them.
#
# Byte 1 is the place of the first waiter of `hold --any`.  From byte 2 up, every
# waiter locks a byte of its own, its ticket, later ones higher: by these `--next`
# and `-k` see that somebody waits, and `-k` and `--max-age` that nobody waits
# before them.  These are locks of the open file description (F_OFD_SETLK), which
# the closing of another descriptor does not drop.

_ANY_PLACE, _TICKETS = 1, 2  # bytes


def _lock_bytes(fd: int, command: int, kind: int, start: int, length: int) -> bool:
    """fcntl(2) on a range of bytes; False where another has it.  length 0: to the end of all numbers."""
    import struct  # 1 ms, which only those pay who wait

    try:
        fcntl.fcntl(fd, command, struct.pack("hhqqi0q", kind, 0, start, length, 0))
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def _somebody_waits(fd: int) -> bool:
    """Whether any waiter has a ticket."""
    import struct

    asked = struct.pack("hhqqi0q", fcntl.F_WRLCK, 0, _TICKETS, 0, 0)
    kind: int = struct.unpack_from("h", fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked))[0]
    return kind != fcntl.F_UNLCK


def _take_ticket(fd: int, only: bool) -> int | None:
    """Count this waiter; its number, or None if it was to be the only one and is not."""
    ticket = _TICKETS + time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    if not only:
        _lock_bytes(fd, fcntl.F_OFD_SETLKW, fcntl.F_WRLCK, ticket, 1)
        return ticket
    if not _lock_bytes(fd, fcntl.F_OFD_SETLK, fcntl.F_WRLCK, _TICKETS, 0):
        return None
    _lock_bytes(fd, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, _TICKETS, ticket - _TICKETS)
    _lock_bytes(fd, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, ticket + 1, 0)
    return ticket


def _sleep_until_first(fd: int, ticket: int) -> None:
    """Asleep until nobody waits whose ticket is older."""
    if ticket > _TICKETS:
        _lock_bytes(fd, fcntl.F_OFD_SETLKW, fcntl.F_WRLCK, _TICKETS, ticket - _TICKETS)
        _lock_bytes(fd, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, _TICKETS, ticket - _TICKETS)


def _mark(fd: int, how: int) -> bool:
    """Take the mark of order, asleep unless LOCK_NB; False where that cannot be."""
    try:
        fcntl.lockf(fd, how, 1)
    except OSError as error:
        # EDEADLK: two processes that hold one FIFO each wait for the other's.
        if error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            raise
        return False
    return True


class _Interrupted(Exception):
    """A signal took this process out of its sleep; the argument is its number."""


class _Interruptions:
    """Signals that end the sleep of a waiter: SIGALRM at the deadline or from its
    attendant; Ctrl-Z and its like, for a waiter leaves the queue before it stops.

    They raise _Interrupted, and only while sleep() runs: elsewhere an exception could
    come between the taking of a lock and its use.  No other signal has a handler:
    to run one, the kernel takes the waiter out of the queue.
    """

    _STOPS = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.asleep = False
        self.came: list[int] = []
        self.before: dict[int, Any] = {}
        self.mask: Any = None

    def __enter__(self) -> _Interruptions:
        for number in (signal.SIGALRM, *self._STOPS):
            self.before[number] = signal.getsignal(number)
            if number == signal.SIGALRM or self.before[number] == signal.SIG_DFL:
                signal.signal(number, self._ring)
        self.mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        if self.deadline != _INF:
            # Again and again: the first may ring just before a sleep begins.
            left = max(1e-6, min(self.deadline - time.monotonic(), 1e9))
            signal.setitimer(signal.ITIMER_REAL, left, 0.01)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self.before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)

    def _ring(self, number: int, _: object) -> None:
        if self.asleep:
            self.asleep = False
            raise _Interrupted(number)
        if number != signal.SIGALRM:
            self.came.append(number)

    def sleep(self, call: Callable[..., Any], *args: Any) -> Any:
        """Call it; raises _Interrupted if a signal comes, or came since the last sleep."""
        if time.monotonic() >= self.deadline:
            raise _Interrupted(signal.SIGALRM)
        try:
            self.asleep = True
            if self.came:
                raise _Interrupted(self.came.pop())
            return call(*args)
        finally:
            self.asleep = False

    def stop(self, number: int) -> None:
        """Stop here, as the signal would have it."""
        signal.signal(number, signal.SIG_DFL)
        posix.kill(posix.getpid(), number)
        signal.signal(number, self._ring)


def _end_with_reader(fd: int) -> None:
    """Have SIGIO end this process once nobody reads the pipe: whom it works for has ended."""
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(fd, fcntl.F_SETOWN, posix.getpid())
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | posix.O_ASYNC)


class _Attendant:
    """A child that looks after the holder while its parent sleeps in the queue.

    For the parent cannot do both, and any signal that it handled would cost it its
    place.  So the child rings only where its parent is to give up, with the exit
    status in a pipe, and again and again until it is heard.
    """

    def __init__(self, work: Callable[[], int]) -> None:
        self._status, write = posix.pipe()
        posix.set_blocking(self._status, False)
        self.pid = posix.fork()
        if self.pid == 0:
            self._attend(work, write)
        posix.close(write)

    def _attend(self, work: Callable[[], int], write: int) -> NoReturn:
        if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a word
        posix.close(self._status)
        _end_with_reader(write)
        parent, status = posix.getppid(), _FAILED
        try:
            status = work()
        except BaseException as error:
            _say(message(error))
        if status:
            posix.write(write, bytes([status]))
        while status and posix.getppid() == parent:
            posix.kill(parent, signal.SIGALRM)
            time.sleep(0.02)
        posix._exit(0)

    def verdict(self) -> int:
        """The exit status with which its parent is to give up, or 0."""
        try:
            return posix.read(self._status, 1)[0]
        except (BlockingIOError, IndexError):
            return 0

    def dismiss(self) -> None:
        """End it: it is our own child, and not yet reaped."""
        posix.kill(self.pid, signal.SIGKILL)
        posix.waitpid(self.pid, 0)
        posix.close(self._status)


class _Waiter:
    """One process in the queue: `hold -w`, `hold -k`, and the turn of a shell's guard.

    only: at most one waits.  turn_only: stop short of the read end, which the
    guard's shell opens itself.  attend: what an attendant is to do, told its ticket,
    and returning the status with which to give up, or 0.
    """

    def __init__(self, path: Path, shared: bool, mode: int, deadline: float) -> None:
        self.path, self.shared, self.mode = path, shared, mode
        self.only = self.turn_only = False
        self.attend: Callable[[int], int] | None = None
        self.status = 0  # with which the attendant had us give up
        self._line = -1  # the write end in the queue; afterwards, the mark's descriptor
        self._fillers: list[int] = []
        self._attendant: _Attendant | None = None
        self._interruptions = _Interruptions(deadline)

    def hold(self) -> int | None:
        """The locked read end; None where the time ran out, or another waits already.

        With turn_only: 0 when it is this waiter's turn.
        """
        with self._interruptions:
            try:
                while True:
                    try:
                        fd = self._try()
                    except _Interrupted as interrupted:
                        self._leave()
                        if interrupted.args[0] == signal.SIGALRM:
                            self.status = self._attendant.verdict() if self._attendant else 0
                            return None
                        self._dismiss_attendant()  # it knows a ticket that is given up
                        self._interruptions.stop(interrupted.args[0])
                        continue
                    except _AnotherWaits:
                        return None
                    if fd is not None:
                        return fd
            finally:
                self._dismiss_attendant()

    def _dismiss_attendant(self) -> None:
        attendant, self._attendant = self._attendant, None
        if attendant:
            attendant.dismiss()

    def keep_mark(self) -> None:
        """Let the command inherit the mark's descriptor."""
        if self._line >= 0:
            posix.set_inheritable(self._line, True)

    def _try(self) -> int | None:
        """Take the FIFO, at once or in turn; None to try again."""
        line = self._open_line()
        if line is None or (self.shared and not _somebody_waits(line)):
            if line is not None:
                posix.close(line)
            fd = self._take_free()
            if fd is not None or line is None:
                return fd
            line = self._open_line()
        if line is None:
            return None
        self._line = _move_high(line, _FIRST_WRITE_END)
        return self._in_turn()

    def _open_line(self) -> int | None:
        try:
            return _open_write_end(self.path)
        except PermissionError:
            raise Refused(self.path, _WAIT_NEEDS_WRITE) from None

    def _take_free(self) -> int | None:
        try:
            if self.turn_only:
                _prepare(self.path, self.mode)
                return 0
            fd = _try_hold(self.path, self.shared, self.mode)
        except _DeletedHeld as held:
            sleep = self._interruptions.sleep
            _with_deleted(held.holders[0], lambda name: sleep(_wait_gone, name, _INF))
            return None
        return None if fd is None else _settle(fd, self.shared)

    def _in_turn(self) -> int | None:
        ticket = self._interruptions.sleep(_take_ticket, self._line, self.only)
        if ticket is None:
            self._leave()
            raise _AnotherWaits
        if self.attend and not self._attendant:
            self._attendant = _Attendant(lambda: self._work(ticket))
        if self._interruptions.sleep(_mark, self._line, fcntl.LOCK_EX):
            fd = self._when_free()
        else:
            fd = self._interruptions.sleep(_wait_gone, self.path, _INF) and None
        if fd is None or self.shared:
            self._leave()  # where shared, for the next to come in beside us
        elif not self.turn_only:
            _lock_bytes(self._line, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, _TICKETS, 0)  # waits no more
        return fd

    def _work(self, ticket: int) -> int:
        posix.close(self._line)  # our copy of it would keep the ticket
        return self.attend(ticket) if self.attend else 0

    def _reserve_number(self) -> None:
        """See to it that open(2), which takes the lowest number free, gives the read end a high one.

        Only when it is first: whoever looks through /proc reads the link of each descriptor.
        """
        if self.turn_only:
            return
        place = _move_high(posix.open("/", posix.O_PATH | posix.O_CLOEXEC), _FIRST_READ_END)
        self._fillers = [place]
        while self._fillers[-1] <= place:
            self._fillers.append(posix.dup(place))

    def _when_free(self) -> int | None:
        """First in the queue: sleep until nobody reads, then take the lock.

        The first report of the edge is of now, each later one is of a death; with
        EPOLLERR there is still no reader.
        """
        self._reserve_number()
        deaths, now = select.epoll(), select.poll()
        deaths.register(self._line, select.EPOLLOUT | select.EPOLLET)
        now.register(self._line, 0)
        obstruction = _Obstruction(self.path, lambda: bool(now.poll(0)))
        while True:
            dead = self._interruptions.sleep(deaths.poll)[0][1] & select.EPOLLERR
            while dead or self.shared:
                if self.turn_only and dead:
                    return 0
                if not self.turn_only and _flock(self._line, self.shared, self.path):
                    return self._take_locked()
                if not now.poll(0):
                    break
                self._interruptions.sleep(obstruction.lost_again)

    def _take_locked(self) -> int | None:
        """With the lock on the write end: open the read end, and move the lock there."""
        _prepare(self.path, self.mode)
        posix.close(self._fillers.pop(0))
        fd = _open_read_end(self.path, [])
        if fd is None:
            return None
        try:
            found = posix.fstat(fd)
            same = _inode(found) == _inode(posix.fstat(self._line))
            if same and self._move_lock(fd) and _leads_to(self.path, found):
                return fd
        except BaseException:
            posix.close(fd)
            raise
        posix.close(fd)  # and with it goes the mark: the FIFO is another, or shared since
        return None

    def _move_lock(self, fd: int) -> bool:
        """From the write end to the read end, with no moment in which neither has it.

        Only a shared contender can come in between; then the lock is not ours.
        """
        _flock(self._line, True, self.path)
        _flock(fd, True, self.path)
        fcntl.flock(self._line, fcntl.LOCK_UN)
        return self.shared or _flock(fd, False, self.path)

    def _leave(self) -> None:
        """Out of the queue: closing gives up ticket and mark."""
        for fd in (self._line, *self._fillers):
            if fd >= 0:
                posix.close(fd)
        self._line, self._fillers = -1, []


class _AnotherWaits(Exception):
    """It was to be the only waiter, and is not."""


def _settle(fd: int, shared: bool) -> int:
    """A read end taken without waiting: at its high number, and then marked, for the move closes the old one."""
    fd = _move_high(fd, _FIRST_READ_END)
    if not shared:
        _mark(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return fd


def _replace(path: Path, grace: float) -> None:
    """`hold -k`: end the holders of this moment, one generation, all or none; return when the FIFO is free.

    Raises PermissionError (one of them may not be signalled), Unseen, TimedOut.
    """
    with Watch() as watch:
        if watch.add(path) is None:
            return
        generation = _Generation(path, False, watch)
        generation.may_be_signalled()
        if path not in watch.gone_already():
            generation.end(signal.SIGTERM, grace)


def _wait_overdue(path: Path, max_age: float) -> Stale | None:
    """Sleep until the holder misses its beat; None when it has let go, or nobody holds."""
    with Watch() as watch:
        if watch.add(path) is None:
            return None
        beats = _Beats(max_age)
        while True:
            try:
                if path in watch.next(beats.due_or_later(watch)):
                    return None
            except Stale as overdue:
                return overdue


# --- public: the module's verbs -----------------------------------------------


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
            raise ValueError(f"{escape(self.path)}: was released")
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Let go, by closing: never LOCK_UN, which would leave a reader unlocked."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            _let_go(self.path, [fd])


def _held_by_us(path: Path, fd: int) -> Hold:
    """What every hold of the module ends with."""
    _beat(fd)
    _publish(path, posix.getpid(), fd)
    return Hold(path, fd)


def hold(
    path: Path,
    *,
    timeout: float | None = 0.0,
    shared: bool = False,
    mode: int = 0o600,
    replace: float | None = None,
    max_age: float | None = None,
    next: bool = False,
) -> Hold:
    """Hold the FIFO, created with `mode` if missing; its directory must exist.

    timeout: seconds to wait for another holder to end, asleep; None for ever.
    shared: beside other shared holders, but no exclusive one.  replace: end the
    holder of this moment with SIGTERM, and after so many seconds with SIGKILL,
    unless somebody else waits already; all of its processes or none.  max_age:
    seconds; raise Stale where the holder has not beaten for so long; with
    `replace`, replace only such a one.  next: wait only where nobody waits already.

    The module's waiters do not stand in the queue of `procalive hold -w`.

    Raises Held; Stale; NotAFifo; Refused (a symbolic link, or a stranger's FIFO in
    a sticky directory); Obstructed; OSError; ValueError (a time that is negative or
    NaN, a mode above 0o777).  See fifo(7), flock(2).
    """
    if not 0 <= mode <= 0o777:
        raise ValueError(f"{mode:#o}: not a mode from 0 to 0o777")
    deadline = _deadline(timeout)
    for limit in (replace, max_age):
        _refuse_nan(limit)
    path = _resolve(path, make=True)
    ends: list[int] = []
    try:
        fd = _hold_within(path, shared, mode, deadline, _Rules(replace, max_age, next), ends)
        if fd is None:
            raise Held(path)
        return _held_by_us(path, fd)
    except BaseException:
        _let_go(path, ends)
        raise


def hold_any(paths: Paths, *, timeout: float | None = 0.0, shared: bool = False, mode: int = 0o600) -> Hold:
    """Hold the first of the FIFOs that is free: at most N jobs at once on N FIFOs.

    The Hold's `path` says which.  timeout, shared, mode: as for hold().  FIFOs that
    cannot be held are passed over as long as one can.

    Raises Held (of the first), what forbids to hold where none can be, ValueError.
    """
    deadline = _deadline(timeout)
    choice = _Choice([_resolve(path, make=True) for path in paths], shared, mode)
    asked = False
    try:
        taken = choice.try_all()
        while taken is None:
            if time.monotonic() >= deadline:
                raise choice.conflict(choice.paths[0])
            itself, asked = None if asked else choice.own_conflict(), True
            if itself:
                raise itself
            taken = choice.wait(deadline)
        return _held_by_us(*taken)
    except BaseException:
        for path in choice.paths if choice.ends else ():
            _unpublish(path, choice.ends[-1])
        _let_go(choice.paths[0], choice.ends)
        raise


def _same_file_key(path: Path) -> object:
    """Equal for two names of one file, be it there or still to be made."""
    try:
        return _inode(posix.stat(path))
    except FileNotFoundError:
        return _inode(posix.stat(_directory_of(path))), _fsencode(path).rpartition(b"/")[2]


class _Choice:
    """Several FIFOs of which one is to be held: `hold --any`."""

    def __init__(self, paths: list[Path], shared: bool, mode: int) -> None:
        if not paths:
            raise ValueError("no FIFO is named")
        self.paths, self.shared, self.mode = paths, shared, mode
        self.errors: dict[Path, Exception] = {}
        self.deleted: dict[Path, _DeletedHeld] = {}
        self.ends: list[int] = []  # the read end that was taken

    def try_all(self) -> tuple[Path, int] | None:
        """(path, locked read end) of the first that is free; None where all that can be held are."""
        self._refuse_twins()
        self.errors, self.deleted = {}, {}
        for path in self.paths:
            try:
                fd = _try_hold(path, self.shared, self.mode, self.ends)
            except _DeletedHeld as held:
                self.deleted[path] = held
                continue
            except (ProcaliveError, OSError) as error:
                self.errors[path] = error
                continue
            if fd is not None:
                return path, fd
        if len(self.errors) == len(self.paths):
            raise next(iter(self.errors.values()))
        return None

    def conflict(self, path: Path) -> Held:
        """Who holds this one of them."""
        return self.deleted.get(path) or Held(path)

    def own_conflict(self) -> Held | None:
        """Where an ancestor of ours holds each that can be held at all: none of them ends before us."""
        found: Held | None = None
        for path in self.paths:
            if path not in self.errors:
                found = None if path in self.deleted else _own_conflict(path)
                if found is None:
                    return None
        return found

    def _watch(self, watch: Watch, path: Path) -> int | None:
        """Watch this one of them, by whatever name it has."""
        if path in self.deleted:
            fd: int | None = _with_deleted(self.deleted[path].holders[0], watch.add)
            return fd
        return watch.add(path)

    def _refuse_twins(self) -> None:
        """One FIFO named twice would count as two."""
        seen: dict[object, Path] = {}
        for path in self.paths:
            key = _outcome(_same_file_key, path)
            if isinstance(key, Exception):
                continue  # told where it is tried
            if key in seen:
                raise ValueError(f"{escape(path)} and {escape(seen[key])} are one FIFO")
            seen[key] = path

    def wait(self, deadline: float, due: Callable[[Watch], float] | None = None) -> tuple[Path, int] | None:
        """Sleep until one of them is free and take it; None where another was faster, and at the deadline."""
        with Watch() as watch:
            for path in self.paths:
                if path not in self.errors and self._watch(watch, path) is None:
                    return self.try_all()
            while time.monotonic() < deadline:
                if watch.next(deadline if due is None else min(deadline, due(watch))):
                    return self.try_all()
        return None


def check(path: Path, *, max_age: float | None = None) -> bool:
    """Whether a process has the FIFO open for reading.  Never blocks.

    A missing FIFO, or directory, is not alive.  With max_age (seconds): alive
    and well, which raises Stale where the last beat, the FIFO's mtime, is older,
    and FutureBeat where it lies ahead; a holder that started less than max_age
    ago is well.

    Raises NotAFifo, Refused (a name whose directory cannot be trusted), or OSError
    (permission denied, a loop of links): cannot tell.  ValueError if max_age is
    negative or NaN.  See fifo(7), ENXIO in open(2).
    """
    _refuse_nan(max_age)
    path = _resolve(path)
    found = _probe(path)
    if found is not None and max_age is not None:
        problem, _ = _judge_beat(path, time.time() - found.st_mtime, max_age)
        if problem is not None:
            raise problem
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

    Raises TimedOut, Stale, FutureBeat, NotAFifo, Refused, OSError, ValueError; with up also
    Held, where a FIFO of that name was deleted and is still held.  Works in
    any thread, leaves signals alone and wakes for nothing but the event.
    """
    deadline = _deadline(timeout)
    _refuse_nan(max_age)
    given = {target if isinstance(target, int) else _resolve(target, make=up): target for target in targets}
    if up:
        paths = [target for target in given if not isinstance(target, int)]
        if status or max_age is not None or len(paths) < len(given):
            raise ValueError("up goes with neither PIDs, status nor max_age")
        return dict.fromkeys(given[path] for path in _wait_up(paths, any, deadline))
    for target in given:
        if not isinstance(target, int):
            _refuse_old_kernel(target)
    with Watch() as watch:
        watched = {target: watch.add(target) for target in given}
        pidfds = _open_for_status(watch, watched) if status else {}
        gone = _wait_down(watch, watched, any, max_age, deadline)
        return {given[target]: _ending(target, pidfds.get(target, ()), deadline) for target in gone}


def holders(path: Path) -> list[Holder]:
    """The processes that have the FIFO open for reading; [] if nobody does.

    Read from /proc/*/fd, so it may miss those of other users; raises Unseen
    when that leaves none though the FIFO is alive.  Also NotAFifo, Refused, OSError.
    """
    path = _resolve(path)
    found = _look_up([path])[path]
    if isinstance(found, Exception):
        raise found
    return found


def kill(path: Path, sig: int = signal.SIGTERM, *, all: bool = False, grace: float | None = None) -> list[int]:
    """Signal the main holder, or with `all` every holder; returns the PIDs.

    The main holder is the one whose parent does not hold; for a keeper, the
    process kept.  Each signal goes through a pidfd that was opened before the
    process was seen to hold, so never to a reused PID (Linux 5.3).  SIGCONT
    follows SIGTERM, SIGINT and SIGQUIT, so that a stopped process can act on it.

    grace: seconds; then sleep until the FIFO is free, signal what the end of the
    main holder leaves holding, and end with SIGKILL what still holds it after that
    time.  SIGCONT follows any signal then.  The caller itself is never signalled.

    Raises TimedOut (still held after SIGKILL), PermissionError, Unseen,
    NotAFifo, Refused, OSError, ValueError.
    """
    if grace is not None and not grace >= 0:
        raise ValueError("the grace is not a time")
    path = _resolve(path)
    if grace is None:
        with Watch() as watch:
            generation = _Generation(path, all, watch)
            return generation.signal(sig, resume=sig in _RESUMED_AFTER)
    _refuse_old_kernel(path)
    return _end_generation(path, sig, grace, all)


_CLOSES_DESCRIPTORS: dict[str, str] = {
    # name: the letters of its options that keep it in the foreground; "" where it
    # stays there by itself.  Each of these was seen to close what it inherits, or
    # says so in its manual.
    "csh": "",
    "doas": "",
    "dnsmasq": "kd",
    "haproxy": "",
    "keepalived": "nl",
    "lvm": "",
    "monit": "I",
    "perl": "",
    "screen": "D",
    "sendmail": "",
    "snmpd": "f",
    "snmptrapd": "f",
    "ssh": "",
    "sshd": "D",
    "su": "",
    "sudo": "",
    "tcsh": "",
}


def keeps_nothing(name: str) -> bool:
    """Whether a command of that name is known to close the descriptors that it inherits."""
    return name.rpartition("/")[2] in _CLOSES_DESCRIPTORS


# --- hold: the keeper ---------------------------------------------------------


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
    wait for it.  (Where the job itself is PID 1, or a child subreaper, it is the
    job's all the same: CAVEATS in procalive(1).)
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
    _close_all_but(fd, job, order)
    # Before there is a keeper: by its title `kill` knows that it is none to signal.
    _set_title("keep", path)
    keeper = posix.fork()
    if keeper:
        _publish(path, keeper, fd)
        return
    _mark(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
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


_MANY = 65536  # descriptors looked at one by one where /proc does not list them


def _own_descriptors() -> Sequence[int]:
    try:
        return [int(fd) for fd in posix.listdir("/proc/self/fd")]
    except OSError:  # /proc not mounted
        limit = posix.sysconf("SC_OPEN_MAX")
        return range(limit if 0 <= limit < _MANY else _MANY)


def _close_all_but(*kept: int) -> None:
    for fd in _own_descriptors():
        if fd not in kept:
            _close_quietly(fd)


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


# --- hold: which commands need a keeper ----------------------------------------

_WRAPPERS = frozenset(("busybox", "choom", "chroot", "chrt", "env", "ionice", "nice", "nohup", "nsenter", "prlimit",
                       "setpriv", "setsid", "stdbuf", "taskset", "timeout", "unshare"))  # fmt: skip
# Options with which these go to the background and end: nobody can keep them.
_BACKGROUND = {"ssh": "f", "sudo": "b"}


def _behind_wrappers(command: list[str]) -> list[str]:
    """The command that env, nice and the like will run, with its arguments.

    It is the first word behind them that names a program: options, their values
    and assignments do not.
    """
    while _base(command[0]) in _WRAPPERS:
        rest = command[1:]
        while rest and not _program(rest[0]):
            rest = rest[1:]
        if not rest:
            break
        command = rest
    return command


def _base(word: str) -> str:
    return word.rpartition("/")[2]


def _program(word: str) -> bytes | None:
    """The file that execvp(3) would run, if there is one that can be."""
    for file in _candidates(_fsencode(word)) if word else ():
        try:
            if stat.S_ISREG(posix.stat(file).st_mode) and posix.access(file, posix.X_OK):
                return file
        except (OSError, ValueError):
            continue
    return None


def _needs_keeper(command: list[str]) -> bool:
    """Whether it closes what it inherits: a set-user-ID program, or one that is known to.

    Most shells become the last command of `sh -c LINE`: so each word of it counts.
    """
    name, *rest = _behind_wrappers(command)
    names = {name}
    if _base(name).endswith("sh") and any(word[:1] == "-" and "c" in word for word in rest):
        line = "".join(" " if letter in "\t\n;&|(){}<>=`$'\"\\" else letter for letter in " ".join(rest))
        names.update(line.split())
    return any(map(_closes_descriptors, names))


def _closes_descriptors(name: str) -> bool:
    if keeps_nothing(name):
        return True
    file = _program(name)
    if file is None:
        return False
    if posix.stat(file).st_mode & stat.S_ISUID:
        return True
    try:
        return keeps_nothing(_fsdecode(posix.readlink(file)))  # vgs and its like are links to lvm
    except OSError:
        return keeps_nothing(_interpreter(file))


def _interpreter(file: bytes) -> str:
    """The program that runs a script, "" for anything else."""
    try:
        with open(file, "rb", buffering=0) as script:
            first = script.read(128).partition(b"\n")[0]
    except OSError:
        return ""
    words = _fsdecode(first[2:]).split() if first[:2] == b"#!" else []
    return _behind_wrappers(words)[0] if words else ""


def _goes_to_background(command: list[str]) -> str:
    """What to say of a command that ends its main process at once, or ""."""
    inner = _behind_wrappers(command)
    name, options = _base(inner[0]), [word for word in inner[1:] if word.startswith("-") and word[1:2] != "-"]
    letters = "".join(word[1:] for word in options)
    if name in _BACKGROUND and any(_BACKGROUND[name] in word[1:3] for word in options):
        option = f"-{_BACKGROUND[name]}"
        return f"{name} {option} goes to the background, and nothing holds then; leave out {option}"
    foreground = _CLOSES_DESCRIPTORS.get(name, "")
    if foreground and not any(letter in letters for letter in foreground):
        return f"{name} goes to the background, and nothing holds then; start it in the foreground (-{foreground[0]})"
    forks = any(_base(word) == "setsid" for word in command[: len(command) - len(inner)])
    if forks and posix.getpgrp() == posix.getpid() and not {"-w", "--wait"} & set(command):
        return "setsid forks here and ends, and nothing holds then; use setsid -w"
    return ""


# --- hold: becoming the command -------------------------------------------------


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


def _exec(command: list[str], run: bool = True) -> tuple[int, str]:
    """execvp(3), which returns only if it failed: the status and what to say.

    Without `run` a look only: (0, "") where there is something to run.
    """
    status, reason = _NOT_FOUND, "command not found"
    for file in _candidates(_fsencode(command[0])) if command[0] else ():
        found = False
        try:
            mode = posix.stat(file).st_mode  # an execve(2) that fails costs ten times as much
            found = True
            if run:
                _exec_file(file, command)
            elif posix.access(file, posix.X_OK) and not stat.S_ISDIR(mode):
                return 0, ""
            status, reason = _CANNOT_RUN, "cannot be run: Permission denied"
        except (FileNotFoundError, NotADirectoryError):
            if found:
                status, reason = _CANNOT_RUN, "cannot be run: its interpreter is missing"
        except OSError as error:
            status, reason = _CANNOT_RUN, f"cannot be run: {error.strerror}"
            if error.errno != errno.EACCES:
                break
    return status, reason + (_advice(command[0]) if status == _NOT_FOUND else "")


_SHELL_WORDS = frozenset((":", ".", "[[", "alias", "cd", "eval", "export", "for", "if", "set", "source", "ulimit",
                          "umask", "unset", "until", "wait", "while", "{", "("))  # fmt: skip


def _advice(word: str) -> str:
    """What to do about a command that was meant for a shell, or as an option."""
    if word.startswith("-"):
        return "; options go before the FIFO"
    if word in _SHELL_WORDS or set(word) & set(" \t|&;<>()$`"):
        return "; for a line of the shell use -c: procalive hold FIFO -c 'LINE'"
    return ""


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
    keep = False
    lock = ""  # "exclusive" or "shared": the last one given
    max_age: float | None = None
    mine = False
    mode: int | None = None
    next = False
    no_fork = False
    no_wait = False
    pid = False
    private = False
    quiet = False
    replace: float | None = None
    signal = signal.SIGTERM
    status = False
    timeout: float | None = None
    up = False
    verbose = False
    # Told by the launcher, not on the command line:
    ignored = ""  # p: SIGPIPE, x: SIGXFSZ
    launcher = 0  # its PID, while it waits for us

    @property
    def shared(self) -> bool:
        return self.lock == "shared"

    @property
    def making_mode(self) -> int:
        """The mode of a FIFO that is made."""
        return 0o600 if self.mode is None else self.mode

    @property
    def waits(self) -> float:
        """Seconds to wait for the holder: 0 unless asked to."""
        return 0.0 if self.no_wait else self.timeout or 0.0


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


def message(error: BaseException) -> str:
    """An exception as one line: what is wrong, with what."""
    if isinstance(error, (ProcaliveError, _Usage)):
        return str(error)
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        if error.errno in (errno.EMFILE, errno.ENFILE):
            reason += "; raise the limit (ulimit -Hn, fs.file-max)"
        if error.filename is None:
            return reason
        if error.errno == errno.EACCES:
            reason += _whose(error.filename)
        return f"{escape(error.filename)}: {reason}"
    return f"internal error: {type(error).__name__}: {escape(str(error))}"


def _whose(path: Path) -> str:
    """To "permission denied": whose the FIFO is, and what to do."""
    try:
        found = posix.lstat(path)
    except (OSError, ValueError):
        return ""
    if not stat.S_ISFIFO(found.st_mode):
        return ""
    owner, mode = user_name(found.st_uid), stat.S_IMODE(found.st_mode)
    return f": it belongs to {owner} and has mode {mode:04o}; run this as {owner}, or ask {owner} for chmod or setfacl"


def _absolute(path: str) -> str:
    try:
        return path if path.startswith("/") else f"{posix.getcwd().rstrip('/')}/{path}"
    except FileNotFoundError:
        raise Refused(path, "the current directory was removed; change to another") from None


def _is_told(options: _Options) -> bool:
    """Whether to say what is waited for: to a person, or under -v."""
    return options.verbose or (not options.quiet and _is_open(2) and posix.isatty(2))


# hold


def _cmd_hold(options: _Options, operands: list[str]) -> int:
    _refuse_combinations(options)
    if options.fd is not None:
        return _hold_descriptor(options, options.fd, operands)
    fifos, command = _split(options, operands)
    missing = [fifo for fifo in fifos if _is_missing(fifo)]
    if missing or options.replace is not None:
        # Nothing is left behind, and no job ended, for a word that was meant otherwise.
        status, reason = _exec(command, run=False)
        if status:
            meant = f" ({escape(missing[0])} was taken for the FIFO)" if missing else ""
            _say(f"{escape(command[0])}: {reason}{meant}")
            return status
    paths = [_fsdecode(_resolve(fifo, make=True)) for fifo in fifos]
    taken = _hold_any(paths, options) if options.any else _hold_one(paths[0], options)
    if isinstance(taken, int):
        return taken
    return _become(*taken, command, options)


def _refuse_combinations(options: _Options) -> None:
    wrong = [
        (options.keep and options.private, "--keep and -o exclude each other"),
        (options.keep and options.fd is not None, "--keep does not go with --fd"),
        (options.no_fork and options.private, "-F does not go with -o"),
        (options.next and not options.waits, "--next goes with -w alone"),
        (options.any and options.replace is not None, "--any does not go with -k"),
        (options.any and options.fd is not None, "--any does not go with --fd"),
    ]
    for is_wrong, text in wrong:
        if is_wrong:
            raise _Usage(f"hold: {text}; see procalive hold -h")


def _split(options: _Options, operands: list[str]) -> tuple[list[str], list[str]]:
    """The FIFOs and the command of the operands."""
    if options.any:
        if "--" not in operands:
            raise _Usage("hold: --any takes FIFOs, then -- and a command; see procalive hold -h")
        at = operands.index("--")
        fifos, command = operands[:at], operands[at + 1 :]
    else:
        fifos, command = operands[:1], operands[1:]
        if command[:1] == ["--"]:
            del command[0]
        elif command[:1] in (["-c"], ["--command"]):
            command = _shell_line(command[1:])
    if not fifos or not command:
        raise _Usage("hold: needs a FIFO and a command; see procalive hold -h")
    return fifos, command


def _shell_line(words: list[str]) -> list[str]:
    """-c LINE, as flock(1) has it."""
    if len(words) != 1:
        raise _Usage("hold: -c takes exactly one line for the shell, in quotes; see procalive hold -h")
    shell = _fsdecode(posix.environ.get(b"SHELL", b"")) or "/bin/sh"
    return [shell, "-c", words[0]]


def _is_missing(fifo: str) -> bool:
    try:
        posix.lstat(_resolve(fifo))
    except FileNotFoundError:
        return True
    except OSError:
        pass
    return False


def _let_go_of(paths: Iterable[Path]) -> None:
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


def _hold_one(path: str, options: _Options) -> tuple[str, int, _Waiter | None] | int:
    """(path, locked read end, who has waited), or the exit status."""
    if options.waits or options.replace is not None:
        _let_go_of([path])
    try:
        fd = None if _must_queue(path, options) else _try_hold(path, options.shared, options.making_mode)
    except _DeletedHeld as held:
        if not options.waits:
            return _report_held(held, options)
        fd = None
    if fd is not None:
        return path, _settle(fd, options.shared), None
    conflict = _conflict_now(path)
    status = None if options.waits else _judge_conflict(conflict, options)
    return _hold_in_turn(conflict, options) if status is None else status


def _must_queue(path: str, options: _Options) -> bool:
    """Whether a shared hold could come in at once, but somebody waits before it, whom it would starve."""
    try:
        return bool(options.shared and options.waits) and _others_wait(path)
    except PermissionError:
        return False  # it cannot wait either


def _judge_conflict(conflict: Held, options: _Options) -> int | None:
    """The exit status of a conflict that is not to be waited out; None where the holder is to be replaced."""
    path: Path = conflict.path
    problem = None if options.max_age is None else beat_problem(path, options.max_age)
    if isinstance(problem, Stale) and options.replace is None:
        return _report_overdue(conflict, problem)
    if isinstance(problem, FutureBeat):
        _say(problem)
        return options.conflict
    if options.replace is None or (options.max_age is not None and problem is None):
        return _report_held(conflict, options)
    return None


def _report_overdue(conflict: Held, overdue: Stale) -> int:
    """Say who holds and hangs, also where -q wants no message."""
    _say(f"{escape(conflict.path)}: {conflict.text}, but no beat for {duration(overdue.age)}")
    return _STALE


def _hold_in_turn(conflict: Held, options: _Options) -> tuple[str, int, _Waiter | None] | int:
    """Wait in the queue, and have an attendant replace the holder or watch its beats, where that is wanted."""
    path = _fsdecode(conflict.path)
    itself = _own_conflict(path)
    if itself:
        return _report_held(itself, options)
    waiter = _Waiter(path, options.shared, options.making_mode, _deadline(options.waits or None))
    waiter.only = options.next or not options.waits
    if options.replace is not None or options.max_age is not None:
        waiter.attend = lambda ticket: _attend(path, ticket, options)
    if options.waits and _is_told(options):
        _say(f"{escape(path)}: {_waiting_for(conflict)}")
    fd = waiter.hold()
    if fd is not None:
        return path, fd, waiter
    if waiter.status:
        return waiter.status
    return _report_held(_conflict_now(path), options)


def _waiting_for(conflict: Held) -> str:
    """`waiting for 4312 (backup.sh), which holds it for 3h12m`."""
    main = mains(conflict.holders)
    if not main:
        return "waiting for its holder, which you may not see"
    whom = ", ".join(map(_with_name, main[:3])) + (f" and {len(main) - 3} more" if len(main) > 3 else "")
    if not main[0].lock:
        return f"waiting for {whom}, which reads it without the lock"
    age = duration(time.time() - min(holder.since for holder in main))
    return f"waiting for {whom}, which holds it for {age}"


def _attend(path: str, ticket: int, options: _Options) -> int:
    """What an attendant does: once nobody waits before its parent, look after the holder.

    The exit status with which the parent is to give up, or 0.
    """
    parent = posix.getppid()
    line = _open_write_end(path)
    if line is None:
        return 0
    _sleep_until_first(line, ticket)
    posix.close(line)
    if options.max_age is not None:
        overdue = _first_overdue(path, options.max_age, parent)
        if overdue is None:
            return 0
        if options.replace is None:
            _say(overdue)
            return _STALE
    if posix.getppid() != parent or options.replace is None:
        return 0
    try:
        _replace(path, options.replace)
    except TimedOut as error:
        if not options.quiet:
            _say(error)
        return options.conflict
    if options.waits or not _is_overtaken(path, parent):
        return 0
    return _report_held(Held(path), options)


def _first_overdue(path: str, max_age: float, parent: int) -> Stale | None:
    """Sleep until a holder misses its beat, also one that slipped in before our parent; None where that holds.

    What our parent takes is overdue until it beats, and then it ends us.
    """
    while True:
        overdue = _wait_overdue(path, max_age)
        if overdue is not None:
            return None if parent in [holder.pid for holder in Held(path).holders] else overdue
        if not _sleep_until_held(path):
            return None


def _is_overtaken(path: str, parent: int) -> bool:
    """Sleep until somebody holds the FIFO: whether that is another than our parent, which then ends us."""
    while _sleep_until_held(path):
        found = _look_up([path])[path]
        if found:  # holders, or what forbids to see them; else they have let go again
            return isinstance(found, Exception) or parent not in [holder.pid for holder in found]
    return False


def _sleep_until_held(path: str) -> bool:
    """False where there is no such FIFO any more."""
    try:
        posix.close(posix.open(path, _WRITE_END & ~posix.O_NONBLOCK))
    except FileNotFoundError:
        return False
    return True


def _hold_any(paths: list[str], options: _Options) -> tuple[str, int, _Waiter | None] | int:
    """The same for `--any`: the first of several that is free."""
    try:
        choice = _Choice([*paths], options.shared, options.making_mode)
        taken = choice.try_all()
    except ValueError as error:
        raise _Usage(f"hold: {error}") from None
    for failure in choice.errors.values():
        _say(message(failure))
    if taken is None and options.waits and not choice.own_conflict():
        if _is_told(options):
            _say(f"{escape(paths[0])}: {_waiting_for(Held(paths[0]))}, or for another of {len(paths)}")
        status, taken = _hold_any_in_turn(choice, options)
        if status:
            return status
    if taken is not None:
        return _fsdecode(taken[0]), _settle(taken[1], options.shared), None
    return _report_all_held(choice, options)


def _report_all_held(choice: _Choice, options: _Options) -> int:
    held = [path for path in choice.paths if path not in choice.errors]
    for path in held if options.max_age is not None else ():
        problem = beat_problem(path, options.max_age or 0.0)
        if isinstance(problem, Stale):
            return _report_overdue(Held(path), problem)
    for path in held:
        _report_held(choice.conflict(path), options)
    return options.conflict


def _hold_any_in_turn(choice: _Choice, options: _Options) -> tuple[int, tuple[Path, int] | None]:
    """Stand in the queue of `--any` at the first FIFO; who is first there watches all of them.

    (status to end with or 0, what was taken or None).
    """
    _let_go_of(choice.paths)
    beats = None if options.max_age is None else _Beats(options.max_age)
    with _Interruptions(_deadline(options.waits)) as interruptions:
        line: int | None = None
        stopped_by = 0
        while True:
            if stopped_by:  # out of the queue by now: the line is closed
                interruptions.stop(stopped_by)
                stopped_by = 0
            try:
                line = _open_write_end(next(path for path in choice.paths if path not in choice.errors))
                if line is not None:
                    if interruptions.sleep(_take_ticket, line, options.next) is None:
                        return 0, None
                    interruptions.sleep(_lock_bytes, line, fcntl.F_OFD_SETLKW, fcntl.F_WRLCK, _ANY_PLACE, 1)
                taken = choice.try_all() or interruptions.sleep(choice.wait, _INF, beats and beats.due_or_later)
                if taken is not None:
                    return 0, taken
            except _Interrupted as interrupted:
                if interrupted.args[0] == signal.SIGALRM:
                    return 0, None
                stopped_by = interrupted.args[0]
            except Stale as overdue:
                _say(overdue)
                return _STALE, None
            finally:
                if line is not None:
                    posix.close(line)
                line = None


def _report_held(conflict: Held, options: _Options) -> int:
    """Say who holds, unless that is not wanted."""
    if not options.quiet:
        itself = None if isinstance(conflict, _DeletedHeld) else _self_conflict(conflict.path, conflict.holders)
        _say(itself or conflict)
    return options.conflict


def _become(path: str, fd: int, waiter: _Waiter | None, command: list[str], options: _Options) -> int:
    """Exec the command as holder; returns only if that failed, the FIFO let go."""
    path = _absolute(path)
    _beat(fd)
    dismiss = None
    for name in ("PROCALIVE_FIFO", "PROCALIVE_FD"):
        posix.unsetenv(name)  # of an outer hold; and all of them, should there be several
    if not options.private:
        posix.set_inheritable(fd, True)
        posix.putenv("PROCALIVE_FD", str(fd))
        if waiter:
            waiter.keep_mark()
    if options.private or options.keep or _needs_keeper(command):
        dismiss = _start_keeper(path, fd)
        _warn_of_background(path, command, options)
    else:
        _publish(path, posix.getpid(), fd)
    posix.putenv("PROCALIVE_FIFO", path)
    if options.verbose:
        _say(f"{escape(path)}: held; running {escape(command[0])}")
    _restore_locale()
    _restore_signals(options.ignored)
    status, reason = _exec(command)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # standard error, or a keeper, may be gone
    if dismiss is not None:
        _dismiss_keeper(dismiss)
    posix.close(fd)
    _say(f"{escape(command[0])}: {reason}")
    return status


def _warn_of_background(path: str, command: list[str], options: _Options) -> None:
    warning = "" if options.quiet else _goes_to_background(command)
    if warning:
        _say(f"{escape(path)}: {warning}")


# hold --fd


def _hold_descriptor(options: _Options, fd: int, operands: list[str]) -> int:
    """Lock a descriptor that the calling shell has open for reading on the FIFO."""
    others = options.private or options.mode is not None or options.replace is not None or options.max_age is not None
    if len(operands) != 1 or others or options.next:
        raise _Usage("hold: --fd takes one FIFO and no command, and only -w, -n, -s, -E, -q, -v; see procalive hold -h")
    path = _fsdecode(_resolve(operands[0]))
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
    in_sight = _proc_is_ours() and posix.access(f"/proc/{caller}/fd", posix.X_OK)
    if in_sight and _inode_behind(caller, str(fd)) != _inode(found):
        if _is_locked(path, options.shared):  # by another, whoever called us: bash becomes its last command
            return _report_held(_locked_by(path), options)
        raise Refused(path, f"descriptor {fd} is open on it here, but not in the calling shell, which is to hold")
    conflict = _flock_within(fd, path, options)
    if conflict:
        return _report_held(conflict, options)
    if not _leads_to(path, found):
        raise Refused(path, "was replaced while the lock was waited for")
    _beat(fd)
    _publish(absolute, int(caller), fd)
    if options.verbose:
        _say(f"{escape(path)}: held by descriptor {fd}")
    return _YES


def _locked_by(path: str) -> Held:
    """The conflict where the caller itself reads the FIFO, and so shall not be named.

    Raises Obstructed where a process has locked a descriptor that does not read.
    """
    ends = _look([path])[path]
    if isinstance(ends, Exception):
        raise ends
    holding = [holder for holder in ends.holders if holder.lock]
    if ends.lockers and not holding:
        raise Obstructed(path, ends.lockers[0])
    return Held(path, holding)


def _flock_within(fd: int, path: str, options: _Options) -> Held | None:
    """Wait for the lock itself: the caller reads, so the FIFO never reads dead."""
    if _flock(fd, options.shared, path):
        return None
    conflict = _locked_by(path)
    itself = _self_conflict(path, conflict.holders)
    if itself or not options.waits:
        return itself or conflict
    if _is_told(options):
        _say(f"{escape(path)}: {_waiting_for(conflict)}")
    with _Interruptions(_deadline(options.waits)) as interruptions:
        while True:
            try:
                interruptions.sleep(_flock, fd, options.shared, path, True)
                return None
            except _Interrupted as interrupted:
                if interrupted.args[0] != signal.SIGALRM:
                    interruptions.stop(interrupted.args[0])
                    continue
                # The alarm may have rung just after the lock was granted.
                return None if _flock(fd, options.shared, path) else _locked_by(path)


def _cmd_turn(words: list[str]) -> int:
    """For the guard of the shell library, which is PID and is to open FIFO as descriptor N.

    _turn -w SECS --fd N FIFO PID: makes the FIFO if missing, waits in the queue, and prints
    0 when it is free and this is its turn, 75 when the time ran out or an ancestor holds.
    Then it keeps its place until the shell has opened the read end, for a second at most.
    """
    options, (name, pid) = _parse("hold", words)
    path = _fsdecode(_resolve(name, make=True))
    _end_with_reader(1)
    _end_with_ctrl_c(pid)
    turn = _await_turn(path, options.waits or 0.0, int(pid))
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    if turn is not None and options.fd is not None:
        _beat(path)
        _publish(path, int(pid), options.fd)  # it is true from the shell's open(2) on
    answer = b"75" if turn is None else b"0"
    if turn is None or turn._line < 0:
        _print(answer)
    else:
        _answer_and_stay(answer, path, turn._line)
    return _YES


def _end_with_ctrl_c(shell: str) -> None:
    """Have SIGINT and SIGQUIT end this process where they end the shell.

    It runs in the background, where they are ignored, and dash and mksh read its answer
    to the end before they heed them.
    """
    try:
        status = dict(line.split(b":\t", 1) for line in _read_proc(f"{shell}/status").splitlines())
        ignored = int(status[b"SigIgn"], 16)
    except (OSError, LookupError, ValueError):
        return
    for number in (signal.SIGINT, signal.SIGQUIT):
        if not ignored >> (number - 1) & 1:
            signal.signal(number, signal.SIG_DFL)


def _answer_and_stay(answer: bytes, path: str, line: int) -> None:
    """Print the answer, and return when the FIFO has got a reader, who may have gone by then; in a second at most."""
    deaths = select.epoll()
    deaths.register(line, select.EPOLLOUT | select.EPOLLET)
    deaths.poll(0)
    _start_thread(_exit_when_read, path)
    _print(answer)
    posix.close(1)
    deaths.poll(1)


def _exit_when_read(path: str) -> None:
    try:
        posix.open(path, _WRITE_END & ~posix.O_NONBLOCK)
        posix._exit(_YES)
    except OSError:
        pass  # replaced meanwhile


def _await_turn(path: str, seconds: float, shell: int) -> _Waiter | None:
    """Who has the turn, when the FIFO is free, made if it was missing, and fit to be held; else None."""
    _let_go_of([path])
    waiter = _Waiter(path, False, 0o600, _deadline(seconds))
    waiter.turn_only = True
    conflict: Held | None = None
    try:
        _prepare(path, 0o600)
        if _probe(path) is None or (_has_let_go(path) and _probe(path) is None):
            return waiter
    except _DeletedHeld as held:
        conflict = held
    conflict = conflict or Held(path)
    itself = _own_conflict(path, shell)
    if itself:
        _say(itself)
    if itself or not seconds:
        return None
    return None if waiter.hold() is None else waiter


# check


def _cmd_check(options: _Options, operands: list[str]) -> int:
    """The worst answer for several: unknown, else dead, else stale, else alive."""
    if not operands:
        raise _Usage("check: needs a FIFO; see procalive check -h")
    answers = {_check_one(path, options) for path in operands}
    return next(answer for answer in (_UNKNOWN, _NO, _STALE, _YES) if answer in answers)


def _check_one(name: str, options: _Options) -> int:
    try:
        path = _fsdecode(_resolve(name))
        if options.mine and not _is_mine(path, options):
            if options.verbose:
                _print(f"{escape(path)}: not held by the calling process")
            return _NO
        alive = check(path, max_age=options.max_age)
    except Stale as error:
        if options.verbose:
            _print(str(error))
        return _STALE
    except (ProcaliveError, OSError) as error:
        _say(message(error))
        return _UNKNOWN
    if options.verbose:
        _print(f"{escape(path)}: {_told_alive(path) if alive else _told_dead(path)}")
    return _YES if alive else _NO


def _told_alive(path: str) -> str:
    return f"alive, {Held(path).text}"


def _told_dead(path: str) -> str:
    return "no such FIFO" if _type_of_followed(path) == 0 else "not alive"


def _is_mine(path: str, options: _Options) -> bool:
    """Whether the calling process holds: it reads with the lock, or a keeper keeps it, or it
    descends from a set-user-ID program (sudo, su) that holds or is kept, and waits for it.

    Raises Unseen where that cannot be told.
    """
    if _probe(path) is None:
        return False
    inode = _inode_of(path)
    # Most shells exec the last command of `sh -c`: then this very process, or the launcher, was the caller.
    ourselves = posix.getpid(), options.launcher
    caller = _parent_of(options.launcher) if options.launcher else posix.getppid()
    if _holds_by_inheritance(inode):
        return True
    found = holders(path)
    locked = {holder.pid for holder in found if holder.lock}
    kept = {holder.keeps for holder in found if holder.lock and holder.keeps}
    if caller in locked or kept & {caller, *ourselves}:
        return True
    if any((pid in locked or pid in kept) and _runs_set_user_id(pid) for pid in _ancestors(posix.getpid())):
        return True
    hidden = _hidden_owner(path, found)
    if hidden or any(holder._is_keeper and holder.keeps is None for holder in found):
        raise Unseen(path, hidden or "by a keeper for a process that cannot be told")
    return False


def _parent_of(pid: int) -> int:
    try:
        return _read_status(pid)[2]
    except (OSError, LookupError, ValueError):
        return 0


def _holds_by_inheritance(inode: _Inode | None) -> bool:
    """Whether we have inherited a locked read end: told of ourselves by any /proc."""
    for fd in _own_descriptors():
        try:
            if _inode(posix.fstat(fd)) != inode:
                continue
            info = _read_proc(f"self/fdinfo/{fd}")
            flags = int(info.partition(b"flags:")[2].split()[0], 8)
        except (OSError, LookupError, ValueError):
            continue
        if flags & posix.O_ACCMODE != posix.O_WRONLY and _read_lock(info)[0] is not None:
            return True
    return False


def _runs_set_user_id(pid: int) -> bool:
    try:
        return bool(posix.stat(f"/proc/{pid}/exe").st_mode & stat.S_ISUID)
    except PermissionError:
        file = _program(_read_command(pid)[0])  # another user's: by the name that it was called by
        return file is not None and bool(posix.stat(file).st_mode & stat.S_ISUID)
    except OSError:
        return False


# wait, who, kill, path


def _cmd_wait(options: _Options, operands: list[str]) -> int:
    targets = _wait_targets(options, operands)
    paths = [target for target in targets if not isinstance(target, int)]
    _tell_before_waiting(paths, options)
    _let_go_of(paths)
    raise_descriptor_limit(_FIRST_WRITE_END + len(targets) * (4 if options.status else 2))
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
    names = dict(zip(targets, operands))
    if options.verbose:
        for target in gone:
            _say(f"{escape(target)}: {'alive' if options.up else 'gone'}")
    if options.any:
        first = names[next(iter(gone))]
        _print(_fsencode(first))
    return _report_statuses(gone) if options.status else _YES


def _wait_targets(options: _Options, operands: list[str]) -> list[str] | list[int]:
    if not operands:
        raise _Usage("wait: needs a FIFO, or --pid and a PID; see procalive wait -h")
    if options.up and (options.pid or options.status or options.max_age is not None):
        raise _Usage("wait: --up goes with neither --pid, --status nor --max-age")
    if not options.pid:
        return [_fsdecode(_resolve(word, make=options.up)) for word in operands]
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


def _tell_before_waiting(paths: list[str], options: _Options) -> None:
    """What a person who waits would wonder about: a mistyped path, and a wait for oneself."""
    for path in paths if _is_told(options) else ():
        if _type_of_followed(path) == 0:
            if options.verbose:
                _say(f"{escape(path)}: no such FIFO")
            continue
        conflict = None if options.up else _self_conflict(path, Held(path).holders)
        if conflict:
            _say(f"{conflict}, which cannot end before this wait does")


def _report_statuses(gone: dict[Target, int | None]) -> int:
    """The highest status; 125 stands for one that the kernel could not tell."""
    for target, status in gone.items():
        if status is None:
            _say(f"{escape(target)}: gone, but how it ended is not known (see --status in procalive(1))")
    return max(_FAILED if status is None else status for status in gone.values())


def raise_descriptor_limit(wanted: int) -> None:
    """Room for so many descriptors, as far as the hard limit allows: setrlimit(2)."""
    if posix.sysconf("SC_OPEN_MAX") >= wanted + 32:
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted + 32, hard), hard))


def _cmd_who(options: _Options, operands: list[str]) -> int:
    if not operands:
        raise _Usage("who: needs a FIFO; see procalive who -h")
    found: list[Holder] = []
    answers = set()
    for holders_or_error in _look_up([_resolve(word) for word in operands]).values():
        if isinstance(holders_or_error, list):
            # Within a job we hold too, having inherited it; that is news where nobody else does.
            others = [holder for holder in holders_or_error if holder.pid not in (posix.getpid(), options.launcher)]
            found += others or holders_or_error
            answers.add(_YES if holders_or_error else _NO)
        else:
            _say(message(holders_or_error))
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
        kind += f", keeps {holder.keeps} ({process_name(holder.keeps)})"
    if holder.state in "Tt":
        kind += ", stopped"
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder.since))
    command = " ".join(escape(word) for word in holder.command)
    return (escape(holder.fifo), str(holder.pid), holder.user, since, kind, command)


def _cmd_kill(options: _Options, operands: list[str]) -> int:
    if len(operands) != 1:
        raise _Usage("kill: needs one FIFO; see procalive kill -h")
    path = _fsdecode(_resolve(operands[0]))
    if _inode_of(path) is None:  # mistyped, perhaps
        number = operands[0].isascii() and operands[0].isdigit()
        if not options.quiet:
            _say(f"{escape(path)}: no such FIFO" + ("; kill takes a FIFO, not a PID" if number else ""))
        return _NO
    _let_go_of([path])
    try:
        sent = kill(path, options.signal, all=options.all, grace=options.grace)
    except TimedOut as error:
        if not options.quiet:
            _say(error)
        return _TIMED_OUT
    if options.verbose:
        _say(f"{escape(path)}: signalled {' '.join(map(str, sent)) or 'nobody'}")
    return _YES if sent else _NO


def _cmd_path(_: _Options, operands: list[str]) -> int:
    if len(operands) != 1:
        raise _Usage("path: needs one name, such as @backup; see procalive path -h")
    _print(_fsencode(path(operands[0])))
    return _YES


# Option values: each converter raises ValueError with the message to print.


def _secs(text: str) -> float:
    try:
        return seconds(text)
    except ValueError:
        raise ValueError(f"{escape(text)}: not a time (90, 1.5, 30s, 5m, 2h, 1d or inf)") from None


def _number(text: str, what: str, highest: int, base: int = 10, lowest: int = 0) -> int:
    # int() alone would take 1_0, blanks, a sign and the digits of every script.
    try:
        number = int(text, base) if text.isascii() and text.isdigit() else -1
    except ValueError:
        number = -1
    if not lowest <= number <= highest:
        raise ValueError(f"{escape(text)}: not {what}")
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
        raise ValueError(f"{escape(text)}: not a signal")
    return number


# The options of each verb: flags, attribute of _Options, value, converter, help.  An
# option without a value sets its attribute to True, or to what stands for the converter.
_QUIET = (("-q", "--quiet"), "quiet", None, None, "print no message when it is held")
_VERBOSE = (("-v", "--verbose"), "verbose", None, None, "say what is done")
_HELP = (("-h", "--help"), "help", None, None, "show this help")
_SPECS: dict[str, tuple[Any, ...]] = {
    "hold": (
        "hold FIFO and become COMMAND; 75 if another process holds it",
        (
            "[-w SECS [--next]] [-k SECS] [--max-age SECS] [-s] [-o|--keep] [-E CODE] [-m MODE] [-q|-v]"
            " FIFO [--] COMMAND [ARG]...",
            "[the same] FIFO -c 'SHELL LINE'",
            "--any [the same] FIFO... -- COMMAND [ARG]...",
            "--fd N [-w SECS] [-s] [-E CODE] [-q|-v] FIFO",
        ),
        (
            ("-w", "--wait", "--timeout"),
            "timeout",
            "SECS",
            _secs,
            "wait up to SECS for the holder to end, in the order of coming (90, 1.5, 30s, 5m, 2h, 1d, inf)",
        ),
        (("--next",), "next", None, None, "with -w: end with 75 at once if another waits already"),
        (
            ("-k", "--replace"),
            "replace",
            "SECS",
            _secs,
            "replace the holder: SIGTERM, and SIGKILL after SECS; with --max-age only if its heartbeat is missing",
        ),
        (("--max-age",), "max_age", "SECS", _secs, "3 if the holder has had no heartbeat for SECS"),
        (("-n", "--nonblock", "--nb"), "no_wait", None, None, "do not wait (the default without -w)"),
        (("-x", "-e", "--exclusive"), "lock", None, "exclusive", "hold alone (the default)"),
        (("-s", "--shared"), "lock", None, "shared", "share with other -s holders, exclude the rest"),
        (("-o", "--close"), "private", None, None, "COMMAND alone counts: its children do not inherit the descriptor"),
        (
            ("--keep",),
            "keep",
            None,
            None,
            "hold until COMMAND has ended, even if it closes what it inherits (ssh, sudo: by itself)",
        ),
        (("-F", "--no-fork"), "no_fork", None, None, "no effect: hold always becomes COMMAND"),
        (("-E", "--conflict-exit-code"), "conflict", "CODE", _status, "exit status when another process holds (75)"),
        (("-m", "--mode"), "mode", "MODE", _mode, "mode of a FIFO that is created (0600)"),
        (("--any",), "any", None, None, "hold the first of several FIFOs that is free: at most N jobs at once"),
        (("--fd",), "fd", "N", _descriptor, "lock descriptor N of the calling shell, which it has open on FIFO"),
        _QUIET,
        _VERBOSE,
    ),
    "check": (
        "0 if a process holds FIFO, 1 if none does, 2 if that cannot be told",
        ("[-v] [--max-age SECS] [--mine] FIFO...",),
        (("--max-age",), "max_age", "SECS", _secs, "3 if alive, but without a heartbeat for SECS"),
        (("--mine",), "mine", None, None, "0 only if the calling process itself holds"),
        _VERBOSE,
    ),
    "wait": (
        "sleep until nobody holds FIFO",
        (
            "[-t SECS] [--any] [--status] [--max-age SECS] [-v] FIFO...",
            "[-t SECS] [--any] --up [-v] FIFO...",
            "[-t SECS] [--any] [--status] [-v] --pid PID...",
        ),
        (("-t", "--timeout"), "timeout", "SECS", _secs, "end with 124 if it takes longer"),
        (("--any",), "any", None, None, "wait for the first of them; print its name"),
        (("--up",), "up", None, None, "wait for a holder instead"),
        (("--status",), "status", None, None, "end with the exit status of the holder; 125 if it is not known"),
        (("--max-age",), "max_age", "SECS", _secs, "3 as soon as a holder has had no heartbeat for SECS"),
        (("--pid",), "pid", None, None, "wait for processes, by number"),
        _VERBOSE,
    ),
    "who": (
        "list the processes that have FIFO open for reading",
        ("[--json] FIFO...",),
        (("--json",), "json", None, None, "one JSON object a line"),
    ),
    "kill": (
        "signal the process that holds FIFO, and no other",
        ("[-s SIGNAL] [-k SECS] [-a] [-q|-v] FIFO",),
        (("-s", "--signal"), "signal", "SIGNAL", _signal_number, "by name or number (TERM)"),
        (("-k", "--kill-after"), "grace", "SECS", _secs, "wait until FIFO is free; SIGKILL after SECS"),
        (("-a", "--all"), "all", None, None, "signal all holders, children included"),
        _QUIET,
        _VERBOSE,
    ),
    "path": ("print the path of a name", ("@NAME",)),
}
_STATUSES = {
    "hold": "COMMAND's own, or 75 held by another, 3 held without a heartbeat (--max-age), 125 procalive failed, "
    "126 COMMAND cannot be run, 127 not found",
    "check": "0 alive, 1 not alive, 2 cannot tell, 3 alive but without a heartbeat",
    "wait": "0 gone (--up: alive), 2 cannot tell, 3 no heartbeat, 124 time ran out; --status: the holder's, or 125",
    "who": "0 somebody, 1 nobody, 2 cannot tell",
    "kill": "0 sent (-k: and gone), 1 nobody to signal, 2 cannot tell or not permitted, 124 still there",
    "path": "0, or 2: no name, or no place for names",
}
_EXAMPLES = {
    "hold": (
        "procalive hold -q -E 0 @backup -- backup.sh     skip quietly while the previous run goes on",
        "procalive hold -w 10m @report -c 'a && b'       wait up to ten minutes, then run a line of the shell",
        "procalive hold -k 10 @preview -- render.sh      the newer run replaces the older one",
    ),
    "check": (
        "procalive check @backup && echo running",
        "procalive check --max-age 2h @backup            3 if it has had no heartbeat for two hours",
        'procalive check --mine @x || exec procalive hold @x -- "$0" "$@"     the first line of a script',
    ),
    "wait": (
        "procalive wait -t 10m @backup                   sleep until it has ended, ten minutes at most",
        "procalive wait --up @server                     sleep until it runs",
        "procalive wait --status @build && deploy.sh     go on if it ended well, whoever started it",
    ),
    "who": ("procalive who @backup", "procalive who --json @backup | jq .pid", "procalive who /run/*.fifo"),
    "kill": (
        "procalive kill @server                          SIGTERM to the process that holds",
        "procalive kill -s HUP @server                   another signal",
        "procalive kill -k 10 @server                    and SIGKILL after ten seconds; return when it is gone",
    ),
    "path": (
        "procalive path @backup",
        'mkfifo -m 0622 "$(procalive path @backup)"      others may check it and wait for it',
        'sudo procalive check "$(procalive path @backup)"',
    ),
}
_RUN: dict[str, Callable[[_Options, list[str]], int]] = {
    "hold": _cmd_hold,
    "check": _cmd_check,
    "wait": _cmd_wait,
    "who": _cmd_who,
    "kill": _cmd_kill,
    "path": _cmd_path,
}
# What other programs, or other verbs, call it.
_MEANT = {
    ("hold", "-t"): "the option to wait is -w SECS",
    ("hold", "-u"): "a hold ends with its command",
    ("hold", "-c"): "-c goes behind the FIFO",
    ("hold", "--command"): "--command goes behind the FIFO",
    ("wait", "-w"): "the time limit of wait is -t SECS",
    ("check", "-q"): "check prints nothing without -v",
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
        epilog="procalive VERB -h shows the options of a verb; procalive(1) is the manual.",
    )
    parser.add_argument("-V", "--version", action="store_true", help="show the version")
    verbs = parser.add_subparsers(metavar="VERB")
    for verb, (text, usages, *options) in _SPECS.items():
        one = verbs.add_parser(
            verb,
            usage="\n       ".join(f"procalive {verb} {operands}" for operands in usages),
            help=text,
            description=text,
            epilog=_epilog(verb),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for flags, _, value, _, about in options:
            if value:
                one.add_argument(*flags, metavar=value, help=about)
            else:
                one.add_argument(*flags, action="store_true", help=about)
        one.add_argument("FIFO", nargs="*", help=argparse.SUPPRESS)
    return parser


def _epilog(verb: str) -> str:
    import textwrap

    notes = f"Exit status: {_STATUSES[verb]}."
    if verb == "hold":
        notes = "Unlike flock(1), hold does not wait unless told to (-w). " + notes
    examples = "\n".join(f"  {line}" for line in _EXAMPLES[verb])
    return f"{textwrap.fill(notes, 78)}\n\nexamples:\n{examples}\n\nprocalive(1) is the manual."


def _help(verb: str | None = None) -> str:
    parser: Any = _parser()
    if verb is not None:
        parser = parser._subparsers._group_actions[0].choices[verb]
    return str(parser.format_help()).rstrip()


def _parse(verb: str, args: list[str]) -> tuple[_Options, list[str]]:
    """The options up to the first operand (POSIX, guideline 9), and the operands."""
    options, words, flag = _Options(), list(args), ""
    specs = {flag: rest for flags, *rest in (*_SPECS[verb][2:], _HELP) for flag in flags}
    try:
        while words and words[0] != "-" and words[0].startswith("-"):
            flag, glued = _next_flag(words)
            if flag == "--" and glued is None:
                break
            if flag not in specs:
                raise _Usage(_meant(verb, flag, glued))
            attribute, value, convert, _ = specs[flag]
            if value:
                setattr(options, attribute, convert(_value(words, glued, value)))
            else:
                setattr(options, attribute, _bare(words, flag, glued) and (convert or True))
    except _Usage as error:
        raise _Usage(f"{verb}: {escape(flag)}: {error}; see procalive {verb} -h") from None
    except ValueError as error:
        raise _Usage(f"{verb}: {flag}: {error}") from None
    if options.quiet and options.verbose:
        raise _Usage(f"{verb}: -q and -v exclude each other")
    late = next((word for word in words if word.startswith("-") and word != "-"), None)
    if late and flag != "--" and verb != "hold":
        # As a FIFO it would be missing, and `check F -v` would say "not alive".
        raise _Usage(f"{verb}: {escape(late)}: options go before the FIFO; a FIFO of that name is ./{escape(late)}")
    return options, words


def _meant(verb: str, flag: str, glued: str | None) -> str:
    """What was meant by an option that there is not."""
    if verb == "kill" and flag[1:2].isalnum() and not flag.startswith("--"):
        return f"no such option; the option for a signal is -s {escape(flag[1:] + (glued or ''))}"
    meant = _MEANT.get((verb, flag))
    return f"no such option; {meant}" if meant else "no such option"


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
    elif verb == "_turn":
        return _cmd_turn(args[1:])
    elif verb in ("-V", "--version"):
        _print(f"procalive {__version__}")
    elif verb in ("-h", "--help") or (verb == "help" and len(args) < 2):
        _print(_help())
    elif verb == "help" and args[1] in _RUN:
        _print(_help(args[1]))
    else:
        what = f"{escape(args[-1] if verb == 'help' else verb)}: no such verb" if args else "a verb is missing"
        raise _Usage(f"{what} ({', '.join(_RUN)}); see procalive -h")
    return _YES


def _is_open(fd: int) -> bool:
    try:
        return fcntl.fcntl(fd, fcntl.F_GETFD) >= 0
    except OSError:
        return False


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
        _say(message(error))
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
