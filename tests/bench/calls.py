"""Calls inside a program, by pyperf: each library, and the C loop, in turns.

Run as a script by pyperf's workers, with the directory in $BENCH_DIRECTORY.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import lab
import libs
import pyperf
from peers import prepare

_LIBRARIES = ("procalive", "pid file, kill -0", "psutil", "socket", "filelock", "portalocker")
_LIMIT = "C loop (limit)"


def check(results: lab.Results, parent: str, rounds: int) -> None:
    d = prepare(tempfile.mkdtemp(dir=parent))
    with lab.hold_everything(d):
        _rounds(results, "check(), alive", d, rounds)
    _rounds(results, "check(), dead", d, rounds)


def _rounds(results: lab.Results, group: str, d: str, rounds: int) -> None:
    lab.say(group)
    for _ in range(rounds):
        for name, values in _pyperf(d).items():
            results.add(group, name, values)
        if os.path.exists(lab.LIMIT):
            results.add(group, _LIMIT, [lab.c_loop(f"{d}/f") for _ in range(10)])


def _pyperf(d: str) -> dict[str, list[float]]:
    with tempfile.TemporaryDirectory() as scratch:
        output = f"{scratch}/pyperf.json"
        options = ["-p", "1", "-n", "10", "-w", "2", "-l", str(lab.LOOPS), "--copy-env", "-q", "-o", output]
        environment = {**os.environ, "BENCH_DIRECTORY": d}
        subprocess.run([sys.executable, __file__, *options], env=environment, check=True, stdout=subprocess.DEVNULL)
        suite = pyperf.BenchmarkSuite.load(output)
        return {bench.get_name(): list(bench.get_values()) for bench in suite}


def _main() -> None:
    runner = pyperf.Runner()
    for name in _LIBRARIES:
        make = f"check = libs.LIBRARIES[{name!r}]({os.environ['BENCH_DIRECTORY']!r}).check"
        runner.timeit(name, "check()", setup=make, globals={"libs": libs})


if __name__ == "__main__":
    _main()
