"""A place in the queue of a name: a lease of etcd, and a key that lives as long."""

from __future__ import annotations

import json
import os
import time

from procalivefleet import contenders, words
from procalivefleet.etcd import Answer, Etcd, encode
from procalivefleet.words import Refused, Unreachable, boot

TYPE_CHECKING = False  # typing costs 7 ms at start
if TYPE_CHECKING:
    from typing import Any

_LONGEST_COMMAND = 2000  # characters of it, for those who ask who holds


class Lease:
    """Who stands there, by which key and lease, and until when it is good for sure.

    lease: its ID, decimal.  ttl: seconds, as granted.  sent: when the last question was sent
    that proved it good (boot clock), so that it is good until sent + ttl at least.
    fence: the create revision once the name is held, else 0.
    """

    def __init__(self, etcd: Etcd, name: str, ttl: int, command: list[str]) -> None:
        self._etcd = etcd
        self._name = name
        self._wanted = ttl
        self._facts = _facts(command)
        self.lease = ""
        self.key = ""
        self.ttl = float(ttl)
        self.sent = 0.0
        self.fence = 0

    @property
    def deadline(self) -> float:
        """When it may be gone, on the boot clock."""
        return self.sent + self.ttl

    @property
    def renewal(self) -> float:
        """When to renew it."""
        return self.sent + self.ttl / 3

    @property
    def each(self) -> float:
        """Seconds for one member: several must have their turn before the deadline."""
        return max(0.5, min(2.0, self.ttl / 10))

    def take_place(self, until: float) -> None:
        """A fresh lease and its key, at the end of the queue.  Raises Unreachable, Refused."""
        sent = boot()
        answer = self._etcd.call("lease/grant", {"TTL": str(self._wanted)}, until)
        self.lease, self.ttl, self.sent = str(answer["ID"]), float(answer["TTL"]), sent
        self.key = contenders.key_of(self._name, self.lease)
        # Where an answer was lost and the question asked again, the key is there, and ours.
        self._etcd.call("kv/txn", {"compare": [self._created(0)], "success": [self._put(self._facts)]}, until)

    def renew(self, patience: float) -> bool | None:
        """True: renewed, and the key is there; False: it is lost; None: cannot tell.

        The lease alone is no proof: etcd may renew one whose keys it has deleted
        (etcd issues 14758, 20547), so the key is read after it, by quorum.
        """
        sent = boot()
        until = sent + patience
        try:
            if not self._keep_alive(until):
                return False
            found = self._etcd.call("kv/range", {"key": encode(self.key), "keys_only": True}, until, self.each)
        except (Unreachable, Refused):
            return None
        revisions = [int(pair["create_revision"]) for pair in found.get("kvs", ())]
        if not revisions or (self.fence and revisions != [self.fence]):
            return False
        self.sent = sent  # and not when the answers came
        return True

    def _keep_alive(self, until: float) -> bool:
        return int(self._etcd.call("lease/keepalive", {"ID": self.lease}, until, self.each).get("TTL", 0)) > 0

    def hold(self, fence: int, patience: float) -> bool | None:
        """Renew, and write that we hold where the key is still the one of that create revision.

        True: held; False: the place is lost; None: cannot tell.
        """
        sent = boot()
        held = {**self._facts, "state": contenders.HOLDING, "since": time.time()}
        question = {"compare": [self._created(fence)], "success": [self._put(held)]}
        try:
            if not self._keep_alive(sent + patience):
                return False
            if not self._etcd.call("kv/txn", question, sent + patience, self.each).get("succeeded"):
                return False
        except Unreachable:
            return None
        self.sent, self.fence = sent, fence
        return True

    def revoke(self, patience: float) -> None:
        """Give it back, so that the next one need not wait for its end."""
        if self.lease:
            revoke(self._etcd, self.lease, patience, self.each)
        self.lease = ""

    def _created(self, revision: int) -> Answer:
        return {"target": "CREATE", "key": encode(self.key), "create_revision": str(revision)}

    def _put(self, facts: dict[str, Any]) -> Answer:
        return {"request_put": {"key": encode(self.key), "value": encode(json.dumps(facts)), "lease": self.lease}}


def revoke(etcd: Etcd, lease: str, patience: float, each: float) -> None:
    """Give a lease back; where that fails it ends by itself."""
    try:
        etcd.call("lease/revoke", {"ID": lease}, boot() + patience, each)
    except (Unreachable, Refused):
        pass


def _facts(command: list[str]) -> dict[str, Any]:
    return {
        "state": contenders.WAITING,
        "host": words.host(),
        "boot_id": boot_id(),
        "pid": os.getppid(),
        "uid": os.geteuid(),
        "command": _shortened(command),
        "since": time.time(),
    }


def boot_id() -> str:
    """Of this boot of this kernel; '?' without /proc."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return "?"


def _shortened(command: list[str]) -> list[str]:
    """The first words, as many as fit: etcd takes no request above 1.5 MiB."""
    kept, room = [], _LONGEST_COMMAND
    for word in command:
        kept.append(word[:room])
        room -= len(word)
        if room <= 0:
            break
    return kept
