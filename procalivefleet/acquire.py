"""Waiting for one's turn: the queue of a name, up to the moment of holding it."""

from __future__ import annotations

import select

from procalivefleet import contenders, watch, words
from procalivefleet.contenders import Contender
from procalivefleet.etcd import Etcd
from procalivefleet.lease import Lease
from procalivefleet.watch import Watcher
from procalivefleet.wire import Wire
from procalivefleet.words import Refused, Unreachable, boot

_LOOK = 2.0  # seconds for one look at the queue
_RENEWAL = 1.0  # seconds for one try to renew
_AGAIN = 0.3  # seconds between two tries


class Busy(Exception):
    """Held elsewhere, and the time to wait, if any, is over."""

    def __init__(self, holder: Contender) -> None:
        super().__init__(str(holder))


class FrontGone(Exception):
    """Nobody wants the lease any more."""


class Acquisition:
    """The way of one lease through the queue.

    timeout: seconds to wait for others, 0 for none, inf for ever.  tells: whether
    to say whom it waits for.
    """

    def __init__(self, etcd: Etcd, name: str, lease: Lease, front: Wire, timeout: float, tells: bool) -> None:
        self._etcd = etcd
        self._name = name
        self._lease = lease
        self._front = front
        self._wait = timeout > 0
        self._tells = tells
        self._give_up = boot() + timeout
        self._start_by = boot() + words.PATIENCE
        self._is_gone = False  # the one ahead
        self.watcher: Watcher | None = None

    def run(self) -> None:
        """Return when the lease holds the name.  Raises Busy, FrontGone, Unreachable, Refused."""
        _, found = contenders.look(self._etcd, self._name, self._start_by)
        if found and not self._wait:
            raise Busy(found[0])
        self._lease.take_place(self._start_by)
        while not self._step():
            pass

    def _step(self) -> bool:
        """A look at the queue, and what follows from it; True once we hold."""
        revision, found = self._look()
        if self.watcher is None:
            self.watcher = Watcher(self._name, revision + 1)
        place = next((at for at, one in enumerate(found) if one.key == self._lease.key), None)
        if place is None:  # we were stopped or cut off for too long
            self._lease.revoke(_RENEWAL)
            self._lease.take_place(boot() + words.PATIENCE)
        elif place == 0:
            return self._hold(found[0].fence)
        elif not self._wait:  # somebody came between our two looks
            raise Busy(found[0])
        else:
            self._sleep(found[0], found[place - 1])
            # The first alone was ahead of us, and is gone: whoever came since is behind us.
            return place == 1 and self._is_gone and self._hold(found[1].fence)
        return False

    def _look(self) -> tuple[int, list[Contender]]:
        """As long as we may wait etcd may be away, too."""
        while True:
            try:
                return contenders.look(self._etcd, self._name, boot() + _LOOK)
            except Unreachable:
                if boot() >= max(self._give_up, self._start_by):
                    raise
            self._rest(_AGAIN)

    def _hold(self, fence: int) -> bool:
        """First.  False where our place is lost."""
        while True:
            held = self._lease.hold(fence, _RENEWAL)
            if held is not None:
                return held
            if boot() >= max(self._give_up, self._start_by):
                raise Unreachable("etcd gives no answer: the lease cannot be confirmed")
            self._rest(_AGAIN)

    def _sleep(self, first: Contender, ahead: Contender) -> None:
        """Until the one ahead has gone, our place is lost, or events may be missing."""
        self._is_gone = False
        if self._tells:
            self._tells = False
            self._front.tell("note", f"{self._name}: held by {first}; waiting")
        again = self._lease.renewal
        while True:
            if boot() >= self._give_up:
                raise Busy(first)
            self._rest(min(again, self._give_up) - boot())
            if self._may_move(ahead):
                return
            if boot() >= again:
                renewed = self._lease.renew(_RENEWAL)
                if renewed is False:
                    return
                again = self._lease.renewal if renewed else boot() + _AGAIN

    def _may_move(self, ahead: Contender) -> bool:
        moved = False
        for event in self.watcher.take() if self.watcher else ():
            if event.kind == watch.REFUSED:
                raise Refused(event.value)
            moved |= event.kind == watch.GAP
            moved |= event.kind == watch.DELETE and event.key in (ahead.key, self._lease.key)
            self._is_gone |= event.kind == watch.DELETE and event.key == ahead.key
        return moved

    def _rest(self, seconds: float) -> None:
        """Sleep until something happens to the name, or to the front."""
        asleep = select.poll()
        asleep.register(self._front, select.POLLIN)
        if self.watcher is not None:
            asleep.register(self.watcher, select.POLLIN)
        events = asleep.poll(max(0.0, seconds) * 1000)
        if any(fd == self._front.fileno() for fd, _ in events):
            raise FrontGone
