"""The timeline column of `procalivectl top`, at times of the test's own."""

from __future__ import annotations

import pytest

from procalivectl import survey
from procalivectl.timeline import CELLS, Timeline


def fifo(state):
    return survey.Fifo("job", state=state, trouble=[state] if state in survey.TROUBLE else [])


@pytest.fixture
def drawn():
    """drawn((state, second), ...): the bar, of cells of 10 s, after these looks."""

    def draw(*looks):
        timeline = Timeline(10.0)
        for state, second in looks:
            timeline.record([fifo(state)], second)
        return timeline.bar("job").plain

    return draw


@pytest.mark.parametrize(
    ("states", "glyph"),
    [
        ([survey.HELD], "█"),
        ([survey.SHARED], "█"),
        ([survey.FREE], "·"),
        ([survey.NO_BEAT], "▒"),
        ([survey.UNKNOWN], "?"),
        ([survey.HELD, survey.FREE], "▄"),
        ([survey.FREE, survey.HELD, survey.STOPPED], "▒"),
        ([survey.HELD, survey.REPLACED], "▒"),
        ([survey.HELD, survey.UNKNOWN], "?"),
    ],
)
def test_a_cell_shows_what_was_seen_in_it(drawn, states, glyph):
    assert drawn(*((state, 1000.0 + second) for second, state in enumerate(states))) == glyph.rjust(CELLS)


def test_cells_follow_each_other_and_those_without_a_look_are_blank(drawn):
    bar = drawn((survey.HELD, 1009.9), (survey.FREE, 1010.0), (survey.HELD, 1035.0))
    assert bar == "█· █".rjust(CELLS)


def test_the_oldest_cells_leave_on_the_left(drawn):
    looks = [(survey.HELD, 1000.0)] + [(survey.FREE, 1010.0 + 10 * n) for n in range(CELLS)]
    assert drawn(*looks) == "·" * CELLS


def test_a_fifo_that_was_not_seen_is_blank():
    assert Timeline().bar("job").plain == " " * CELLS
