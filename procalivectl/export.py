"""export: what is held, as metrics for Prometheus.

What cannot be told has no sample at all: "unknown" is neither "dead" nor "none".
"""

from __future__ import annotations

import os
import re
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import GaugeMetricFamily

from procalivectl import survey, words

_TROUBLE = "procalive_trouble"
_HELP = {
    "procalive_alive": "1 if a process holds the FIFO, 0 if none does; absent if that cannot be told.",
    "procalive_holders": "Processes that have the FIFO open for reading.",
    "procalive_held_seconds": "Age of the oldest main holder.",
    "procalive_beat_age_seconds": "Seconds since the last beat; absent where there was none since the start.",
    "procalive_idle_seconds": "Of a FIFO that nobody holds: seconds since its last holder began or beat.",
    "procalive_waiters": "Write ends open: processes that wait for the FIFO or watch it.",
    _TROUBLE: "1 if the FIFO is in that trouble, 0 if not; no beat needs --max-age.",
}
# What is seen of processes alone, and not of the FIFO.
_OF_PROCESSES = set(survey.TROUBLE) - {survey.FUTURE, survey.NO_BEAT}


class Collector:
    """Looks anew for every scrape."""

    def __init__(self, look: survey.Survey) -> None:
        self._look = look
        self.found: list[survey.Fifo] = []  # by the last look
        self._one = threading.Lock()  # the server has a thread for each scrape

    def describe(self) -> list[GaugeMetricFamily]:
        """Without it the registry would look once just to learn the names."""
        return [_family(name) for name in _HELP]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        with self._one:
            self.found = self._look.look()
            # By label: with two samples for one, node_exporter drops the metric.
            labelled = {words.show(words.absolute(fifo.path)): fifo for fifo in self.found}
        families = {name: _family(name) for name in _HELP}
        now = time.time()
        for label, fifo in labelled.items():
            for name, value in _values(fifo, now).items():
                if value is not None:
                    families[name].add_metric([label], value)
            for trouble in self._tellable(fifo):
                families[_TROUBLE].add_metric([label, trouble], float(trouble in fifo.trouble))
        yield from families.values()

    def _tellable(self, fifo: survey.Fifo) -> list[str]:
        if fifo.alive is None:
            return []
        unknown = set() if fifo.seen else _OF_PROCESSES
        return [
            trouble
            for trouble in survey.TROUBLE
            if trouble not in unknown and (trouble != survey.NO_BEAT or self._look.max_age is not None)
        ]


def _family(name: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, _HELP[name], labels=["fifo", "trouble"] if name == _TROUBLE else ["fifo"])


def _values(fifo: survey.Fifo, now: float) -> dict[str, float | None]:
    return {
        "procalive_alive": None if fifo.alive is None else float(fifo.alive),
        "procalive_holders": float(len(fifo.holders)) if fifo.seen else None,
        "procalive_held_seconds": fifo.held_for(now),
        "procalive_beat_age_seconds": fifo.beat_age(now) if fifo.beaten else None,
        "procalive_idle_seconds": fifo.idle(now),
        "procalive_waiters": float(len(fifo.watchers)) if fifo.seen else None,
    }


def run(look: survey.Survey, textfile: str | None, listen: str | None, with_fleet: bool = False) -> int:
    collector, registry = Collector(look), CollectorRegistry()
    registry.register(collector)
    untold = _add_fleet(registry) if with_fleet else list
    address = None if listen is None else _address(listen)
    metrics = generate_latest(registry)
    status = survey.complain(collector.found)
    for line in untold():
        words.say(line)
        status = 2
    if textfile is not None:
        _write(textfile, metrics)
    elif address is None:
        sys.stdout.write(metrics.decode())
    if address is not None:
        _serve(registry, *address)
    return status


def _add_fleet(registry: CollectorRegistry) -> Callable[[], list[str]]:
    """Names on etcd too; what it returns tells what the last look could not."""
    from procalivectl import fleet

    collector = fleet.Collector()
    registry.register(collector)
    return lambda: collector.untold


def _write(textfile: str, metrics: bytes) -> None:
    try:
        _replace(os.path.realpath(textfile), metrics)
    except OSError as error:
        error.filename = textfile  # and not another that nobody named
        raise


def _replace(file: str, metrics: bytes) -> None:
    """At one blow: whoever reads it meanwhile gets the old one or the new one."""
    old = os.stat(file) if os.path.exists(file) else None
    if old and not stat.S_ISREG(old.st_mode):
        raise OSError(None, "not a regular file", file)
    fd, temporary = tempfile.mkstemp(prefix=".procalivectl.", dir=os.path.dirname(file))
    try:
        with open(fd, "wb") as out:
            _take_over(fd, old)
            out.write(metrics)
        os.replace(temporary, file)
    except BaseException:
        os.unlink(temporary)
        raise


def _take_over(fd: int, old: os.stat_result | None) -> None:
    """Owner and mode; a new file is for all to read, for node_exporter is a user of its own."""
    if old:
        try:
            os.fchown(fd, old.st_uid, old.st_gid)
        except PermissionError:
            pass  # only root gives files away
    os.fchmod(fd, stat.S_IMODE(old.st_mode) if old else 0o644)


def _address(listen: str) -> tuple[str, int]:
    """HOST:PORT, [V6]:PORT, :PORT or PORT.  Loopback unless a host is named."""
    match = re.fullmatch(r"(?:(\[.+\]|[^][]*):)?([0-9]{1,5})", listen)
    if not match or int(match[2]) > 65535:
        raise OSError(None, "not an address (PORT or HOST:PORT)", listen)
    return (match[1] or "").strip("[]") or "127.0.0.1", int(match[2])


def _serve(registry: CollectorRegistry, host: str, port: int) -> None:
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), f"{host}:{port}") from None
    bound = str(server.server_address[0])  # "*" is no host that could be asked
    words.say(f"metrics on http://{f'[{bound}]' if ':' in bound else bound}:{server.server_port}/metrics")
    thread.join()
