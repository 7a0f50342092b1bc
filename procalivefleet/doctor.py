"""What is wrong with etcd, or with how this host uses it, and what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator

import procalive
from procalivefleet import contenders, keeper, terms, words
from procalivefleet.contenders import Contender
from procalivefleet.etcd import Answer, Etcd, encode
from procalivefleet.exchange import Endpoint
from procalivefleet.lease import boot_id
from procalivefleet.words import Refused, Unreachable, boot

FINE, NOTE, WARNING, WRONG, UNSURE = "ok", "note", "warning", "wrong", "cannot tell"

Finding = tuple[str, str, str, str]  # level, name (for programs, always the same), what, advice or ""

_EACH = 2.0  # seconds for one question


def examine(names: list[str]) -> list[Finding]:
    """All that is known of etcd and, for each name, of its holder."""
    try:
        etcd = Etcd()
    except Refused as error:
        return [(WRONG, "etcd", str(error), "")]
    found = [finding for endpoint in etcd.endpoints for finding in _endpoint(endpoint)]
    try:
        found += [*_members(etcd), *_role(etcd)]
        for name in names or contenders.names(etcd, boot() + words.PATIENCE):
            found += _name(etcd, name)
    except (Unreachable, Refused) as error:
        found.append((UNSURE, "etcd", str(error), ""))
    return found


def _endpoint(endpoint: Endpoint) -> Iterator[Finding]:
    """Whether it answers, and what is known of its version."""
    began = boot()
    version = Etcd([endpoint]).version(began + _EACH)
    if not version:
        yield WRONG, "endpoint", f"{endpoint.text}: no etcd answers", "start it, or take it out of ETCDCTL_ENDPOINTS"
        return
    text = f"{endpoint.text}: etcd {words.show(version)} answers in {(boot() - began) * 1000:.0f} ms"
    if keeper.version_of(version) < keeper.OLDEST:
        wanted = ".".join(map(str, keeper.OLDEST))
        yield (
            WARNING,
            "version",
            f"{text}; it may end leases by mistake (etcd issues 12528, 15247)",
            f"etcd {wanted} or newer",
        )
    else:
        yield FINE, "endpoint", text, ""
    if not endpoint.tls and not endpoint.host.startswith(("127.", "::1", "localhost")):
        yield (
            NOTE,
            "encryption",
            f"{endpoint.text}: not encrypted, so whoever is on the way may hold and let go",
            "https, see docs/fleet.md",
        )


def _members(etcd: Etcd) -> Iterator[Finding]:
    try:
        answer = etcd.call("cluster/member/list", {}, boot() + words.PATIENCE)
        count = len([one for one in answer.get("members", ()) if not one.get("isLearner")])
    except Refused:
        return  # not for this user
    if count < 3:
        yield (
            NOTE,
            "members",
            f"etcd has {count} voting member(s): when one fails every job is stopped",
            "three, on three machines",
        )
    elif count % 2 == 0:
        yield NOTE, "members", f"etcd has {count} voting members: one less bears as much", "an odd number"
    else:
        yield FINE, "members", f"etcd has {count} voting members: it bears the loss of {count // 2}", ""


def _role(etcd: Etcd) -> Iterator[Finding]:
    """Whether this user may read and write the prefix: asked by a transaction that changes nothing."""
    key = encode(f"{words.prefix()}.doctor/0")
    never: Answer = {"target": "VERSION", "key": key, "result": "GREATER", "version": str(2**62)}
    put = {"request_put": {"key": key, "value": ""}}
    try:
        etcd.call("kv/txn", {"compare": [never], "success": [put]}, boot() + words.PATIENCE)
        yield FINE, "role", f"you may read and write {words.show(words.prefix())}", ""
    except Refused as error:
        advice = f"etcdctl role grant-permission ROLE --prefix=true readwrite {words.show(words.prefix())}"
        yield WRONG, "role", f"you may not hold under {words.show(words.prefix())}: {error}", advice


def _name(etcd: Etcd, name: str) -> Iterator[Finding]:
    _, found = contenders.look(etcd, name, boot() + words.PATIENCE)
    holder = contenders.holder(found)
    if holder is None:
        yield FINE, "holder", f"{name}: held by nobody", ""
        return
    yield FINE, "holder", f"{name}: held by {holder}, fence {holder.fence}, {len(found) - 1} waiting", ""
    if holder.lease == "0":
        yield (
            WRONG,
            "holder",
            f"{name}: its key has no lease: it is held until somebody deletes it",
            f"etcdctl del {words.show(holder.key)}",
        )
        return
    left, ttl = contenders.seconds_left(etcd, holder.lease, boot() + words.PATIENCE)
    yield from _lease(name, left, ttl)
    if holder.facts.get("boot_id") == boot_id():
        yield from _here(name, holder)


def _lease(name: str, left: float, ttl: float) -> Iterator[Finding]:
    if left < terms.margin(ttl) + ttl / 5:
        yield (
            WRONG,
            "lease",
            f"{name}: its lease ends in {left:.0f} s and is not renewed",
            "look at that host, and its way to etcd",
        )
    elif ttl < 10:
        yield (
            NOTE,
            "lease",
            f"{name}: its TTL is {ttl:.0f} s: an election of etcd's leader can stop the job",
            "--ttl 10 or more",
        )
    else:
        yield FINE, "lease", f"{name}: its lease has {left:.0f} of {ttl:.0f} s left", ""


def _here(name: str, holder: Contender) -> Iterator[Finding]:
    """The holder is of this very boot of this host: its guards can be looked at."""
    front = holder.facts["pid"]
    group = _control_group(front)
    if group is None:
        yield WRONG, "guards", f"{name}: its front {front} has ended; the keeper is stopping the job", "look again"
    elif group.endswith(".service"):
        yield (
            FINE,
            "guards",
            f"{name}: its guards are in {words.show(group.rpartition('/')[2])}, which ends the job with them",
            "",
        )
    else:
        text = f"{name}: its guards are in no service of systemd: if both are killed at once, the job goes on"
        yield NOTE, "guards", text, "run it from a unit, see shell/systemd/procalive-fleet-job.service"
    if os.geteuid() == 0 or holder.facts["uid"] == os.geteuid():
        yield from _fifo(name, holder)


def _control_group(pid: int) -> str | None:
    """cgroups(7); None where the process is gone."""
    try:
        with open(f"/proc/{pid}/cgroup") as file:
            return next((line.rstrip("\n").split(":", 2)[2] for line in file if line.startswith("0::")), "")
    except OSError:
        return None


def _fifo(name: str, holder: Contender) -> Iterator[Finding]:
    """The default one: another may have been given with -f, which etcd does not know."""
    if holder.facts["uid"] != os.geteuid():
        return
    try:
        if not procalive.check(words.fifo_of(name)):
            yield (
                NOTE,
                "fifo",
                f"{name}: held on this host without {words.fifo_of(name)}: closed by the job, or another by -f",
                "",
            )
    except (procalive.ProcaliveError, OSError) as error:
        yield UNSURE, "fifo", f"{name}: {words.line(error)}", ""
