"""How `kill` on one host asks the keeper on another, which alone signals the job.

A request is a key below the holder's own, of the holder's lease, so that it goes
with it.  The keeper writes its answer into the same key.
"""

from __future__ import annotations

import json
import signal

import procalive
from procalivefleet import words
from procalivefleet.etcd import Answer, Etcd, encode

TYPE_CHECKING = False  # typing costs 7 ms at start
if TYPE_CHECKING:
    from typing import Any, Union

    from procalivefleet.contenders import Contender
    from procalivefleet.lease import Lease

    Place = Union[Contender, Lease]

SENT, NOBODY = "sent", "nobody"


def key_below(key: str, number: str) -> str:
    """The key of a request."""
    return f"{key}/kill-{number}"


def is_below(key: str, holder: str) -> bool:
    """Whether a key is that of a request to the holder of that key."""
    return key.startswith(f"{holder}/kill-")


def write(etcd: Etcd, holder: Place, key: str, value: Answer, until: float) -> bool:
    """Put it there as long as the holder's key is the same; False where that is gone."""
    same = {"target": "CREATE", "key": encode(holder.key), "create_revision": str(holder.fence)}
    put = {"key": encode(key), "value": encode(json.dumps(value)), "lease": holder.lease}
    return bool(etcd.call("kv/txn", {"compare": [same], "success": [{"request_put": put}]}, until).get("succeeded"))


def asked(value: str) -> tuple[int, bool] | None:
    """The signal that a request asks for, and whether for all holders; None for an answer or nonsense."""
    told = _read(value)
    number = told.get("signal")
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < signal.NSIG or "answer" in told:
        return None
    return number, told.get("all") is True


def answered(value: str) -> str | None:
    """The answer in a request's value, or None while there is none."""
    answer = _read(value).get("answer")
    return None if answer is None else str(answer)


def carry_out(fifo: str, number: int, everybody: bool) -> str:
    """Signal the local holder as asked; the answer."""
    try:
        return SENT if procalive.kill(fifo, number, all=everybody) else NOBODY
    except (procalive.ProcaliveError, OSError, ValueError) as error:
        return words.line(error)


def _read(value: str) -> dict[str, Any]:
    try:
        told = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
