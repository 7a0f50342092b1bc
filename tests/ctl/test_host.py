"""What doctor says of the machine, against the machine's own programs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CTL, PROCALIVE, until

from procalivectl import doctor, host

# Of a FIFO {d}/sub/job: lines of tmpfiles.d(5), and whether they remove it.
TMPFILES = {
    "a line for the directory": ("d {d} - - - 0", True),
    "no age": ("d {d} - - - -", False),
    "for the boot only": ("d! {d} - - - 0", False),
    "a quoted path": ('d "{d}" - - - 0', True),
    "another directory": ("d {d}x - - - 0", False),
    "the nearest line": ("d {d} - - - -\nd {d}/sub - - - 0", True),
    "the first line of a path": ("d {d} - - - -\nd {d} - - - 0", False),
    "a glob": ("e {d}/s* - - - 0", True),
    "a glob of the level below": ("d {d} - - - 0\ne {d}/* - - - 0", True),
    "a literal type with a glob's letters": ("d {d}/s* - - - 0", False),
    "excluded with its directory": ("d {d} - - - 0\nx {d}/sub", False),
    "excluded itself": ("d {d} - - - 0\nx {d}/sub/job", False),
    "its name alone excluded": ("d {d} - - - 0\nX {d}/sub/job", False),
    "excluded by a glob": ("d {d} - - - 0\nx {d}/sub/*", False),
    "its directory alone excluded": ("d {d} - - - 0\nX {d}/sub", True),
    "cleaned though excluded": ("d {d}/sub - - - 0\nx {d}/sub", True),
    "a line of its own": ("d {d} - - - 0\np {d}/sub/job", False),
    "its directory has another line": ("d {d} - - - 0\nz {d}/sub - - - -", False),
    "the first level kept": ("d {d}/sub - - - ~0", False),
    "the first level kept, above": ("d {d} - - - ~0", True),
}


@pytest.fixture
def fifo(place) -> Path:
    (place / "dir/sub").mkdir(parents=True)
    os.mkfifo(place / "dir/sub/job", 0o600)
    return place / "dir/sub/job"


@pytest.mark.parametrize(("lines", "removed"), TMPFILES.values(), ids=TMPFILES)
def test_ageing_is_what_systemd_tmpfiles_does(place, fifo, lines, removed):
    (place / "a.conf").write_text(lines.format(d=place / "dir") + "\n")
    assert bool(host.ageing(str(fifo), (str(place),))) is removed
    if shutil.which("systemd-tmpfiles"):
        subprocess.run(["systemd-tmpfiles", "--clean", place / "a.conf"], capture_output=True, check=False)
        assert fifo.exists() is not removed


def test_ageing_names_the_directory_the_age_and_the_file(place, fifo):
    (place / "tmp.conf").write_text(f"# ages\nd {place} 1777 root root 10d\n")
    assert host.ageing(str(fifo), (str(place),)) == (str(place), "10d", f"{place}/tmp.conf")
    assert host.ageing("/elsewhere/job", (str(place),)) is None


def test_a_line_of_tmpfiles_may_go_through_a_symbolic_link(place, fifo):
    (place / "link").symlink_to("dir")
    (place / "tmp.conf").write_text(f"d {place}/link/sub - - - 10d\n")
    assert host.ageing(str(fifo), (str(place),))


def test_a_quotation_without_an_end_hides_no_other_line(place, fifo):
    (place / "tmp.conf").write_text(f'd "{place}\nd {place} - - - 10d\n')
    assert host.ageing(str(fifo), (str(place),))


@pytest.mark.parametrize(("etc", "usr", "age"), [("a", "b", "1d"), ("b", "a", "2d"), ("a", "a", "1d")])
def test_of_two_lines_that_of_the_file_first_by_name_counts(place, fifo, etc, usr, age):
    for directory, name, its in (("etc", etc, "1d"), ("usr", usr, "2d")):
        (place / directory).mkdir()
        (place / directory / f"{name}.conf").write_text(f"d {place} 1777 root root {its}\n")
    aged = host.ageing(str(fifo), (f"{place}/etc", f"{place}/usr"))
    assert aged.age == age


def test_a_mount_point_with_any_name_is_found(place):
    script = 'mkdir "$1"; mount -t ramfs none "$1" || exit 77; mkfifo "$1/job"; shift; "$@"'
    point = str(place / "é \\ \x0b mnt")
    command = ["unshare", "-m", "sh", "-c", script, "sh", point, *CTL, "doctor", f"{point}/job"]
    run = subprocess.run(command, capture_output=True, check=False)
    if run.returncode == 77 or b"unshare" in run.stderr:
        pytest.skip("a mount of its own: takes root")
    assert b"on ramfs" in run.stdout


def test_the_file_system_of_what_is_missing_is_that_of_the_directory_above():
    assert host.file_system("/proc/self/none/none")[0] == "proc"


def test_the_python_is_the_one_that_the_launcher_runs(fifo, spawn):
    waiter = spawn(PROCALIVE, "wait", "--up", str(fifo))
    exe = f"/proc/{waiter.pid}/exe"
    until(lambda: os.readlink(exe) == os.path.realpath(host.python()), f"{host.python()} as {exe}")


def test_a_program_named_python3_that_is_none_is_a_finding(place, monkeypatch):
    (place / "python3").write_text("#!/bin/sh\necho busybox\n")
    (place / "python3").chmod(0o755)
    assert host.runs_procalive(sys.executable)
    monkeypatch.setattr(host, "python", lambda: str(place / "python3"))
    assert f"{place}/python3 is no Python" in "".join(f.what for f in doctor.examine_host() if f.level == "wrong")
