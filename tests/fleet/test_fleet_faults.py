"""Answers that are late, lost or doubled; TLS; what etcd does in bad times."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest
from proxy import Proxy
from support import Site, alive, binaries, ended, eventually, send, unless_alive

import procalive

FAULTS = ("drop", "delay", "double", "refuse")


@pytest.fixture
def proxy(member):
    """A proxy to the session's etcd, without a fault at first."""
    one = Proxy(member.url)
    yield one
    one.close()


@pytest.fixture
def behind(h1, proxy, site):
    """A host with the names of h1 that asks through the proxy."""
    return site(proxy.url, "behind", PROCALIVE_FLEET_PREFIX=h1.env["PROCALIVE_FLEET_PREFIX"])


def at(wanted, fault):
    """The fault for the question of that number."""
    return lambda number, path: fault if number == wanted else ""  # noqa: ARG005


def questions_of_a_hold(proxy, behind):
    """How many questions a hold asks, the one that gives the lease back included."""
    assert behind.run("hold", "count", "--", "true").returncode == 0
    asked = len(proxy.asked)
    assert asked >= 8
    return asked


@pytest.mark.timeout(240)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_hold_bears_one_bad_answer_wherever_it_comes(h1, behind, proxy, fault):
    """The job runs once and is held while it runs; afterwards nobody holds."""
    for number in range(questions_of_a_hold(proxy, behind)):
        proxy.asked.clear()
        proxy.fault = at(number, fault)
        log = h1.directory / f"log-{fault}-{number}"
        done = behind.run("hold", f"job{number}", "--", "sh", "-c", f"echo $PROCALIVE_FENCE >>{log}")
        what = (number, proxy.asked[number], done)
        assert (done.returncode, done.stderr) == (0, ""), what
        assert len(log.read_text().split()) == 1, what
        eventually(lambda name=f"job{number}": h1.run("check", name).returncode == 1, f"the end of it: {what}")


@pytest.mark.parametrize("fault", FAULTS)
def test_check_is_never_wrong_for_a_bad_answer(h1, behind, proxy, fault):
    h1.holding("held")
    for number in (0, 1):
        proxy.asked.clear()
        proxy.fault = at(number, fault)
        assert behind.run("check", "held", "free").returncode == 1
        assert behind.run("check", "held").returncode == 0


def test_a_hold_whose_every_answer_is_lost_runs_nothing_and_leaves_no_place(h1, behind, proxy):
    proxy.fault = lambda number, path: "drop" if "txn" in path else ""  # noqa: ARG005
    mark = h1.directory / "ran"
    assert behind.run("hold", "job", "--", "touch", mark).returncode == 125
    assert not mark.exists()
    assert h1.run("check", "job").returncode == 1
    h1.waiting("job", 0)


def test_a_keepalive_that_is_good_is_no_proof_where_the_key_is_gone(h1, behind, proxy):
    """etcd issues 14758, 20547.  The watch says nothing either."""
    proxy.fault = lambda number, path: "hang" if path == "/v3/watch" else ""  # noqa: ARG005
    hold = behind.holding("job", options=("--ttl", "5"))
    h1.etcdctl("del", "--prefix", f"{h1.env['PROCALIVE_FLEET_PREFIX']}job/")
    status, _, told = ended(hold)
    assert (status, told) == (76, "procalive-fleet: job: the lease is lost; stopping the job\n")


def test_an_etcd_that_hangs_stops_the_job_before_the_lease_ends(h1, behind, proxy):
    hold = behind.holding("job", "sh", "-c", "trap '' TERM; while :; do sleep 1; done", options=("--ttl", "5"))
    waiter = h1.begin("hold", "-w", "60", "job", "--", *unless_alive(hold.job))
    h1.waiting("job", 2)
    proxy.fault = lambda number, path: "hang"  # noqa: ARG005
    assert ended(waiter)[0] == 0
    assert ended(hold)[0] == 76


def test_both_guards_alone_are_enough(h1, behind, proxy):
    """The front is stopped while etcd hangs: the keeper kills the job."""
    hold = behind.holding("job", options=("--ttl", "5"))
    send(hold.pid, signal.SIGSTOP)
    proxy.fault = lambda number, path: "hang"  # noqa: ARG005
    assert h1.run("hold", "-w", "60", "job", "--", *unless_alive(hold.job)).returncode == 0
    send(hold.pid, signal.SIGCONT)
    assert ended(hold)[0] == 76


def test_a_hold_bears_an_etcd_that_is_restarted(own_member, site):
    one = own_member()
    host = site(one.url)
    eventually(lambda: host.etcdctl("endpoint", "health").returncode == 0)
    hold = host.holding("job", options=("--ttl", "12"))
    waiter = host.begin("wait", "job")
    queue = host.begin("hold", "-f", host.fifo("other"), "-w", "60", "job", "--", "true")
    host.waiting("job", 2)
    one.stop()
    one.start()
    eventually(lambda: host.run("check", "job").returncode == 0)
    send(hold.job, signal.SIGKILL)
    assert [ended(hold)[0], ended(waiter)[0], ended(queue)[0]] == [137, 0, 0]


def test_wait_and_hold_bear_that_history_is_compacted_under_them(h1, behind, proxy):
    first = h1.holding("job")
    waiter = behind.begin("wait", "job")
    queue = behind.begin("hold", "-w", "60", "job", "--", "true")
    h1.waiting("job", 2)
    eventually(lambda: proxy.asked.count("/v3/watch") >= 2)
    proxy.fault = lambda number, path: "refuse"  # noqa: ARG005
    # Their watches are broken off, and what happens next is compacted away.
    proxy.close()
    send(first.job, signal.SIGKILL)
    ended(first)
    revision = h1.etcdctl("put", f"{h1.env['PROCALIVE_FLEET_PREFIX']}x", "y", "-w", "fields").stdout
    number = next(line.split(" : ")[1] for line in revision.splitlines() if line.startswith('"Revision"'))
    assert h1.etcdctl("compact", number).returncode == 0
    again = Proxy(h1.env["ETCDCTL_ENDPOINTS"], port=int(proxy.url.rpartition(":")[2]))
    assert ended(waiter)[0] == 0
    assert ended(queue)[0] == 0
    again.close()


def test_a_holder_goes_on_where_etcd_has_no_space_left(own_member, site):
    one = own_member("--quota-backend-bytes", str(16 << 20))
    host = site(one.url)
    eventually(lambda: host.etcdctl("endpoint", "health").returncode == 0)
    hold = host.holding("job", options=("--ttl", "6"))
    filler = "x" * (1 << 20)
    eventually(lambda: "space exceeded" in _put(host, filler))
    mark = host.directory / "ran"
    refused = host.run("hold", "other", "--", "touch", mark)
    assert (refused.returncode, refused.stderr.count("\n"), mark.exists()) == (125, 1, False)
    assert "space exceeded" in refused.stderr
    assert host.run("wait", "-t", "7", "job").returncode == 124  # renewed meanwhile
    assert alive(hold.job)
    send(hold.job, signal.SIGKILL)
    assert ended(hold)[0] == 137
    assert host.run("check", "job").returncode == 1


def _put(host, value):
    words = [str(binaries() / "etcdctl"), "put", "filler"]
    done = subprocess.run(words, input=value[:1_000_000], env=host.env, text=True, capture_output=True, check=False)
    return done.stderr


def test_a_login_that_expires_is_renewed(own_member, site):
    one = own_member("--auth-token-ttl", "2")
    host = site(one.url)
    eventually(lambda: host.etcdctl("endpoint", "health").returncode == 0)
    for words in (("user", "add", "root:r"), ("user", "grant-role", "root", "root"), ("auth", "enable")):
        assert host.etcdctl(*words).returncode == 0
    jane = site(one.url, ETCDCTL_USER="root:r")
    hold = jane.holding("job", options=("--ttl", "9"))
    assert jane.run("wait", "-t", "10", "job").returncode == 124
    assert alive(hold.job)
    one.stop()
    one.start()  # it knows no token of before
    eventually(lambda: jane.run("check", "job").returncode == 0)
    assert jane.run("wait", "-t", "4", "job").returncode == 124
    send(hold.job, signal.SIGKILL)
    assert ended(hold)[0] == 137


# --- TLS, IPv6, an old etcd ---


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A CA, a server's certificate for 127.0.0.1 and ::1, and a client's; and another CA."""
    place = tmp_path_factory.mktemp("tls")

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=place, check=True, capture_output=True)

    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    for ca in ("ca", "other"):
        openssl(*new, "-subj", f"/CN={ca}", "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
    for name in ("server", "client"):
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "subjectAltName=IP:127.0.0.1,IP:::1")
        openssl(*new, *signed, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    return place


@pytest.fixture
def encrypted(own_member, certificates, site):
    """encrypted(**files): a host of a member that wants a client's certificate."""
    options = ("--cert-file", "server.pem", "--key-file", "server.key", "--trusted-ca-file", "ca.pem")
    paths = [word if word.startswith("--") else str(certificates / word) for word in options]
    one = own_member(*paths, "--client-cert-auth", scheme="https")

    def make(url=one.url, **files):
        return site(url, **{f"ETCDCTL_{what}": str(certificates / file) for what, file in files.items()})

    right = make(CACERT="ca.pem", CERT="client.pem", KEY="client.key")
    eventually(lambda: right.etcdctl("endpoint", "health").returncode == 0)
    return make


def test_tls_with_certificates_on_both_sides(encrypted):
    host = encrypted(CACERT="ca.pem", CERT="client.pem", KEY="client.key")
    hold = host.holding("job")
    assert host.run("check", "job").returncode == 0
    waiter = host.begin("wait", "job")
    assert host.run("kill", "job").returncode == 0
    assert [ended(hold)[0], ended(waiter)[0]] == [143, 0]


def test_certificates_that_do_not_fit_are_said_to_be_so(encrypted):
    for says, files in (
        ("its certificate does not fit", {"CACERT": "other.pem", "CERT": "client.pem", "KEY": "client.key"}),
        ("its certificate does not fit", {"CERT": "client.pem", "KEY": "client.key"}),
        ("TLS failed", {"CACERT": "ca.pem"}),
        ("TLS failed", {"CACERT": "ca.pem", "CERT": "other.pem", "KEY": "other.key"}),
        ("no use as certificates", {"CACERT": "ca.pem", "CERT": "client.pem", "KEY": "server.key"}),
    ):
        host = encrypted(**files)
        began = time.monotonic()
        done = host.run("hold", "job", "--", "touch", host.directory / "ran")
        assert (done.returncode, done.stderr.count("\n")) == (125, 1), done
        assert says in done.stderr
        assert time.monotonic() - began < 6
    assert not (host.directory / "ran").exists()


def test_an_endpoint_without_a_scheme_is_tls_where_certificates_are_given(encrypted):
    host = encrypted(CACERT="ca.pem", CERT="client.pem", KEY="client.key")
    host.env["ETCDCTL_ENDPOINTS"] = host.env["ETCDCTL_ENDPOINTS"].partition("//")[2]
    assert host.run("hold", "job", "--", "true").returncode == 0


def test_plain_http_to_a_port_that_wants_tls(encrypted):
    host = encrypted()
    host.env["ETCDCTL_ENDPOINTS"] = host.env["ETCDCTL_ENDPOINTS"].replace("https", "http")
    done = host.run("hold", "job", "--", "true")
    assert (done.returncode, done.stderr.count("\n")) == (125, 1)


def test_ipv6(own_member, site):
    try:
        one = own_member(host="::1")
    except OSError:
        pytest.skip("IPv6: no ::1 here")
    host = site(one.url)
    eventually(lambda: host.etcdctl("endpoint", "health").returncode == 0)
    assert "[::1]" in one.url
    assert host.run("hold", "job", "--", "true").returncode == 0


def test_an_old_etcd_is_warned_of_once(h1, proxy, behind):
    hold = behind.run("hold", "job", "--", "true")
    assert hold.stderr == ""
    proxy.old = True
    told = behind.run("hold", "job", "--", "true").stderr
    assert told == f"procalive-fleet: {proxy.url}: etcd 3.4.23 may end leases by mistake; 3.5.13 or newer does not\n"
    assert behind.run("hold", "-q", "job", "--", "true").stderr == ""
    assert not procalive.check(h1.fifo("job"))


def test_two_sites_with_two_prefixes_share_no_name(member, tmp_path):
    one, two = (Site(tmp_path, member.url, name, PROCALIVE_FLEET_PREFIX=f"/{name}") for name in ("pa", "pb"))
    one.holding("job")
    assert one.run("check", "job").returncode == 0
    assert two.run("check", "job").returncode == 1
    assert one.etcdctl("get", "--prefix", "/pa/job/", "--keys-only").stdout.startswith("/pa/job/")
    one.close()
