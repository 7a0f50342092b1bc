"""ls: the FIFOs as a table, or a JSON object a line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from procalivectl import survey, table, words

TROUBLE = "trouble"  # any of its states
_UNLIMITED = 1_000_000  # columns: a pipe has no width


def run(look: survey.Survey, as_json: bool = False, states: Sequence[str] = (), sort: str = "FIFO") -> int:
    """The status: 2 if one that was named cannot be told, 1 if trouble was shown."""
    fifos = look.look()
    shown = [fifo for fifo in fifos if not states or _matches(fifo, states)]
    table.sort(shown, sort, time.time())
    if as_json:
        for fifo in shown:
            print(json.dumps(fifo.as_dict()))
    else:
        _show(look, fifos, shown)
    troubled = any(fifo.trouble for fifo in shown)
    return survey.complain(fifos) or int(troubled)


def _matches(fifo: survey.Fifo, states: Sequence[str]) -> bool:
    return fifo.state in states or (TROUBLE in states and bool(fifo.trouble))


def _show(look: survey.Survey, fifos: Sequence[survey.Fifo], shown: Sequence[survey.Fifo]) -> None:
    hidden = survey.hidden(shown)
    listed = [fifo for fifo in shown if fifo not in hidden]
    if listed:
        _print_table(listed)
        sys.stdout.flush()
    elif not hidden:
        what = "FIFO in that state" if fifos else "FIFO of procalive's"
        words.say(f"no {what} in {', '.join(map(words.show, look.paths))}")
    if any(fifo.trouble for fifo in listed):
        words.say(survey.summary(listed))
    if hidden:
        words.say(survey.tell_hidden(hidden))


def _print_table(fifos: Sequence[survey.Fifo]) -> None:
    console, is_terminal = words.console(), sys.stdout.isatty()
    width = console.width if is_terminal else _UNLIMITED
    now = time.time()
    rows = [table.cells(fifo, now) for fifo in fifos]
    columns, prefix = table.fit(rows, table.COLUMNS, width)
    if not is_terminal:
        for line in [{name: Text(name) for name in table.COLUMNS}, *rows]:
            sys.stdout.write(_aligned(line, columns))
        return
    grid = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column.name, width=column.width, no_wrap=True)
    for row in rows:
        grid.add_row(*(table.cut(table.without(prefix, row)[column.name], column) for column in columns))
    console.print(grid)


def _aligned(row: dict[str, Text], columns: Sequence[table.Column]) -> str:
    """For a pipe: nothing cut, no blanks at the end."""
    return "  ".join(table.pad(row[column.name], column.width).plain for column in columns).rstrip() + "\n"
