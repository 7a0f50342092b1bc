"""procalive.wait(up=True): for a holder to come, even one that is gone again."""

import errno
import os
import stat

import pytest
from support import NOBODY, eventually, needs_root, proc

import procalive

pytestmark = pytest.mark.usefixtures("leaks_nothing")


def threads():
    return len(os.listdir("/proc/self/task"))


def sleepers():
    """How many threads of this process sleep in open(2) of a FIFO."""
    count = 0
    for tid in os.listdir("/proc/self/task"):
        try:
            count += "partner" in proc(f"self/task/{tid}/wchan")
        except OSError:  # it ended while we looked
            continue
    return count


def come_and_go(path):
    """Be a reader for a moment."""
    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    return True


@pytest.fixture(autouse=True)
def no_thread_is_left(leaks_nothing, tmp_path):  # noqa: ARG001
    """What a timeout left asleep is woken at the end, as by any reader, and ends."""
    yield
    fifos = [path for path in tmp_path.iterdir() if path.is_fifo()]
    eventually(lambda: all(map(come_and_go, fifos)) and not procalive._Arrival._asleep and not sleepers())


def test_wait_up_returns_at_once_for_what_is_held(fifo, holder):
    holder(fifo)
    assert procalive.wait(fifo, up=True, timeout=5) == {fifo: None}


def test_wait_up_creates_a_missing_fifo_with_mode_0600_and_sleeps_until_a_holder_came(fifo, holder, background):
    waiter = background(procalive.wait, fifo, up=True)
    eventually(lambda: os.path.exists(fifo))
    assert stat.S_IMODE(os.stat(fifo).st_mode) == 0o600
    assert not waiter.returned()
    holder(fifo)
    assert waiter.result() == {fifo: None}


def test_wait_up_itself_does_not_look_like_a_holder(fifo, background):
    waiter = background(procalive.wait, fifo, up=True)
    eventually(sleepers)
    assert procalive.check(fifo) is False
    procalive.hold(fifo).release()
    assert waiter.result() == {fifo: None}


def test_wait_up_sees_a_hundred_readers_each_of_which_came_and_went(fifo, background):
    os.mkfifo(fifo)
    for _ in range(100):
        waiter = background(procalive.wait, fifo, up=True)
        eventually(sleepers)
        come_and_go(fifo)
        assert waiter.result() == {fifo: None}
        eventually(lambda: not sleepers())


def test_wait_up_raises_timed_out_where_nobody_came(fifo):
    with pytest.raises(procalive.TimedOut, match="nobody holds it") as caught:
        procalive.wait(fifo, up=True, timeout=0.05)
    assert caught.value.path == fifo


def test_fifty_timeouts_leave_no_more_than_one_thread(fifo):
    before = threads()
    for _ in range(50):
        with pytest.raises(procalive.TimedOut):
            procalive.wait(fifo, up=True, timeout=0)
    assert threads() <= before + 1
    assert [arrival.bells for arrival in procalive._Arrival._asleep.values()] == [[]]


def test_a_wait_up_after_one_that_timed_out_sees_the_next_holder(fifo, background):
    with pytest.raises(procalive.TimedOut):
        procalive.wait(fifo, up=True, timeout=0)
    waiters = [background(procalive.wait, fifo, up=True) for _ in range(3)]
    with procalive.hold(fifo):
        assert [waiter.result() for waiter in waiters] == [{fifo: None}] * 3


def test_wait_up_waits_for_all_and_with_any_for_the_first(tmp_path, background):
    paths = [str(tmp_path / name) for name in "abc"]
    everyone, anyone = (background(procalive.wait, *paths, up=True, any=one) for one in (False, True))
    eventually(lambda: os.path.exists(paths[-1]))
    with procalive.hold(paths[1]):
        assert anyone.result() == {paths[1]: None}
        with procalive.hold(paths[2]):
            assert not everyone.returned()
            with procalive.hold(paths[0]):
                assert set(everyone.result()) == set(paths)


def test_a_hundred_threads_wait_each_for_its_own_holder(tmp_path, background):
    paths = [str(tmp_path / str(number)) for number in range(100)]
    waiters = [background(procalive.wait, path, up=True) for path in paths]
    eventually(lambda: sleepers() == len(paths))
    for half in (0, 1):
        for path, waiter in zip(paths[half::2], waiters[half::2]):
            assert come_and_go(path)
            assert waiter.result() == {path: None}
        assert [waiter.returned() for waiter in waiters[1::2]] == [half == 1] * 50


def test_duplicates_and_other_spellings_of_a_fifo_count_once(fifo, holder, background):
    os.mkfifo(fifo)
    waiter = background(procalive.wait, fifo, fifo, os.fsencode(fifo), up=True)
    holder(fifo)
    assert waiter.result() == {fifo: None, os.fsencode(fifo): None}


def test_wait_up_raises_what_is_wrong_with_one_and_leaves_no_thread_more_than_for_the_other(fifo, tmp_path):
    before = threads()
    for _ in range(10):
        with pytest.raises(procalive.NotAFifo):
            procalive.wait(fifo, tmp_path, up=True)
    assert threads() <= before + 1


@pytest.mark.parametrize(("critical", "other"), [("_probe", "socket"), ("_start_thread", "file")])
def test_wait_up_raises_not_a_fifo_where_another_file_comes_in_its_place(fifo, monkeypatch, critical, other):
    """A regular file opens at once, and would pass for a FIFO that came alive; a socket gives ENXIO."""
    os.mkfifo(fifo)
    real = getattr(procalive, critical)

    def swap(*args):
        answer = real(*args) if critical == "_probe" else None
        os.unlink(fifo)
        os.mknod(fifo, 0o600 | (stat.S_IFSOCK if other == "socket" else stat.S_IFREG))
        return answer if critical == "_probe" else real(*args)

    monkeypatch.setattr(procalive, critical, swap)
    with pytest.raises(procalive.NotAFifo):
        procalive.wait(fifo, up=True)


@needs_root
def test_wait_up_raises_the_oserror_where_no_thread_can_be_started(commons, program):
    code = f"become({NOBODY}); resource.setrlimit(resource.RLIMIT_NPROC, (0, 0)); outcome(procalive.wait, F, up=True)"
    said = program(code, f"{commons}/job.fifo").first
    assert said == f"BlockingIOError [Errno {errno.EAGAIN}] cannot start a thread"


def test_wait_up_raises_file_not_found_where_the_directory_is_missing(fifo):
    with pytest.raises(FileNotFoundError) as caught:
        procalive.wait(fifo + "/job.fifo", f"{fifo}.d/job.fifo", up=True)
    assert caught.value.filename
    with pytest.raises(FileNotFoundError, match="No such file"):
        procalive.wait("", up=True)


@needs_root
def test_wait_up_raises_permission_error_where_it_may_not_write(commons, program):
    path = f"{commons}/job.fifo"
    os.mkfifo(path, 0o644)
    assert program("become(65534); outcome(procalive.wait, F, up=True)", path).first.startswith("PermissionError")


@pytest.mark.parametrize("options", [{"status": True}, {"max_age": 1}])
def test_wait_up_raises_value_error_with_what_goes_with_ends_alone(fifo, options):
    with pytest.raises(ValueError, match="up"):
        procalive.wait(fifo, up=True, timeout=0, **options)


def test_wait_up_raises_value_error_for_a_pid():
    with pytest.raises(ValueError, match="up"):
        procalive.wait(os.getpid(), up=True, timeout=0)


def test_a_forked_child_can_wait_up_though_its_parent_was_waiting(fifo, program):
    code = """
try: procalive.wait(F, up=True, timeout=0)
except procalive.TimedOut: pass
import warnings; warnings.simplefilter('ignore')  # of a fork in a threaded program: it is the point
if os.fork() == 0:
    say('waits'); outcome(procalive.wait, F, up=True); os._exit(0)
os.wait()"""
    process = program(code, fifo)
    assert process.first == "waits"
    with procalive.hold(fifo):
        assert process.heard() == str({fifo: None})


def test_no_thread_is_made_by_any_other_wait(fifo, background):
    before = threads()
    with procalive.hold(fifo):
        waiter = background(procalive.wait, fifo).asleep()
        assert threads() <= before + 1
    waiter.result()


def test_wait_up_without_any_time_says_that_it_is_held(fifo, holder):
    holder(fifo)
    for _ in range(20):
        assert procalive.wait(fifo, up=True, timeout=0) == {fifo: None}


def test_a_child_forked_while_a_thread_is_inside_can_wait_too(fifo, program):
    code = """
os.mkfifo(F)
procalive._Arrival._guard.acquire()  # as a thread has it for some microseconds
child = os.fork()
if not child:
    signal.alarm(20)  # would end a child that hangs
    try: procalive.wait(F, up=True, timeout=0.01)
    except procalive.TimedOut: os._exit(7)
say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"""
    assert program(code, fifo).first == "7"
