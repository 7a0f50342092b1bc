"""Who may check a FIFO and who may hold it: mode, owner and ACL.

Writing is checking and waiting, reading is holding.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator

import procalive

# acl(5), as the kernel keeps it: a version, then entries of tag, permissions and ID.
_ACL = "system.posix_acl_access"
_USER, _GROUP, _MASK = 0x02, 0x08, 0x10
_WORDS = {6: "check and hold", 4: "hold, but not check", 2: "check, but not hold", 0: "do neither"}


def who_may(path: str, found: os.stat_result) -> Iterator[str]:
    """A clause for each user and group that the mode or the ACL names."""
    mode = stat.S_IMODE(found.st_mode)
    entries = _acl(path)
    yield f"{procalive._user_name(found.st_uid)} may {_WORDS[mode >> 6 & 6]}"
    # With an ACL, the group bits of the mode are the mask of its named entries.
    mask = next((permissions for tag, permissions, _ in entries if tag == _MASK), 7)
    for tag, permissions, number in entries:
        if tag in (_USER, _GROUP):
            name = procalive._user_name(number) if tag == _USER else f"group {_group_name(number)}"
            yield f"{name} may {_WORDS[permissions & mask & 6]} (ACL)"
    if not entries and mode >> 3 & 6:
        yield f"group {_group_name(found.st_gid)} may {_WORDS[mode >> 3 & 6]}"
    if mode & 6:
        yield f"everybody may {_WORDS[mode & 6]}"


def _acl(path: str) -> list[tuple[int, int, int]]:
    try:
        raw = os.getxattr(path, _ACL)
    except OSError:
        return []  # none, or a file system that has none
    return list(struct.iter_unpack("<HHI", raw[4:]))


def _group_name(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
