"""The targets, as DESIGN has them: each a figure of the results and its bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import commands
import growth
import latency
import resident
from lab import TIMES, Results

MIB = 1024 * 1024


@dataclass(frozen=True)
class Target:
    what: str
    bound: float
    unit: str
    figure: Callable[[Results], float]

    def judge(self, results: Results) -> tuple[float | None, bool | None]:
        """(figure, met); None where something that it needs was not measured."""
        try:
            figure = self.figure(results)
        except KeyError:
            return None, None
        return figure, figure <= self.bound


def _ratio(group: str, row: str, *others: str) -> Callable[[Results], float]:
    """Median of a row beside the medians of others together."""
    return lambda results: results.median(group, row) / sum(results.median(group, other) for other in others)


def _median(group: str, row: str, unit: float = 1.0) -> Callable[[Results], float]:
    return lambda results: results.median(group, row) / unit


def _each_fifo(results: Results) -> float:
    ten, thousand = (results.median(growth.FIFOS, f"procalive, N = {size}") for size in (10, 1000))
    return (thousand - ten) / 990 * 1e6


def _in_shell(shell: str) -> list[Target]:
    group = growth.SHELL.format(shell)
    return [
        Target(
            f"procalive_check in {shell}, alive, beside a pid file",
            1.0,
            TIMES,
            _ratio(group, "procalive_check", "pid file, kill -0"),
        ),
        Target(
            f"procalive_check in {shell}: forks in 100 checks",
            0,
            "",
            _median(growth.FORKS, shell),
        ),
    ]


TARGETS = [
    Target("procalive check, alive, beside `dash -c :`", 1.25, TIMES, _ratio("check, alive", "procalive", "dash -c :")),
    Target(
        "procalive check, dead, beside `dash -c :` and dd",
        1.2,
        TIMES,
        _ratio("check, dead", "procalive", "dash -c :", "dd"),
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
        _ratio("hold, whole command (true)", "procalive", commands.EMPTY_PYTHON, "true"),
    ),
    Target("procalive.wait(), from kill -9 to its return", 0.2, "ms", _median(latency.CALLS, "procalive", 1e-3)),
    Target("procalive wait, from kill -9 to its exit", 2.0, "ms", _median(latency.COMMANDS, "procalive", 1e-3)),
    Target("procalive wait, context switches in a minute", 0, "", _median(resident.SWITCHES, "procalive")),
    Target("memory beside the command, hold", 0, "MiB", _median(f"{resident.HOLDING}, RSS", "procalive", MIB)),
    Target("memory of the keeper, hold -o", 10, "MiB", _median(f"{resident.HOLDING}, RSS", "procalive hold -o", MIB)),
    Target("memory of procalive wait", 10, "MiB", _median(f"{resident.WAITING}, RSS", "procalive", MIB)),
    Target("procalive check of 1,000 FIFOs, each beyond start-up", 12, "µs", _each_fifo),
]
