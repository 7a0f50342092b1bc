"""results.json, results.md and results.svg."""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import statistics
from pathlib import Path

import commands
import growth
import lab
from correctness import COLUMNS
from lab import TIMES
from targets import MIB, TARGETS, Verdict

# Groups that answer to the four questions, with those that concern them.
_ASKED = {
    "check, alive": COLUMNS[:3],
    commands.HOLD: COLUMNS[:3],
    "wait, whole command": COLUMNS,
    "check(), alive": COLUMNS[:3],
    "wait(), in a program": COLUMNS,
}
# For scale, no peers.
_FLOORS = (commands.EMPTY_SHELL, "dd", "true", commands.EMPTY_PYTHON, "nothing", growth.EMPTY_FUNCTION)


def write(results: lab.Results, directory: Path, place: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "results.json").write_text(json.dumps(_as_dict(results, place), indent=1) + "\n")
    (directory / "results.md").write_text(markdown(results, place))
    plot(results, directory / "results.svg")
    lab.say(f"wrote results.json, results.md and results.svg in {directory}")


# --- words -------------------------------------------------------------------


def shown(group: str, value: float) -> str:
    if group.startswith("memory"):
        return f"{value / MIB:.1f} MiB" if value else "0"
    if "hand-over" in group and "switches" in group:
        return f"{value:.3g}"
    if group.startswith(("processes", "pairs")) or "switches" in group or "forks" in group:
        return f"{value:.0f}"
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= size:
            return f"{value / size:.3g} {unit}" if value < 100 * size else f"{value / size:.0f} {unit}"
    return "0" if value <= 0 else f"{value * 1e9:.0f} ns"


def verdicts(results: lab.Results) -> list[Verdict]:
    return [target.judge(results) for target in TARGETS]


def target_lines(found: list[Verdict]) -> list[str]:
    head = ["| target | bound | measured | as a time, not judged | |", "| --- | ---: | ---: | ---: | --- |"]
    return [*head, *(_target_line(verdict) for verdict in found)]


def _target_line(verdict: Verdict) -> str:
    target, time = verdict.target, verdict.target.time
    word = {True: "pass", False: "**missed**", None: "not measured"}[verdict.met]
    cells = [
        target.what,
        f"≤ {_amount(target.bound, target.unit)}",
        _amount(verdict.measured, target.unit),
        f"{_amount(verdict.time, time.unit)} of {_amount(time.bound, time.unit)}" if time else "",
        f"{word}: {verdict.why}" if verdict.why else word,
    ]
    return f"| {' | '.join(cells)} |"


def _amount(figure: float | None, unit: str) -> str:
    return "-" if figure is None else f"{figure:.3g} {unit}".strip()


def machine() -> dict[str, str]:
    models = re.findall(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(), re.M)
    system = re.findall(r'^PRETTY_NAME="?([^"\n]*)', Path("/etc/os-release").read_text(), re.M)
    return {
        "cpu": f"{(models or [platform.machine()])[0]}, {len(os.sched_getaffinity(0))} cores",
        "kernel": f"{platform.system()} {platform.release()}",
        "system": (system or ["?"])[0],
        "python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
    }


def _as_dict(results: lab.Results, place: str) -> dict[str, object]:
    groups = {
        group: {
            row: {"median": statistics.median(samples), "p99": lab.p99(samples), "samples": len(samples)}
            for row, samples in rows.items()
        }
        for group, rows in results.groups.items()
    }
    return {
        "machine": machine(),
        "files": os.path.dirname(place),
        "targets": [_verdict_as_dict(verdict) for verdict in verdicts(results)],
        "groups": groups,
        "correct": results.correct,
        "skipped": results.skipped,
    }


def _verdict_as_dict(verdict: Verdict) -> dict[str, object]:
    target, time = verdict.target, verdict.target.time
    entry = {
        "target": target.what,
        "bound": target.bound,
        "unit": target.unit,
        "measured": verdict.measured,
        "met": verdict.met,
    }
    if time:
        entry["time"] = {"wanted": time.bound, "unit": time.unit, "measured": verdict.time}
    if verdict.why:
        entry["why"] = verdict.why
    return entry


# --- Markdown ----------------------------------------------------------------


def markdown(results: lab.Results, place: str) -> str:
    about = machine()
    lines = [
        "# procalive beside its peers",
        "",
        f"{about['cpu']}; {about['kernel']}; {about['system']}; Python {about['python']};",
        f"files in {os.path.dirname(place)}; {about['date']}. Repeated by `tests/bench/run`.",
        "",
        "## Targets",
        "",
        *target_lines(verdicts(results)),
    ]
    for group in results.groups:
        lines += ["", f"## {group}", "", *_table(results, group)]
    if results.skipped:
        lines += ["", "## Skipped", "", *(f"- {line}" for line in results.skipped)]
    return "\n".join(lines) + "\n"


def _is_peer(row: str) -> bool:
    return not row.startswith("procalive") and "(limit)" not in row and row not in _FLOORS


def _table(results: lab.Results, group: str) -> list[str]:
    medians = {row: statistics.median(samples) for row, samples in results.groups[group].items()}
    growing = any("N = " in row for row in medians)
    questions = _ASKED.get(group, ())
    late = {row: p99 for row, samples in results.groups[group].items() if (p99 := lab.p99(samples)) is not None}
    ratios = [] if growing else [f"{TIMES} limit", f"{TIMES} best peer"]
    columns = ["median", *(["p99"] if late else []), *ratios, *questions]
    lines = [
        f"| | {' | '.join(columns)} |",
        "| --- |" + " ---: |" * (len(columns) - len(questions)) + " :-: |" * len(questions),
    ]
    for row in medians if growing else sorted(medians, key=medians.__getitem__):
        cells = [shown(group, medians[row])]
        if late:
            cells.append(shown(group, late[row]) if row in late else "")
        cells += [] if growing else _ratios(medians, row)
        cells += [_answer(results, row, question) for question in questions]
        lines.append(f"| {_emphasized(row)} | {' | '.join(cells)} |")
    return lines


def _ratios(medians: dict[str, float], row: str) -> list[str]:
    limit = next((value for name, value in medians.items() if "(limit)" in name), 0)
    best = min((value for name, value in medians.items() if _is_peer(name)), default=0)
    ratios = [max(0.0, medians[row]) / base if base > 0 else None for base in (limit, best)]
    return ["" if ratio is None else f"{ratio:.3g}" if ratio < 100 else f"{ratio:.0f}" for ratio in ratios]


def _emphasized(row: str) -> str:
    if row.startswith("procalive"):
        return f"**{row}**"
    return f"*{row}*" if row in _FLOORS or "(limit)" in row else row


def _answer(results: lab.Results, row: str, question: str) -> str:
    return {True: "yes", False: "**no**"}.get(results.correct.get(row, {}).get(question), "")


# --- plot --------------------------------------------------------------------

_PANELS = {
    "check, alive": "Is it alive? One command",
    commands.HOLD: "Hold it, run `true`",
    "check(), alive": "Is it alive? One call in Python",
    "wait, whole command": "From kill -9 to the end of who waits",
}
_COLOURS = {"procalive": "#1864ab", "right": "#868e96", "wrong": "#e8a0a0", "scale": "#212529"}


def plot(results: lab.Results, file: Path) -> None:
    import matplotlib

    matplotlib.use("svg" if file.suffix == ".svg" else "agg")
    from matplotlib import pyplot

    matplotlib.rcParams.update({"svg.hashsalt": "procalive", "font.size": 9, "axes.titlesize": 10})
    figure, axes = pyplot.subplots(2, 2, figsize=(10, 7.2), layout="constrained")
    for ax, (group, title) in zip(axes.flat, _PANELS.items()):
        if group in results.groups:
            _panel(ax, results, group, title)
        else:
            ax.set_axis_off()
    _legend(figure)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None, facecolor="white")
    pyplot.close(figure)


def _panel(ax, results: lab.Results, group: str, title: str) -> None:
    medians = {row: statistics.median(samples) for row, samples in results.groups[group].items()}
    rows = sorted(medians, key=medians.__getitem__, reverse=True)
    # Points: the length of a bar means nothing where the axis has no zero.
    ax.scatter([medians[row] for row in rows], rows, color=[_COLOURS[_kind(results, group, row)] for row in rows])
    for row in rows:
        label = shown(group, medians[row])
        ax.annotate(label, (medians[row], row), (6, 0), textcoords="offset points", va="center", fontsize=8)
    ax.grid(axis="y", color="0.9")
    ax.set_axisbelow(True)
    ax.set_xscale("log")
    low, high = min(medians.values()), max(medians.values())
    ax.set_xlim(low / 3, high * (high / low) ** 0.25 * 1.5)
    ax.set_title(title, loc="left", fontweight="bold")
    ax.xaxis.set_visible(False)
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    for label in ax.get_yticklabels():
        label.set_fontweight("bold" if label.get_text().startswith("procalive") else "normal")


def _kind(results: lab.Results, group: str, row: str) -> str:
    if row.startswith("procalive"):
        return "procalive"
    if not _is_peer(row):
        return "scale"
    answers = results.correct.get(row, {})
    return "wrong" if any(answers.get(question) is False for question in _ASKED[group]) else "right"


def _legend(figure) -> None:
    from matplotlib.lines import Line2D

    words = {
        "procalive": "procalive",
        "right": "peer",
        "wrong": "peer that errs (PID reuse, another PID namespace, a quick hand-over)",
        "scale": "for scale: the physical limit (C), an empty program",
    }
    points = [Line2D([], [], color=_COLOURS[kind], marker="o", ls="", label=word) for kind, word in words.items()]
    figure.legend(handles=points, loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle("Median time, logarithmic scale: further left is better", x=0.01, ha="left", fontsize=10)
