"""Whether a FIFO lies in a good place: who shares it, who cleans it, who may take it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

import procalive
from procalivectl import access, host, words
from procalivectl.findings import ELSEWHERE, FINE, NOTE, WARNING, Finding

_HOMES = ("/home/", "/root/", "/run/user/")  # what ProtectHome= of systemd.exec(5) hides


def examine(path: str) -> Iterator[Finding]:
    """All that is known of the place, whether or not the FIFO is there."""
    real = os.path.realpath(path)
    yield from _on_file_system(path)
    yield from _cleaned(path, real)
    yield from _removed_at_logout(real)
    yield from _removed_with_a_unit(real)
    if f"{real}/".startswith(_HOMES):
        text = "systemd units with ProtectHome= do not see it: their hold would be another's, or fail"
        yield Finding(NOTE, "protect-home", text, "in such a unit: an absolute path below /run")
    if os.path.isdir(os.path.dirname(real)):
        yield from _directory(os.path.dirname(real))


def _on_file_system(path: str) -> Iterator[Finding]:
    kind, source = host.file_system(path)
    if kind in host.REMOTE:
        text = f"on {kind}: a FIFO is local to its kernel, so it is one lock a host, and other hosts see nobody hold it"
        yield Finding(WARNING, "network", text, "fine for the jobs of one host; procalive has no lock across hosts")
    elif kind in host.ENCRYPTED or source.startswith(host.HOMED):
        text = f"on {kind}, an encrypted home: after a logout it is gone for cron and for units"
        yield Finding(WARNING, "encrypted-home", text, "for jobs that outlive the login: an absolute path below /run")
    elif kind in host.OVERLAY:
        text = f"on {kind}: two mounts of one lower file are two FIFOs"
        yield Finding(NOTE, "overlay", text, "between containers: share a directory by a bind mount, or use a tmpfs")
    elif kind in host.LOCAL:
        yield Finding(FINE, "local", f"on {kind}, a local file system")
    else:
        text = f"on {kind}: whether other hosts share it cannot be told, and they would see nobody hold it"
        yield Finding(NOTE, "unknown-file-system", text, "in /run it is surely this host's own")


def _cleaned(path: str, real: str) -> Iterator[Finding]:
    aged = host.ageing(path)
    if aged:
        text = f"systemd-tmpfiles removes what is older than {aged.age} in {words.show(aged.directory)} ({aged.file})"
        yield Finding(WARNING, "cleaned", f"{text}: unlinked while held, it could be held twice", ELSEWHERE)
    elif real.startswith(("/tmp/", "/var/tmp/")):
        text = "among temporary files, which cleaners may unlink though it is held"
        yield Finding(NOTE, "temporary", text, ELSEWHERE)


def _removed_at_logout(real: str) -> Iterator[Finding]:
    """$XDG_RUNTIME_DIR: a place for what ends with the session."""
    top = real.split("/")[1:4]
    if top[:2] != ["run", "user"] or not top[2:] or not top[2].isdigit():
        return
    user = procalive.user_name(int(top[2]))
    if host.lingers(user):
        text = f"systemd keeps $XDG_RUNTIME_DIR of {words.show(user)}, who lingers; cron and sudo do not set it"
        yield Finding(NOTE, "runtime-directory", text, ELSEWHERE)
    else:
        text = f"systemd removes $XDG_RUNTIME_DIR at the last logout of {words.show(user)}, whoever holds in it"
        advice = f"{ELSEWHERE}; or loginctl enable-linger {words.show(user)}"
        yield Finding(WARNING, "runtime-directory", f"{text}; cron and sudo do not set it", advice)


def _removed_with_a_unit(real: str) -> Iterator[Finding]:
    unit = host.unit_that_removes(real)
    if unit:
        text = f"systemd removes its directory when {unit.name} stops, whoever holds in it ({unit.file})"
        advice = "RuntimeDirectoryPreserve=yes in that unit, or a line of tmpfiles.d(5) instead"
        yield Finding(WARNING, "unit-directory", text, advice)


def _directory(directory: str) -> Iterator[Finding]:
    """Who, other than its owner, may take the name away or be the first to take it?"""
    found = os.stat(directory)
    others = [*access.grants(directory, found)][1:]
    writers = [who for who, permissions in others if permissions & stat.S_IWOTH]
    if not writers:
        return
    anybody = access.EVERYBODY in writers
    who = access.EVERYBODY if anybody else " and ".join(writers)
    level = WARNING if anybody and not access.closed_directory(directory) else NOTE
    if found.st_mode & stat.S_ISVTX:
        yield Finding(level, "name-can-be-taken", _first_come(who, directory), ELSEWHERE)
    else:
        text = f"{who} may remove files in {words.show(directory)}"
        yield Finding(level, "can-be-removed", text, f"chmod; or {ELSEWHERE}")


def _first_come(who: str, directory: str) -> str:
    text = f"in {words.show(directory)} {who} may create files: another user can take the name first"
    if host.protected_fifos() and who == access.EVERYBODY:
        text += "; fs.protected_fifos refuses shell redirections to another user's FIFO there, even to root"
    return text
