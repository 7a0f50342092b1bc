"""Whole commands, from fork to exit, by hyperfine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from typing import Iterator

import lab
from peers import LIMIT, LOCKS, PROCALIVE, Peer, held, prepare, there

DD = "dd if=/dev/null of={f} oflag=nonblock conv=nocreat,notrunc status=none"

# Not the libraries: they are for programs that run anyhow; see calls.py.
_CHECKERS = ("procalive", "C (limit)", *LOCKS, "svok", "s6-svok", "pid file, kill -0", "pgrep -f", "fuser")
_HOLDERS = ("procalive", "procalive hold -o", "C (limit)", *LOCKS, "pid file, kill -0", "filelock")
EMPTY_PYTHON = "python3 -ISE -c pass"
EMPTY_SHELL = "dash -c :"
HOLD = "hold, whole command (true)"


@contextlib.contextmanager
def everybody_holds(peers: list[Peer], parent: str) -> Iterator[dict[str, tuple[str, list[str]]]]:
    """Each peer holds, in a directory of its own: (directory, job) by name."""
    places = {}
    with contextlib.ExitStack() as stack:
        for peer in peers:
            d = prepare(tempfile.mkdtemp(dir=parent))
            holder, job = held(peer, d)
            stack.enter_context(holder)
            places[peer.name] = d, job
        yield places


def _checks(peers: list[Peer], places: dict[str, tuple[str, list[str]]]) -> dict[str, list[str]]:
    commands = {peer.name: peer.command("check", *places[peer.name]) for peer in peers}
    f = f"{places[PROCALIVE.name][0]}/f"
    commands["procalive.py"] = [lab.PYTHON, "-ISE", lab.MODULE, "check", f]
    return commands


def check(results: lab.Results, parent: str, rounds: int, runs: int) -> None:
    peers = there(*_CHECKERS)
    with everybody_holds(peers, parent) as places, _held_without_link(f"{parent}/k") as no_link:
        floors = {EMPTY_SHELL: EMPTY_SHELL.split(), "dd": DD.format(f=f"{places[PROCALIVE.name][0]}/f").split()}
        commands = {**floors, **_checks(peers, places)}
        _record(results, "check, alive", {**commands, "procalive, no holder link": no_link}, rounds, runs)
    _record(results, "check, dead", commands, rounds, runs)
    nowhere = {peer.name: (f"{parent}/none", ["-"]) for peer in peers}
    never_held = _checks(there(PROCALIVE.name, LIMIT.name), nowhere)
    _record(results, "check, missing", never_held, rounds, runs)


@contextlib.contextmanager
def _held_without_link(fifo: str) -> Iterator[list[str]]:
    """A check that cannot take the short way: of a reader that did not go through `hold`."""
    os.mkfifo(fifo)
    end = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    yield [lab.COMMAND, "check", fifo]
    os.close(end)


def _record(results: lab.Results, group: str, commands: dict[str, list[str]], rounds: int, runs: int) -> None:
    lab.say(group)
    for name, times in lab.hyperfine(commands, rounds, runs).items():
        results.add(group, name, times)


# --- hold --------------------------------------------------------------------


def _holds(parent: str, command: list[str]) -> dict[str, list[str]]:
    """Holding for a command that ends at once, each peer in a directory of its own."""
    return {
        peer.name: peer.command("hold", prepare(tempfile.mkdtemp(dir=parent)), command) for peer in there(*_HOLDERS)
    }


def hold(results: lab.Results, parent: str, rounds: int, runs: int) -> None:
    floors = {
        "true": ["true"],
        EMPTY_SHELL: EMPTY_SHELL.split(),
        EMPTY_PYTHON: [lab.PYTHON, *EMPTY_PYTHON.split()[1:]],
    }
    _record(results, HOLD, {**floors, **_holds(parent, ["true"])}, rounds, runs)
    if not os.path.exists(lab.LIMIT):
        results.skip("hold, to the first instruction", "it is taken by limit.c")
        return
    stamp = {"nothing": [lab.LIMIT, "stamp"], **_holds(parent, [lab.LIMIT, "stamp"])}
    lab.say("hold, to the first instruction")
    for _ in range(rounds * runs):
        for name, command in stamp.items():
            results.add("hold, to the first instruction", name, [_to_first_instruction(command)])


def _to_first_instruction(command: list[str]) -> float:
    start = time.monotonic_ns()
    stamp = subprocess.run(command, stdout=subprocess.PIPE, close_fds=False, check=True).stdout
    return (int(stamp) - start) / 1e9
