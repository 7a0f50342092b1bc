"""export: what is held, as metrics for Prometheus.

What cannot be told has no procalive_alive at all: "unknown" is not "dead".
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest, start_http_server, write_to_textfile
from prometheus_client.core import GaugeMetricFamily

from procalivectl import survey, words

_HELP = {
    "procalive_alive": "1 if a process holds the FIFO, 0 if none does; absent if that cannot be told.",
    "procalive_holders": "Processes that have the FIFO open for reading.",
    "procalive_held_seconds": "Age of the oldest main holder.",
    "procalive_beat_age_seconds": "Seconds since the FIFO was last touched.",
    "procalive_waiters": "Write ends open: processes that wait for the FIFO or watch it.",
}


class Collector:
    """Looks anew for every scrape."""

    def __init__(self, look: survey.Survey) -> None:
        self._look = look
        self._one = threading.Lock()  # the server has a thread for each scrape

    def describe(self) -> list[GaugeMetricFamily]:
        """Without it the registry would look once just to learn the names."""
        return [_family(name) for name in _HELP]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        with self._one:
            fifos = self._look.look()
        families = {name: _family(name) for name in _HELP}
        now = time.time()
        for fifo in fifos:
            for name, value in _values(fifo, now).items():
                if value is not None:
                    families[name].add_metric([words.show(words.absolute(fifo.path))], value)
        yield from families.values()


def _family(name: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, _HELP[name], labels=["fifo"])


def _values(fifo: survey.Fifo, now: float) -> dict[str, float | None]:
    known = fifo.alive is not None
    return {
        "procalive_alive": float(bool(fifo.alive)) if known else None,
        "procalive_holders": float(len(fifo.readers)) if known else None,
        "procalive_held_seconds": fifo.held_for(now),
        "procalive_beat_age_seconds": fifo.beat_age(now),
        "procalive_waiters": float(len(fifo.watchers)) if known else None,
    }


def run(look: survey.Survey, textfile: str | None, listen: str | None) -> int:
    registry = CollectorRegistry()
    registry.register(Collector(look))
    if textfile is not None:
        write_to_textfile(textfile, registry)
    if listen is not None:
        _serve(registry, *_address(listen))
    if textfile is None and listen is None:
        sys.stdout.write(generate_latest(registry).decode())
    return 0


def _address(listen: str) -> tuple[str, int]:
    """HOST:PORT, [V6]:PORT, :PORT or PORT.  Loopback unless a host is named."""
    host, _, port = listen.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise OSError(None, "not an address (PORT or HOST:PORT)", listen)
    return host.strip("[]") or "127.0.0.1", int(port)


def _serve(registry: CollectorRegistry, host: str, port: int) -> None:
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), f"{host}:{port}") from None
    words.say(f"metrics on http://{f'[{host}]' if ':' in host else host}:{server.server_port}/metrics")
    thread.join()
