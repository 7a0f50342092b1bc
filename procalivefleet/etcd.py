"""etcd through its JSON gateway: a question to whichever member answers.

The gateway is on the client port.  Keys and values go in base64, 64-bit numbers
as strings; a lease, a revision and a TTL come back as strings, too.
"""

from __future__ import annotations

import binascii
import json
import os
import time

from procalivefleet.exchange import Endpoint, Failure, Stream
from procalivefleet.words import Refused, Unreachable, boot, show

TYPE_CHECKING = False  # typing costs 7 ms at start
if TYPE_CHECKING:
    from typing import Any

    Answer = dict[str, Any]
else:
    Answer = dict

_EACH = 2.0  # seconds for one endpoint, of several
_PAUSE = 0.2  # seconds, after all of them have failed

# gRPC's codes, as google.rpc.Code has them.
_EXHAUSTED = 8
_UNAUTHENTICATED = 16
_LATER = {1, 2, 4, 10, 13, 14}  # cancelled, unknown, deadline, aborted, internal, unavailable


def encode(text: str) -> str:
    """Text as a key or value goes to the gateway."""
    return binascii.b2a_base64(text.encode("utf-8", "surrogateescape"), newline=False).decode()


def decode(text: object) -> str:
    """A key or value from the gateway; a byte that is no UTF-8 becomes a surrogate."""
    try:
        return binascii.a2b_base64(str(text)).decode("utf-8", "surrogateescape")
    except (ValueError, binascii.Error):
        raise Refused("etcd answered with a key that is no base64") from None


class Etcd:
    """These members, or those that ETCDCTL_ENDPOINTS names.  Not for several threads at once."""

    def __init__(self, endpoints: list[Endpoint] | None = None) -> None:
        self.endpoints = endpoints or _endpoints()
        self._at = 0
        self._login = _Login()

    @property
    def member(self) -> Endpoint:
        """The endpoint that is asked next: the one that answered last."""
        return self.endpoints[self._at % len(self.endpoints)]

    def call(self, path: str, body: Answer, until: float, each: float = _EACH) -> Answer:
        """The answer of any member.

        path: behind /v3/.  until: on the boot clock.  each: seconds for one member.
        Raises Unreachable where none answers by then, Refused where one says no.
        A question may be asked several times, so it must be one that bears that.
        """
        failed: dict[int, Failure] = {}
        while True:
            try:
                return self._ask(path, body, min(until, boot() + each))
            except Failure as failure:
                failed[self._at % len(self.endpoints)] = failure
                self._at += 1
            all_final = len(failed) == len(self.endpoints) and all(one.final for one in failed.values())
            if all_final or boot() >= until:
                raise _unreachable(list(failed.values()))
            if self._at % len(self.endpoints) == 0:
                time.sleep(max(0.0, min(_PAUSE, until - boot())))

    def version(self, until: float) -> str:
        """The version of the member that answers, such as 3.5.16; '' where it cannot be had."""
        try:
            status, text = self.member.exchange("GET", "/version", None, {}, until)
            return str(json.loads(text)["etcdserver"]) if status == 200 else ""
        except (Failure, ValueError, LookupError, TypeError):
            return ""

    def watch(self, body: Answer, until: float) -> Stream:
        """A stream of what happens, a line each.  Raises Failure, Refused.

        `hasleader` ends it where the member is cut off from the others, which
        would otherwise be silent for ever (etcd issue 10819).
        """
        try:
            headers = {"Grpc-Metadata-hasleader": "true", **self._login.headers(self.member, until)}
            stream = Stream(self.member, "POST", "/v3/watch", json.dumps(body).encode(), headers, until)
        except Failure:
            self._at += 1
            raise
        stream.patient()
        return stream

    def try_another(self) -> None:
        """The member asked last was of no use."""
        self._at += 1
        self._login.forget()

    def _ask(self, path: str, body: Answer, until: float) -> Answer:
        headers = self._login.headers(self.member, until)
        try:
            return post(self.member, path, body, headers, until)
        except NeedsLogin:
            self._login.forget()
            return post(self.member, path, body, self._login.headers(self.member, until), until)


def _endpoints() -> list[Endpoint]:
    names = os.environ.get("ETCDCTL_ENDPOINTS") or "127.0.0.1:2379"
    endpoints = [Endpoint(name.strip()) for name in names.split(",") if name.strip()]
    if not endpoints:
        raise Refused("ETCDCTL_ENDPOINTS: names no endpoint")
    return endpoints


class NeedsLogin(Refused):
    """The token has expired, or the member has been restarted and knows it no more."""


class _Login:
    """The token for ETCDCTL_USER and _PASSWORD, where they are set."""

    def __init__(self) -> None:
        user, colon, password = os.environ.get("ETCDCTL_USER", "").partition(":")
        self._user = user
        self._password = password if colon else os.environ.get("ETCDCTL_PASSWORD", "")
        self._token = ""

    def forget(self) -> None:
        self._token = ""

    def headers(self, member: Endpoint, until: float) -> dict[str, str]:
        if self._user and not self._token:
            self._token = self._authenticate(member, until)
        return {"Authorization": self._token} if self._token else {}

    def _authenticate(self, member: Endpoint, until: float) -> str:
        if not self._password:
            raise Refused(f"ETCDCTL_USER: {show(self._user)}: no password; set ETCDCTL_PASSWORD")
        try:
            answer = post(member, "auth/authenticate", {"name": self._user, "password": self._password}, {}, until)
        except Refused as refusal:
            if "authentication is not enabled" in str(refusal):
                return ""  # as etcdctl, which goes on without
            raise
        return str(answer.get("token", ""))


def post(member: Endpoint, path: str, body: Answer, headers: dict[str, str], until: float) -> Answer:
    """One question to one member.  Raises Failure, Refused."""
    status, text = member.exchange("POST", f"/v3/{path}", json.dumps(body).encode(), headers, until)
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Failure(f"{member.text}: what answers is not etcd 3.4 or newer (HTTP status {status})", final=True)
    if status != 200 or "error" in answer:
        raise refusal(member, answer)
    result = answer.get("result", answer)
    return result if isinstance(result, dict) else {}


def refusal(member: Endpoint, answer: Answer) -> Exception:
    """The exception for an answer that has an error: Failure, where another try may help."""
    error = answer.get("error")
    facts = error if isinstance(error, dict) else answer
    text = show(str(facts.get("message") or error or "an error without a message"))
    text = text.replace("etcdserver: ", "")
    code = facts.get("grpc_code", facts.get("code"))
    if not isinstance(code, int):
        return Failure(f"{member.text}: what answers is not etcd", final=True)
    if code == _UNAUTHENTICATED or "auth token" in text or "auth store is old" in text:
        return NeedsLogin(f"etcd refuses: {text} ({member.text})")
    if code in _LATER or (code == _EXHAUSTED and "too many requests" in text):
        return Failure(f"{member.text}: {text}")
    return Refused(f"etcd refuses: {text} ({member.text})")


def _unreachable(failed: list[Failure]) -> Unreachable:
    return Unreachable("etcd gives no answer: " + "; ".join(dict.fromkeys(map(str, failed))))
