"""The columns of ls and top, and which of them fit a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from procalivectl import survey, words

COLOURS = {
    survey.HELD: "green",
    survey.SHARED: "green",
    survey.STALE: "yellow",
    survey.FREE: "dim",
    survey.STRANGER: "magenta",
    survey.LOCKED: "red",
    survey.UNKNOWN: "red",
}
COLUMNS = ("FIFO", "STATE", "PID", "USER", "HELD FOR", "LAST BEAT", "WATCHERS", "COMMAND")
# Where all do not fit, these go first.
_EXPENDABLE = ("WATCHERS", "USER", "LAST BEAT", "LAST MINUTES", "COMMAND", "PID", "HELD FOR")
_ELASTIC = {"FIFO": 20, "COMMAND": 10}  # and to how little these may be cut
_GAP = 2


class Column(NamedTuple):
    name: str
    width: int


def state(fifo: survey.Fifo) -> str:
    return f"shared ×{len(fifo.mains)}" if fifo.state == survey.SHARED else fifo.state  # noqa: RUF001


def cells(fifo: survey.Fifo, now: float) -> dict[str, Text]:
    """What to show for a FIFO.  Text, because a plain str would be read as markup."""
    pids = fifo.pids
    more = f" +{len(pids) - 1}" if len(pids) > 1 else ""
    command = words.command_line(fifo.command)
    return {
        "FIFO": Text(words.show(fifo.path)),
        "STATE": Text(state(fifo), COLOURS[fifo.state]),
        "PID": Text(f"{pids[0]}{more}" if pids else ""),
        "USER": Text(words.show(fifo.mains[0].user) if pids else ""),
        "HELD FOR": Text(words.duration(fifo.held_for(now))),
        "LAST BEAT": Text(words.duration(fifo.beat_age(now))),
        "WATCHERS": Text(str(len(fifo.watchers) or "")),
        "COMMAND": Text(command) if command else Text(fifo.remark, "italic"),
    }


def fit(rows: Sequence[dict[str, Text]], names: Sequence[str], width: int) -> list[Column]:
    """The columns that fit, each with its width; path and command give way first."""
    natural = {name: max([cell_len(name), *(row[name].cell_len for row in rows)]) for name in names}
    least = {name: min(size, _ELASTIC.get(name, size)) for name, size in natural.items()}
    shown = list(names)
    for name in _EXPENDABLE:
        if _total(least, shown) <= width:
            break
        if name in shown:
            shown.remove(name)
    sizes = {name: least[name] for name in shown}
    for name in ("FIFO", "COMMAND"):
        if name in shown:
            spare = width - _total(sizes, shown)
            sizes[name] = max(1, min(natural[name], sizes[name] + spare))
    return [Column(name, sizes[name]) for name in shown]


def _total(sizes: dict[str, int], names: Sequence[str]) -> int:
    return sum(sizes[name] for name in names) + _GAP * (len(names) - 1)


def cut(text: Text, column: Column) -> Text:
    """To the width: a path loses its beginning, which it shares with others."""
    if text.cell_len <= column.width:
        return text
    if column.name != "FIFO":
        kept = text.copy()
        kept.truncate(column.width, overflow="ellipsis")
        return kept
    plain = text.plain
    while cell_len(plain) >= column.width:
        plain = plain[1:]
    return Text("…" + plain, text.style)


def pad(text: Text, width: int) -> Text:
    return Text(set_cell_size(text.plain, width), text.style)
