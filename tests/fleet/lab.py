"""Three hosts, as network namespaces behind a switch, with a member of etcd on each."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from support import Site, binaries, eventually

HOSTS = (1, 2, 3)


def ip(*words):
    """ip(8), which must succeed."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


def can_be_made():
    """Whether network namespaces may be made here."""
    name = f"pcl{os.getpid()}"
    try:
        ip("netns", "add", name)
        ip("netns", "del", name)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


class Lab:
    """The hosts 10.77.0.1 to .3.  Names hold our PID, so that nobody else's are touched."""

    def __init__(self, directory, etcd=None):
        self.directory = Path(directory)
        self._etcd = Path(etcd) if etcd else binaries()
        self._switch = f"pcf{os.getpid()}s"
        self._members = {}
        self._sites = []

    def __enter__(self):
        ip("netns", "add", self._switch)
        ip("-n", self._switch, "link", "add", "br0", "type", "bridge")
        ip("-n", self._switch, "link", "set", "br0", "up")
        for host in HOSTS:
            self._connect(host)
        for host in HOSTS:
            self.start(host)
        healthy = lambda: self.site(1).etcdctl("endpoint", "health").returncode == 0  # noqa: E731
        eventually(healthy, "three members", 60)
        return self

    def __exit__(self, *_):
        for site in self._sites:
            site.close()
        for host in HOSTS:
            self.kill(host)
        for name in (*map(self.namespace, HOSTS), self._switch):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    def namespace(self, host):
        return f"pcf{os.getpid()}h{host}"

    def _connect(self, host):
        name, port = self.namespace(host), f"p{host}"
        ip("netns", "add", name)
        ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", self._switch)
        ip("-n", name, "addr", "add", f"10.77.0.{host}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", self._switch, "link", "set", port, "master", "br0", "up")

    def cut(self, host):
        """From all others, silently: no reset, no carrier lost."""
        ip("-n", self._switch, "link", "set", f"p{host}", "nomaster")

    def heal(self, host):
        ip("-n", self._switch, "link", "set", f"p{host}", "master", "br0")

    def on(self, host, *command):
        """The command line that runs a command on that host."""
        return ["ip", "netns", "exec", self.namespace(host), *map(str, command)]

    def start(self, host):
        """The member there, with what it has stored before."""
        url = f"http://10.77.0.{host}"
        cluster = ",".join(f"m{one}=http://10.77.0.{one}:2380" for one in HOSTS)
        command = self.on(
            *(host, self._etcd / "etcd", "--name", f"m{host}", "--data-dir", self.directory / f"member{host}"),
            *("--unsafe-no-fsync", "--log-level", "error", "--initial-cluster", cluster),
            *("--listen-peer-urls", f"{url}:2380", "--initial-advertise-peer-urls", f"{url}:2380"),
            *("--listen-client-urls", f"{url}:2379", "--advertise-client-urls", f"{url}:2379"),
        )
        with open(self.directory / f"member{host}.log", "ab") as log:
            self._members[host] = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self, host):
        member = self._members.pop(host, None)
        if member:
            member.kill()
            member.wait()

    def stop(self, host):
        self._members[host].send_signal(signal.SIGSTOP)

    def resume(self, host):
        self._members[host].send_signal(signal.SIGCONT)

    def endpoints(self, host):
        """All members, the host's own first."""
        return ",".join(f"http://10.77.0.{(host - 1 + step) % 3 + 1}:2379" for step in range(3))

    def site(self, host, **environ):
        """A Site on that host."""
        site = Site(self.directory, self.endpoints(host), f"h{host}", **environ)
        site.prefix = self.on(host)
        self._sites.append(site)
        return site

    def leader(self):
        """The host whose member leads."""
        for host in HOSTS:
            only = {"ETCDCTL_ENDPOINTS": f"http://10.77.0.{host}:2379"}
            told = self.site(host).etcdctl("endpoint", "status", "-w", "fields", env=only).stdout
            fields = dict(line.split(" : ") for line in told.replace('"', "").splitlines() if " : " in line)
            if fields and fields.get("MemberID") == fields.get("Leader"):
                return host
        raise AssertionError("nobody leads")
