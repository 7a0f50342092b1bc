"""What `top` costs: CPU of a real one on a terminal, with many held FIFOs.

    python tests/ctl/measure_top.py [FIFOS [SECONDS]]

Not a test, for figures depend on the machine: the target is less than 2 % of a core.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_top(directory: str, socket: str) -> int:
    """In a tmux of its own; the PID of the pane, which is top's."""
    program = shlex.join([sys.executable, os.path.join(TOP, "bin/procalivectl"), "top", directory])
    subprocess.run(["tmux", "-L", socket, "new", "-d", "-x", "140", "-y", "50", f"exec {program}"], check=True)
    pane = subprocess.run(
        ["tmux", "-L", socket, "list-panes", "-F", "#{pane_pid}"], check=True, capture_output=True, text=True
    )
    return int(pane.stdout)


def share(pid: int, seconds: float) -> float:
    """Per cent of a core in the next seconds."""
    before, started = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return 100 * (cpu_seconds(pid) - before) / (time.monotonic() - started)


def measure(fifos: int, seconds: float) -> None:
    hold = os.path.join(TOP, "bin/procalive")
    socket = f"procalive-measure-{os.getpid()}"
    flicker = f"while {hold} hold flicker sleep 0.3; do :; done"
    with tempfile.TemporaryDirectory() as directory:
        jobs = [subprocess.Popen([hold, "hold", f"{directory}/job{n:03}", "sleep", "3600"]) for n in range(fifos)]
        try:
            pid = start_top(directory, socket)
            time.sleep(15)  # past its start
            processes = sum(name.isdigit() for name in os.listdir("/proc"))
            print(f"{fifos} FIFOs held, {processes} processes: {share(pid, seconds):.2f} % of a core")
            jobs.append(subprocess.Popen(["sh", "-c", flicker], cwd=directory))
            print(f"and one that comes and goes: {share(pid, seconds):.2f} % of a core")
            os.kill(pid, 0)
        finally:
            for job in jobs:
                job.kill()
                job.wait()
            subprocess.run(["tmux", "-L", socket, "kill-server"], check=False)


if __name__ == "__main__":
    measure(*(int(word) for word in sys.argv[1:2] or ["100"]), *(float(word) for word in sys.argv[2:3] or ["60"]))
