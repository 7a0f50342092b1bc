"""Who may check a FIFO and who may hold it: mode, owner, ACL and directories.

Writing is checking and waiting, reading is holding.
"""

from __future__ import annotations

import grp
import os
import stat
import struct
from collections.abc import Iterator

import procalive
from procalivectl import words

EVERYBODY = "everybody"

# acl(5), as the kernel keeps it: a version, then entries of tag, permissions and ID.
_ACL = "system.posix_acl_access"
_USER, _OWNING_GROUP, _GROUP, _MASK = 0x02, 0x04, 0x08, 0x10
_WORDS = {6: "check and hold", 4: "hold, but not check", 2: "check, but not hold", 0: "do neither"}


def who_may(path: str, found: os.stat_result) -> Iterator[str]:
    """A clause for each user and group that the mode or the ACL names."""
    clauses = [f"{who} may {_WORDS[permissions & 6]}" for who, permissions in grants(path, found)]
    yield from clauses
    closed = closed_directory(path)
    if closed and len(clauses) > 1:
        yield f"of these only those whom {words.show(closed)} lets in"


def grants(path: str, found: os.stat_result) -> Iterator[tuple[str, int]]:
    """(who, permission bits): the owner first, everybody last."""
    mode = stat.S_IMODE(found.st_mode)
    # The mode does not bind root.
    yield procalive.user_name(found.st_uid), mode >> 6 & 7 if found.st_uid else 7
    entries = _acl(path)
    if entries:
        yield from _acl_grants(entries, found.st_gid)
    elif mode >> 3 & 7:
        yield f"group {_group_name(found.st_gid)}", mode >> 3 & 7
    if mode & 7:
        yield EVERYBODY, mode & 7


def _acl_grants(entries: list[tuple[int, int, int]], owning_group: int) -> Iterator[tuple[str, int]]:
    mask = next((permissions for tag, permissions, _ in entries if tag == _MASK), 7)
    for tag, permissions, number in entries:
        if tag == _USER:
            yield f"{procalive.user_name(number)} (ACL)", permissions & mask
        elif tag == _GROUP:
            yield f"group {_group_name(number)} (ACL)", permissions & mask
        elif tag == _OWNING_GROUP and permissions & mask:
            yield f"group {_group_name(owning_group)}", permissions & mask


def closed_directory(path: str) -> str | None:
    """The nearest directory above that does not let everybody through."""
    directory = os.path.realpath(path)
    while directory != "/":
        directory = os.path.dirname(directory)
        if not os.stat(directory).st_mode & stat.S_IXOTH:
            return directory
    return None


def _acl(path: str) -> list[tuple[int, int, int]]:
    try:
        raw = os.getxattr(path, _ACL)
    except OSError:
        return []  # none, or a file system that has none
    return list(struct.iter_unpack("<HHI", raw[4:]))


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
