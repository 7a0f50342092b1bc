"""top: the FIFOs live, full screen."""

from __future__ import annotations

import asyncio
import os
import signal
import time

from rich.text import Text
from textual import events, on, work
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, Static
from textual.worker import WorkerFailed

import procalive
from procalivectl import survey, table, words
from procalivectl.changes import Changes
from procalivectl.grid import Grid
from procalivectl.timeline import SECONDS, Timeline

_FASTEST = 0.25  # seconds between two looks at least
_SLOWEST = 10.0  # and at most, when the kernel reports nothing
_SHARE = 0.007  # of a core: a look that costs more is made less often,
_LONGEST = 60.0  # but not less often than that
_TICK = 2.0  # ages grow without a look

_COLUMNS = ("FIFO", "STATE", "PID", "USER", "HELD FOR", "LAST BEAT", "LAST MINUTES", "WATCHERS", "COMMAND")
_SORTABLE = ("FIFO", "STATE", "HELD FOR", "LAST BEAT", "USER", "COMMAND")


class Confirm(ModalScreen[int]):
    """Which signal to send, if any; 0 is none."""

    BINDINGS = [
        Binding("y,t", "dismiss(15)", "TERM"),
        Binding("h", "dismiss(1)", "HUP"),
        Binding("9", "dismiss(9)", "KILL"),
        Binding("n,escape,q", "dismiss(0)", "nothing"),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        yield Static(Text(f"{self._question}\n\ny TERM   h HUP   9 KILL   n nothing"), id="question")


class Top(App[int]):
    """One row a FIFO; the details of the one under the cursor below."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "procalivectl top"
    CSS = """
    Screen { layout: vertical; }
    #summary { height: 1; text-style: bold; }
    Grid { height: 1fr; }
    #details { height: auto; max-height: 40%; border-top: solid $primary; }
    #filter { display: none; height: 1; border: none; }
    Confirm { align: center middle; }
    #question { width: auto; max-width: 90%; height: auto; padding: 1 2; border: thick $error; background: $surface; }
    """
    BINDINGS = [
        Binding("q", "end(0)", "Quit"),
        Binding("ctrl+c", f"end({128 + signal.SIGINT})", show=False, priority=True),  # not "copy", as in the filter
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("s", "sort", "Sort"),
        Binding("r", "reverse", "Reverse"),
        Binding("k", "kill", "Signal"),
        Binding("escape", "clear_filter", "Clear filter", show=False),
    ]

    def __init__(self, look: survey.Survey, cell_seconds: float = SECONDS) -> None:
        super().__init__()
        self._survey = look
        self._timeline = Timeline(cell_seconds)
        self._fifos: list[survey.Fifo] = []
        self._sort, self._reversed, self._filter = "FIFO", False, ""
        self._rows: dict[str, survey.Fifo] = {}  # those that match the filter, sorted
        self._written: dict[Static, str] = {}
        # Kept here and not asked for by name: messages still come while the screen is taken down.
        self._summary, self._details = Static(id="summary"), Static(id="details")
        self._grid = Grid(self._cells, id="fifos")
        self._input = Input(placeholder="filter", id="filter")

    def compose(self) -> ComposeResult:
        yield self._summary
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
        self._grid.focus()
        self._follow()

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
                self._show()
                spent += time.thread_time() - before
                await asyncio.sleep(max(_FASTEST, min(_LONGEST, spent / _SHARE)))
                await changes.wait(_SLOWEST)
        finally:
            changes.close()

    def _look(self) -> float:
        """In a thread of its own; what it cost, in seconds of CPU."""
        before = time.thread_time()
        self._fifos = self._survey.look()
        return time.thread_time() - before

    def _tick(self) -> None:
        """Beats are seen here: a stat(2) for each FIFO costs next to nothing."""
        for fifo in self._fifos:
            try:
                fifo.beat = os.stat(fifo.path).st_mtime if fifo.inode else None
            except OSError:
                pass  # vanished: the next look tells
        self._grid.refresh()

    # --- showing ---

    def _show(self) -> None:
        """Sort and filter; the grid then asks for the rows that are visible."""
        now = time.time()
        fifos = [fifo for fifo in self._fifos if self._filter in _searched(fifo)]
        fifos.sort(key=lambda fifo: (_sort_key(fifo, self._sort, now), fifo.path), reverse=self._reversed)
        self._rows = {fifo.path: fifo for fifo in fifos}
        columns = table.fit([self._cells(path) for path in self._rows], _COLUMNS, self.size.width - 1)
        arrow = "▼" if self._reversed else "▲"
        self._grid.show(list(self._rows), columns, {self._sort: arrow})
        self._show_summary()
        self._show_details()

    def _cells(self, path: str) -> dict[str, Text]:
        return table.cells(self._rows[path], time.time()) | {"LAST MINUTES": self._timeline.bar(path)}

    def _show_summary(self) -> None:
        states = [fifo.state for fifo in self._fifos]
        counts = [f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states))]
        text = f"{len(states)} FIFO{'s' if len(states) > 1 else ''}: {'; '.join(counts)}" if states else "no FIFO yet"
        if self._filter:
            text += f"  [{len(self._rows)} match {words.show(self._filter)}]"
        self._write(self._summary, text)

    def _show_details(self) -> None:
        fifo = self._selected()
        self._write(self._details, "\n".join(details(fifo)) if fifo else "")

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

    def action_sort(self) -> None:
        self._sort = _SORTABLE[(_SORTABLE.index(self._sort) + 1) % len(_SORTABLE)]
        self._show()

    def action_reverse(self) -> None:
        self._reversed = not self._reversed
        self._show()

    def action_filter(self) -> None:
        self._input.display = True
        self._input.focus()

    def action_clear_filter(self) -> None:
        self._filter = self._input.value = ""
        self._close_filter()

    @on(Input.Changed)
    def _filter_typed(self, event: Input.Changed) -> None:
        self._filter = event.value.lower()
        self._show()

    @on(Input.Submitted)
    def _close_filter(self) -> None:
        self._input.display = bool(self._filter)
        self._grid.focus()

    @work
    async def action_kill(self) -> None:
        fifo = self._selected()
        if fifo is None or not fifo.pids:
            self._notify("no process that could be signalled holds this FIFO")
            return
        who = ", ".join(f"{pid} ({procalive._name_of(pid)})" for pid in fifo.pids)
        chosen = await self.push_screen_wait(Confirm(f"Signal {who}, which holds {words.show(fifo.path)}?"))
        if chosen:
            self._notify(send(fifo, chosen))

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
        now = {holder.keeps or holder.pid for holder in procalive._mains(procalive.holders(fifo.path))}
        if not now.issubset(fifo.pids):
            return f"{path}: another process holds it by now; nothing was sent"
        sent = procalive.kill(fifo.path, sig)
    except (procalive.ProcaliveError, OSError) as error:
        return words.error_line(error)
    name = signal.Signals(sig).name
    return f"{path}: {name} sent to {' '.join(map(str, sent))}" if sent else f"{path}: nobody holds it any more"


def details(fifo: survey.Fifo) -> list[str]:
    """All holders, their PROCALIVE_* variables, and who waits."""
    now = time.time()
    remark = f": {fifo.remark}" if fifo.remark else ""
    lines = [f"{words.show(fifo.path)}  {table.state(fifo)}{remark}"]
    for holder in fifo.readers:
        kind = "lock" if holder.lock else "reader"
        keeps = f", keeps {holder.keeps} ({procalive._name_of(holder.keeps)})" if holder.keeps else ""
        age = words.duration(now - holder.since)
        command = words.command_line(holder.command)
        lines.append(f"{holder.pid} {words.show(holder.user)} {kind}{keeps}, for {age}: {command}")
        lines += filter(None, [" ".join(environment(holder.keeps or holder.pid))])
    waiters = [f"{pid} ({procalive._name_of(pid)})" for pid in dict.fromkeys(fifo.watchers)]
    if waiters:
        lines.append(f"waiting or watching: {', '.join(waiters)}")
    return lines


def environment(pid: int) -> list[str]:
    """PROCALIVE_* of a process, as they were at its start: proc_pid_environ(5)."""
    try:
        variables = procalive._read_proc(f"{pid}/environ").split(b"\0")
    except OSError:
        return []
    return [words.show(variable) for variable in sorted(variables) if variable.startswith(b"PROCALIVE_")]


def _searched(fifo: survey.Fifo) -> str:
    user = fifo.mains[0].user if fifo.mains else ""
    return " ".join([words.show(fifo.path), fifo.state, user, words.command_line(fifo.command)]).lower()


def _sort_key(fifo: survey.Fifo, name: str, now: float) -> tuple[float, str]:
    """Times: the longest first; words: by the alphabet."""
    if name == "HELD FOR":
        return -(fifo.held_for(now) or -1.0), ""
    if name == "LAST BEAT":
        return -(fifo.beat_age(now) or -1.0), ""
    return 0.0, str(table.cells(fifo, now)[name])


def run(look: survey.Survey) -> int:
    app = Top(look)
    app.run()
    error = app._exception
    if error is not None:
        words.say(words.error_line(error.error if isinstance(error, WorkerFailed) else error))
        return 2
    return app.return_code or 0
