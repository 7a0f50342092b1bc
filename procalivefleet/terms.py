"""What a hold was asked for, and the times that follow from it."""

from __future__ import annotations

from procalivefleet import words

DEFAULT_TTL = 20
LOWEST_TTL = 5
HIGHEST_TTL = 86400


def margin(ttl: float) -> float:
    """Seconds before the end of a lease by which the job must be dead."""
    return max(1.0, ttl / 10)


class Terms:
    """ttl: whole seconds.  grace: seconds to end by itself before it is killed.
    timeout: seconds to wait for others.  conflict: the status where it is held
    elsewhere.  Raises Usage where the times do not fit.
    """

    def __init__(
        self,
        ttl: int = DEFAULT_TTL,
        grace: float | None = None,
        timeout: float = 0.0,
        conflict: int = words.HELD,
        quiet: bool = False,
        verbose: bool = False,
    ) -> None:
        self.ttl = ttl
        self.margin = margin(ttl)
        self.grace = ttl / 5 if grace is None else grace
        self.timeout = timeout
        self.conflict = conflict
        self.quiet = quiet
        self.verbose = verbose
        # Renewed at a third, so that two tries more fit in before the job is stopped.
        longest = ttl / 2 - self.margin
        if self.grace > longest:
            raise words.Usage(f"hold: --grace: at most {longest:g} s with a TTL of {ttl} s")
