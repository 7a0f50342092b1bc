"""check, who, wait and kill: questions to etcd, and what they answer."""

from __future__ import annotations

import json
import os
import select
import signal
import time

import procalive
from procalivefleet import contenders, request, watch, words
from procalivefleet.contenders import Contender
from procalivefleet.etcd import Etcd
from procalivefleet.watch import Event, Watcher
from procalivefleet.words import Refused, Unreachable, boot

_ANSWER = 5.0  # seconds for the keeper on the holder's host to answer a request
_MORE = 5.0  # seconds after SIGKILL for the key to go


def check(names: list[str], verbose: bool) -> int:
    """0 all held, 1 one is not, 2 of one nothing can be told."""
    etcd = Etcd()
    answers = []
    for name in names:
        try:
            holder = contenders.holder(contenders.look(etcd, name, boot() + words.PATIENCE)[1])
        except (Unreachable, Refused) as error:
            words.say(f"{name}: cannot tell: {error}")
            return words.UNKNOWN  # nor of the others, from the same etcd
        if verbose:
            procalive._print(f"{name}: held by {holder}, fence {holder.fence}" if holder else f"{name}: not held")
        answers.append(words.YES if holder else words.NO)
    return max(answers)


def who(names: list[str], as_json: bool) -> int:
    """0 all held, 1 nobody holds one of them, 2 of one nothing can be told."""
    etcd = Etcd()
    found: list[Contender] = []
    answers = []
    for name in names:
        try:
            queue = contenders.look(etcd, name, boot() + words.PATIENCE)[1]
        except (Unreachable, Refused) as error:
            words.say(f"{name}: cannot tell: {error}")
            return words.UNKNOWN
        found += queue
        answers.append(words.YES if contenders.holder(queue) else words.NO)
    _print(found, as_json)
    return max(answers)


def _print(found: list[Contender], as_json: bool) -> None:
    if as_json:
        for one in found:
            procalive._print(json.dumps(one.as_dict()))
        return
    rows = [("NAME", "STATE", "HOST", "PID", "USER", "SINCE", "FENCE", "COMMAND"), *map(_row, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(7)]
    for row in rows if found else ():
        procalive._print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[7]]))


def _row(one: Contender) -> tuple[str, ...]:
    facts = one.facts
    if not facts:
        return one.name, "foreign", "?", "?", "?", "?", str(one.fence), words.show(one.key)
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(facts["since"]))
    here = facts["host"] == words.host()
    user = procalive.user_name(facts["uid"]) if here and facts["uid"] >= 0 else str(facts["uid"])
    command = " ".join(words.show(word) for word in facts["command"])
    return one.name, facts["state"], words.show(facts["host"]), str(facts["pid"]), user, since, str(one.fence), command


class _Awaited:
    """A name, and whether what is waited for has been."""

    def __init__(self, etcd: Etcd, name: str, up: bool) -> None:
        self._etcd = etcd
        self._name = name
        self._up = up
        revision, found = contenders.look(etcd, name, boot() + words.PATIENCE)
        self._holder = contenders.holder(found)
        self.over = (self._holder is not None) == up
        self.watcher = None if self.over else Watcher(name, revision + 1)

    def look(self) -> None:
        """At what has happened."""
        for event in self.watcher.take() if self.watcher else ():
            if event.kind == watch.REFUSED:
                raise Refused(event.value)
            self.over = self.over or (self._came(event) if self._up else self._went(event))

    def _went(self, event: Event) -> bool:
        if event.kind == watch.GAP:
            return all(one.fence != self._fence() for one in self._now())
        return event.kind == watch.DELETE and self._holder is not None and event.key == self._holder.key

    def _came(self, event: Event) -> bool:
        """Every change is looked at as of its own revision: not even one that comes and goes is missed."""
        if event.kind == watch.PUT:
            state = contenders.facts_in(event.value).get("state")
            if state:
                return bool(state == contenders.HOLDING)
        try:
            found = self._now(event.revision)
        except Refused:  # so long ago that it was compacted
            found = self._now()
        return contenders.holder(found) is not None

    def _fence(self) -> int:
        return self._holder.fence if self._holder else 0

    def _now(self, revision: int = 0) -> list[Contender]:
        return contenders.look(self._etcd, self._name, boot() + words.PATIENCE, revision)[1]


def wait(names: list[str], timeout: float, up: bool, verbose: bool) -> int:
    """Sleep until each of them is free, or with `up` held, at least once: 0, 124 or 2."""
    etcd = Etcd()
    give_up = boot() + timeout
    try:
        waiting = [_Awaited(etcd, name, up) for name in names]
        while not all(one.over for one in waiting):
            if not _sleep([one.watcher for one in waiting if one.watcher and not one.over], give_up):
                if verbose:
                    words.say("still not held" if up else "still held")
                return words.TIMED_OUT
            for one in waiting:
                one.look()
    except (Unreachable, Refused) as error:
        words.say(f"cannot tell: {error}")
        return words.UNKNOWN
    return words.YES


def _sleep(watchers: list[Watcher], give_up: float) -> bool:
    """Until something happens; False if the time ran out first."""
    left = give_up - boot()
    if left <= 0:
        return False
    asleep = select.poll()
    for watcher in watchers:
        asleep.register(watcher, select.POLLIN)
    asleep.poll(None if left > procalive._LONGEST_SLEEP else left * 1000)
    return True


def kill(name: str, number: int, grace: float | None, quiet: bool) -> int:
    """Have the keeper on the holder's host signal the job: 0, 1, 2 or 124."""
    etcd = Etcd()
    try:
        revision, found = contenders.look(etcd, name, boot() + words.PATIENCE)
        holder = contenders.holder(found)
        if holder is None:
            return words.NO
        if not holder.facts:
            raise Refused(f"held by {holder}: only its own program can end it")
        return _Errand(etcd, name, holder, Watcher(name, revision + 1), quiet).run(number, grace)
    except (Unreachable, Refused) as error:
        words.say(f"{name}: {error}")
        return words.UNKNOWN


class _Errand:
    """A request to the keeper of one holder, and its answer."""

    def __init__(self, etcd: Etcd, name: str, holder: Contender, watcher: Watcher, quiet: bool) -> None:
        self._etcd = etcd
        self._name = name
        self._holder = holder
        self._watcher = watcher
        self._quiet = quiet
        self._gone = False

    def run(self, number: int, grace: float | None) -> int:
        answer = self._ask(number, everybody=False)
        if answer == request.SENT and grace is not None and not self._is_gone_by(boot() + grace):
            self._ask(signal.SIGKILL, everybody=True)
            if not self._is_gone_by(boot() + _MORE):
                if not self._quiet:
                    words.say(f"{self._name}: still held after SIGKILL by {self._holder}")
                return words.TIMED_OUT
        if answer not in (request.SENT, request.NOBODY):
            raise Refused(f"not signalled on {words.show(self._holder.facts['host'])}: {words.show(answer)}")
        return words.YES if answer == request.SENT else words.NO

    def _ask(self, number: int, everybody: bool) -> str:
        """The keeper's answer; `nobody` where the holder has gone by itself."""
        key = request.key_below(self._holder.key, os.urandom(8).hex())
        wanted = {"signal": int(number), "all": everybody}
        if not request.write(self._etcd, self._holder, key, wanted, boot() + words.PATIENCE):
            self._gone = True
            return request.NOBODY
        until = boot() + _ANSWER
        while _sleep([self._watcher], until):
            answers = []
            for event in self._watcher.take():  # all of them: the end may come right behind the answer
                answers += [request.answered(event.value)] if event.key == key else []
                self._see(event)
            told = next((answer for answer in answers if answer is not None), None)
            if told is not None:
                return told
            if self._gone:
                return request.NOBODY
        raise Unreachable(
            f"no answer from {words.show(self._holder.facts['host'])}; the request stands as long as it holds"
        )

    def _see(self, event: Event) -> None:
        if event.kind == watch.GAP:
            found = contenders.look(self._etcd, self._name, boot() + words.PATIENCE)[1]
            self._gone = all(one.fence != self._holder.fence for one in found)
        self._gone |= event.kind == watch.DELETE and event.key == self._holder.key

    def _is_gone_by(self, until: float) -> bool:
        while not self._gone and _sleep([self._watcher], until):
            for event in self._watcher.take():
                self._see(event)
        return self._gone
