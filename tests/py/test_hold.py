"""procalive.hold: one holder at a time, refusals, and what is left behind."""

import errno
import fcntl
import os
import pickle
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest
from support import NOBODY, ROOT, SCRIPT, descriptors, eventually, is_asleep, needs_root

import procalive

pytestmark = pytest.mark.usefixtures("leaks_nothing")


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture(params=[0o000, 0o027, 0o077, 0o777])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


# --- creating ---


@pytest.mark.parametrize("mode", [0o600, 0o622, 0o666, 0o400])
def test_hold_creates_the_fifo_with_exactly_this_mode_whatever_the_umask(fifo, umask, mode):
    with procalive.hold(fifo, mode=mode):
        assert mode_of(fifo) == mode
    assert os.umask(umask) == umask


def test_threads_create_fifos_with_exact_modes_at_once(tmp_path, umask, background):
    modes = {str(tmp_path / f"{mode:o}"): mode for mode in range(0o600, 0o667)}
    start = threading.Barrier(len(modes))
    takers = [background(lambda p=p, m=m: (start.wait(), procalive.hold(p, mode=m))[1]) for p, m in modes.items()]
    for taker in takers:
        taker.result().release()
    assert {path: mode_of(path) for path in modes} == modes
    assert os.umask(umask) == umask


@pytest.mark.parametrize("other", ["file", "fifo in its place"])
def test_hold_gives_its_mode_to_no_file_that_was_moved_onto_the_name(fifo, tmp_path, monkeypatch, other):
    """The interleaving: mkfifo(2), a rename(2) by whoever may write in the directory, chmod(2)."""
    victim = tmp_path / "victim"
    victim.write_text("secret")
    victim.chmod(0o600)
    real = procalive._set_mode

    def moved(path, mode):
        os.rename(path, tmp_path / "aside")
        os.rename(victim, path)
        if other != "file":
            os.rename(path, victim)
            os.rename(tmp_path / "aside", path)
        real(path, mode)

    monkeypatch.setattr(procalive, "_set_mode", moved)
    if other == "file":
        with pytest.raises(procalive.NotAFifo):
            procalive.hold(fifo, mode=0o666)
        victim = tmp_path / "job.fifo"
    else:
        procalive.hold(fifo, mode=0o666).release()
        assert mode_of(fifo) == 0o666
    assert mode_of(victim) == 0o600


def test_hold_makes_the_fifo_anew_where_it_is_removed_before_it_has_its_mode(fifo, monkeypatch):
    real = procalive._set_mode

    def remove(path, mode):
        monkeypatch.setattr(procalive, "_set_mode", real)
        os.unlink(path)
        return real(path, mode)

    monkeypatch.setattr(procalive, "_set_mode", remove)
    with procalive.hold(fifo, mode=0o666):
        assert mode_of(fifo) == 0o666


def test_hold_creates_with_mode_0600_by_default_and_leaves_that_of_an_old_fifo(fifo):
    procalive.hold(fifo).release()
    assert mode_of(fifo) == 0o600
    os.chmod(fifo, 0o644)
    procalive.hold(fifo, mode=0o666).release()
    assert mode_of(fifo) == 0o644


@pytest.mark.parametrize("mode", [600, 0o1777, 0o10000, -1])
def test_hold_refuses_a_mode_that_is_none_and_creates_nothing(fifo, mode):
    with pytest.raises(ValueError, match="not a mode"):
        procalive.hold(fifo, mode=mode)
    assert not os.path.lexists(fifo)


def test_hold_raises_file_not_found_with_its_name_where_the_directory_is_missing(tmp_path):
    path = tmp_path / "missing" / "job.fifo"
    with pytest.raises(FileNotFoundError, match="no such directory") as caught:
        procalive.hold(path)
    assert (caught.value.errno, str(caught.value.filename)) == (errno.ENOENT, str(path))


def test_hold_raises_file_not_found_for_the_empty_name_and_creates_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError):
        procalive.hold("")
    assert not list(tmp_path.iterdir())


def test_hold_takes_bytes_and_paths(tmp_path):
    for path in (tmp_path / "one", os.fsencode(tmp_path / "two"), os.fsencode(tmp_path) + b"/three\xff\n"):
        with procalive.hold(path) as held:
            assert held.path == path
            assert procalive.check(path)


# --- refusing ---


def test_hold_raises_not_a_fifo_for_a_file_a_directory_and_a_device_and_changes_nothing(tmp_path):
    file = tmp_path / "file"
    file.write_text("precious")
    before = file.stat()
    for path in (file, tmp_path, "/dev/null"):
        with pytest.raises(procalive.NotAFifo):
            procalive.hold(path)
    assert (file.stat(), file.read_text()) == (before, "precious")


def test_hold_refuses_a_symlink_even_to_a_good_fifo(fifo):
    os.mkfifo(fifo)
    os.symlink(fifo, fifo + ".link")
    with pytest.raises(procalive.Refused, match="symbolic link"):
        procalive.hold(fifo + ".link")


def test_hold_refuses_a_dangling_symlink_and_does_not_create_its_target(fifo):
    os.symlink(fifo, fifo + ".link")
    with pytest.raises(procalive.Refused):
        procalive.hold(fifo + ".link")
    assert not os.path.exists(fifo)


@needs_root
def test_hold_refuses_a_strangers_fifo_in_a_sticky_directory_of_everybody(commons):
    path = f"{commons}/job.fifo"
    os.mkfifo(path)
    os.chown(path, NOBODY, NOBODY)
    with pytest.raises(procalive.Refused, match="where anybody may create files"):
        procalive.hold(path)
    for mode in (0o755, 0o777, 0o1755):
        os.chmod(commons, mode)
        procalive.hold(path).release()


@needs_root
def test_hold_refuses_a_strangers_fifo_in_a_sticky_root_directory_wherever_it_is_called(commons, program):
    os.mkdir(f"{commons}/sub")
    os.mkfifo(f"{commons}/job.fifo")
    os.chown(f"{commons}/job.fifo", NOBODY, NOBODY)
    process = program("os.chroot(F); os.chdir('/sub'); outcome(procalive.hold, '/job.fifo')", commons)
    assert process.first.startswith("Refused /job.fifo: belongs to user ")


@needs_root
def test_a_user_holds_roots_fifo_and_his_own_in_a_sticky_directory(commons, program):
    os.mkfifo(f"{commons}/roots")
    os.chmod(f"{commons}/roots", 0o644)
    code = "become(65534); outcome(lambda: [procalive.hold(p).release() for p in sys.argv[1:]])"
    assert program(code, f"{commons}/roots", f"{commons}/own").first == "[None, None]"


@needs_root
def test_hold_raises_held_for_one_who_may_read_but_not_write(commons, program):
    path = f"{commons}/job.fifo"
    with procalive.hold(path, mode=0o644):
        assert program("become(65534); outcome(procalive.hold, F)", path).first.startswith("Held ")
        said = program("become(65534); outcome(procalive.hold, F, timeout=60)", path).first
        assert said == f"Refused {path}: held, and to wait for its end takes permission to write to the FIFO"


@needs_root
def test_hold_raises_permission_error_with_errno_and_name_where_it_may_not_read(commons, program):
    path = f"{commons}/job.fifo"
    procalive.hold(path).release()
    line = program("become(65534); outcome(procalive.hold, F)", path).first
    assert line == f"PermissionError [Errno {errno.EACCES}] Permission denied: {path!r}"


# --- excluding ---


def test_hold_raises_held_naming_the_holder(fifo, holder):
    process = holder(fifo)
    with pytest.raises(procalive.Held, match=rf"job.fifo: held by {process.pid} \(.+\) for \d+s") as caught:
        procalive.hold(fifo)
    assert [(one.pid, one.lock) for one in caught.value.holders] == [(process.pid, True)]


def test_hold_raises_held_for_what_the_same_process_holds(fifo):
    with procalive.hold(fifo), pytest.raises(procalive.Held, match=f"held by {os.getpid()} "):
        procalive.hold(fifo)
    procalive.hold(fifo).release()


def test_hold_raises_held_while_a_plain_reader_reads(fifo, program):
    os.mkfifo(fifo)
    process = program("fd = reader(); say(fd); order()", fifo)
    with pytest.raises(procalive.Held, match=rf"read by {process.pid} \(.*\), which does not hold the lock") as caught:
        procalive.hold(fifo)
    assert [(one.pid, one.lock) for one in caught.value.holders] == [(process.pid, False)]


def test_held_is_raised_when_the_timeout_ran_out(fifo, holder):
    holder(fifo)
    with pytest.raises(procalive.Held):
        procalive.hold(fifo, timeout=0.05)


@pytest.mark.parametrize("timeout", [None, 60, float("inf")])
def test_hold_with_a_timeout_sleeps_until_the_holder_ended_and_then_holds(fifo, holder, background, timeout):
    process = holder(fifo)
    taker = background(procalive.hold, fifo, timeout=timeout).asleep()
    process.kill()
    with taker.result():
        assert [one.pid for one in procalive.holders(fifo)] == [os.getpid()]


def test_all_who_wait_in_line_get_their_turn_alone(fifo, background):
    inside = []

    def turn():
        with procalive.hold(fifo, timeout=None) as held:
            inside.append(held)
            assert len(inside) == 1
            inside.remove(held)
            return True

    assert all(one.result() for one in [background(turn) for _ in range(20)])


def test_shared_holders_exclude_an_exclusive_one_until_the_last_has_gone(fifo, holder):
    processes = [holder(fifo, "shared") for _ in range(3)]
    for process in processes:
        with pytest.raises(procalive.Held):
            procalive.hold(fifo)
        process.kill()
    procalive.hold(fifo).release()


def test_an_exclusive_holder_excludes_shared_ones(fifo, holder):
    process = holder(fifo)
    with pytest.raises(procalive.Held):
        procalive.hold(fifo, shared=True)
    process.kill()
    with procalive.hold(fifo, shared=True), procalive.hold(fifo, shared=True):
        assert procalive.check(fifo)


def test_a_shared_contender_waits_for_an_exclusive_holder(fifo, holder, background):
    process = holder(fifo)
    takers = [background(procalive.hold, fifo, shared=True, timeout=None).asleep() for _ in range(3)]
    process.kill()
    for taker in takers:
        taker.result().release()


CONTENDER = """
for _ in range(50):
    with procalive.hold(F, timeout=None):
        os.close(os.open(F + ".marker", os.O_CREAT | os.O_EXCL))  # fails where another is inside
        os.unlink(F + ".marker")
say("alone 50 times")
"""


def test_four_processes_take_it_fifty_times_each_and_never_meet(fifo, program):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        contenders = list(pool.map(lambda _: program(CONTENDER, fifo), range(4)))
    assert {one.first for one in contenders} == {"alone 50 times"}


# --- what somebody else does at the critical moment ---


@pytest.mark.parametrize("critical", ["_open_read_end", "_flock"])
def test_hold_starts_over_where_the_fifo_is_replaced_under_its_hands(fifo, monkeypatch, critical):
    procalive.hold(fifo).release()
    real = getattr(procalive, critical)

    def swap(*args):
        monkeypatch.setattr(procalive, critical, real)
        os.rename(fifo, fifo + ".old")
        os.mkfifo(fifo)
        return real(*args)

    monkeypatch.setattr(procalive, critical, swap)
    with procalive.hold(fifo) as held:
        assert os.path.samestat(os.fstat(held.fd), os.stat(fifo))
        assert not procalive.check(fifo + ".old")


@pytest.mark.parametrize("critical", ["_open_read_end", "_flock"])
def test_hold_makes_the_fifo_anew_where_it_is_removed_under_its_hands(fifo, monkeypatch, critical):
    procalive.hold(fifo).release()
    real = getattr(procalive, critical)

    def remove(*args):
        monkeypatch.setattr(procalive, critical, real)
        os.unlink(fifo)
        return real(*args)

    monkeypatch.setattr(procalive, critical, remove)
    with procalive.hold(fifo) as held:
        assert os.path.samestat(os.fstat(held.fd), os.stat(fifo))


def test_hold_raises_not_a_fifo_where_a_file_comes_in_its_place_under_its_hands(fifo, monkeypatch):
    procalive.hold(fifo).release()
    real = procalive._open_read_end

    def swap(*args):
        os.unlink(fifo)
        os.close(os.open(fifo, os.O_CREAT | os.O_EXCL))
        return real(*args)

    monkeypatch.setattr(procalive, "_open_read_end", swap)
    with pytest.raises(procalive.NotAFifo):
        procalive.hold(fifo)


def test_hold_raises_the_oserror_with_its_name_where_no_lock_can_be_had(fifo, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "forced")

    monkeypatch.setattr(procalive.fcntl, "flock", flock)
    with pytest.raises(OSError, match="forced") as caught:
        procalive.hold(fifo)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOLCK, fifo)


def test_hold_does_not_follow_a_symlink_that_is_put_in_place_under_its_hands(fifo, monkeypatch):
    procalive.hold(fifo).release()
    real = procalive._open_read_end

    def swap(*args):
        os.rename(fifo, fifo + ".old")
        os.symlink(fifo + ".old", fifo)
        return real(*args)

    monkeypatch.setattr(procalive, "_open_read_end", swap)
    with pytest.raises(OSError, match="symbolic link"):
        procalive.hold(fifo)


WATCHER = "w = os.open(F, os.O_WRONLY); say('watches'); order(); fcntl.flock(w, fcntl.LOCK_EX); say('locked'); order()"


def test_hold_raises_obstructed_with_the_pid_of_a_watcher_that_took_the_lock(fifo, program):
    with procalive.hold(fifo):
        watcher = program(WATCHER, fifo)
    watcher.tell()
    assert watcher.heard() == "locked"
    with pytest.raises(procalive.Obstructed, match=rf"locked by {watcher.pid} \(.+\), which does not read") as caught:
        procalive.hold(fifo, timeout=60)
    assert caught.value.pid == watcher.pid
    watcher.kill()
    procalive.hold(fifo).release()


@needs_root
def test_obstructed_has_no_pid_where_the_process_cannot_be_seen(public, program):
    with procalive.hold(public):
        watcher = program(WATCHER, public)
    watcher.tell()
    watcher.heard()
    code = f"""become({NOBODY})
try: procalive.hold(F, timeout=60)
except procalive.Obstructed as error: say(error.pid, error)"""
    said = program(code, public).first
    assert said.startswith(f"None {public}: locked by a process that cannot be seen, which does not read it")


TAKES_TURNS = """
for _ in range(400):
    with procalive.hold(F, timeout=None): pass
say('never obstructed')
"""
THREADS_TAKE_TURNS = """
failed = []
def turns():
    try:
        for _ in range(150):
            with procalive.hold(F, timeout=None, shared=shared): pass
    except Exception as error: failed.append(repr(error))
for shared in (False, True):
    threads = [threading.Thread(target=turns) for _ in range(6)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
say(failed)
"""


def test_threads_that_take_turns_never_hear_of_an_obstruction(fifo, program):
    assert program(THREADS_TAKE_TURNS, fifo).first == "[]"


def test_processes_that_take_turns_beside_those_that_only_try_never_hear_of_an_obstruction(fifo, program, background):
    takers = [background(program, TAKES_TURNS, fifo) for _ in range(3)]
    while not all(taker.returned() for taker in takers):
        try:
            procalive.hold(fifo).release()
        except procalive.Held:
            pass
    assert {taker.result().first for taker in takers} == {"never obstructed"}


@pytest.fixture
def others(fifo, monkeypatch):
    """others("comes and goes", "stays"): what another holder does just before each of our next tries for the lock."""
    staying = []

    def arrange(*manners):
        left, real = list(manners), procalive.fcntl.flock

        def meet(fd, how):
            if not left or not stat.S_ISFIFO(os.fstat(fd).st_mode):
                return real(fd, how)
            other = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
            real(other, fcntl.LOCK_EX)
            try:
                return real(fd, how)
            finally:
                staying.append(other) if left.pop(0) == "stays" else os.close(other)

        monkeypatch.setattr(procalive.fcntl, "flock", meet)

    yield arrange
    for fd in staying:
        os.close(fd)


POSIX_LOCKER = """
r = os.open(F, os.O_RDWR); w = os.open(F, os.O_WRONLY); os.close(r)
fcntl.lockf(w, fcntl.LOCK_EX); say('locked'); order()"""


def test_a_holder_that_comes_and_goes_under_its_hands_is_no_obstruction(fifo, others, program):
    os.mkfifo(fifo)
    program(POSIX_LOCKER, fifo)  # another matter, which the kernel tells of in the same place
    others(*["comes and goes"] * 20)
    procalive.hold(fifo).release()


def test_a_holder_that_comes_after_one_that_went_under_its_hands_is_named_as_holder(fifo, others):
    os.mkfifo(fifo)
    others("comes and goes", "stays")
    with pytest.raises(procalive.Held) as caught:
        procalive.hold(fifo)
    assert f"held by {os.getpid()} " in str(caught.value)


def test_hold_takes_the_new_fifo_where_one_whose_lock_was_taken_is_replaced(fifo, program, monkeypatch):
    with procalive.hold(fifo):
        watcher = program(WATCHER, fifo)
    watcher.tell()
    assert watcher.heard() == "locked"
    real = fcntl.flock

    def swap(*args):
        monkeypatch.setattr(procalive.fcntl, "flock", real)
        os.rename(fifo, fifo + ".old")
        os.mkfifo(fifo)
        return real(*args)

    monkeypatch.setattr(procalive.fcntl, "flock", swap)
    with procalive.hold(fifo) as held:
        assert os.path.samestat(os.fstat(held.fd), os.stat(fifo))


def test_a_watcher_that_took_the_lock_beside_a_living_reader_makes_it_held_not_obstructed(fifo, program):
    os.mkfifo(fifo)
    program("fd = reader(); say(fd); order()", fifo)
    watcher = program(WATCHER, fifo)
    watcher.tell()
    watcher.heard()
    with pytest.raises(procalive.Held):
        procalive.hold(fifo)


def test_hold_raises_emfile_with_the_name_and_holds_nothing_where_descriptors_ran_out(fifo, program):
    code = "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3)); outcome(procalive.hold, F); order()"
    assert program(code, fifo).first == f"OSError [Errno {errno.EMFILE}] Too many open files: {fifo!r}"
    assert not procalive.check(fifo)


# --- holding ---


def test_holds_of_several_fifos_nest(tmp_path):
    paths = [tmp_path / str(number) for number in range(5)]
    with procalive.hold(paths[0]), procalive.hold(paths[1]):
        with procalive.hold(paths[2]):
            assert [procalive.check(path) for path in paths] == [True, True, True, False, False]
        assert not procalive.check(paths[2])
    assert not any(map(procalive.check, paths))


def test_the_descriptor_is_close_on_exec_so_a_child_that_execs_does_not_hold(fifo, program):
    code = "h = procalive.hold(F); p = subprocess.Popen(['sleep', '60'], close_fds=False); say(p.pid); order()"
    process = program(code, fifo)
    process.kill()
    assert os.path.exists(f"/proc/{process.first}")
    assert procalive.check(fifo) is False


def test_a_forked_child_that_does_not_exec_keeps_the_lock_too(fifo, program):
    process = program("h = procalive.hold(F)\nif os.fork(): say(0); order()\nelse: time.sleep(60)", fifo)
    child = next(one.pid for one in procalive.holders(fifo) if one.pid != process.pid)
    process.kill()
    with pytest.raises(procalive.Held, match=f"held by {child} "):
        procalive.hold(fifo)
    os.kill(child, signal.SIGKILL)
    procalive.hold(fifo, timeout=None).release()


def test_release_lets_go_by_closing_and_may_be_called_twice(fifo):
    held = procalive.hold(fifo)
    fd = held.fd
    held.release()
    held.release()
    assert held.fd == -1
    assert not procalive.check(fifo)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_release_by_hand_leaves_alone_what_has_the_number_since(fifo):
    with procalive.hold(fifo) as held:
        held.release()
        other = os.open(os.devnull, os.O_RDONLY)
    os.close(other)


def test_what_was_released_cannot_be_entered(fifo):
    held = procalive.hold(fifo)
    held.release()
    with pytest.raises(ValueError, match="was released"), held:
        pass
    assert not procalive.check(fifo)


def test_an_exception_inside_lets_go(fifo):
    with pytest.raises(ZeroDivisionError), procalive.hold(fifo):
        _ = 1 / 0
    assert not procalive.check(fifo)


def test_hold_beats_once_at_its_start(fifo):
    os.mkfifo(fifo)
    os.utime(fifo, (1000, 1000))
    with procalive.hold(fifo):
        assert procalive.check(fifo, max_age=3600) is True


def test_hold_locks_the_very_descriptor_that_reads(fifo, program):
    with procalive.hold(fifo) as held:
        assert fcntl.fcntl(held.fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        assert not os.get_inheritable(held.fd)
        code = "outcome(fcntl.flock, reader(), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        assert program(code, fifo).first.startswith("BlockingIOError")


# --- the holder link ---


def test_the_holder_link_leads_to_the_fifo_while_it_is_held_and_no_longer(fifo, holder):
    process = holder(fifo)
    assert os.readlink(fifo + ".holder").startswith(f"/proc/{process.pid}/fd/")
    assert os.path.samefile(fifo + ".holder", fifo)
    process.kill()
    assert not os.path.exists(fifo + ".holder")


def test_a_new_holder_replaces_the_link_and_one_that_a_killed_holder_left_half_made(fifo, holder):
    for name in ("job.fifo.holder", "job.fifo.holder.new"):
        os.symlink("/proc/1/fd/0", os.path.join(os.path.dirname(fifo), name))
    process = holder(fifo)
    assert os.readlink(fifo + ".holder").startswith(f"/proc/{process.pid}/fd/")
    assert not os.path.lexists(fifo + ".holder.new")


@pytest.mark.parametrize("name", [".holder", ".holder.new"])
def test_a_file_of_somebody_that_has_the_links_name_is_left_alone(fifo, name):
    with open(fifo + name, "w") as file:
        file.write("precious")
    procalive.hold(fifo).release()
    with open(fifo + name) as file:
        assert file.read() == "precious"


@needs_root
def test_a_link_that_cannot_be_left_is_no_error(commons, public, program):
    os.chmod(commons, 0o755)
    process = program("become(65534); h = procalive.hold(F); say('held'); order()", public)
    assert process.first == "held"
    assert not os.path.lexists(public + ".holder")
    assert procalive.check(public)


def test_hold_and_its_refusals_leave_the_signals_of_the_program_alone(fifo):
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    with procalive.hold(fifo), pytest.raises(procalive.Held):
        procalive.hold(fifo, timeout=0.01)
    assert [signal.getsignal(number) for number in signal.valid_signals()] == handlers


def test_fifty_holds_and_fifty_refusals_leak_no_descriptor(fifo):
    for _ in range(50):
        with procalive.hold(fifo), pytest.raises(procalive.Held):
            procalive.hold(fifo)
    eventually(lambda: not procalive.check(fifo))


# --- interrupted ---

INTERRUPTED = """
class Stop(Exception): pass
def interrupt(number, function, *args, **options):
    '''Raise just before or after its call of that number, where a signal handler could; what it returned or None.'''
    left = [number]
    def hook(frame, event, _):
        if event in ('call', 'c_call', 'c_return') and frame.f_code is not interrupt.__code__:
            left[0] -= 1
            if not left[0]:
                sys.setprofile(None)
                raise Stop
    sys.setprofile(hook)
    try: return function(*args, **options)
    except Stop: return None
    finally: sys.setprofile(None)
def leads():
    '''The descriptors that read F.'''
    return {name for name in os.listdir('/proc/self/fd') if os.path.realpath(f'/proc/self/fd/{name}') == F
            and not fcntl.fcntl(int(name), fcntl.F_GETFL) & (os.O_PATH | os.O_WRONLY)}
procalive.deleted_holders = lambda path: []  # a look through all of /proc, which opens nothing of ours
left, number = [], 0
while True:
    number += 1
    taken = interrupt(number, HOW)
    if taken: break
    if leads() or procalive.check(F) or os.path.lexists(F + '.holder'): left.append(number)
    for name in leads(): os.close(int(name))
    AFTER
say(left, number > 40, taken.path == F)
"""


@pytest.mark.parametrize("how", ["procalive.hold, F", "procalive.hold, F, shared=True", "procalive.hold_any, [F]"])
@pytest.mark.parametrize("after", ["pass", "os.path.exists(F) and os.unlink(F)"], ids=["FIFO is there", "is made"])
def test_an_exception_out_of_a_signal_handler_leaves_nothing_held_wherever_it_comes(fifo, program, how, after):
    os.mkfifo(fifo)
    assert program(INTERRUPTED.replace("HOW", how).replace("AFTER", after), fifo).first == "[] True True"


@pytest.mark.parametrize("how", ["hold(F", "hold_any([F, F + '.other']"])
def test_an_exception_out_of_a_signal_handler_ends_a_wait_for_the_holder_and_leaves_nothing(fifo, holder, program, how):
    holder(fifo)
    code = f"""
with procalive.hold(F + '.other'):
    before = os.listdir('/proc/self/fd'); say('waits')
    try: procalive.{how}, timeout=None)
    except KeyboardInterrupt: say(os.listdir('/proc/self/fd') == before)"""
    process = program(code, fifo)
    eventually(lambda: is_asleep(process.pid))
    process.send(signal.SIGINT)
    assert process.heard() == "True"


# --- the holder link of a process that let go ---


def test_release_removes_the_link_of_its_own_hold(fifo):
    with procalive.hold(fifo) as held:
        assert os.readlink(fifo + ".holder") == f"/proc/{os.getpid()}/fd/{held.fd}"
    assert not os.path.lexists(fifo + ".holder")


def test_release_leaves_the_link_of_another_holder(fifo, holder):
    first = procalive.hold(fifo, shared=True)
    process = holder(fifo, "shared")
    link = os.readlink(fifo + ".holder")
    first.release()
    assert os.readlink(fifo + ".holder") == link
    assert link.startswith(f"/proc/{process.pid}/fd/")


def test_no_link_leads_to_a_write_end_that_has_the_number_of_a_former_hold(fifo, program):
    process = program("h = procalive.hold(F); fd = h.fd; say(fd); order(); h.release(); say(fd); order()", fifo)
    process.tell()
    process.heard()
    with procalive.hold(fifo):
        os.unlink(fifo + ".holder")
        watcher = program("w = os.open(F, os.O_WRONLY); say(w); order()", fifo)
    assert procalive.check(fifo) is False
    assert not os.path.lexists(fifo + ".holder")
    assert watcher.runs()


def test_a_wait_has_its_write_ends_at_even_numbers_from_700_up(fifo, background):
    with procalive.hold(fifo):
        waiter = background(procalive.wait, fifo).asleep()
        numbers = [fd for fd, name in descriptors().items() if name == fifo]
        writing = [fd for fd in numbers if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY]
    assert waiter.result()
    assert writing
    assert all(fd >= 700 and fd % 2 == 0 for fd in writing)


# --- rules on a conflict ---


def test_replace_ends_the_holder_with_sigterm_and_holds(fifo, holder):
    process = holder(fifo)
    with procalive.hold(fifo, replace=60) as held:
        assert [one.pid for one in procalive.holders(fifo)] == [os.getpid()]
        assert held.fd >= 0
    assert process.ended() == -signal.SIGTERM


def test_replace_ends_with_sigkill_what_does_not_end_in_that_time(fifo, program):
    process = program(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); h = procalive.hold(F); say('held'); order()", fifo
    )
    with procalive.hold(fifo, replace=0.1):
        assert process.ended() == -signal.SIGKILL


def test_replace_of_what_nobody_holds_just_holds(fifo):
    procalive.hold(fifo, replace=60).release()


def test_replace_ends_all_shared_holders(fifo, holder):
    processes = [holder(fifo, "shared") for _ in range(3)]
    procalive.hold(fifo, replace=60).release()
    assert {process.ended() for process in processes} == {-signal.SIGTERM}


def test_replace_signals_nobody_where_somebody_waits_already(fifo, holder, background):
    process = holder(fifo)
    waiter = background(procalive.hold, fifo, timeout=None).asleep()
    with pytest.raises(procalive.Held):
        procalive.hold(fifo, replace=0)
    assert process.runs()
    process.kill()
    waiter.result().release()


def test_replace_signals_one_generation_and_no_second(fifo, program):
    first = program("h = procalive.hold(F); say('held'); time.sleep(60)", fifo)
    code = """
say('comes')
while True:
    try: h = procalive.hold(F); break
    except procalive.Held: pass
say('held'); order()"""
    second = program(code, fifo)
    try:
        procalive.hold(fifo, replace=60).release()
    except procalive.Held as held:
        assert [one.pid for one in held.holders] == [second.pid]  # noqa: PT017
    assert first.ended() == -signal.SIGTERM
    assert second.heard() == "held"
    assert second.runs()


@needs_root
def test_replace_signals_none_where_one_of_them_may_not_be_signalled(public, program):
    roots = program("h = procalive.hold(F, shared=True); say('held'); order()", public)
    own = program(f"become({NOBODY}); h = procalive.hold(F, shared=True); say('held'); order()", public)
    line = program(f"become({NOBODY}); outcome(procalive.hold, F, replace=0)", public).first
    assert line.split()[0] in ("PermissionError", "Unseen")
    assert roots.runs()
    assert own.runs()


def test_replace_does_not_signal_a_process_that_locks_without_reading(fifo, program):
    with procalive.hold(fifo):
        watcher = program(WATCHER, fifo)
    watcher.tell()
    watcher.heard()
    with pytest.raises(procalive.Obstructed):
        procalive.hold(fifo, replace=0)
    assert watcher.runs()


CHILD = """
import sys; sys.path.insert(0, sys.argv[1]); import procalive
tries = [lambda more=more: procalive.hold(sys.argv[2], **more) for more in ({}, {'replace': 0}, {'timeout': 200})]
for attempt in [*tries, lambda: procalive.hold_any(sys.argv[2:], timeout=200)]:
    try: attempt()
    except procalive.Held as held: print(held, flush=True)
"""
ANCESTOR = """
h = procalive.hold(F); os.set_inheritable(h.fd, True)
p = subprocess.Popen([sys.executable, '-ISE', '-c', sys.argv[2], sys.path[0], F], stdout=subprocess.PIPE, text=True)
for _ in '1234': say(p.stdout.readline().strip().partition(': ')[2])
p.communicate(); order()"""


def test_a_living_ancestor_is_no_holder_to_wait_for_or_to_replace(fifo, program):
    process = program(ANCESTOR, fifo, CHILD)
    said = [process.first, process.heard(), process.heard(), process.heard()]
    assert said[0].startswith(f"held by {process.pid} (")
    assert said[1] == said[2] == said[3]
    assert said[2].startswith(f"held by your own ancestor {process.pid} (")
    assert process.runs()


def test_max_age_raises_stale_where_the_holder_has_missed_its_beat_and_held_where_not(fifo, old_holder):
    process = old_holder(fifo)
    with pytest.raises(procalive.Held):
        procalive.hold(fifo, max_age=100)
    os.utime(fifo, (time.time() - 5000,) * 2)
    with pytest.raises(procalive.Stale, match="alive, but no beat for 1h23m"):
        procalive.hold(fifo, max_age=100)
    assert process.runs()


def test_max_age_raises_stale_as_soon_as_the_holder_misses_its_beat_during_the_wait(fifo, old_holder):
    old_holder(fifo)
    os.utime(fifo, (time.time() - 99.5,) * 2)
    with pytest.raises(procalive.Stale):
        procalive.hold(fifo, timeout=None, max_age=100)


def test_max_age_raises_stale_where_the_beat_is_missed_just_before_the_wait_begins(fifo, old_holder, monkeypatch):
    old_holder(fifo)
    real = procalive._take_ticket
    missed = lambda *args: (os.utime(fifo, (time.time() - 5000,) * 2), real(*args))[1]  # noqa: E731
    monkeypatch.setattr(procalive, "_take_ticket", missed)
    with pytest.raises(procalive.Stale):
        procalive.hold(fifo, timeout=20, max_age=100)


@pytest.mark.parametrize(("beat", "young"), [(-5000, False), (5000, True), (-5000, True)])
def test_max_age_raises_held_for_a_young_holder_and_for_a_beat_that_lies_ahead(fifo, holder, old_holder, beat, young):
    (holder if young else old_holder)(fifo)
    os.utime(fifo, (time.time() - beat,) * 2)
    with pytest.raises(procalive.Held):
        procalive.hold(fifo, max_age=3600)


def test_with_max_age_only_an_overdue_holder_is_replaced(fifo, old_holder):
    process = old_holder(fifo)
    for beat in (0, -5000):
        os.utime(fifo, (time.time() - beat,) * 2)
        with pytest.raises(procalive.Held):
            procalive.hold(fifo, max_age=100, replace=60)
        assert process.runs()
    os.utime(fifo, (time.time() - 5000,) * 2)
    procalive.hold(fifo, max_age=100, replace=60).release()
    assert process.ended() == -signal.SIGTERM


def test_next_waits_only_where_nobody_waits_already(fifo, holder, background):
    process = holder(fifo)
    waiter = background(procalive.hold, fifo, timeout=None, next=True).asleep()
    for _ in range(2):
        with pytest.raises(procalive.Held, match=f"held by {process.pid} "):
            procalive.hold(fifo, timeout=60, next=True)
    process.kill()
    waiter.result().release()


def test_next_sees_those_who_wait_without_it_and_is_seen_by_the_command_line(fifo, holder, background):
    process = holder(fifo)
    waiter = background(procalive.hold, fifo, timeout=None).asleep()
    with pytest.raises(procalive.Held):
        procalive.hold(fifo, timeout=60, next=True)
    command = [sys.executable, "-ISE", SCRIPT, "hold", "-q", "-w60", "--next", fifo, "true"]
    assert subprocess.run(command, check=False).returncode == 75
    process.kill()
    waiter.result().release()


# --- one of several ---


def test_hold_any_takes_the_first_that_is_free_in_the_order_given(tmp_path):
    paths = [str(tmp_path / name) for name in "cab"]
    with procalive.hold_any(paths) as one, procalive.hold_any(paths) as two, procalive.hold_any(iter(paths)) as three:
        assert [one.path, two.path, three.path] == paths
        with pytest.raises(procalive.Held) as caught:
            procalive.hold_any(paths)
        assert caught.value.path == paths[0]
        two.release()
        with procalive.hold_any(paths, timeout=60) as four:
            assert four.path == paths[1]


def test_hold_any_sleeps_until_one_of_them_is_free(tmp_path, holder, background):
    paths = [str(tmp_path / name) for name in "abc"]
    processes = [holder(path) for path in paths]
    taker = background(procalive.hold_any, paths, timeout=None).asleep()
    processes[1].kill()
    with taker.result() as taken:
        assert taken.path == paths[1]
        assert os.readlink(f"{paths[1]}.holder") == f"/proc/{os.getpid()}/fd/{taken.fd}"


def test_hold_any_raises_held_when_its_time_ran_out(tmp_path, holder):
    paths = [str(tmp_path / name) for name in "ab"]
    for path in paths:
        holder(path)
    with pytest.raises(procalive.Held):
        procalive.hold_any(paths, timeout=0.05)


@pytest.mark.parametrize("times", [2, 3])
def test_hold_any_refuses_one_fifo_under_two_names(fifo, times):
    os.mkfifo(fifo)
    os.link(fifo, fifo + ".too")
    for paths in ([fifo] * times, [fifo, fifo + ".too"], [fifo + ".missing"] * times):
        with pytest.raises(ValueError, match="are one FIFO"):
            procalive.hold_any(paths)
    assert procalive.check(fifo) is False


def test_hold_any_of_nothing_is_a_value_error():
    with pytest.raises(ValueError, match="no FIFO is named"):
        procalive.hold_any([])


def test_hold_any_passes_over_what_cannot_be_held_while_one_can(fifo, tmp_path, holder):
    file = tmp_path / "file"
    file.write_text("precious")
    paths = [str(file), str(tmp_path / "missing" / "job.fifo"), fifo]
    with procalive.hold_any(paths) as held:
        assert held.path == fifo
    process = holder(fifo)
    with pytest.raises(procalive.Held):
        procalive.hold_any(paths)
    process.kill()
    with pytest.raises(procalive.NotAFifo):
        procalive.hold_any(paths[:2])
    assert file.read_text() == "precious"


def test_hold_any_shares(tmp_path, holder):
    path = str(tmp_path / "a")
    holder(path, "shared")
    with procalive.hold_any([path], shared=True) as held:
        assert held.path == path


def test_hold_any_has_no_more_than_n_at_once_on_n_fifos(tmp_path, background):
    paths, inside, seen = [str(tmp_path / name) for name in "abc"], [], []

    def turn():
        with procalive.hold_any(paths, timeout=None) as held:
            inside.append(held)
            seen.append(len(inside))
            time.sleep(0.01)  # this is the work
            inside.remove(held)
        return True

    assert all(one.result() for one in [background(turn) for _ in range(15)])
    assert max(seen) <= 3


# --- Held: who holds, when that is asked for ---


def test_held_looks_for_the_holders_when_they_are_asked_for_and_once(fifo, holder, monkeypatch):
    process, looks, real = holder(fifo), [], procalive.posix.listdir
    monkeypatch.setattr(procalive.posix, "listdir", lambda path: (looks.append(path), real(path))[1])
    with pytest.raises(procalive.Held) as caught:
        procalive.hold(fifo)
    assert looks == []
    assert [one.pid for one in caught.value.holders] == [process.pid]
    assert looks
    looks.clear()
    assert f"held by {process.pid} " in str(caught.value)
    assert [one.pid for one in caught.value.holders] == [process.pid]
    assert "/proc" not in looks


def test_held_says_so_where_the_holder_has_let_go_before_it_was_asked_for(fifo, holder):
    process = holder(fifo)
    with pytest.raises(procalive.Held) as caught:
        procalive.hold(fifo)
    process.kill()
    assert caught.value.holders == []
    assert str(caught.value) == f"{fifo}: held a moment ago, by a process that has let go since"


def test_held_is_pickled_as_it_is_here_and_now(fifo, holder):
    process = holder(fifo)
    with pytest.raises(procalive.Held) as caught:
        procalive.hold(fifo)
    pickled = pickle.dumps(caught.value)
    process.kill()
    other = pickle.loads(pickled)
    assert f"held by {process.pid} " in str(other)
    assert [one.pid for one in other.holders] == [process.pid]


def test_a_refused_hold_makes_few_system_calls_however_many_processes_there_are(fifo, holder):
    """Counted: no look through /proc, which would be some hundreds."""
    holder(fifo)
    count = f"""
import sys; sys.path.insert(0, {ROOT!r}); import os, procalive
os.write(2, b'begin')
for _ in range(10):
    try: procalive.hold({fifo!r})
    except procalive.Held: pass
os.write(2, b'end')
with procalive.hold({fifo!r} + '.free'): pass
os.write(2, b'begin')
for _ in range(10):
    with procalive.hold({fifo!r} + '.free'): pass
os.write(2, b'end')"""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    command = ["strace", "-qq", "-o", f"{fifo}.trace", sys.executable, "-ISE", "-c", count]
    if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("strace cannot trace here")
    with open(f"{fifo}.trace") as file:
        refused, free = (
            part.split('write(2, "end"')[0].count("\n") for part in file.read().split('write(2, "begin"')[1:]
        )
    assert 10 < refused <= 3 * free
