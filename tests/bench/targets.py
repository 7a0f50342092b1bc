"""The targets, as DESIGN has them: each a figure of the results and its bound.

Times are judged beside other times of the same run alone, so that neither a
slow machine nor a busy one misses a target.  Where DESIGN asks for a time, the
bound is what that was beside the peer named on the machine of 2026-11-20, and
the time itself is shown for information.  Counts and memory are judged as they
are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, TypeVar

import commands
import growth
import latency
import release
import resident
from lab import TIMES, Results

MIB = 1024 * 1024
Figure = Callable[[Results], float]
T = TypeVar("T")


@dataclass(frozen=True)
class Time:
    """A time that DESIGN asks for."""

    bound: float
    unit: str
    figure: Figure


@dataclass(frozen=True)
class Target:
    what: str
    bound: float
    unit: str
    figure: Figure
    time: Time | None = None
    why: Callable[[Results], str] | None = None  # the reason if it is missed

    def judge(self, results: Results) -> Verdict:
        measured = _known(self.figure, results)
        met = None if measured is None else measured <= self.bound
        time = _known(self.time.figure, results) if self.time else None
        why = _known(self.why, results) if self.why and met is False else None
        return Verdict(self, measured, met, time, why)


@dataclass(frozen=True)
class Verdict:
    """Of each None where what it needs was not measured."""

    target: Target
    measured: float | None
    met: bool | None
    time: float | None
    why: str | None


def _known(of: Callable[[Results], T], results: Results) -> T | None:
    try:
        return of(results)
    except KeyError:
        return None


def _ratio(group: str, row: str, *others: str) -> Figure:
    """Median of a row beside the medians of others together."""
    return lambda results: results.median(group, row) / sum(results.median(group, other) for other in others)


def _median(group: str, row: str, unit: float = 1.0) -> Figure:
    return lambda results: results.median(group, row) / unit


# --- procalive_check ---------------------------------------------------------


def _in_shell(shell: str) -> list[Target]:
    group = growth.SHELL.format(shell)
    return [
        Target(
            f"procalive_check in {shell}, alive, beside a pid file",
            1.0,
            TIMES,
            _ratio(group, "procalive_check", growth.PID_FILE),
            why=lambda results: _function_call(results, group),
        ),
        Target(f"procalive_check in {shell}: forks in 100 checks", 0, "", _median(growth.FORKS, shell)),
    ]


def _function_call(results: Results, group: str) -> str:
    """What a function of the shell costs before it does anything: zsh maps and unmaps a heap for each call."""
    check, empty, pid_file = (
        results.median(group, row) for row in ("procalive_check", growth.EMPTY_FUNCTION, growth.PID_FILE)
    )
    return (
        f"to call any function takes this shell {empty * 1e6:.1f} µs already; "
        f"what procalive_check does then is {(check - empty) / pid_file:.3g} {TIMES} a pid file"
    )


# --- hold, check of many, memory ---------------------------------------------


def _launcher(results: Results) -> str:
    with_shell = _ratio(commands.HOLD, "procalive", commands.EMPTY_PYTHON, "true", commands.EMPTY_SHELL)(results)
    return (
        f"the launcher's shell ({with_shell:.3g} {TIMES} where an empty one is counted too), "
        "and the import of what an empty Python does without"
    )


def _each_fifo(results: Results) -> float:
    """Seconds for each FIFO beyond start-up."""
    ten, thousand = (results.median(growth.FIFOS, f"procalive, N = {size}") for size in (10, 1000))
    return (thousand - ten) / 990


def _memory(what: str, bound: float, whose: str, row: str) -> Target:
    return Target(what, bound, "MiB", _median(resident.RSS.format(whose), row, MIB))


# --- all ---------------------------------------------------------------------

TARGETS = [
    Target(
        "procalive check, alive, beside `dash -c :`",
        1.25,
        TIMES,
        _ratio("check, alive", "procalive", commands.EMPTY_SHELL),
    ),
    Target(
        "procalive check, dead, beside `dash -c :` and dd",
        1.2,
        TIMES,
        _ratio("check, dead", "procalive", commands.EMPTY_SHELL, "dd"),
    ),
    *_in_shell("dash"),
    *_in_shell("bash"),
    *_in_shell("zsh"),
    *(
        Target(
            f"procalive.check(), {state}, beside the C loop",
            1.9,
            TIMES,
            _ratio(f"check(), {state}", "procalive", "C loop (limit)"),
        )
        for state in ("alive", "dead")
    ),
    Target(
        "procalive hold F -- true, beside an empty Python and `true`",
        1.25,
        TIMES,
        _ratio(commands.HOLD, "procalive", commands.EMPTY_PYTHON, "true"),
        why=_launcher,
    ),
    Target(
        "procalive.wait(), from kill -9 to its return, beside flock(2) in Python",
        1.3,  # 0.2 ms : 0.154 ms
        TIMES,
        _ratio(latency.CALLS, "procalive", "flock"),
        Time(0.2, "ms", _median(latency.CALLS, "procalive", 1e-3)),
    ),
    Target(
        "procalive wait, from kill -9 to its exit, beside the C program",
        5,  # 2 ms : 0.392 ms
        TIMES,
        _ratio(latency.COMMANDS, "procalive", "C (limit)"),
        Time(2, "ms", _median(latency.COMMANDS, "procalive", 1e-3)),
    ),
    Target("procalive wait, context switches in a minute", 0, "", _median(resident.SWITCHES, "procalive")),
    Target(
        "processes beside the command, hold", 0, "", _median(resident.PROCESSES.format(resident.HOLDING), "procalive")
    ),
    _memory("memory beside the command, hold", 0, resident.HOLDING, "procalive"),
    _memory("memory of the keeper, hold -o", 10, resident.HOLDING, "procalive hold -o"),
    _memory("memory of procalive wait", 10, resident.WAITING, "procalive"),
    Target(
        "procalive check of 1,000 FIFOs, each beyond start-up, beside the C loop",
        4.3,  # 12 µs : 2.79 µs
        TIMES,
        lambda results: _each_fifo(results) / results.median(growth.FIFOS, growth.C_LOOP),
        Time(12, "µs", lambda results: _each_fifo(results) * 1e6),
    ),
    Target(
        "hold -w inf, 200 wait: wall beside flock",
        2.5,
        TIMES,
        _ratio(release.ALL, release.row("procalive", 200), release.row("flock", 200)),
    ),
    Target(
        "hold -w inf: CPU a hand-over, 200 wait, beside 20",
        1.5,
        TIMES,
        lambda results: (
            results.median(release.CPU, release.row("procalive", 200))
            / results.median(release.CPU, release.row("procalive", 20))
        ),
    ),
    Target(
        "hold -w inf, 50 wait: pairs served out of order",
        0,
        "",
        _median(release.INVERSIONS, release.row("procalive", 50)),
    ),
    Target(
        "hold refused, in the module, beside hold and release",
        3,
        TIMES,
        _ratio(release.REFUSED, "refused", "hold and release"),
    ),
]
