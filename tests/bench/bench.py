"""procalive beside its peers, on this machine, in one run."""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable

import calls
import commands
import correctness
import growth
import lab
import latency
import report
import resident
from peers import PEERS


def correctness_and_idle(results: lab.Results, place: str, seconds: float) -> None:
    """What is not timed goes on while the waiters sleep."""
    lab.say("correctness, and waiters that sleep meanwhile")
    with resident.idle(results, place, seconds):
        correctness.measure(results, place)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, in under a minute; prints, keeps nothing")
    parser.add_argument(
        "--check", action="store_true", help="status 1 if a target was missed, 2 if one could not be measured"
    )
    parser.add_argument("--out", metavar="DIR", help="where to put results.json, .md and .svg (default: beside this)")
    return parser.parse_args()


_PARTS: dict[Callable[..., None], tuple[tuple[object, ...], tuple[object, ...]]] = {  # how much of it: full, quick
    correctness_and_idle: ((60,), (10,)),
    resident.memory: ((), ()),
    commands.check: ((8, 20), (2, 8)),
    commands.hold: ((8, 20), (2, 8)),
    calls.check: ((6,), (1,)),
    growth.shells: ((15,), (3,)),
    latency.commands: ((200,), (15,)),
    latency.calls: ((200,), (15,)),
    latency.crowds: (((1, 100, 1000), 200), ((1, 100), 15)),
    growth.fifos: (((1, 10, 100, 1000, 10000), 15), ((1, 10, 1000), 5)),
    growth.who: (((100, 2000), 5), ((100,), 2)),
}
_AT_MOST = 600  # seconds for a part: more than all of them take on an idle machine


def _measure(results: lab.Results, place: str, quick: bool) -> None:
    """Every part in turn; one that fails, or hangs, is skipped by name."""
    for part, sizes in _PARTS.items():
        try:
            with lab.at_most(_AT_MOST):
                part(results, place, *sizes[quick])
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            results.skip(f"the rest of {part.__module__}.{part.__name__}", str(error))


def _judge(results: lab.Results) -> int:
    """Print every target; the status for --check."""
    verdicts = report.verdicts(results)
    print("\n".join(report.target_lines(verdicts)))
    if any(verdict.met is False for verdict in verdicts):
        return 1
    return 2 if any(verdict.met is None for verdict in verdicts) else 0


def main() -> int:
    options = _arguments()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    lab.adopt_orphans()
    results, place = lab.Results(), lab.workplace()
    for peer in PEERS:
        if peer.missing():
            results.skip(peer.name, f"{os.path.basename(peer.missing())} is not there")
    try:
        _measure(results, place, options.quick)
    finally:
        lab.end_orphans()
        shutil.rmtree(place, ignore_errors=True)
    lab.say("done")
    if options.out or not options.quick:
        report.write(results, Path(options.out or lab.HERE), place)
    else:
        print(report.markdown(results, place))
    status = _judge(results)
    return status if options.check else 0


if __name__ == "__main__":
    sys.exit(main())
