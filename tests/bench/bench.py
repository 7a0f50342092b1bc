"""procalive beside its peers, on this machine, in one run."""

from __future__ import annotations

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
import release
import report
import resident
from options import options
from peers import PEERS

_PARTS: dict[Callable[..., None], tuple[tuple[object, ...], tuple[object, ...]]] = {  # how much of it: full, quick
    correctness.measure: ((60,), (10,)),
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
    release.queue: (((1, 10, 20, 50, 100, 200), 5), ((1, 20, 50), 1)),
    release.making: (((0, 1000), 10), ((0, 100), 3)),
    release.refused: ((15,), (3,)),
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
    chosen = options()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # As cron starts it: where bash may have, hold starts a process that looks for exported functions.
    for name in ("_", "SHLVL"):
        os.environ.pop(name, None)
    lab.adopt_orphans()
    results, place = lab.Results(), lab.workplace()
    for peer in PEERS:
        if peer.missing():
            results.skip(peer.name, f"{os.path.basename(peer.missing())} is not there")
    try:
        _measure(results, place, chosen.quick)
    finally:
        lab.end_orphans()
        shutil.rmtree(place, ignore_errors=True)
    lab.say("done")
    if chosen.out or not chosen.quick:
        report.write(results, Path(chosen.out or lab.HERE), place)
    else:
        print(report.markdown(results, place))
    status = _judge(results)
    return status if chosen.check else 0


if __name__ == "__main__":
    sys.exit(main())
