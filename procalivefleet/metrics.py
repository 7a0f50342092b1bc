"""Figures for Prometheus: what is held, and how long its lease has left.

What cannot be told has no figure at all: "unknown" is neither "dead" nor "none".
"""

from __future__ import annotations

from collections.abc import Iterable

from procalivefleet import contenders, words
from procalivefleet.contenders import Contender
from procalivefleet.etcd import Etcd
from procalivefleet.words import Refused, Unreachable, boot

HELP = {
    "procalive_fleet_held": "1 if a host holds the name, 0 if none does; absent if that cannot be told.",
    "procalive_fleet_lease_seconds": "Seconds that the holder's lease has left; renewed at a third of its life.",
}
LABELS = {"procalive_fleet_held": ("name",), "procalive_fleet_lease_seconds": ("name", "host")}

Sample = tuple[str, tuple[str, ...], float]  # metric, values of its labels, value


def samples(wanted: Iterable[str] = ()) -> tuple[list[Sample], list[str]]:
    """The samples of these names, or of all that are known; and, as lines, what could not be told."""
    try:
        etcd = Etcd()
        names = list(wanted) or contenders.names(etcd, boot() + words.PATIENCE)
    except (Unreachable, Refused) as error:
        return [], [str(error)]
    found: list[Sample] = []
    untold = []
    for name in names:
        try:
            found += _of(etcd, name)
        except (Unreachable, Refused) as error:
            untold.append(f"{name}: {error}")
    return found, untold


def _of(etcd: Etcd, name: str) -> list[Sample]:
    holder = contenders.holder(contenders.look(etcd, name, boot() + words.PATIENCE)[1])
    held: Sample = ("procalive_fleet_held", (name,), float(holder is not None))
    return [held, *_lease(etcd, holder)]


def _lease(etcd: Etcd, holder: Contender | None) -> list[Sample]:
    if holder is None or holder.lease == "0":
        return []
    left, _ = contenders.seconds_left(etcd, holder.lease, boot() + words.PATIENCE)
    host = words.show(holder.facts.get("host", "?"))
    return [("procalive_fleet_lease_seconds", (holder.name, host), left)] if left >= 0 else []
