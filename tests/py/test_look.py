"""procalive.look, Ends and Watch: what the console and event loops stand on; holders that are hard to see."""

import errno
import os
import select
import signal
import subprocess
import sys
import time

import pytest
from support import NOBODY, SCRIPT, eventually, needs_root, state

import procalive

pytestmark = pytest.mark.usefixtures("leaks_nothing")
WATCHES = "w = os.open(F, os.O_WRONLY | os.O_NONBLOCK); say('watches'); order()"


# --- look ---


def test_look_tells_holders_watchers_and_lockers_apart(fifo, holder, program):
    process = holder(fifo)
    stray = program("fd = reader(); say(fd); order()", fifo)
    watcher = program(WATCHES, fifo)
    ends = procalive.look(fifo)[fifo]
    assert isinstance(ends, procalive.Ends)
    assert {(one.pid, one.lock) for one in ends.holders} == {(process.pid, True), (stray.pid, False)}
    assert (ends.watchers, ends.lockers, ends.exclusive) == ([watcher.pid], [], True)


def test_look_tells_a_shared_lock_from_an_exclusive_one_and_none(fifo, holder, program):
    os.mkfifo(fifo)
    program("fd = reader(); say(fd); order()", fifo)
    assert procalive.look(fifo)[fifo].exclusive is None
    holder(fifo, "shared")
    assert procalive.look(fifo)[fifo].exclusive is False


def test_look_tells_a_write_end_that_has_the_lock(fifo, program):
    with procalive.hold(fifo):
        watcher = program(
            "w = os.open(F, os.O_WRONLY); say(1); order(); fcntl.flock(w, fcntl.LOCK_EX); say(2); order()", fifo
        )
    watcher.tell()
    watcher.heard()
    ends = procalive.look(fifo)[fifo]
    assert (ends.holders, ends.watchers, ends.lockers) == ([], [], [watcher.pid])


def test_look_tells_a_waiter_with_the_mark_of_order_from_one_that_has_the_lock(fifo, holder, program):
    process = holder(fifo)
    waiter = program(
        "w = os.open(F, os.O_WRONLY | os.O_NONBLOCK); fcntl.lockf(w, fcntl.LOCK_EX, 1); say(1); order()", fifo
    )
    ends = procalive.look(fifo)[fifo]
    assert [one.pid for one in ends.holders] == [process.pid]
    assert (ends.watchers, ends.lockers) == ([waiter.pid], [])


def test_look_leaves_out_the_write_ends_of_the_caller_itself(fifo):
    with procalive.hold(fifo):
        fd = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        assert procalive.look(fifo)[fifo].watchers == []
        os.close(fd)


def test_look_answers_for_each_of_several_by_the_name_that_was_given(fifo, tmp_path, holder):
    process = holder(fifo)
    os.symlink(fifo, fifo + ".link")
    missing, file = str(tmp_path / "missing"), tmp_path / "file"
    file.write_text("precious")
    found = procalive.look(fifo, os.fsencode(fifo), fifo + ".link", missing, file, "n" * 256, "@no name")
    for name in (fifo, os.fsencode(fifo), fifo + ".link"):
        assert [(one.pid, one.fifo) for one in found[name].holders] == [(process.pid, name)]
    assert (found[missing].holders, found[missing].watchers, found[missing].exclusive) == ([], [], None)
    kinds = [type(found[name]) for name in (file, "n" * 256)]
    assert kinds == [procalive.NotAFifo, OSError]
    assert isinstance(found["@no name"], procalive.Refused)
    assert not os.path.lexists(missing)


def test_look_opens_no_end_so_that_nobody_wakes(fifo, background):
    with procalive.hold(fifo):
        waiter = background(procalive.wait, fifo, timeout=60).asleep()
        for _ in range(5):
            procalive.look(fifo)
        waiter.asleep()
    assert waiter.result() == {fifo: None}


def test_look_goes_through_proc_once_for_all(tmp_path, monkeypatch, holder):
    paths = [str(tmp_path / name) for name in "abc"]
    for path in paths:
        holder(path)
    looks, real = [], procalive.posix.listdir
    monkeypatch.setattr(procalive.posix, "listdir", lambda path: (looks.append(path), real(path))[1])
    assert all(ends.holders for ends in procalive.look(*paths).values())
    assert looks.count("/proc") == 1


# --- Watch ---


def test_a_watch_is_readable_in_an_event_loop_when_something_has_gone(fifo, holder):
    process = holder(fifo)
    with procalive.Watch() as watch:
        assert watch.add(fifo) is not None
        assert watch.add(process.pid) is not None
        loop = select.poll()
        loop.register(watch.fileno(), select.POLLIN)
        assert loop.poll(0) == []
        process.kill()
        assert loop.poll(20000)
        gone = set()
        while gone != {fifo, process.pid}:
            gone |= set(watch.next(time.monotonic() + 20))
        assert loop.poll(0) == []


def test_a_watch_says_none_for_what_has_gone_already(fifo, holder):
    process = holder(fifo)
    process.kill()
    with procalive.Watch() as watch:
        assert watch.add(fifo) is None
        assert watch.add(process.pid) is None
        assert watch.add(fifo + ".missing") is None
        assert watch.next(time.monotonic()) == []


def test_what_has_gone_already_is_told_by_next_all_the_same(fifo, holder):
    process = holder(fifo)
    with procalive.Watch() as watch:
        watch.add(fifo)
        assert watch.gone_already() == []
        process.kill()
        assert eventually(watch.gone_already) == [fifo]
        assert watch.next(time.monotonic()) == [fifo]
        assert watch.next(time.monotonic()) == []


# --- holders that are hard to see ---

FIRST_THREAD_ENDS = """
import ctypes
h = procalive.hold(F)
def rest():
    while os.path.exists(f'/proc/self/task/{os.getpid()}/fd/0'): time.sleep(.01)
    say('held'); time.sleep(60)
threading.Thread(target=rest).start()
ctypes.CDLL(None).pthread_exit(None)"""

# unshare(CLONE_FILES): from then on, the thread's descriptors are its own.
THREADS_OWN = """
import ctypes
def own():
    assert ctypes.CDLL(None).unshare(0x400) == 0
    {before}
    h = procalive.hold(F); say('held'); time.sleep(60)
threading.Thread(target=own, daemon=True).start(); order()"""


def test_a_holder_whose_first_thread_has_ended_is_found_and_killed(fifo, program):
    process = program(FIRST_THREAD_ENDS, fifo)
    assert process.first == "held"
    assert state(process.pid) == "Z"
    assert [(one.pid, one.lock) for one in procalive.holders(fifo)] == [(process.pid, True)]
    with pytest.raises(procalive.Held, match=f"held by {process.pid} "):
        procalive.hold(fifo)
    assert procalive.kill(fifo, signal.SIGKILL, grace=10) == [process.pid]
    assert not procalive.check(fifo)


def test_a_holder_whose_descriptors_are_a_threads_own_is_found_and_killed(fifo, program):
    process = program(THREADS_OWN.format(before="pass"), fifo)
    assert process.first == "held"
    assert [(one.pid, one.lock) for one in procalive.holders(fifo)] == [(process.pid, True)]
    assert procalive.kill(fifo, grace=60) == [process.pid]
    assert process.ended() == -signal.SIGTERM


def test_a_thread_that_holds_is_found_beside_a_plain_reader(fifo, program):
    os.mkfifo(fifo)
    process = program(THREADS_OWN.format(before="pass"), fifo)
    stray = program("fd = reader(); say(fd); order()", fifo)
    assert {(one.pid, one.lock) for one in procalive.holders(fifo)} == {(process.pid, True), (stray.pid, False)}
    assert [one.pid for one in procalive.mains(procalive.holders(fifo))] == [process.pid]


def test_threads_that_share_their_descriptors_are_one_reader(fifo, program):
    os.mkfifo(fifo)
    code = """
fd = reader()
for _ in '123': threading.Thread(target=time.sleep, args=[60], daemon=True).start()
say(fd); order()"""
    process = program(code, fifo)
    assert [(one.pid, one.lock) for one in procalive.holders(fifo)] == [(process.pid, False)]


IN_FLIGHT = """
import socket, array
here, there = socket.socketpair()
h = procalive.hold(F)
here.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [h.fd]))])
os.close(h.fd); os.unlink(F + '.holder'); say('sent'); order(); there.recv(1); say('received'); order()"""


def test_a_descriptor_on_its_way_through_a_unix_socket_is_alive_and_its_holder_unseen(fifo, program):
    process = program(IN_FLIGHT, fifo)
    assert procalive.check(fifo) is True
    for function in (procalive.holders, procalive.kill):
        with pytest.raises(procalive.Unseen, match="or its descriptor is on its way through a UNIX socket"):
            function(fifo)
    with pytest.raises(procalive.Held, match="held by a process that you may not see"):
        procalive.hold(fifo)
    assert process.runs()
    process.tell()
    process.heard()
    assert procalive.check(fifo) is False


# --- one keeper, one job, one holder ---


def test_a_keeper_and_its_job_that_both_hold_are_one_holder(fifo):
    job = subprocess.Popen([sys.executable, "-ISE", SCRIPT, "hold", "--keep", fifo, "sleep", "60"])
    eventually(lambda: procalive.process_name(job.pid) == "sleep")
    found = eventually(lambda: len(both := procalive.holders(fifo)) == 2 and both)
    (one,) = procalive.mains(found)
    assert one.main == job.pid
    with pytest.raises(procalive.Held) as caught:
        procalive.hold(fifo)
    assert str(caught.value).count(str(job.pid)) == 1
    assert "," not in caught.value.text
    assert procalive.kill(fifo, grace=60)[0] == job.pid  # and its keeper, where that is slow to follow
    assert job.wait() == -signal.SIGTERM


def test_hold_is_never_refused_by_a_keeper_whose_job_has_ended(fifo):
    command = [sys.executable, "-ISE", SCRIPT, "hold", "-o", "-w", "30", fifo, "true"]
    for _ in range(15):
        subprocess.run(command, check=True)
        procalive.hold(fifo).release()


def test_hold_waits_for_a_keeper_that_comes_late_to_let_go(fifo, keeper, background):
    job, pid = keeper(fifo)
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: state(pid) == "T")
    job.kill()
    job.wait()
    taker = background(procalive.hold, fifo).asleep()
    os.kill(pid, signal.SIGCONT)
    taker.result().release()


def test_hold_is_refused_at_once_by_a_keeper_whose_job_runs(fifo, keeper):
    job, _ = keeper(fifo)
    begin = time.monotonic()
    with pytest.raises(procalive.Held):
        procalive.hold(fifo)
    assert time.monotonic() - begin < 4  # it does not wait for it: that would take five seconds
    assert job.poll() is None


# --- old kernels ---


@pytest.fixture
def kernel(monkeypatch):
    """kernel(release): what uname(2) says from now on."""

    def say(release):
        real = os.uname()
        monkeypatch.setattr(procalive.posix, "uname", lambda: os.uname_result((*real[:2], release, *real[3:])))

    return say


@pytest.mark.parametrize("release", ["5.5.19-generic", "5.4.0-150-generic", "4.19.0", "5.5", "3.10.0-1160.el7.x86_64"])
def test_wait_and_kill_with_grace_refuse_on_kernels_that_wake_waiters_for_every_check(fifo, holder, kernel, release):
    process = holder(fifo)
    kernel(release)
    for call in (lambda: procalive.wait(fifo, timeout=0), lambda: procalive.kill(fifo, grace=0)):
        with pytest.raises(OSError, match=r"on Linux before 5\.6") as caught:
            call()
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSYS, fifo)
    assert process.runs()


def test_what_does_not_hang_on_that_works_on_old_kernels(fifo, holder, background, kernel):
    process = holder(fifo)
    kernel("5.4.0")
    assert procalive.check(fifo) is True
    assert procalive.wait(fifo, up=True) == {fifo: None}
    waiters = [background(procalive.wait, process.pid), background(procalive.hold, fifo, timeout=60)]
    assert procalive.kill(fifo) == [process.pid]
    assert waiters[0].result() == {process.pid: None}
    waiters[1].result().release()


@pytest.mark.parametrize("release", ["5.6.0", "5.10.0-28-amd64", "6.1", "6.18.0-rc1+", "10.0", "odd"])
def test_newer_kernels_and_odd_ones_are_not_refused(fifo, holder, kernel, release):
    holder(fifo)
    kernel(release)
    with pytest.raises(procalive.TimedOut):
        procalive.wait(fifo, timeout=0)


@needs_root
def test_a_process_that_may_not_be_looked_into_is_unseen_by_name(public, program):
    process = program("h = procalive.hold(F); say('held'); order()", public)
    line = program(f"become({NOBODY}); outcome(procalive.kill, F)", public).first
    assert line.startswith(f"Unseen {public}: held, but ")
    assert process.runs()
