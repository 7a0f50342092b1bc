"""What each peer says when it matters, found out by running it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lab
import resident
from peers import BY_NAME, PEERS, Peer, held, prepare, says_alive

COLUMNS = ("kill -9", "PID reuse", "other PID namespace", "quick hand-over")
_PATIENCE = 3.0  # seconds; the pollers look once a second
_LAST_PID = Path("/proc/sys/kernel/ns_last_pid")


def unshare() -> list[str]:
    """Words that run a command in a PID namespace of its own."""
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", *root, "--pid", "--fork", "--kill-child", "--mount-proc"]


def ends(waiter: lab.Process) -> bool:
    """Whether the waiter returns in time."""
    try:
        waiter.popen.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        return False
    return True


def free(peer: Peer, d: str, job: list[str]) -> bool:
    """Whether check comes to say so; a keeper needs a moment to let go."""
    return lab.comes(lambda: not says_alive(peer, d, job), _PATIENCE, every=0.02)


# --- the four questions ------------------------------------------------------


def after_kill_9(peer: Peer, d: str) -> bool:
    """The holder and all its children are killed: is it free, with no clean-up?"""
    holder, job = held(peer, d)
    if peer.check is None:
        with lab.Process(peer.command("wait", d, job)) as waiter:
            lab.asleep(waiter.pid, children=True)
            holder.kill()
            return ends(waiter)
    holder.kill()
    return free(peer, d, job)


def from_elsewhere(peer: Peer, d: str) -> bool:
    """Is the holder seen from another PID namespace (a container's)?"""
    holder, job = held(peer, d)
    with holder:
        if peer.check:
            return says_alive(peer, d, job, tuple(unshare()))
        with lab.Process([*unshare(), *peer.command("wait", d, job)]) as waiter:
            return not ends(waiter)


def handed_over(peer: Peer, d: str) -> bool | None:
    """A new holder takes it at once: does who waited for the old one return?"""
    if peer.wait is None:
        return None
    holder, job = held(peer, d)
    with contextlib.ExitStack() as stack:
        if peer.queue:
            lab.asleep(stack.enter_context(lab.Process(peer.command("queue", d, job))).pid)
        waiter = stack.enter_context(lab.Process(peer.command("wait", d, job)))
        lab.asleep(waiter.pid, children=True)
        holder.kill()
        if not peer.queue:
            stack.enter_context(lab.Process(peer.command("hold", d, job)))
        return ends(waiter)


def pid_reused(peer: Peer, d: str) -> bool:
    """An unrelated process gets the dead holder's PID: is it taken for the holder?

    To be run in a PID namespace of its own, where the next PID can be chosen.
    """
    holder, job = held(peer, d)
    with contextlib.ExitStack() as stack:
        waiter = stack.enter_context(lab.Process(peer.command("wait", d, job))) if peer.wait else None
        if waiter:
            lab.asleep(waiter.pid, children=True)
        holder.kill()
        stack.enter_context(_stranger(holder.pid))
        # The waiter first: one that waits by locking is itself taken for a holder.
        right = waiter is None or ends(waiter)
        return right and (peer.check is None or free(peer, d, job))


def _stranger(pid: int) -> lab.Process:
    """A process with this PID; what the dead holder left may keep it in use for a moment."""
    for _ in range(50):
        _LAST_PID.write_text(str(pid - 1))
        stranger = lab.Process(["sleep", "inf"])
        if stranger.pid == pid:
            return stranger
        stranger.kill()
    raise RuntimeError(f"PID {pid} cannot be used again")


# --- all of them -------------------------------------------------------------


def _pid_reused_in_namespace(peer: Peer, d: str) -> bool | None:
    command = [*unshare(), sys.executable, __file__, peer.name, d]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=6 * lab.PATIENCE)
    if answer.returncode:
        raise RuntimeError((answer.stderr.strip().splitlines() or ["no answer"])[-1])
    return answer.stdout == "True\n"


def _ask(results: lab.Results, peer: Peer, parent: str) -> None:
    questions = (after_kill_9, _pid_reused_in_namespace, from_elsewhere, handed_over)
    for column, question in zip(COLUMNS, questions):
        try:
            answer = question(peer, prepare(tempfile.mkdtemp(dir=parent)))
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            results.skip(f"{peer.name}: {column}", str(error))
            answer = None
        results.correct.setdefault(peer.name, {})[column] = answer


def measure(results: lab.Results, parent: str, seconds: float) -> None:
    """It is not timed, so it goes on while the waiters sleep."""
    lab.say("correctness, and waiters that sleep meanwhile")
    with resident.idle(results, parent, seconds), ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda peer: _ask(results, peer, parent), (p for p in PEERS if not p.missing())))


if __name__ == "__main__":
    # psutil's wait asks for the PID once more after it was told: a race, not lost each time.
    print(all(pid_reused(BY_NAME[sys.argv[1]], sys.argv[2]) for _ in range(3)))
