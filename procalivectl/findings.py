"""What doctor says: how bad, what, and what to do."""

from __future__ import annotations

from typing import NamedTuple

# ok: as it should be.  note: to know, nothing to do.  warning: it works, and may
# go wrong.  wrong: it does not work as it should.  cannot tell: not by this user.
FINE, NOTE, WARNING, WRONG, UNSURE = "ok", "note", "warning", "wrong", "cannot tell"
# To type instead of a path that is no good.
ELSEWHERE = "use a name such as @job: in /run/procalive for root, in the home directory for others"


class Finding(NamedTuple):
    """name: for programs, always the same; what and advice: for people."""

    level: str
    name: str
    what: str
    advice: str = ""
