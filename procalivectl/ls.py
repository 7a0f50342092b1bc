"""ls: the FIFOs as a table, or a JSON object a line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from procalivectl import survey, table, words

_UNLIMITED = 1_000_000  # columns: a pipe has no width


def run(look: survey.Survey, as_json: bool) -> int:
    fifos = look.look()
    if as_json:
        for fifo in fifos:
            print(json.dumps(fifo.as_dict()))
    elif fifos:
        _print_table(fifos)
    else:
        words.say(f"no FIFO of procalive's in {', '.join(map(words.show, look.paths))}")
    return survey.complain(fifos)


def _print_table(fifos: Sequence[survey.Fifo]) -> None:
    console, is_terminal = words.console(), sys.stdout.isatty()
    width = console.width if is_terminal else _UNLIMITED
    now = time.time()
    rows = [table.cells(fifo, now) for fifo in fifos]
    columns = table.fit(rows, table.COLUMNS, width)
    if not is_terminal:
        for line in [{name: Text(name) for name in table.COLUMNS}, *rows]:
            sys.stdout.write(_aligned(line, columns))
        return
    grid = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column.name, width=column.width, no_wrap=True)
    for row in rows:
        grid.add_row(*(table.cut(row[column.name], column) for column in columns))
    console.print(grid)


def _aligned(row: dict[str, Text], columns: Sequence[table.Column]) -> str:
    """For a pipe: nothing cut, no blanks at the end."""
    return "  ".join(table.pad(row[column.name], column.width).plain for column in columns).rstrip() + "\n"
