"""The table on the screen of top.

Textual's DataTable renders every visible cell anew for each change: with 40
rows whose ages grow all the time that alone takes 8 % of a core.  This one
makes the visible lines itself and is many times cheaper.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from procalivectl.table import Column, cut

_GAP = "  "


class Grid(ScrollView, can_focus=False):
    """Lines with a cursor, below a heading that stays.

    `cells` gives a row by its key, and is asked for the visible ones alone.
    """

    COMPONENT_CLASSES = {"grid--heading", "grid--cursor"}
    DEFAULT_CSS = """
    Grid { scrollbar-size-vertical: 1; overflow-x: hidden; }
    Grid > .grid--heading { text-style: bold; background: $panel; }
    Grid > .grid--cursor { text-style: bold; background: $primary; color: $text; }
    """

    class Moved(Message):
        """Another row is under the cursor."""

    class HeadingClicked(Message):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, cells: Callable[[str], dict[str, Text]], id: str) -> None:
        super().__init__(id=id)
        self._cells = cells
        self.keys: list[str] = []
        self.columns: list[Column] = []
        self.marks: dict[str, str] = {}  # what follows the name of a column in the heading
        self._cursor = 0

    @property
    def selected(self) -> str | None:
        return self.keys[self._cursor] if self._cursor < len(self.keys) else None

    def show(self, keys: list[str], columns: list[Column], marks: dict[str, str]) -> None:
        """Show these rows; the cursor stays on its key, or else on its line."""
        selected = self.selected
        self.keys, self.columns, self.marks = keys, columns, marks
        self._cursor = keys.index(selected) if selected in keys else max(0, min(self._cursor, len(keys) - 1))
        size = Size(0, len(keys) + 1)
        if size != self.virtual_size:
            self.virtual_size = size
        self.refresh()
        if self.selected != selected:
            self.post_message(self.Moved())

    def render_line(self, y: int) -> Strip:
        index = y - 1 + self.scroll_offset.y
        if y == 0:
            cells = {column.name: Text(column.name) for column in self.columns}
            style = self.get_component_rich_style("grid--heading")
        elif index < len(self.keys):
            cells = self._cells(self.keys[index])
            style = self.rich_style
            if index == self._cursor:
                # In colours of its own: green or red on it could not be read.
                cells = {name: Text(text.plain) for name, text in cells.items()}
                style = self.get_component_rich_style("grid--cursor")
        else:
            return Strip.blank(self.size.width, self.rich_style)
        segments = [segment for column in self.columns for segment in self._column(cells[column.name], column, y)]
        line = Strip(Segment.apply_style(segments, style))
        return line.adjust_cell_length(self.size.width, style)

    def _column(self, text: Text, column: Column, y: int) -> Sequence[Segment]:
        if y == 0:
            heading = text.plain + self.marks.get(column.name, "")  # the mark may take from the gap
            return [Segment(set_cell_size(heading, column.width + len(_GAP)))]
        text = cut(text, column)
        if text.spans:
            return [*text.render(self.app.console), Segment(_GAP)]
        style = Style.parse(text.style) if isinstance(text.style, str) else text.style
        return [Segment(set_cell_size(text.plain, column.width), style), Segment(_GAP)]

    def move(self, lines: int) -> None:
        """The cursor, as far as there are lines."""
        before, self._cursor = self._cursor, max(0, min(self._cursor + lines, len(self.keys) - 1))
        self.refresh()
        self.call_after_refresh(self._scroll_to_cursor)  # rows that were just shown can be scrolled to only then
        if self._cursor != before:
            self.post_message(self.Moved())

    def _scroll_to_cursor(self) -> None:
        room = max(1, self.size.height - 1)
        top = min(self.scroll_offset.y, self._cursor)
        self.scroll_to(y=max(top, self._cursor - room + 1), animate=False)

    def on_click(self, event: events.Click) -> None:
        if event.y > 0:
            self.move(event.y - 1 + self.scroll_offset.y - self._cursor)
            return
        left = 0
        for column in self.columns:
            left += column.width + len(_GAP)
            if event.x < left:
                self.post_message(self.HeadingClicked(column.name))
                return
