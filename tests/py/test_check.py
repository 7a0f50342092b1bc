"""procalive.check: True and False are proofs, everything else is an exception."""

import errno
import os
import pathlib
import signal
import socket
import time

import pytest
from support import eventually, needs_root

import procalive

pytestmark = pytest.mark.usefixtures("leaks_nothing")


def beat(path, age):
    os.utime(path, (time.time() - age,) * 2)


def test_check_is_true_while_a_process_holds_and_false_once_it_let_go(fifo, holder):
    process = holder(fifo)
    assert procalive.check(fifo) is True
    process.tell()
    process.ended()
    assert procalive.check(fifo) is False


def test_check_is_false_after_kill_9(fifo, holder):
    process = holder(fifo)
    process.kill()
    assert procalive.check(fifo) is False


def test_check_is_true_while_the_holder_is_stopped(fifo, holder):
    holder(fifo).stop()
    assert procalive.check(fifo) is True


def test_check_is_true_until_the_last_forked_child_of_a_dead_holder_ended(fifo, program):
    process = program("h = procalive.hold(F)\nif os.fork(): say(0); order()\nelse: time.sleep(60)", fifo)
    child = next(one.pid for one in procalive.holders(fifo) if one.pid != process.pid)
    process.kill()
    assert procalive.check(fifo) is True
    os.kill(child, signal.SIGKILL)
    eventually(lambda: procalive.check(fifo) is False)


@pytest.mark.parametrize("flags", ["O_RDONLY", "O_RDWR"])
def test_check_is_true_for_a_reader_that_has_no_lock(fifo, program, flags):
    os.mkfifo(fifo)
    process = program(f"fd = os.open(F, os.{flags} | os.O_NONBLOCK); say(fd); order()", fifo)
    assert procalive.check(fifo) is True
    process.kill()
    assert procalive.check(fifo) is False


def test_check_is_false_while_others_have_only_the_write_end_or_the_path_open(fifo, holder, program):
    process = holder(fifo)
    program("w = os.open(F, os.O_WRONLY); p = os.open(F, os.O_PATH); say(w); order()", fifo)
    process.kill()
    assert procalive.check(fifo) is False


@pytest.mark.parametrize("name", ["missing", "missing/job.fifo"])
def test_check_is_false_for_what_is_missing_and_creates_nothing(tmp_path, name):
    assert procalive.check(tmp_path / name) is False
    assert not list(tmp_path.iterdir())


def test_check_takes_str_bytes_and_path_and_follows_links(fifo):
    link = pathlib.Path(fifo + ".link")
    link.symlink_to(fifo)
    with procalive.hold(fifo):
        assert all(map(procalive.check, (fifo, os.fsencode(fifo), pathlib.Path(fifo), link)))


def test_check_leaves_mode_and_times_of_the_fifo_alone(fifo):
    with procalive.hold(fifo):
        beat(fifo, 1000)
        before = os.stat(fifo)
        procalive.check(fifo)
        procalive.check(fifo, max_age=5000)
        assert os.stat(fifo) == before


def test_check_raises_not_a_fifo_for_a_file_and_leaves_it_as_it_is(tmp_path):
    file = tmp_path / "file"
    file.write_text("precious")
    with pytest.raises(procalive.NotAFifo, match="file: not a FIFO"):
        procalive.check(file)
    assert file.read_text() == "precious"


@pytest.mark.parametrize("path", ["/", "/dev/null", "/proc/self/status"])
def test_check_raises_not_a_fifo_or_an_oserror_for_what_else_the_system_has(path):
    with pytest.raises((procalive.NotAFifo, PermissionError)):
        procalive.check(path)


def test_check_raises_not_a_fifo_for_a_socket_which_gives_enxio_too(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        with pytest.raises(procalive.NotAFifo):
            procalive.check(tmp_path / "socket")


def test_check_is_false_where_the_fifo_is_removed_under_its_hands(fifo, monkeypatch):
    os.mkfifo(fifo)
    real = procalive._prove_dead
    monkeypatch.setattr(procalive, "_prove_dead", lambda path: (os.unlink(path), real(path)))
    assert procalive.check(fifo) is False


@pytest.mark.parametrize(
    ("name", "number"),
    [("loop", errno.ELOOP), ("n" * 256, errno.ENAMETOOLONG), ("file/job.fifo", errno.ENOTDIR), ("", errno.ENOENT)],
)
def test_check_raises_the_oserror_with_errno_and_filename_where_it_cannot_tell(tmp_path, monkeypatch, name, number):
    monkeypatch.chdir(tmp_path)
    os.symlink("loop", "loop")
    open("file", "w").close()
    with pytest.raises(OSError) as caught:  # noqa: PT011
        procalive.check(name)
    assert (caught.value.errno, caught.value.filename) == (number, name)


@needs_root
def test_check_raises_permission_error_where_another_user_may_not_write(commons, program):
    path = f"{commons}/job.fifo"
    with procalive.hold(path):
        assert program(f"become(65534); outcome(procalive.check, {path!r})").first.startswith(
            "PermissionError [Errno 13]"
        )


@needs_root
def test_check_needs_nothing_but_the_right_to_write(commons, program):
    path = f"{commons}/job.fifo"
    with procalive.hold(path, mode=0o622):
        assert program(f"become(65534); outcome(procalive.check, {path!r})").first == "True"


def test_check_with_max_age_is_true_while_the_beat_is_young_enough(fifo):
    with procalive.hold(fifo):
        assert procalive.check(fifo, max_age=60) is True


def test_check_with_max_age_raises_stale_with_the_age_of_an_old_beat(fifo, old_holder):
    old_holder(fifo)
    beat(fifo, 11525)
    with pytest.raises(procalive.Stale, match="alive, but no beat for 3h12m") as caught:
        procalive.check(fifo, max_age=60)
    assert 11525 <= caught.value.age < 11585
    assert procalive.check(fifo, max_age=11585) is True


@pytest.mark.parametrize("age", [11525, -11525])
def test_a_holder_that_started_less_than_max_age_ago_is_well_whatever_the_clock_says(fifo, holder, age):
    holder(fifo)
    beat(fifo, age)
    assert procalive.check(fifo, max_age=3600) is True


def test_check_with_max_age_raises_future_beat_where_the_beat_lies_ahead(fifo, old_holder):
    old_holder(fifo)
    beat(fifo, -11525)
    with pytest.raises(procalive.FutureBeat, match="the last beat is 3h12m in the future") as caught:
        procalive.check(fifo, max_age=60)
    assert 11465 < caught.value.ahead <= 11525
    assert not isinstance(caught.value, procalive.Stale)


def test_a_beat_of_another_clock_of_the_same_host_a_moment_ahead_is_no_future_beat(fifo, old_holder):
    old_holder(fifo)
    beat(fifo, -0.9)
    assert procalive.check(fifo, max_age=60) is True


def test_check_without_max_age_does_not_mind_the_beat(fifo, holder):
    holder(fifo)
    for age in (11525, -11525):
        beat(fifo, age)
        assert procalive.check(fifo) is True


def test_beat_problem_returns_what_check_raises_and_none_where_all_is_well(fifo, old_holder):
    assert procalive.beat_problem(fifo, 60) is None
    old_holder(fifo)
    for age, problem in ((100, procalive.Stale), (-100, procalive.FutureBeat), (0, type(None))):
        beat(fifo, age)
        assert type(procalive.beat_problem(fifo, 60)) is problem


def test_check_with_max_age_is_false_for_a_dead_fifo_however_old(fifo):
    os.mkfifo(fifo)
    beat(fifo, 1000)
    assert procalive.check(fifo, max_age=1) is False


def test_a_touch_makes_a_stale_holder_well_again(fifo, old_holder):
    old_holder(fifo)
    beat(fifo, 1000)
    with pytest.raises(procalive.Stale):
        procalive.check(fifo, max_age=500)
    os.utime(fifo)
    assert procalive.beat_problem(fifo, 500) is None


def test_a_thousand_checks_send_a_waiter_nothing(fifo, background):
    with procalive.hold(fifo):
        waiter = background(procalive.wait, fifo).asleep()
        assert all(procalive.check(fifo) for _ in range(1000))
        assert not waiter.returned()
    assert waiter.result() == {fifo: None}
