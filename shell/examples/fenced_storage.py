#!/usr/bin/env python3
"""fenced_storage.py DATABASE put KEY VALUE | get KEY: a storage that looks at the fence.

A job that was stopped for a minute, or whose guards were all killed, does not
know that its lease is over and that another runs by now.  The storage is where
the two meet, so the storage decides: it remembers the highest PROCALIVE_FENCE
that ever wrote, and refuses a lower one (status 76).  The look at the fence and
the write are one transaction.

    procalive-fleet hold import -- fenced_storage.py /srv/import.db put last "$(date)"
"""

from __future__ import annotations

import os
import sqlite3
import sys

_REFUSED = 76
_USAGE = 2
_TABLES = (
    "CREATE TABLE IF NOT EXISTS fence (only INTEGER PRIMARY KEY CHECK (only = 1), highest INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS data (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
)


class StaleWriter(Exception):
    """Somebody with a higher fence has written already."""


def put(database: sqlite3.Connection, fence: int, key: str, value: str) -> None:
    """Write as the holder of that fence.  Raises StaleWriter."""
    with database:  # one transaction: committed at its end, rolled back by an exception
        database.execute("BEGIN IMMEDIATE")
        row = database.execute("SELECT highest FROM fence").fetchone()
        if row and fence < row[0]:
            raise StaleWriter(f"fence {fence} is refused: {row[0]} has written since")
        database.execute("INSERT OR REPLACE INTO fence VALUES (1, ?)", (fence,))
        database.execute("INSERT OR REPLACE INTO data VALUES (?, ?)", (key, value))


def get(database: sqlite3.Connection, key: str) -> str | None:
    """The value, or None."""
    row = database.execute("SELECT value FROM data WHERE key = ?", (key,)).fetchone()
    return row[0] if row else None


def main(words: list[str]) -> int:
    """The exit status."""
    if [len(words), *words[1:2]] not in ([4, "put"], [3, "get"]):
        print("usage: fenced_storage.py DATABASE put KEY VALUE | get KEY", file=sys.stderr)
        return _USAGE
    database = sqlite3.connect(words[0], timeout=60, isolation_level=None)
    for table in _TABLES:
        database.execute(table)
    if words[1] == "get":
        value = get(database, words[2])
        print(value if value is not None else "", end="\n" if value is not None else "")
        return 0 if value is not None else 1
    fence = os.environ.get("PROCALIVE_FENCE", "")
    if not fence.isdigit():
        print("fenced_storage.py: PROCALIVE_FENCE is not set; run it under procalive-fleet hold", file=sys.stderr)
        return _USAGE
    try:
        put(database, int(fence), words[2], words[3])
    except StaleWriter as error:
        print(f"fenced_storage.py: {error}", file=sys.stderr)
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
