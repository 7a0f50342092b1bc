"""procalive.wait for ends: no hand-over missed, no wake-up too many, the host program left alone."""

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
import time

import pytest
from support import NOBODY, SCRIPT, descriptors, eventually, is_asleep, needs_root, proc, state

import procalive

READ_END = os.O_RDONLY | os.O_NONBLOCK
pytestmark = pytest.mark.usefixtures("leaks_nothing")


def hand_over(held):
    """From one holder to the next as quickly as can be; the new one."""
    held.release()
    return procalive.hold(held.path)


# --- one FIFO ---


def test_wait_returns_at_once_for_what_nobody_holds_and_for_what_is_missing(fifo):
    os.mkfifo(fifo)
    missing = fifo + ".missing"
    assert procalive.wait(fifo, missing, timeout=0) == {fifo: None, missing: None}
    assert not os.path.lexists(missing)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None])
def test_wait_sleeps_until_the_holder_ended_however_it_ends(fifo, holder, background, end):
    process = holder(fifo)
    waiter = background(procalive.wait, fifo).asleep()
    process.tell() if end is None else process.send(end)
    assert waiter.result() == {fifo: None}


def test_wait_sleeps_until_the_last_of_several_readers_has_gone(fifo, holder, background):
    processes = [holder(fifo, "shared") for _ in range(3)]
    waiter = background(procalive.wait, fifo).asleep()
    for process in processes[:-1]:
        process.kill()
        assert waiter.asleep()
    processes[-1].kill()
    assert waiter.result() == {fifo: None}


def test_wait_in_the_main_thread_sleeps_until_the_holder_ended(fifo, holder, background):
    process, me = holder(fifo), threading.get_native_id()
    background(lambda: (eventually(lambda: is_asleep(me)), process.tell()))
    assert procalive.wait(fifo, timeout=20) == {fifo: None}


def wait_in_turns(fifo, times, begin, seen):
    for _ in range(times):
        begin.acquire()
        procalive.wait(fifo)
        seen.release()


def test_two_thousand_quick_hand_overs_are_all_seen(fifo, background):
    os.mkfifo(fifo)
    fd, begin, seen = os.open(fifo, READ_END), threading.Semaphore(0), threading.Semaphore(0)
    waiter = background(wait_in_turns, fifo, 2000, begin, seen)
    for _ in range(2000):
        begin.release()
        eventually(lambda: is_asleep(waiter.native_id))
        os.close(fd)
        fd = os.open(fifo, READ_END)
        assert seen.acquire(timeout=10), "missed"
    os.close(fd)


def test_readers_that_come_and_go_beside_the_holder_wake_nobody(fifo, holder, background):
    holder(fifo)
    waiter = background(procalive.wait, fifo, timeout=60).asleep()
    for _ in range(1000):
        os.close(os.open(fifo, READ_END))
        os.close(os.open(fifo, os.O_RDWR))
        os.utime(fifo)
    waiter.asleep()


def test_bytes_written_to_the_fifo_and_read_from_it_wake_nobody(fifo, background):
    with procalive.hold(fifo) as held:
        waiter = background(procalive.wait, fifo, timeout=60).asleep()
        with open(fifo, "wb", buffering=0) as pen:
            for _ in range(100):
                pen.write(b"x" * 100)
                os.read(held.fd, 100)
        waiter.asleep()
    assert waiter.result() == {fifo: None}


def test_a_waiting_thread_is_not_scheduled_until_the_event(fifo, background):
    def switches(tid):
        return [line for line in proc(f"self/task/{tid}/status").splitlines() if "ctxt_switches" in line]

    with procalive.hold(fifo):
        waiters = [background(procalive.wait, fifo, timeout=timeout).asleep() for timeout in (None, 3600)]
        before = [switches(waiter.native_id) for waiter in waiters]
        time.sleep(1)  # what is watched is that nothing happens
        assert [switches(waiter.native_id) for waiter in waiters] == before
    assert [waiter.result() for waiter in waiters] == [{fifo: None}] * 2


@pytest.mark.parametrize("timeout", [0, 0.05])
def test_wait_raises_timed_out_which_is_a_timeout_error(fifo, timeout):
    with procalive.hold(fifo), pytest.raises(TimeoutError, match=r"job\.fifo: still there") as caught:
        procalive.wait(fifo, timeout=timeout)
    assert isinstance(caught.value, procalive.TimedOut)
    assert caught.value.path == fifo


def test_wait_raises_not_a_fifo_and_oserrors_as_check_does(tmp_path):
    with pytest.raises(procalive.NotAFifo):
        procalive.wait(tmp_path)
    with pytest.raises(OSError, match="File name too long") as caught:
        procalive.wait("n" * 256)
    assert (caught.value.errno, caught.value.filename) == (errno.ENAMETOOLONG, "n" * 256)


@needs_root
def test_wait_raises_permission_error_where_it_may_not_write(commons, program):
    with procalive.hold(f"{commons}/job.fifo", mode=0o644):
        line = program("become(65534); outcome(procalive.wait, F)", f"{commons}/job.fifo").first
    assert line.startswith("PermissionError [Errno 13]")


# --- several ---


def test_two_hundred_threads_wait_each_for_its_own_and_only_the_right_ones_wake(tmp_path, background):
    held = [procalive.hold(tmp_path / str(number)) for number in range(200)]
    waiters = [background(procalive.wait, one.path) for one in held]
    for waiter in waiters:
        waiter.asleep()
    for one in held[::2]:
        one.release()
    assert [waiter.result() for waiter in waiters[::2]] == [{one.path: None} for one in held[::2]]
    assert not any(waiter.returned() for waiter in waiters[1::2])
    for one in held[1::2]:
        one.release()
    assert [waiter.result() for waiter in waiters[1::2]] == [{one.path: None} for one in held[1::2]]


def test_all_threads_that_wait_for_one_fifo_wake(fifo, background):
    with procalive.hold(fifo):
        waiters = [background(procalive.wait, fifo).asleep() for _ in range(50)]
    assert all(waiter.result() == {fifo: None} for waiter in waiters)


def test_wait_returns_when_all_have_gone_in_the_order_in_which_they_went(tmp_path, background):
    held = [procalive.hold(tmp_path / name) for name in "abc"]
    waiter = background(procalive.wait, *(one.path for one in held)).asleep()
    order = [held[1], held[2], held[0]]
    for one in order:
        assert not waiter.returned()
        one.release()
    assert list(waiter.result()) == [one.path for one in order]


def test_a_fifo_that_was_handed_over_counts_as_gone_while_others_are_waited_for(tmp_path, background):
    first, second = (procalive.hold(tmp_path / name) for name in "ab")
    waiter = background(procalive.wait, first.path, second.path).asleep()
    first = hand_over(first)
    second.release()
    assert list(waiter.result()) == [first.path, second.path]
    first.release()


def test_no_write_end_is_left_of_a_fifo_that_has_gone_while_others_are_waited_for(tmp_path, background):
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    with procalive.hold(second):
        with procalive.hold(first):
            waiter = background(procalive.wait, first, second, timeout=60).asleep()
        # An old holder link could name its number, and say alive.
        eventually(lambda: first not in descriptors().values())
    assert waiter.result() == {first: None, second: None}


def test_wait_for_any_returns_the_first_alone(tmp_path, background):
    held = [procalive.hold(tmp_path / name) for name in "abc"]
    waiter = background(procalive.wait, *(one.path for one in held), any=True).asleep()
    held[1].release()
    assert waiter.result() == {held[1].path: None}
    assert len(procalive.wait(*(one.path for one in held), any=True)) == 1
    held[0].release()
    held[2].release()
    assert procalive.wait(*(one.path for one in held), any=True) == {held[0].path: None}


def test_what_is_held_is_not_gone_though_a_hundred_went_just_before_it_was_watched(tmp_path, monkeypatch):
    held = [procalive.hold(tmp_path / str(number)) for number in range(101)]
    last, real = held.pop(), procalive._open_write_end

    def let_go(path):
        if path == last.path:
            for one in held:
                one.release()
        return real(path)

    monkeypatch.setattr(procalive, "_open_write_end", let_go)
    with last, pytest.raises(procalive.TimedOut) as caught:
        procalive.wait(*(one.path for one in held), last.path, timeout=0)
    assert caught.value.path == last.path


def test_duplicates_count_once(fifo, holder, background):
    process = holder(fifo)
    waiter = background(procalive.wait, fifo, fifo, os.fsencode(fifo)).asleep()
    process.kill()
    assert waiter.result() == {fifo: None, os.fsencode(fifo): None}


def test_wait_for_nothing_returns_at_once():
    assert procalive.wait() == procalive.wait(any=True) == procalive.wait(up=True) == {}


def test_thousands_of_fifos_are_waited_for_at_once(tmp_path, program):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(3000, (hard - 200 if hard != resource.RLIM_INFINITY else 3000) // 2)
    code = f"""
resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1:] * 2)
for n in range({count}): os.mkfifo(f"{{F}}/{{n}}")  # hold() would look through /proc for each
held = [procalive.hold(f"{{F}}/{{n}}") for n in range({count})]
box = []
t = threading.Thread(target=lambda: box.append(procalive.wait(*(h.path for h in held), timeout=30)))
t.start()
for h in reversed(held): h.release()
t.join(); say(len(box[0]))"""
    assert program(code, tmp_path).first == str(count)


def test_wait_raises_emfile_with_a_name_where_descriptors_ran_out_and_leaks_none(tmp_path, program):
    code = """
held = [procalive.hold(f"{F}/{n}") for n in range(20)]
resource.setrlimit(resource.RLIMIT_NOFILE, (35, 35))
before = os.listdir("/proc/self/fd")
outcome(procalive.wait, *(h.path for h in held)); say(os.listdir("/proc/self/fd") == before)"""
    process = program(code, tmp_path)
    assert process.first.startswith(f"OSError [Errno {errno.EMFILE}] Too many open files: '{tmp_path}/")
    assert process.heard() == "True"


# --- processes ---


def test_wait_for_a_pid_sleeps_until_that_process_ended(program, background):
    process = program("say(1); order()")
    waiter = background(procalive.wait, process.pid).asleep()
    process.kill()
    assert waiter.result() == {process.pid: None}


def test_wait_for_a_pid_returns_though_it_was_not_reaped(background):
    process = subprocess.Popen(["sleep", "60"])
    waiter = background(procalive.wait, process.pid).asleep()
    process.kill()
    assert waiter.result() == {process.pid: None}
    assert procalive.wait(process.pid, timeout=0) == {process.pid: None}
    process.wait()


def test_wait_for_a_pid_that_does_not_exist_returns_at_once(program):
    process = program("say(1)")
    process.ended()
    assert procalive.wait(process.pid, timeout=0) == {process.pid: None}


def test_wait_for_a_threads_number_raises_an_oserror_that_names_it(background, fifo):
    with procalive.hold(fifo):
        thread = background(procalive.wait, fifo).asleep()
        with pytest.raises(OSError, match=f"not a process ID: '{thread.native_id}'"):
            procalive.wait(thread.native_id)
    thread.result()


@pytest.mark.parametrize("pid", [-1, 0, 2**31, 2**70])
def test_wait_for_what_is_no_pid_raises_an_oserror_that_names_it(pid):
    with pytest.raises(OSError, match=f"not a process ID: '{pid}'"):
        procalive.wait(pid)


@pytest.mark.parametrize("old", ["kernel", "Python"])
def test_wait_for_a_pid_says_what_it_takes_where_there_are_no_pidfds(monkeypatch, old):
    def fail(_):
        raise OSError(errno.ENOSYS, "forced")

    if old == "kernel":
        monkeypatch.setattr(procalive.posix, "pidfd_open", fail)
    else:
        monkeypatch.delattr(procalive.posix, "pidfd_open")
    with pytest.raises(OSError, match=r"it needs Linux 5\.3") as caught:
        procalive.wait(os.getpid())
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSYS, str(os.getpid()))


def test_fifos_and_pids_go_together(fifo, program, background):
    process = program("say(1); order()")
    held = procalive.hold(fifo)
    waiter = background(procalive.wait, fifo, process.pid).asleep()
    process.kill()
    eventually(lambda: is_asleep(waiter.native_id))
    held.release()
    assert list(waiter.result()) == [process.pid, fifo]


# --- how it ended ---


@pytest.fixture(scope="module")
def kernel_tells():
    child = subprocess.Popen(["true"])
    pidfd = os.pidfd_open(child.pid)
    child.wait()
    told = procalive._exit_status(pidfd, float("inf"))
    os.close(pidfd)
    if told is None:
        pytest.skip("needs Linux 6.15, to read the exit status of a process")


@pytest.mark.usefixtures("kernel_tells")
@pytest.mark.parametrize(("code", "status"), [("sys.exit(7)", 7), ("os.kill(os.getpid(), 15)", 143), ("", 0)])
def test_wait_with_status_tells_every_waiter_how_the_holder_ended(fifo, program, background, code, status):
    process = program("h = procalive.hold(F); say('held'); order(); " + code, fifo)
    waiters = [background(procalive.wait, fifo, status=True).asleep() for _ in range(5)]
    waiters += [background(procalive.wait, process.pid, status=True).asleep()]
    process.tell()
    process.ended()
    assert [list(waiter.result().values()) for waiter in waiters] == [[status]] * 6


@pytest.mark.usefixtures("kernel_tells")
def test_wait_with_status_is_not_confused_by_a_hand_over(fifo, program, background):
    code = "h = procalive.hold(F, timeout=None); say('held'); sys.exit(int(order()))"
    first = program(code, fifo)
    waiter = background(procalive.wait, fifo, status=True).asleep()
    following = background(program, code, fifo)
    first.tell(3)
    first.ended()
    following.result()
    assert waiter.result() == {fifo: 3}


@pytest.fixture
def zombie(program):
    """zombie(status): (PID of a process that has ended so, of another parent; a function that has it reaped)."""

    def start(status):
        parent = program(
            f"p = subprocess.Popen(['sh', '-c', 'exit {status}']); say(p.pid); order(); p.wait(); say('ok')"
        )
        eventually(lambda: state(int(parent.first)) == "Z")
        return int(parent.first), lambda: (parent.tell(), parent.heard())

    return start


@pytest.mark.usefixtures("kernel_tells")
@pytest.mark.parametrize("timeout", [20, 1e10, None])
def test_wait_with_status_sleeps_until_the_process_was_reaped(background, zombie, timeout):
    pid, reap = zombie(9)
    waiter = background(procalive.wait, pid, status=True, timeout=timeout).asleep()
    reap()
    assert waiter.result() == {pid: 9}


@pytest.mark.usefixtures("kernel_tells")
def test_wait_with_status_times_out_for_a_process_that_nobody_reaps(zombie):
    pid, _ = zombie(0)
    with pytest.raises(procalive.TimedOut, match="not yet reaped"):
        procalive.wait(pid, status=True, timeout=0.1)


@pytest.mark.parametrize(("end", "status"), [("exit 9", 9), ("kill -15 $$", 128 + 15)])
def test_wait_with_status_tells_that_of_ones_own_child_which_only_oneself_can_reap(end, status):
    process = subprocess.Popen(["sh", "-c", f"read _; {end}"], stdin=subprocess.PIPE)
    process.stdin.close()
    assert procalive.wait(process.pid, status=True, timeout=20) == {process.pid: status}
    assert process.wait() == (status if status < 128 else 128 - status), "it was reaped by the wait"


def test_wait_with_status_tells_that_of_ones_own_child_which_holds(fifo, holder, background):
    process = holder(fifo)
    waiter = background(procalive.wait, fifo, status=True).asleep()
    process.send(signal.SIGTERM)
    assert waiter.result() == {fifo: 128 + 15}


@pytest.mark.usefixtures("kernel_tells")
def test_wait_with_status_tells_each_of_several_processes(program, background):
    processes = [program("say(1); sys.exit(int(order()))") for _ in range(5)]
    waiter = background(procalive.wait, *(one.pid for one in processes), status=True).asleep()
    for number, process in enumerate(processes):
        process.tell(number)
        process.ended()
    assert waiter.result() == {one.pid: number for number, one in enumerate(processes)}


@pytest.mark.usefixtures("kernel_tells")
def test_wait_with_status_tells_the_end_of_the_process_that_a_keeper_keeps(fifo, keeper, background):
    job, _ = keeper(fifo)
    waiter = background(procalive.wait, fifo, status=True).asleep()
    job.kill()
    job.wait()
    assert waiter.result() == {fifo: 128 + 9}


SIX_HUNDRED = """
paths = [f'{F}/{n}' for n in range(600)]
for path in paths: os.mkfifo(path)
held = [procalive.hold(path) for path in paths]
say('held'); sys.exit(int(order()))"""


@pytest.mark.usefixtures("kernel_tells")
def test_the_command_waits_with_status_for_600_fifos_under_the_usual_limit_with_one_look(tmp_path, program):
    process = program(SIX_HUNDRED, tmp_path)
    paths = [str(tmp_path / str(number)) for number in range(600)]
    limited = ["sh", "-c", 'ulimit -S -n 1024; exec "$@"', "sh", sys.executable, "-ISE", SCRIPT]
    waiter = subprocess.Popen([*limited, "wait", "--status", *paths])
    eventually(lambda: waiter.poll() is not None or (len(os.listdir(f"/proc/{waiter.pid}/fd")) > 1200))
    eventually(lambda: waiter.poll() is not None or is_asleep(waiter.pid))
    process.tell(7)
    process.ended()
    assert waiter.wait(timeout=20) == 7


def test_wait_with_status_is_none_where_the_kernel_does_not_tell(fifo, holder, background, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOTTY, "forced")

    monkeypatch.setattr(procalive.fcntl, "ioctl", fail)
    monkeypatch.setattr(procalive.posix, "waitid", fail)  # as of what is not our child
    process = holder(fifo)
    waiter = background(procalive.wait, fifo, process.pid, status=True).asleep()
    process.kill()
    assert waiter.result() == {fifo: None, process.pid: None}


def test_wait_with_status_is_none_where_that_of_one_of_two_holders_is_not_known(fifo, holder, background, monkeypatch):
    processes, known = [holder(fifo, "shared") for _ in range(2)], iter([None, 7])
    monkeypatch.setattr(procalive, "_exit_status", lambda *_: next(known))
    waiter = background(procalive.wait, fifo, status=True).asleep()
    for process in processes:
        process.kill()
    assert waiter.result() == {fifo: None}


def test_wait_with_status_is_none_for_what_nobody_held_and_for_a_missing_pid(fifo, program):
    process = program("say(1)")
    process.ended()
    assert procalive.wait(fifo, process.pid, status=True) == {fifo: None, process.pid: None}


@pytest.mark.usefixtures("kernel_tells")
def test_the_status_of_the_next_holder_is_never_taken_for_that_of_the_first(fifo, holder, monkeypatch):
    first = holder(fifo)
    real = procalive._look_up

    def swap(paths):
        monkeypatch.setattr(procalive, "_look_up", real)
        first.kill()
        holder(fifo)
        return real(paths)

    monkeypatch.setattr(procalive, "_look_up", swap)
    assert procalive.wait(fifo, status=True) == {fifo: None}


@needs_root
@pytest.mark.usefixtures("kernel_tells")
def test_the_status_of_who_got_the_pid_of_an_unseen_holder_is_not_taken_for_its_own(public, program):
    process = program("h = procalive.hold(F); say('held'); order(); sys.exit(6)", public)
    code = f"""
become({NOBODY}); procalive._is_hidden = lambda pid: False  # as of a process that came later
say('waits'); say(procalive.wait(F, status=True))"""
    waiter = program(code, public)
    eventually(lambda: is_asleep(waiter.pid))
    process.tell()
    process.ended()
    assert waiter.heard() == str({public: None})


# --- alive and well ---


def ages(path, seconds):
    """The last beat is now so old."""
    os.utime(path, (time.time() - seconds,) * 2)


def test_wait_with_max_age_raises_stale_when_a_live_holder_misses_its_beat(fifo, old_holder):
    old_holder(fifo)
    ages(fifo, 99.8)  # the next beat is missed in 0.2 s
    with pytest.raises(procalive.Stale) as caught:
        procalive.wait(fifo, max_age=100)
    assert caught.value.age > 100


def test_wait_with_max_age_raises_stale_at_once_for_an_old_beat(fifo, old_holder):
    old_holder(fifo)
    ages(fifo, 5000)
    with pytest.raises(procalive.Stale, match="alive, but no beat for"):
        procalive.wait(fifo, max_age=3600, timeout=0)


def test_wait_with_max_age_raises_future_beat_at_once_for_one_that_lies_ahead(fifo, old_holder):
    old_holder(fifo)
    ages(fifo, -5000)
    with pytest.raises(procalive.FutureBeat, match="in the future"):
        procalive.wait(fifo, max_age=3600, timeout=0)


@pytest.mark.parametrize("beat", [5000, -5000])
def test_a_young_holder_is_overdue_max_age_after_its_start_whatever_the_beat_says(fifo, holder, beat):
    holder(fifo)
    ages(fifo, beat)
    (one,) = procalive.holders(fifo)
    problem = procalive.Stale if beat > 0 else procalive.FutureBeat
    with pytest.raises(problem):
        procalive.wait(fifo, max_age=1.5, timeout=60)
    assert time.clock_gettime(time.CLOCK_BOOTTIME) - one.started > 1.5


def test_wait_with_max_age_goes_on_where_the_holder_beats_and_returns_when_it_ends(fifo, background):
    with procalive.hold(fifo):
        waiter = background(procalive.wait, fifo, max_age=1.5)
        for _ in range(20):
            os.utime(fifo)
            time.sleep(0.1)  # this is what a job that works does
    assert waiter.result() == {fifo: None}


# A wait with a wall clock that steps after its first look, for a holder that is not young; how it went, and how long.
STEPS = """
step, age, timeout, beats = map(float, sys.argv[2:])
real, boot, looks = time.time, time.clock_gettime, []
def now():
    looks.append(1)
    return real() + (step if len(looks) > 1 else 0)
time.time, time.clock_gettime = now, lambda clock: boot(clock) + 1e6
started = time.monotonic()
os.utime(F, (real() - age,) * 2)
if beats: threading.Timer(0.2, os.utime, [F]).start()
outcome(procalive.wait, F, max_age=100, timeout=timeout); say(round(time.monotonic() - started, 1))"""


@pytest.mark.parametrize("step", [7200, -7200])
def test_a_step_of_the_wall_clock_just_after_a_beat_makes_no_holder_stale(fifo, holder, program, step):
    holder(fifo)
    process = program(STEPS, fifo, step, 99, 2, 1)
    assert process.first == f"TimedOut {fifo}: still there"


@pytest.mark.parametrize("step", [7200, -7200])
def test_a_step_of_the_wall_clock_during_a_wait_hides_no_missed_beat(fifo, holder, program, step):
    holder(fifo)
    process = program(STEPS, fifo, step, 99.5, 40, 0)
    assert process.first.startswith(f"Stale {fifo}: alive, but no beat for 1m4")
    assert float(process.heard()) < 30


def test_wait_with_max_age_looks_at_fifos_alone_and_not_at_processes(fifo, program, background):
    process = program("say(1); order()")
    waiter = background(procalive.wait, process.pid, fifo, max_age=0.01).asleep()
    time.sleep(0.1)  # longer than max_age
    process.kill()
    assert set(waiter.result()) == {process.pid, fifo}


@pytest.fixture
def ends_before_the_look(monkeypatch):
    """ends_before_the_look(process): it is killed just before the processes are looked up."""

    def arrange(process):
        real = procalive._look_up
        monkeypatch.setattr(procalive, "_look_up", lambda paths: (process.kill(), real(paths))[1])

    return arrange


def test_wait_with_max_age_returns_what_went_before_it_looked(fifo, old_holder, ends_before_the_look):
    ends_before_the_look(old_holder(fifo))
    ages(fifo, 5000)
    assert procalive.wait(fifo, status=True, max_age=100) == {fifo: None}


def test_wait_for_any_with_max_age_returns_what_went_before_it_looked_though_another_is_stale(
    fifo, tmp_path, old_holder, holder, ends_before_the_look
):
    stale = str(tmp_path / "stale")
    old_holder(stale)
    ages(stale, 5000)
    ends_before_the_look(holder(fifo))
    assert list(procalive.wait(fifo, stale, status=True, any=True, max_age=100)) == [fifo]


def test_wait_with_max_age_is_not_stale_but_gone_for_a_dead_fifo_with_an_old_beat(fifo):
    os.mkfifo(fifo)
    os.utime(fifo, (1000, 1000))
    assert procalive.wait(fifo, max_age=1) == {fifo: None}


# --- the host program ---


def signal_state():
    """What Python and the kernel have of this process's signals."""
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    kernel = [line for line in proc("self/status").splitlines() if line.startswith(("SigBlk", "SigIgn", "SigCgt"))]
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    return handlers, kernel, wakeup, signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_no_handler_mask_or_wakeup_descriptor_of_the_program_changes(fifo, holder, background):
    before = signal_state()
    with procalive.hold(fifo):
        waiters = [background(procalive.wait, fifo).asleep(), background(procalive.wait, os.getppid(), fifo, any=True)]
        assert signal_state() == before
    for waiter in waiters:
        waiter.result()
    process = holder(fifo)
    background(process.tell)
    procalive.wait(fifo)
    assert signal_state() == before


def test_a_signal_handler_of_the_program_runs_during_a_wait_which_goes_on(fifo, program):
    code = """
signal.signal(signal.SIGUSR1, lambda *_: say('handled'))
h = procalive.hold(F); say('waits')
try: procalive.wait(F, timeout=1)
except procalive.TimedOut: say('timed out')"""
    process = program(code, fifo)
    process.send(signal.SIGUSR1)
    assert [process.heard(), process.heard()] == ["handled", "timed out"]


def test_an_exception_out_of_a_signal_handler_ends_the_wait_and_leaks_nothing(fifo, program):
    code = """
h = procalive.hold(F); before = os.listdir('/proc/self/fd'); say('waits')
try: procalive.wait(F)
except KeyboardInterrupt: say(os.listdir('/proc/self/fd') == before)"""
    process = program(code, fifo)
    eventually(lambda: is_asleep(process.pid))
    process.send(signal.SIGINT)
    assert process.heard() == "True"


FORKS = """
first, second = (subprocess.Popen(['sleep', '60']) for _ in '12')
h = procalive.hold(F)
box = []
def watch():
    try: box.append(list(procalive.wait(first.pid, F, second.pid)) == [first.pid, F, second.pid])
    except BaseException as error: box.append(repr(error))
waiter = threading.Thread(target=watch); waiter.start()
while 'poll' not in open(f'/proc/self/task/{waiter.native_id}/wchan').read(): time.sleep(.01)
import warnings; warnings.simplefilter('ignore')  # of a fork in a threaded program: it is the point
end, keep = os.pipe()
if os.fork() == 0:
    os.close(keep); os.close(h.fd); os.read(end, 1); os._exit(0)
first.kill(); first.wait(); time.sleep(.1)
h.release(); procalive.hold(F).release()
second.kill(); second.wait()
waiter.join(); say(box)"""


def test_a_fork_of_the_program_during_a_wait_does_not_disturb_it(fifo, program):
    assert program(FORKS, fifo).first == "[True]"


@pytest.mark.parametrize("options", [{}, {"any": True}, {"status": True}, {"max_age": 3600}])
def test_fifty_waits_and_fifty_timeouts_leak_no_descriptor(fifo, options):
    for _ in range(50):
        with procalive.hold(fifo), pytest.raises(procalive.TimedOut):
            procalive.wait(fifo, os.getpid(), timeout=0, **{**options, "any": False})
        procalive.wait(fifo, **options)


# --- status: what is opened is closed ---

LOOKS = """
F, G = sys.argv[1:]
before = os.listdir('/proc/self/fd')
def leaks(*targets, **options):
    try: said = procalive.wait(*targets, status=True, timeout=0, **options)
    except Exception as error: said = type(error).__name__
    say(said, len(os.listdir('/proc/self/fd')) - len(before))
"""


@needs_root
def test_a_status_that_cannot_be_had_leaks_no_descriptor(public, holder, program):
    holder(public)
    os.unlink(f"{public}.holder")  # which shows that the one in /proc/locks is the one that holds
    assert program(f"{LOOKS}become({NOBODY}); leaks(F)", public, "").first == "TimedOut 0"


def test_a_failure_while_the_processes_are_opened_leaks_no_descriptor(fifo, tmp_path, holder, program):
    holder(fifo)
    other = str(tmp_path / "other.fifo")
    for _ in range(2):
        holder(other, "shared")
    code = f"""{LOOKS}
used = max(map(int, before)) + 1
for spare in range(3, 12):
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + spare, 4096)); leaks(F, G)"""
    said = program(code, fifo, other)
    outcomes = [said.first, *(said.heard() for _ in range(8))]
    assert {outcome.split()[-1] for outcome in outcomes} == {"0"}
    assert {outcome.split()[0] for outcome in outcomes} == {"OSError", "TimedOut"}
