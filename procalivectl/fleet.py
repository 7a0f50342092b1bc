"""--fleet: names that are held on etcd, by procalivefleet; see procalive-fleet(1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import typer
from prometheus_client.core import GaugeMetricFamily

from procalivectl import words
from procalivectl.findings import Finding
from procalivefleet import ask, contenders, doctor, metrics
from procalivefleet.etcd import Etcd
from procalivefleet.words import PATIENCE, FleetError, Usage, boot, name_of, prefix


def ls(names: Sequence[str], as_json: bool) -> int:
    """Holders and waiters of these names, or of all: 0, or 2 where nothing can be told."""
    known = _names(names)
    try:
        known = known or contenders.names(Etcd(), boot() + PATIENCE)
    except FleetError as error:
        words.say(str(error))
        return 2
    if not known:
        words.say(f"no name is held on etcd under {words.show(prefix())}")
        return 0
    return 2 if ask.who(known, as_json) == 2 else 0


def findings(names: Sequence[str]) -> list[Finding]:
    """What doctor says of etcd and, for each of these names or for all, of its holder."""
    return [Finding(*found) for found in doctor.examine(_names(names))]


def _names(given: Sequence[str]) -> list[str]:
    try:
        return [name_of(name) for name in given]
    except Usage as error:
        raise typer.BadParameter(str(error)) from None


class Collector:
    """Looks anew for every scrape; `untold` has, a line each, what the last look could not tell."""

    def __init__(self) -> None:
        self.untold: list[str] = []

    def describe(self) -> list[GaugeMetricFamily]:
        """Without it the registry would look once just to learn the names."""
        return list(_families().values())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        families = _families()
        try:
            samples, self.untold = metrics.samples()
        except FleetError as error:
            samples, self.untold = [], [str(error)]
        for metric, labels, value in samples:
            families[metric].add_metric(labels, value)
        yield from families.values()


def _families() -> dict[str, GaugeMetricFamily]:
    return {name: GaugeMetricFamily(name, text, labels=metrics.LABELS[name]) for name, text in metrics.HELP.items()}
