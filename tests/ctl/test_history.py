"""The last runs of each FIFO, as top saw them end."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import TOP, end, until

from procalivectl import details, host, survey
from procalivectl.history import KEPT, History, Run


def look(path: Path) -> list[survey.Fifo]:
    return survey.Survey([str(path)]).look()


def ended(history: History, path: Path) -> str:
    """The last run that ended, once it is known how."""
    history.record(look(path), time.time())
    runs = history.runs(str(path))
    return str(runs[-1]) if runs and "no longer" not in str(runs[-1]) else ""


@pytest.fixture
def known(place):
    if not host.tells_exit_status():
        pytest.skip("the exit status of others: Linux 6.15")
    return History(), place / "job"


def test_a_run_that_was_killed_is_told_with_the_signal(known, hold):
    history, path = known
    job = hold(path)
    history.record(look(path), time.time())
    job.kill()
    job.wait()
    run = until(lambda: ended(history, path), "the run")
    assert re.fullmatch(rf"{job.pid} from \d\d:\d\d:\d\d for \d+s, killed by KILL", run)


def test_a_run_that_ended_by_itself_is_told_with_its_status(known, hold):
    history, path = known
    job = hold(path, "sh", "-c", "read line; exit 3", stdin=subprocess.PIPE)
    history.record(look(path), time.time())
    job.communicate(b"\n")
    assert until(lambda: ended(history, path), "the run").endswith(", status 3")


def test_a_holder_that_lives_on_has_only_let_go(place, spawn):
    script = f"import sys; sys.path.insert(0, {str(TOP)!r}); import procalive\n"
    script += "with procalive.hold('job'): print(flush=True); sys.stdin.readline()\nprint(flush=True); sys.stdin.read()"
    holder = spawn(sys.executable, "-c", script, cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    holder.stdout.readline()
    history = History()
    history.record(look(place / "job"), time.time())
    holder.stdin.write(b"\n")
    holder.stdin.flush()
    holder.stdout.readline()
    history.record(look(place / "job"), time.time())
    (run,) = history.runs(f"{place}/job")
    assert (run.pid, str(run).rpartition(", ")[2]) == (holder.pid, "no longer held")


def test_only_the_last_runs_are_kept_and_shown_newest_first(place, hold):
    history = History()
    for _ in range(KEPT + 1):
        job = hold(place / "job")
        history.record(look(place / "job"), time.time())
        end(job)
        history.record(look(place / "job"), time.time())
    runs = history.runs(f"{place}/job")
    assert (len(runs), runs[-1].pid) == (KEPT, job.pid)
    told = [line for line in details.lines(look(place / "job")[0], runs) if line.startswith("ended: ")]
    assert (len(told), told[0].split()[1]) == (KEPT, str(job.pid))


def test_how_a_run_ended_is_not_made_up():
    run = Run(1, 0.0, 2.0)
    assert str(run).endswith("for 2s, no longer held")
    run.process_ended = True
    assert str(run).endswith("for 2s, how is not known")
