"""One fact in one place: the manual, the help and the package's list agree."""

from __future__ import annotations

import re
import subprocess

import pytest
from support import FLEET, TOP

from procalivefleet import cli

MANUAL = (TOP / "man/procalive-fleet.1").read_text()
SYNOPSIS = MANUAL.partition(".Sh DESCRIPTION")[0]


@pytest.mark.parametrize("verb", cli.SPECS)
def test_the_options_of_help_are_those_of_the_manual(verb):
    after = SYNOPSIS.partition(f".Cm {verb}\n")[2].partition(".Nm")[0]
    manual = {f"-{flag}" for flag in re.findall(r"Fl (-?\w+)", after)}
    assert manual == {flag for flag, *_ in cli.SPECS[verb][2:]}


@pytest.mark.parametrize("verb", cli.SPECS)
def test_the_statuses_of_help_are_those_of_the_manual(verb):
    told = subprocess.run([*FLEET, verb, "-h"], text=True, capture_output=True, check=True).stdout
    statuses = re.findall(r"\b(\d+)\b", cli.STATUSES[verb])
    assert " ".join(cli.STATUSES[verb].split()) in " ".join(told.split())
    section = MANUAL.partition(".Sh EXIT STATUS")[2].partition(".Sh EXAMPLES")[0]
    assert set(statuses) <= set(re.findall(r"\d+", section))


def test_the_package_lists_each_of_its_modules():
    listed = set(re.findall(r"\b(\w+)\.py\b", (TOP / "procalivefleet/__init__.py").read_text()))
    there = {path.stem for path in (TOP / "procalivefleet").glob("*.py")} - {"__init__", "__main__"}
    assert listed == there


def test_no_function_is_longer_than_forty_lines():
    import ast

    for path in (TOP / "procalivefleet").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 40, (path.name, node.name)
