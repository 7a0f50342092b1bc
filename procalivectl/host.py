"""What this machine does to FIFOs: file systems, ageing, the kernel, programs."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import NamedTuple

import procalive

REMOTE = ("9p", "afs", "ceph", "cifs", "fuse.sshfs", "fuse.glusterfs", "lustre", "nfs", "nfs4", "smb3", "virtiofs")
OVERLAY = ("aufs", "fuse.fuse-overlayfs", "fuse.unionfs-fuse", "overlay")
_TMPFILES = ("/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d")


def file_system(path: str) -> str:
    """The type of the mount that path is on, by the longest mount point above it."""
    real = os.path.realpath(path)
    best, kind = "", "unknown"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return kind
    for line in lines:
        left, _, right = line.partition(" - ")
        point = left.split()[4].encode("utf-8", "surrogateescape").decode("unicode_escape", "replace")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # the last of equals is mounted on top
            best, kind = point, right.split()[0]
    return kind


class Ageing(NamedTuple):
    directory: str
    age: str
    file: str


def ageing(path: str, directories: tuple[str, ...] = _TMPFILES) -> Ageing | None:
    """The line of tmpfiles.d(5) by which systemd-tmpfiles would remove path."""
    real = os.path.realpath(path)
    best = None
    for file in _tmpfiles(directories):
        for fields in _lines(file):
            point = fields[1].rstrip("/")
            if fields[0][0] not in "dDevqQxX" or not real.startswith(point + "/"):
                continue
            if best is None or len(point) >= len(best.directory):
                excluded = fields[0][0] in "xX"
                best = Ageing(point, fields[5] if len(fields) > 5 and not excluded else "-", file)
    return best if best and best.age != "-" else None


def _tmpfiles(directories: tuple[str, ...]) -> list[str]:
    """A file hides those of its name in the directories after its own."""
    files: dict[str, str] = {}
    for directory in directories:
        try:
            names = os.listdir(directory)
        except OSError:
            continue
        for name in names:
            if name.endswith(".conf"):
                files.setdefault(name, os.path.join(directory, name))
    return list(files.values())


def _lines(file: str) -> list[list[str]]:
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as lines:
            fields = [line.split() for line in lines]
    except OSError:
        return []
    return [line for line in fields if len(line) > 1 and not line[0].startswith("#")]


def protected_fifos() -> int:
    try:
        with open("/proc/sys/fs/protected_fifos") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def has_pidfd() -> bool:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (OSError, AttributeError):
        return False
    return True


def tells_exit_status() -> bool:
    """Whether the kernel says how a process ended: asked of a child that ends with 7."""
    child = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 7"], os.environ)
    try:
        pidfd = os.pidfd_open(child)
    except (OSError, AttributeError):
        return False
    finally:
        os.waitpid(child, 0)
    try:
        return procalive._exit_status(pidfd, time.monotonic() + 1) == 7
    except TimeoutError:
        return False
    finally:
        os.close(pidfd)


def has_gnu_dd() -> bool:
    """Whether bin/procalive can check with it: oflag=nonblock and conv=nocreat are GNU's."""
    dd = shutil.which("dd")
    if dd is None:
        return False
    try:
        answer = subprocess.run([dd, "--version"], capture_output=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return b"coreutils" in answer.stdout


def programs() -> dict[str, str | None]:
    return {name: shutil.which(name) for name in ("python3", "dd", "flock")}
