"""procalive.kill: the process that holds is signalled, and no other ever."""

import errno
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from support import NOBODY, SCRIPT, eventually, keeper_of, needs_root, proc, state

import procalive

pytestmark = pytest.mark.usefixtures("leaks_nothing")

TELLS = """
for number in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, lambda number, frame: say(signal.Signals(number).name))
"""
# Holds, tells of its signals; "free" makes it let go and live on.
TELLING = TELLS + "h = procalive.hold(F, timeout=None); say('held')\nwhile order() == 'free': h.release(); say('free')"
FAMILY = TELLS + "h = procalive.hold(F); child = os.fork()\nif child: say(child)\nwhile True: time.sleep(60)"


def kill_or_unseen(*args, **options):
    """Where all that was found had gone, [] and Unseen are both right: nobody was signalled."""
    try:
        return procalive.kill(*args, **options)
    except procalive.Unseen:
        return []


def never_signalled(process):
    """It is there, and its next line is the answer to an order, not a signal's name."""
    process.tell("free")
    return process.heard() == "free"


# --- whom ---


def test_kill_returns_nobody_for_what_is_not_held_or_missing(fifo):
    assert procalive.kill(fifo) == []
    os.mkfifo(fifo)
    assert procalive.kill(fifo) == procalive.kill(fifo, grace=0) == []


def test_kill_sends_term_to_the_holder_and_returns_its_pid(fifo, holder):
    process = holder(fifo)
    assert procalive.kill(fifo) == [process.pid]
    assert process.ended() == -signal.SIGTERM


def test_kill_sends_the_signal_asked_for(fifo, program):
    process = program(TELLING, fifo)
    assert procalive.kill(fifo, signal.SIGUSR1) == [process.pid]
    assert process.heard() == "SIGUSR1"


def test_kill_with_signal_0_only_looks(fifo, program):
    process = program(TELLING, fifo)
    assert procalive.kill(fifo, 0) == [process.pid]
    assert never_signalled(process)


def test_kill_raises_the_oserror_of_a_signal_that_there_is_not(fifo, holder):
    holder(fifo)
    with pytest.raises(OSError, match="Invalid argument") as caught:
        procalive.kill(fifo, 999)
    assert caught.value.errno == errno.EINVAL


def test_kill_signals_the_main_process_and_not_its_child(fifo, program):
    process = program(FAMILY, fifo)
    assert procalive.kill(fifo, signal.SIGUSR1) == [process.pid]
    assert process.heard() == "SIGUSR1"
    assert procalive.kill(fifo, signal.SIGUSR1) == [process.pid]
    assert process.heard() == "SIGUSR1"  # the second of the parent, and none of the child before it


def test_kill_of_all_signals_the_children_too(fifo, program):
    process = program(FAMILY, fifo)
    assert set(procalive.kill(fifo, signal.SIGKILL, all=True)) == {process.pid, int(process.first)}
    eventually(lambda: not procalive.check(fifo))


def test_kill_signals_the_child_where_the_main_process_has_gone(fifo, program):
    process = program(FAMILY, fifo)
    process.kill()
    assert procalive.kill(fifo, signal.SIGKILL) == [int(process.first)]
    eventually(lambda: not procalive.check(fifo))


def test_kill_signals_all_shared_holders(fifo, holder):
    processes = [holder(fifo, "shared") for _ in range(3)]
    assert set(procalive.kill(fifo)) == {process.pid for process in processes}
    assert {process.ended() for process in processes} == {-signal.SIGTERM}


def test_kill_does_not_signal_a_plain_reader_beside_the_lock(fifo, holder, program):
    process = holder(fifo)
    stray = program("fd = reader(); say(fd); order()", fifo)
    assert procalive.kill(fifo, signal.SIGKILL) == [process.pid]
    process.ended()
    assert stray.runs()


def test_kill_signals_the_process_kept_and_neither_keeper_nor_grandchild(fifo, keeper):
    job, pid = keeper(fifo)
    assert procalive.kill(fifo) == [job.pid]
    assert job.wait() == -signal.SIGTERM
    procalive.wait(fifo, pid, timeout=10)


def test_kill_of_all_does_not_signal_the_keeper(fifo, keeper):
    job, pid = keeper(fifo)
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: state(pid) == "T")
    assert procalive.kill(fifo, signal.SIGUSR1, all=True) == [job.pid]
    assert "SigPnd:\t0000000000000000" in proc(f"{pid}/status")
    os.kill(pid, signal.SIGCONT)


def test_kill_ends_a_keeper_that_cannot_let_go_though_its_job_has_ended(fifo, keeper):
    job, pid = keeper(fifo)
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: state(pid) == "T")
    job.kill()
    job.wait()
    assert procalive.kill(fifo, grace=0.1) == [pid]
    assert procalive.check(fifo) is False


def test_kill_of_all_signals_a_job_once_that_holds_beside_its_keeper(fifo, program):
    """As between the start of the keeper and the exec of the command."""
    code = """h = procalive.hold(F); os.pidfd_open(os.getpid())
if not os.fork(): procalive._set_title('keep', F); say('kept')
while True: time.sleep(60)"""
    process = program(TELLS + code, fifo)
    assert procalive.kill(fifo, signal.SIGUSR1, all=True) == [process.pid]
    assert process.heard() == "SIGUSR1"


@needs_root
@pytest.mark.parametrize("all", [False, True])
def test_kill_raises_unseen_where_the_main_process_is_another_users(commons, program, all):
    """A server of root's and its worker, which is all that its user can see."""
    path = f"{commons}/job.fifo"
    code = f"""
h = procalive.hold(F, mode=0o666)
if not os.fork():
    os.set_inheritable(h.fd, True); become({NOBODY}); say(os.getpid()); os.execvp('sleep', ['sleep', '60'])
signal.pause()"""
    process = program(code, path)
    eventually(lambda: proc(f"{process.first}/comm") == "sleep\n")
    line = program(f"become({NOBODY}); outcome(procalive.kill, F, all={all})", path).first
    assert re.match(rf"Unseen .*: held, but by {process.pid} \(.*\), into which you may not look", line)
    assert process.runs()
    assert state(int(process.first)) == "S"


@needs_root
@pytest.mark.parametrize("who", ["", f"become({NOBODY}, effective=0); "], ids=["root", "set-user-ID-program"])
def test_kill_raises_unseen_where_a_keeper_may_not_speak_for_its_job(commons, program, who):
    """As `hold -o` of a set-user-ID program; that its job is the user's is not for root to believe."""
    path = f"{commons}/job.fifo"
    job = program(f"{who}say(0); order()")
    code = f"procalive._set_title('keep', F); h = procalive.hold(F, mode=0o666); os.pidfd_open({job.pid})"
    keeper = program(f"{code}; become({NOBODY}); say(0); order()", path)
    with pytest.raises(procalive.Unseen, match=rf"by keeper {keeper.pid} for a process that .* is not nobody's"):
        procalive.kill(path)
    assert job.runs()
    assert keeper.runs()


@pytest.mark.parametrize("grace", [float("nan"), -1])
def test_kill_refuses_a_grace_that_is_no_time_before_it_signals(fifo, program, grace):
    process = program(TELLING, fifo)
    with pytest.raises(ValueError, match="not a time"):
        procalive.kill(fifo, grace=grace)
    assert never_signalled(process)


@pytest.mark.parametrize("function", [procalive.kill, procalive.holders])
def test_no_descriptor_is_taken_for_a_fifo(fifo, holder, function):
    holder(fifo)
    fd = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    with pytest.raises(TypeError):
        function(fd)
    os.close(fd)


def test_kill_never_signals_the_process_that_calls_it(fifo):
    with procalive.hold(fifo):
        assert procalive.kill(fifo, signal.SIGKILL) == []


@needs_root
def test_kill_raises_permission_error_that_names_the_process_of_another_user(commons, program):
    path = f"{commons}/job.fifo"
    process = program("h = procalive.hold(F, mode=0o666); say(0); order()", path)
    # Its /proc/PID/fd is another user's too: he needs this one right of root, and has no other.
    code = f"""
real = procalive.holders(F)
procalive.holders = lambda path: real
procalive._pidfd_of = lambda holder, watch: watch.keep(os.pidfd_open(holder.pid))
become({NOBODY}); outcome(procalive.kill, F)"""
    line = program(code, path).first
    assert re.match(rf"PermissionError \[Errno 1\] .*\b{process.pid} \(.*'{path}'$", line)
    assert process.runs()


# --- until it is gone ---


def test_kill_with_grace_returns_when_the_holder_ended_by_itself(fifo, holder):
    process = holder(fifo)
    assert procalive.kill(fifo, grace=60) == [process.pid]
    assert procalive.check(fifo) is False
    assert process.ended() == -signal.SIGTERM


def test_kill_with_grace_kills_what_does_not_end(fifo, program):
    process = program(TELLING, fifo)
    assert procalive.kill(fifo, grace=0.2) == [process.pid]
    assert process.ended() == -signal.SIGKILL
    assert procalive.check(fifo) is False


def test_kill_with_grace_kills_the_child_that_the_end_of_the_main_process_leaves(fifo, program):
    process = program(FAMILY, fifo)
    assert procalive.kill(fifo, grace=0.2) == [process.pid, int(process.first)]
    assert procalive.check(fifo) is False


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
@pytest.mark.parametrize("grace", [None, 60])
def test_a_stopped_holder_is_resumed_to_act_on_the_signals_that_ask_it_to_end(fifo, program, sig, grace):
    process = program(f"signal.signal({int(sig)}, signal.SIG_DFL); h = procalive.hold(F); say('held'); order()", fifo)
    process.stop()
    assert procalive.kill(fifo, sig, grace=grace) == [process.pid]
    assert process.ended() == -sig


@pytest.mark.parametrize("sig", [signal.SIGUSR1, signal.SIGHUP])
def test_a_stopped_holder_stays_stopped_after_any_other_signal(fifo, program, sig):
    process = program("signal.signal(signal.SIGHUP, print); h = procalive.hold(F); say('held'); order()", fifo)
    process.stop()
    assert procalive.kill(fifo, sig) == [process.pid]
    assert state(process.pid) == "T"
    assert "ShdPnd:\t0000000000000000" not in proc(f"{process.pid}/status")


def test_with_grace_any_signal_resumes_a_stopped_holder(fifo, program):
    process = program("h = procalive.hold(F); say('held'); order()", fifo)
    process.stop()
    assert procalive.kill(fifo, signal.SIGUSR1, grace=60) == [process.pid]
    assert process.ended() == -signal.SIGUSR1


def test_a_holder_that_ignores_the_signal_is_killed_though_it_is_stopped(fifo, program):
    process = program(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); h = procalive.hold(F); say('held'); order()", fifo
    )
    process.stop()
    assert procalive.kill(fifo, grace=0.1) == [process.pid]
    assert process.ended() == -signal.SIGKILL


def ignores(pid, sig):
    mask = proc(f"{pid}/status").partition("SigIgn:\t")[2][:16]
    return int(mask, 16) >> sig - 1 & 1


def test_kill_with_grace_kills_the_process_kept_and_waits_for_its_keeper(fifo):
    code = "trap '' TERM; while :; do sleep 60; done"
    job = subprocess.Popen([sys.executable, "-ISE", SCRIPT, "hold", "-o", fifo, "sh", "-c", code])
    eventually(lambda: procalive.check(fifo) and procalive.process_name(job.pid) == "sh")
    eventually(lambda: ignores(job.pid, signal.SIGTERM))
    keeper = eventually(lambda: keeper_of(job.pid, fifo))
    sent = procalive.kill(fifo, grace=0.2)
    assert job.wait() == -signal.SIGKILL
    assert procalive.check(fifo) is False
    # A keeper that comes late to let go is what the end of its job leaves holding.
    assert sent in ([job.pid], [job.pid, keeper])


def test_kill_raises_timed_out_where_even_kill_frees_nothing(fifo, keeper):
    _, pid = keeper(fifo)
    os.kill(pid, signal.SIGSTOP)  # the job dies, but its keeper cannot let go
    eventually(lambda: state(pid) == "T")
    with pytest.raises(procalive.TimedOut, match=r"still held by .* after SIGKILL"):
        procalive.kill(fifo, grace=0.1)
    os.kill(pid, signal.SIGCONT)
    procalive.wait(fifo, timeout=10)


HEIR = """
h = procalive.hold(F)
if not os.fork():
    signal.signal(signal.SIGTERM, lambda *_: (say('the heir got SIGTERM'), os._exit(0)))
    say(os.getpid())
    while True: time.sleep(60)
signal.pause()"""


def test_kill_with_grace_gives_the_signal_at_once_to_the_child_that_the_end_of_the_main_process_leaves(fifo, program):
    process = program(HEIR, fifo)
    assert procalive.kill(fifo, grace=60) == [process.pid, int(process.first)]
    assert process.ended() == -signal.SIGTERM
    assert process.heard() == "the heir got SIGTERM"


def test_kill_without_grace_leaves_the_child_alone(fifo, program):
    process = program(HEIR, fifo)
    assert procalive.kill(fifo) == [process.pid]
    assert process.ended() == -signal.SIGTERM
    assert [one.pid for one in procalive.holders(fifo)] == [int(process.first)]


def test_kill_with_grace_signals_no_holder_that_came_after_the_first_signal(fifo, program, background):
    """Shared ones, so that the FIFO is never free in between."""
    code = TELLS + "h = procalive.hold(F, shared=True); say('held')\nwhile order() == 'free': h.release(); say('free')"
    first = program(code, fifo)
    killer = background(procalive.kill, fifo, grace=1)
    assert first.heard() == "SIGTERM"
    later = program(code, fifo)
    with pytest.raises(procalive.TimedOut, match=rf"still held by {later.pid} .* after SIGKILL"):
        killer.result()
    assert first.ended() == -signal.SIGKILL
    assert never_signalled(later)


def test_kill_with_grace_signals_no_plain_reader_that_came_after_the_first_signal(fifo, program, background):
    first = program(TELLING, fifo)
    killer = background(procalive.kill, fifo, grace=1)
    assert first.heard() == "SIGTERM"
    later = program(TELLS + "fd = reader(); say('reads')\nwhile order() == 'free': os.close(fd); say('free')", fifo)
    with pytest.raises(procalive.TimedOut, match=rf"still read by {later.pid} "):
        killer.result()
    assert first.ended() == -signal.SIGKILL
    assert never_signalled(later)


def test_kill_with_grace_returns_at_the_hand_over_and_leaves_the_next_holder_alone(fifo, program, background):
    first = program(TELLS + "h = procalive.hold(F); say('held'); time.sleep(60)", fifo)
    following = background(program, TELLING, fifo)
    killer = background(procalive.kill, fifo, signal.SIGKILL, grace=60)
    assert killer.result() == [first.pid]
    assert never_signalled(following.result())


# --- what happens between the look and the signal ---


LOOK = (procalive, "holders")
PIDFD = (procalive.posix, "pidfd_open")


@pytest.fixture
def at(monkeypatch):
    """at(LOOK or PIDFD, action): run `action` once, just before that step; or just after it."""

    def arrange(step, action, after=False):
        real = getattr(*step)

        def stand_in(*args):
            monkeypatch.setattr(*step, real)
            if not after:
                action()
            result = real(*args)
            if after:
                action()
            return result

        monkeypatch.setattr(*step, stand_in)

    return arrange


def let_go(process):
    process.tell("free")
    assert process.heard() == "free"


# The look finds who holds, then a pidfd is opened, then it is verified that it still does.
MOMENTS = [(LOOK, True), (PIDFD, False), (PIDFD, True)]
every_moment = pytest.mark.parametrize(("step", "after"), MOMENTS, ids=["look", "before-pidfd", "after-pidfd"])


@every_moment
@pytest.mark.parametrize("grace", [None, 5])
def test_a_process_that_let_go_after_the_look_is_not_signalled(fifo, program, at, step, after, grace):
    process = program(TELLING, fifo)
    at(step, lambda: let_go(process), after)
    assert procalive.kill(fifo, grace=grace) == []
    assert never_signalled(process)


WRITES_THEN = (
    TELLS
    + """
h = procalive.hold(F); say('held'); order()
os.dup2(os.open(F, os.O_WRONLY), h.fd); say('free')
while True: order(); say('free')"""
)


@every_moment
def test_a_process_that_has_the_write_end_in_that_place_after_the_look_is_not_signalled(fifo, program, at, step, after):
    process = program(WRITES_THEN, fifo)
    at(step, lambda: let_go(process), after)
    assert procalive.kill(fifo) == []
    assert never_signalled(process)


@every_moment
@pytest.mark.parametrize("grace", [None, 5])
def test_the_next_holder_is_not_signalled_for_the_one_before_it(fifo, program, at, step, after, grace):
    first = program(TELLING, fifo)
    following = []

    def swap():
        first.kill()
        following.append(program(TELLING, fifo))

    at(step, swap, after)
    assert kill_or_unseen(fifo, grace=grace) == []
    assert never_signalled(following[0])


def test_a_holder_that_came_before_the_look_but_after_kill_began_is_not_signalled(fifo, program, at):
    first = program(TELLING, fifo)
    following = []
    at(LOOK, lambda: (first.kill(), following.append(program(TELLING, fifo))))
    assert procalive.kill(fifo, grace=5) == []
    assert never_signalled(following[0])


def test_a_process_that_ends_just_before_its_signal_is_no_error(fifo, holder, at):
    process = holder(fifo)
    at((procalive, "_still_holds"), process.kill, after=True)
    assert procalive.kill(fifo) == []


LAST_PID = "/proc/sys/kernel/ns_last_pid"


def can_choose_pids():
    try:
        with open(LAST_PID, "r+") as file:
            file.write(file.read())
    except OSError:
        return False
    return True


@pytest.fixture
def reuse():
    """reuse(pid): a new process that has this PID, of one reaped just now."""
    if not can_choose_pids():
        pytest.skip(f"needs root and {LAST_PID}")
    victims, others = [], []

    def start(pid):
        for _ in range(200):
            with open(LAST_PID, "w") as file:
                file.write(str(pid - 1))
            process = subprocess.Popen(["sleep", "60"])
            (victims if process.pid == pid else others).append(process)
            if victims:
                return
        pytest.skip("others were quicker, 200 times, to take the PID")

    yield start
    ended = [process for process in victims if process.poll() is not None]
    for process in victims + others:
        process.kill()
        process.wait()
    assert not ended, "the wrong process was signalled"


@every_moment
def test_a_process_that_got_the_holders_pid_is_never_signalled(fifo, holder, at, reuse, step, after):
    process = holder(fifo)
    at(step, lambda: (process.kill(), reuse(process.pid)), after)
    assert procalive.kill(fifo, signal.SIGKILL) == []


@every_moment
def test_a_process_that_got_the_pid_of_a_keepers_job_is_never_signalled(fifo, keeper, at, reuse, step, after):
    job, pid = keeper(fifo)
    os.kill(pid, signal.SIGSTOP)  # it does not get to see that its job is over
    at(step, lambda: (job.kill(), job.wait(), reuse(job.pid)), after)
    assert kill_or_unseen(fifo, signal.SIGKILL) == []
    os.kill(pid, signal.SIGCONT)


def test_a_keeper_that_vanishes_after_the_look_is_no_error_and_leaks_nothing(fifo, keeper, at, monkeypatch):
    job, pid = keeper(fifo)
    real = os.listdir

    def listdir(path):
        if str(path) == f"/proc/{pid}/fd":
            raise FileNotFoundError(errno.ENOENT, "forced", path)
        return real(path)

    at(PIDFD, lambda: monkeypatch.setattr(procalive.posix, "listdir", listdir))
    assert kill_or_unseen(fifo) == []
    assert job.poll() is None


@every_moment
def test_the_job_of_a_keeper_that_ends_after_the_look_is_not_signalled(fifo, keeper, at, step, after):
    job, _ = keeper(fifo)
    at(step, lambda: (job.kill(), job.wait(), procalive.wait(fifo, timeout=10)), after)
    assert procalive.kill(fifo) == []


def test_fifty_kills_leak_no_descriptor(fifo, program):
    process = program(TELLING, fifo)
    for _ in range(50):
        assert procalive.kill(fifo, 0) == [process.pid]
    begin = time.monotonic()
    with pytest.raises(OSError, match="Invalid argument"):
        procalive.kill(fifo, 999, grace=60)
    assert time.monotonic() - begin < 30  # the wrong signal is told before the grace, not after
