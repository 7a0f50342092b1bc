"""A place to run the documents' lines in, with a /run of its own."""

import ctypes
import os
import subprocess
import sys

import pytest
from blocks import Place, empty_run

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000


def write(name, text):
    with open(name, "w", encoding="ascii") as file:
        file.write(text)


def own_mounts():
    """Leave the machine's mounts; as an ordinary user, as root of a new user namespace."""
    uid, gid = os.geteuid(), os.getegid()
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS | (CLONE_NEWUSER if uid else 0)):
        raise OSError(ctypes.get_errno(), "unshare")
    if uid:
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", f"0 {uid} 1")
        write("/proc/self/gid_map", f"0 {gid} 1")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)


@pytest.fixture(scope="session")
def own_run():
    """An empty /run, so that @x and pid files do not meet those of the machine."""
    try:
        own_mounts()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no mount namespace is to be had here: {error}")


@pytest.fixture
def place(own_run, tmp_path):  # noqa: ARG001
    """A Place; what was started in it ends with the test."""
    made = Place(tmp_path)
    yield made
    made.close()
    empty_run()


def pytest_configure():
    sys.dont_write_bytecode = True
