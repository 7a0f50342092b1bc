"""What this machine does to FIFOs: file systems, ageing, the kernel, programs."""

from __future__ import annotations

import glob
import os
import shlex
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import PurePath
from typing import NamedTuple

# What is in none of these three cannot be told.
# fmt: off
LOCAL = (
    "bcachefs", "btrfs", "devtmpfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "nilfs2", "ramfs", "reiserfs",
    "rootfs", "tmpfs", "xfs", "zfs",
)
REMOTE = (
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "fuse.vmhgfs-fuse",
    "gfs2", "gpfs", "lustre", "nfs", "nfs4", "ocfs2", "smb3", "vboxsf", "virtiofs",
)
# fmt: on
ENCRYPTED = ("ecryptfs", "fuse.cryfs", "fuse.encfs", "fuse.gocryptfs")
HOMED = "/dev/mapper/home-"  # source of a home of systemd-homed
OVERLAY = ("aufs", "fuse.fuse-overlayfs", "fuse.unionfs-fuse", "overlay")
_TMPFILES = ("/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d")
_UNITS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
_YES = ("1", "on", "t", "true", "y", "yes")  # as systemd.syntax(7) has it
_LINGER = "/var/lib/systemd/linger"
# Types of lines in tmpfiles.d(5): those that clean a directory, those that take globs.
_CLEANING = "dDvqQCe"
_GLOBS = "aAehHmrRtTwxXzZ"


def file_system(path: str) -> tuple[str, str]:
    """Type and source of the mount that path is on, or as much of it as there is."""
    fd = _open_nearest(os.path.realpath(path))
    try:
        mount = _read(f"/proc/self/fdinfo/{fd}").partition(b"mnt_id:")[2].split()[0]
        for line in _read("/proc/self/mountinfo").split(b"\n"):
            left, _, right = line.partition(b" - ")
            if left.split(b" ")[0] == mount:
                kind, source = right.split(b" ")[:2]
                return os.fsdecode(kind), os.fsdecode(source)
    except (OSError, LookupError, ValueError):
        pass  # /proc not mounted, or not Linux's own
    finally:
        os.close(fd)
    return "an unknown file system", ""


def _read(file: str) -> bytes:
    with open(file, "rb") as opened:
        return opened.read()


def _open_nearest(path: str) -> int:
    """A descriptor of path, or of the first directory above that can be had."""
    while True:
        try:
            return os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            if path == "/":
                raise
            path = os.path.dirname(path)


class Ageing(NamedTuple):
    directory: str
    age: str
    file: str


class _Line(NamedTuple):
    """A line of tmpfiles.d(5)."""

    kind: str
    point: str
    age: str
    file: str

    def is_for(self, name: str) -> bool:
        return name == self.point or (self.kind in _GLOBS and PurePath(name).match(self.point))


def ageing(path: str, directories: tuple[str, ...] = _TMPFILES) -> Ageing | None:
    """The line of tmpfiles.d(5) by which systemd-tmpfiles would remove path.

    What has a line of its own is passed over with all below it where the
    directory above is cleaned: the nearest line decides, if path has none.
    """
    lines = [line for file in _tmpfiles(directories) for line in _lines(file)]
    name = real = os.path.realpath(path)
    while name != "/":
        here = [line for line in lines if line.is_for(name)]
        if here and name == real:
            return None
        cleaning = next((line for line in here if line.kind in _CLEANING), None)
        if cleaning:
            return _by(cleaning, name, real)
        if any(line.kind != "X" for line in here):  # X keeps the name alone, not what is in it
            return None
        name = os.path.dirname(name)
    return None


def _by(line: _Line, directory: str, path: str) -> Ageing | None:
    kept = line.age.startswith("~") and os.path.dirname(path) == directory  # the first level is
    return None if kept or line.age in ("", "-") else Ageing(directory, line.age, line.file)


def _tmpfiles(directories: tuple[str, ...]) -> list[str]:
    """Sorted by name, whatever the directory; of one name, that in the first directory."""
    files: dict[str, str] = {}
    for directory in directories:
        try:
            names = os.listdir(directory)
        except OSError:
            continue
        for name in names:
            if name.endswith(".conf"):
                files.setdefault(name, os.path.join(directory, name))
    return [files[name] for name in sorted(files)]


def _lines(file: str) -> Iterator[_Line]:
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as lines:
            texts = lines.read().split("\n")
    except OSError:
        return
    for text in texts:
        try:
            fields = [] if text.strip().startswith("#") else shlex.split(text)
        except ValueError:
            continue  # a quotation without an end
        # "!" is for the boot only; a path may also begin with a specifier.
        if len(fields) > 1 and "!" not in fields[0] and fields[1].startswith("/"):
            directory, name = os.path.split(fields[1].rstrip("/"))
            point = os.path.join(os.path.realpath(directory), name)
            yield _Line(fields[0][:1], point, fields[5] if len(fields) > 5 else "-", file)


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
    """Of a process that is not one's child: Linux 6.15 (PIDFD_INFO_EXIT)."""
    release = os.uname().release.split(".")
    try:
        return (int(release[0]), int(release[1].partition("-")[0])) >= (6, 15)
    except (LookupError, ValueError):
        return False


def lingers(user: str) -> bool:
    """Whether systemd keeps a user's manager and runtime directory without a login."""
    return os.path.exists(os.path.join(_LINGER, user))


class Unit(NamedTuple):
    name: str
    file: str


def unit_that_removes(path: str, directories: tuple[str, ...] = _UNITS) -> Unit | None:
    """The unit in whose RuntimeDirectory= path is, unless it is preserved: systemd.exec(5)."""
    units: dict[str, str] = {}  # of one name, that in the first directory counts
    for directory in directories:
        for file in sorted(glob.glob(f"{glob.escape(directory)}/*.service")):
            units.setdefault(os.path.basename(file), file)
    for name, file in units.items():
        added = [f"{glob.escape(directory)}/{glob.escape(name)}.d/*.conf" for directory in directories]
        settings = _settings([file, *sorted(file for pattern in added for file in glob.glob(pattern))])
        kept = settings.get("RuntimeDirectoryPreserve", ["no"])[-1].lower() in _YES
        places = [place.partition(":")[0] for value in settings.get("RuntimeDirectory", []) for place in value.split()]
        if not kept and any(path.startswith(f"/run/{place}/") for place in places):
            return Unit(name, file)
    return None


def _settings(files: list[str]) -> dict[str, list[str]]:
    """The lines NAME=VALUE of a unit and what drops in, by name."""
    found: dict[str, list[str]] = {}
    for file in files:
        try:
            text = _read(file).decode("utf-8", "surrogateescape")
        except OSError:
            continue
        for line in text.split("\n"):
            name, equals, value = line.strip().partition("=")
            if equals and name.startswith("RuntimeDirectory"):
                found.setdefault(name.strip(), []).append(value.strip())
    return found


def user_namespace() -> int | None:
    """The user outside that this one is, where that is another; None in the first user namespace."""
    try:
        lines = _read("/proc/self/uid_map").split(b"\n")
        maps = [[int(word) for word in line.split()] for line in lines if line.strip()]
    except (OSError, ValueError):
        return None
    uid = os.geteuid()
    for inside, outside, count in maps:
        if inside <= uid < inside + count:
            return None if (inside, outside, count) == (0, 0, 2**32 - 1) else outside + uid - inside
    return None


def processes() -> list[int]:
    """All that /proc has but this one."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]


def environ(pid: int) -> dict[bytes, bytes]:
    """As it was at the start of the process: proc_pid_environ(5); {} if that is not for us to see."""
    try:
        variables = _read(f"/proc/{pid}/environ").split(b"\0")
    except OSError:
        return {}
    return dict(variable.partition(b"=")[::2] for variable in variables)


def process_state(pid: int) -> str:
    """A letter of proc_pid_stat(5), or "-" when it has ended."""
    try:
        return _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[0].decode()
    except (OSError, LookupError):
        return "-"


def reads_fifo(pid: int, fd: str) -> bool:
    """Whether that descriptor of a process is the read end of some FIFO with a name."""
    try:
        if not os.readlink(f"/proc/{pid}/fd/{fd}").startswith("/"):
            return False
        flags = int(_read(f"/proc/{pid}/fdinfo/{fd}").partition(b"flags:")[2].split()[0], 8)
        found = os.stat(f"/proc/{pid}/fd/{fd}")
    except (OSError, LookupError, ValueError):
        return False
    return stat.S_ISFIFO(found.st_mode) and flags & os.O_ACCMODE != os.O_WRONLY


def python() -> str | None:
    """The Python that bin/procalive runs, in its own order: of a pip environment that one's, the PATH last."""
    launcher, in_path = shutil.which("procalive"), shutil.which("python3")
    here = os.path.dirname(os.path.realpath(launcher)) if launcher else ""
    by_pip = glob.glob(f"{glob.escape(here)}/../lib/python3*/*-packages/procalive.py") if here else []
    beside = [os.path.join(here, "python3")] if by_pip else []
    places = [*beside, "/usr/bin/python3", "/usr/local/bin/python3", *([in_path] if in_path else [])]
    return next((place for place in places if os.access(place, os.X_OK)), None)


def runs_procalive(python: str) -> bool:
    """Whether it is a Python at all, and not too old a one."""
    script = "import sys; print(sys.version_info >= (3, 9))"
    return _output(python, "-ISE", "-c", script) == b"True\n"


def has_gnu_dd(dd: str) -> bool:
    """Whether bin/procalive can check with it: oflag=nonblock and conv=nocreat are GNU's."""
    return b"coreutils" in _output(dd, "--version")


def _output(*command: str) -> bytes:
    try:
        return subprocess.run(command, capture_output=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return b""


def programs() -> dict[str, str | None]:
    return {"python3": python(), "dd": shutil.which("dd"), "flock": shutil.which("flock")}
