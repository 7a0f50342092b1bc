"""One exchange with an endpoint, over HTTP or HTTPS, within a time given.

Every exchange has a connection of its own.  On one that is kept, an answer that
comes late or twice would be taken for the answer to the next question.
"""

from __future__ import annotations

import _thread
import http.client
import io
import os
import socket
import sys
from typing import Any
from urllib.parse import urlsplit

from procalivefleet.words import Refused, boot, show

_LONGEST_ANSWER = 8 << 20  # bytes; a queue of a thousand contenders has under one
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
        wrong = Refused(f"ETCDCTL_ENDPOINTS: {show(text)}: not an endpoint (http://HOST:PORT or https://HOST:PORT)")
        try:
            parts = urlsplit(text if "://" in text else f"//{text}")
            port = parts.port
        except ValueError:
            raise wrong from None
        if parts.scheme not in ("", "http", "https") or not parts.hostname or parts.path not in ("", "/"):
            raise wrong
        if parts.query or parts.fragment or parts.username is not None:
            raise wrong
        self.text = show(text)
        self.host = parts.hostname
        self.port = _PORT if port is None else port
        # As etcdctl has it: without a scheme, a certificate that is given decides.
        self.tls = parts.scheme == "https" or (not parts.scheme and _has_certificates())
        self._addresses: list[tuple[Any, ...]] = []
        self._why = "its address was not found in time"
        self._looking = _thread.allocate_lock()

    def exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], until: float
    ) -> tuple[int, bytes]:
        """Status and body of the answer.  Raises Failure, by `until` (boot clock) at the latest."""
        with Stream(self, method, path, body, headers, until) as stream:
            try:
                answer = stream.answer.read(_LONGEST_ANSWER + 1)
            except (OSError, http.client.HTTPException) as error:
                raise _failure(self, error) from None
            if len(answer) > _LONGEST_ANSWER:
                raise Failure(f"{self.text}: an answer without end", final=True)
            return stream.answer.status, answer

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


class Stream:
    """A question asked; `answer` has the status, and its body is still to be read.

    The body comes by `until`, or without a limit once patient() was called.
    """

    def __init__(
        self, endpoint: Endpoint, method: str, path: str, body: bytes | None, headers: dict[str, str], until: float
    ) -> None:
        self._sock = endpoint.connect(until)
        self._timed = _Timed(self._sock, until)
        connection = http.client.HTTPConnection(endpoint.host, endpoint.port)
        connection.sock = self._timed
        try:
            connection.request(method, path, body, {"Connection": "close", **headers})
            self.answer = connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._sock.close()
            raise _failure(endpoint, error) from None

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def patient(self) -> None:
        """From now on sleep until something comes; TCP itself notices a peer that is dead."""
        self._timed.until = _INF

    def line(self) -> bytes:
        """The next line of the body; b"" at its end.  Raises OSError, HTTPException."""
        return self.answer.readline(_LONGEST_ANSWER)


class _Timed(io.RawIOBase):
    """A socket as http.client wants one, all of whose answers come by one moment.

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

    def makefile(self, *_: Any) -> io.BufferedReader:
        return io.BufferedReader(self)

    def close(self) -> None:
        """Not yet: http.client closes it when the headers are there, with the body still to come."""

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
    if isinstance(error, (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)):
        hint = "" if endpoint.tls else " (does it want https?)"
        return Failure(f"{endpoint.text}: closed the connection without an answer{hint}")
    if isinstance(error, (http.client.HTTPException, ValueError)):
        return Failure(f"{endpoint.text}: what answers is not etcd", final=True)
    return Failure(f"{endpoint.text}: {getattr(error, 'strerror', None) or error or type(error).__name__}")
