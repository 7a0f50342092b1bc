"""The lines of docs/questions.md and of the README's recipes run as they stand."""

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


def recipes():
    """The README's, each with what it is about; cron's times are cron's matter."""
    block = next(block for block in blocks("README.md", "sh") if "backup.sh" in block.text)
    return [line.replace("*/5 * * * *  ", "") for line in block.lines()]


@pytest.mark.parametrize("line", recipes())
def test_a_recipe_of_the_readme_runs(place, line):
    status, output = place.script(line)
    assert status in ((125,) if "--status" in line else (0,)), output  # nobody held: not known
    assert place.has_run() or "check --m" in line or "--status" in line
