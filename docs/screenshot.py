"""Make the pictures in docs/ anew: real FIFOs and holders, the program's real output.

    python docs/screenshot.py [SECONDS]

It watches for that long first (300), so that the timeline of `top` has
something to show.  All of it runs in namespaces of its own (unshare(1)), so
that /run has nothing else, and nothing is left.
"""

from __future__ import annotations

import asyncio
import fcntl
import io
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import time

from rich.console import Console
from rich.text import Text

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, TOP)

import procalive  # noqa: E402
from procalivectl import live, survey  # noqa: E402

_PROCALIVE = os.path.join(TOP, "bin/procalive")
_DIRECTORY = "/run"
_HOST = "db1"
_FIRST_PID = 41187  # a namespace of its own would begin with 1
_TOP_SIZE = (120, 22)
_COLUMNS = 110
_BEAT = "touch -c /proc/self/fd/$PROCALIVE_FD"
# What each job does: the name of FIFO and script, options of hold, the script.
_JOBS = (
    ("@backup", "", f"while {_BEAT}; do sleep 7; done"),
    ("@mirror", "", f"while {_BEAT}; do sleep 11; done"),
    ("@import", "", f"{_BEAT}; sleep 3600"),
    ("@index", "", f"{_BEAT}; sleep 3600"),
    ("/run/readers.fifo", "-s", f"while {_BEAT}; do sleep 5; done"),
    ("/run/readers.fifo", "-s", f"while {_BEAT}; do sleep 6; done"),
    ("/run/spool.fifo", "", "sleep 3600"),
)


def hold(name: str, options: str, script: str) -> int:
    """A job under a script of its own name; its PID, once it holds."""
    file = os.path.basename(name).strip("@").replace(".fifo", "") + ".sh"
    with open(file, "w") as text:
        text.write(script)
    path = procalive.path(name)
    job = subprocess.Popen([_PROCALIVE, "hold", *options.split(), name, "sh", file])
    while job.pid not in (holder.pid for holder in procalive.holders(path)):
        time.sleep(0.05)
    return job.pid


def start_jobs() -> None:
    """They end with the PID namespace."""
    pids = {name: hold(name, options, script) for name, options, script in _JOBS}
    os.kill(pids["@index"], signal.SIGSTOP)
    os.unlink("spool.fifo")
    subprocess.Popen([_PROCALIVE, "wait", "@backup"])
    # Held for a while, free for a while, over and over.
    with open("report.sh", "w") as text:
        text.write("sleep 35; exit $((RANDOM % 2))")
    subprocess.Popen(["sh", "-c", f"while :; do {_PROCALIVE} hold @report sh report.sh; sleep 45; done"])


def start_stranger() -> None:
    """What doctor finds: the job has ended, and something reads on without the lock."""
    subprocess.run([_PROCALIVE, "hold", "@notes", "true"], check=True)
    subprocess.Popen(["tail", "-f", procalive.path("@notes")], stdin=subprocess.DEVNULL)
    os.close(os.open(procalive.path("@notes"), os.O_WRONLY))  # which sleeps until it reads


async def picture_of_top(seconds: float) -> str:
    app = live.Top(survey.Survey(max_age=60.0))
    async with app.run_test(size=_TOP_SIZE) as pilot:
        await asyncio.sleep(seconds)
        await pilot.press("slash", *"report", "enter")  # with its last runs below
        await pilot.press("escape")
        app._tick()
        await pilot.pause()
        return app.export_screenshot(title="procalivectl top --max-age 60s")


def picture(*args: str) -> str:
    """What procalivectl writes on a terminal, drawn by Rich."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(written(*args).replace("\r\n", "\n").rstrip()))
    return console.export_svg(title=" ".join(["procalivectl", *args]))


def written(*args: str) -> str:
    terminal, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, _COLUMNS, 0, 0))
    env = {"TERM": "xterm-256color", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}  # nothing of this machine's user
    program = [sys.executable, os.path.join(TOP, "bin/procalivectl"), *args]
    with subprocess.Popen(program, stdin=slave, stdout=slave, stderr=slave, env=env):
        os.close(slave)
        out = b""
        try:
            while chunk := os.read(terminal, 65536):
                out += chunk
        except OSError:
            pass  # EIO: everybody has closed it
    return out.decode()


def save(name: str, svg: str) -> None:
    # The picture shall load nothing from elsewhere: any monospaced font will do.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code", "monospace")
    svg = svg.replace("<svg ", '<svg xml:space="preserve" ', 1)  # some viewers trim even no-break spaces
    with open(os.path.join(TOP, "docs", name), "w") as file:
        file.write(svg)


def main() -> None:
    seconds = sys.argv[1] if len(sys.argv) > 1 else "300"
    if sys.argv[2:] != ["inside"]:
        alone = ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        alone[1:1] = ["--map-root-user"] if os.geteuid() else []
        os.execvp("unshare", [*alone, sys.executable, os.path.abspath(__file__), seconds, "inside"])
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", _DIRECTORY], check=True)
    os.chdir(_DIRECTORY)
    socket.sethostname(_HOST)
    with open("/proc/sys/kernel/ns_last_pid", "w") as file:
        file.write(str(_FIRST_PID))
    start_jobs()
    save("top.svg", asyncio.run(picture_of_top(float(seconds))))
    start_stranger()
    save("ls.svg", picture("ls", "--max-age", "60s"))
    save("doctor.svg", picture("doctor", "@notes"))


if __name__ == "__main__":
    main()
