"""Which columns fit a terminal, and what of them."""

from __future__ import annotations

import time

import pytest

from procalivectl import survey, table

NAMES = ["/run/backup/nightly.fifo", "/run/backup/weekly.fifo", "@mail"]


def fitted(width: int, names: list[str] = NAMES) -> tuple[list[str], str]:
    rows = [table.cells(survey.Fifo(name, state=survey.HELD), time.time()) for name in names]
    columns, prefix = table.fit(rows, table.COLUMNS, width)
    return [column.name for column in columns], prefix


def test_what_the_names_have_in_common_goes_before_any_column():
    assert fitted(120) == (list(table.COLUMNS), "")
    assert fitted(80) == (list(table.COLUMNS), "/run/backup/")


def test_then_the_columns_of_least_use_go():
    assert fitted(60) == (["FIFO", "STATE", "PID", "USER", "HELD FOR", "LAST BEAT", "COMMAND"], "/run/backup/")
    assert fitted(40)[0] == ["FIFO", "STATE", "PID", "HELD FOR"]


@pytest.mark.parametrize(
    ("names", "common"),
    [
        (["/run/a.fifo", "/run/lock/b.fifo"], "/run/"),
        (["/run/a.fifo", "/var/b.fifo"], "/"),
        (["/run/job", "/run/jobs/x"], "/run/"),
        (["@a"], ""),
        (["a", "/run/b"], ""),
    ],
)
def test_the_common_beginning_is_a_directory(names, common):
    assert table.common_directory(names) == common


def test_a_name_that_is_too_long_loses_its_beginning_and_a_timeline_what_is_longest_ago():
    assert table.cut(table.Text("/run/backup.fifo"), table.Column("FIFO", 8)).plain == "…up.fifo"
    assert table.cut(table.Text("12345"), table.Column("LAST 5 MIN", 3)).plain == "345"


def test_trouble_comes_first_and_the_worst_at_the_top_whatever_the_order():
    states = {"a": survey.HELD, "b": survey.NO_BEAT, "c": survey.REPLACED, "d": survey.FREE}
    for backwards in (False, True):
        fifos = [
            survey.Fifo(path, state=state, trouble=[state] if state in survey.TROUBLE else [])
            for path, state in states.items()
        ]
        table.sort(fifos, "FIFO", time.time(), backwards)
        assert "".join(fifo.path for fifo in fifos) == ("cbda" if backwards else "cbad")
