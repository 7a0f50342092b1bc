"""What happens to a name from a revision on: a thread asleep on etcd's watch."""

from __future__ import annotations

import _thread
import json
import os
import time

from procalivefleet import contenders
from procalivefleet.etcd import Answer, Etcd, NeedsLogin, decode, refusal
from procalivefleet.exchange import Failure, Stream
from procalivefleet.words import Refused, boot

PUT, DELETE = "PUT", "DELETE"
GAP = "GAP"  # events may be missing: look again
REFUSED = "REFUSED"  # etcd says no; `value` says why

_PATIENCE = 2.0  # seconds for a member to begin
_PAUSE = 0.2  # seconds before another is tried
_LONGEST_PAUSE = 3.0


class Event:
    """kind, key, revision and value of one change."""

    __slots__ = ("key", "kind", "revision", "value")

    def __init__(self, kind: str, key: str = "", revision: int = 0, value: str = "") -> None:
        self.kind = kind
        self.key = key
        self.revision = revision
        self.value = value


class Watcher:
    """All changes of a name's keys from `revision` on, whatever members come and go.

    Its descriptor is readable when there is something to take.
    """

    def __init__(self, name: str, revision: int) -> None:
        self._name = name
        self._revision = revision
        self._etcd = Etcd()
        self._events: list[Event] = []
        self._bell, self._ring = os.pipe()
        os.set_blocking(self._bell, False)
        os.set_blocking(self._ring, False)
        _thread.start_new_thread(self._run, ())

    def fileno(self) -> int:
        return self._bell

    def take(self) -> list[Event]:
        """What happened since the last call."""
        try:
            os.read(self._bell, 65536)
        except BlockingIOError:
            pass
        taken, self._events = self._events, []
        return taken

    def _tell(self, event: Event) -> None:
        self._events.append(event)
        try:
            os.write(self._ring, b".")
        except BlockingIOError:
            pass  # full, so it rings already

    def _run(self) -> None:
        pause = _PAUSE
        while True:
            try:
                with self._open() as stream:
                    while self._read(stream):
                        pause = _PAUSE
            except Refused as error:
                if not isinstance(error, NeedsLogin):
                    self._tell(Event(REFUSED, value=str(error)))
            except (OSError, Failure, ValueError, LookupError, TypeError):
                pass  # that member is of no use now
            self._etcd.try_another()
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _open(self) -> Stream:
        question = {**contenders.under(self._name), "start_revision": str(self._revision)}
        return self._etcd.watch({"create_request": question}, boot() + _PATIENCE)

    def _read(self, stream: Stream) -> bool:
        """One line of the stream; False at its end."""
        text = stream.line()
        if not text:
            return False
        told = json.loads(text)
        if "result" not in told:
            raise refusal(self._etcd.member, told)
        return self._hear(told["result"])

    def _hear(self, result: Answer) -> bool:
        if result.get("canceled"):
            compacted = int(result.get("compact_revision", 0))
            if compacted:
                self._revision = max(self._revision, compacted)
                self._tell(Event(GAP))
            elif "permission denied" in str(result.get("cancel_reason")):
                raise Refused(f"etcd refuses: permission denied ({self._etcd.member.text})")
            return False
        for event in result.get("events", ()):
            pair = event["kv"]
            revision = int(pair["mod_revision"])
            self._tell(Event(event.get("type", PUT), decode(pair["key"]), revision, decode(pair.get("value", ""))))
            self._revision = revision + 1
        return True
