"""The job: a child of the front that holds the FIFO and becomes COMMAND.

What goes wrong before that is told through a pipe that closes at the exec, so
that a local 75, 125 or 127 is not taken for the command's own status.
"""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterable

import procalive
from procalivefleet import kernel, words
from procalivefleet.wire import Wire

_MOMENT = 0.5  # seconds: who looks through /proc keeps a FIFO alive for a moment
_NOT_FOR_COMMAND = ("ETCDCTL_PASSWORD", "ETCDCTL_USER", "ETCDCTL_KEY")


def local_path(fifo: str) -> str:
    """The absolute path of a FIFO, or of `@NAME`.  Raises procalive.Refused."""
    return os.path.abspath(procalive.path(fifo))


class Plan:
    """What to run.

    given: the FIFO as it was named.  fifo: its absolute path.  fence: the create
    revision.  latest: when it is too late to start (boot clock).  mask: the signals that were blocked at the beginning.
    """

    def __init__(self, name: str, given: str, command: list[str], fence: str, latest: float, mask: Iterable[int]):
        self.name = name
        self.given = given
        self.fifo = local_path(given)
        self.command = command
        self.fence = fence
        self.latest = latest
        self.mask = mask


def refuse_unkillable(command: list[str]) -> None:
    """Raise Refused where the guards would lose their power over the command.

    At the exec of a program that changes user, group or capabilities the kernel
    clears PR_SET_PDEATHSIG (prctl(2)), and only root may still kill what it becomes.
    """
    file = procalive._program(procalive._behind_wrappers(command)[0])
    if file is None or os.geteuid() == 0:
        return
    what = ""
    if os.stat(file).st_mode & (stat.S_ISUID | stat.S_ISGID):
        what = "a set-user-ID program"
    elif _has_capabilities(file):
        what = "a program with capabilities of its own"
    if what:
        path = words.show(os.fsdecode(file))
        raise words.Refused(f"{path}: {what}, which only root could kill when the lease is lost; start hold as root")


def _has_capabilities(file: bytes) -> bool:
    try:
        return bool(os.getxattr(file, "security.capability"))
    except OSError:
        return False


def start(plan: Plan, keeper: Wire) -> tuple[int, int]:
    """Fork it: its PID, and the pipe that tells `STATUS TEXT` where it could not be started."""
    front = os.getpid()
    report, told = os.pipe()
    pid = os.fork()
    if pid:
        os.close(told)
        return pid, report
    try:
        status, text = _become(plan, keeper, front)
    except BaseException as error:
        status, text = words.FAILED, words.line(error)
    os.write(told, f"{status} {text}".encode("utf-8", "backslashreplace")[:4096])
    os._exit(status)


def _become(plan: Plan, keeper: Wire, front: int) -> tuple[int, str]:
    """In the child: hold and exec; a status and what to say where that failed."""
    if not kernel.die_with_parent(front):
        os._exit(words.FAILED)
    try:
        held = procalive.hold(plan.given, timeout=_MOMENT)
    except procalive.Held as conflict:
        return words.HELD, words.line(conflict)
    if words.boot() >= plan.latest:
        return words.FAILED, f"{plan.name}: the lease came too late"
    # From here on the keeper waits for the end of the job and of what inherits from it.
    keeper.tell("started", pidfd=os.pidfd_open(os.getpid()))
    os.environ.update(PROCALIVE_FENCE=plan.fence, PROCALIVE_FLEET=plan.name)
    for name in _NOT_FOR_COMMAND:
        os.environ.pop(name, None)
    signal.pthread_sigmask(signal.SIG_SETMASK, plan.mask)
    return procalive._become(plan.fifo, held.fd, None, plan.command, procalive._Options()), ""


def kill_all(fifo: str | None, pidfd: int | None) -> str:
    """SIGKILL to the job by its pidfd, and to all that hold the FIFO; what went wrong, or ''.

    The job first: the search for the others goes through all of /proc, which takes
    long on a busy machine, and the lease is about to end.
    """
    trouble = signal_job(pidfd, signal.SIGKILL)
    return signal_holders(fifo, signal.SIGKILL, all=True) or trouble


def terminate(fifo: str | None, pidfd: int | None) -> str:
    """SIGTERM to the job; where that has ended, to what it left holding the FIFO."""
    if pidfd is None:
        return signal_holders(fifo, signal.SIGTERM, all=False)
    return signal_job(pidfd, signal.SIGTERM) or signal_job(pidfd, signal.SIGCONT)  # a stopped one shall see it


def signal_holders(fifo: str | None, number: int, all: bool) -> str:
    """What went wrong, or ''."""
    try:
        if fifo is not None:
            procalive.kill(fifo, number, all=all)
    except (procalive.ProcaliveError, OSError) as error:
        return words.line(error)
    return ""


def signal_job(pidfd: int | None, number: int) -> str:
    """What went wrong, or ''.  Through a pidfd, so never to another process."""
    try:
        if pidfd is not None:
            signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        pass
    except OSError as error:
        return f"the job cannot be signalled: {error.strerror}"
    return ""
