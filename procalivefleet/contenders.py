"""Who stands in the queue of a name, and what their keys say.

Keys are PREFIX NAME / LEASE, in hex; the order of the queue is that of their
create revisions, and the first one holds once its value says so.  A key whose
value is not ours, as `etcdctl lock` leaves one, is a contender like any other:
it holds as soon as it is first.
"""

from __future__ import annotations

import json
import time

import procalive
from procalivefleet import words
from procalivefleet.etcd import Answer, Etcd, decode, encode
from procalivefleet.words import Refused

TYPE_CHECKING = False  # typing costs 7 ms at start
if TYPE_CHECKING:
    from typing import Any

WAITING, HOLDING = "waiting", "held"


def key_of(name: str, lease: str) -> str:
    """The key of a lease, whose ID is a decimal number as etcd tells it."""
    return f"{words.prefix()}{name}/{int(lease):x}"


def under(name: str) -> dict[str, str]:
    """The range of all keys of a name, as etcd wants it: from the slash to just before the next character."""
    start = f"{words.prefix()}{name}"
    return {"key": encode(f"{start}/"), "range_end": encode(f"{start}0")}


class Contender:
    """A key in the queue.

    fence: its create revision.  key.  lease: decimal ID, "0" if it has none.
    facts: what its value says, as `describe` left it; {} where it is not ours.
    """

    __slots__ = ("facts", "fence", "key", "lease", "name")

    def __init__(self, name: str, pair: Answer) -> None:
        self.name = name
        self.fence = int(pair["create_revision"])
        self.key = decode(pair["key"])
        self.lease = str(int(pair.get("lease", 0)))
        self.facts = facts_in(decode(pair.get("value", "")))

    @property
    def waits(self) -> bool:
        """Whether it says itself that it does not hold yet."""
        return self.facts.get("state") == WAITING

    def as_dict(self) -> dict[str, Any]:
        """What `who --json` prints, in its order."""
        return {"name": self.name, "fence": self.fence, "lease": f"{int(self.lease):x}", **self.facts}

    def __str__(self) -> str:
        """As a conflict names it: `h1:4312 (backup.sh) for 3h12m`."""
        if not self.facts:
            return f"key {words.show(self.key)}, which is not procalive-fleet's"
        where = f"{words.show(self.facts['host'])}:{self.facts['pid']}"
        command = self.facts["command"]
        called = words.show(command[0].rpartition("/")[2]) if command else "?"
        return f"{where} ({called}) for {procalive.duration(time.time() - self.facts['since'])}"


def facts_in(value: str) -> dict[str, Any]:
    """The facts in a value, each of its right type; {} where it is not ours."""
    try:
        told = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(told, dict) or told.get("state") not in (WAITING, HOLDING):
        return {}
    command = told.get("command")
    since = told.get("since")
    sane = isinstance(since, (int, float)) and not isinstance(since, bool) and 0 <= since < 1e11
    return {
        "state": told["state"],
        "host": str(told.get("host", "?")),
        "boot_id": str(told.get("boot_id", "?")),
        "pid": _number(told.get("pid")),
        "uid": _number(told.get("uid")),
        "command": [str(word) for word in command] if isinstance(command, list) else [],
        "since": since if sane else 0.0,
    }


def _number(told: object) -> int:
    return told if isinstance(told, int) and not isinstance(told, bool) else -1


def look(etcd: Etcd, name: str, until: float, revision: int = 0) -> tuple[int, list[Contender]]:
    """The revision of the answer, and the contenders in order, by a quorum read.

    revision: as it was then, and not now.  Raises Unreachable, Refused.
    """
    question = {**under(name), "sort_target": "CREATE", "sort_order": "ASCEND", "revision": str(revision)}
    answer = etcd.call("kv/range", question, until)
    try:
        return int(answer["header"]["revision"]), contenders_in(name, answer)
    except (LookupError, ValueError, TypeError, AttributeError):
        raise Refused(f"{etcd.member.text}: what answers is not etcd") from None


def contenders_in(name: str, answer: Answer) -> list[Contender]:
    """The contenders of a range.  What lies deeper, a request to kill, is none."""
    start = f"{words.prefix()}{name}/"
    found = [Contender(name, pair) for pair in answer.get("kvs", ())]
    found = [one for one in found if "/" not in one.key[len(start) :]]
    return sorted(found, key=lambda one: one.fence)


def holder(found: list[Contender]) -> Contender | None:
    """Who holds: the first, unless it still says that it waits."""
    return found[0] if found and not found[0].waits else None


def names(etcd: Etcd, until: float) -> list[str]:
    """The names that anybody holds or waits for.  Raises Unreachable, Refused."""
    start = words.prefix()
    question = {"key": encode(start), "range_end": encode(f"{start[:-1]}0"), "keys_only": True}
    answer = etcd.call("kv/range", question, until)
    keys = [decode(pair["key"])[len(start) :] for pair in answer.get("kvs", ())]
    return sorted({key.partition("/")[0] for key in keys if "/" in key})


def seconds_left(etcd: Etcd, lease: str, until: float) -> tuple[float, float]:
    """(seconds that a lease has left, its TTL); negative where it has ended.  Raises Unreachable, Refused."""
    answer = etcd.call("lease/timetolive", {"ID": lease}, until)
    return float(answer.get("TTL", 0)), float(answer.get("grantedTTL", 0))
