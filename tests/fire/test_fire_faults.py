"""Each system call of each verb fails in turn: see faults.py."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from faults import CASES
from fire_common import LONG

HERE = os.path.dirname(os.path.abspath(__file__))
ALONE = ["unshare", "--kill-child", "--fork", "--pid", "--mount-proc"]
if os.geteuid() != 0:
    ALONE[1:1] = ["--user", "--map-root-user"]

# The start of the launcher (dash, dd, Python) makes hundreds of system calls: minutes for each verb.
ORDINARY = [name for name in CASES if LONG or not name.startswith("bin/procalive")]


def can_trace_alone() -> bool:
    if not (shutil.which("strace") and shutil.which("unshare")):
        return False
    trial = [*ALONE, "strace", "-f", "-o", "/dev/null", "true"]
    return subprocess.run(trial, check=False, stderr=subprocess.DEVNULL).returncode == 0


@pytest.mark.skipif(not can_trace_alone(), reason="needs strace, and a PID namespace")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("case", ORDINARY)
def test_every_fault_ends_in_a_status_of_the_contract(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = subprocess.run(
        [*ALONE, sys.executable, f"{HERE}/faults.py", case], capture_output=True, text=True, check=False
    )
    with capsys.disabled():
        print(f"\n{done.stdout.partition(chr(10))[0]}", end="")
    assert done.returncode == 0, done.stdout + done.stderr
