"""docs/converting.md: both lines of a pair do the same, alone and beside a first run."""

import re
import shutil
import subprocess
import time

import pytest
from blocks import BASH, blocks, empty_run, text_of

DOCUMENT = "docs/converting.md"
OWN = {"procalive", "setsid"}  # what our lines begin with


def pairs(kind):
    for block in blocks(DOCUMENT, "sh", kind):
        lines = block.lines()
        for before, after in zip(lines[::2], lines[1::2]):
            yield pytest.param(before, after, id=before)


def split(line):
    """(the line, the word that its comment begins with)."""
    found = re.fullmatch(r"(.*?)\s+# (\w+).*", line)
    return (found[1], found[2]) if found else (line, "")


def is_here(line):
    words = re.findall(r"(?:^|\b)(flock|lockrun|setlock|chpst|s6-setlock|sem|start-stop-daemon|ps|kill)\b", line)
    return all(shutil.which(word, path="/usr/sbin:/usr/bin:/sbin:/bin") or word == "kill" for word in words)


def eventually(condition):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("waited for 20 seconds")


def alone(place, line):
    """Whether it runs its job where nothing else does."""
    status, output = place.script(line)
    assert status == 0, output
    return sorted(set(eventually(place.has_run)))


def started(place, line):
    """A first run whose job runs; again where a look through /proc by somebody else has kept it from the lock."""
    for _ in range(5):
        first = place.start([BASH, "-c", place.fit(line)], slow=True)
        ran = eventually(lambda first=first: place.has_run() or first.poll() not in (None, 0) or quiet(first))
        if isinstance(ran, list):
            return first
    raise AssertionError("it never ran")


def quiet(process):
    """Whether it ended well and nothing of it runs, as a skip does; one that goes to the background is given time."""
    return process.poll() == 0 and "setsid" not in process.args[2] and "start-stop" not in process.args[2]


def beside(place, line, told):
    """What it does while the first run of it goes on, in a word; nothing is left of it."""
    first = started(place, line)
    ended = first.poll() is not None
    second = place.start([BASH, "-c", place.fit(line)])
    outcome = {0: "skipped", None: "waits"}.get(ended_within(second, 3 if told == "waits" else 50), "refused")
    ran = bool(place.has_run())
    replaced = not ended and first.poll() is not None
    place.release()
    first.wait(timeout=20)
    if outcome == "waits":  # for the first: it must run now
        assert second.wait(timeout=20) == 0
        assert eventually(place.has_run)
    elif ran:
        return "replaces" if replaced else "runs"
    return outcome


def ended_within(process, seconds):
    """Its exit status, or None."""
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None


def same(outcome):
    return "refused" if outcome == "skipped" else outcome


@pytest.mark.parametrize(("before", "after"), list(pairs("before-after")))
def test_a_pair_runs_the_same_and_is_refused_the_same(place, before, after):
    after, told = split(after)
    jobs = alone(place, after)
    assert beside(place, after, told) == told
    if not is_here(before):
        pytest.skip(f"half of it: not installed here: {before.split()[0]}")
    empty_run()
    assert alone(place, before) == jobs
    empty_run()
    assert same(beside(place, before, told)) == same(told)


@pytest.mark.parametrize(("before", "after"), list(pairs("before-after held")))
def test_a_pair_says_the_same_of_a_daemon_that_runs(place, before, after):
    for line in (after, before):
        if not is_here(line):
            pytest.skip(f"half of it: not installed here: {before.split()[0]}")
        # In a shell, which reaps it as soon as it ends.
        daemon = started(place, "procalive hold @x -c 'echo $$ >/run/x.pid; exec daemon'; exit $?")
        status, output = place.script(line)
        assert status == 0, output
        ends = "kill" in line.replace('kill -0 "$(cat', "") or "--stop" in line
        if ends:
            assert daemon.wait(timeout=20) != 0
        place.release()
        daemon.wait(timeout=20)


@pytest.mark.parametrize("line", [line for block in blocks(DOCUMENT, "sh", "outcomes") for line in block.lines()])
def test_a_policy_does_what_its_comment_says(place, line):
    line, told = split(line)
    assert alone(place, line) == ["job"]
    assert beside(place, line, told) == told


@pytest.mark.parametrize("block", blocks(DOCUMENT, "sh", "script"), ids=lambda block: block.name)
def test_a_script_runs_once_at_a_time(place, block):
    place.command("script", "#!/bin/sh\n" + place.fit(block.text))
    assert alone(place, "script") == ["job"]
    assert beside(place, "script", "refused") == "refused"


@pytest.mark.parametrize("line", re.findall(r"^\|.*\| `(procalive .*?)` \|$", text_of(DOCUMENT), re.M))
def test_a_line_of_the_table_works_on_what_runs(place, line):
    daemon = started(place, "procalive hold @x -- daemon; exit $?")
    if " wait " in line:
        place.release()
    status, output = place.script(line)
    assert status == 0, output
    place.release()
    daemon.wait(timeout=20)
