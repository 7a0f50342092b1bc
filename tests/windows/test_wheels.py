"""The wheels for Windows: what is in them, and that one of them installs and runs."""

from __future__ import annotations

import configparser
import email
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree
import zipfile

import pytest
from support import PROGRAM, PYTHON, ROOT, on_windows

PLATFORMS = ("win_amd64", "win_arm64")


@pytest.fixture(scope="session")
def wheels(tmp_path_factory):
    """{platform: path}, as windows/build-wheels makes them."""
    directory = tmp_path_factory.mktemp("wheels")
    build = os.path.join(ROOT, "windows", "build-wheels")
    environment = {**os.environ, "PYTHON": sys.executable}
    ran = subprocess.run([build, directory], env=environment, capture_output=True, text=True, check=False, timeout=200)
    assert ran.returncode == 0, ran.stderr
    (version,) = [line.split('"')[1] for line in open_text(PROGRAM).split("\n") if line.startswith("__version__ =")]
    found = {platform: str(directory / f"procalive-{version}-py3-none-{platform}.whl") for platform in PLATFORMS}
    assert sorted(os.listdir(directory)) == sorted(map(os.path.basename, found.values()))
    return found


def open_text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_wheel_has_the_program_the_recipes_the_manual_and_the_entry_point(wheels, platform):
    with zipfile.ZipFile(wheels[platform]) as wheel:
        contents = {name.rpartition("/")[2]: wheel.read(name) for name in wheel.namelist()}
    for name in ("procalive.py", "procalive.ps1", "backup-task.xml"):
        assert contents[name].decode() == open_text(os.path.join(ROOT, "windows", name))
    assert contents["procalive-windows.7"].decode() == open_text(os.path.join(ROOT, "man", "procalive-windows.7"))
    assert contents["LICENSE"].decode() == open_text(os.path.join(ROOT, "LICENSE"))
    points = configparser.ConfigParser()
    points.read_string(contents["entry_points.txt"].decode())
    assert dict(points["console_scripts"]) == {"procalive": "procalive:_exit"}
    facts = email.message_from_bytes(contents["WHEEL"])
    assert (facts["Tag"], facts["Root-Is-Purelib"]) == (f"py3-none-{platform}", "true")
    about = email.message_from_bytes(contents["METADATA"])
    assert (about["Name"], about["Requires-Python"], about.get_all("Requires-Dist")) == ("procalive", ">=3.9", None)


PIP = """
import sys
sys.modules["_wmi"] = None  # with it Python's platform module ends under wine
sys.path.insert(0, sys.argv.pop(1))
from pip._internal.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_the_wheel_installs_with_pip_and_makes_procalive_exe(windows, wheels):
    home = os.path.join(windows.directory, "Python")
    shutil.copytree(os.path.dirname(PYTHON), home)
    (listed,) = [name for name in os.listdir(home) if name.endswith("._pth")]
    with open(os.path.join(home, listed), "a") as file:
        file.write("\nLib\\site-packages\nimport site\n")
    pip = on_windows(next(path for path in sys.path if os.path.isdir(os.path.join(path, "pip"))))
    install = ["install", "--no-index", "--no-deps", "--no-compile", on_windows(wheels["win_amd64"])]
    ran = windows.start_program(os.path.join(home, "python.exe"), "-c", PIP, pip, *install)
    status, output, errors = ran.result(500)
    assert status == 0, output + errors
    program = os.path.join(home, "Scripts", "procalive.exe")
    assert os.path.exists(program)
    check_installed(windows, program)


def check_installed(windows, program):
    def run(*args):
        return windows.start_program(program, *args).result()

    assert run("--version")[:2] == (0, f"procalive {version()}")
    holding = windows.start_program(program, "hold", "a.lock", "--", *windows.job("print('up', flush=True); input()"))
    holding.says("up")
    assert run("check", "a.lock")[0] == 0
    assert run("hold", "-q", "a.lock", "--", "cmd", "/c", "exit 0")[0] == 75
    holding.tell("")
    assert holding.status() == 0
    assert run("hold", "a.lock", "--", program, "check", "--mine", "a.lock")[0] == 0
    assert run("hold", "a.lock", "--", "cmd", "/c", "exit 200")[0] == 200


def version():
    return next(line.split('"')[1] for line in open_text(PROGRAM).split("\n") if line.startswith("__version__ ="))


def test_the_task_is_well_formed_and_lets_procalive_decide():
    space = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
    task = xml.etree.ElementTree.parse(os.path.join(ROOT, "windows", "backup-task.xml")).getroot()
    assert task.findtext(f".//{space}MultipleInstancesPolicy") == "Parallel"
    assert task.findtext(f".//{space}Arguments").split()[:4] == ["hold", "-q", "-E", "0"]


def test_the_powershell_functions_are_well_formed():
    tree_sitter = pytest.importorskip("tree_sitter", reason="no parser for PowerShell (tree-sitter) here")
    grammar = pytest.importorskip("tree_sitter_powershell", reason="no parser for PowerShell here")
    with open(os.path.join(ROOT, "windows", "procalive.ps1"), "rb") as file:
        tree = tree_sitter.Parser(tree_sitter.Language(grammar.language())).parse(file.read())
    assert not tree.root_node.has_error
    words = tree.root_node.text.decode().split()
    names = {after for word, after in zip(words, words[1:]) if word == "function"}
    assert names == {"procalive_check", "procalive_guard", "procalive_beat"}


def test_the_powershell_check_opens_as_the_program_does(windows):
    # [IO.File]::Open for reading with these shares is a CreateFile with GENERIC_READ.
    code = """
ask = lambda: p._open(F, 0x80000000, p._SHARE_READ | p._SHARE_DELETE)
with p.hold(F): say(ask()[1])
handle, code = ask()
say(code)
"""
    assert windows.python(code).split() == ["32", "0"]
    text = open_text(os.path.join(ROOT, "windows", "procalive.ps1"))
    assert "[IO.FileShare]::Read -bor [IO.FileShare]::Delete" in text
    assert "0x80070020" in text


def test_the_powershell_beat_is_one_that_a_holder_lets_through(windows):
    code = """
with p.hold(F):
    handle, code = p._open(F, 0x100, 7)
    time_ = ctypes.c_uint64(p._filetime(1e9))
    say(code, p._kernel.SetFileTime(handle.value, None, None, ctypes.byref(time_)), int(os.stat(F).st_mtime))
"""
    assert windows.python(code) == "0 1 1000000000"
