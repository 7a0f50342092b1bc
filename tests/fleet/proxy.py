"""A proxy in front of etcd that delays, drops or doubles answers."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

DELAY = 1.5  # seconds


class Proxy:
    """Each connection has one question; fault(number, path) names what happens to its answer.

    Faults: "" none, "drop" (the question got through, the answer does not), "delay",
    "double", "hang" (no answer, and the question got through), "refuse" (not even that).
    """

    def __init__(self, url, port=0):
        host, _, to = url.rpartition("/")[2].partition(":")
        self._to = host, int(to)
        self.fault = lambda number, path: ""  # noqa: ARG005
        self.old = False  # pretend to be an old etcd
        self.asked = []  # paths, in their order
        self._clients = []
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", port), backlog=64)
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        """Answer nobody any more, and break off what goes on."""
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):  # closed already
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._attend, args=(client,), daemon=True).start()

    def _attend(self, client):
        self._clients.append(client)
        with client, contextlib.suppress(OSError):
            question = _read_question(client)
            path = question.split(b" ", 2)[1].decode() if question.count(b" ") > 1 else ""
            with self._lock:
                number = len(self.asked)
                self.asked.append(path)
            fault = self.fault(number, path)
            if fault == "refuse":
                return
            if self.old and path == "/version":
                body = b'{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}'
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                return
            with socket.create_connection(self._to) as etcd:
                etcd.sendall(question)
                if path == "/v3/watch":
                    _pass_on(etcd, client, fault)
                else:
                    _answer(client, _read_all(etcd), fault)


def _answer(client, answer, fault):
    if fault == "drop":
        return
    if fault == "hang":
        client.recv(1)
    if fault == "delay":
        time.sleep(DELAY)
    client.sendall(answer)
    if fault == "double":
        client.sendall(answer)


def _read_question(client):
    text = b""
    while b"\r\n\r\n" not in text:
        more = client.recv(65536)
        if not more:
            return text
        text += more
    head, _, body = text.partition(b"\r\n\r\n")
    wanted = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    while len(body) < sum(wanted):
        body += client.recv(65536)
    return head + b"\r\n\r\n" + body


def _read_all(etcd):
    text = b""
    while True:
        more = etcd.recv(65536)
        if not more:
            return text
        text += more


def _pass_on(etcd, client, fault):
    """A stream; "hang" keeps what comes to itself, and "double" says all twice."""
    while True:
        more = etcd.recv(65536)
        if not more or fault == "drop":
            return
        if fault != "hang":
            client.sendall(more)
