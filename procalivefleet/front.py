"""The front: the parent of the job.  It stops the job when the lease runs out.

No network: whatever that does, the timer rings.
"""

from __future__ import annotations

import os
import signal

import procalive
from procalivefleet import job, kernel, wire, words
from procalivefleet.events import Events
from procalivefleet.job import Plan
from procalivefleet.kernel import SharedTime
from procalivefleet.terms import Terms, margin
from procalivefleet.wire import Wire
from procalivefleet.words import boot

TYPE_CHECKING = False  # typing costs 7 ms at start
if TYPE_CHECKING:
    from typing import NoReturn

_PASSED_ON = {
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
    signal.SIGWINCH,
}
_ROUND = 0.2  # seconds between two rounds of SIGKILL
_FAREWELL = 2.5  # seconds for the keeper to give the lease back
_GIVING_BACK = 1.0  # seconds to do so in its place
_RUNNING, _ENDING, _KILLING, _DONE = range(4)


def hold(name: str, fifo: str, command: list[str], terms: Terms) -> int:
    """All of `hold`; the exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it would take the job's status away
    mine, its = wire.pair()
    me = os.pidfd_open(os.getpid())
    deadline = SharedTime(0.0)
    if os.fork() == 0:
        mine.close()
        _become_keeper(name, fifo, command, terms, deadline, its, me)
    its.close()
    os.close(me)
    kind, text = _first_answer(mine)
    if kind == "held":
        fence, ttl, lease = text.split()
        front = _Front(name, fifo, terms, mine, deadline, float(ttl))
        status = front.run(command, fence)
        if not front.freed:
            _give_back(lease)
        return status
    if kind == "busy":
        if not terms.quiet:
            words.say(f"{name}: held by {text}")
        return terms.conflict
    words.say(f"{name}: {text or 'the keeper has ended'}; the job was not run")
    return words.FAILED


def _first_answer(keeper: Wire) -> tuple[str, str]:
    while True:
        kind, text, _ = keeper.hear()
        if kind != "note":
            return kind, text
        words.say(text)


def _become_keeper(
    name: str, fifo: str, command: list[str], terms: Terms, deadline: SharedTime, front: Wire, front_pidfd: int
) -> NoReturn:
    """In the child: a session of its own, which no signal ends and nobody waits for."""
    try:
        os.setsid()
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        # A pipe that somebody reads to its end would stay open, and an outer lock held.
        procalive._close_all_but(front.fileno(), front_pidfd)
        procalive._open_standard_descriptors()
        procalive._set_title("fleet", "keeper", name)
        from procalivefleet.keeper import Keeper

        Keeper(name, fifo, command, terms, deadline, front, front_pidfd).run()
    except words.FleetError as error:
        front.tell("failed", error)
    except BaseException as error:
        front.tell("failed", words.line(error))
    os._exit(0)


def _give_back(lease: str) -> None:
    """All is dead, and the keeper cannot tell etcd.  In a child: no network here, not even at the end."""
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    try:
        from procalivefleet.etcd import Etcd
        from procalivefleet.lease import revoke

        revoke(Etcd(), lease, _GIVING_BACK, _GIVING_BACK)
    finally:
        os._exit(0)


class _Front:
    """From the lease that is held to the end of the job."""

    def __init__(self, name: str, fifo: str, terms: Terms, keeper: Wire, deadline: SharedTime, ttl: float) -> None:
        self._name = name
        self._given = fifo
        self._fifo = job.local_path(fifo)
        self._grace = terms.grace
        self._terms = terms
        self._margin = margin(ttl)
        self._keeper = keeper
        self._deadline = deadline
        self._signals = kernel.Signals(_PASSED_ON | {signal.SIGCHLD})
        self._timer = kernel.Timer()
        self._watch = procalive.Watch()
        self._stage = _RUNNING
        self._kill_by = 0.0
        self._lost = self._fifo_alive = self._keeper_done = self._reported = False
        self._job = 0  # its PID, until it was waited for
        self._pidfd: int | None = None  # as long
        self._status = words.FAILED
        self._trouble = ""
        self.freed = False  # the keeper has given the lease back

    def run(self, command: list[str], fence: str) -> int:
        """The exit status."""
        self._timer.set(self._term_at())
        plan = Plan(self._name, self._given, command, fence, self._term_at(), self._signals.before)
        self._job, report = job.start(plan, self._keeper)
        self._pidfd = os.pidfd_open(self._job)
        self._events = Events()
        self._events.on(report, lambda: self._hear_report(report))
        self._events.on(self._signals, self._pass_signals)
        self._events.on(self._timer, self._ring)
        self._events.on(self._keeper, self._hear_keeper)
        self._events.on(self._watch, self._see_fifo)
        while not self._is_over():
            self._events.wait()
        return words.LOST if self._lost else self._status

    def _term_at(self) -> float:
        return self._deadline.value - self._margin - self._grace

    def _is_over(self) -> bool:
        if self._job or self._fifo_alive:
            return False
        if self._stage != _DONE:
            self._stage = _DONE
            self._timer.set(boot() + _FAREWELL)
        return self._keeper_done

    def _hear_report(self, report: int) -> None:
        """The job has begun, or says why it could not."""
        told = os.read(report, 4096).decode("utf-8", "replace")
        self._events.off(report)
        os.close(report)
        if not told:
            # It may have ended already: before the watch began, or just then.
            self._fifo_alive = self._watch.add(self._fifo) is not None and not self._watch.gone_already()
            return
        status, _, text = told.partition(" ")
        self._keeper.tell("failed")
        conflict = int(status) == words.HELD
        if text and not (conflict and self._terms.quiet):
            words.say(text)
        self._status = self._terms.conflict if conflict else int(status)
        self._reported = True

    def _pass_signals(self) -> None:
        for number, code in self._signals.take():
            if number == signal.SIGCHLD:
                self._reap()
            elif self._job and code != kernel.FROM_KERNEL:  # a terminal's goes to the job as well
                os.kill(self._job, number)

    def _reap(self) -> None:
        """Only until then is the job's PID surely the job's."""
        if self._pidfd is None:
            return
        pid, ended = os.waitpid(self._job, os.WNOHANG)
        if pid:
            self._job = 0
            os.close(self._pidfd)
            self._pidfd = None
            status = os.waitstatus_to_exitcode(ended)
            if not self._reported:
                self._status = status if status >= 0 else 128 - status

    def _see_fifo(self) -> None:
        if self._watch.gone_already():
            self._fifo_alive = False

    def _hear_keeper(self) -> None:
        kind, text, _ = self._keeper.hear()
        if kind == "note":
            words.say(text)
        elif kind == "lost":
            self._say_lost(text)
            self._lose(_KILLING, text)
        elif kind == "free":
            self._keeper_done = self.freed = True
        elif not kind:
            self._events.off(self._keeper)
            self._keeper_ended()

    def _keeper_ended(self) -> None:
        if not self._keeper_done:
            self._keeper_done = True
            self._lose(_ENDING, "the keeper has ended")

    def _ring(self) -> None:
        """A time has come; in most cases that of a deadline which has moved on since."""
        self._timer.rang()
        if self._stage == _DONE:
            self._keeper_done = True  # stopped, or etcd is away: the lease ends by itself
        elif self._stage == _KILLING or (self._stage == _ENDING and boot() >= self._kill_by):
            self._lose(_KILLING, "")
        elif self._stage == _RUNNING and boot() >= self._term_at():
            self._lose(_ENDING, "the lease cannot be renewed")
        elif self._stage == _RUNNING:
            self._timer.set(self._term_at())

    def _say_lost(self, why: str) -> None:
        if not self._lost:
            words.say(f"{self._name}: {why}; stopping the job")
        self._lost = True

    def _lose(self, stage: int, why: str) -> None:
        """Go on to this stage of stopping the job, unless it is dead already."""
        self._reap()
        self._see_fifo()
        if not self._job and not self._fifo_alive:
            return
        self._say_lost(why)
        now, last = boot(), self._deadline.value - self._margin
        if stage == _ENDING and now < last:
            self._stage = _ENDING
            self._kill_by = min(now + self._grace, last)
            self._timer.set(self._kill_by)
            self._complain(job.terminate(self._living_fifo(), self._pidfd))
        else:
            self._stage = _KILLING
            self._timer.set(now + _ROUND)
            self._complain(job.kill_all(self._living_fifo(), self._pidfd))

    def _living_fifo(self) -> str | None:
        return self._fifo if self._fifo_alive else None

    def _complain(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            words.say(trouble)
        self._trouble = trouble
