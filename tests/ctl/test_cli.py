"""The command line: statuses, one-line errors, completion, and no extra installed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CTL, TOP, ctl, in_terminal, until

import procalive
from procalivectl import __main__ as main_module
from procalivectl import cli, survey
from procalivectl.__main__ import LIBRARIES

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
    assert (done.returncode, only_line(done)) == (2, "top needs a terminal, on standard error too; use procalivectl ls")


def test_without_the_extra_one_line_tells_the_command_and_ends_2():
    # -S: as if nothing were installed.
    done = subprocess.run([sys.executable, "-S", CTL[1], "ls"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert only_line(done).startswith(
        f"typer is not installed; install it with: {sys.executable} -m venv --clear {TOP}/lib/"
    )


@pytest.mark.parametrize(("verb", "missing"), [("export", "prometheus_client"), ("top", "textual")])
def test_with_a_part_of_the_extra_a_verb_names_what_it_lacks(place, verb, missing):
    program = f"import sys; sys.modules[{missing!r}] = None; sys.path.insert(0, {str(TOP)!r})"
    program += "; from procalivectl.__main__ import main; sys.exit(main())"
    out = in_terminal(verb, str(place), columns=80, program=[sys.executable, "-c", program])
    assert out == f"procalivectl: {missing} is not installed; install it with: {install_command(f'{TOP}[ctl]')}\r\n"


def install_command(*what: str) -> str:
    return shlex.join([sys.executable, "-m", "pip", "install", *what])


@pytest.fixture
def installed(place) -> Path:
    """`make install`, run without a library in sight."""
    if not shutil.which("make"):
        pytest.skip("make is not here")
    subprocess.run(["make", "-s", "-C", TOP, "install", f"PREFIX={place}"], check=True, capture_output=True)
    return place


def run_installed(top: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-S", top / "bin/procalivectl", "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_after_make_install_one_command_is_told_that_makes_an_environment(installed):
    said = only_line(run_installed(installed))
    place = f"{installed}/lib/procalivectl"
    venv = shlex.join([sys.executable, "-m", "venv", "--clear", place])
    pip = shlex.join([f"{place}/bin/pip", "install", *LIBRARIES])
    assert said == f"typer is not installed; install it with: {venv} && {pip}"


def test_where_ensurepip_is_a_package_of_its_own_the_command_installs_it_first(monkeypatch):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert main_module._environment("/").startswith("apt-get install -y python3-venv && ")


def test_who_may_not_write_there_is_told_sudo(monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert main_module._environment("/usr/local").startswith("sudo sh -c '")


def test_the_environment_that_the_command_makes_is_used_and_goes_with_make_uninstall(installed):
    own = installed / "lib/procalivectl"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", own], check=True)
    (libraries,) = own.glob("lib/python*/site-packages")
    (libraries / "tests.pth").write_text("\n".join(path for path in sys.path if "site-packages" in path))
    assert run_installed(installed).stdout == f"procalivectl {procalive.__version__}\n"
    assert not (installed / "share/procalive/typer").exists()
    subprocess.run(["make", "-s", "-C", TOP, "uninstall", f"PREFIX={installed}"], check=True, capture_output=True)
    assert not own.exists()


def test_the_libraries_named_are_those_of_the_extra():
    words = ", ".join(f'"{library}"' for library in LIBRARIES)
    assert f"ctl = [{words}]" in (TOP / "pyproject.toml").read_text()


@pytest.fixture(scope="session")
def lowest(pytestconfig: pytest.Config) -> dict[str, str]:
    """The environment of a Python that has the oldest libraries allowed, and no others."""
    pins = [library.replace(">=", "==") for library in LIBRARIES]
    name = "-".join(["lowest", sys.implementation.cache_tag, *pins])
    try:
        directory = Path(pytestconfig.cache.mkdir(name))  # type: ignore[union-attr]
        if not (directory / "done").exists():
            pip = [sys.executable, "-m", "pip", "-q", "install", "--upgrade", "--target", directory, *pins]
            subprocess.run(pip, check=True, capture_output=True, timeout=300)
            (directory / "done").touch()
    except (OSError, subprocess.SubprocessError):
        pytest.skip(f"{' '.join(pins)} cannot be had")
    return os.environ | {"PYTHONPATH": f"{directory}:{TOP}"}


@pytest.mark.timeout(360)
def test_the_oldest_libraries_allowed_will_do(place, lowest):
    os.mkfifo(place / "job")

    def run(*args: str) -> str:
        done = subprocess.run([sys.executable, "-S", *args], env=lowest, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.stdout

    assert "free" in run(CTL[1], "ls", "--max-age", "5m", str(place / "job"))
    assert "procalive_alive" in run(CTL[1], "export", str(place / "job"))
    assert "held by nobody" in run(CTL[1], "doctor", str(place / "job"))
    assert "--max-age" in run(CTL[1], "ls", "-h")
    assert run("-c", TOP_AND_QUIT, str(place / "job")) == "1 FIFO: 1 free\n"


TOP_AND_QUIT = """
import asyncio, sys
from procalivectl import live, survey

async def main():
    app = live.Top(survey.Survey(sys.argv[1:]))
    async with app.run_test() as pilot:
        while not app._written:
            await pilot.pause(0.02)
        await pilot.resize_terminal(60, 20)
        print(app._summary(False))
        await pilot.press("ctrl+c")
    assert app.return_code == 130

asyncio.run(main())
"""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_change_no_status(place, closed):
    (place / "file").touch()
    for path, status in (("job", 0), ("file", 2)):
        shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *CTL]
        done = subprocess.run([*shell, "ls", path], cwd=place, capture_output=True, text=True, check=False)
        said = "" if status == 0 or "2>" in closed else "procalivectl: file: not a FIFO\n"
        assert (done.returncode, done.stderr) == (status, said)


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


def test_the_console_uses_public_names_of_procalive_alone():
    used = {
        name
        for file in (TOP / "procalivectl").glob("*.py")
        for name in re.findall(r"\bprocalive\.([A-Za-z_]\w*)", file.read_text())
    }
    assert len(used) > 15
    assert used - {*procalive.__all__, "py", "sh"} == set()


def test_interrupted_it_ends_130(place, spawn):
    command = ["env", "--default-signal=INT", *CTL]  # ignored where the tests run in a shell's background
    server = spawn(*command, "export", "--listen", "0", str(place), stderr=subprocess.PIPE, text=True)
    assert "metrics on" in server.stderr.readline()
    server.send_signal(2)
    until(lambda: server.poll() is not None, "its end")
    assert (server.returncode, server.stderr.read()) == (130, "")
