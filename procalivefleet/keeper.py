"""The keeper: all of the network.  It renews the lease while the job lives.

It is the second guard, too.  Where the front has ended it kills what holds the
FIFO, and so it does when the lease runs out, should the front be stopped.
"""

from __future__ import annotations

import os

import procalive
from procalivefleet import job, kernel, request, watch, words
from procalivefleet.acquire import Acquisition, Busy, FrontGone
from procalivefleet.etcd import Etcd, decode, encode
from procalivefleet.events import Events
from procalivefleet.kernel import SharedTime
from procalivefleet.lease import Lease
from procalivefleet.terms import Terms, margin
from procalivefleet.watch import Event, Watcher
from procalivefleet.wire import Wire
from procalivefleet.words import Refused, Unreachable, boot

_RENEWAL = 1.0  # seconds for one try to renew
_AGAIN = 0.3  # seconds between two tries, and between two rounds of SIGKILL
_REVOCATION = 2.0  # seconds to give the lease back
_GIVING_UP = 0.5  # the same, where etcd did not answer anyway
_NEVER = float("inf")
OLDEST = (3, 5, 13)  # leases wrongly revoked by an old leader: etcd issues 12528, 15247


class Keeper:
    """From the fork to the end of the lease."""

    def __init__(
        self,
        name: str,
        fifo: str,
        command: list[str],
        terms: Terms,
        deadline: SharedTime,
        front: Wire,
        front_pidfd: int,
    ) -> None:
        self._name = name
        self._fifo = fifo
        self._deadline = deadline
        self._terms = terms
        self._front = front
        self._front_pidfd = front_pidfd
        self._etcd = Etcd()
        self._lease = Lease(self._etcd, name, terms.ttl, command)

    def run(self) -> None:
        """All of it; every failure becomes a message to the front."""
        terms = self._terms
        turn = Acquisition(self._etcd, self._name, self._lease, self._front, terms.timeout, terms.verbose)
        try:
            self._note_version()
            turn.run()
        except FrontGone:
            self._lease.revoke(_REVOCATION)
        except Busy as busy:
            self._lease.revoke(_REVOCATION)
            self._front.tell("busy", busy)
        except (Unreachable, Refused) as error:
            self._front.tell("failed", error)
            self._lease.revoke(_GIVING_UP)
        else:
            assert turn.watcher is not None
            self._deadline.value = self._lease.deadline
            self._front.tell("held", self._lease.fence, self._lease.ttl, self._lease.lease)
            guard = _Guard(
                job.local_path(self._fifo), self._deadline, self._front, self._etcd, self._lease, turn.watcher
            )
            guard.run(self._front_pidfd)
            self._lease.revoke(_REVOCATION)
            self._front.tell("free")

    def _note_version(self) -> None:
        text = "" if self._terms.quiet else self._etcd.version(boot() + _RENEWAL)
        if text and version_of(text) < OLDEST:
            wanted = ".".join(map(str, OLDEST))
            what = f"etcd {words.show(text)} may end leases by mistake; {wanted} or newer does not"
            self._front.tell("note", f"{self._etcd.member.text}: {what}")


def version_of(text: str) -> tuple[int, ...]:
    """(3, 5, 16) of `3.5.16` or `3.5.16+git`."""
    numbers = []
    for part in text.partition("-")[0].partition("+")[0].split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


class _Guard:
    """The time of holding: renew, answer requests, and revoke when the job is dead."""

    def __init__(
        self, fifo: str, deadline: SharedTime, front: Wire, etcd: Etcd, lease: Lease, watcher: Watcher
    ) -> None:
        self._fifo = fifo
        self._deadline = deadline
        self._margin = margin(lease.ttl)
        self._front = front
        self._etcd = etcd
        self._lease = lease
        self._watcher = watcher
        self._timer = kernel.Timer()
        self._fifo_watch = procalive.Watch()
        self._job: int | None = None  # its pidfd, while it lives
        self._started = self._fifo_alive = self._not_to_start = self._front_gone = self._lost = False
        self._renew_at = lease.renewal
        self._kill_at = 0.0  # the next round, once there is to be one
        self._early: list[Event] = []  # requests from before the start
        self._complaints: set[str] = set()
        self._events = Events()
        self._events.on(front, self._hear_front)
        self._events.on(watcher, self._hear_etcd)
        self._events.on(self._timer, self._timer.rang)
        self._events.on(self._fifo_watch, self._fifo_changed)

    def run(self, front_pidfd: int) -> None:
        """Until the job is dead, or is not to be started."""
        self._events.on(front_pidfd, lambda: self._front_ended(front_pidfd))
        while not self._is_over():
            self._timer.set(min(self._renew_at, self._next_kill()))
            self._events.wait()
            if boot() >= self._renew_at:
                self._renew()
            if boot() >= self._next_kill():
                self._kill_all()

    def _is_over(self) -> bool:
        if not self._started:
            return self._not_to_start
        return not self._fifo_alive and self._job is None

    def _next_kill(self) -> float:
        """At once where the front or the lease is gone, else when the lease runs out."""
        if not self._started:
            return _NEVER
        if self._lost or self._front_gone:
            return self._kill_at
        return max(self._kill_at, self._lease.deadline - self._margin)

    def _patience(self) -> float:
        """Seconds for a question to etcd: while one waits for the answer, nobody would be killed."""
        return max(0.05, min(_RENEWAL, self._next_kill() - boot()))

    def _kill_all(self) -> None:
        if not (self._lost or self._front_gone):
            self._front.tell("lost", "the lease cannot be renewed")  # and the front is stopped, or late
        self._complain(job.kill_all(self._fifo if self._fifo_alive else None, self._job))
        self._kill_at = boot() + _AGAIN

    def _renew(self) -> None:
        renewed = self._lease.renew(self._patience())
        if renewed:
            self._deadline.value = self._lease.deadline
        elif renewed is False:
            self._lose()
        self._renew_at = self._lease.renewal if renewed else _NEVER if self._lost else boot() + _AGAIN

    def _lose(self) -> None:
        self._lost = True
        self._renew_at = _NEVER
        self._front.tell("lost", "the lease is lost")

    def _hear_front(self) -> None:
        kind, _, pidfd = self._front.hear()
        if kind == "started" and pidfd is not None:
            self._start(pidfd)
        else:  # it could not be started; or front and job have ended before
            self._not_to_start = True
            if not kind:
                self._events.off(self._front)

    def _start(self, pidfd: int) -> None:
        self._started = True
        self._job = pidfd
        self._events.on(pidfd, self._job_ended)
        # It may have ended already: before the watch began, or just then.
        self._fifo_alive = self._fifo_watch.add(self._fifo) is not None and not self._fifo_watch.gone_already()
        for event in self._early:
            self._carry_out(event)

    def _job_ended(self) -> None:
        if self._job is not None:
            self._events.off(self._job)
            os.close(self._job)
        self._job = None

    def _fifo_changed(self) -> None:
        if self._fifo_watch.gone_already():
            self._fifo_alive = False

    def _front_ended(self, pidfd: int) -> None:
        self._front_gone = True
        self._events.off(pidfd)

    def _complain(self, text: str) -> None:
        """Once for each text.  Without a front there is nobody to hear it."""
        if text and text not in self._complaints:
            self._complaints.add(text)
            self._front.tell("note", text)

    def _hear_etcd(self) -> None:
        for event in self._watcher.take():
            if event.kind == watch.GAP:
                self._look_for_requests()
                self._renew_at = 0.0  # the key may be gone
            elif event.kind == watch.DELETE and event.key == self._lease.key:
                self._lose()
            elif event.kind == watch.PUT:
                self._take_request(event)

    def _look_for_requests(self) -> None:
        start = request.key_below(self._lease.key, "")
        question = {"key": encode(start), "range_end": encode(start[:-1] + ".")}
        try:
            answer = self._etcd.call("kv/range", question, boot() + self._patience(), self._lease.each)
        except (Unreachable, Refused):
            return  # whoever asks sees no answer, and says so
        for pair in answer.get("kvs", ()):
            self._take_request(Event(watch.PUT, decode(pair["key"]), value=decode(pair.get("value", ""))))

    def _take_request(self, event: Event) -> None:
        if request.is_below(event.key, self._lease.key) and request.asked(event.value):
            if self._started:
                self._carry_out(event)
            else:
                self._early.append(event)

    def _carry_out(self, event: Event) -> None:
        wanted = request.asked(event.value)
        answer = request.carry_out(self._fifo, *wanted) if wanted and self._fifo_alive else request.NOBODY
        try:
            request.write(self._etcd, self._lease, event.key, {"answer": answer}, boot() + self._patience())
        except (Unreachable, Refused):
            pass  # as above
