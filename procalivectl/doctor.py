"""doctor: what is wrong with a FIFO, and what to do."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.table import Table
from rich.text import Text

import procalive
from procalivectl import access, host, survey, words

FINE, NOTE, WRONG, UNSURE = "ok", "note", "wrong", "cannot tell"
_STATUS = {FINE: 0, NOTE: 0, WRONG: 1, UNSURE: 2}
_UNHELD = (survey.FREE, survey.LOCKED)
_ELSEWHERE = "keep it in /run or $XDG_RUNTIME_DIR"
_PYTHON = "install Python 3.9 or newer"
_COLOURS = {FINE: "green", NOTE: "cyan", WRONG: "bold red", UNSURE: "bold yellow"}


class Finding(NamedTuple):
    level: str
    what: str
    advice: str = ""


def examine(path: str) -> list[Finding]:
    """All that is known of one FIFO, the worst not first but in the order looked at."""
    try:
        return list(_examine(path))
    except (OSError, ValueError) as error:
        as_whom = "run it as the owner of the directory, or as root" if isinstance(error, PermissionError) else ""
        return [Finding(UNSURE, words.reason(error), as_whom)]


def _examine(path: str) -> Iterator[Finding]:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        if not path:
            raise
        yield from _link(path) if os.path.islink(path) else _missing(path)
        yield from _deleted(path, None)
        yield from _place(path)
        return
    if not stat.S_ISFIFO(found.st_mode):
        advice = "remove it, or name another path" if stat.S_ISREG(found.st_mode) else "name another path"
        yield Finding(WRONG, f"not a FIFO but {_kind(found.st_mode)}", advice)
        return
    fifo = survey.Survey([path]).look()[0]
    yield from _link(path) if os.path.islink(path) else ()
    yield from _state(fifo)
    yield from _access(path, found)
    yield from _planted(path, found)
    yield from _holder_link(fifo)
    yield from _let_go(fifo)
    yield from _deleted(path, fifo.inode)
    yield from _place(path)


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
    if os.path.isdir(directory):
        yield Finding(NOTE, "missing: held by nobody", "procalive hold creates it")
    else:
        text = f"its directory {words.show(directory)} is missing"
        yield Finding(
            WRONG, text, "create it; in /run at every boot: RuntimeDirectory= of systemd.exec(5), tmpfiles.d(5)"
        )


def _link(path: str) -> Iterator[Finding]:
    real = words.show(os.path.realpath(path))
    yield Finding(WRONG, f"a symbolic link to {real}: it can be checked but not held", f"name {real}")


def _state(fifo: survey.Fifo) -> Iterator[Finding]:
    """What check would say, and what only /proc knows."""
    holders = _named(fifo.mains)
    if fifo.state == survey.FREE:
        yield Finding(FINE, "held by nobody")
    elif fifo.state == survey.STRAY:
        text = f"read by {holders} without the lock: it looks held, and nobody can hold it"
        yield Finding(WRONG, text, "end that process; it should call procalive hold")
    elif fifo.state == survey.LOCKED:
        text = f"{fifo.remark}, which does not read it: not held, yet nobody can hold it"
        yield Finding(WRONG, text, "end that process")
    elif fifo.state == survey.UNKNOWN:
        yield Finding(UNSURE, fifo.remark, "run it as root, who sees every process")
    elif not fifo.holders:
        yield Finding(UNSURE, f"held; {fifo.remark}", "run it as root, who sees every process")
    else:
        age = words.duration(fifo.held_for(time.time()))
        yield Finding(FINE, f"{fifo.state} by {holders}, for {age}; last beat {_beat(fifo)} ago")
        yield from _strangers_beside(fifo)


def _beat(fifo: survey.Fifo) -> str:
    return words.duration(fifo.beat_age(time.time()))


def _strangers_beside(fifo: survey.Fifo) -> Iterator[Finding]:
    """A reader without the lock outlives the holder in the eyes of everybody."""
    strangers = [holder for holder in fifo.holders if not holder.lock]
    if strangers:
        text = f"also read, without the lock, by {_named(strangers)}: it will look held after its holder has ended"
        yield Finding(WRONG, text, "end that process")


def _named(holders: Sequence[procalive.Holder]) -> str:
    pids = [holder.keeps or holder.pid for holder in holders]
    return ", ".join(f"{pid} ({procalive.process_name(pid)})" for pid in pids)


def _access(path: str, found: os.stat_result) -> Iterator[Finding]:
    yield Finding(NOTE, f"mode {stat.S_IMODE(found.st_mode):04o}: {'; '.join(access.who_may(path, found))}")
    if not os.access(path, os.W_OK, effective_ids=True):
        yield Finding(WRONG, "you may not check it: that takes write permission", "ask its owner for chmod or setfacl")
    if found.st_mode & stat.S_IROTH and not access.closed_directory(path):
        yield Finding(WRONG, "everybody may hold it, and so keep the job from running", f"chmod o-r {words.show(path)}")


def _planted(path: str, found: os.stat_result) -> Iterator[Finding]:
    try:
        procalive.refuse_planted(os.path.realpath(path), found)
    except procalive.Refused as refusal:
        what, _, advice = refusal.text.partition("; ")
        yield Finding(WRONG, f"procalive hold refuses it to you: it {what}", advice)


def _holder_link(fifo: survey.Fifo) -> Iterator[Finding]:
    """FIFO.holder is the short way of the shell library; without it all works, slower."""
    link = fifo.path + ".holder"
    if not os.path.lexists(link):
        return
    if not os.path.islink(link):
        text = f"{words.show(link)} is not a link: no holder can leave its own there"
        yield Finding(WRONG, text, "remove it")
        return
    try:
        target = os.stat(link)
    except FileNotFoundError:
        yield from _dangling(fifo)
        return
    except OSError:
        return  # another user's process: whether it still holds is not for us to see
    if (target.st_dev, target.st_ino) != fifo.inode:
        where = words.show(os.readlink(link))
        text = f"the holder link leads to {where}, another file: this FIFO replaced the one that is held"
        yield Finding(WRONG, text, "end that process, and let nothing remove or rename the FIFO")


def _dangling(fifo: survey.Fifo) -> Iterator[Finding]:
    if fifo.state in _UNHELD:
        yield Finding(FINE, "the holder link dangles: its holder has let go")
    elif fifo.state in (survey.HELD, survey.SHARED) and fifo.holders:
        text = "the holder link dangles though the FIFO is held: shell checks take the longer way"
        yield Finding(WRONG, text, "harmless; the next hold leaves a new link")


def _let_go(fifo: survey.Fifo) -> Iterator[Finding]:
    """A job that was started to hold it, runs, and has closed the descriptor."""
    link = fifo.path + ".holder"
    if fifo.state not in _UNHELD:
        return
    if os.path.islink(link) and os.path.exists(link):
        return  # the job has not let go, but of an older FIFO
    others = [pid for pid in _processes() if _holds_no_more(pid, fifo.inode)]
    linked = _linked_process(link)
    jobs = [pid for pid in others if (pid == linked if linked else b"PROCALIVE_FD" in _environ(pid))]
    if jobs:
        text = f"held by nobody, though {_names(jobs)} was started to hold it: the descriptor was closed"
        yield Finding(WRONG, text, "hold -o, whose keeper holds it instead; or do not close $PROCALIVE_FD")
    elif others:
        # A daemon that the job left behind looks just like a job that has forked away from hold.
        text = f"held by nobody, though {_names(others)}, which a job that held it has started, goes on"
        advice = "if that is the job itself: run it in the foreground under hold -o, and never end its keeper"
        yield Finding(NOTE, text, advice)


def _linked_process(link: str) -> int | None:
    """The process that the holder link names: the job, or its keeper."""
    try:
        root, proc, pid, *_ = os.readlink(link).split("/")
        return int(pid) if (root, proc) == ("", "proc") else None
    except (OSError, ValueError):
        return None


def _holds_no_more(pid: int, inode: survey.Inode | None) -> bool:
    """Whether its environment says that it, or a parent, was given this FIFO to
    hold, but it reads none there, not even an older one of this name."""
    given = _environ(pid)
    path = given.get(b"PROCALIVE_FIFO")
    if not path:
        return False
    try:
        found = os.stat(b"/proc/%d/root%s" % (pid, path))  # as that process sees it, in a container too
    except OSError:
        return False
    fd = os.fsdecode(given.get(b"PROCALIVE_FD", b""))
    return (found.st_dev, found.st_ino) == inode and not (
        fd in procalive._open_files(str(pid)) and _reads_fifo(pid, fd)
    )


def _names(pids: Sequence[int]) -> str:
    return ", ".join(f"{pid} ({procalive.process_name(pid)})" for pid in pids)


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]


def _environ(pid: int) -> dict[bytes, bytes]:
    try:
        variables = procalive._read_proc(f"{pid}/environ").split(b"\0")
    except OSError:
        return {}
    return dict(variable.partition(b"=")[::2] for variable in variables)


def _deleted(path: str, inode: survey.Inode | None) -> Iterator[Finding]:
    """Processes that hold an older FIFO of this name, which was unlinked."""
    gone = os.path.realpath(path) + " (deleted)"
    pids = [pid for pid in _processes() if _has_open(pid, gone)]
    if pids:
        text = f"{_names(pids)} holds a FIFO of this name that was unlinked"
        text += ": two inodes, and so two holders may run" if inode else ": it cannot be seen to be held"
        yield Finding(WRONG, text, "end that process, and let nothing remove the FIFO")


def _has_open(pid: int, name: str) -> bool:
    return any(_names_file(pid, fd, name) and _reads_fifo(pid, fd) for fd in procalive._open_files(str(pid)))


def _names_file(pid: int, fd: str, name: str) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/fd/{fd}") == name
    except OSError:
        return False  # closed or ended while we looked


def _reads_fifo(pid: int, fd: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(f"/proc/{pid}/fd/{fd}").st_mode) and procalive._reading(str(pid), fd)[0]
    except (OSError, LookupError, ValueError):
        return False  # closed or ended while we looked


def _place(path: str) -> Iterator[Finding]:
    yield from _on_file_system(path)
    real = os.path.realpath(path)
    aged = host.ageing(path)
    if aged:
        text = f"systemd-tmpfiles removes what is older than {aged.age} in {words.show(aged.directory)} ({aged.file})"
        yield Finding(WRONG, f"{text}: unlinked while held, it could be held twice", _ELSEWHERE)
    elif real.startswith(("/tmp/", "/var/tmp/")):
        yield Finding(NOTE, "among temporary files, which cleaners may unlink though it is held", _ELSEWHERE)
    if os.path.isdir(os.path.dirname(real)):
        yield from _directory(os.path.dirname(real))


def _directory(directory: str) -> Iterator[Finding]:
    """Who, other than its owner, may take the name away or be the first to take it?"""
    found = os.stat(directory)
    others = [*access.grants(directory, found)][1:]
    writers = [who for who, permissions in others if permissions & stat.S_IWOTH]
    if not writers:
        return
    anybody = access.EVERYBODY in writers
    who = access.EVERYBODY if anybody else " and ".join(writers)
    level = WRONG if anybody and not access.closed_directory(directory) else NOTE
    if found.st_mode & stat.S_ISVTX:
        yield Finding(level, _first_come(who, directory), _ELSEWHERE)
    else:
        yield Finding(level, f"{who} may remove files in {words.show(directory)}", f"chmod; or {_ELSEWHERE}")


def _first_come(who: str, directory: str) -> str:
    text = f"in {words.show(directory)} {who} may create files: another user can take the name first"
    if host.protected_fifos() and who == access.EVERYBODY:
        text += "; fs.protected_fifos refuses shell redirections to another user's FIFO there, even to root"
    return text


def _on_file_system(path: str) -> Iterator[Finding]:
    kind = host.file_system(path)
    if kind in host.REMOTE:
        text = f"on {kind}: a FIFO is local to its kernel, so other hosts see nobody hold it"
        yield Finding(WRONG, text, "one FIFO a host, in /run")
    elif kind in host.OVERLAY:
        text = f"on {kind}: two mounts of one lower file are two FIFOs"
        yield Finding(WRONG, text, "share a directory by a bind mount, or use a tmpfs such as /run")
    elif kind in host.LOCAL:
        yield Finding(FINE, f"on {kind}, a local file system")
    else:
        text = f"on {kind}: whether other hosts share it cannot be told, and they would see nobody hold it"
        yield Finding(NOTE, text, "in /run it is surely this host's own")


def examine_host() -> list[Finding]:
    """What this kernel and its programs lack, and which verbs that affects."""
    findings = []
    if not host.has_pidfd():
        text = "no pidfd_open: hold -o, kill and wait --pid do not work"
        findings.append(Finding(WRONG, text, "Linux 5.3 or newer, and a Python built with it"))
    elif not host.tells_exit_status():
        text = "the kernel does not tell how another's child ended: wait --status ends with 125"
        findings.append(Finding(NOTE, text, "Linux 6.15 or newer"))
    return [*findings, *_programs(host.programs())]


def _programs(places: dict[str, str | None]) -> Iterator[Finding]:
    python, dd = places["python3"], places["dd"]
    if not python:
        yield Finding(WRONG, "python3 not found: only the shell library works", _PYTHON)
    elif not host.runs_procalive(python):
        yield Finding(WRONG, f"{words.show(python)} is no Python 3.9 or newer: procalive does not start", _PYTHON)
    for name, place in places.items():
        if place:
            yield Finding(FINE, f"{name}: {words.show(place)}")
        elif name != "python3":
            yield Finding(NOTE, f"{name} not found: the shell library takes longer ways")
    if dd and not host.has_gnu_dd(dd):
        yield Finding(NOTE, "dd is not GNU's: procalive check takes Python's 7 ms instead of 1 ms")


def run(paths: Sequence[str], as_json: bool) -> int:
    reports: list[tuple[str | None, list[Finding]]] = [(path, examine(path)) for path in dict.fromkeys(paths)]
    reports.append((None, examine_host()))
    for path, findings in reports:
        if as_json:
            _print_json(path, findings)
        else:
            _print("this machine" if path is None else words.show(path), findings)
    return max(_STATUS[finding.level] for _, findings in reports for finding in findings)


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
    for level, what, advice in findings:
        console.print(Text.assemble("  ", (level, _COLOURS[level]), f": {what}"))
        if advice:
            console.print(Text(f"      {advice}", "italic" if level == NOTE else ""))
