"""procalive beside its peers, on this machine, in one run."""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
from pathlib import Path

import calls
import commands
import correctness
import growth
import lab
import latency
import report
import resident
from peers import PEERS
from targets import TARGETS


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, in under a minute; prints, keeps nothing")
    parser.add_argument(
        "--check", action="store_true", help="status 1 if a target was missed, 2 if one could not be measured"
    )
    parser.add_argument("--out", metavar="DIR", help="where to put results.json, .md and .svg (default: beside this)")
    return parser.parse_args()


def _measure(results: lab.Results, place: str, quick: bool) -> None:
    """Every part in turn; what is not timed goes on while the waiters sleep."""
    lab.say("correctness, and waiters that sleep meanwhile")
    with resident.idle(results, place, 10 if quick else 60):
        correctness.measure(results, place)
    resident.memory(results, place)
    commands.check(results, place, *((2, 8) if quick else (8, 20)))
    commands.hold(results, place, *((2, 8) if quick else (8, 20)))
    calls.check(results, place, 1 if quick else 6)
    growth.shells(results, place, 3 if quick else 15)
    latency.commands(results, place, 15 if quick else 200)
    latency.calls(results, place, 15 if quick else 200)
    latency.crowds(results, place, (1, 100) if quick else (1, 100, 1000))
    growth.fifos(results, place, (1, 10, 1000) if quick else (1, 10, 100, 1000, 10000), 5 if quick else 15)
    growth.who(results, place, (100,) if quick else (100, 2000), 2 if quick else 5)


def _judge(results: lab.Results) -> int:
    """Print every target; the status for --check."""
    verdicts = [(target, *target.judge(results)) for target in TARGETS]
    print("\n".join(report.target_lines(verdicts)))
    if any(met is False for _, _, met in verdicts):
        return 1
    return 2 if any(met is None for _, _, met in verdicts) else 0


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
