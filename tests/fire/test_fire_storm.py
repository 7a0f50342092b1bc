"""64 processes and kill -9, for a minute: see storm.py."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from fire_common import LONG

STORM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "storm.py")


@pytest.mark.timeout(1200)
def test_no_storm_makes_two_holders_a_stale_alive_or_a_missed_death(capsys: pytest.CaptureFixture[str]) -> None:
    done = subprocess.run([sys.executable, STORM, "600" if LONG else "60"], capture_output=True, text=True, check=False)
    with capsys.disabled():
        print(f"\n{done.stdout}", end="")
    assert done.returncode == 0, done.stdout + done.stderr
