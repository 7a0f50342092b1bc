"""top: on Textual's pilot, and in a real terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import CTL, end, held_by, locked_unread, until
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input, Static
from watchfiles import Change

import procalive
from procalivectl import changes, dialogs, live, survey

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    """On a busy machine a look costs much, and the next would be long in coming."""
    monkeypatch.setattr(live, "_SHARE", 1.0)


@contextlib.asynccontextmanager
async def top(*paths: Path, size: tuple[int, int] = (120, 30), **options: Any) -> AsyncIterator[Pilot[int]]:
    """The screen, once it has looked for the first time."""
    app = live.Top(survey.Survey([str(path) for path in paths], **options))
    async with app.run_test(size=size) as pilot:
        await becomes(pilot, lambda: text(pilot, "#head"))
        yield pilot


async def becomes(pilot: Pilot[int], true: Callable[[], Any], seconds: float = 50) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await pilot.pause(0.02)


def text(pilot: Pilot[int], widget: str) -> str:
    screen = pilot.app.screen if widget == "#question" else pilot.app
    return str(screen.query_one(widget, Static).content)


def lines(pilot: Pilot[int]) -> list[str]:
    """The grid as it is seen, heading first."""
    grid = pilot.app.query_one("#fifos")
    return [grid.render_line(y).text.rstrip() for y in range(grid.size.height)]


def counts(pilot: Pilot[int]) -> str:
    """The head without host and clock."""
    return re.sub(r"  +(\S+  )?\d\d:\d\d:\d\d$", "", text(pilot, "#head"))


def screen(pilot: Pilot[int]) -> str:
    """All that is on the terminal."""
    strips = pilot.app.screen._compositor.render_strips(pilot.app.size)
    return "\n".join(strip.text for strip in strips)


def shown(pilot: Pilot[int]) -> list[str]:
    return [os.path.basename(key) for key in pilot.app.query_one("#fifos").keys]


async def test_a_row_has_state_pid_command_and_timeline(place, hold):
    job = hold(place / "job", "sleep", "601")
    async with top(place) as pilot:
        heading, row = lines(pilot)[:2]
        assert heading.startswith("FIFO▲")
        assert re.search(rf"/job +held +{job.pid} .*█ .*sleep 601", row)
        assert counts(pilot) == "1 FIFO: 1 held"


async def test_the_details_have_holders_environment_and_waiters(place, hold, spawn):
    job = hold(place / "job")
    waiter = spawn("sh", "-c", "exec 9>job; exec sleep 600", cwd=place)
    until(lambda: Path(f"/proc/{waiter.pid}/comm").read_text() == "sleep\n", "the waiter")
    async with top(place) as pilot:
        details = text(pilot, "#details")
        assert f"{job.pid} " in details
        assert " lock, for " in details
        assert f"PROCALIVE_FIFO={place}/job" in details
        assert f"waiting or watching: {waiter.pid} (sleep)" in details


async def test_a_death_is_learnt_from_the_kernel(place, hold, monkeypatch):
    monkeypatch.setattr(live, "_SLOWEST", 1e6)  # the slow pace would show it too
    job = hold(place / "job")
    async with top(place) as pilot:
        job.kill()
        job.wait()
        await becomes(pilot, lambda: counts(pilot) == "1 FIFO: 1 free")
        assert re.search("▄|█·", lines(pilot)[1])  # held for a part of that time, or for the one before


async def test_a_new_holder_is_learnt_from_the_kernel(place, hold, monkeypatch):
    monkeypatch.setattr(live, "_SLOWEST", 1e6)
    end(hold(place / "job"))
    async with top(place) as pilot:
        assert counts(pilot) == "1 FIFO: 1 free"
        await asyncio.to_thread(hold, place / "job")
        await becomes(pilot, lambda: counts(pilot) == "1 FIFO: 1 held")


async def test_a_missing_fifo_is_seen_when_it_is_held(place, hold, monkeypatch):
    monkeypatch.setattr(live, "_SLOWEST", 1e6)
    async with top(place / "job") as pilot:
        assert "missing" in lines(pilot)[1]
        await asyncio.to_thread(hold, place / "job")
        await becomes(pilot, lambda: counts(pilot) == "1 FIFO: 1 held")


async def test_however_much_changes_it_looks_at_most_4_times_a_second(place, monkeypatch):
    looks = []
    real = survey.Survey.look
    monkeypatch.setattr(survey.Survey, "look", lambda self: looks.append(time.monotonic()) or real(self))
    monkeypatch.setattr(live.Changes, "wait", lambda *_: asyncio.sleep(0))  # news without end
    async with top(place) as pilot:
        await becomes(pilot, lambda: len(looks) > 3)
    assert min(later - earlier for earlier, later in zip(looks, looks[1:])) >= 0.25


async def test_a_beat_is_seen_without_a_look(place, hold, monkeypatch):
    monkeypatch.setattr(live, "_SLOWEST", 1e6)
    hold(place / "job")
    async with top(place) as pilot:
        os.utime(place / "job", (1, 1))
        await becomes(pilot, lambda: re.search(r" \d{5}d\d*h? ", lines(pilot)[1]))


async def test_a_fifo_that_vanishes_leaves_the_screen_once_its_holder_has_ended(place, hold, monkeypatch):
    monkeypatch.setattr(live, "_SLOWEST", 1e6)
    job = hold(place / "job")
    async with top(place) as pilot:
        os.unlink(place / "job")
        await becomes(pilot, lambda: counts(pilot) == "1 FIFO: 1 deleted")
        assert f"held by {job.pid} (sleep)" in text(pilot, "#details")
        end(job)
        await becomes(pilot, lambda: shown(pilot) == [])


async def test_it_watches_none_of_its_own_write_ends(place, hold):
    hold(place / "job")
    async with top(place) as pilot:
        (fifo,) = pilot.app._survey.look()
        assert fifo.watchers == []


async def test_fifos_without_a_beat_are_told_apart(place, hold):
    hold(place / "job")
    os.utime(place / "job", (1, 1))
    async with top(place, max_age=0.0) as pilot:
        assert counts(pilot) == "1 FIFO: 1 no beat"


async def test_slash_filters_and_escape_shows_all_again(place, hold):
    for name in ("apple", "pear"):
        hold(place / name)
    async with top(place) as pilot:
        await pilot.press("slash", *"pea")
        await becomes(pilot, lambda: shown(pilot) == ["pear"])
        await pilot.press("enter", "escape")
        await becomes(pilot, lambda: shown(pilot) == ["apple", "pear"])
        assert not pilot.app.query_one(Input).display


async def test_what_follows_a_slash_at_once_belongs_to_the_filter(place, hold):
    job = hold(place / "job")
    async with top(place) as pilot:
        for key in ("/", *"ky9q", "enter"):
            pilot.app.post_message(events.Key(key if key != "/" else "slash", key if len(key) == 1 else None))
        await becomes(pilot, lambda: counts(pilot).startswith("0 match ky9q, of "))
        await becomes(pilot, lambda: not pilot.app._typing)
        assert len(pilot.app.screen_stack) == 1
    assert (job.poll(), pilot.app.return_code) == (None, None)


async def test_capital_s_sorts_by_the_column_before(place, hold):
    hold(place / "job")
    async with top(place) as pilot:
        await pilot.press("s", "s", "S")
        assert "STATE▲" in lines(pilot)[0]


async def test_what_cannot_be_seen_is_counted_in_the_head(place, monkeypatch):
    found = [survey.Fifo("/run/job", state=survey.HELD), survey.Fifo("/run/other", remark="Permission denied")]
    monkeypatch.setattr(survey.Survey, "look", lambda _: found)
    async with top(place) as pilot:
        assert counts(pilot) == "1 FIFO: 1 held; 1 more that you may not see; try sudo"
        assert shown(pilot) == ["job"]


async def test_p_stops_the_screen_until_p(place, hold):
    job = hold(place / "job")
    async with top(place) as pilot:
        await pilot.press("p")
        assert counts(pilot) == "PAUSED  1 FIFO: 1 held"
        job.kill()
        job.wait()
        await becomes(pilot, lambda: not pilot.app._fifos[0].alive)
        assert " held " in lines(pilot)[1]
        await pilot.press("p")
        await becomes(pilot, lambda: counts(pilot) == "1 FIFO: 1 free")


async def test_question_mark_shows_keys_and_blocks_and_escape_hides_them(place):
    async with top(place) as pilot:
        await pilot.press("question_mark")
        await becomes(pilot, lambda: "filter by name" in screen(pilot))
        assert "█" in screen(pilot)
        await pilot.press("escape")
        await becomes(pilot, lambda: len(pilot.app.screen_stack) == 1)


async def test_d_shows_what_doctor_says_of_the_fifo_under_the_cursor(place, hold):
    job = hold(place / "job")
    async with top(place) as pilot:
        await pilot.press("d")
        await becomes(pilot, lambda: f"held by {job.pid} (sleep)" in screen(pilot))


async def test_the_head_has_host_and_clock_where_there_is_room(place):
    async with top(place, size=(120, 20)) as pilot:
        assert re.search(rf"  {re.escape(os.uname().nodename)}  \d\d:\d\d:\d\d$", text(pilot, "#head"))


async def test_s_sorts_by_the_next_column_and_r_turns_it_round(place, hold):
    hold(place / "old")
    hold(place / "new", "sleep", "601", options=("-m", "0622"))
    os.utime(place / "old", (1, 1))
    async with top(place) as pilot:
        assert shown(pilot) == ["new", "old"]
        await pilot.press(*"sss")
        assert lines(pilot)[0].find("LAST BEAT▲") > 0
        assert shown(pilot) == ["old", "new"]
        await pilot.press("r")
        assert shown(pilot) == ["new", "old"]


async def test_a_click_on_a_heading_sorts_by_it(place, hold):
    hold(place / "job")
    async with top(place) as pilot:
        await pilot.click("#fifos", offset=(lines(pilot)[0].index("STATE"), 0))
        await becomes(pilot, lambda: "STATE▲" in lines(pilot)[0])


async def test_the_cursor_stays_on_its_fifo(place, hold):
    for name in ("a", "c"):
        hold(place / name)
    async with top(place) as pilot:
        await pilot.press("down")
        assert "/c" in text(pilot, "#details").splitlines()[0]
        await asyncio.to_thread(hold, place / "b")
        await becomes(pilot, lambda: shown(pilot) == ["a", "b", "c"])
        assert "/c" in text(pilot, "#details").splitlines()[0]


async def ask(pilot: Pilot[int]) -> None:
    """Press k, and wait until the question takes an answer."""
    await pilot.press("k")
    await becomes(pilot, lambda: isinstance(pilot.app.screen, dialogs.Confirm))
    question = pilot.app.screen
    await becomes(pilot, lambda: time.monotonic() > question._drawn_at + dialogs._QUIET)


async def test_k_and_enter_end_the_holder_shown(place, hold):
    job = hold(place / "job")
    async with top(place) as pilot:
        await ask(pilot)
        assert f"Send SIGTERM to {job.pid} (sleep), which holds {place}/job?" in text(pilot, "#question")
        await pilot.press("enter")
        await becomes(pilot, lambda: job.poll() is not None)
    assert job.returncode == -15


async def test_another_signal_is_named_before_it_is_sent(place, hold):
    job = hold(place / "job")
    async with top(place) as pilot:
        await ask(pilot)
        await pilot.press("9")
        await becomes(pilot, lambda: f"Send SIGKILL to {job.pid}" in text(pilot, "#question"))
        assert job.poll() is None
        await pilot.press("y")
        await becomes(pilot, lambda: job.poll() is not None)
    assert job.returncode == -9


async def test_a_key_that_comes_before_the_question_could_be_read_does_nothing(place, hold):
    job = hold(place / "job")
    async with top(place) as pilot:
        await pilot.press("k", "enter", "y", "9", "enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, dialogs.Confirm)
        assert "Send SIGTERM" in text(pilot, "#question")
    assert (job.poll(), held_by(place / "job")) == (None, [job.pid])


@pytest.mark.parametrize("key", ["n", "escape", "x", "q", "space"])
async def test_a_key_that_is_no_consent_signals_nobody(place, hold, key):
    job = hold(place / "job")
    async with top(place) as pilot:
        await ask(pilot)
        await pilot.press(key)
        await becomes(pilot, lambda: not isinstance(pilot.app.screen, dialogs.Confirm))
        assert pilot.app.return_code is None
    assert (job.poll(), held_by(place / "job")) == (None, [job.pid])


async def test_k_on_a_free_fifo_asks_nothing(place):
    os.mkfifo(place / "job")
    async with top(place / "job") as pilot:
        await pilot.press("k")
        await pilot.pause()
        assert not isinstance(pilot.app.screen, dialogs.Confirm)


async def test_a_holder_that_came_since_is_not_signalled(place, hold):
    first = hold(place / "job")
    (agreed,) = survey.Survey([str(place)]).look()
    first.kill()
    first.wait()
    second = hold(place / "job")
    assert "another process holds it by now" in live.send(agreed, 15)
    assert (second.poll(), held_by(place / "job")) == (None, [second.pid])


async def test_of_several_holders_each_is_signalled_in_whatever_order_they_are_found(place, hold, monkeypatch):
    jobs = [hold(place / "job", options=("-s",)) for _ in range(3)]
    (agreed,) = survey.Survey([str(place)]).look()
    real = procalive.holders
    monkeypatch.setattr(procalive, "holders", lambda path: sorted(real(path), key=lambda holder: -holder.pid))
    assert " sent to " in live.send(agreed, 15)
    assert [job.wait(timeout=30) for job in jobs] == [-15] * 3


async def test_those_that_are_left_of_the_holders_agreed_to_are_signalled(place, hold):
    first, second = (hold(place / "job", options=("-s",)) for _ in range(2))
    (agreed,) = survey.Survey([str(place)]).look()
    first.kill()
    first.wait()
    assert live.send(agreed, 15) == f"{place}/job: SIGTERM sent to {second.pid}"
    assert second.wait(timeout=30) == -15


async def test_a_signal_that_is_not_permitted_is_said(place, hold, monkeypatch):
    hold(place / "job")
    (agreed,) = survey.Survey([str(place)]).look()

    def refuse(path: str, _sig: int) -> list[int]:
        raise PermissionError(1, "not permitted to signal 1 (init)", path)

    monkeypatch.setattr(procalive, "kill", refuse)
    assert live.send(agreed, 15) == f"{place}/job: not permitted to signal 1 (init)"


@pytest.mark.parametrize("name", ["[red]x", "a\x1b[31mb", "new\nline"])
async def test_names_with_markup_and_control_characters_are_shown_harmlessly(place, hold, name):
    hold(place / name)
    async with top(place) as pilot:
        await pilot.press("k")
        await becomes(pilot, lambda: isinstance(pilot.app.screen, dialogs.Confirm))
        name = procalive.escape(name)
        for seen in (text(pilot, "#question"), text(pilot, "#details"), lines(pilot)[1]):
            assert name in seen


@pytest.mark.parametrize("columns", [40, 60, 120])
async def test_name_and_state_are_seen_at_any_width(place, hold, columns):
    hold(place / ("long" * 10), "sleep", *["600"] * 20)
    async with top(place, size=(columns, 20)) as pilot:
        assert "longlong" in lines(pilot)[1]
        assert " held " in lines(pilot)[1] + " "
        assert max(len(line) for line in lines(pilot)) <= columns


async def test_the_columns_follow_the_width_of_the_terminal(place, hold, monkeypatch):
    monkeypatch.setattr(live, "_SLOWEST", 1e6)  # another look would mend it too
    hold(place / "job")
    async with top(place, size=(40, 20)) as pilot:
        for columns in (160, 60, 120, 40):
            await pilot.resize_terminal(columns, 20)
            await becomes(pilot, lambda: ("WATCHERS" in lines(pilot)[0]) == (columns > 100))  # noqa: B023
            assert max(len(line) for line in lines(pilot)) <= columns


async def test_states_are_told_apart_in_the_summary(place, hold):
    hold(place / "job")
    with locked_unread(place / "other"):
        async with top(place) as pilot:
            assert counts(pilot) == "2 FIFOs: 1 locked from outside, 1 held"


@pytest.mark.parametrize("keys", [("ctrl+c",), ("slash", "ctrl+c"), ("k", "ctrl+c")])
async def test_ctrl_c_ends_it_with_130_wherever_the_focus_is(place, hold, keys):
    hold(place / "job")
    async with top(place) as pilot:
        await pilot.press(*keys)
        await becomes(pilot, lambda: pilot.app.return_code == 130)


async def test_more_fifos_than_lines_can_be_scrolled_through(place):
    for number in range(40):
        os.mkfifo(place / f"job{number:02}")
    async with top(place, all=True, size=(80, 20)) as pilot:
        await becomes(pilot, lambda: "job00" in "".join(lines(pilot)))
        await pilot.press("end")
        await becomes(pilot, lambda: "job39" in "".join(lines(pilot)))
        await pilot.press("home")
        await becomes(pilot, lambda: "job00" in lines(pilot)[1])


# --- a real terminal ---


@pytest.fixture
def terminal():
    """Run procalivectl top in a tmux of its own; returns a function that calls tmux."""
    socket = f"procalivectl-test-{os.getpid()}"

    def tmux(*args: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", socket, "-f", "/dev/null", *args], capture_output=True, text=True, check=False
        )
        return done.stdout

    try:
        subprocess.run(["tmux", "-V"], check=True, capture_output=True)
    except OSError:
        pytest.skip("tmux is not here")
    yield tmux
    tmux("kill-server")


def start(tmux: Callable[..., str], place: Path, columns: int, environ: str = "") -> None:
    command = f"{environ} {shlex.join([*CTL, 'top', str(place)])}; echo status $?; exec sleep 600"
    tmux("new", "-d", "-x", str(columns), "-y", "24", command)


@pytest.mark.parametrize("columns", [40, 100])
async def test_in_a_terminal_it_shows_signals_and_quits_with_status_0(place, hold, terminal, columns):
    job = hold(place / "job")
    start(terminal, place, columns)
    until(lambda: re.search(r"job +held", terminal("capture-pane", "-p")), "the row")
    terminal("send-keys", "k")
    until(
        lambda: "SIGTERM" in terminal("capture-pane", "-p") and str(job.pid) in terminal("capture-pane", "-p"),
        "the question",
    )
    until(lambda: terminal("send-keys", "Enter") or job.poll() is not None, "the end of the job")
    job.wait(timeout=30)
    until(lambda: re.search(r"job +free", terminal("capture-pane", "-p")), "the row, free")
    terminal("send-keys", "q")
    until(lambda: "status 0" in terminal("capture-pane", "-p"), "its end")


async def test_in_a_terminal_200_words_typed_in_bursts_behind_a_slash_signal_nobody(place, hold, terminal):
    words = ["ticket", "ky", "sky9", "kkyy", "tty", "quick", "kh", "k9y", "hockey", "y"]
    # They match its command, so that there is always a job under the cursor.
    job = hold(place / "job", "sh", "-c", "sleep 600; :", *words)
    start(terminal, place, 100)
    until(lambda: re.search(r"job +held", terminal("capture-pane", "-p")), "the row")
    for number in range(200):
        terminal("send-keys", "-l", f"/{words[number % len(words)]}\r")
    terminal("send-keys", "-l", "/last")
    until(lambda: "0 match last, of 1 FIFO: 1 held" in terminal("capture-pane", "-p"), "the last word")
    assert (job.poll(), job.pid in held_by(place / "job")) == (None, True)


@pytest.mark.parametrize(("sig", "status"), [("TERM", 143), ("HUP", 129), ("INT", 130)])
async def test_in_a_terminal_a_signal_leaves_it_as_it_was(place, hold, terminal, sig, status):
    hold(place / "job")
    start(terminal, place, 60, f"env --default-signal={sig}")  # it may be ignored where the tests run
    until(lambda: re.search(r"job +held", terminal("capture-pane", "-p")), "the row")
    shell, device = terminal("display", "-p", "#{pane_pid} #{pane_tty}").split()
    child = Path(f"/proc/{shell}/task/{shell}/children").read_text()
    os.kill(int(child), getattr(signal, f"SIG{sig}"))
    until(lambda: "status" in terminal("capture-pane", "-p"), "its end")
    assert terminal("capture-pane", "-p").split() == ["status", str(status)]
    assert terminal("display", "-p", "#{alternate_on}#{mouse_any_flag}#{cursor_flag}") == "001\n"
    modes = subprocess.run(["stty", "-F", device, "-a"], capture_output=True, text=True, check=True).stdout.split()
    assert {"isig", "icanon", "echo"} <= set(modes)


async def test_in_a_terminal_a_crash_leaves_one_line_and_status_2(terminal):
    crash = "import sys; sys.path[:0] = sys.argv[1:]; from procalivectl import cli, live; del live.Timeline.record; "
    crash += "sys.exit(cli.main(['top', '/']))"
    command = shlex.join([CTL[0], "-c", crash, str(Path(CTL[1]).parents[1])])
    terminal("new", "-d", "-x", "100", "-y", "24", f"{command}; echo status $?; exec sleep 600")
    until(lambda: "status 2" in terminal("capture-pane", "-p"), "its end")
    screen = [line for line in terminal("capture-pane", "-p").splitlines() if line]
    assert len(screen) == 2
    assert screen[0].startswith("procalivectl: internal error: AttributeError: ")


async def test_in_a_terminal_no_color_is_obeyed(place, hold, terminal):
    hold(place / "job")
    start(terminal, place, 100, "NO_COLOR=1")
    until(lambda: re.search(r"job +held", terminal("capture-pane", "-p")), "the row")
    colours = re.findall(r"\x1b\[[0-9;]*38;2;(\d+);(\d+);(\d+)", terminal("capture-pane", "-ep"))
    assert all(len(set(colour)) == 1 for colour in colours)  # greys


async def test_every_change_of_a_holder_link_matters_and_of_a_fifo_that_it_comes_or_goes(tmp_path):
    followed = changes.Changes()
    kinds = (Change.added, Change.modified, Change.deleted)
    assert [followed._matters(kind, f"{tmp_path}/job.holder") for kind in kinds] == [True, True, True]
    os.mkfifo(tmp_path / "job")
    assert [followed._matters(kind, f"{tmp_path}/job") for kind in kinds] == [True, False, False]
    followed.follow([survey.Fifo(f"{tmp_path}/job")], set())
    assert followed._matters(Change.deleted, f"{tmp_path}/job")
