"""top: the FIFOs live, full screen."""

from __future__ import annotations

import asyncio
import os
import signal
import time

from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from textual import events, on, work
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.widgets import Footer, Input, Static
from textual.worker import WorkerFailed

import procalive
from procalivectl import details, survey, table, words
from procalivectl.changes import Changes
from procalivectl.dialogs import Confirm, Page
from procalivectl.grid import Grid
from procalivectl.history import History
from procalivectl.timeline import LEGEND, SECONDS, Timeline

_FASTEST = 0.25  # seconds between two looks at least
_SLOWEST = 10.0  # and at most, when the kernel reports nothing
_SHARE = 0.007  # of a core: a look that costs more is made less often,
_LONGEST = 60.0  # but not less often than that
_TICK = 2.0  # ages grow without a look
_GAP = 2  # columns between the counts and the clock

_COLUMNS = ("FIFO", "STATE", "PID", "USER", "HELD FOR", "LAST BEAT", "LAST 5 MIN", "WATCHERS", "COMMAND")
_SORTABLE = ("FIFO", "STATE", "HELD FOR", "LAST BEAT", "USER", "COMMAND")
_KEYS = (
    ("up, down", "another FIFO; Page Up, Page Down, Home, End"),
    ("/", "filter by name, state, user or command; Enter keeps it, Escape ends it"),
    ("s, S", "sort by the next column, by the one before; trouble comes first"),
    ("r", "the other way round"),
    ("p", "pause: what is shown stays as it is"),
    ("d", "what procalivectl doctor says of the FIFO"),
    ("k", "signal its holders, after a question"),
    ("q", "quit; Ctrl-C too, with status 130"),
)


class Top(App[int]):
    """One row a FIFO; the details of the one under the cursor below.

    All keys are decided here, in the order in which they come ("priority"):
    forwarded to a widget they would wait there, and the end of a word typed
    behind "/" would be taken before the filter has the focus.
    """

    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    TITLE = "procalivectl top"
    CSS = """
    Screen { layout: vertical; }
    #head { height: 1; text-style: bold; }
    Grid { height: 1fr; }
    #details { height: auto; max-height: 40%; border-top: solid $primary; }
    #filter { display: none; height: 1; border: none; }
    Confirm, Page { align: center middle; }
    #question { width: auto; max-width: 96%; height: auto; padding: 0 1; border: thick $error; background: $surface; }
    #page { width: 90; max-width: 96%; height: auto; max-height: 96%; padding: 0 1; border: round $primary; }
    #page { background: $surface; scrollbar-size-vertical: 1; }
    #page-text { width: 100%; }
    """
    BINDINGS = [
        Binding("ctrl+c", f"end({128 + signal.SIGINT})", show=False, priority=True),  # not "copy", as in the filter
        *(
            Binding(key, action, about, key_display=shown, show=bool(about), priority=True)
            for key, shown, action, about in (
                ("question_mark", "?", "help", "Help"),
                ("q", "q", "end(0)", "Quit"),
                ("slash", "/", "filter", "Filter"),
                ("k", "k", "signal", "Signal"),
                ("d", "d", "doctor", "Doctor"),
                ("s", "s", "sort(1)", "Sort"),
                ("p", "p", "pause", "Pause"),
                ("S", "S", "sort(-1)", ""),
                ("r", "r", "reverse", ""),
                ("enter", "", "accept_filter", ""),
                ("escape", "", "clear_filter", ""),
                ("up", "", "move(-1)", ""),
                ("down", "", "move(1)", ""),
                ("pageup", "", "page(-1)", ""),
                ("pagedown", "", "page(1)", ""),
                ("home", "", "edge(-1)", ""),
                ("end", "", "edge(1)", ""),
            )
        ),
    ]
    _WHILE_TYPING = ("accept_filter", "clear_filter", "move", "page")

    def __init__(self, look: survey.Survey, cell_seconds: float = SECONDS) -> None:
        super().__init__()
        self._survey = look
        self._timeline = Timeline(cell_seconds)
        self._history = History()
        self._fifos: list[survey.Fifo] = []  # as of the last look
        self._shown: list[survey.Fifo] = []  # the same, or those from before the pause
        self._hidden = ""  # what is said of those that this user may not look at
        self._paused: float | None = None  # since then
        self._sort, self._reversed, self._filter, self._typing = "FIFO", False, "", False
        self._rows: dict[str, survey.Fifo] = {}  # those that match the filter, sorted
        self._prefix = ""  # what the names have in common, left out where there is no room
        self._written: dict[Static, str] = {}
        # Kept here and not asked for by name: messages still come while the screen is taken down.
        self._head, self._details = Static(id="head"), Static(id="details")
        self._grid = Grid(self._cells, id="fifos")
        self._input = Input(placeholder="filter", id="filter")

    def compose(self) -> ComposeResult:
        yield self._head
        yield self._grid
        yield self._details
        yield self._input
        yield Footer()

    def on_mount(self) -> None:
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(sig) is not signal.SIG_IGN:  # nohup(1), and what else had its reason
                # Not to end before the terminal is as it was.
                asyncio.get_running_loop().add_signal_handler(sig, self.action_end, 128 + sig)
        self.set_interval(_TICK, self._tick)
        self._follow()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Which keys count: those of a dialog and of the filter are its own."""
        if action == "end" and parameters != (0,):
            return True
        if len(self.screen_stack) > 1:
            return False
        if self._typing:
            return action in self._WHILE_TYPING
        return action != "accept_filter"

    # --- looking ---

    @work
    async def _follow(self) -> None:
        changes = Changes()
        try:
            while True:
                spent = await asyncio.to_thread(self._look)
                changes.follow(self._fifos, self._survey.directories)
                before = time.thread_time()
                self._timeline.record(self._fifos, time.time())
                self._history.record(self._fifos, time.time())
                if self._paused is None:
                    self._take()
                spent += time.thread_time() - before
                await asyncio.sleep(max(_FASTEST, min(_LONGEST, spent / _SHARE)))
                await changes.wait(_SLOWEST)
        finally:
            changes.close()

    def _take(self) -> None:
        """Show what the last look found; what this user may not look at is but counted."""
        hidden = survey.hidden(self._fifos)
        self._shown = [fifo for fifo in self._fifos if fifo not in hidden] if hidden else self._fifos
        self._hidden = survey.tell_hidden(hidden)
        self._show()

    def _look(self) -> float:
        """In a thread of its own; what it cost, in seconds of CPU."""
        before = time.thread_time()
        self._fifos = self._survey.look()
        return time.thread_time() - before

    def _tick(self) -> None:
        """Beats are seen here: a stat(2) for each FIFO costs next to nothing."""
        if not self._written:
            return  # not before the first look
        self._show_head()
        if self._paused is None:
            for fifo in self._fifos:
                try:
                    fifo.beat = os.stat(fifo.path).st_mtime if fifo.inode else None
                except OSError:
                    pass  # vanished: the next look tells
            self._grid.refresh()

    # --- showing ---

    def _now(self) -> float:
        return time.time() if self._paused is None else self._paused

    def _show(self) -> None:
        """Sort and filter; the grid then asks for the rows that are visible."""
        now = self._now()
        fifos = [fifo for fifo in self._shown if self._filter in _searched(fifo)]
        table.sort(fifos, self._sort, now, self._reversed)
        self._rows = {fifo.path: fifo for fifo in fifos}
        whole = [self._whole_cells(fifo) for fifo in fifos]
        columns, self._prefix = table.fit(whole, _COLUMNS, self.size.width - 1)
        self._grid.show(list(self._rows), columns, {self._sort: "▼" if self._reversed else "▲"})
        self._show_head()
        self._show_details()

    def _whole_cells(self, fifo: survey.Fifo) -> dict[str, Text]:
        return table.cells(fifo, self._now()) | {"LAST 5 MIN": self._timeline.bar(fifo.path)}

    def _cells(self, path: str) -> dict[str, Text]:
        return table.without(self._prefix, self._whole_cells(self._rows[path]))

    def _show_head(self) -> None:
        """The counts on the left, host and clock on the right, as far as there is room."""
        host, clock = words.show(os.uname().nodename), time.strftime("%H:%M:%S")
        for short, right in ((False, f"{host}  {clock}"), (False, clock), (True, clock), (True, "")):
            left = self._summary(short)
            room = self.size.width - cell_len(left) - cell_len(right)
            if room >= _GAP:
                break
        self._write(self._head, left + " " * max(0, room) + right)

    def _summary(self, short: bool) -> str:
        text = survey.summary(self._shown, short) or ("" if self._hidden else "no FIFO yet")
        text = "; ".join(filter(None, (text, self._hidden)))
        if self._filter:
            text = f"{len(self._rows)} match {words.show(self._filter)}, of {text}"
        return text if self._paused is None else f"PAUSED  {text}"

    def _show_details(self) -> None:
        fifo = self._selected()
        self._write(self._details, "\n".join(details.lines(fifo, self._history.runs(fifo.path))) if fifo else "")

    def _write(self, widget: Static, text: str) -> None:
        """Only what changed: an update costs a layout of the whole screen."""
        if self._written.get(widget) != text:
            self._written[widget] = text
            widget.update(Text(text, no_wrap=True, overflow="ellipsis"))

    def _selected(self) -> survey.Fifo | None:
        return self._rows.get(self._grid.selected or "")

    # --- what the user does ---

    @on(Grid.Moved)
    def _moved(self) -> None:
        self._show_details()

    @on(events.Resize)
    def _resized(self) -> None:
        if self._written:  # not before the first look
            self.call_after_refresh(self._show)  # self.size is still the old one

    @on(Grid.HeadingClicked)
    def _heading_clicked(self, event: Grid.HeadingClicked) -> None:
        if event.name in _SORTABLE:
            self._sort = event.name
            self._show()

    def action_end(self, status: int) -> None:
        self.exit(return_code=status)

    def action_move(self, lines: int) -> None:
        self._grid.move(lines)

    def action_page(self, pages: int) -> None:
        self._grid.move(pages * max(1, self._grid.size.height - 1))

    def action_edge(self, which: int) -> None:
        self._grid.move(which * len(self._rows))

    def action_sort(self, columns: int) -> None:
        self._sort = _SORTABLE[(_SORTABLE.index(self._sort) + columns) % len(_SORTABLE)]
        self._show()

    def action_reverse(self) -> None:
        self._reversed = not self._reversed
        self._show()

    def action_pause(self) -> None:
        """What is shown stays as it is, its ages too; the timeline goes on."""
        self._paused = time.time() if self._paused is None else None
        self._take()

    def action_filter(self) -> None:
        """A new one, as in less(1)."""
        self._input.value = ""
        self._typing = self._input.display = True
        self.screen.set_focus(self._input)
        self.refresh_bindings()

    def action_accept_filter(self) -> None:
        self._typing, self._input.display = False, bool(self._input.value)
        self.screen.set_focus(None)
        self.refresh_bindings()

    def action_clear_filter(self) -> None:
        self._input.value = ""
        self.action_accept_filter()

    @on(Input.Changed)
    def _filter_typed(self, event: Input.Changed) -> None:
        self._filter = event.value.lower()
        self._show()

    def action_signal(self) -> None:
        fifo = self._selected()
        if fifo is None or not fifo.pids:
            self._notify("no process that could be signalled holds this FIFO")
            return
        agreed = fifo

        def answered(sig: int | None) -> None:
            if sig:
                self._notify(send(agreed, sig))

        self.push_screen(Confirm(f"{words.processes(fifo.pids)}, which holds {words.show(fifo.path)}"), answered)

    def action_doctor(self) -> None:
        fifo = self._selected()
        if fifo is not None:
            path = fifo.path
            self.push_screen(Page(f"procalivectl doctor {words.show(path)}", lambda: _ask_doctor(path)))

    def action_help(self) -> None:
        self.push_screen(Page("procalivectl top", _help))

    def _notify(self, text: str) -> None:
        self.notify(text, markup=False)

    # --- failing ---

    def _fatal_error(self) -> None:
        """Instead of Textual's traceback; run() tells what it was."""
        self._close_messages_no_wait()


def send(fifo: survey.Fifo, sig: int) -> str:
    """Signal the holder that was shown; what was done, in a line."""
    path = words.show(fifo.path)
    try:
        # What was agreed to are these processes, not whoever holds by now.
        now = {holder.main for holder in procalive.mains(procalive.holders(fifo.path))}
        if not now.issubset(fifo.pids):
            return f"{path}: another process holds it by now; nothing was sent"
        sent = procalive.kill(fifo.path, sig)
    except (procalive.ProcaliveError, OSError) as error:
        return words.error_line(error)
    name = signal.Signals(sig).name
    return f"{path}: {name} sent to {' '.join(map(str, sent))}" if sent else f"{path}: nobody holds it any more"


async def _ask_doctor(path: str) -> RenderableType:
    from procalivectl import doctor

    return doctor.table(await asyncio.to_thread(doctor.examine, path))


async def _help() -> RenderableType:
    table = Table.grid(padding=(0, 1))
    blocks = (("", ""), ("LAST 5 MIN", "a block is 15 seconds"), *LEGEND)
    for key, what in (*_KEYS, *blocks, ("", ""), ("", "procalivectl(1) tells the rest.")):
        table.add_row(Text(key, "bold"), what)
    return table


def _searched(fifo: survey.Fifo) -> str:
    user = fifo.mains[0].user if fifo.mains else ""
    names = [words.fifo(fifo.path), words.show(fifo.path), fifo.state, *fifo.trouble]
    return " ".join([*names, user, words.command_line(fifo.command)]).lower()


def run(look: survey.Survey) -> int:
    app = Top(look)
    app.run()
    error = app._exception
    if error is not None:
        words.say(words.error_line(error.error if isinstance(error, WorkerFailed) else error))
        return 2
    return app.return_code or 0
