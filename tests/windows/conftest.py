"""Fixtures: Windows programs under wine, in a prefix of this run alone that is deleted after it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile

import pytest
from support import PYTHON, WINE, Windows


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.timeout(600))  # a hang, and not a slow machine
    if WINE and os.path.exists(PYTHON):
        return
    missing = "wine64" if not WINE else f"{PYTHON} (tests/run windows fetches it)"
    for item in items:
        if "windows" in item.fixturenames:
            item.add_marker(pytest.mark.skip(reason=f"no {missing} here"))


@pytest.fixture(scope="session")
def prefix():
    """The environment of a fresh Windows, whose server ends with the tests."""
    directory = tempfile.mkdtemp(prefix="procalive-wine-")
    environment = {**os.environ, "WINEPREFIX": directory, "WINEDEBUG": "-all"}

    def run(*command):
        # Not a pipe: the services that wine starts would keep it open for ever.
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(command, env=environment, timeout=120, check=True, **quiet)

    run("wineserver", "-p")
    run(WINE, "wineboot", "-i")
    run(WINE, "reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", "win10", "/f")
    # A drive of another host: wine reads at its start which those are.
    os.mkdir(os.path.join(directory, "remote"))
    os.symlink("../remote", os.path.join(directory, "dosdevices", "r:"))
    run(WINE, "reg", "add", r"HKLM\Software\Wine\Drives", "/v", "r:", "/d", "network", "/f")
    subprocess.run(["wineserver", "-k"], env=environment, timeout=60, check=False)
    run("wineserver", "-w")
    run("wineserver", "-p")
    run(WINE, "wineboot")
    yield environment
    subprocess.run(["wineserver", "-k"], env=environment, timeout=60, check=False)
    for pid in of_prefix(directory):  # services that outlive their server
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(directory, ignore_errors=True)


def of_prefix(directory):
    """The processes that were started for that Windows."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if f"WINEPREFIX={directory}".encode() in file.read().split(b"\0"):
                    yield int(pid)
        except OSError:
            continue


@pytest.fixture
def windows(prefix, tmp_path):
    """Runs Windows programs in a directory of this test alone, and ends those that it started."""
    one = Windows(prefix, tmp_path)
    yield one
    one.end()
