"""Real FIFOs and real holders for the console's tests."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP))

from typer.testing import CliRunner  # noqa: E402

import procalive  # noqa: E402
from procalivectl import cli  # noqa: E402

PROCALIVE = str(TOP / "bin/procalive")
CTL = [sys.executable, str(TOP / "bin/procalivectl")]


def until(true: Callable[[], Any], what: str, seconds: float = 50.0) -> Any:
    """Poll until it is true, for a bounded time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = true()
        if found:
            return found
        time.sleep(0.02)
    pytest.fail(f"{what}: not within {seconds:g} s")


def ctl(*args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """bin/procalivectl as a user calls it."""
    return subprocess.run([*CTL, *args], capture_output=True, text=True, timeout=60, check=False, **options)


def invoke(*args: str) -> tuple[int, str]:
    """A verb in this process: its status, and what it wrote on standard output."""
    result = CliRunner().invoke(cli.app, list(args), standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.return_value, result.stdout


def in_terminal(*args: str, columns: int, program: Sequence[str] = CTL, **environ: str) -> str:
    """What procalivectl writes on a terminal of that width."""
    terminal, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    env = inherited | {"TERM": "xterm-256color"} | environ
    with subprocess.Popen([*program, *args], stdin=slave, stdout=slave, stderr=slave, env=env):
        os.close(slave)
        written = b""
        with contextlib.suppress(OSError):  # EIO: everybody has closed it
            while chunk := os.read(terminal, 65536):
                written += chunk
    os.close(terminal)
    return written.decode()


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a short name, for it is shown on terminals of 40 columns."""
    path = tempfile.mkdtemp(prefix="pc")
    yield Path(path)
    subprocess.run(["chmod", "-R", "u+rwx", path], check=True)  # directories made without permission
    shutil.rmtree(path)


@pytest.fixture
def hold() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start `procalive hold` on a FIFO, and return once it has become its command."""
    with contextlib.ExitStack() as stack:

        def start(path: Path, *command: str, options: tuple[str, ...] = (), **popen: Any) -> subprocess.Popen[bytes]:
            words = [PROCALIVE, "hold", *options, str(path), *(command or ("sleep", "600"))]
            job = subprocess.Popen(words, **popen)
            stack.callback(end, job)
            until(lambda: b"PROCALIVE_FIFO=" in environ(job.pid), f"{path} held by {job.pid}")
            return job

        yield start


def environ(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes()
    return b""


def held_by(path: Path) -> list[int]:
    return [holder.keeps or holder.pid for holder in procalive.holders(path)]


def end(process: subprocess.Popen[Any]) -> None:
    with process:  # closes its pipes, too
        process.kill()


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[Any]]]:
    """Start any process, to be ended with the test."""
    with contextlib.ExitStack() as stack:

        def start(*command: str, **popen: Any) -> subprocess.Popen[Any]:
            process = subprocess.Popen(command, **popen)
            stack.callback(end, process)
            return process

        yield start


@contextlib.contextmanager
def locked_unread(path: Path) -> Iterator[None]:
    """A FIFO whose write end carries the lock, and that nobody reads."""
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    fcntl.flock(writer, fcntl.LOCK_EX)
    os.close(reader)
    yield
    os.close(writer)


@pytest.fixture(scope="session", autouse=True)
def imported() -> None:
    """What the console imports when it needs it: Python's own files may not be nobody's to read."""
    for verb in (("ls", "--max-age", "1"), ("ls", "--json"), ("doctor",), ("export",)):
        invoke(*verb, "/nowhere")


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="not root: no process that could not be seen")


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Permissions count: root is nobody for that time."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture(scope="session")
def prometheus(pytestconfig: pytest.Config) -> Path:
    """The directory of promtool and prometheus, unpacked from Debian's packages if need be.

    Unpacked and not installed: the package would start a server of its own.
    """
    found = shutil.which("promtool")
    if found and shutil.which("prometheus"):
        return Path(found).parent
    try:
        cache = Path(pytestconfig.cache.mkdir("prometheus"))  # type: ignore[union-attr]
        if not (cache / "usr/bin/promtool").exists():
            _unpack(cache)
    except (OSError, subprocess.SubprocessError):
        pytest.skip("promtool and prometheus: Debian's package prometheus cannot be had")
    return cache / "usr/bin"


def _unpack(directory: Path) -> None:
    download = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download"]
    for name in ("prometheus", "promtool"):  # the second has a package of its own since Debian 13
        subprocess.run([*download, name], cwd=directory, check=name == "prometheus", capture_output=True, timeout=300)
    for package in directory.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, directory], check=True, capture_output=True, timeout=300)
        package.unlink()
    os.stat(directory / "usr/bin/promtool")


@pytest.fixture
def own_names() -> Iterator[Path]:
    """Where this user's @NAMEs lie; those that the test made are taken away."""
    directory = Path(procalive.names_directory())
    before = set(directory.iterdir()) if directory.exists() else set()
    yield directory
    for left in set(directory.iterdir()) - before:
        left.unlink()
