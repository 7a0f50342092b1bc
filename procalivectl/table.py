"""The columns of ls and top, and which of them fit a terminal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from procalivectl import survey, words

_COLOURS = {survey.HELD: "green", survey.SHARED: "green", survey.FREE: "dim", survey.UNKNOWN: "red"}
_TROUBLE = "bold red"
_MILD = {survey.STOPPED: "bold yellow", survey.FUTURE: "bold yellow", survey.NO_BEAT: "bold yellow"}
COLUMNS = ("FIFO", "STATE", "PID", "USER", "HELD FOR", "LAST BEAT", "WATCHERS", "COMMAND")
# Where all do not fit, these go first.
_EXPENDABLE = ("WATCHERS", "USER", "LAST 5 MIN", "LAST BEAT", "COMMAND", "PID", "HELD FOR")
_ELASTIC = {"FIFO": 16, "COMMAND": 10, "LAST 5 MIN": 10}  # and to how little these may be cut
_GAP = 2


class Column(NamedTuple):
    name: str
    width: int


def state(fifo: survey.Fifo) -> str:
    return f"shared ×{len(fifo.mains)}" if fifo.state == survey.SHARED else fifo.state  # noqa: RUF001


def colour(fifo: survey.Fifo) -> str:
    return _MILD.get(fifo.state, _TROUBLE) if fifo.trouble else _COLOURS[fifo.state]


def cells(fifo: survey.Fifo, now: float) -> dict[str, Text]:
    """What to show for a FIFO.  Text, because a plain str would be read as markup."""
    pids = fifo.pids
    more = f" +{len(pids) - 1}" if len(pids) > 1 else ""
    return {
        "FIFO": Text(words.fifo(fifo.path)),
        "STATE": Text(state(fifo), colour(fifo)),
        "PID": Text(f"{pids[0]}{more}" if pids else ""),
        "USER": Text(words.show(fifo.mains[0].user) if pids else ""),
        "HELD FOR": Text(words.duration(fifo.held_for(now))),
        "LAST BEAT": Text("none" if fifo.beaten is False else words.duration(fifo.beat_age(now))),
        "WATCHERS": Text(str(len(fifo.watchers) or "")),
        "COMMAND": _command(fifo, now),
    }


def _command(fifo: survey.Fifo, now: float) -> Text:
    """What holds, with what is wrong before it; of a free FIFO, what is known of the last holder."""
    idle = fifo.idle(now)
    if idle is not None:
        return Text(f"last began or beat {words.duration(idle)} ago", "dim italic")
    command = words.command_line(fifo.command)
    if not command:
        return Text(fifo.remark, "italic")
    return Text.assemble((f"[{fifo.remark}] ", "italic"), command) if fifo.remark else Text(command)


def sort(fifos: list[survey.Fifo], column: str, now: float, backwards: bool = False) -> None:
    """In place.  Trouble comes first, the worst at the top, whatever the order."""
    fifos.sort(key=lambda fifo: (_sort_key(fifo, column, now), fifo.path), reverse=backwards)
    fifos.sort(key=lambda fifo: survey.STATES.index(fifo.state) if fifo.trouble else len(survey.STATES))


def _sort_key(fifo: survey.Fifo, column: str, now: float) -> tuple[float, str]:
    """Times and numbers: the highest first, but PIDs; words: by the alphabet; states: the worst first."""
    if column == "STATE":
        return survey.STATES.index(fifo.state), ""
    if column == "PID":
        return (fifo.pids or [1 << 31])[0], ""
    if column == "WATCHERS":
        return -len(fifo.watchers), ""
    if column in ("HELD FOR", "LAST BEAT"):
        age = fifo.held_for(now) if column == "HELD FOR" else fifo.beat_age(now)
        return (1.0 if age is None else -age), ""
    return 0.0, cells(fifo, now)[column].plain.lower()


def fit(rows: Sequence[dict[str, Text]], names: Sequence[str], width: int) -> tuple[list[Column], str]:
    """The columns that fit, each with its width, and what to leave out of the names.

    First what the names have in common gives way, then the columns of least use.
    """
    natural = {name: max([cell_len(name), *(row[name].cell_len for row in rows)]) for name in names}
    prefix = ""
    if _total(natural, names) > width:
        prefix = common_directory([row["FIFO"].plain for row in rows])
        natural["FIFO"] = max([cell_len("FIFO"), *(cell_len(_short(row["FIFO"].plain, prefix)) for row in rows)])
    least = {name: min(size, _ELASTIC.get(name, size)) for name, size in natural.items()}
    shown = list(names)
    for name in _EXPENDABLE:
        if _total(least, shown) <= width:
            break
        if name in shown:
            shown.remove(name)
    sizes = {name: least[name] for name in shown}
    for name in ("FIFO", "COMMAND", "LAST 5 MIN"):
        if name in shown:
            spare = width - _total(sizes, shown)
            sizes[name] = max(1, min(natural[name], sizes[name] + spare))
    return [Column(name, sizes[name]) for name in shown], prefix


def common_directory(names: Sequence[str]) -> str:
    """The directory in which all that are paths lie, with its slash; "" if there is none."""
    directories = {os.path.dirname(name) for name in names if not name.startswith("@")}
    try:
        return os.path.join(os.path.commonpath(directories), "")
    except ValueError:
        return ""  # none, or some are relative


def without(prefix: str, row: dict[str, Text]) -> dict[str, Text]:
    """The same row without the common beginning of the names."""
    return row | {"FIFO": Text(_short(row["FIFO"].plain, prefix))} if prefix else row


def _short(name: str, prefix: str) -> str:
    return name.removeprefix(prefix) or name


def _total(sizes: dict[str, int], names: Sequence[str]) -> int:
    return sum(sizes[name] for name in names) + _GAP * (len(names) - 1)


def cut(text: Text, column: Column) -> Text:
    """To the width: a name loses its beginning, the timeline what is longest ago."""
    if text.cell_len <= column.width:
        return text
    if column.name == "LAST 5 MIN":
        return text[-column.width :]
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
