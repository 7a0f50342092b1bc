"""The README's section "How fast", made of results.json.

readme.py           prints it
readme.py --write   puts it into the README
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import commands
import release
import report
from lab import TIMES

HERE = Path(__file__).resolve().parent
README = HERE.parent.parent / "README.md"
_SECTION = re.compile(r"(?<=\n)## How fast\n.*?(?=\n## )", re.S)

# (column, group of results.json), and after them the questions that were put to each.
_TIMES = (
    ("check, alive", "check, alive"),
    ("check, dead", "check, dead"),
    ("hold `true`", commands.HOLD),
    ("`kill -9` to the end of wait", "wait, whole command"),
)
_QUESTIONS = {
    "PID reuse, PID namespace": (("PID reuse", "other PID namespace"), "right", "**wrong**"),
    "quick hand-over": (("quick hand-over",), "seen", "missed"),
}
# How the README calls a way to lock, and the rows of results.json that are of it.
_WAYS = {
    "a C program, just the system calls": ("C (limit)",),
    "**procalive**": ("procalive",),
    "`flock` (which checks by taking it)": ("flock",),
    "daemontools `svok`, `setlock`": ("svok", "setlock"),
    "s6 `svok`, `setlock`": ("s6-svok", "s6-setlock"),
    "pid file, `kill -0`": ("pid file, kill -0",),
    "`pgrep -f`, `pidwait -f`": ("pgrep -f", "pidwait -f"),
    "`tail --pid`": ("tail --pid",),
    "filelock (Python)": ("filelock",),
}


def section(results: dict[str, Any]) -> str:
    """The section, its last newline with it."""
    paragraphs = [_where(results["machine"]), _table(results), _further(results)]
    plot = "![medians of procalive and its peers, on a logarithmic scale](tests/bench/results.svg)"
    return "\n\n".join(["## How fast", *paragraphs, plot]) + "\n"


def _where(machine: dict[str, str]) -> str:
    system = machine["system"].replace("GNU/Linux ", "").partition(" (")[0]
    kernel = re.sub(r"(\d+\.\d+)\..*", r"\1", machine["kernel"])
    python = machine["python"].rpartition(".")[0]
    return _paragraph(
        f"Medians of `tests/bench/run` on {machine['date']} ({machine['cpu']}, {kernel}, {system}, Python {python}). "
        "Missed targets are in [results.md](tests/bench/results.md). "
        "The last two columns were found by running each peer."
    )


def _table(results: dict[str, Any]) -> str:
    heads = ["", *(column for column, _ in _TIMES), *_QUESTIONS]
    lines = [heads, ["---", *["---:"] * len(_TIMES), *[":-:"] * len(_QUESTIONS)]]
    for way, rows in _WAYS.items():
        times = [_time(results, group, rows) for _, group in _TIMES]
        lines.append([way, *times, *(_answers(results, question, rows) for question in _QUESTIONS)])
    return "\n".join("|" + "".join(f" {cell} |" if cell else " |" for cell in cells) for cells in lines)


def _time(results: dict[str, Any], group: str, rows: tuple[str, ...]) -> str:
    measured = results["groups"][group]
    return next((_milliseconds(measured[row]["median"]) for row in rows if row in measured), "")


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.{2 if seconds < 0.1 else 3}g} ms"


def _answers(results: dict[str, Any], question: str, rows: tuple[str, ...]) -> str:
    asked, yes, no = _QUESTIONS[question]
    found = []
    for column in asked:
        answers = [results["correct"][row][column] for row in rows if results["correct"][row][column] is not None]
        found.append(yes if answers and answers[-1] else no)
    return ", ".join(dict.fromkeys(found))


def _further(results: dict[str, Any]) -> str:
    groups = results["groups"]
    library = _ratio(groups["check(), alive"], "procalive", "C loop (limit)")
    queue = groups[release.FIRST]
    switches = groups["waiting for a minute, context switches"]["procalive"]["median"]
    memory = groups["memory beside the command while it holds, RSS"]["procalive hold -o"]["median"]
    return _paragraph(
        f"`procalive.check()` takes {library:.2g} {TIMES} a C loop. A minute's wait has {switches:.0f} context "
        f"switches. While the job runs, nothing of procalive is in memory (`-o`: {memory / report.MIB:.1f} MiB). "
        f"Where 200 wait, the next starts {_of(queue, 'procalive')} after a release (`flock`: {_of(queue, 'flock')})."
    )


def _of(queue: dict[str, Any], name: str) -> str:
    return _milliseconds(queue[release.row(name, 200)]["median"])


def _ratio(group: dict[str, Any], row: str, beside: str) -> float:
    return group[row]["median"] / group[beside]["median"]


def _paragraph(text: str) -> str:
    return "\n".join(textwrap.wrap(text, 120, break_on_hyphens=False, break_long_words=False))


def main() -> None:
    made = section(json.loads((HERE / "results.json").read_text()))
    if sys.argv[1:] == ["--write"]:
        README.write_text(_SECTION.sub(lambda _: made, README.read_text()))
    else:
        print(made, end="")


if __name__ == "__main__":
    main()
