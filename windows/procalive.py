#!/usr/bin/env python3
"""procalive for Windows: a process is alive while it keeps a file open that way.

The kernel says so, not the contents of a file.  `hold` opens F for writing
with a share mode that refuses other writers (dwShareMode of CreateFile), and
the job inherits that handle; `check` opens F with a share mode that only a
writer conflicts with; `wait` sleeps until the last such handle is closed.

    hold      access _HOLD, share READ        refuses holders, checks, deletion
    hold -s   access _HOLD, share READ+WRITE  the same, but lets -s in
    check     access _LOOK, share READ+DELETE refused by a writer alone
    wait      access _LOOK, share everything  refused by nobody who shares

Guaranteed, on one machine: after exit, crash, termination or reboot nothing is
left that reads as alive; never two exclusive holders of one file; the job never
outlives its wrapper; nobody is terminated who was not seen to hold.
Not guaranteed: anything on a share of another host.

Invariants:
  * Free is said only on proof: an open of a plain, local file that a holder
    would have refused.  Everything else is an exception, or status 2.
  * What is written in F only says whom to name and on which byte to sleep.  A
    PID is believed together with its start alone, and for `kill` only where
    the kernel's list of handles shows that process with F open as a holder.
  * F is never deleted, and a handle is never closed in another process.

Stable: the names in __all__, the command line and its statuses.  All else may
change.  procalive-windows(7) tells what differs from procalive(1).
"""

from __future__ import annotations

import sys

if sys.platform != "win32":  # before what others do not have is imported
    if __name__ != "__main__":
        raise ImportError("this is the module for Windows; elsewhere take the procalive.py above it")
    sys.stderr.write("procalive: this is the file for Windows; elsewhere take the procalive.py above it\n")
    raise SystemExit(125 if sys.argv[1:2] == ["hold"] else 2)

import _thread
import _winapi
import ctypes
import errno
import os
import struct
import time

# typing costs time at start, and nothing here needs it at run time.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence
    from typing import Any, Callable, Union

    _Inode = tuple[int, int, int]  # volume, and the two halves of the file's number
    _Process = tuple[int, int]  # PID, start in units of 100 ns since 1601
    Path = Union[str, bytes, os.PathLike[str], os.PathLike[bytes]]
    Target = Union[Path, int]
else:  # strings, which typing.get_type_hints() evaluates for who asks it
    Any, _Inode, _Process = object, "tuple[int, int, int]", "tuple[int, int]"
    Path = "str | bytes | __import__('os').PathLike[str] | __import__('os').PathLike[bytes]"
    Target = Path + " | int"

__all__ = [
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
    "__version__",
    "beat_problem",
    "check",
    "duration",
    "escape",
    "hold",
    "hold_any",
    "holders",
    "kill",
    "message",
    "names_directory",
    "path",
    "process_name",
    "seconds",
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
_TERMINATED, _KILLED = 143, 137  # what `kill` gives the process that it ends

_INF = float("inf")


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
    """The path names something else than a plain file, about which nothing can be told."""

    def __init__(self, path: Path, text: str = "not a plain file") -> None:
        super().__init__(path, text)


class Refused(ProcaliveError):
    """The name is not fit to be held, or not safe."""


class Held(ProcaliveError):
    """Another process holds the file.

    `holders` lists those that this user may see: possibly none.  They are looked
    up when they, or the text, are first asked for.
    """

    def __init__(self, path: Path, holders: list[Holder] | None = None, text: str = "") -> None:
        super().__init__(path, text)
        self._holders = holders
        self._unseen = False  # there are some, and none may be looked into

    @property
    def holders(self) -> list[Holder]:
        """Those that can be seen."""
        if self._holders is None:
            try:
                self._holders = _holders_by_record(self.path) or holders(self.path)
            except (ProcaliveError, OSError):
                self._holders, self._unseen = [], True
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
    """A program has the file open and does not share it, but does not hold it.

    `pid` is that program's as far as can be seen, or None.
    """

    def __init__(self, path: Path, pid: int | None) -> None:
        who = f"{pid} ({process_name(pid)})" if pid else "a process that cannot be seen"
        super().__init__(
            path, f"open by {who}, which does not share it: not held, yet nobody can hold it; end that process"
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


class Unseen(ProcaliveError):
    """Alive, but no process that this user may look into, or believe, holds the file."""

    def __init__(self, path: Path, whose: str = "by no process that you may see") -> None:
        super().__init__(path, f"held, but {whose} (another user's)")


class _Usage(Exception):
    """A wrong command line: the message, without the program's name."""


# --- words -------------------------------------------------------------------


def escape(path: Target) -> str:
    """A path or PID fit for a one-line message: control characters escaped."""
    if isinstance(path, int):
        return str(path)
    text = os.fsdecode(path).encode("utf-8", "backslashreplace").decode()
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


def _with_name(holder: Holder) -> str:
    """A holder as messages name it: `4312 (backup.exe)`."""
    return f"{holder.main} ({process_name(holder.main)})"


def _named_with_age(found: list[Holder]) -> str:
    """`4312 (backup.exe) for 3h12m`: the first three."""
    now = time.time()
    shown = [f"{_with_name(holder)} for {duration(now - holder.since)}" for holder in found[:3]]
    return ", ".join(shown) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def _who_holds(found: list[Holder]) -> str:
    """A conflict in words: who holds, or who writes without holding."""
    if not found:
        return "held by a process that you may not see"
    if not found[0].lock:
        who = ", ".join(map(_with_name, found[:3]))
        return f"open for writing by {who}, which {'does' if len(found) == 1 else 'do'} not hold the lock"
    return f"held by {_named_with_age(found)}"


# --- Windows -----------------------------------------------------------------

_D, _H, _P, _B, _W = ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_wchar_p
_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_nt = ctypes.WinDLL("ntdll")

_MISSING, _DENIED, _SHARING = (2, 3), 5, 32  # ERROR_FILE_NOT_FOUND, _PATH_NOT_FOUND, _ACCESS_DENIED, _SHARING_VIOLATION
_LOCKED, _NO_SUCH_PID, _TOO_LONG = 33, 87, 206  # ERROR_LOCK_VIOLATION, _INVALID_PARAMETER, _FILENAME_EXCED_RANGE
_INFINITE, _INVALID = 0xFFFFFFFF, ctypes.c_void_p(-1).value
_SYNC, _QUERY, _VM_READ, _DUP, _TERMINATE = 0x100000, 0x1000, 0x10, 0x40, 0x1  # rights on processes


def _declare(library: ctypes.WinDLL, *functions: tuple[Any, ...]) -> None:
    for name, result, *arguments in functions:
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments


_declare(
    _kernel,
    ("AssignProcessToJobObject", _B, _H, _H),
    ("CloseHandle", _B, _H),
    ("CreateDirectoryW", _B, _W, _P),
    ("CreateEventW", _H, _P, _B, _B, _W),
    ("CreateFileW", _H, _W, _D, _D, _P, _D, _D, _H),
    ("CreateJobObjectW", _H, _P, _W),
    ("CreateProcessW", _B, _W, _P, _P, _P, _B, _D, _P, _W, _P, _P),
    ("DuplicateHandle", _B, _H, _H, _H, _P, _D, _B, _D),
    ("ExitProcess", None, _D),
    ("FindCloseChangeNotification", _B, _H),
    ("FindFirstChangeNotificationW", _H, _W, _B, _D),
    ("FindNextChangeNotification", _B, _H),
    ("GetCurrentProcess", _H),
    ("GetDriveTypeW", _D, _W),
    ("GetExitCodeProcess", _B, _H, _P),
    ("GetFileAttributesW", _D, _W),
    ("GetFileInformationByHandle", _B, _H, _P),
    ("GetFileType", _D, _H),
    ("GetProcessId", _D, _H),
    ("GetProcessTimes", _B, _H, _P, _P, _P, _P),
    ("GetStdHandle", _H, _D),
    ("GetVolumePathNameW", _B, _W, _P, _D),
    ("LocalFree", _P, _P),
    ("LockFileEx", _B, _H, _D, _D, _D, _D, _P),
    ("NeedCurrentDirectoryForExePathW", _B, _W),
    ("OpenProcess", _H, _D, _B, _D),
    ("QueryFullProcessImageNameW", _B, _H, _D, _P, _P),
    ("QueryPerformanceCounter", _B, _P),
    ("QueryPerformanceFrequency", _B, _P),
    ("ReadFile", _B, _H, _P, _D, _P, _P),
    ("ReadProcessMemory", _B, _H, _P, _P, ctypes.c_size_t, _P),
    ("ResumeThread", _D, _H),
    ("SetConsoleCtrlHandler", _B, _P, _B),
    ("SetEndOfFile", _B, _H),
    ("SetEvent", _B, _H),
    ("SetFilePointerEx", _B, _H, ctypes.c_int64, _P, _D),
    ("SetFileTime", _B, _H, _P, _P, _P),
    ("SetHandleInformation", _B, _H, _D, _D),
    ("SetInformationJobObject", _B, _H, _B, _P, _D),
    ("TerminateProcess", _B, _H, _D),
    ("UnlockFileEx", _B, _H, _D, _D, _D, _P),
    ("WaitForSingleObject", _D, _H, _D),
    ("WriteFile", _B, _H, _P, _D, _P, _P),
)
_declare(
    _nt,
    ("NtQueryInformationFile", _D, _H, _P, _P, _D, _B),
    ("NtQueryInformationProcess", _D, _H, _B, _P, _D, _P),
    ("NtQueryObject", _D, _H, _B, _P, _D, _P),
    ("NtQuerySystemInformation", _D, _B, _P, _D, _P),
    ("NtQueryVolumeInformationFile", _D, _H, _P, _P, _D, _B),
)


class _Overlapped(ctypes.Structure):
    _fields_ = [("internal", _P), ("high", _P), ("offset", ctypes.c_uint64), ("event", _H)]


class _Security(ctypes.Structure):
    _fields_ = [("size", _D), ("descriptor", _P), ("inherit", _B)]


class _FileInformation(ctypes.Structure):
    _fields_ = [
        ("attributes", _D),
        ("times", _D * 6),  # creation, access, write
        ("volume", _D),
        ("size", _D * 2),
        ("links", _D),
        ("number", _D * 2),
    ]


class _OpenHandle(ctypes.Structure):
    """SYSTEM_HANDLE_TABLE_ENTRY_INFO_EX: a handle of some process of the system."""

    _fields_ = [
        ("object", _P),
        ("pid", ctypes.c_size_t),
        ("handle", ctypes.c_size_t),
        ("access", _D),
        ("trace", ctypes.c_uint16),
        ("type", ctypes.c_uint16),
        ("attributes", _D),
        ("reserved", _D),
    ]


class _Startup(ctypes.Structure):
    _fields_ = [
        ("size", _D),
        ("reserved", _P * 3),
        ("numbers", _D * 7),
        ("flags", _D),
        ("show", ctypes.c_uint16),
        ("size2", ctypes.c_uint16),
        ("reserved2", _P),
        ("standard", _H * 3),
    ]


class _Started(ctypes.Structure):
    _fields_ = [("process", _H), ("thread", _H), ("pid", _D), ("tid", _D)]


class _Handle:
    """A handle that is closed with its `with` block, or when nobody refers to it."""

    def __init__(self, value: int, close: Callable[[int], object] = _kernel.CloseHandle) -> None:
        self.value = value
        self._close = close

    def __enter__(self) -> int:
        return self.value

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        value, self.value = self.value, 0
        if value:
            self._close(value)


def _error(name: Target | None, code: int | None = None) -> OSError:
    """What Windows refused, with errno and filename, in C's words where C has some.

    FormatError() would speak the language of the user, and a long name is ENOENT
    to Python, which would read as "missing".
    """
    number = ctypes.get_last_error() if code is None else code
    if number == _TOO_LONG:
        return OSError(errno.ENAMETOOLONG, "File name too long", name)
    error = OSError(0, "", name, number)
    if error.errno in (None, 0, errno.EINVAL):
        text = " ".join(ctypes.FormatError(number).split()).rstrip(".")
    else:
        text = os.strerror(error.errno or 0)
    return OSError(0, text, name, number)


def _need(done: object, name: Target | None) -> None:
    if not done:
        raise _error(name)


def _ticks() -> int:
    """The clock of the machine since its start, which nobody can set."""
    now = ctypes.c_int64()
    _kernel.QueryPerformanceCounter(ctypes.byref(now))
    return now.value


def _ticks_in(seconds: float) -> float:
    frequency = ctypes.c_int64()
    _kernel.QueryPerformanceFrequency(ctypes.byref(frequency))
    return seconds * frequency.value


_1601 = 11644473600  # seconds from the start of FILETIME to that of the epoch


def _epoch(filetime: int) -> float:
    return filetime / 1e7 - _1601


def _filetime(seconds: float) -> int:
    return int((seconds + _1601) * 1e7)


def _event() -> _Handle:
    """An event that stays set once it is."""
    event = _kernel.CreateEventW(None, True, False, None)
    _need(event, None)
    return _Handle(event)


def _sleep_on(handles: Sequence[int], deadline: float) -> int | None:
    """Which handle (of 62 at most) was signalled; None when `deadline` (monotonic) passed.

    _winapi's wait also ends at Ctrl-C, where it is the main thread that sleeps:
    a lock of Python's would not.
    """
    while True:
        left = deadline - time.monotonic()
        pause = _INFINITE if left == _INF else max(0, min(int(left * 1000) + 1, 0x7FFFFFFF))
        try:
            got = _winapi.WaitForMultipleObjects(handles, False, pause)
        except InterruptedError:
            continue  # KeyboardInterrupt comes by itself
        if got < len(handles):
            return got
        if time.monotonic() >= deadline:
            return None


# --- names -------------------------------------------------------------------


def _full(path: Path) -> str:
    r"""The name as it is opened: absolute, with \\?\, which allows more than 260 characters.

    That prefix switches off how Windows bends names, so that is done, or refused,
    here: a final dot or blank would be dropped and two names be one.
    """
    name = _resolve(path)
    if not name:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    parts = name.replace("/", "\\").split("\\")
    if any(part not in (".", "..") and part.endswith((".", " ")) for part in parts):
        raise Refused(path, "a part of the name ends with a dot or a blank, which Windows would drop")
    if any(len(part.encode("utf-16-le", "surrogatepass")) > 510 for part in parts):
        raise _error(name, _TOO_LONG)
    full = os.path.abspath(name)
    if full.startswith("\\\\.\\") or not parts[-1]:
        raise NotAFifo(path)
    if full.startswith("\\\\?\\"):
        return full
    if ":" in os.path.splitdrive(full)[1]:
        raise NotAFifo(path, "a stream of a file, and not a plain file")
    return "\\\\?\\UNC" + full[1:] if full.startswith("\\\\") else "\\\\?\\" + full


def _directory(path: Path) -> str:
    return os.path.dirname(_full(path))


def _resolve(path: Path, make: bool = False) -> str:
    """A file's path, where `@NAME` stands for one; `make`: its directory too, if missing."""
    text = os.fsdecode(path)
    return _named(text, make) if isinstance(path, (str, bytes)) and text.startswith("@") else text


_PROGRAM_DATA = "{62AB5D82-FDC1-4DC3-A9DD-070D1D495D97}"  # known folders: KNOWNFOLDERID
_LOCAL_DATA = "{F1B32785-6FBA-4FCF-9D55-7B8E7F157091}"
_ADMINISTRATORS, _SYSTEM = "S-1-5-32-544", "S-1-5-18"
# Owned by the administrators, inherited from nobody, and open to them and the system alone.
_PROTECTED = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
_ON_WINE = hasattr(_nt, "wine_get_version")  # which keeps no owners: every file is the user's
_NAME_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-")


def _named(name: str, make: bool) -> str:
    """The file of @NAME; `make`: its directory too, if missing."""
    rest = name[1:]
    if not 0 < len(rest) <= 200 or not set(rest) <= _NAME_CHARACTERS or rest[0] in "._+-":
        raise Refused(
            name,
            "not a name: letters, digits and ._+- behind the @, a letter or digit first, 200 at most; "
            f"a file of that name is ./{escape(name)}",
        )
    directory, elevated = _names_place()
    if make:
        _make_directory(directory, _PROTECTED if elevated else None)
    _refuse_directory(directory, elevated)
    return os.path.join(directory, f"{rest}.lock")


def _names_place() -> tuple[str, bool]:
    """(directory of the caller's names, whether with an administrator's rights)."""
    elevated = _is_elevated()
    return os.path.join(_known_folder(_PROGRAM_DATA if elevated else _LOCAL_DATA), "procalive"), elevated


def _refuse_directory(directory: str, elevated: bool) -> None:
    """Anybody may make a directory in ProgramData, and would have all rights to what lies in it."""
    there = elevated and os.path.lexists(directory)
    if there and not _ON_WINE and _owner_of(directory) not in (_ADMINISTRATORS, _SYSTEM):
        raise Refused(directory, "belongs neither to the administrators nor to the system; remove it")
    if there and os.lstat(directory).st_file_attributes & _REPARSE_POINT:
        raise Refused(directory, "leads elsewhere; remove it")


def names_directory() -> str:
    """Where the caller's own `@NAME`s lie; it need not exist.  Raises Refused."""
    directory, elevated = _names_place()
    _refuse_directory(directory, elevated)
    return directory


def _library(name: str, *functions: tuple[Any, ...]) -> ctypes.WinDLL:
    library = ctypes.WinDLL(name, use_last_error=True)
    _declare(library, *functions)
    return library


def _is_elevated() -> bool:
    """Whether this process has an administrator's rights, or is a service of the system."""
    facts = _token_facts(_kernel.GetCurrentProcess(), 20)  # TokenElevation
    return facts is not None and bool(facts[0])


def _known_folder(number: str) -> str:
    """By the system's own word, not by the environment, which others can set."""
    ole = _library("ole32", ("CLSIDFromString", _B, _W, _P), ("CoTaskMemFree", None, _P))
    shell = _library("shell32", ("SHGetKnownFolderPath", _B, _P, _D, _H, _P))
    key, found = (_D * 4)(), _W()
    ole.CLSIDFromString(number, key)
    if shell.SHGetKnownFolderPath(key, 0, None, ctypes.byref(found)) or not found.value:
        raise Refused("@", "Windows does not tell where names belong for this user; use a path")
    folder = found.value
    ole.CoTaskMemFree(found)
    return folder


def _make_directory(directory: str, security: str | None) -> None:
    """Make it if missing; with its own protection from the start, where one is given."""
    lib = _library("advapi32", ("ConvertStringSecurityDescriptorToSecurityDescriptorW", _B, _W, _D, _P, _P))
    descriptor = _P()
    if security is not None:
        made = lib.ConvertStringSecurityDescriptorToSecurityDescriptorW(security, 1, ctypes.byref(descriptor), None)
        _need(made, directory)
    attributes = _Security(ctypes.sizeof(_Security), descriptor, False)
    made = _kernel.CreateDirectoryW(directory, ctypes.byref(attributes))
    error = ctypes.get_last_error()
    _kernel.LocalFree(descriptor)
    if not made and error != 183:  # ERROR_ALREADY_EXISTS
        raise _error(directory, error)


def _owner_of(directory: str) -> str:
    lib = _library(
        "advapi32",
        ("GetNamedSecurityInfoW", _D, _W, _B, _D, _P, _P, _P, _P, _P),
    )
    owner, descriptor = _P(), _P()
    lib.GetNamedSecurityInfoW(directory, 1, 1, ctypes.byref(owner), None, None, None, ctypes.byref(descriptor))
    name = _sid_text(owner.value) if owner.value else "?"
    _kernel.LocalFree(descriptor)
    return name


def _sid_text(sid: int) -> str:
    lib = _library("advapi32", ("ConvertSidToStringSidW", _B, _P, _P))
    text = _P()
    if not lib.ConvertSidToStringSidW(sid, ctypes.byref(text)):
        return "?"
    found = ctypes.wstring_at(text.value or 0)
    _kernel.LocalFree(text)
    return found


def _token_facts(process: int, which: int) -> Any:
    """What GetTokenInformation tells of a process's user, as an array of numbers; None where it does not."""
    lib = _library("advapi32", ("OpenProcessToken", _B, _H, _D, _P), ("GetTokenInformation", _B, _H, _B, _P, _D, _P))
    token, size, facts = _H(), _D(), (ctypes.c_size_t * 64)()
    if not lib.OpenProcessToken(process, 8, ctypes.byref(token)) or not token.value:
        return None
    with _Handle(token.value) as value:
        told = lib.GetTokenInformation(value, which, facts, ctypes.sizeof(facts), ctypes.byref(size))
        return facts if told else None


# --- one open of F, with an access and a share mode --------------------------

_READ_DATA, _WRITE_DATA, _APPEND, _READ_ATTRIBUTES, _WRITE_ATTRIBUTES, _READ_CONTROL = 1, 2, 4, 0x80, 0x100, 0x20000
# No other program asks for just this, so a holder's handle is known by it.
_HOLD = _WRITE_DATA | _APPEND | _READ_ATTRIBUTES | _WRITE_ATTRIBUTES | _READ_CONTROL | _SYNC
_LOOK = _READ_DATA | _READ_ATTRIBUTES | _READ_CONTROL | _SYNC  # nor for just this
_SHARE_READ, _SHARE_WRITE, _SHARE_DELETE = 1, 2, 4
_OPEN_EXISTING, _OPEN_ALWAYS = 3, 4
_FLAGS = 0x00200080  # FILE_FLAG_OPEN_REPARSE_POINT: a link is refused, not followed
_REMOTE_DRIVE, _REMOTE_DEVICE = 4, 0x10
_DIRECTORY, _REPARSE_POINT, _NO_ATTRIBUTES = 0x10, 0x400, 0xFFFFFFFF
_FREE, _ALIVE, _OBSTRUCTED = range(3)
_TRY = 2.0  # seconds that a contender gives a program that does not share


def _open(
    path: Path, access: int, share: int, how: int = _OPEN_EXISTING, inherit: bool = False
) -> tuple[_Handle | None, int]:
    """CreateFile: a handle, or None and the error."""
    security = _Security(ctypes.sizeof(_Security), None, inherit)
    handle = _kernel.CreateFileW(_full(path), access, share, ctypes.byref(security), how, _FLAGS, None)
    return (None, ctypes.get_last_error()) if handle == _INVALID else (_Handle(handle), 0)


def _refusal(path: Path, code: int) -> Exception:
    if code == _DENIED and _is_directory(path):
        return NotAFifo(path)
    return _error(os.fspath(path), code)


def _is_directory(path: Path) -> bool:
    attributes = int(_kernel.GetFileAttributesW(_full(path)))
    return attributes != _NO_ATTRIBUTES and bool(attributes & _DIRECTORY)


def _information(handle: int) -> _FileInformation | None:
    found = _FileInformation()
    return found if _kernel.GetFileInformationByHandle(handle, ctypes.byref(found)) else None


def _inode(found: _FileInformation) -> _Inode:
    return found.volume, found.number[0], found.number[1]


def _vet(path: Path, handle: int) -> _FileInformation:
    """A local, plain file or nothing: a pipe, a link or a share of another host holds no truth."""
    found = _information(handle) if _kernel.GetFileType(handle) == 1 else None
    if found is None or found.attributes & (_DIRECTORY | _REPARSE_POINT):
        raise NotAFifo(path)
    outcome, device = (ctypes.c_size_t * 2)(), (_D * 2)()
    if _nt.NtQueryVolumeInformationFile(handle, outcome, device, 8, 4) == 0 and device[1] & _REMOTE_DEVICE:
        raise _remote(path)
    return found


def _remote(path: Path) -> Refused:
    return Refused(path, "on another host, whose word ends with the connection; name a file on a disk of this one")


def _refuse_remote(path: Path) -> None:
    """Before a file is made: on another host none shall be left behind."""
    found = ctypes.create_unicode_buffer(32768)
    if _kernel.GetVolumePathNameW(_full(path), found, 32768):
        root = found.value.replace("\\\\?\\UNC\\", "\\\\").replace("\\\\?\\", "")  # as GetDriveType takes it
        if _kernel.GetDriveTypeW(root) == _REMOTE_DRIVE:
            raise _remote(path)


def _watcher(path: Path) -> _Handle | None:
    """A handle that conflicts with nobody who shares; None where F is missing."""
    handle, code = _open(path, _LOOK, _SHARE_READ | _SHARE_WRITE | _SHARE_DELETE)
    if handle is None and code not in _MISSING:
        raise Obstructed(path, _obstructor(path)) if code == _SHARING else _refusal(path, code)
    return handle


class _LastFree:
    at = -1.0


def _state(path: Path) -> int:
    """_FREE or _ALIVE on proof, or _OBSTRUCTED: a program has F open and shares nothing.

    An open that only a holder, or a stranger that writes, refuses.  It refuses a
    contender in turn, for microseconds: who asks again and again leaves room.
    """
    if time.monotonic() - _LastFree.at < 0.002:
        time.sleep(0.001 + os.urandom(1)[0] / 1e5)
    handle, code = _open(path, _LOOK, _SHARE_READ | _SHARE_DELETE)
    if handle is not None:
        with handle as value:
            _vet(path, value)
        _LastFree.at = time.monotonic()
        return _FREE
    if code in _MISSING:
        return _FREE
    if code != _SHARING:
        raise _refusal(path, code)
    return _state_by_watcher(path)


def _state_by_watcher(path: Path) -> int:
    handle, code = _open(path, _LOOK, _SHARE_READ | _SHARE_WRITE | _SHARE_DELETE)
    if handle is None:
        return _FREE if code in _MISSING else _OBSTRUCTED
    with handle as value:
        _vet(path, value)
    return _ALIVE


def _probe(path: Path) -> bool:
    """Whether somebody holds F.  Raises Obstructed where that cannot be told."""
    state = _state(path)
    if state == _OBSTRUCTED:
        raise Obstructed(path, _obstructor(path))
    return state == _ALIVE


# --- what holders write in F -------------------------------------------------
#
# Each holder's wrapper locks one byte far beyond the end for as long as it lives:
# its bell.  Who sleeps in LockFileEx on that byte is woken by its end, and since
# the byte is no other generation's, no new holder can hide that end.

_BELL = 1 << 62
_SLOT_BYTE = 1 << 61  # + slot: locked by the shared holder that writes there
_SLOTS = 4096
_RECORD = struct.Struct("<4sB3xQQQQQLL40sQ")
_MAGIC = b"pal1"


class _Record:
    """Who holds, as it wrote itself: believed only beside what the kernel says.

    generation: 64 random bits.  opened: the clock (_ticks) just before F was
    opened.  free: when F was last proved to be free.  wrapper, main: processes.
    """

    def __init__(self, shared: bool, generation: int, opened: int, free: int) -> None:
        self.shared, self.generation, self.opened, self.free = shared, generation, opened, free
        self.wrapper: _Process = os.getpid(), _start_of(_kernel.GetCurrentProcess())
        self.main: _Process = 0, 0
        self.name = ""

    def pack(self) -> bytes:
        numbers = (
            self.generation,
            self.opened,
            self.free,
            self.wrapper[1],
            self.main[1],
            self.wrapper[0],
            self.main[0],
        )
        name = self.name.encode("utf-8", "replace")[:40]
        return _RECORD.pack(_MAGIC, self.shared, *numbers, name, self.generation)

    @staticmethod
    def unpack(data: bytes) -> _Record | None:
        """None for what is no whole record: the generation is at both of its ends."""
        magic, shared, generation, opened, free, *rest, name, again = _RECORD.unpack(data)
        if magic != _MAGIC or generation != again or shared > 1:
            return None
        record = _Record(bool(shared), generation, opened, free)
        record.wrapper, record.main = (rest[2], rest[0]), (rest[3], rest[1])
        record.name = name.rstrip(b"\0").decode("utf-8", "replace")
        return record

    @property
    def process(self) -> _Process:
        """The job, or before it was started its wrapper."""
        return self.main if self.main[0] else self.wrapper


def _lock(handle: int, byte: int, exclusive: bool = False, wait: bool = False) -> bool:
    """LockFileEx on one byte; False if another handle has it."""
    where = _Overlapped(offset=byte)
    flags = (2 if exclusive else 0) | (0 if wait else 1)
    if _kernel.LockFileEx(handle, flags, 0, 1, 0, ctypes.byref(where)):
        return True
    if ctypes.get_last_error() in (_LOCKED, 997):  # or ERROR_IO_PENDING
        return False
    raise _error(None)


def _bell(generation: int) -> int:
    return _BELL | generation & (_BELL - 1)


def _is_live(handle: int, record: _Record) -> bool:
    """Whether the wrapper that wrote the record still lives."""
    bell = _bell(record.generation)
    if not _lock(handle, bell):
        return True
    _kernel.UnlockFileEx(handle, 0, 1, 0, ctypes.byref(_Overlapped(offset=bell)))
    return False


def _read_at(handle: int, offset: int, size: int) -> bytes:
    data, count = ctypes.create_string_buffer(size), _D()
    _kernel.ReadFile(handle, data, size, ctypes.byref(count), ctypes.byref(_Overlapped(offset=offset)))
    return data.raw[: count.value]


def _records(handle: int) -> list[_Record]:
    """All records in F; nothing, and never a wrong one, where it is damaged."""
    data = _read_at(handle, 0, _SLOTS * _RECORD.size)
    whole = range(0, len(data) - _RECORD.size + 1, _RECORD.size)
    found = [_Record.unpack(data[start : start + _RECORD.size]) for start in whole]
    return [record for record in found if record is not None]


def _live_records(path: Path) -> list[_Record]:
    """Of the wrappers that live: those of holders, but for one that is just letting go."""
    watcher = _watcher(path)
    if watcher is None:
        return []
    with watcher as handle:
        return [record for record in _records(handle) if _is_live(handle, record)]


# --- processes ---------------------------------------------------------------


def _start_of(process: int) -> int:
    times = (ctypes.c_uint64 * 4)()
    creation, ended, system, user = (ctypes.byref(times, 8 * i) for i in range(4))
    return times[0] if _kernel.GetProcessTimes(process, creation, ended, system, user) else 0


def _open_process(pid: int, access: int = _SYNC | _QUERY) -> _Handle | None:
    """OpenProcess; None if there is no such process.

    As long as the handle is open the PID is nobody else's.  Windows ignores the
    last two bits of the number.
    """
    process = _kernel.OpenProcess(access, False, pid)
    if process:
        handle = _Handle(process)
        return handle if _kernel.GetProcessId(process) == pid and not _has_ended(process) else None
    if ctypes.get_last_error() == _NO_SUCH_PID:
        return None
    raise _error(pid)


def _open_same(process: _Process, access: int = _SYNC | _QUERY) -> _Handle | None:
    """A handle of just that process, and of no later one of its number; None if it ended."""
    try:
        handle = _open_process(process[0], access) if process[0] else None
    except OSError:
        return None
    return handle if handle is not None and _start_of(handle.value) == process[1] else None


def _has_ended(process: int) -> bool:
    return bool(_kernel.WaitForSingleObject(process, 0) == 0)


def _exit_code(process: int) -> int:
    code = _D()
    _need(_kernel.GetExitCodeProcess(process, ctypes.byref(code)), None)
    return code.value


def _image_of(process: int) -> str:
    name, size = ctypes.create_unicode_buffer(1024), _D(1024)
    known = _kernel.QueryFullProcessImageNameW(process, 0, name, ctypes.byref(size))
    return name.value.rpartition("\\")[2] if known else "?"


def process_name(pid: int) -> str:
    """The name of the program that a process runs, or '?'."""
    try:
        process = _open_process(pid, _QUERY)
    except OSError:
        return "?"
    return "?" if process is None else escape(_image_of(process.value))


def _basic(process: int) -> tuple[int, int]:
    """(address of the PEB, parent's PID): PROCESS_BASIC_INFORMATION."""
    found = (ctypes.c_size_t * 6)()
    if _nt.NtQueryInformationProcess(process, 0, found, ctypes.sizeof(found), None):
        return 0, 0
    return found[1], found[5]


def _parent_of(process: int) -> _Handle | None:
    """The parent, if it lives; a later process of its number started after the child."""
    try:
        parent = _open_process(_basic(process)[1], _SYNC | _QUERY | _VM_READ) if _basic(process)[1] else None
    except OSError:
        return None
    return parent if parent is not None and _start_of(parent.value) <= _start_of(process) else None


def _ancestors() -> list[_Handle]:
    """Of this process, from the parent up, as far as they live and may be seen."""
    found: list[_Handle] = []
    one = _parent_of(_kernel.GetCurrentProcess())
    while one is not None:
        found.append(one)
        one = _parent_of(one.value)
    return found


def _identity(process: int) -> _Process:
    return int(_kernel.GetProcessId(process)), _start_of(process)


# --- the kernel's list of handles: who has F open? ---------------------------

_ALL_HANDLES, _TOO_SMALL = 64, 0xC0000004  # SystemExtendedHandleInformation, STATUS_INFO_LENGTH_MISMATCH
_USERS_OF_FILE = 47  # FileProcessIdsUsingFileInformation


def _all_handles() -> Any:
    """Every handle of the system, as an array of _OpenHandle."""
    size = 1 << 20
    while True:
        buffer, needed = ctypes.create_string_buffer(size), _D()
        status = _nt.NtQuerySystemInformation(_ALL_HANDLES, buffer, size, ctypes.byref(needed))
        if status != _TOO_SMALL:
            break
        size = max(size * 2, needed.value)
    count = 0 if status else ctypes.c_size_t.from_buffer(buffer).value
    return (_OpenHandle * count).from_buffer(buffer, 16)


def _access_to(process: int, handle: int, inode: _Inode) -> int:
    """With what access this process has the file open by that handle; 0 if not at all.

    By a copy of the handle, which lives for microseconds.  The process cannot be
    another one meanwhile, since we have a handle of it.
    """
    copy = _H()
    us = _kernel.GetCurrentProcess()
    if not _kernel.DuplicateHandle(process, handle, us, ctypes.byref(copy), 0, False, 2) or not copy.value:
        return 0
    with _Handle(copy.value) as value:
        found = _information(value) if _kernel.GetFileType(value) == 1 else None
        facts = (_D * 14)()  # PUBLIC_OBJECT_BASIC_INFORMATION, whose second member is the access
        if found is None or _inode(found) != inode or _nt.NtQueryObject(value, 0, facts, 56, None):
            return 0
        return facts[1]


class _Opener:
    """A process that has F open: by which handle, and with what access."""

    def __init__(self, process: _Handle, pid: int, handle: int, access: int) -> None:
        self.process, self.pid, self.handle, self.access = process, pid, handle, access


def _openers(path: Path, wanted: Callable[[_OpenHandle], bool], access: int = 0) -> list[_Opener]:
    """The processes with F open by such a handle, one for each process, as far as they may be seen."""
    watcher = _watcher_or_none(path)
    if watcher is None:
        return []
    inode = _inode(_vet(path, watcher.value))
    found: dict[int, _Opener] = {}
    for entry in _all_handles():
        if not wanted(entry) or entry.pid in found or (entry.handle == watcher.value and entry.pid == os.getpid()):
            continue
        opener = _opener(entry.pid, entry.handle, inode, access)
        if opener is not None and (opener.access == entry.access):
            found[entry.pid] = opener
    return list(found.values())


def _opener(pid: int, handle: int, inode: _Inode, access: int) -> _Opener | None:
    for rights in (_DUP | _QUERY | _SYNC | _VM_READ | access, _DUP | _QUERY | _SYNC):
        try:
            process = _open_process(pid, rights)
        except OSError:
            continue  # more than we may
        if process is None:
            return None
        granted = _access_to(process.value, handle, inode)
        return _Opener(process, pid, handle, granted) if granted else None
    return None


def _holding(path: Path, access: int = 0) -> list[_Opener]:
    """The processes that have F open as a holder has."""
    return _openers(path, lambda entry: bool(entry.access == _HOLD), access)


def _strangers(path: Path, rights: int) -> list[_Opener]:
    """Programs that have F open with one of the rights, and neither hold, check nor wait.

    To copy any handle could hang on a pipe, so only those of the processes are
    looked at that use F, where Windows tells which those are.
    """
    watcher = _watcher_or_none(path)
    users = None if watcher is None else _users_of(watcher.value)

    def wanted(entry: _OpenHandle) -> bool:
        return (
            bool(entry.access & rights) and entry.access not in (_HOLD, _LOOK) and (users is None or entry.pid in users)
        )

    return _openers(path, wanted) if watcher is not None else []


def _watcher_or_none(path: Path) -> _Handle | None:
    """One that sees even what shares nothing: reading attributes conflicts with nobody."""
    return _open(path, _READ_ATTRIBUTES | _SYNC, _SHARE_READ | _SHARE_WRITE | _SHARE_DELETE)[0]


def _users_of(handle: int) -> set[int] | None:
    outcome, found = (ctypes.c_size_t * 2)(), (ctypes.c_size_t * 1024)()
    if _nt.NtQueryInformationFile(handle, outcome, found, ctypes.sizeof(found), _USERS_OF_FILE):
        return None
    return set(found[1 : 1 + (found[0] & 0xFFFFFFFF)])


def _obstructor(path: Path) -> int | None:
    """The PID of a program that has F open, does not hold it, and may not share it."""
    return next((one.pid for one in _strangers(path, _READ_DATA | _WRITE_DATA) if one.pid != os.getpid()), None)


class Holder:
    """A process that has the file open as a holder, or for writing.

    fifo: path as the caller named it.  pid, fd: whose handle, and which.
    uid: the user's security identifier.  since: start of the process, seconds
    since the epoch.  lock: whether it holds, or just has the file open.
    keeps: for a wrapper that alone holds (`hold -o`), the PID of its job.
    command: the argument list.  parent: PID.  name: of the program.
    """

    __slots__ = (
        "_process",
        "command",
        "fd",
        "fifo",
        "keeps",
        "lock",
        "name",
        "parent",
        "pid",
        "since",
        "uid",
        "user",
    )

    def __init__(self, fifo: Path, process: int, fd: int = 0, lock: bool = True) -> None:
        self.fifo, self.fd, self.lock = fifo, fd, lock
        self._process = _identity(process)
        self.pid = self._process[0]
        self.since = _epoch(self._process[1])
        self.uid, self.user = _user_of(process)
        self.command = _command_of(process)
        self.parent, self.name = _basic(process)[1], escape(_image_of(process))
        self.keeps: int | None = None

    @property
    def main(self) -> int:
        """The PID of the job: of the process that is kept, or of this one."""
        return self.keeps or self.pid

    def __repr__(self) -> str:
        return f"Holder({self.as_dict()})"

    def as_dict(self) -> dict[str, Any]:
        """What `who --json` prints, in its order."""
        names = ("fifo", "pid", "fd", "uid", "user", "since", "lock", "keeps", "command")
        return {name: getattr(self, name) for name in names} | {"fifo": os.fsdecode(self.fifo)}


def _command_of(process: int) -> list[str]:
    """The argument list, out of the process's own memory; where that is closed to us, its name."""
    line = _command_line_of(process)
    if not line:
        return [_image_of(process)]
    shell = _library("shell32", ("CommandLineToArgvW", ctypes.POINTER(_W), _W, _P))
    count = ctypes.c_int()
    words = shell.CommandLineToArgvW(line, ctypes.byref(count))
    found = [str(words[i]) for i in range(count.value)]
    _kernel.LocalFree(ctypes.cast(words, _P))
    return found


_PARAMETERS_AT, _COMMAND_LINE_AT = 0x20, 0x70  # in PEB and RTL_USER_PROCESS_PARAMETERS of 64-bit programs


def _command_line_of(process: int) -> str:
    def read(address: int, size: int) -> bytes:
        data, count = ctypes.create_string_buffer(size), ctypes.c_size_t()
        _kernel.ReadProcessMemory(process, address, data, size, ctypes.byref(count))
        return data.raw if count.value == size else bytes(size)

    peb = _basic(process)[0]
    parameters = int.from_bytes(read(peb + _PARAMETERS_AT, 8), "little") if peb else 0
    if not parameters:
        return ""
    size, _, address = struct.unpack("<HH4xQ", read(parameters + _COMMAND_LINE_AT, 16))
    return read(address, size).decode("utf-16-le", "replace").strip("\0") if address and size else ""


def _user_of(process: int) -> tuple[str, str]:
    """(security identifier, name) of the user whose process it is; '?' where that is not told."""
    facts = _token_facts(process, 1)  # TokenUser: it begins with the address of an identifier that follows
    if facts is None:
        return "?", "?"
    lib = _library("advapi32", ("LookupAccountSidW", _B, _W, _P, _P, _P, _P, _P, _P))
    name, domain = ctypes.create_unicode_buffer(256), ctypes.create_unicode_buffer(256)
    sizes = (_D * 3)(256, 256, 0)
    at = [ctypes.byref(sizes, 4 * i) for i in range(3)]
    uid = _sid_text(facts[0])
    known = lib.LookupAccountSidW(None, facts[0], name, at[0], domain, at[1], at[2])
    return uid, f"{domain.value}\\{name.value}" if known else uid


def _find_holders(path: Path) -> list[Holder]:
    """Who holds, as the kernel lists it; a wrapper is left out beside the job that it waits for."""
    openers = _holding(path)
    if not openers:
        return [Holder(path, one.process.value, one.handle, False) for one in _strangers(path, _WRITE_DATA | _APPEND)]
    found = [Holder(path, one.process.value, one.handle) for one in openers]
    there = {holder._process for holder in found}
    for record in _records_of(path):
        wrapper = next((holder for holder in found if holder._process == record.wrapper), None)
        if wrapper is None or record.main == record.wrapper:
            continue
        if record.main in there:
            found.remove(wrapper)
        elif _kept(record) is not None:
            wrapper.keeps = record.main[0]
    return found


def _records_of(path: Path) -> list[_Record]:
    watcher = _watcher(path)
    if watcher is None:
        return []
    with watcher as handle:
        return _records(handle)


def _kept(record: _Record, access: int = 0) -> _Handle | None:
    """The job that its wrapper keeps: a child of it, whatever the record says."""
    job = _open_same(record.main, _SYNC | _QUERY | access)
    parent = None if job is None else _parent_of(job.value)
    return job if parent is not None and _identity(parent.value) == record.wrapper else None


# --- waiting -----------------------------------------------------------------


class _Bells:
    """Threads asleep on bells: one for each generation, however many wait for it.

    LockFileEx has no time limit.  A wait that runs out of time leaves the thread
    to the next one; its handle conflicts with nobody.
    """

    _guard = _thread.allocate_lock()
    _asleep: dict[int, _Handle] = {}

    @classmethod
    def event(cls, path: Path, generation: int) -> _Handle:
        """An event that is set when this wrapper's end was seen."""
        with cls._guard:
            event = cls._asleep.get(generation)
            if event is None:
                event = _event()
                _start_thread(cls._sleep, path, generation, event)
                cls._asleep[generation] = event
            return event

    @classmethod
    def _sleep(cls, path: Path, generation: int, event: _Handle) -> None:
        try:
            watcher = _watcher(path)
            if watcher is not None:
                with watcher as handle:
                    _lock(handle, _bell(generation), wait=True)  # shared: any number wake at once
        except (ProcaliveError, OSError):
            pass  # who is woken looks for itself, and meets the same
        with cls._guard:
            del cls._asleep[generation]
        _kernel.SetEvent(event.value)


def _start_thread(function: Callable[..., None], *args: object) -> None:
    try:
        _thread.start_new_thread(function, args)
    except RuntimeError:
        raise OSError(errno.EAGAIN, "cannot start a thread") from None


def _changes(path: Path) -> _Handle | None:
    """A handle that is signalled when a file of F's directory is made or written; None if it cannot be had."""
    handle = _kernel.FindFirstChangeNotificationW(_directory(path), False, 1 | 8 | 16)
    return None if handle == _INVALID else _Handle(handle, _kernel.FindCloseChangeNotification)


class _Vigil:
    """A wait for a moment without holder since it was made.

    Such a moment was, where F is free now, or where a record that was not there
    says that F was free after the vigil began.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known = {record.generation for record in _records_of(path)}
        self.alive = _probe(path)
        self._begun = _ticks()

    def over(self) -> bool:
        return self._handed_over(_records_of(self.path)) or not _probe(self.path)

    def _handed_over(self, records: Iterable[_Record]) -> bool:
        return any(one.free > self._begun for one in records if one.generation not in self._known)

    def sleep(self, deadline: float = _INF, cancel: Sequence[int] = ()) -> bool:
        """False if the deadline came first, or one of the handles in `cancel` was signalled."""
        if not self.alive:
            return True
        while True:
            # The bell is one of the records that were judged: one of a later look
            # could be a new holder's, and the hand-over to it be slept away.
            live = _live_records(self.path)
            if self._handed_over(live) or self.over():
                return True
            if time.monotonic() >= deadline or (cancel and _sleep_on(cancel, 0) is not None):
                return False
            if live:
                event = _Bells.event(self.path, live[0].generation)
                _sleep_on([event.value, *cancel], deadline)
            else:
                self._sleep_without_bell(deadline, cancel)

    def _sleep_without_bell(self, deadline: float, cancel: Sequence[int]) -> None:
        """Heirs, whose ends are events; or a holder that has yet to write its record, which is one too."""
        changes = _changes(self.path)
        if self.over():
            return  # since the last look, and before there was anybody to tell
        handles = [*([changes.value] if changes else []), *cancel]
        if handles and _sleep_on(handles, min(deadline, time.monotonic() + 0.02)) is not None:
            return
        heirs = [] if _live_records(self.path) else _holding(self.path)[:60]
        # Not for ever: an heir may close the handle, which is no event, and another user's are not seen.
        handles += [heir.process.value for heir in heirs]
        _sleep_on(handles or [_event().value], min(deadline, time.monotonic() + 1))


class _Arrival:
    """A wait for a holder: one that is there, or was since this was made."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._changes = _changes(path)
        if self._changes is None:
            raise OSError(errno.ENOENT, "no such directory", os.fspath(path))
        self._known = {record.generation for record in _records_of(path)}

    def has_come(self) -> bool:
        return _probe(self.path) or any(record.generation not in self._known for record in _records_of(self.path))

    def sleep(self, deadline: float = _INF, cancel: Sequence[int] = ()) -> bool:
        assert self._changes is not None
        while not self.has_come():
            if _sleep_on([self._changes.value, *cancel], deadline) != 0:
                return False
            _kernel.FindNextChangeNotification(self._changes.value)
        return True


class _End:
    """A wait for the end of a process."""

    def __init__(self, process: _Handle) -> None:
        self.process = process

    def sleep(self, deadline: float = _INF, cancel: Sequence[int] = ()) -> bool:
        return _sleep_on([self.process.value, *cancel], deadline) == 0


class _Watch:
    """Several waits at once: a thread for each, that puts its target in one list."""

    def __init__(self) -> None:
        self._cancel, self._news = _event(), _event()
        self._guard = _thread.allocate_lock()
        self._gone: list[Target] = []
        self._error: Exception | None = None

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, *_: object) -> None:
        _kernel.SetEvent(self._cancel.value)

    def add(self, target: Target, sleeper: _Vigil | _Arrival | _End) -> None:
        _start_thread(self._sleep, target, sleeper)

    def tell(self, target: Target) -> None:
        with self._guard:
            self._gone.append(target)
        _kernel.SetEvent(self._news.value)

    def _sleep(self, target: Target, sleeper: _Vigil | _Arrival | _End) -> None:
        try:
            if sleeper.sleep(cancel=[self._cancel.value]):
                self.tell(target)
        except Exception as error:
            self._error = error
            _kernel.SetEvent(self._news.value)

    def next(self, deadline: float) -> list[Target]:
        """What is gone since the last call; [] when `deadline` (monotonic) passed."""
        _sleep_on([self._news.value], deadline)
        with self._guard:
            gone, self._gone = self._gone, []
            self._news = _event() if gone else self._news
        if self._error is not None and not gone:
            raise self._error
        return gone


def _refuse_nan(seconds: float | None) -> None:
    if seconds is not None and not seconds >= 0:  # NaN would compare false for ever
        raise ValueError(f"{seconds}: not a time")


def _deadline(seconds: float | None) -> float:
    """The end of a time limit on the monotonic clock; ValueError if it is negative or NaN."""
    _refuse_nan(seconds)
    return _INF if seconds is None else time.monotonic() + seconds


_SLACK = 1.0  # seconds that a beat may lie ahead: another clock of the same host


def _judge_beat(path: Path, max_age: float) -> tuple[ProcaliveError | None, float]:
    """What is wrong with the last beat, or None, and the seconds until it may be.

    Who took F less than `max_age` ago is well, by the clock that nobody can set.
    """
    watcher = _watcher(path)
    if watcher is None:
        return None, _INF
    with watcher as handle:
        found = _vet(path, handle)
        opened = [record.opened for record in _records(handle) if _is_live(handle, record)]
    age = time.time() - _epoch(found.times[4] | found.times[5] << 32)
    if -_SLACK <= age <= max_age:
        return None, max_age - age
    now, second = _ticks(), _ticks_in(1)
    running = min(((now - start) / second for start in opened), default=_INF)
    if running <= max_age:
        return None, max_age - running
    return (Stale(path, age) if age > 0 else FutureBeat(path, -age)), 0.0


def beat_problem(path: Path, max_age: float) -> ProcaliveError | None:
    """Stale or FutureBeat where the holder has not beaten within max_age seconds.

    None where it has, and where nobody holds.  Raises NotAFifo, OSError, ValueError.
    """
    _refuse_nan(max_age)
    return _judge_beat(path, max_age)[0] if _probe(path) else None


def _well_until(path: Path, max_age: float) -> float:
    """When the next beat will be missed (monotonic).  Raises Stale, FutureBeat."""
    problem, left = _judge_beat(path, max_age)
    if problem is not None and _probe(path):
        raise problem
    return time.monotonic() + left + 0.001  # strictly older, then


def _wait_down(watch: _Watch, waiting: list[Target], any: bool, max_age: float | None, deadline: float) -> list[Target]:
    """The targets in the order in which they went; with `any` the first alone."""
    gone: list[Target] = []
    while len(gone) < len(waiting) and not (any and gone):
        left = [target for target in waiting if target not in gone]
        until = [deadline]
        news = watch.next(0.0)
        if max_age is not None and not news:
            until += [_well_until(path, max_age) for path in left if not isinstance(path, int)]
        news = news or watch.next(min(until))
        gone += news
        if not news and time.monotonic() >= deadline:
            raise TimedOut(left[0], "still there")
    return gone[:1] if any else gone


def _wait_up(paths: list[Path], any: bool, deadline: float) -> list[Path]:
    """The files in the order in which they came alive; with `any` the first alone."""
    came: list[Any] = []
    with _Watch() as watch:
        for path in paths:
            watch.add(path, _Arrival(path))
        while len(came) < len(paths) and not (any and came):
            news = watch.next(deadline)
            if not news:
                raise TimedOut(next(path for path in paths if path not in came), "nobody holds it")
            came += news
    return came[:1] if any else came


def _mains_for_status(path: Path, vigil: _Vigil) -> list[_Handle]:
    """Handles of the processes whose exit codes count; [] where they cannot be told."""
    deadline = time.monotonic() + 5
    while vigil.alive:
        changes = _changes(path)
        live = _live_records(path)
        if any(not record.main[0] for record in live) and changes and time.monotonic() < deadline:
            _sleep_on([changes.value], deadline)  # its wrapper is just about to start it
            continue
        mains = [_open_same(record.main) for record in live]
        if vigil.over():
            break  # handed over while we looked: they may be of the next holder
        return [main for main in mains if main is not None]
    return []


def _ending(processes: Iterable[_Handle], deadline: float) -> int | None:
    """The highest exit code among the processes; None if none is known."""
    codes = []
    for process in processes:
        if _sleep_on([process.value], deadline) is None:
            return None
        codes.append(_exit_code(process.value))
    return max(codes, default=None)


# --- holding -----------------------------------------------------------------


class _Claim:
    """What a holder has open: the handle that counts, and the one that keeps its bell."""

    def __init__(self, path: Path, handle: _Handle, record: _Record) -> None:
        self.path, self.handle, self.record = path, handle, record
        self._slot = 0
        watcher = _watcher(path)
        if watcher is None:
            raise Refused(path, "was deleted while it was taken")
        self._bell = watcher
        if record.shared:
            self._slot = self._take_slot(watcher.value)
        else:
            _kernel.SetFilePointerEx(handle.value, 0, None, 0)
            _need(_kernel.SetEndOfFile(handle.value), os.fspath(path))
        _lock(watcher.value, _bell(record.generation), exclusive=True)

    def _take_slot(self, watcher: int) -> int:
        slot = next((slot for slot in range(_SLOTS) if _lock(watcher, _SLOT_BYTE + slot, exclusive=True)), None)
        if slot is None:
            raise Refused(self.path, f"more than {_SLOTS} share it")
        # Who waits shall not miss a free moment for the loss of the record that told it.
        data = _read_at(watcher, slot * _RECORD.size, _RECORD.size)
        old = _Record.unpack(data) if len(data) == _RECORD.size else None
        if old is not None and old.free <= self.record.opened:
            self.record.free = max(self.record.free, old.free)
        return slot

    def write(self, main: _Process = (0, 0), name: str = "") -> None:
        """Say who holds; this is the first beat too, and what wakes `wait --up`."""
        self.record.main, self.record.name = main, name
        data, count = self.record.pack(), _D()
        where = ctypes.byref(_Overlapped(offset=self._slot * _RECORD.size))
        written = _kernel.WriteFile(self.handle.value, data, len(data), ctypes.byref(count), where)
        _need(written, os.fspath(self.path))
        now = ctypes.c_uint64(_filetime(time.time()))
        _kernel.SetFileTime(self.handle.value, None, None, ctypes.byref(now))

    def release(self) -> None:
        self.handle.close()  # before the bell, so that whom it wakes finds F free
        self._bell.close()


def _try_hold(path: Path, shared: bool, inherit: bool = False) -> _Claim | None:
    """One attempt: the claim, or None while another process holds.

    What refuses for a moment, a check, and what holds are told apart by a check
    of our own, after which contenders wait at random, or their checks would keep
    each other out.
    """
    began, pause, looks = time.monotonic(), 0.0005, 0
    _refuse_remote(path)
    while True:
        opened = _ticks()
        free = opened if not shared or _state(path) == _FREE else 0
        share = _SHARE_READ | _SHARE_WRITE if shared else _SHARE_READ
        handle, code = _open(path, _HOLD, share, _OPEN_ALWAYS, inherit)
        if handle is not None:
            return _claim(path, handle, shared, opened, free)
        if code != _SHARING:
            raise _hold_refusal(path, code)
        state, tried = _state(path), time.monotonic() - began
        if state == _ALIVE and not (shared and _lets_in(path, tried)):
            return None
        if tried > _TRY * (looks + 1):
            looks += 1
            _refuse_obstructed(path, looks)
        time.sleep(pause * os.urandom(1)[0] / 256)
        pause = min(pause * 2, 0.016)


def _refuse_obstructed(path: Path, looks: int) -> None:
    """Raise where a program is seen that does not share F; or, if none is, at the tenth look.

    On a machine that has much else to do, checks alone can refuse for that long.
    """
    pid = _obstructor(path)
    if pid is not None or looks >= 10:
        raise Obstructed(path, pid)


def _claim(path: Path, handle: _Handle, shared: bool, opened: int, free: int) -> _Claim:
    try:
        _vet(path, handle.value)
        claim = _Claim(path, handle, _Record(shared, int.from_bytes(os.urandom(8), "little"), opened, free))
        claim.write()
    except BaseException:
        handle.close()
        raise
    return claim


def _lets_in(path: Path, tried: float) -> bool:
    """Whether a shared contender was refused by a check beside shared holders, for a moment."""
    kinds = {record.shared for record in _live_records(path)}
    # Heirs have no live record, and a holder that has just come none yet.
    return tried < (_TRY if kinds == {True} else 0.25) and False not in kinds


def _hold_refusal(path: Path, code: int) -> Exception:
    if code in _MISSING:
        return OSError(errno.ENOENT, "no such directory", os.fspath(path))
    return _refusal(path, code)


class _Rules:
    """What `hold` does about a holder, beside waiting: replace it, or give up where it hangs."""

    def __init__(self, replace: float | None = None, max_age: float | None = None) -> None:
        for limit in (replace, max_age):
            _refuse_nan(limit)
        self.replace, self.max_age = replace, max_age


def _take(
    paths: Sequence[Path],
    shared: bool,
    deadline: float,
    rules: _Rules,
    inherit: bool = False,
    tell: Callable[[Path], None] | None = None,
) -> _Claim:
    """The first that is, or becomes, free.  Raises Held, Stale, FutureBeat."""
    for path in paths:
        _resolve(path, make=True)
    while True:
        claim = _first_free(paths, shared, inherit)
        if claim is not None:
            return claim
        for path in paths:
            _refuse_own(path)
        until = _patience(paths, deadline, rules)
        if until is None:
            kill(paths[0], grace=rules.replace)
            rules = _Rules(None, rules.max_age)  # never a second one
            continue
        if time.monotonic() >= deadline:
            raise Held(paths[0])
        if tell is not None:
            tell(paths[0])
            tell = None
        _sleep_until_one_is_free(paths, until)


def _first_free(paths: Sequence[Path], shared: bool, inherit: bool) -> _Claim | None:
    """Of several, those that cannot be held are passed over, unless it is all of them."""
    errors: list[Exception] = []
    for path in paths:
        try:
            claim = _try_hold(path, shared, inherit)
        except (ProcaliveError, OSError) as error:
            errors.append(error)
            continue
        if claim is not None:
            return claim
    if len(errors) == len(paths):
        raise errors[0]
    return None


def _patience(paths: Sequence[Path], deadline: float, rules: _Rules) -> float | None:
    """Until when to wait (monotonic); None if the holder is to be replaced now.

    Raises Stale; and FutureBeat, which is no answer, where there is no time to wait for another beat.
    """
    if rules.max_age is None:
        return deadline if rules.replace is None else None
    until = deadline
    for path in paths:
        try:
            until = min(until, _well_until(path, rules.max_age))
        except Stale as problem:
            if rules.replace is None:
                raise _Overdue(path, problem.age) from None
            return None
        except FutureBeat:
            if time.monotonic() >= deadline:
                raise
            until = min(until, time.monotonic() + max(rules.max_age, 1.0))
        except (ProcaliveError, OSError):
            continue  # one that cannot be held is no reason to stop waiting for the others
    return until


class _Overdue(Stale):
    """A conflict with a holder that has missed its beat: named, too."""

    def __init__(self, path: Path, age: float) -> None:
        super().__init__(path, age)
        self._text = f"{Held(path).text}, but no beat for {duration(age)}"


def _sleep_until_one_is_free(paths: Sequence[Path], until: float) -> None:
    if len(paths) == 1:
        _Vigil(paths[0]).sleep(until)
        return
    with _Watch() as watch:
        for path in paths:
            try:
                _begin(watch, path, status=False)
            except (ProcaliveError, OSError):
                continue  # passed over
        watch.next(until)


def _refuse_own(path: Path) -> None:
    """Raise Held where a living ancestor holds F, and we inherited that: it would be a wait for ourselves."""
    try:
        live = _live_records(path)
    except (ProcaliveError, OSError):
        return  # told where it matters
    jobs = {process for record in live for process in (record.main, record.wrapper) if record.main != record.wrapper}
    for ancestor in _ancestors() if jobs else ():
        pid, start = _identity(ancestor.value)
        if (pid, start) in jobs and _probe(path):
            raise Held(path, [], f"held by your own ancestor {pid} ({escape(_image_of(ancestor.value))})")


def _holders_by_record(path: Path) -> list[Holder]:
    """The jobs of live wrappers, without a look at every handle of the system."""
    jobs = [_open_same(record.process, _SYNC | _QUERY | _VM_READ) for record in _live_records(path)]
    jobs = [job or _open_same(record.process) for job, record in zip(jobs, _live_records(path))]
    return [Holder(path, job.value) for job in jobs if job is not None]


# --- public: the verbs -------------------------------------------------------


class Hold:
    """A file held by this process: a context manager, or release() by hand.

    fd is the handle that counts, not inherited by children, and -1 after the
    release, when `with` raises ValueError.
    """

    def __init__(self, path: Path, claim: _Claim) -> None:
        self.path = path
        self._claim: _Claim | None = claim

    @property
    def fd(self) -> int:
        return -1 if self._claim is None else self._claim.handle.value

    def __enter__(self) -> Hold:
        if self._claim is None:
            raise ValueError(f"{escape(self.path)}: was released")
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Let go, by closing."""
        claim, self._claim = self._claim, None
        if claim is not None:
            claim.release()


def hold(
    path: Path,
    *,
    timeout: float | None = 0.0,
    shared: bool = False,
    mode: int = 0o600,
    replace: float | None = None,
    max_age: float | None = None,
) -> Hold:
    """Hold the file, created if missing; its directory must exist.

    timeout: seconds to wait for another holder to end, asleep; None for ever.
    shared: beside other shared holders, but no exclusive one.  mode: there is
    none on Windows; it must be the default.  replace: terminate the holder of
    this moment, and after so many seconds all that it left.  max_age: seconds;
    raise Stale where the holder has not beaten for so long; with `replace`,
    replace only such a one.

    Raises Held; Stale; FutureBeat; NotAFifo; Refused (a name that Windows would
    bend, a file on another host); Obstructed; OSError; ValueError (a time that is
    negative or NaN, a mode).  See CreateFileW, "Creating and Opening Files".
    """
    _refuse_mode(mode)
    return _held_by_us(_take([path], shared, _deadline(timeout), _Rules(replace, max_age)))


def hold_any(paths: Iterable[Path], *, timeout: float | None = 0.0, shared: bool = False, mode: int = 0o600) -> Hold:
    """Hold the first of the files that is free: at most N jobs at once on N files.

    The Hold's `path` says which.  timeout, shared, mode: as for hold().  Files that
    cannot be held are passed over as long as one can.

    Raises Held (of the first), what forbids to hold where none can be, ValueError.
    """
    _refuse_mode(mode)
    several = list(paths)
    _refuse_twins(several)
    return _held_by_us(_take(several, shared, _deadline(timeout), _Rules()))


def _refuse_mode(mode: int) -> None:
    if mode != 0o600:
        raise ValueError("a file has no mode on Windows; the permissions of its directory are the policy")


def _refuse_twins(paths: Sequence[Path]) -> None:
    """One file named twice would count as two."""
    if not paths:
        raise ValueError("no file is named")
    seen: dict[str, Path] = {}
    for path in paths:
        name = os.path.normcase(os.path.abspath(_resolve(path)))
        if name in seen:
            raise ValueError(f"{escape(path)} and {escape(seen[name])} are one file")
        seen[name] = path


def _held_by_us(claim: _Claim) -> Hold:
    claim.write(claim.record.wrapper, _image_of(_kernel.GetCurrentProcess()))
    return Hold(claim.path, claim)


def check(path: Path, *, max_age: float | None = None) -> bool:
    """Whether a process holds the file, or has it open for writing.  Never blocks.

    A missing file, or directory, is not alive.  With max_age (seconds): alive
    and well, which raises Stale where the last beat, the time of the last write,
    is older, and FutureBeat where it is yet to come.

    Raises NotAFifo, Refused, Obstructed, or OSError: cannot tell.  ValueError if
    max_age is NaN.
    """
    _refuse_nan(max_age)
    alive = _probe(path)
    problem = _judge_beat(path, max_age)[0] if alive and max_age is not None else None
    if problem is not None:
        raise problem
    return alive


def wait(
    *targets: Target,
    timeout: float | None = None,
    any: bool = False,
    up: bool = False,
    status: bool = False,
    max_age: float | None = None,
) -> dict[Target, int | None]:
    """Sleep until every target, or with `any` the first, is gone.

    A target is a file's path, gone once it has been without a holder since the
    call, even if a new holder took it at once; or an int, the PID of any process.

    timeout: seconds.  up: wait for a holder.  status: also learn how the process,
    or the file's main holder, ended.  max_age: seconds; give up as soon as a live
    holder misses its beat.

    Returns the targets in the order in which they went; the values are exit
    codes, None if not asked for or not known.

    Raises TimedOut, Stale, FutureBeat, NotAFifo, OSError, ValueError.  Works in
    any thread and wakes for nothing but the event.
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
        processes = {target: _begin(watch, target, status) for target in waiting}
        gone = _wait_down(watch, waiting, any, max_age, deadline)
        return {target: _ending(processes[target], deadline) if status else None for target in gone}


def _begin(watch: _Watch, target: Target, status: bool) -> list[_Handle]:
    """Begin to wait for a target: the processes whose exit codes count."""
    if isinstance(target, int):
        process = _open_process(target)
        watch.tell(target) if process is None else watch.add(target, _End(process))
        return [] if process is None else [process]
    vigil = _Vigil(target)
    mains = _mains_for_status(target, vigil) if status else []
    watch.add(target, vigil) if vigil.alive else watch.tell(target)
    return mains


def path(name: Path) -> str:
    """The path of `@NAME`; any other path as it is.

    For services of the system and with an administrator's rights
    ProgramData\\procalive\\NAME.lock, else LocalAppData\\procalive\\NAME.lock, as
    SHGetKnownFolderPath tells them.  Nothing is made.

    Raises Refused: not a name, or a directory that cannot be trusted.
    """
    return _resolve(name)


def holders(path: Path) -> list[Holder]:
    """The processes that hold the file, or have it open for writing; [] if nobody does.

    Out of the kernel's list of handles, so it may miss those of other users;
    raises Unseen when that leaves none though the file is held.  Also NotAFifo, OSError.
    """
    for _ in range(6):  # holders that come and go can slip through one look, though hardly through several
        if not _probe(path):
            return []
        found = _find_holders(path)
        if found:
            return found
    raise Unseen(path)


def kill(path: Path, sig: int = _TERMINATED - 128, *, all: bool = False, grace: float | None = None) -> list[int]:
    """Terminate the main holder, or with `all` every holder; returns the PIDs.

    There are no signals on Windows: it is TerminateProcess, with exit code 143,
    and no other `sig` than 15.  It goes through a handle that was opened before
    the process was seen to hold, so never to a reused PID.

    grace: seconds; then sleep until the file is free, and terminate with 137 what
    still holds it after that time.  The caller itself is never terminated.

    Raises TimedOut (still held after that), PermissionError, Unseen, NotAFifo,
    OSError, ValueError.
    """
    if sig != _TERMINATED - 128:
        raise ValueError("there are no signals on Windows: a process can only be terminated")
    if grace is not None and not grace >= 0:
        raise ValueError("the grace is not a time")
    vigil = _Vigil(path)
    if not vigil.alive:
        return []
    sent = _terminate(path, vigil, all, _TERMINATED)
    if grace is None or vigil.sleep(_deadline(grace)):
        return sent
    sent += _terminate(path, vigil, True, _KILLED)
    if not vigil.sleep(_deadline(max(grace, 1.0))):
        raise TimedOut(path, f"still held by {_named_with_age(Held(path).holders)}")
    return list(dict.fromkeys(sent))


def _terminate(path: Path, vigil: _Vigil, all: bool, code: int) -> list[int]:
    """End the holders of this generation; those of the next one, told by the vigil, not."""
    openers = _holding(path, _TERMINATE)
    chosen = _to_terminate(path, openers, all)
    if vigil.over():
        return []
    for pid, process in chosen.items():
        if not _kernel.TerminateProcess(process.value, code) and not _has_ended(process.value):
            whom = f"{pid} ({process_name(pid)})"
            raise PermissionError(errno.EPERM, f"not permitted to terminate {whom}", os.fspath(path))
    if not openers:
        raise Unseen(path)
    return list(chosen)


def _to_terminate(path: Path, openers: list[_Opener], all: bool) -> dict[int, _Handle]:
    """{PID: process} of the main holders, or of all that hold; never of the caller."""
    there = {_identity(one.process.value): one for one in openers if one.pid != os.getpid()}
    wrappers, mains = set(), {}
    for record in _records_of(path):
        if record.wrapper not in there or record.main == record.wrapper:
            continue
        kept = None if record.main in there else _kept(record, _TERMINATE)
        if record.main in there or kept is not None:
            wrappers.add(record.wrapper)
        if kept is not None and record.main[0] != os.getpid():
            mains[record.main[0]] = kept
    rest = {process: one for process, one in there.items() if process not in wrappers}
    parents = {process: _basic(one.process.value)[1] for process, one in rest.items()}
    pids = {one.pid for one in rest.values()}
    mains.update({one.pid: one.process for process, one in rest.items() if all or parents[process] not in pids})
    return mains


# --- hold: running the command -----------------------------------------------


def _extensions() -> list[str]:
    return [one for one in os.environ.get("PATHEXT", ".COM;.EXE;.BAT;.CMD").split(";") if one]


def _directories(name: str) -> list[str]:
    """Where a command is looked for, as the system's own shell does."""
    if os.path.dirname(name):
        return [""]
    path = [entry.strip('"') for entry in os.environ.get("PATH", "").split(os.pathsep) if entry.strip('"')]
    return ["", *path] if _kernel.NeedCurrentDirectoryForExePathW(name) else path


def _find_command(name: str) -> str:
    """The program's file, by PATH and PATHEXT.  Raises _CannotRun."""
    extensions = _extensions()
    has_one = os.path.splitext(name)[1].lower() in [one.lower() for one in extensions]
    for directory in _directories(name) if name else ():
        for ending in [*([""] if has_one else []), *extensions]:
            file = os.path.join(directory, name + ending)
            if os.path.isfile(file):
                return os.path.abspath(file)
    if name and os.path.isfile(name):
        raise _CannotRun(name, _CANNOT_RUN, "cannot be run: its name ends with none of PATHEXT; name its interpreter")
    hint = "; options go before the file" if name.startswith("-") else ""
    raise _CannotRun(name, _NOT_FOUND, f"command not found{hint}")


class _CannotRun(Exception):
    """The command that cannot be run: the status, and what to say."""

    def __init__(self, name: str, status: int, reason: str) -> None:
        super().__init__(f"{escape(name)}: {reason}")
        self.status = status


def _quote(word: str, always: bool = False) -> str:
    """A word as the C run-time takes it out of the command line ("Parsing C command-line arguments")."""
    if word and not always and not set(word) & set(' \t\n\v"'):
        return word
    quoted, backslashes = "", 0
    for letter in word:
        if letter == '"':
            quoted += "\\" * (backslashes + 1)
        backslashes = backslashes + 1 if letter == "\\" else 0
        quoted += letter
    return '"' + quoted + "\\" * backslashes + '"'


_BATCH, _UNSAFE = (".bat", ".cmd"), '"%!^&|<>()\r\n'


def _command_line(command: Sequence[str]) -> tuple[str, str]:
    """(file, command line) of a command.  Raises _CannotRun."""
    file = _find_command(command[0])
    if not file.lower().endswith(_BATCH):
        return file, " ".join(map(_quote, command))
    # cmd.exe takes its own meanings out of the line, quoted or not.
    for word in (file, *command[1:]):
        if set(word) & set(_UNSAFE):
            raise _CannotRun(command[0], _CANNOT_RUN, f"a batch file cannot be given {escape(word)} safely")
    words = [_quote(word, always=bool(set(word) & set(" \t,;="))) for word in command[1:]]
    return file, " ".join([_quote(file, always=True), *words])


def _shell_line(line: str) -> tuple[str, str]:
    """(file, command line) of a line for cmd.exe, which takes it as it is."""
    shell = os.environ.get("COMSPEC") or os.path.join(
        os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "cmd.exe"
    )
    return _find_command(shell), f'{_quote(shell)} /d /s /c "{line}"'


_JOB_LIMITS, _KILL_ON_CLOSE, _SILENT_BREAKAWAY = 9, 0x2000, 0x1000


class _Job:
    """A job object that this process joins, so that its end, however it comes, ends the command too."""

    def __init__(self) -> None:
        job = _kernel.CreateJobObjectW(None, None)
        _need(job, "job object")
        self._handle = job  # never closed: that would be our end
        self.limit(_KILL_ON_CLOSE)
        _need(_kernel.AssignProcessToJobObject(job, _kernel.GetCurrentProcess()), "job object")

    def limit(self, flags: int) -> None:
        limits = ctypes.create_string_buffer(144)  # JOBOBJECT_EXTENDED_LIMIT_INFORMATION
        struct.pack_into("<L", limits, 16, flags)
        _need(_kernel.SetInformationJobObject(self._handle, _JOB_LIMITS, limits, 144), "job object")


_CREATE_SUSPENDED, _USE_STANDARD, _INHERIT = 4, 0x100, 1


def _start_suspended(file: str, line: str) -> _Started:
    """CreateProcess: the command, with what we may hand on, before its first instruction."""
    startup, started = _Startup(), _Started()
    startup.size, startup.flags = ctypes.sizeof(_Startup), _USE_STANDARD
    for number in range(3):
        handle = _kernel.GetStdHandle(0x100000000 - 10 - number)
        startup.standard[number] = handle
        if handle and handle != _INVALID:
            _kernel.SetHandleInformation(handle, _INHERIT, _INHERIT)
    words = ctypes.create_unicode_buffer(line)
    if not _kernel.CreateProcessW(
        file, words, None, None, True, _CREATE_SUSPENDED, None, None, ctypes.byref(startup), ctypes.byref(started)
    ):
        error = _error(None)
        raise _CannotRun(
            file, _NOT_FOUND if error.winerror in _MISSING else _CANNOT_RUN, f"cannot be run: {error.strerror}"
        )
    return started


_CTRL_C, _CTRL_BREAK = 0, 1


def _leave_events_to(process: int) -> object:
    """Ctrl-C and Ctrl-Break are the command's, and so are the ends of console, session and machine.

    A handler, because children would inherit it if Ctrl-C were ignored.  After
    one of the others Windows ends a process whose handler has returned, and with
    us the command: so that waits until the command has ended by itself.
    """

    def handle(event: int) -> bool:
        if event not in (_CTRL_C, _CTRL_BREAK):
            _kernel.WaitForSingleObject(process, _INFINITE)
            time.sleep(60)  # the main thread passes on the exit code meanwhile
        return True

    handler = ctypes.WINFUNCTYPE(_B, _D)(handle)
    _kernel.SetConsoleCtrlHandler(handler, True)
    return handler


def _run_as_job(claim: _Claim, file: str, line: str, name: str) -> int:
    """Run the command, which inherits what its wrapper may hand on; its exit code."""
    job = _Job()
    try:
        started = _start_suspended(file, line)
        with _Handle(started.thread) as thread, _Handle(started.process) as process:
            try:
                # From here on what the command starts lives on by itself, as on Linux.
                job.limit(_KILL_ON_CLOSE | _SILENT_BREAKAWAY)
                claim.write((started.pid, _start_of(process)), name)
                kept = _leave_events_to(process)
            except BaseException:
                _kernel.TerminateProcess(process, _KILLED)
                raise
            _kernel.ResumeThread(thread)
            _kernel.WaitForSingleObject(process, _INFINITE)
            del kept
            return _exit_code(process)
    finally:
        job.limit(0)
        claim.release()


# --- the command line --------------------------------------------------------


class _Options:
    """Every option, with its default."""

    any = False
    conflict = _HELD
    grace: float | None = None
    help = False
    json = False
    lock = ""  # exclusive, shared
    max_age: float | None = None
    mine = False
    no_fork = False
    no_wait = False
    pid = False
    private = False
    quiet = False
    replace: float | None = None
    status = False
    timeout: float | None = None
    up = False
    verbose = False

    @property
    def waits(self) -> float:
        """Seconds to wait for the holder: 0 unless asked to."""
        return 0.0 if self.no_wait else self.timeout or 0.0


def _write(fd: int, text: bytes) -> None:
    while text:
        text = text[os.write(fd, text) :]


def _print(text: str) -> None:
    """One line on standard output."""
    try:
        _write(1, text.encode("utf-8", "backslashreplace") + b"\n")
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
    if isinstance(error, (ProcaliveError, _Usage, _CannotRun)):
        return str(error)
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        return reason if error.filename is None else f"{escape(error.filename)}: {reason}"
    return f"internal error: {type(error).__name__}: {escape(str(error))}"


def _cmd_hold(options: _Options, operands: list[str]) -> int:
    _refuse_combinations(options)
    files, command, is_line = _split(options, operands)
    # Looked up first: nothing is left behind for a word that was meant otherwise.
    program, line = _shell_line(command[0]) if is_line else _command_line(command)
    paths = [_resolve(file, make=True) for file in files]
    if options.waits or options.replace is not None:
        _let_go_of(paths)
    rules, tell = _Rules(options.replace, options.max_age), _tell_waiting if _is_told(options) else None
    try:
        claim = _take(paths, options.lock == "shared", _deadline(options.waits), rules, not options.private, tell)
    except (Stale, FutureBeat, Held) as conflict:
        return _report_conflict(conflict, options)
    except TimedOut as error:
        return _report_conflict(Held(error.path), options)
    _export(claim, options)
    name = "cmd.exe" if is_line else os.path.basename(command[0])
    if options.verbose:
        _say(f"{escape(claim.path)}: held; running {escape(name)}")
    return _run_as_job(claim, program, line, name)


def _export(claim: _Claim, options: _Options) -> None:
    """What the command is told: of this hold, and not of an outer one."""
    os.environ["PROCALIVE_FIFO"] = os.path.abspath(_resolve(claim.path))
    os.environ.pop("PROCALIVE_HANDLE", None)
    if not options.private:
        os.environ["PROCALIVE_HANDLE"] = str(claim.handle.value)


def _refuse_combinations(options: _Options) -> None:
    wrong = [
        (options.no_fork and options.private, "-F does not go with -o"),
        (options.any and options.replace is not None, "--any does not go with -k"),
    ]
    for is_wrong, text in wrong:
        if is_wrong:
            raise _Usage(f"hold: {text}; see procalive hold -h")


def _split(options: _Options, operands: list[str]) -> tuple[list[str], list[str], bool]:
    """(files, command, whether it is a line for the shell) of the operands."""
    is_line = False
    if options.any:
        if "--" not in operands:
            raise _Usage("hold: --any takes files, then -- and a command; see procalive hold -h")
        at = operands.index("--")
        files, command = operands[:at], operands[at + 1 :]
        _refuse_same(files)
    else:
        files, command = operands[:1], operands[1:]
        if command[:1] == ["--"]:
            del command[0]
        elif command[:1] in (["-c"], ["--command"]):
            is_line, command = True, command[1:]
            if len(command) != 1:
                raise _Usage("hold: -c takes exactly one line for the shell, in quotes; see procalive hold -h")
    if not files or not command:
        raise _Usage("hold: needs a file and a command; see procalive hold -h")
    return files, command, is_line


def _refuse_same(files: list[str]) -> None:
    try:
        _refuse_twins(files)
    except ValueError as error:
        raise _Usage(f"hold: {error}; see procalive hold -h") from None


def _is_told(options: _Options) -> bool:
    """Whether to say what is waited for: to a person, or under -v."""
    return options.verbose or (not options.quiet and os.isatty(2))


def _tell_waiting(path: Path) -> None:
    _say(f"{escape(path)}: {_waiting_for(Held(path))}")


def _waiting_for(conflict: Held) -> str:
    """`waiting for 4312 (backup.exe), which holds it for 3h12m`."""
    main = conflict.holders
    if not main:
        return "waiting for its holder, which you may not see"
    whom = ", ".join(map(_with_name, main[:3])) + (f" and {len(main) - 3} more" if len(main) > 3 else "")
    if not main[0].lock:
        return f"waiting for {whom}, which writes it without the lock"
    age = duration(time.time() - min(holder.since for holder in main))
    return f"waiting for {whom}, which holds it for {age}"


def _report_conflict(conflict: ProcaliveError, options: _Options) -> int:
    """Say who holds unless that is not wanted; that a holder hangs, always."""
    if not options.quiet or not isinstance(conflict, Held):
        _say(conflict)
    return _STALE if isinstance(conflict, Stale) else options.conflict


def _let_go_of(paths: Iterable[str]) -> None:
    """Close handles that we inherited: inside a job we would wait for ourselves."""
    for path in paths:
        try:
            mine = _openers(path, lambda entry: bool(entry.access == _HOLD and entry.pid == os.getpid()))
        except (ProcaliveError, OSError):
            continue  # told where it matters
        for one in mine:
            _kernel.CloseHandle(one.handle)


def _cmd_check(options: _Options, operands: list[str]) -> int:
    """The worst answer for several: unknown, else dead, else stale, else alive."""
    if not operands:
        raise _Usage("check: needs a file; see procalive check -h")
    answers = {_check_one(path, options) for path in operands}
    return next(answer for answer in (_UNKNOWN, _NO, _STALE, _YES) if answer in answers)


def _check_one(name: str, options: _Options) -> int:
    try:
        path = _resolve(name)
        if options.mine and not _is_mine(path):
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
    return "not alive" if _is_there(path) else "no such file"


def _is_there(path: str) -> bool:
    return bool(_kernel.GetFileAttributesW(_full(path)) != _NO_ATTRIBUTES)


def _is_mine(path: str) -> bool:
    """Whether the calling process holds F, or is the job whose wrapper alone does.  Raises Unseen."""
    if not _probe(path):
        return False
    caller = _caller()
    if caller is None:
        raise Unseen(path, "it cannot be told whether by the caller")
    who = _identity(caller.value)
    holding = {_identity(one.process.value) for one in _holding(path)}
    kept = [record for record in _records_of(path) if record.main == who and record.wrapper in holding]
    return who in holding or any(_kept(record) is not None for record in kept)


def _caller() -> _Handle | None:
    """The process that called: not the launchers that stand between (procalive.exe, py.exe, a venv's python.exe)."""
    ours = _command_of(_kernel.GetCurrentProcess())[1:]
    for ancestor in _ancestors():
        words = _command_of(ancestor.value)[1:]
        is_py = _image_of(ancestor.value).lower() == "py.exe" and words[-len(ours) :] == ours
        if words not in (ours, sys.argv[1:]) and not is_py:
            return ancestor
    return None


def _cmd_wait(options: _Options, operands: list[str]) -> int:
    targets = _wait_targets(options, operands)
    paths = [target for target in targets if not isinstance(target, int)]
    _tell_before_waiting(paths, options)
    _let_go_of(paths)
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
        _print(names[next(iter(gone))])
    return _report_statuses(gone) if options.status else _YES


def _wait_targets(options: _Options, operands: list[str]) -> list[str] | list[int]:
    if not operands:
        raise _Usage("wait: needs a file, or --pid and a PID; see procalive wait -h")
    if options.up and (options.pid or options.status or options.max_age is not None):
        raise _Usage("wait: --up goes with neither --pid, --status nor --max-age")
    if not options.pid:
        return [_resolve(word, make=options.up) for word in operands]
    if options.max_age is not None:
        raise _Usage("wait: --max-age goes with files, not with --pid")
    pids = [_pid(word) for word in operands]
    for pid in pids if options.verbose else ():
        if _open_process(pid) is None:
            _say(f"{pid}: no such process: already gone")
    return pids


def _tell_before_waiting(paths: list[str], options: _Options) -> None:
    """What a person who waits would wonder about: a mistyped path, and a wait for oneself."""
    for path in paths if _is_told(options) else ():
        if not _is_there(path):
            if options.verbose:
                _say(f"{escape(path)}: no such file")
            continue
        try:
            if not options.up:
                _refuse_own(path)
        except Held as conflict:
            _say(f"{conflict}, which cannot end before this wait does")


def _report_statuses(gone: dict[Target, int | None]) -> int:
    """The highest status; 125 stands for one that the kernel could not tell."""
    for target, status in gone.items():
        if status is None:
            _say(f"{escape(target)}: gone, but how it ended is not known (see --status in procalive(1))")
    return max(_FAILED if status is None else status for status in gone.values())


def _cmd_who(options: _Options, operands: list[str]) -> int:
    if not operands:
        raise _Usage("who: needs a file; see procalive who -h")
    found: list[Holder] = []
    answers = set()
    for path in operands:
        try:
            here = holders(_resolve(path))
        except (ProcaliveError, OSError) as error:
            _say(message(error))
            answers.add(_UNKNOWN)
            continue
        # Within a job we hold too, having inherited it; that is news where nobody else does.
        found += [holder for holder in here if holder.pid != os.getpid()] or here
        answers.add(_YES if here else _NO)
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
    kind = "lock" if holder.lock else "writer"
    if holder.keeps is not None:
        kind += f", keeps {holder.keeps} ({process_name(holder.keeps)})"
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder.since))
    command = " ".join(escape(word) for word in holder.command)
    return (escape(holder.fifo), str(holder.pid), escape(holder.user), since, kind, command)


def _cmd_kill(options: _Options, operands: list[str]) -> int:
    if len(operands) != 1:
        raise _Usage("kill: needs one file; see procalive kill -h")
    path = _resolve(operands[0])
    if not _is_there(path):  # mistyped, perhaps
        number = operands[0].isascii() and operands[0].isdigit()
        if not options.quiet:
            _say(f"{escape(path)}: no such file" + ("; kill takes a file, not a PID" if number else ""))
        return _NO
    _let_go_of([path])
    try:
        sent = kill(path, grace=options.grace)
    except TimedOut as error:
        if not options.quiet:
            _say(error)
        return _TIMED_OUT
    if options.verbose:
        _say(f"{escape(path)}: terminated {' '.join(map(str, sent)) or 'nobody'}")
    return _YES if sent else _NO


def _cmd_path(_: _Options, operands: list[str]) -> int:
    if len(operands) != 1:
        raise _Usage("path: needs one name, such as @backup; see procalive path -h")
    _print(path(operands[0]))
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


def _status(text: str) -> int:
    return _number(text, "an exit status from 0 to 255", 255)


def _pid(text: str) -> int:
    try:
        return _number(text, "a process ID", 2**31 - 1, lowest=1)
    except ValueError as error:
        raise _Usage(f"wait: {error}") from None


# The options of each verb: flags, attribute of _Options, value, converter, help.  An
# option without a value sets its attribute to True, or to what stands for the converter.
_QUIET = (("-q", "--quiet"), "quiet", None, None, "print no message when it is held")
_VERBOSE = (("-v", "--verbose"), "verbose", None, None, "say what is done")
_HELP = (("-h", "--help"), "help", None, None, "show this help")
_SPECS: dict[str, tuple[Any, ...]] = {
    "hold": (
        "hold FILE and run COMMAND; 75 if another process holds it",
        (
            "[-w SECS] [-k SECS] [--max-age SECS] [-s] [-o] [-E CODE] [-q|-v] FILE [--] COMMAND [ARG]...",
            "[the same] FILE -c 'SHELL LINE'",
            "--any [the same] FILE... -- COMMAND [ARG]...",
        ),
        (
            ("-w", "--wait", "--timeout"),
            "timeout",
            "SECS",
            _secs,
            "wait up to SECS for the holder to end (90, 1.5, 30s, 5m, 2h, 1d, inf)",
        ),
        (
            ("-k", "--replace"),
            "replace",
            "SECS",
            _secs,
            "replace the holder: end it, after SECS also what it left; with --max-age only if its heartbeat is missing",
        ),
        (("--max-age",), "max_age", "SECS", _secs, "3 if the holder has had no heartbeat for SECS"),
        (("-n", "--nonblock", "--nb"), "no_wait", None, None, "do not wait (the default without -w)"),
        (("-x", "-e", "--exclusive"), "lock", None, "exclusive", "hold alone (the default)"),
        (("-s", "--shared"), "lock", None, "shared", "share with other -s holders, exclude the rest"),
        (("-o", "--close"), "private", None, None, "COMMAND alone counts: it does not inherit the handle"),
        (("-F", "--no-fork"), "no_fork", None, None, "no effect: the wrapper stays, and its end is COMMAND's end"),
        (("-E", "--conflict-exit-code"), "conflict", "CODE", _status, "exit status when another process holds (75)"),
        (("--any",), "any", None, None, "hold the first of several files that is free: at most N jobs at once"),
        _QUIET,
        _VERBOSE,
    ),
    "check": (
        "0 if a process holds FILE, 1 if none does, 2 if that cannot be told",
        ("[-v] [--max-age SECS] [--mine] FILE...",),
        (("--max-age",), "max_age", "SECS", _secs, "3 if alive, but without a heartbeat for SECS"),
        (("--mine",), "mine", None, None, "0 only if the calling process itself holds"),
        _VERBOSE,
    ),
    "wait": (
        "sleep until nobody holds FILE",
        (
            "[-t SECS] [--any] [--status] [--max-age SECS] [-v] FILE...",
            "[-t SECS] [--any] --up [-v] FILE...",
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
        "list the processes that have FILE open as holders",
        ("[--json] FILE...",),
        (("--json",), "json", None, None, "one JSON object a line"),
    ),
    "kill": (
        "terminate the process that holds FILE, and no other",
        ("[-k SECS] [-q|-v] FILE",),
        (
            ("-k", "--kill-after"),
            "grace",
            "SECS",
            _secs,
            "wait until FILE is free; after SECS terminate what still holds it",
        ),
        _QUIET,
        _VERBOSE,
    ),
    "path": ("print the path of a name", ("@NAME",)),
}
# What procalive(1) has beyond that, and why not here.
_REFUSED: dict[tuple[str, str], str] = {
    ("hold", "--next"): "those who wait are served in no order here",
    ("hold", "--keep"): "the wrapper holds as long as COMMAND runs, by itself",
    ("hold", "-m"): "a file has no mode here; the permissions of its directory are the policy",
    ("hold", "--mode"): "a file has no mode here; the permissions of its directory are the policy",
    ("hold", "--fd"): "a shell has no descriptors here; run it as the command of hold",
    ("kill", "-s"): "there are no signals here; a process can only be terminated",
    ("kill", "--signal"): "there are no signals here; a process can only be terminated",
    ("kill", "-a"): "-k SECS ends all that hold",
    ("kill", "--all"): "-k SECS ends all that hold",
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
        "procalive hold -q -E 0 @backup -- backup.cmd    skip quietly while the previous run goes on",
        'procalive hold -w 10m @report -c "a && b"       wait up to ten minutes, then run a line of cmd.exe',
        "procalive hold -k 10 @preview -- render.exe     the newer run replaces the older one",
    ),
    "check": (
        "procalive check @backup && echo running",
        "procalive check --max-age 2h @backup            3 if it runs, but had no heartbeat for two hours",
    ),
    "wait": (
        "procalive wait -t 10m @backup                   sleep until it has ended, ten minutes at most",
        "procalive wait --up @server                     sleep until it runs",
        "procalive wait --status @build && deploy.cmd    go on if it ended well, whoever started it",
    ),
    "who": ("procalive who @backup", "procalive who --json @backup"),
    "kill": (
        "procalive kill @server                          terminate the process that holds",
        "procalive kill -k 10 @server                    and after ten seconds what it left; return when it is gone",
    ),
    "path": ("procalive path @backup",),
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
    ("hold", "-c"): "-c goes behind the file",
    ("hold", "--command"): "--command goes behind the file",
    ("wait", "-w"): "the time limit of wait is -t SECS",
    ("check", "-q"): "check prints nothing without -v",
}


def _parser() -> argparse.ArgumentParser:
    """The whole command line as argparse has it, for -h.

    The parsing itself is _parse(): argparse takes options behind operands too, and
    so the command's own.
    """
    import argparse

    parser = argparse.ArgumentParser(
        prog="procalive",
        description="A single-instance lock that cannot go stale, on an open file.",
        epilog="procalive VERB -h shows the options of a verb; procalive(1) and procalive-windows(7) are the manual.",
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
        one.add_argument("FILE", nargs="*", help=argparse.SUPPRESS)
    return parser


def _epilog(verb: str) -> str:
    import textwrap

    notes = f"Exit status: {_STATUSES[verb]}."
    if verb == "hold":
        notes = "Unlike flock(1), hold does not wait unless told to (-w). " + notes
    examples = "\n".join(f"  {line}" for line in _EXAMPLES[verb])
    return (
        f"{textwrap.fill(notes, 78)}\n\nexamples:\n{examples}\n\nprocalive(1) and procalive-windows(7) are the manual."
    )


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
        # As a file it would be missing, and `check F -v` would say "not alive".
        raise _Usage(f"{verb}: {escape(late)}: options go before the file; a file of that name is ./{escape(late)}")
    return options, words


def _meant(verb: str, flag: str, glued: str | None) -> str:
    """What was meant by an option that there is not, or not here."""
    if (verb, flag) in _REFUSED:
        return f"not on Windows: {_REFUSED[verb, flag]}"
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


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status, of which Windows has 32 bits."""
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(args)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except _CannotRun as error:
        _say(error)
        return error.status
    except Exception as error:
        if isinstance(error, OSError) and error.filename == "standard output":
            return _BROKEN_PIPE
        _say(message(error))
    # Never 1, which would say "not alive".
    return _FAILED if args[:1] == ["hold"] else _UNKNOWN


def _exit() -> None:
    """The program's end: sys.exit() has not all 32 bits of a status."""
    _kernel.ExitProcess(main() & 0xFFFFFFFF)


if __name__ == "__main__":
    _exit()
