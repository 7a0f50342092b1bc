"""The last minutes of each FIFO, a character for every few seconds."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

from procalivectl import survey

CELLS = 20
SECONDS = 15.0  # a cell: five minutes in all

_HELD, _PARTLY, _TROUBLE, _FREE, _UNSURE = "█", "▄", "▒", "·", "?"
_COLOURS = {_HELD: "green", _PARTLY: "green", _TROUBLE: "yellow", _FREE: "dim", _UNSURE: "magenta"}
LEGEND = (
    (_HELD, "held"),
    (_PARTLY, "held for part of the time"),
    (_TROUBLE, "in trouble, as STATE names it"),
    (_FREE, "free"),
    (_UNSURE, "cannot tell"),
    ("blank", "not looked at"),
)


class Timeline:
    """What was seen, and nothing else: blank before the first look."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._cell = 0  # the number of the last one
        self._seen: dict[str, dict[int, set[str]]] = {}  # path, number of the cell, glyphs
        self._bars: dict[str, Text] = {}  # made when asked for: most rows are out of sight

    def record(self, fifos: Iterable[survey.Fifo], now: float) -> None:
        """Remember these states; forget the FIFOs that are gone."""
        self._cell = int(now / self._seconds)
        kept = {}
        for fifo in fifos:
            cells = self._seen.get(fifo.path, {})
            kept[fifo.path] = {number: seen for number, seen in cells.items() if number > self._cell - CELLS}
            kept[fifo.path].setdefault(self._cell, set()).add(_seen_as(fifo))
        self._seen, self._bars = kept, {}

    def bar(self, path: str) -> Text:
        if path not in self._bars:
            self._bars[path] = self._draw(self._seen.get(path, {}))
        return self._bars[path]

    def _draw(self, cells: dict[int, set[str]]) -> Text:
        text = Text(no_wrap=True, overflow="crop")
        for number in range(self._cell - CELLS + 1, self._cell + 1):
            glyph = _glyph(cells.get(number, set()))
            text.append(glyph, _COLOURS.get(glyph, ""))
        return text


def _seen_as(fifo: survey.Fifo) -> str:
    if fifo.trouble:
        return _TROUBLE
    return {survey.FREE: _FREE, survey.UNKNOWN: _UNSURE}.get(fifo.state, _HELD)


def _glyph(seen: set[str]) -> str:
    """One for all that was seen in a cell: the worst, but a short run shows too."""
    if {_HELD, _FREE} <= seen and _TROUBLE not in seen:
        return _PARTLY
    return next((glyph for glyph in (_TROUBLE, _UNSURE, _FREE, _HELD) if glyph in seen), " ")
