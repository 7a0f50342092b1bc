"""A FIFO that was deleted under its holder: the next hold that would have to make it notices."""

import os
import shutil
import subprocess
import time

import pytest
from support import NOBODY, eventually, needs_root, proc

import procalive

pytestmark = pytest.mark.usefixtures("leaks_nothing")
HELD_AS_A_JOB = """
h = procalive.hold(F); os.set_inheritable(h.fd, True); os.environ['PROCALIVE_FIFO'] = F
os.execvp('sh', ['sh', '-c', 'echo held; read _'])
"""


def refused(path):
    """Who holds the deleted one; nothing is made."""
    with pytest.raises(procalive.Held, match=r"held by .*, whose FIFO was deleted$") as caught:
        procalive.hold(path)
    assert not os.path.lexists(path)
    return [one.pid for one in caught.value.holders]


def test_hold_is_refused_while_the_holder_of_a_deleted_fifo_lives_and_makes_nothing(fifo, holder):
    process = holder(fifo)
    os.unlink(fifo)
    assert refused(fifo) == [process.pid]
    assert [one.pid for one in procalive.deleted_holders(fifo)] == [process.pid]
    process.kill()
    assert procalive.deleted_holders(fifo) == []
    procalive.hold(fifo).release()


def test_hold_waits_for_the_holder_of_a_deleted_fifo_and_then_makes_it(fifo, holder, background):
    process = holder(fifo)
    os.unlink(fifo)
    taker = background(procalive.hold, fifo, timeout=60).asleep()
    assert not os.path.lexists(fifo)
    process.kill()
    with taker.result():
        assert procalive.check(fifo)


def test_hold_with_replace_never_signals_the_holder_of_a_deleted_fifo(fifo, holder):
    process = holder(fifo)
    os.unlink(fifo)
    with pytest.raises(procalive.Held, match="whose FIFO was deleted"):
        procalive.hold(fifo, replace=0)
    assert process.runs()


def test_hold_any_passes_over_a_name_whose_fifo_was_deleted_under_its_holder(fifo, tmp_path, holder):
    holder(fifo)
    os.unlink(fifo)
    with procalive.hold_any([fifo, tmp_path / "other"]) as held:
        assert held.path == tmp_path / "other"


def test_hold_any_says_who_holds_where_the_only_fifo_was_deleted(fifo, holder):
    process = holder(fifo)
    os.unlink(fifo)
    with pytest.raises(procalive.Held, match=rf"held by {process.pid} .*, whose FIFO was deleted$"):
        procalive.hold_any([fifo])


def test_hold_any_sleeps_until_the_holder_of_a_deleted_fifo_has_ended(fifo, holder, background):
    process = holder(fifo)
    os.unlink(fifo)
    taker = background(procalive.hold_any, [fifo], timeout=60).asleep()
    before = proc(f"self/task/{taker.native_id}/status").partition("ctxt_switches")[2]
    time.sleep(0.3)  # what is watched is that nothing happens
    assert proc(f"self/task/{taker.native_id}/status").partition("ctxt_switches")[2] == before
    process.kill()
    with taker.result():
        assert procalive.check(fifo)


def test_the_directory_may_be_reached_by_a_link(fifo, tmp_path, holder):
    process = holder(fifo)
    os.symlink(tmp_path, tmp_path / "link")
    os.unlink(fifo)
    assert refused(str(tmp_path / "link" / "job.fifo")) == [process.pid]


def test_a_relative_name_finds_it_too(fifo, holder, monkeypatch, tmp_path):
    process = holder(fifo)
    os.unlink(fifo)
    monkeypatch.chdir(tmp_path)
    assert refused("job.fifo") == [process.pid]


def test_a_job_is_found_though_its_directory_was_removed_and_made_again(tmp_path, program):
    path = str(tmp_path / "run" / "job.fifo")
    os.mkdir(tmp_path / "run")
    process = program(HELD_AS_A_JOB, path)
    assert process.first == "held"
    shutil.rmtree(tmp_path / "run")
    os.mkdir(tmp_path / "run")
    assert refused(path) == [process.pid]


def test_a_fifo_of_the_same_name_elsewhere_or_renamed_or_without_the_lock_is_another_matter(tmp_path, holder, program):
    (tmp_path / "other").mkdir()
    path = str(tmp_path / "job.fifo")
    for elsewhere in (str(tmp_path / "other" / "job.fifo"), str(tmp_path / "job.fifo2")):
        holder(elsewhere)
        os.unlink(elsewhere)
    os.mkfifo(path)
    program("fd = reader(); say(fd); order()", path)
    os.unlink(path)
    assert procalive.deleted_holders(path) == []
    process = holder(path)
    os.rename(path, path + ".aside")
    assert procalive.deleted_holders(path) == []
    procalive.hold(path).release()
    assert process.runs()


def test_a_second_name_of_the_fifo_keeps_it_from_being_a_deleted_one(fifo, holder):
    holder(fifo)
    os.link(fifo, fifo + ".too")
    os.unlink(fifo)
    assert procalive.deleted_holders(fifo) == []


@needs_root
def test_a_user_does_not_mind_a_strangers_deleted_fifo_and_root_does_not_mind_a_users(commons, program):
    os.chmod(commons, 0o777)
    path = f"{commons}/job.fifo"
    program(f"become({NOBODY}); h = procalive.hold(F); say('held'); order()", path)
    os.unlink(path)
    assert procalive.deleted_holders(path) == []
    process = program(f"become({NOBODY - 1}); outcome(procalive.deleted_holders, F)", path)
    assert process.first == "[]"


@needs_root
def test_root_finds_its_own_and_a_user_cannot_see_it(commons, program):
    path = f"{commons}/job.fifo"
    process = program("h = procalive.hold(F); say('held'); order()", path)
    os.unlink(path)
    assert [one.pid for one in procalive.deleted_holders(path)] == [process.pid]


def unshared(*options):
    """Whether unshare(1) can make such namespaces here."""
    return (
        shutil.which("unshare")
        and not subprocess.run(["unshare", *options, "true"], capture_output=True, check=False).returncode
    )


@pytest.fixture
def in_namespace():
    """in_namespace(options, script, *args): the process of a shell in these namespaces, once it has said a line."""
    started = []

    def start(options, script, *args):
        if not unshared(*options):
            pytest.skip(f"needs unshare {' '.join(options)}")
        command = ["unshare", *options, "sh", "-c", script, "sh", *args]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.communicate("\n")


# It mounts a tmpfs of its own over the directory, holds there, and removes the FIFO.
ELSEWHERE = """
mount -t tmpfs none "$1" && cd "$1" && mkfifo job.fifo && exec 3<>job.fifo && flock -n 3 && rm job.fifo || exit
export PROCALIVE_FIFO="$1/job.fifo"
exec sh -c 'echo held; read _'
"""


@needs_root
def test_a_holder_in_another_mount_namespace_has_a_directory_of_its_own_by_that_name(tmp_path, in_namespace):
    in_namespace(["-m"], ELSEWHERE, str(tmp_path))
    assert procalive.deleted_holders(tmp_path / "job.fifo") == []
    procalive.hold(tmp_path / "job.fifo").release()


@needs_root
def test_root_is_not_fooled_by_a_user_in_a_user_namespace_of_his_own(commons, program):
    """There he is root, and mounts what he likes; his FIFO is his own here all the same."""
    os.mkdir(f"{commons}/run")
    os.chmod(f"{commons}/run", 0o755)
    code = f"""
become({NOBODY}); r = subprocess.run(['unshare', '-Urm', 'true']).returncode
if r: say('cannot'); sys.exit()
command, pipe = ['unshare', '-Urm', 'sh', '-c', sys.argv[2], 'sh', F], subprocess.PIPE
p = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
say(p.stdout.readline().strip()); order(); p.communicate()"""
    process = program(code, f"{commons}/run", ELSEWHERE)
    if process.first != "held":
        pytest.skip("needs user namespaces")
    assert procalive.deleted_holders(f"{commons}/run/job.fifo") == []
    procalive.hold(f"{commons}/run/job.fifo").release()


def test_a_fifo_made_anew_after_a_deleted_one_ended_is_held_by_one_alone(fifo, holder):
    process = holder(fifo)
    os.unlink(fifo)
    process.kill()
    with procalive.hold(fifo):
        eventually(lambda: procalive.deleted_holders(fifo) == [])
        with pytest.raises(procalive.Held):
            procalive.hold(fifo)
