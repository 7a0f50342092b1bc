"""procalive.holders: who reads the FIFO, as /proc tells."""

import errno
import os
import pickle
import pwd
import shutil
import signal
import subprocess
import sys
import time

import pytest
from support import NOBODY, eventually, needs_root

import procalive

pytestmark = pytest.mark.usefixtures("leaks_nothing")


def readers(path):
    return {(one.pid, one.lock) for one in procalive.holders(path)}


def test_holders_is_empty_for_what_nobody_holds_and_for_what_is_missing(fifo):
    assert procalive.holders(fifo) == []
    os.mkfifo(fifo)
    assert procalive.holders(fifo) == []


def test_holders_tells_all_about_a_holder(fifo, holder):
    begin = time.time()
    process = holder(fifo)
    (one,) = procalive.holders(fifo)
    assert (one.fifo, one.pid, one.uid, one.lock, one.keeps) == (fifo, process.pid, os.geteuid(), True, None)
    assert one.user == pwd.getpwuid(os.geteuid()).pw_name
    assert begin - 0.1 <= one.since <= time.time()
    assert (one.command[0], one.command[-1]) == (sys.executable, fifo)
    assert os.path.samefile(f"/proc/{one.pid}/fd/{one.fd}", fifo)


def test_as_dict_has_what_the_json_lines_have_in_their_order(fifo):
    with procalive.hold(os.fsencode(fifo)) as held:
        (one,) = procalive.holders(os.fsencode(fifo))
    names = ["fifo", "pid", "fd", "uid", "user", "since", "lock", "keeps", "command"]
    assert list(one.as_dict()) == names
    assert (one.as_dict()["fifo"], one.pid, held.path) == (fifo, os.getpid(), os.fsencode(fifo))
    assert str(one.as_dict()) in repr(one)


def test_holders_tells_the_own_process(fifo):
    with procalive.hold(fifo) as held:
        assert [(one.pid, one.fd, one.lock) for one in procalive.holders(fifo)] == [(os.getpid(), held.fd, True)]


def test_holders_tells_all_shared_ones(fifo, holder):
    processes = [holder(fifo, "shared") for _ in range(4)]
    assert readers(fifo) == {(process.pid, True) for process in processes}


@pytest.mark.parametrize("flags", ["O_RDONLY | os.O_NONBLOCK", "O_RDWR"])
def test_a_plain_reader_is_told_from_the_lock(fifo, holder, program, flags):
    process = holder(fifo)
    stray = program(f"fd = os.open(F, os.{flags}); say(fd); order()", fifo)
    assert readers(fifo) == {(process.pid, True), (stray.pid, False)}


@pytest.mark.parametrize("flags", ["O_WRONLY", "O_PATH"])
def test_a_descriptor_that_does_not_read_is_nobodys_hold(fifo, holder, program, flags):
    process = holder(fifo)
    program(f"fd = os.open(F, os.{flags}); say(fd); order()", fifo)
    assert readers(fifo) == {(process.pid, True)}


def test_a_posix_lock_of_a_plain_reader_is_not_taken_for_the_hold(fifo, holder, program):
    process = holder(fifo)
    stray = program("fcntl.lockf(reader(), fcntl.LOCK_SH | fcntl.LOCK_NB); say(0); order()", fifo)
    assert readers(fifo) == {(process.pid, True), (stray.pid, False)}


def test_a_forked_child_is_a_holder_too_but_not_the_main_one(fifo, program):
    process = program("h = procalive.hold(F)\nif os.fork(): say(0)\norder()", fifo)
    found = procalive.holders(fifo)
    assert len(found) == 2
    assert [one.pid for one in procalive.mains(found)] == [process.pid]


def test_the_lock_is_found_beside_a_second_descriptor_of_the_same_process(fifo, program):
    process = program("h = procalive.hold(F); fd = reader(); say(fd); order()", fifo)
    program("fd = reader(); say(fd); order()", fifo)
    assert {one.pid for one in procalive.mains(procalive.holders(fifo))} == {process.pid}


def test_holders_finds_one_among_thousands_of_descriptors(fifo, program):
    code = """
resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1:] * 2)
many = [os.open(os.devnull, os.O_RDONLY) for _ in range(min(5000, os.sysconf('SC_OPEN_MAX') - 50))]
h = procalive.hold(F); say(h.fd); order()"""
    process = program(code, fifo)
    assert [(one.pid, str(one.fd)) for one in procalive.holders(fifo)] == [(process.pid, process.first)]


def test_a_keeper_is_shown_with_the_process_that_it_keeps(fifo, keeper):
    job, pid = keeper(fifo)
    (one,) = procalive.holders(fifo)
    assert (one.pid, one.keeps, one.lock) == (pid, job.pid, True)
    assert one.command[:2] == ["procalive", "keep"]
    with pytest.raises(procalive.Held, match=rf"held by {job.pid} \(sleep\) for"):
        procalive.hold(fifo)


# --- processes that vanish ---


@pytest.mark.parametrize("name", ["_open_files", "_inode_behind", "_read_status", "_read_start", "_read_command"])
def test_a_process_that_ends_while_proc_is_read_is_no_error(fifo, holder, monkeypatch, name):
    process, other = holder(fifo, "shared"), holder(fifo, "shared")
    real = getattr(procalive, name)

    def end(pid, *rest):
        if int(pid) == process.pid:
            process.kill()
        return real(pid, *rest)

    monkeypatch.setattr(procalive, name, end)
    assert readers(fifo) == {(other.pid, True)}


@pytest.mark.parametrize("name", ["status", "stat"])
def test_a_process_that_ends_between_open_and_read_in_proc_is_no_error(fifo, holder, monkeypatch, name):
    """These give ESRCH then, and not ENOENT."""
    process, other = holder(fifo, "shared"), holder(fifo, "shared")

    def read(file):
        with open(f"/proc/{file}", "rb", buffering=0) as opened:
            if file == f"{process.pid}/{name}":
                process.kill()
            return opened.read()

    monkeypatch.setattr(procalive, "_read_proc", read)
    assert readers(fifo) == {(other.pid, True)}


@pytest.mark.parametrize("call", ["listdir", "stat"])
def test_a_want_of_memory_or_descriptors_is_told_and_not_taken_for_no_hold(fifo, holder, monkeypatch, call):
    process, real = holder(fifo, "shared"), getattr(os, call)
    holder(fifo, "shared")

    def fail(path):
        if str(path).startswith(f"/proc/{process.pid}/fd"):
            raise OSError(errno.ENOMEM, "forced", path)
        return real(path)

    monkeypatch.setattr(procalive.posix, call, fail)
    with pytest.raises(OSError, match="forced"):
        procalive.holders(fifo)


def test_holders_is_empty_where_the_only_one_ends_while_proc_is_read(fifo, holder, monkeypatch):
    process, real = holder(fifo), procalive._read_status
    monkeypatch.setattr(procalive, "_read_status", lambda pid: (process.kill(), real(pid))[1])
    assert procalive.holders(fifo) == []


@pytest.mark.parametrize("misses", [1, 3])
def test_a_holder_that_a_few_looks_just_missed_is_found_by_the_next(fifo, holder, monkeypatch, misses):
    """A look at /proc takes its time: a hand-over, as to a keeper, can be ahead of it."""
    process, real = holder(fifo), procalive._processes
    looks = iter(range(100))
    monkeypatch.setattr(procalive, "_processes", lambda: [] if next(looks) < misses else real())
    assert readers(fifo) == {(process.pid, True)}


def test_holders_is_never_an_error_while_processes_come_and_go(fifo, holder, program):
    process = holder(fifo)
    for _ in range(3):
        program("say(0)\nfor _ in range(200): subprocess.run(['true'])")
    for _ in range(30):
        assert readers(fifo) == {(process.pid, True)}


# --- what cannot be told ---


@needs_root
def test_holders_raises_unseen_where_another_users_process_holds(public, holder, program):
    holder(public)
    line = program("become(65534); outcome(procalive.holders, F)", public).first
    assert line.startswith(f"Unseen {public}: held, but by no process that you may see")


@needs_root
def test_held_has_no_holders_where_none_can_be_seen(public, holder, program):
    holder(public)
    line = program("become(65534); outcome(procalive.hold, F)", public).first
    assert line == f"Held {public}: held by a process that you may not see"


def test_holders_raises_not_a_fifo_and_oserrors(tmp_path):
    with pytest.raises(procalive.NotAFifo):
        procalive.holders(tmp_path)
    with pytest.raises(OSError, match="File name too long"):
        procalive.holders("n" * 256)
    with pytest.raises(FileNotFoundError):
        procalive.holders("")


def test_the_user_is_a_number_where_the_database_has_no_name():
    assert procalive.user_name(2**31 - 5) == str(2**31 - 5)


# --- posing as a keeper ---

POSER = """
procalive._set_title('keep', F)
h = procalive.hold(F, mode=0o666)
pidfd = os.pidfd_open(int(sys.argv[2]))
become({}); say('poses'); order()"""


@needs_root
@pytest.mark.parametrize("who", [f"{NOBODY}", f"{NOBODY}, effective=0"], ids=["user", "set-user-ID-program-of-a-user"])
def test_who_poses_as_a_keeper_of_roots_process_is_not_believed(fifo, program, who):
    victim = program("say(0); order()")
    poser = program(POSER.format(who), fifo, victim.pid)
    (one,) = procalive.holders(fifo)
    assert (one.pid, one.keeps) == (poser.pid, None)
    try:  # who says to be a keeper is not signalled himself
        assert procalive.kill(fifo, signal.SIGKILL) == []
    except procalive.Unseen:
        pass
    assert victim.runs()


@needs_root
def test_a_users_keeper_of_his_own_process_is_believed(commons, program):
    path = f"{commons}/job.fifo"
    job = program("become(65534); say(0); order()")
    program(POSER.format(NOBODY), path, job.pid)
    assert [one.keeps for one in procalive.holders(path)] == [job.pid]


def test_a_reader_that_only_calls_itself_keep_keeps_nobody(fifo):
    shell = shutil.which("sh")
    script = f"exec 3<>'{fifo}'; echo ready; read _"
    os.mkfifo(fifo)
    process = subprocess.Popen(
        ["procalive", "-c", script], executable=shell, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdout.readline()
    assert [(one.pid, one.keeps) for one in procalive.holders(fifo)] == [(process.pid, None)]
    process.communicate(b"\n")


@needs_root
def test_ones_own_keeper_is_believed_whosever_its_job_has_become(commons, program):
    """As under `hold -o` of a set-user-ID program: he may signal it, or hears that he may not."""
    path = f"{commons}/job.fifo"
    job = program("say(0); order()")
    looker = f"become({NOBODY}); (one,) = procalive.holders(F); say(one.keeps); order()"
    code = f"procalive._set_title('keep', F); h = procalive.hold(F, mode=0o666); os.pidfd_open({job.pid})"
    keeper = program(f"{code}; {looker}", path)
    assert keeper.first == str(job.pid)


def test_holders_can_be_pickled(fifo):
    with procalive.hold(fifo):
        (one,) = procalive.holders(fifo)
    assert pickle.loads(pickle.dumps(one)).as_dict() == one.as_dict()


def test_fifty_looks_leak_no_descriptor(fifo, holder):
    process = holder(fifo)
    for _ in range(50):
        assert readers(fifo) == {(process.pid, True)}
    process.kill()
    eventually(lambda: procalive.holders(fifo) == [])
