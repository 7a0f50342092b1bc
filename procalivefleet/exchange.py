"""One exchange with an endpoint, over HTTP or HTTPS, within a time given.

Every exchange has a connection of its own.  On one that is kept, an answer that
comes late or twice would be taken for the answer to the next question.

HTTP is spoken here and not by http.client: that costs 20 ms and 3 MiB at each
start, for what etcd never sends.
"""

from __future__ import annotations

import _thread
import io
import os
import socket
import sys

from procalivefleet.words import Refused, boot, show

TYPE_CHECKING = False  # typing costs 7 ms at start
if TYPE_CHECKING:
    from typing import Any

_LONGEST_ANSWER = 8 << 20  # bytes; a queue of a thousand contenders has under one
_LONGEST_LINE = 65536  # bytes, of a header or a chunk's size
_MOST_HEADERS = 100
_CONNECT = 1.0  # seconds for one address: a host that is cut off answers nothing
_PORT = 2379
_INF = float("inf")


class Failure(Exception):
    """This endpoint gave no answer of use; `final` if it will give none later either."""

    def __init__(self, text: str, final: bool = False) -> None:
        super().__init__(text)
        self.final = final


class Endpoint:
    """One of ETCDCTL_ENDPOINTS: http://HOST:PORT, https://HOST:PORT or HOST:PORT."""

    def __init__(self, text: str) -> None:
        scheme, _, place = text.rpartition("://")
        host, port = _split(place[:-1] if place.endswith("/") else place)
        if scheme not in ("", "http", "https") or not host or not 0 <= port <= 65535:
            what = "not an endpoint (http://HOST:PORT or https://HOST:PORT)"
            raise Refused(f"ETCDCTL_ENDPOINTS: {show(text)}: {what}")
        self.text = show(text)
        self.host = host
        self.port = port
        # As etcdctl has it: without a scheme, a certificate that is given decides.
        self.tls = scheme == "https" or (not scheme and _has_certificates())
        self._addresses: list[tuple[Any, ...]] = []
        self._why = "its address was not found in time"
        self._looking = _thread.allocate_lock()

    def exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], until: float
    ) -> tuple[int, bytes]:
        """Status and body of the answer.  Raises Failure, by `until` (boot clock) at the latest."""
        with Stream(self, method, path, body, headers, until) as stream:
            return stream.status, stream.body()

    def connect(self, until: float) -> socket.socket:
        """A socket, through TLS if need be.  Raises Failure."""
        error: OSError = TimeoutError("timed out")
        for family, kind, protocol, _, address in self._resolve(until):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(max(0.01, min(_CONNECT, until - boot())))
                sock.connect(address)
                _notice_dead_peers(sock)
                return self._encrypt(sock, until) if self.tls else sock
            except OSError as why:
                sock.close()
                error = why
            except BaseException:
                sock.close()
                raise
        self._look_up()  # the name may lead elsewhere by now
        raise _failure(self, error)

    def _encrypt(self, sock: socket.socket, until: float) -> socket.socket:
        sock.settimeout(max(0.01, until - boot()))
        encrypted: socket.socket = _context().wrap_socket(sock, server_hostname=self.host)
        return encrypted

    def _resolve(self, until: float) -> list[tuple[Any, ...]]:
        if not self._addresses:
            try:
                numeric = socket.AI_NUMERICHOST
                return socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM, flags=numeric)
            except (OSError, UnicodeError):
                self._look_up()
            # The resolver cannot be told to hurry, so it has a thread of its own.
            if self._looking.acquire(timeout=max(0.0, until - boot())):
                self._looking.release()
        if not self._addresses:
            raise Failure(f"{self.text}: {self._why}", final=self._why == "no such host")
        return self._addresses

    def _look_up(self) -> None:
        if self._looking.acquire(blocking=False):
            _thread.start_new_thread(self._ask_resolver, ())

    def _ask_resolver(self) -> None:
        try:
            self._addresses = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            temporary = getattr(error, "errno", None) == socket.EAI_AGAIN
            self._why = "its address cannot be found for now" if temporary else "no such host"
        finally:
            self._looking.release()


def _split(place: str) -> tuple[str, int]:
    """Host and port of HOST:PORT, [V6]:PORT or HOST; ("", -1) for anything else."""
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        colon, port = port[:1], port[1:]
    else:
        host, colon, port = place.partition(":")
    if (colon and not (port.isascii() and port.isdigit())) or set(host) & set("/?#@[] \t\n") or (port and colon != ":"):
        return "", -1
    return host, int(port) if colon else _PORT


class _NotHttp(Exception):
    """What answers does not speak HTTP as etcd does."""


class Stream:
    """A question asked; `status` is there, and the body is still to be read.

    It comes by `until`, or without a limit once patient() was called.
    """

    def __init__(
        self, endpoint: Endpoint, method: str, path: str, body: bytes | None, headers: dict[str, str], until: float
    ) -> None:
        self._endpoint = endpoint
        self._sock = endpoint.connect(until)
        self._timed = _Timed(self._sock, until)
        self._reader = io.BufferedReader(self._timed)
        self._rest = b""  # of a line not yet complete
        try:
            self._timed.sendall(_question(endpoint, method, path, body or b"", headers))
            self.status = self._read_status()
            self._chunked, self._left = self._read_headers()
        except (OSError, ValueError, _NotHttp) as error:
            self._sock.close()
            raise _failure(endpoint, error) from None

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def patient(self) -> None:
        """From now on sleep until something comes; TCP itself notices a peer that is dead."""
        self._timed.until = _INF

    def body(self) -> bytes:
        """All of it.  Raises Failure."""
        pieces: list[bytes] = []
        size = 0
        try:
            while size <= _LONGEST_ANSWER:
                piece = self._piece()
                if not piece:
                    return b"".join(pieces)
                pieces.append(piece)
                size += len(piece)
        except (OSError, ValueError, _NotHttp) as error:
            raise _failure(self._endpoint, error) from None
        raise Failure(f"{self._endpoint.text}: an answer without end", final=True)

    def line(self) -> bytes:
        """The next line of the body; b"" at its end.  Raises Failure."""
        try:
            while b"\n" not in self._rest and len(self._rest) <= _LONGEST_ANSWER:
                piece = self._piece()
                if not piece:
                    return b""
                self._rest += piece
        except (OSError, ValueError, _NotHttp) as error:
            raise _failure(self._endpoint, error) from None
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _read_status(self) -> int:
        words = self._line_of_head().split(b" ", 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            raise _NotHttp
        return int(words[1])

    def _read_headers(self) -> tuple[bool, int | None]:
        """(whether the body comes in chunks, how many bytes it has: None for all up to the end)."""
        chunked, length = False, None
        for _ in range(_MOST_HEADERS):
            name, _, value = self._line_of_head().lower().partition(b":")
            if not name.strip():
                return chunked, length
            if name == b"transfer-encoding":
                chunked = value.strip() == b"chunked"
            elif name == b"content-length":
                length = int(value)
        raise _NotHttp

    def _line_of_head(self) -> bytes:
        line = self._reader.readline(_LONGEST_LINE)
        if not line:
            raise ConnectionResetError
        if not line.endswith(b"\n"):
            raise _NotHttp
        return line.rstrip(b"\r\n")

    def _piece(self) -> bytes:
        """What comes next of the body; b"" at its end."""
        if self._chunked:
            size = int(self._line_of_head().partition(b";")[0], 16)
            piece = self._exactly(size) if size else b""
            self._line_of_head()  # empty, behind each chunk
            return piece
        if self._left is None:
            return self._reader.read1(_LONGEST_LINE)
        piece = self._exactly(min(self._left, _LONGEST_LINE))
        self._left -= len(piece)
        return piece

    def _exactly(self, size: int) -> bytes:
        if not 0 <= size <= _LONGEST_ANSWER:
            raise _NotHttp
        piece = self._reader.read(size)
        if len(piece) < size:
            raise ConnectionResetError
        return piece


def _question(endpoint: Endpoint, method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}:{endpoint.port}", "Connection: close"]
    lines += [f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body


class _Timed(io.RawIOBase):
    """A socket all of whose answers come by one moment.

    A limit for each receive would let a peer that sends a byte a second go on for ever.
    """

    def __init__(self, sock: socket.socket, until: float) -> None:
        self.until = until
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._hurry()
        return self._sock.recv_into(buffer)

    def sendall(self, data: Any) -> None:
        self._hurry()
        self._sock.sendall(data)

    def _hurry(self) -> None:
        left = self.until - boot()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(None if left == _INF else left)


def _notice_dead_peers(sock: socket.socket) -> None:
    """tcp(7): a host that is cut off says nothing, and a sleeper would sleep on."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = (
        (socket.TCP_KEEPIDLE, 5),
        (socket.TCP_KEEPINTVL, 2),
        (socket.TCP_KEEPCNT, 3),
        (socket.TCP_USER_TIMEOUT, 10_000),
    )
    for option, value in options:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _has_certificates() -> bool:
    return any(os.environ.get(f"ETCDCTL_{what}") for what in ("CACERT", "CERT", "KEY"))


_made: list[Any] = []  # the TLS context, once there is one


def _context() -> Any:
    """From ETCDCTL_CACERT, _CERT and _KEY.  Raises Refused where they are of no use."""
    if not _made:
        import ssl

        files = {what: os.environ.get(f"ETCDCTL_{what}") or None for what in ("CACERT", "CERT", "KEY")}
        for what, file in files.items():
            if file and not os.access(file, os.R_OK):
                raise Refused(f"ETCDCTL_{what}: {show(file)}: cannot be read")
        try:
            context = ssl.create_default_context(cafile=files["CACERT"])
            if files["CERT"]:
                context.load_cert_chain(files["CERT"], files["KEY"], password=_no_passphrase)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise Refused(f"ETCDCTL_CACERT, _CERT or _KEY: no use as certificates: {show(str(reason))}") from None
        _made.append(context)
    return _made[0]


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase")


def _failure(endpoint: Endpoint, error: Exception) -> Failure:
    """A failure of the network, HTTP or TLS as one line."""
    if "ssl" in sys.modules:
        import ssl

        if isinstance(error, ssl.SSLCertVerificationError):
            return Failure(f"{endpoint.text}: its certificate does not fit: {error.verify_message}", final=True)
        if isinstance(error, ssl.SSLError):
            return Failure(f"{endpoint.text}: TLS failed ({show(error.reason or str(error))})", final=True)
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        hint = "" if endpoint.tls else " (does it want https?)"
        return Failure(f"{endpoint.text}: closed the connection without an answer{hint}")
    if isinstance(error, (_NotHttp, ValueError)):
        return Failure(f"{endpoint.text}: what answers is not etcd", final=True)
    return Failure(f"{endpoint.text}: {getattr(error, 'strerror', None) or error or type(error).__name__}")
