"""Fixtures: one etcd for all tests of a session, hosts of it for each test."""

from __future__ import annotations

import pytest
from lab import Lab, can_be_made
from support import Member, Site, binaries, eventually


@pytest.fixture(scope="session")
def etcd_there():
    """Skip by name where etcd cannot be had."""
    if binaries() is None:
        pytest.skip("etcd and etcdctl: Debian's packages etcd-server and etcd-client cannot be had")


@pytest.fixture(scope="session")
def member(etcd_there, tmp_path_factory):  # noqa: ARG001
    """One member on loopback."""
    one = Member(tmp_path_factory.mktemp("etcd") / "one")
    site = Site(tmp_path_factory.mktemp("up"), one.url)
    eventually(lambda: site.etcdctl("endpoint", "health").returncode == 0, "etcd")
    yield one
    one.stop()


@pytest.fixture
def own_member(etcd_there, tmp_path):  # noqa: ARG001
    """own_member(*options): a member for this test alone, which may be stopped and started."""
    members = []

    def start(*options, **how):
        members.append(Member(tmp_path / f"member{len(members)}", *options, **how))
        return members[-1]

    yield start
    for one in members:
        one.stop()


@pytest.fixture
def site(tmp_path):
    """site(endpoints, name): a host that asks these; its processes end with the test."""
    sites = []

    def make(endpoints, name="h1", **environ):
        sites.append(Site(tmp_path, endpoints, name, **environ))
        return sites[-1]

    yield make
    for one in sites:
        one.close()


@pytest.fixture
def h1(member, site):
    """A host of the session's etcd, with a prefix for this test alone."""
    return site(member.url, "h1", PROCALIVE_FLEET_PREFIX=_prefix())


@pytest.fixture
def h2(h1, member, site):
    """Another host with the same names."""
    return site(member.url, "h2", PROCALIVE_FLEET_PREFIX=h1.env["PROCALIVE_FLEET_PREFIX"])


@pytest.fixture(scope="module")
def lab(etcd_there, tmp_path_factory):  # noqa: ARG001
    """Three hosts with a member each, for the tests of one file."""
    if not can_be_made():
        pytest.skip("network namespaces: ip netns (iproute2, as root) cannot be had")
    with Lab(tmp_path_factory.mktemp("lab")) as made:
        yield made


_made = []


def _prefix():
    _made.append(0)
    return f"/test{len(_made)}/"
