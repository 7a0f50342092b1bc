"""What people use today, as command lines: how it holds, checks and waits.

{d} is a directory of its own, in which f is a FIFO, l a lock file, p a pid file
and s a service; {job} the command that is held for; {mark} a word that no other
process has in its arguments; {libs} runs libs.py.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import dataclass

import lab

_PID_FILE = """dash -c 'echo $$ >$0; exec "$@"' {d}/p {job}"""
_READ_PID = "read -r p <$0/p"


@dataclass(frozen=True)
class Peer:
    """A way to hold, check and wait; None for what it has not."""

    name: str
    hold: str
    check: str | None = None
    held: int = 0  # the status by which check says "alive"
    wait: str | None = None
    queue: str | None = None  # a holder that waits for its turn; else one is started after the death
    polls: bool = False
    needs: str = ""

    def command(self, verb: str, d: str, job: list[str]) -> list[str]:
        # As [0].5 the word is found by pgrep, but not in pgrep's own arguments.
        mark = f"[{job[-1][0]}]{job[-1][1:]}"
        libs = f"{sys.executable} -I {lab.HERE / 'libs.py'}"
        template = getattr(self, verb)
        words = shlex.split(template.replace("{job}", shlex.join(job)))
        return [
            part
            for word in words
            for part in (
                libs.split()
                if word == "{libs}"
                else [word.format(d=d, mark=mark, procalive=lab.COMMAND, limit=lab.LIMIT)]
            )
        ]

    def missing(self) -> str | None:
        """The first program that it needs and that is not there."""
        needed = [lab.LIMIT] if "{limit}" in self.hold else self.needs.split()
        return next((program for program in needed if not shutil.which(program)), None)


def _procalive(name: str, option: str = "") -> Peer:
    return Peer(
        name,
        hold=f"{{procalive}} hold{option} {{d}}/f -- {{job}}",
        check="{procalive} check {d}/f",
        wait="{procalive} wait {d}/f",
        queue=f"{{procalive}} hold{option} -w inf {{d}}/f -- {{job}}",
    )


def _lock(name: str, try_lock: str, lock: str, held: int = 1) -> Peer:
    """A command that runs another under a lock; trying it is the check."""
    return Peer(
        name,
        hold=f"{try_lock} {{d}}/l {{job}}",
        check=f"{try_lock} {{d}}/l true",
        held=held,
        wait=f"{lock} {{d}}/l true",
        queue=f"{lock} {{d}}/l {{job}}",
        needs=name.split()[0],
    )


def _library(name: str, queue: str | None = None, polls: bool = False) -> Peer:
    verbs = {verb: f"{{libs}} {verb} {name} {{d}}" for verb in ("hold", "check", "wait")}
    return Peer(name, **{**verbs, "hold": verbs["hold"] + " {job}"}, queue=queue, polls=polls)


_FLOCK_QUEUE = "flock -F {d}/l {job}"  # on the lock file that the libraries flock(2) too
PROCALIVE = _procalive("procalive")
KEEPER = _procalive("procalive hold -o", " -o")
LIMIT = Peer("C (limit)", hold="{limit} hold {d}/f {job}", check="{limit} check {d}/f", wait="{limit} wait {d}/f")
PEERS = [
    PROCALIVE,
    KEEPER,
    LIMIT,
    _lock("flock", "flock -n", "flock"),
    _lock("flock -F", "flock -n -F", "flock -F"),
    _lock("setlock", "setlock -n", "setlock", held=111),
    _lock("s6-setlock", "s6-setlock -n", "s6-setlock"),
    _lock("lckdo", "lckdo", "lckdo -w", held=75),
    Peer("svok", hold="supervise {d}/s", check="svok {d}/s", needs="svok supervise"),
    Peer("s6-svok", hold="s6-supervise {d}/s", check="s6-svok {d}/s", needs="s6-svok s6-supervise"),
    Peer(
        "pid file, kill -0",
        hold=_PID_FILE,
        check=f"dash -c '{_READ_PID} && kill -0 $p' {{d}}",
        wait=f"dash -c '{_READ_PID}; while kill -0 $p; do sleep 1; done' {{d}}",
        polls=True,
        needs="dash",
    ),
    Peer(
        "tail --pid",
        hold=_PID_FILE,
        wait=f"dash -c '{_READ_PID}; exec tail -f --pid=$p /dev/null' {{d}}",
        polls=True,
        needs="dash",
    ),
    Peer("waitpid", hold=_PID_FILE, wait=f"dash -c '{_READ_PID}; exec waitpid $p' {{d}}", needs="dash waitpid"),
    Peer(
        "pgrep -f",
        hold="{job}",
        check="pgrep -f {mark}",
        wait="dash -c 'while pgrep -f $0; do sleep 1; done' {mark}",
        polls=True,
        needs="dash pgrep",
    ),
    Peer("pidwait -f", hold="{job}", wait="pidwait -f {mark}", needs="pidwait"),
    Peer(
        "fuser",
        hold="""dash -c 'exec 9>$0; exec "$@"' {d}/l {job}""",
        check="fuser -s {d}/l",
        wait="dash -c 'while fuser -s $0; do sleep 1; done' {d}/l",
        polls=True,
        needs="dash fuser",
    ),
    _library("filelock", _FLOCK_QUEUE, polls=True),
    _library("portalocker", _FLOCK_QUEUE, polls=True),
    _library("psutil"),
    _library("socket"),
]
LOCKS = ("flock", "flock -F", "setlock", "s6-setlock", "lckdo")
BY_NAME = {peer.name: peer for peer in PEERS}


def there(*names: str) -> list[Peer]:
    """Those of the named peers that can be run here."""
    return [BY_NAME[name] for name in names if not BY_NAME[name].missing()]


def says_alive(peer: Peer, d: str, job: list[str], prefix: tuple[str, ...] = ()) -> bool:
    with lab.Process([*prefix, *peer.command("check", d, job)]) as check:
        return check.popen.wait(lab.PATIENCE) == peer.held


def held(peer: Peer, d: str) -> tuple[lab.Process, list[str]]:
    """A holder, and its job, that is seen to hold as far as the peer can see it at all."""
    job = lab.job()
    holder = lab.Process(peer.command("hold", d, job))
    try:
        # Its job first: to try a lock too early is to take it away.
        if "{job}" in peer.hold:
            lab.until(f"{peer.name} runs its job", lambda: lab.runs(holder.pid, job))
        if peer.check:
            lab.until(f"{peer.name} holds", lambda: says_alive(peer, d, job))
    except Exception:
        holder.kill()
        raise
    return holder, job


def prepare(d: str) -> str:
    """Make the directory as the command lines expect it."""
    os.makedirs(f"{d}/s")
    os.mkfifo(f"{d}/f", 0o600)
    with open(f"{d}/s/run", "w") as run:
        run.write("#!/bin/sh\nexec sleep 600\n")
    os.chmod(f"{d}/s/run", 0o755)
    return d
