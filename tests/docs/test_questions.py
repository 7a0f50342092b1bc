"""The lines of docs/questions.md run as they stand."""

import pytest
from blocks import BASH, blocks

DOCUMENT = "docs/questions.md"


def lines(kind):
    return [line for block in blocks(DOCUMENT, "sh", kind) for line in block.lines()]


@pytest.mark.parametrize("line", lines(""))
def test_a_line_runs(place, line):
    status, output = place.script(line)
    assert status == 0, output


@pytest.mark.parametrize("line", lines("held"))
def test_a_line_says_who_holds(place, line):
    job = place.start([BASH, "-c", "procalive hold @x -- job; exit $?"], slow=True)
    assert place.run(["procalive", "wait", "--up", "-t", "20", "@x"])[0] == 0
    status, output = place.script(line)
    assert status == 0, output
    assert "job" in output
    place.release()
    assert job.wait(timeout=20) == 0
