"""What cannot work: one line, the status of the contract, within 6 s, and the job not run."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from support import FLEET, NOBODY, ended, free_port, needs_root

ANSWERS = {
    "404": b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found",
    "a page": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
    "JSON of another service": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "a list": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    "an error that is none of etcd's": b'HTTP/1.1 500 x\r\nContent-Length: 13\r\n\r\n{"error":"x"}',
    "garbage": bytes(range(256)) * 8,
    "SSH": b"SSH-2.0-OpenSSH_9.9\r\n",
    "nothing at all": b"",
    "half an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{",
}
VERBS = {"hold": 125, "check": 2, "who": 2, "wait": 2, "kill": 2}


@contextlib.contextmanager
def listening(serve):
    """A port where each connection is handed to serve(socket)."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)

        def accept():
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=attend, args=(client,), daemon=True).start()

        def attend(client):
            with client, contextlib.suppress(OSError):
                serve(client)

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def refuses(host, says, verbs=tuple(VERBS), name="job", options=(), command=None):
    """Every verb: its status, one line that says so, in time, and the job not run."""
    mark = host.directory / "ran"
    begun = {}
    for verb in verbs:
        words = [*options, name, "--", *(command or ("touch", mark))] if verb == "hold" else [name]
        begun[verb] = host.begin(verb, *words)
    began = time.monotonic()
    for verb, process in begun.items():
        status, out, told = ended(process)
        assert time.monotonic() - began < 6 + _slowness(host), verb
        assert (status, out) == (VERBS[verb], ""), (verb, told)
        assert told.startswith("procalive-fleet: "), told
        assert told.count("\n") == 1, told
        assert says in told, told
    assert not mark.exists()


def _slowness(host):
    """Seconds that a busy machine adds: three times what the mere start takes."""
    began = time.monotonic()
    host.run("check", "-h")
    return 3 * (time.monotonic() - began)


# --- endpoints ---


def test_no_endpoint_that_answers(site):
    refuses(site(f"http://127.0.0.1:{free_port()}"), "Connection refused", verbs=("hold", "check"))


@pytest.mark.parametrize(
    "endpoint", ["ftp://127.0.0.1:1", "unix:///x", "http://", "http://h:99999", "http://h:1/v3", ","]
)
def test_an_endpoint_that_is_none(site, endpoint):
    refuses(site(endpoint), "ETCDCTL_ENDPOINTS: ")


def test_an_unknown_host(site):
    refuses(site("http://no-such-host.invalid:2379"), "no-such-host.invalid", verbs=("hold", "check"))


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_port_where_something_else_answers(site, answer):
    def serve(client):
        client.recv(65536)
        client.sendall(ANSWERS[answer])

    with listening(serve) as url:
        refuses(site(url), url, verbs=("hold", "check"))


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "])
def test_an_answer_without_end(site, head):
    def serve(client):
        client.recv(65536)
        client.sendall(head)
        while True:
            client.sendall(b"x" * 100)
            time.sleep(0.01)

    with listening(serve) as url:
        refuses(site(url), url, verbs=("hold", "check"))


def test_a_flood_without_end(site):
    def serve(client):
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            client.sendall(b"x" * 65536)

    with listening(serve) as url:
        refuses(site(url), "an answer without end", verbs=("hold", "check"))


def test_a_port_that_takes_connections_and_is_silent(site):
    with listening(lambda client: client.recv(65536) and client.recv(1)) as url:
        refuses(site(url), "timed out", verbs=("hold", "check"))


def test_etcd_2(site):
    def serve(client):
        version = b"/version" in client.recv(65536)
        body = b'{"etcdserver":"2.3.8","etcdcluster":"2.3.0"}' if version else b"404 page not found\n"
        client.sendall(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n" % (200 if version else 404, len(body)) + body)

    with listening(serve) as url:
        refuses(site(url), "not etcd 3.4 or newer", verbs=("check",))
        done = site(url).run("hold", "-q", "job", "--", "touch", "/nonesuch/x")
        assert (done.returncode, done.stderr.count("\n")) == (125, 1)


def test_two_dead_endpoints_of_three_do_no_harm(site, member):
    dead = [f"http://127.0.0.1:{free_port()}", "http://no-such-host.invalid:2379"]
    host = site(",".join([*dead, member.url]), PROCALIVE_FLEET_PREFIX="/two-dead/")
    began = time.monotonic()
    assert host.run("hold", "job", "--", "true").returncode == 0
    assert time.monotonic() - began < 6


# --- TLS ---


def test_tls_on_a_plain_port(site, member):
    refuses(site(member.url.replace("http:", "https:")), "TLS failed", verbs=("hold", "check"))


@pytest.mark.parametrize("what", ["CACERT", "CERT"])
def test_a_certificate_that_is_missing_or_none(site, member, tmp_path, what):
    url = member.url.replace("http:", "https:")
    missing = {f"ETCDCTL_{what}": str(tmp_path / "missing")}
    refuses(site(url, **missing), f"ETCDCTL_{what}: ", verbs=("hold", "check"))
    (tmp_path / "none").write_text("none")
    none = {f"ETCDCTL_{what}": str(tmp_path / "none")}
    refuses(site(url, **none), "ETCDCTL_CACERT, _CERT or _KEY: ", verbs=("hold", "check"))


# --- the command line ---


@pytest.mark.parametrize("name", ["a/b", "", "@", "-", ".x", "a b", "a\nb", "é", "x" * 195])
def test_a_name_that_is_none(site, name):
    for verb, status in VERBS.items():
        done = (
            site("ftp://").run(verb, "-f", "/x", name, "true")
            if verb == "hold"
            else site("ftp://").run(verb, "--", name)
        )
        assert done.returncode == status
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [
        *(("--ttl", "0"), ("--ttl", "4"), ("--ttl", "inf"), ("--ttl", "x"), ("--ttl", "2d"), ("--ttl", "-1")),
        *(
            ("--ttl", "10", "--grace", "6"),
            ("--grace", "inf"),
            ("-E", "256"),
            ("-w", "nan"),
            ("--nonsense",),
            ("-q", "-v"),
        ),
    ],
)
def test_a_wrong_option_of_hold(site, options):
    host = site("ftp://")
    done = host.run("hold", *options, "-f", host.fifo("job"), "job", "--", "touch", host.directory / "ran")
    assert (done.returncode, done.stderr.count("\n")) == (125, 1)
    assert "hold: " in done.stderr
    assert not (host.directory / "ran").exists()


@pytest.mark.parametrize(
    "words", [("hold", "-f", "/x", "job"), ("check",), ("kill", "a", "b"), ("kill", "-s", "NO", "a"), ("nonsense",), ()]
)
def test_words_that_are_missing_or_too_many(site, words):
    done = subprocess.run([*site("ftp://").command("check")[:2], *words], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (125 if "hold" in words else 2, 1)


def test_a_fifo_that_is_none_is_known_before_etcd_is_asked(site, tmp_path):
    (tmp_path / "plain").write_text("x")
    refuses(site("http://127.0.0.1:1"), "not a FIFO", verbs=("hold",), options=("-f", tmp_path / "plain"))


# --- users ---


@pytest.fixture
def guarded(own_member, site):
    """guarded(user, password): a host of an etcd that has authentication on, where jane's role has /procalive/."""
    one = own_member()
    root = site(one.url, ETCDCTL_USER="root:r")
    plain = site(one.url)
    for words in (
        *(
            ("user", "add", "root:r"),
            ("user", "grant-role", "root", "root"),
            ("role", "add", "jobs"),
            ("role", "add", "none"),
        ),
        ("role", "grant-permission", "jobs", "--prefix=true", "readwrite", "/procalive/"),
        ("role", "grant-permission", "none", "--prefix=true", "read", "/procalive/"),
        *(("user", "add", "jane:j"), ("user", "grant-role", "jane", "jobs")),
        *(("user", "add", "joe:j"), ("user", "grant-role", "joe", "none"), ("auth", "enable")),
    ):
        _until_done(plain, words)
    root.etcdctl("endpoint", "health")
    return lambda **environ: site(one.url, **environ)


def _until_done(host, words):
    """The first of them finds etcd starting."""
    deadline = time.monotonic() + 30
    while host.etcdctl(*words).returncode != 0 and "auth" not in words:
        assert time.monotonic() < deadline, words


def test_users_and_their_roles(guarded):
    jane = guarded(ETCDCTL_USER="jane", ETCDCTL_PASSWORD="j")
    assert jane.run("hold", "job", "--", "sh", "-c", 'exit "${ETCDCTL_PASSWORD:-5}"').returncode == 5
    assert guarded(ETCDCTL_USER="jane:j").run("check", "job").returncode == 1
    both = ("hold", "check")
    refuses(guarded(ETCDCTL_USER="jane:wrong"), "invalid user ID or password", verbs=both)
    refuses(guarded(ETCDCTL_USER="nobody:x"), "invalid user ID or password", verbs=both)
    refuses(guarded(ETCDCTL_USER="jane"), "ETCDCTL_USER: jane: no password", verbs=both)
    refuses(guarded(), "user name is empty", verbs=both)
    refuses(guarded(ETCDCTL_USER="joe:j"), "permission denied", verbs=("hold",))
    assert guarded(ETCDCTL_USER="joe:j").run("check", "job").returncode == 1
    elsewhere = guarded(ETCDCTL_USER="jane:j", PROCALIVE_FLEET_PREFIX="/other/")
    refuses(elsewhere, "permission denied", verbs=both)


def test_a_user_where_etcd_has_none_is_passed_over(site, member):
    host = site(member.url, ETCDCTL_USER="jane:j", PROCALIVE_FLEET_PREFIX="/no-auth/")
    assert host.run("hold", "job", "--", "true").returncode == 0


@pytest.fixture
def commons():
    """A directory that every user reaches: pytest's own are private."""
    directory = Path(tempfile.mkdtemp(prefix="procalive-"))
    directory.chmod(0o777)
    yield directory
    shutil.rmtree(directory)


@needs_root
def test_a_set_user_id_command_is_refused_to_all_but_root(site, member, commons):
    program = commons / "setuid"
    shutil.copy(shutil.which("true"), program)
    program.chmod(0o4755)
    host = site(member.url, PROCALIVE_FLEET_PREFIX="/setuid/")
    assert host.run("hold", "job", "--", program).returncode == 0
    fifo = commons / "other.fifo"
    for command in ([program], ["env", "A=b", program]):
        words = ["/usr/bin/python3", FLEET[1], "hold", "-f", fifo, "job", "--", *command]
        done = subprocess.run(words, env=host.env, user=NOBODY, text=True, capture_output=True, check=False)
        assert done.returncode == 125, done
        assert "set-user-ID" in done.stderr
    assert not fifo.exists()


@needs_root
def test_another_user_holds_and_is_told_of(site, member, commons):
    host = site(member.url, PROCALIVE_FLEET_PREFIX="/other-user/")
    words = ["/usr/bin/python3", FLEET[1], "hold", "-f", commons / "other.fifo", "job", "--", "sleep", "600"]
    with subprocess.Popen(words, env=host.env, user=NOBODY) as hold:
        assert host.run("wait", "--up", "job").returncode == 0
        assert host.queue("job")[0]["uid"] == NOBODY
        assert host.run("hold", "job", "--", "true").returncode == 75
        assert host.run("kill", "-k", "20", "job").returncode == 0
        assert hold.wait(20) == 143
