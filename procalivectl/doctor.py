"""doctor: what is wrong with a FIFO, and what to do."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

import procalive
from procalivectl import access, elsewhere, host, places, survey, words
from procalivectl.findings import ELSEWHERE, FINE, NOTE, UNSURE, WARNING, WRONG, Finding

_STATUS = {FINE: 0, NOTE: 0, WARNING: 1, WRONG: 1, UNSURE: 2}
_COLOURS = {FINE: "green", NOTE: "cyan", WARNING: "bold yellow", WRONG: "bold red", UNSURE: "bold magenta"}
_PYTHON = "install Python 3.9 or newer"
_AS_ROOT = "run it as root, who sees every process"
_NO_MORE = "end that process, and let nothing remove or rename the FIFO"


def examine(path: str) -> list[Finding]:
    """All that is known of one FIFO, the worst not first but in the order looked at."""
    try:
        return list(_examine(procalive.path(path)))
    except procalive.Refused as refusal:
        what, _, advice = refusal.text.partition("; ")
        return [Finding(WRONG, "refused", what, advice)]
    except (procalive.ProcaliveError, OSError, ValueError) as error:
        as_whom = "run it as the owner of the directory, or as root" if isinstance(error, PermissionError) else ""
        return [Finding(UNSURE, "not-looked-at", words.reason(error), as_whom)]


def _examine(path: str) -> Iterator[Finding]:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        if not path:
            raise
        yield from _link(path) if os.path.islink(path) else _missing(path)
        yield from _deleted(survey.Survey([path]).look()[0])
        yield from places.examine(path)
        return
    if not stat.S_ISFIFO(found.st_mode):
        advice = "remove it, or name another path" if stat.S_ISREG(found.st_mode) else "name another path"
        yield Finding(WRONG, "not-a-fifo", f"not a FIFO but {_kind(found.st_mode)}", advice)
        return
    fifo = survey.Survey([path]).look()[0]
    fifo.others = fifo.others or elsewhere.holders(path, fifo.inode)
    yield from _link(path) if os.path.islink(path) else ()
    yield from _state(fifo)
    yield from _access(path, found)
    yield from _planted(path, found)
    yield from _holder_link(fifo)
    yield from _let_go(fifo)
    yield from _deleted(fifo)
    yield from places.examine(path)


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFREG: "a regular file",
        stat.S_IFDIR: "a directory",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")


def _missing(path: str) -> Iterator[Finding]:
    directory = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(directory) or directory == words.names_directory():
        yield Finding(NOTE, "missing", "missing: held by nobody", "procalive hold creates it")
        return
    text = f"its directory {words.show(directory)} is missing"
    advice = "create it; in /run at every boot by a line of tmpfiles.d(5), or by RuntimeDirectory= of systemd.exec(5)"
    advice += " with RuntimeDirectoryPreserve=yes, or else it goes when the unit stops"
    yield Finding(WRONG, "no-directory", text, f"{advice}; or {ELSEWHERE}")


def _link(path: str) -> Iterator[Finding]:
    real = words.show(os.path.realpath(path))
    yield Finding(WRONG, "symlink", f"a symbolic link to {real}: it can be checked but not held", f"name {real}")


def _state(fifo: survey.Fifo) -> Iterator[Finding]:
    """What check would say, and what only /proc knows."""
    now = time.time()
    if fifo.alive is None:
        owner = words.show(procalive.user_name(os.stat(fifo.path).st_uid))
        as_whom = "root" if owner == "root" else f"{owner} or root"
        advice = f"run it as {as_whom}; chmod o+w lets others check and wait, not hold"
        yield Finding(UNSURE, "not-permitted", fifo.remark, advice)
    elif not fifo.alive and not fifo.lockers:
        idle = fifo.idle(now)
        when = "" if idle is None else f"; its last holder began or beat {words.duration(idle)} ago"
        yield Finding(FINE, "free", f"held by nobody{when}")
    elif fifo.held and not fifo.holders:
        yield Finding(UNSURE, "unseen", f"held {fifo.remark}", _AS_ROOT)
    elif fifo.held:
        age, holders = words.duration(fifo.held_for(now)), words.processes(fifo.pids)
        shared = "shared" if fifo.exclusive is False else "held"
        yield Finding(FINE, "held", f"{shared} by {holders}, for {age}; {_last_beat(fifo, now)}")
        yield from _holders(fifo)
    yield from _without_the_lock(fifo)
    yield from _watchers(fifo)


def _last_beat(fifo: survey.Fifo, now: float) -> str:
    if fifo.beaten is False:
        return "no beat since its start"
    return f"last beat {words.duration(fifo.beat_age(now))} ago"


def _holders(fifo: survey.Fifo) -> Iterator[Finding]:
    """Whether they get on, by their state and their clock."""
    for holder in fifo.mains:
        who = words.processes([holder.main])
        if survey.TROUBLED.get(holder.state) == survey.STOPPED:
            advice = f"kill -CONT {holder.main}; or procalive kill, which wakes it to end it"
            yield Finding(WRONG, "stopped", f"{who} is stopped: it holds, and does not get on", advice)
        elif survey.TROUBLED.get(holder.state) == survey.ZOMBIE:
            text = f"the first thread of {who} has ended: others, or its parent's sleep, keep it"
            yield Finding(WRONG, "zombie", text, f"end it, or its parent {holder.parent}")
    if survey.FUTURE in fifo.trouble:
        text = "its last beat is ahead of the clock, which was set back: --max-age cannot tell until then"
        yield Finding(WARNING, "future-beat", text, f"touch -c {words.show(fifo.path)}, or wait for the next beat")


def _without_the_lock(fifo: survey.Fifo) -> Iterator[Finding]:
    """Who reads without it outlives the holder in the eyes of everybody; who only has it blocks everybody."""
    strangers = [holder.pid for holder in fifo.holders if not holder.lock]
    if strangers and fifo.held:
        text = f"also read, without the lock, by {words.processes(strangers)}: "
        text += "it will look held after its holder has ended"
        yield Finding(WRONG, "stray-reader", text, "end that process")
    elif strangers:
        text = f"read by {words.processes(strangers)} without the lock: it looks held, and nobody can hold it"
        yield Finding(WRONG, "stray-reader", text, "end that process; it should call procalive hold")
    if survey.LOCKED in fifo.trouble:
        text = f"locked by {words.processes(fifo.lockers)}, which does not read it: not held, yet nobody can hold it"
        yield Finding(WRONG, "locked-from-outside", text, "end that process")


def _watchers(fifo: survey.Fifo) -> Iterator[Finding]:
    """A waiter that is stopped may be the first in the queue."""
    stopped = [pid for pid in fifo.watchers if host.process_state(pid) in "Tt"]
    if stopped:
        text = f"{words.processes(stopped)}, which waits, is stopped: it may hold up other waiters"
        yield Finding(WARNING, "waiter-stopped", text, f"kill -CONT {stopped[0]}, or end it")


def _access(path: str, found: os.stat_result) -> Iterator[Finding]:
    yield Finding(NOTE, "access", f"mode {stat.S_IMODE(found.st_mode):04o}: {'; '.join(access.who_may(path, found))}")
    if found.st_mode & stat.S_IROTH and not access.closed_directory(path):
        text = "everybody may hold it, and so keep the job from running"
        yield Finding(WARNING, "open-to-all", text, f"chmod o-r {words.show(path)}")


def _planted(path: str, found: os.stat_result) -> Iterator[Finding]:
    try:
        procalive.refuse_planted(os.path.realpath(path), found)
    except procalive.Refused as refusal:
        what, _, advice = refusal.text.partition("; ")
        yield Finding(WRONG, "refused", f"procalive hold refuses it to you: it {what}", advice)


def _holder_link(fifo: survey.Fifo) -> Iterator[Finding]:
    """FIFO.holder is the short way of the shell library; without it all works, slower."""
    path = fifo.path + elsewhere.SUFFIX
    if fifo.link is None:
        if os.path.lexists(path):
            text = f"{words.show(path)} is not a link: no holder can leave its own there"
            yield Finding(WRONG, "holder-link", text, "remove it")
        return
    try:
        os.stat(path)
    except FileNotFoundError:
        yield from _dangling(fifo)
    except OSError:
        pass  # another user's process: whether it still holds is not for us to see


def _dangling(fifo: survey.Fifo) -> Iterator[Finding]:
    if fifo.state == survey.FREE:
        yield Finding(FINE, "holder-link", "the holder link dangles: its holder has let go")
    elif fifo.held and fifo.holders:
        text = "the holder link dangles though the FIFO is held: shell checks take the longer way"
        yield Finding(NOTE, "holder-link", text, "the next hold leaves a new link")


def _let_go(fifo: survey.Fifo) -> Iterator[Finding]:
    """A job that was started to hold it, runs, and has closed the descriptor."""
    if fifo.held or fifo.others or fifo.alive is None:
        return
    others = [pid for pid in host.processes() if _holds_no_more(pid, fifo.inode)]
    linked = fifo.link.pid if fifo.link else None
    jobs = [pid for pid in others if (pid == linked if linked else b"PROCALIVE_FD" in host.environ(pid))]
    if jobs:
        text = f"held by nobody, though {words.processes(jobs)} was started to hold it: the descriptor was closed"
        yield Finding(WRONG, "let-go", text, _keep_it(jobs[0]))
    elif others:
        # A daemon that the job left behind looks just like a job that has forked away from hold.
        text = f"held by nobody, though {words.processes(others)}, which a job that held it has started, goes on"
        advice = "if that is the job itself: run it in the foreground under hold --keep, and never end its keeper"
        yield Finding(NOTE, "left-behind", text, advice)


def _keep_it(pid: int) -> str:
    name = procalive.process_name(pid)
    known = f"{name} is known to close what it inherits: " if procalive.keeps_nothing(name) else ""
    return f"{known}procalive hold --keep, whose keeper holds it too; or do not close $PROCALIVE_FD"


def _holds_no_more(pid: int, inode: survey.Inode | None) -> bool:
    """Whether its environment says that it, or a parent, was given this FIFO to
    hold, but it reads none there, not even an older one of this name."""
    given = host.environ(pid)
    path = given.get(b"PROCALIVE_FIFO")
    if not path:
        return False
    try:
        found = os.stat(b"/proc/%d/root%s" % (pid, path))  # as that process sees it, in a container too
    except OSError:
        return False
    fd = os.fsdecode(given.get(b"PROCALIVE_FD", b""))
    return (found.st_dev, found.st_ino) == inode and not host.reads_fifo(pid, fd)


def _deleted(fifo: survey.Fifo) -> Iterator[Finding]:
    """Processes that hold an older FIFO of this name, which was unlinked, replaced or renamed."""
    if not fifo.others:
        return
    whom = words.processes(holder.main for holder in procalive.mains(fifo.others))
    if fifo.inode:
        text = f"{whom} holds an older FIFO of this name: two inodes, and so two holders may run"
        yield Finding(WRONG, "replaced", text, _NO_MORE)
    else:
        text = f"{whom} holds a FIFO of this name that was unlinked: it cannot be seen to be held"
        yield Finding(WRONG, "deleted", text, _NO_MORE)


def examine_host() -> list[Finding]:
    """What this kernel and its programs lack, and which verbs that affects."""
    findings = []
    if not host.has_pidfd():
        text = "no pidfd_open: hold -o, kill and wait --pid do not work"
        findings.append(Finding(WRONG, "no-pidfd", text, "Linux 5.3 or newer, and a Python built with it"))
    elif not host.tells_exit_status():
        text = "the kernel does not tell how another's child ended: wait --status ends with 125"
        findings.append(Finding(NOTE, "no-exit-status", text, "Linux 6.15 or newer"))
    return [*findings, *_namespace(), *_programs(host.programs())]


def _namespace() -> Iterator[Finding]:
    outside = host.user_namespace()
    if outside is not None:
        who = "root" if os.geteuid() == 0 else "you"
        text = f"in a user namespace: outside of it, {who} is user {outside}, and names such as @job are its own"
        yield Finding(NOTE, "user-namespace", text)


def _programs(found: dict[str, str | None]) -> Iterator[Finding]:
    python, dd = found["python3"], found["dd"]
    if not python:
        yield Finding(WRONG, "no-python", "python3 not found: only the shell library works", _PYTHON)
    elif not host.runs_procalive(python):
        text = f"{words.show(python)} is no Python 3.9 or newer: procalive does not start"
        yield Finding(WRONG, "no-python", text, _PYTHON)
    for name, place in found.items():
        if place:
            yield Finding(FINE, "program", f"{name}: {words.show(place)}")
        elif name != "python3":
            yield Finding(NOTE, "program", f"{name} not found: the shell library takes longer ways")
    if dd and not host.has_gnu_dd(dd):
        yield Finding(NOTE, "program", "dd is not GNU's: procalive check takes Python's 7 ms instead of 1 ms")


def run(paths: Sequence[str], as_json: bool) -> int:
    reports: list[tuple[str | None, list[Finding]]] = [
        (_resolved(path), examine(path)) for path in dict.fromkeys(paths)
    ]
    return _report([*reports, (None, examine_host())], "this machine", as_json)


def run_fleet(names: Sequence[str], as_json: bool) -> int:
    from procalivectl import fleet

    return _report([(None, fleet.findings(names))], "etcd", as_json)


def _report(reports: Sequence[tuple[str | None, list[Finding]]], place: str, as_json: bool) -> int:
    """Print what was found, each under the FIFO that it is about, or the place; the status."""
    for path, findings in reports:
        if as_json:
            _print_json(path, findings)
        else:
            _print(place if path is None else words.show(path), findings)
    return max(_STATUS[finding.level] for _, findings in reports for finding in findings)


def _resolved(path: str) -> str:
    try:
        return procalive.path(path)
    except procalive.ProcaliveError:
        return path


def _print_json(path: str | None, findings: Sequence[Finding]) -> None:
    for finding in findings:
        print(json.dumps({"fifo": path} | finding._asdict()))


def table(findings: Sequence[Finding]) -> Table:
    """A line for each finding, and its advice below."""
    rows = Table.grid(padding=(0, 1))
    for finding in findings:
        rows.add_row(Text(finding.level, _COLOURS[finding.level]), Text(finding.what))
        if finding.advice:
            rows.add_row("", Text(finding.advice, "italic"))
    return rows


def _print(title: str, findings: Sequence[Finding]) -> None:
    console = words.console(soft_wrap=True)
    console.print(Text(title, "bold"))
    for finding in findings:
        console.print(Text.assemble("  ", (finding.level, _COLOURS[finding.level]), f": {finding.what}"))
        if finding.advice:
            console.print(Text(f"      {finding.advice}", "italic" if finding.level == NOTE else ""))
