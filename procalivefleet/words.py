"""Names, messages and exit statuses."""

from __future__ import annotations

import os
import socket
import time

import procalive

YES = 0
NO = 1
UNKNOWN = 2
HELD = 75
LOST = 76
TIMED_OUT = 124
FAILED = 125

PATIENCE = 4.0  # seconds that a verb gives etcd to answer
_LONGEST_NAME = 194  # `fleet-` before it makes the 200 that procalive takes
_FIRST = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_REST = _FIRST | frozenset("._+-")


class FleetError(Exception):
    """What went wrong; str() is the line to print, without the program's name."""


class Unreachable(FleetError):
    """No endpoint gave an answer in time: nothing can be told."""


class Refused(FleetError):
    """etcd answered and said no, or what it is to be asked makes no sense."""


class Usage(FleetError):
    """A wrong command line."""


def boot() -> float:
    """Seconds since boot, suspended ones included.  No step of the clock moves it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def say(text: object) -> None:
    """One line on standard error; where that is closed or full, the status must do."""
    try:
        os.write(2, f"procalive-fleet: {text}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass


def show(text: str) -> str:
    """Text from elsewhere fit for one line: control characters escaped."""
    return procalive.escape(text) if text else "''"


def line(error: BaseException) -> str:
    """An exception as one line."""
    if isinstance(error, (FleetError, procalive._Usage)):
        return str(error)
    return procalive.message(error)


def name_of(word: str) -> str:
    """The name that a word of the command line gives; `@NAME` is the same.  Raises Usage."""
    name = word[1:] if word.startswith("@") else word
    if not name or name[0] not in _FIRST or not set(name) <= _REST:
        raise Usage(f"{show(word)}: not a name (letters, digits and ._+- with a letter or digit first)")
    if len(name) > _LONGEST_NAME:
        raise Usage(f"{show(name[:20])}...: longer than {_LONGEST_NAME} characters")
    return name


def fifo_of(name: str) -> str:
    """The FIFO that holds a name on this host unless another is given."""
    return f"@fleet-{name}"


def prefix() -> str:
    """What all keys begin with; ends in a slash, as `etcdctl lock PREFIX/NAME` has it."""
    text = os.environ.get("PROCALIVE_FLEET_PREFIX") or "/procalive/"
    return text if text.endswith("/") else text + "/"


def host() -> str:
    """What this host is called in etcd."""
    return os.environ.get("PROCALIVE_FLEET_HOST") or socket.gethostname()
