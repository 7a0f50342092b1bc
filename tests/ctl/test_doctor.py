"""doctor: each thing that can be wrong, made wrong."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import threading
from pathlib import Path

import pytest
from conftest import CTL, PROCALIVE, TOP, ctl, end, invoke, unprivileged, until

import procalive
from procalivectl import access, doctor, host, places, survey, words


def levels(path: Path) -> dict[str, str]:
    """What doctor says of the FIFO: the finding and its level."""
    return {finding.what: finding.level for finding in doctor.examine(str(path))}


def level(path: Path, words: str) -> str:
    found = [how for what, how in levels(path).items() if words in what]
    assert len(found) == 1, levels(path)
    return found[0]


EVERYBODY = "everybody may hold it, and so keep the job from running"


@pytest.fixture
def fifo(place) -> Path:
    os.mkfifo(place / "job", 0o600)
    return place / "job"


@pytest.fixture
def let_go(spawn):
    """Start a job under `procalive hold` that closes the descriptor."""

    def start(path: Path) -> subprocess.Popen:
        script = 'eval "exec $PROCALIVE_FD<&-"; exec sleep 600'
        job = spawn(PROCALIVE, "hold", str(path), "bash", "-c", script)
        until(lambda: Path(f"/proc/{job.pid}/comm").read_text() == "sleep\n", "the job past its exec")
        return job

    return start


@pytest.fixture
def sound(monkeypatch):
    """A host on which nothing is wrong, whatever this one is."""
    monkeypatch.setattr(doctor, "examine_host", list)
    monkeypatch.setattr(places, "examine", lambda _path: iter(()))


@pytest.mark.usefixtures("sound")
def test_a_healthy_held_fifo_is_status_0(place, hold):
    hold(place / "job")
    status, out = invoke("doctor", str(place / "job"))
    assert (status, "ok: held by" in out, "wrong" in out) == (0, True, False)


@pytest.mark.usefixtures("sound")
def test_a_free_fifo_whose_holder_link_dangles_is_status_0(place, hold):
    end(hold(place / "job"))
    assert invoke("doctor", str(place / "job"))[0] == 0
    assert level(place / "job", "link dangles") == "ok"


@pytest.mark.usefixtures("sound")
def test_json_is_one_object_a_finding(fifo):
    status, out = invoke("doctor", "--json", str(fifo))
    found = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert {one["fifo"] for one in found} == {str(fifo)}
    assert (found[0]["name"], found[0]["what"]) == ("free", "held by nobody")
    assert {tuple(one) for one in found} == {("fifo", "level", "name", "what", "advice")}


@pytest.mark.usefixtures("sound")
def test_what_is_no_fifo_is_a_finding_and_status_1(place):
    (place / "file").touch()
    status, out = invoke("doctor", str(place / "file"))
    assert (status, "not a FIFO but a regular file" in out) == (1, True)


@pytest.mark.usefixtures("sound")
def test_what_cannot_be_looked_at_is_status_2(place):
    (place / "loop").symlink_to("loop")
    status, out = invoke("doctor", str(place / "loop"), str(place / "none"))
    assert (status, "cannot tell: Too many levels" in out) == (2, True)


@pytest.mark.usefixtures("sound")
def test_an_empty_name_is_status_2():
    status, out = invoke("doctor", "--json", "")
    assert (status, json.loads(out)["fifo"]) == (2, "")


@pytest.mark.usefixtures("sound")
def test_a_working_directory_that_was_removed_is_status_2(place, monkeypatch):
    (place / "gone").mkdir()
    monkeypatch.chdir(place / "gone")
    (place / "gone").rmdir()
    assert invoke("doctor", "job")[0] == 2


def test_a_missing_directory_is_a_finding(place):
    assert level(place / "none/job", "directory") == "wrong"
    assert level(place / "job", "missing: held by nobody") == "note"


def test_a_reader_without_the_lock_is_a_finding(fifo):
    fd = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    assert level(fifo, "without the lock") == "wrong"
    os.close(fd)


def test_a_reader_beside_the_holder_is_a_finding(place, hold):
    hold(place / "job")
    fd = os.open(place / "job", os.O_RDONLY | os.O_NONBLOCK)
    assert level(place / "job", "also read, without the lock") == "wrong"
    os.close(fd)


def test_a_lock_without_a_reader_is_a_finding(fifo):
    fd = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    writer = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    os.close(fd)
    fcntl.flock(writer, fcntl.LOCK_EX)
    assert level(fifo, "nobody can hold it") == "wrong"
    os.close(writer)


def test_a_fifo_that_was_unlinked_while_held_is_a_finding(place, hold):
    hold(place / "job")
    os.unlink(place / "job")
    assert level(place / "job", "that was unlinked: it cannot be seen") == "wrong"
    os.mkfifo(place / "job")
    assert level(place / "job", "two holders may run") == "wrong"


def test_a_job_that_closed_its_descriptor_is_a_finding(place, let_go):
    job = let_go(place / "job")
    assert level(place / "job", f"though {job.pid} (sleep) was started to hold it") == "wrong"


def test_a_job_that_closed_its_descriptor_is_found_by_any_spelling_of_the_path(place, let_go):
    (place / "run").mkdir()
    (place / "var").symlink_to("run")
    job = let_go(place / "var/job")
    for directory in ("var", "run"):
        assert level(place / directory / "job", f"though {job.pid} (sleep) was started to hold it") == "wrong"


def test_without_a_holder_link_the_environment_tells_who_let_go(place, let_go):
    job = let_go(place / "job")
    os.unlink(place / "job.holder")
    assert level(place / "job", f"though {job.pid} (sleep) was started to hold it") == "wrong"


@pytest.mark.parametrize("options", [(), ("-o",)])
@pytest.mark.parametrize("linked", [True, False])
def test_who_holds_an_older_fifo_of_the_name_has_closed_nothing(place, hold, options, linked):
    hold(place / "job", options=options)
    os.unlink(place / "job")
    if not linked:
        os.unlink(place / "job.holder")
    os.mkfifo(place / "job")
    assert level(place / "job", "two holders may run") == "wrong"
    assert not [what for what in levels(place / "job") if "descriptor was closed" in what]


def test_the_job_of_a_keeper_that_holds_an_older_fifo_was_not_left_behind(place, hold):
    hold(place / "job", options=("-o",))
    os.rename(place / "job", place / "old")
    os.mkfifo(place / "job")
    assert level(place / "job", "holds an older FIFO of this name") == "wrong"
    assert not [what for what in levels(place / "job") if "goes on" in what]


def test_a_child_that_has_closed_its_descriptor_is_no_finding_while_the_job_holds(place, hold):
    script = 'eval "sleep 600 $PROCALIVE_FD<&- &"; echo $!; exec sleep 600'
    job = hold(place / "job", "bash", "-c", script, stdout=subprocess.PIPE)
    child = int(job.stdout.readline())
    try:
        until(lambda: procalive.process_name(child) == "sleep", "the child past its exec")
        os.unlink(place / "job.holder")
        assert not [what for what in levels(place / "job") if "by nobody" in what]
    finally:
        os.kill(child, signal.SIGKILL)


def test_who_holds_a_fifo_that_was_renamed_has_closed_nothing(place, hold):
    hold(place / "job")
    os.rename(place / "job", place / "old")
    os.mkfifo(place / "job")
    assert level(place / "job", "holds an older FIFO of this name") == "wrong"
    assert not [what for what in levels(place / "job") if "descriptor was closed" in what]


def test_a_job_whose_keeper_was_killed_is_not_told_to_use_hold_o(place, hold):
    job = hold(place / "job", options=("-o",))
    os.kill(procalive.holders(place / "job")[0].pid, signal.SIGKILL)
    until(lambda: not procalive.check(place / "job"), "the end of the keeper")
    assert level(place / "job", f"though {job.pid} (sleep)") == "note"


@pytest.mark.parametrize("options", [(), ("-o",)])
def test_a_daemon_that_an_ended_job_left_behind_is_a_note(place, hold, options):
    script = 'eval "sleep 600 ${PROCALIVE_FD:-9}<&- &"; echo $!; exec sleep 600'
    job = hold(place / "job", "bash", "-c", script, options=options, stdout=subprocess.PIPE)
    daemon = int(job.stdout.readline())
    try:
        until(lambda: procalive.process_name(daemon) == "sleep", "the daemon past its exec")
        end(job)
        until(lambda: not procalive.check(place / "job"), "the end of the job")
        assert level(place / "job", f"though {daemon} (sleep)") == "note"
    finally:
        os.kill(daemon, signal.SIGKILL)


def test_a_holder_link_into_another_users_process_is_not_said_to_dangle(place, hold):
    os.chmod(place, 0o755)
    hold(place / "job")
    with unprivileged():
        assert not [what for what in levels(place / "job") if "dangles" in what]


def test_a_file_in_the_place_of_the_holder_link_is_a_finding(fifo):
    (fifo.parent / "job.holder").touch()
    assert level(fifo, "is not a link") == "wrong"


def test_a_dangling_link_of_a_held_fifo_is_a_finding(place, hold):
    hold(place / "job")
    os.unlink(place / "job.holder")
    os.symlink("/proc/0/fd/0", place / "job.holder")
    assert level(place / "job", "dangles though the FIFO is held") == "note"


def test_a_symbolic_link_to_the_fifo_is_a_finding(fifo):
    (fifo.parent / "link").symlink_to("job")
    assert level(fifo.parent / "link", "a symbolic link") == "wrong"


def test_a_symbolic_link_to_nothing_is_a_finding(place):
    (place / "link").symlink_to("none")
    assert level(place / "link", "can be checked but not held") == "wrong"
    assert not [what for what in levels(place / "link") if "missing" in what]


def test_a_mode_that_lets_everybody_hold_is_a_finding(fifo):
    os.chmod(fifo.parent, 0o755)
    assert EVERYBODY not in levels(fifo)
    os.chmod(fifo, 0o644)
    assert levels(fifo)[EVERYBODY] == "warning"


def test_everybody_is_nobody_else_where_the_directory_lets_none_in(fifo):
    os.chmod(fifo, 0o644)
    assert EVERYBODY not in levels(fifo)
    assert list(access.who_may(str(fifo), os.stat(fifo)))[-1] == f"of these only those whom {fifo.parent} lets in"


@pytest.mark.parametrize(("mode", "closed"), [(0o711, False), (0o744, True)])
def test_a_directory_is_closed_to_those_who_may_not_search_it(fifo, mode, closed):
    os.chmod(fifo.parent, mode)
    assert access.closed_directory(str(fifo)) == (str(fifo.parent) if closed else None)


def test_a_fifo_that_hold_would_refuse_is_a_finding(fifo):
    if os.geteuid():
        pytest.skip("a FIFO of another user's: takes root")
    os.chmod(fifo.parent, 0o1777)
    assert not [what for what in levels(fifo) if "refuses it" in what]
    os.chown(fifo, 65534, 65534)
    assert level(fifo, "procalive hold refuses it to you") == "wrong"
    assert subprocess.run([PROCALIVE, "hold", fifo, "true"], check=False, capture_output=True).returncode == 125


def test_the_mode_tells_who_may_check_and_hold(fifo):
    os.chmod(fifo.parent, 0o755)
    os.chmod(fifo, 0o620)
    clauses = list(access.who_may(str(fifo), os.stat(fifo)))
    assert clauses[0].endswith("may check and hold")
    assert clauses[1].endswith("may check, but not hold")
    assert len(clauses) == 2


def test_no_mode_keeps_root_out(fifo):
    os.chmod(fifo, 0)
    clause = next(access.who_may(str(fifo), os.stat(fifo)))
    assert clause.endswith("may do neither" if os.geteuid() else "root may check and hold")


def test_an_acl_is_told_within_its_mask(fifo, monkeypatch):
    monkeypatch.setattr(access, "_acl", lambda _path: [(2, 6, 65533), (4, 0, 0), (16, 2, 0)])
    assert "65533 (ACL) may check, but not hold" in list(access.who_may(str(fifo), os.stat(fifo)))


def test_an_acl_of_the_kernel_is_read(fifo):
    owner, user, group, mask, other = (1, 6, -1), (2, 2, 65533), (4, 0, -1), (16, 2, -1), (32, 0, -1)
    entries = b"".join(struct.pack("<HHi", *entry) for entry in (owner, user, group, mask, other))
    try:
        os.setxattr(fifo, access._ACL, struct.pack("<I", 2) + entries)
    except OSError as error:
        pytest.skip(f"ACLs on this file system: {error.strerror}")
    assert "65533 (ACL) may check, but not hold" in list(access.who_may(str(fifo), os.stat(fifo)))


def test_one_who_may_not_check_is_told(place):
    os.chmod(place, 0o755)
    os.mkfifo(place / "job", 0)
    with unprivileged():
        found = doctor.examine(str(place / "job"))
    owner = procalive.user_name(os.geteuid())
    assert ("cannot tell", f"Permission denied: it is {owner}'s, mode 0000") in {(one.level, one.what) for one in found}


def test_a_directory_where_everybody_may_create_is_a_finding(place, monkeypatch):
    os.chmod(place, 0o1777)
    monkeypatch.setattr(host, "protected_fifos", lambda: 1)
    assert level(place / "job", "fs.protected_fifos") == "warning"
    os.chmod(place, 0o777)
    assert level(place / "job", "everybody may remove files") == "warning"


def test_a_directory_whose_group_may_remove_the_fifo_is_a_note(fifo):
    os.chmod(fifo.parent, 0o775)
    group = access._group_name(os.stat(fifo.parent).st_gid)
    assert level(fifo, f"group {group} may remove files") == "note"


@pytest.mark.parametrize(
    ("kind", "how", "words"),
    [
        ("nfs4", "warning", "one lock a host"),
        ("gfs2", "warning", "other hosts see nobody"),
        ("overlay", "note", "two FIFOs"),
        ("fuse.gocryptfs", "warning", "an encrypted home"),
        ("fuse.rclone", "note", "cannot be told"),
        ("ext4", "ok", "a local file system"),
    ],
)
def test_the_kind_of_file_system_decides_who_sees_the_fifo(fifo, monkeypatch, kind, how, words):
    monkeypatch.setattr(host, "file_system", lambda _path: (kind, ""))
    assert level(fifo, words) == how


def test_what_the_host_lacks_is_told_with_the_verbs(monkeypatch):
    monkeypatch.setattr(host, "has_pidfd", lambda: False)
    monkeypatch.setattr(host, "programs", lambda: {"python3": None, "dd": None, "flock": None})
    found = {finding.level + " " + finding.what.split(":")[0] for finding in doctor.examine_host()}
    assert found == {"wrong no pidfd_open", "wrong python3 not found", "note dd not found", "note flock not found"}


def test_a_kernel_that_tells_no_exit_status_is_a_note(monkeypatch):
    monkeypatch.setattr(host, "tells_exit_status", lambda: False)
    assert "wait --status ends with 125" in "".join(f.what for f in doctor.examine_host() if f.level == "note")


def own_descriptors() -> bytes:
    """What the kernel says of each: proc_pid_fdinfo(5)."""
    told = b""
    for file in Path("/proc/self/fdinfo").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile, as that of the directory itself
            told += file.read_bytes()
    return told


def test_the_exit_status_is_told_where_doctor_says_so():
    other = subprocess.Popen(["sh", "-c", "sleep 600 & echo $!; wait; exit 0"], stdout=subprocess.PIPE)
    child = int(other.stdout.readline())
    told = []
    waiting = threading.Thread(target=lambda: told.append(procalive.wait(child, status=True)[child]))
    waiting.start()
    until(lambda: b"Pid:\t%d\n" % child in own_descriptors(), "the pidfd")
    os.kill(child, signal.SIGKILL)
    waiting.join(timeout=30)
    end(other)
    assert (told == [137]) is host.tells_exit_status()


@pytest.mark.usefixtures("sound")
def test_a_stopped_holder_is_wrong_and_named(place, hold):
    job = hold(place / "job")
    job.send_signal(signal.SIGSTOP)
    until(lambda: host.process_state(job.pid) == "T", "the stop")
    assert level(place / "job", f"{job.pid} (sleep) is stopped") == "wrong"
    assert invoke("doctor", str(place / "job"))[0] == 1


def test_a_stopped_waiter_is_a_warning(place, hold, spawn):
    hold(place / "job")
    waiter = spawn(PROCALIVE, "wait", str(place / "job"))
    until(lambda: survey.Survey([str(place / "job")]).look()[0].watchers == [waiter.pid], "the waiter")
    waiter.send_signal(signal.SIGSTOP)
    until(lambda: host.process_state(waiter.pid) == "T", "the stop")
    assert level(place / "job", f"{waiter.pid} (procalive), which waits, is stopped") == "warning"


def test_a_beat_ahead_of_the_clock_is_a_warning(place, hold):
    hold(place / "job")
    os.utime(place / "job", (4e9, 4e9))
    assert level(place / "job", "ahead of the clock") == "warning"


def test_a_job_whose_command_is_known_to_close_descriptors_is_told_to_keep(place, spawn):
    shutil.copy(shutil.which("sleep"), place / "ssh")
    script = place / "script"  # what a script ends in cannot be known to hold
    script.write_text(f'#!/bin/bash\neval "exec $PROCALIVE_FD<&-"\nexec {place}/ssh 600\n')
    script.chmod(0o755)
    job = spawn(PROCALIVE, "hold", str(place / "job"), str(script))
    until(lambda: procalive.process_name(job.pid) == "ssh", "the job past its exec")
    (advice,) = [one.advice for one in doctor.examine(str(place / "job")) if one.name == "let-go"]
    assert advice.startswith("ssh is known to close what it inherits: procalive hold --keep")


def test_a_name_is_looked_at_by_its_path(own_names, hold):
    job = hold("@job")
    found = [json.loads(line) for line in ctl("doctor", "--json", "@job").stdout.splitlines()]
    assert found[0]["fifo"] == f"{own_names}/job.fifo"
    assert found[0]["what"].startswith(f"held by {job.pid} ")


def test_a_name_that_is_none_is_wrong():
    assert [one.level for one in doctor.examine("@../x")] != ["ok"]
    assert ctl("doctor", "@../x").returncode > 0


@pytest.mark.parametrize(("lingers", "how"), [(False, "warning"), (True, "note")])
def test_the_runtime_directory_of_a_user_goes_with_the_last_logout(monkeypatch, lingers, how):
    monkeypatch.setattr(host, "lingers", lambda _user: lingers)
    found = {one.name: one.level for one in places.examine("/run/user/65533/job")}
    assert found["runtime-directory"] == how
    assert found["protect-home"] == "note"


@pytest.mark.parametrize(
    ("lines", "removed"),
    [
        ("RuntimeDirectory=job", True),
        ("RuntimeDirectory=other job:link", True),
        ("RuntimeDirectory=job\nRuntimeDirectoryPreserve=yes", False),
        ("RuntimeDirectory=job\nRuntimeDirectoryPreserve=restart", True),
        ("RuntimeDirectory=jobs", False),
    ],
)
def test_a_directory_that_goes_with_its_unit_is_told(place, lines, removed):
    (place / "a.service").write_text(f"[Service]\n{lines}\n")
    found = host.unit_that_removes("/run/job/fifo", (str(place),))
    assert (found is not None) is removed


def test_what_drops_into_a_unit_counts(place):
    (place / "a.service").write_text("[Service]\nRuntimeDirectory=job\n")
    (place / "etc/a.service.d").mkdir(parents=True)
    (place / "etc/a.service.d/keep.conf").write_text("[Service]\nRuntimeDirectoryPreserve=yes\n")
    assert host.unit_that_removes("/run/job/fifo", (f"{place}/etc", str(place))) is None


def test_a_user_namespace_is_a_note():
    command = ["unshare", "--user", "--map-root-user", *CTL, "doctor", "/run/no-such-fifo"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare" in done.stderr:
        pytest.skip("user namespaces are not to be had here")
    assert "note: in a user namespace" in done.stdout


def test_the_missing_directory_of_names_is_no_finding(monkeypatch, place):
    monkeypatch.setattr(words, "names_directory", lambda: f"{place}/names")
    assert level(place / "names/job.fifo", "missing: held by nobody") == "note"


def test_every_finding_is_in_the_manual():
    source = "".join((TOP / "procalivectl" / name).read_text() for name in ("doctor.py", "places.py"))
    names = set(re.findall(r'Finding\(\s*(?:[A-Za-z]+), "([a-z-]+)"', source))
    manual = (TOP / "man/procalivectl.1").read_text().replace("\\-", "-")
    assert len(names) > 30
    assert [name for name in sorted(names) if f"Li {name}" not in manual] == []


def test_names_with_control_characters_are_shown_harmlessly(place):
    os.mkfifo(place / "a\x1b[31m[red]")
    out = ctl("doctor", str(place / "a\x1b[31m[red]")).stdout
    assert "\x1b" not in out
    assert "a\\x1b[31m[red]" in out
