"""What top shows above its table: the question before a signal, doctor's word, help."""

from __future__ import annotations

import signal
import time
from collections.abc import Awaitable, Callable

from rich.console import Group, RenderableType
from rich.text import Text
from textual import events, work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

_QUIET = 0.3  # seconds: keys that come sooner were typed before anybody could read the question
_SIGNALS = {"t": signal.SIGTERM, "i": signal.SIGINT, "h": signal.SIGHUP, "c": signal.SIGCONT, "9": signal.SIGKILL}


class Confirm(ModalScreen[int]):
    """Which signal to send, if any; 0 is none.

    Deaf until it has been on the screen, and no word been typed on, for 300 ms:
    the rest of what was typed in one go must signal nobody.
    """

    def __init__(self, whom: str) -> None:
        super().__init__()
        self._whom = whom
        self._signal = signal.SIGTERM
        self._drawn_at, self._key_at = float("inf"), 0.0  # by the clock of the events, which is monotonic
        self._text = Static(id="question")

    def compose(self) -> ComposeResult:
        yield self._text

    def on_mount(self) -> None:
        self._ask()
        self.call_after_refresh(self._drawn)

    def _drawn(self) -> None:
        self._drawn_at = time.monotonic()

    def _ask(self) -> None:
        name = self._signal.name
        choices = "  ".join(f"{key} {sig.name[3:]}" for key, sig in _SIGNALS.items() if sig != self._signal)
        self._text.update(
            Text.assemble(
                *("Send ", (name, "bold"), f" to {self._whom}?\n\n"),
                *(("Enter", "bold"), " or ", ("y", "bold"), f"   send {name}\n"),
                f"{choices}   another signal\n",
                *(("Escape", "bold"), "   send nothing"),
            )
        )

    def on_key(self, event: events.Key) -> None:
        event.stop()
        early = event.time < max(self._drawn_at, self._key_at) + _QUIET
        consents = event.key in ("enter", "y")
        if early and event.key != "escape":
            self._key_at = self._key_at if consents else event.time
        elif consents:
            self.dismiss(int(self._signal))
        elif event.key in _SIGNALS:
            self._signal = _SIGNALS[event.key]
            self._ask()
        else:
            self.dismiss(0)  # whatever it was meant for, it was no consent


class Page(ModalScreen[None]):
    """Some text to read, which may take a while to come."""

    def __init__(self, title: str, make: Callable[[], Awaitable[RenderableType]]) -> None:
        super().__init__()
        self._title, self._make = title, make
        self._text = Static("...", id="page-text")
        self._scroll = VerticalScroll(self._text, id="page")

    def compose(self) -> ComposeResult:
        self._scroll.border_subtitle = "Escape closes"
        yield self._scroll

    def on_mount(self) -> None:
        self.set_focus(self._scroll)  # the arrows are its own
        self._fill()

    @work
    async def _fill(self) -> None:
        self._text.update(Group(Text(f"{self._title}\n", "bold"), await self._make()))

    def on_key(self, event: events.Key) -> None:
        if event.key not in ("up", "down", "pageup", "pagedown", "home", "end"):
            event.stop()
            self.dismiss()
