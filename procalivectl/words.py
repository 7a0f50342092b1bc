"""Paths and times as people read them; errors in one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

import procalive

if TYPE_CHECKING:
    from rich.console import Console

TITLE = "procalivectl"
_SUFFIX = ".fifo"

show = procalive.escape  # control characters escaped: harmless on any terminal
error_line = procalive.message  # an exception as one line: `PATH: what`


def duration(seconds: float | None) -> str:
    return "" if seconds is None else procalive.duration(seconds)


def command_line(words: list[str]) -> str:
    return " ".join(show(word) for word in words)


def processes(pids: Iterable[int]) -> str:
    """`4312 (backup.sh), 4400 (cat)`."""
    return ", ".join(f"{pid} ({procalive.process_name(pid)})" for pid in dict.fromkeys(pids))


def command_of(holder: procalive.Holder) -> list[str]:
    """Its arguments, or those of what a keeper keeps."""
    if holder.keeps is None:
        return holder.command
    try:
        with open(f"/proc/{holder.keeps}/cmdline", "rb") as file:
            return [os.fsdecode(word) for word in file.read().rstrip(b"\0").split(b"\0")]
    except OSError:
        return holder.command  # ended since


def call_yourself_procalivectl() -> None:
    """For ps(1), and so that no console counts another as a watcher."""
    try:
        with open("/proc/self/comm", "w") as file:
            file.write(TITLE)
    except OSError:
        pass  # /proc not mounted


def is_console(pid: int) -> bool:
    return procalive.process_name(pid) == TITLE


@cache
def names_directory() -> str | None:
    """Where this user's @NAMEs lie."""
    try:
        return procalive.names_directory()
    except (procalive.ProcaliveError, OSError):
        return None


def name_of(path: str) -> str | None:
    """The @NAME by which this user may call it."""
    directory, base = os.path.split(path)
    if directory != names_directory() or not base.endswith(_SUFFIX):
        return None
    name = "@" + base[: -len(_SUFFIX)]
    try:
        return name if procalive.path(name) == path else None
    except (procalive.ProcaliveError, OSError):
        return None


def fifo(path: str) -> str:
    """As a table has it: by its name, if it has one."""
    return name_of(path) or show(path)


def reason(error: BaseException) -> str:
    """An exception as one line without the path."""
    if isinstance(error, procalive.ProcaliveError):
        return error.text
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def not_permitted(path: str, error: BaseException) -> str:
    """The same; of what this user may not do also whose the FIFO is."""
    if not isinstance(error, PermissionError):
        return reason(error)
    try:
        found = os.stat(path)
    except OSError:
        return reason(error)
    owner = show(procalive.user_name(found.st_uid))
    return f"{reason(error)}: it is {owner}'s, mode {found.st_mode & 0o7777:04o}"


def console(soft_wrap: bool = False) -> Console:
    """For text as it is, with no escape sequence at all where NO_COLOR is set."""
    from rich.console import Console

    plain = bool(os.environ.get("NO_COLOR"))
    return Console(
        highlight=False, markup=False, emoji=False, soft_wrap=soft_wrap, color_system=None if plain else "auto"
    )


def say(text: str) -> None:
    """One line on standard error; where that is closed, the status must do."""
    try:
        sys.stderr.write(f"procalivectl: {text}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass


def absolute(path: str) -> str:
    """Absolute, for labels and for comparison; links are left as they are."""
    return os.path.abspath(path)
