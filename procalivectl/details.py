"""All that is known of the FIFO under the cursor of top."""

from __future__ import annotations

import time
from collections.abc import Sequence

import procalive
from procalivectl import host, survey, table, words
from procalivectl.history import Run


def lines(fifo: survey.Fifo, runs: Sequence[Run]) -> list[str]:
    """Its holders, their PROCALIVE_* variables, who waits, and the runs that ended before the eyes of top."""
    now = time.time()
    remark = f": {fifo.remark}" if fifo.remark else ""
    name = f"{fifo.name}  " if fifo.name else ""
    found = [f"{name}{words.show(fifo.path)}  {', '.join(fifo.trouble) or table.state(fifo)}{remark}"]
    told = ""
    for holder in fifo.holders + fifo.others:
        found.append(_holder(holder, now))
        given = " ".join(environment(holder.main))
        if given not in ("", told):  # children have their parent's
            found.append(given)
            told = given
    if fifo.lockers:
        found.append(f"locked by: {words.processes(fifo.lockers)}")
    if fifo.watchers:
        found.append(f"waiting or watching: {words.processes(fifo.watchers)}")
    idle = fifo.idle(now)
    if idle is not None:
        found.append(f"its last holder began or beat {words.duration(idle)} ago")
    if fifo.beaten is False:
        found.append("no beat since its start")
    found += [f"ended: {run}" for run in reversed(runs)]
    return found


def _holder(holder: procalive.Holder, now: float) -> str:
    kind = "lock" if holder.lock else "reader"
    keeps = f", keeps {words.processes([holder.keeps])}" if holder.keeps else ""
    age = words.duration(now - holder.since)
    return f"{holder.pid} {words.show(holder.user)} {kind}{keeps}, for {age}: {words.command_line(holder.command)}"


def environment(pid: int) -> list[str]:
    """PROCALIVE_* of a process, as they were at its start."""
    given = sorted(host.environ(pid).items())
    return [words.show(name + b"=" + value) for name, value in given if name.startswith(b"PROCALIVE_")]
