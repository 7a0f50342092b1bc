"""Paths and times as people read them; errors in one line."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import procalive

if TYPE_CHECKING:
    from rich.console import Console

show = procalive._show  # control characters escaped: harmless on any terminal


def duration(seconds: float | None) -> str:
    return "" if seconds is None else procalive._duration(seconds)


def command_line(words: list[str]) -> str:
    return " ".join(show(word) for word in words)


def error_line(error: BaseException) -> str:
    """An exception as one line: `PATH: what`."""
    return procalive._line(error)


def reason(error: BaseException) -> str:
    """The same without the path."""
    if isinstance(error, procalive.ProcaliveError):
        return error.text
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


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
