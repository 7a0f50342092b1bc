"""Programs that only open an end of the FIFO, and never heard of procalive, in both directions."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from support import SCRIPT, eventually, state

import procalive

HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """built(NAME): the program of NAME.c."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        pytest.skip("needs a C compiler")
    directory = tmp_path_factory.mktemp("strangers")

    def build(name):
        program = str(directory / name)
        subprocess.run([compiler, "-Wall", "-Werror", "-o", program, f"{HERE}/{name}.c"], check=True)
        return program

    return {name: build(name) for name in ("runner", "asker")}


@pytest.fixture
def runner(built):
    """runner(fifo, command...): the process, once it reads the FIFO as the command."""
    started = []

    def start(path, *command):
        process = subprocess.Popen([built["runner"], path, *(command or ("sleep", "60"))])
        started.append(process)
        eventually(lambda: procalive.process_name(process.pid) == "sleep" or process.poll() is not None)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def asks(built):
    """asks(fifo): its exit status."""
    return lambda path: subprocess.run([built["asker"], path], check=False).returncode


@pytest.fixture
def procalive_run():
    """procalive_run(words...): the process of that command line, ended with the test."""
    started = []

    def start(*words):
        command = [sys.executable, "-ISE", SCRIPT, *words]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def said(process):
    """(exit status, standard output, standard error)."""
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def ended(process, sig):
    process.send_signal(sig)
    process.wait()


# --- a stranger holds ---


def test_check_says_alive_while_a_stranger_runs_and_not_alive_once_it_was_killed(fifo, runner, procalive_run):
    assert said(procalive_run("check", fifo)) == (1, "", "")
    process = runner(fifo)
    assert procalive.check(fifo) is True
    assert said(procalive_run("check", fifo)) == (0, "", "")
    text = f"{fifo}: alive, read by {process.pid} (sleep), which does not hold the lock\n"
    assert said(procalive_run("check", "-v", fifo)) == (0, text, "")
    ended(process, signal.SIGKILL)
    assert procalive.check(fifo) is False
    assert said(procalive_run("check", fifo)) == (1, "", "")


def test_hold_is_refused_by_a_stranger_which_it_calls_a_reader(fifo, runner, procalive_run):
    process = runner(fifo)
    text = f"procalive: {fifo}: read by {process.pid} (sleep), which does not hold the lock\n"
    assert said(procalive_run("hold", fifo, "echo", "ran")) == (75, "", text)
    with pytest.raises(procalive.Held, match=f"read by {process.pid} ") as caught:
        procalive.hold(fifo)
    assert [(one.pid, one.lock) for one in caught.value.holders] == [(process.pid, False)]
    ended(process, signal.SIGTERM)
    assert said(procalive_run("hold", fifo, "echo", "ran")) == (0, "ran\n", "")


def test_hold_waits_for_a_stranger_to_end_and_for_one_that_came_beside_a_holder(fifo, runner, procalive_run, asks):
    holder = procalive_run("hold", fifo, "sleep", "60")
    eventually(lambda: procalive.process_name(holder.pid) == "sleep")
    beside = runner(fifo)
    waiter = procalive_run("hold", "-w", "60", fifo, "echo", "ran")
    eventually(lambda: waiter.pid in procalive.look(fifo)[fifo].watchers)
    ended(holder, signal.SIGKILL)
    assert asks(fifo) == 0
    eventually(lambda: state(waiter.pid) == "S")
    assert waiter.poll() is None
    ended(beside, signal.SIGKILL)
    assert said(waiter) == (0, "ran\n", "")


def test_hold_of_the_module_waits_for_a_stranger_to_end(fifo, runner, background):
    process = runner(fifo)
    taker = background(procalive.hold, fifo, timeout=60).asleep()
    ended(process, signal.SIGKILL)
    taker.result().release()


def test_wait_sleeps_until_a_stranger_has_ended_and_tells_its_status(fifo, runner, procalive_run, background):
    process = runner(fifo)
    command = procalive_run("wait", fifo)
    eventually(lambda: command.pid in procalive.look(fifo)[fifo].watchers)
    waiter = background(procalive.wait, fifo, status=True).asleep()
    process.kill()
    assert said(command) == (0, "", "")
    assert waiter.result() == {fifo: 128 + 9}


def test_wait_up_sees_a_stranger_come(fifo, runner, procalive_run, background):
    os.mkfifo(fifo)
    waiters = [procalive_run("wait", "--up", fifo), background(procalive.wait, fifo, up=True)]
    runner(fifo)
    assert said(waiters[0]) == (0, "", "")
    assert waiters[1].result() == {fifo: None}


def test_who_lists_a_stranger_as_a_reader(fifo, runner, procalive_run):
    process = runner(fifo)
    assert [(one.pid, one.lock) for one in procalive.holders(fifo)] == [(process.pid, False)]
    status, out, err = said(procalive_run("who", "--json", fifo))
    assert (status, err) == (0, "")
    told = json.loads(out)
    assert (told["pid"], told["lock"], told["command"]) == (process.pid, False, ["sleep", "60"])
    assert said(procalive_run("who", fifo))[1].splitlines()[1].split()[5] == "reader"


@pytest.mark.parametrize("words", [(), ("-k", "60")])
def test_kill_signals_a_stranger(fifo, runner, procalive_run, words):
    process = runner(fifo)
    killer = procalive_run("kill", *words, fifo)
    assert process.wait(timeout=30) == -signal.SIGTERM
    assert said(killer) == (0, "", "")


def test_kill_signals_the_holder_and_not_the_stranger_beside_it(fifo, runner, holder):
    process = holder(fifo)
    beside = runner(fifo)
    assert procalive.kill(fifo) == [process.pid]
    process.ended()
    assert beside.poll() is None


def test_hold_replaces_a_stranger(fifo, runner, procalive_run):
    process = runner(fifo)
    newer = procalive_run("hold", "-k", "60", fifo, "echo", "ran")
    assert process.wait(timeout=30) == -signal.SIGTERM
    assert said(newer) == (0, "ran\n", "")


# --- a stranger asks ---


def test_a_stranger_that_asks_hears_what_is_so(fifo, procalive_run, asks):
    assert asks(fifo) == 1
    job = procalive_run("hold", fifo, "sleep", "60")
    eventually(lambda: procalive.process_name(job.pid) == "sleep")
    assert asks(fifo) == 0
    ended(job, signal.SIGKILL)
    assert asks(fifo) == 1
    with procalive.hold(fifo):
        assert asks(fifo) == 0
    assert asks(fifo) == 1


def test_those_who_wait_do_not_look_alive_to_a_stranger_that_asks(fifo, holder, procalive_run, background, asks):
    process = holder(fifo)
    beside = str(fifo) + ".other"
    with procalive.hold(beside):
        waiter = background(procalive.wait, fifo, beside).asleep()
        process.kill()
        assert asks(fifo) == 1
        up = procalive_run("wait", "--up", fifo)
        eventually(lambda: len(os.listdir(f"/proc/{up.pid}/task")) > 1)  # a thread sleeps in open(2)
        assert asks(fifo) == 1
    waiter.result()


def test_a_stranger_that_asks_again_and_again_wakes_nobody_and_hinders_nobody(fifo, background, asks, procalive_run):
    with procalive.hold(fifo):
        waiter = background(procalive.wait, fifo).asleep()
        queue = procalive_run("hold", "-w", "60", fifo, "true")
        eventually(lambda: queue.pid in procalive.look(fifo)[fifo].watchers)
        assert [asks(fifo) for _ in range(50)] == [0] * 50
        assert not waiter.returned()
        assert queue.poll() is None
    assert waiter.result() == {fifo: None}
    assert said(queue) == (0, "", "")
