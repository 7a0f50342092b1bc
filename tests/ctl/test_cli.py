"""The command line: statuses, one-line errors, completion, and no extra installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CTL, TOP, ctl, until

import procalive
from procalivectl import cli, survey

VERBS = ("ls", "top", "doctor", "export")


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.stderr.startswith("procalivectl: ")
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("procalivectl: ").rstrip("\n")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "a verb is missing"),
        (("such",), "such"),
        (("ls", "--such"), "--such"),
        (("ls", "--max-age", "soon"), "soon: not a time"),
        (("doctor",), "FIFO"),
        (("a\nb\x1b[31m",), "a\\nb\\x1b[31m"),
        (("export", "--listen", "here"), "here: not an address"),
        (("export", "--textfile", "/proc/none/x"), "No such file"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(args, words):
    done = ctl(*args)
    assert done.returncode == 2
    assert words in only_line(done)


def test_the_version_is_procalives():
    assert ctl("--version").stdout == f"procalivectl {procalive.__version__}\n"


def test_top_without_a_terminal_says_so_and_ends_2():
    done = ctl("top", stdin=subprocess.DEVNULL)
    assert (done.returncode, only_line(done)) == (2, "top needs a terminal; use procalivectl ls")


def test_without_the_extra_one_line_tells_the_command_and_ends_2():
    # -S: as if nothing were installed.
    done = subprocess.run([sys.executable, "-S", CTL[1], "ls"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert only_line(done).endswith(f"-m pip install '{TOP}[ctl]'")


def test_without_its_package_it_says_so_and_ends_2(place):
    (place / "procalivectl").write_text(Path(CTL[1]).read_text())
    done = subprocess.run([sys.executable, place / "procalivectl"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "install procalive again" in only_line(done)


def test_it_runs_from_any_directory_and_through_a_link(place):
    (place / "link").symlink_to(CTL[1])
    done = subprocess.run([sys.executable, "link", "--version"], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0


def test_a_closed_pipe_ends_it_silently(place):
    for number in range(3):
        os.mkfifo(place / str(number))
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*CTL, "ls", "--all", place], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_an_error_nobody_thought_of_is_one_line_and_status_2(monkeypatch, capsys):
    def fail(_self: survey.Survey) -> None:
        raise ZeroDivisionError("one\ntwo")

    monkeypatch.setattr(survey.Survey, "look", fail)
    assert cli.main(["ls"]) == 2
    assert capsys.readouterr().err == "procalivectl: internal error: ZeroDivisionError: one\\ntwo\n"


def test_a_terminal_that_is_not_utf_8_gets_escapes(place, hold):
    for _ in range(2):
        hold(place / "job", options=("-s",))
    done = ctl("ls", str(place), env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, "shared \\xd72" in done.stdout) == (0, True)


def test_completion_offers_fifos_and_directories(place):
    os.mkfifo(place / "fifo")
    (place / "fidir").mkdir()
    (place / "file").touch()
    words = {"COMP_WORDS": f"procalivectl ls {place}/fi", "COMP_CWORD": "2"}
    done = ctl(env=os.environ | words | {"_PROCALIVECTL_COMPLETE": "complete_bash"})
    assert done.stdout.split() == [f"{place}/fidir/", f"{place}/fifo"]


def test_completion_offers_no_holder_link_and_no_name_that_a_shell_would_misread(place, hold):
    hold(place / "job")
    (place / "job.d").mkdir()
    (place / "job.link").symlink_to("job.d")
    for name in ("job\nb", "job\udcff"):
        os.mkfifo(place / name)
    words = {"COMP_WORDS": f"procalivectl doctor {place}/jo", "COMP_CWORD": "2"}
    done = ctl(env=os.environ | words | {"_PROCALIVECTL_COMPLETE": "complete_bash"})
    assert done.stdout.splitlines() == [f"{place}/job", f"{place}/job.d/", f"{place}/job.link/"]


def test_completion_scripts_are_printed_for_the_shells():
    for shell in ("bash", "zsh", "fish"):
        assert "_PROCALIVECTL_COMPLETE" in ctl(env=os.environ | {"_PROCALIVECTL_COMPLETE": f"source_{shell}"}).stdout


def test_the_manual_has_every_verb_and_option_of_the_help():
    manual = (TOP / "man/procalivectl.1").read_text().replace("\\-", "-")
    for verb in VERBS:
        assert re.search(rf"^\.It Cm {verb}\b|^\.Cm {verb}\b", manual, re.MULTILINE), verb
        for option in re.findall(r"^  --([a-z-]+)", ctl(verb, "-h").stdout, re.MULTILINE):
            assert f"Fl -{option}" in manual, f"{verb} --{option}"


def test_interrupted_it_ends_130(place, spawn):
    command = ["env", "--default-signal=INT", *CTL]  # ignored where the tests run in a shell's background
    server = spawn(*command, "export", "--listen", "0", str(place), stderr=subprocess.PIPE, text=True)
    assert "metrics on" in server.stderr.readline()
    server.send_signal(2)
    until(lambda: server.poll() is not None, "its end")
    assert (server.returncode, server.stderr.read()) == (130, "")
