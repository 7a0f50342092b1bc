"""The socket between front, keeper and, until it becomes COMMAND, the job.

Messages are a word and what follows it.  To the front: `held FENCE TTL LEASE`,
`busy TEXT`, `failed TEXT`, `lost TEXT`, `note TEXT`, `free`.  To
the keeper: `started`, with a pidfd of the job, once the job holds the FIFO, and
`failed` where it could not be started.
"""

from __future__ import annotations

import array
import os
import socket

_LONGEST = 8192


def pair() -> tuple[Wire, Wire]:
    """The two ends."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Wire(one), Wire(other)


class Wire:
    """One end."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()

    def tell(self, kind: str, *what: object, pidfd: int | None = None) -> None:
        """Send a message; to one who has ended, nothing."""
        text = " ".join(map(str, (kind, *what))).encode("utf-8", "backslashreplace")[: _LONGEST - 8]
        rights = [] if pidfd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [pidfd]))]
        try:
            self._sock.sendmsg([text], rights)
        except (BrokenPipeError, ConnectionResetError):
            pass  # its pidfd tells of its end

    def hear(self) -> tuple[str, str, int | None]:
        """(word, the rest, a pidfd if one came along); ("", "", None) when the other has ended."""
        try:
            text, ancillary, _, _ = self._sock.recvmsg(_LONGEST, socket.CMSG_SPACE(4))
        except ConnectionResetError:
            return "", "", None
        kind, _, rest = text.decode("utf-8", "replace").partition(" ")
        return kind, rest, _received(ancillary)


def _received(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    for _, _, data in ancillary:
        fds = array.array("i", data[:4])
        if fds:
            os.set_inheritable(fds[0], False)
            return fds[0]
    return None
