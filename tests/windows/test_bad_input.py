"""What cannot be held or told: one line, the right status, nothing changed."""

from __future__ import annotations

import os

import pytest
from support import UNTIL_GO

RUN = ("--", "cmd", "/c", "exit 0")


def both(windows, name):
    """(check, hold): the statuses for a name; each must say just one line."""
    before = sorted(os.listdir(windows.directory))
    answers = [windows("check", name), windows("hold", name, *RUN)]
    for status, output, errors in answers:
        assert output == ""
        assert status == 1 or (errors.startswith("procalive: ") and "\n" not in errors), errors
    assert sorted(os.listdir(windows.directory)) == before
    return answers[0][0], answers[1][0]


UNFIT = [
    ".",
    "..",
    "C:\\",
    "C:\\windows",
    "NUL",
    "CON",
    "com1",
    "nul.lock",
    "\\\\.\\pipe\\x",
    "\\\\.\\PhysicalDrive0",
    "a.lock.",
    "a.lock ",
    "a. \\b.lock",
    "a.lock\\",
    "a.lock:stream",
    "a.lock::$DATA",
    "a*b",
    "a?b",
    "a|b",
    'a"b',
    "a<b>",
    "",
    "x" * 256,
    "a\\" + "x" * 300 + "\\b",
    "@",
    "@a/b",
]


def test_what_is_no_plain_file_is_2_and_125(windows):
    code = f"for name in {UNFIT!r}: say(p.main(['check', name]), p.main(['hold', name, *{RUN!r}]))"
    status, output, errors = windows.start_python(code).result()
    assert output.split("\n") == ["2 125"] * len(UNFIT)
    assert len(errors.split("\n")) == 2 * len(UNFIT)
    assert all(line.startswith("procalive: ") for line in errors.split("\n"))
    assert (status, os.listdir(windows.directory)) == (0, [])


def test_a_fifo_of_linux_is_2_and_125(windows):
    os.mkfifo(f"{windows.directory}/job.fifo")
    assert both(windows, "job.fifo") == (2, 125)


def test_a_missing_directory_is_1_and_125(windows):
    assert both(windows, "no\\such\\a.lock") == (1, 125)
    assert both(windows, "/run/no/job.fifo") == (1, 125)


def test_a_drive_on_another_host_is_refused_before_a_file_is_made(windows):
    status, _, errors = windows("hold", "R:\\a.lock", *RUN)
    assert "another host" in errors
    assert (status, os.listdir(os.path.join(windows.environment["WINEPREFIX"], "remote"))) == (125, [])


@pytest.mark.parametrize("name", ["a b.lock", "ü€😀.lock", "-q", "%PATH%.lock", "a'b!.lock", "A.LOCK"])
def test_odd_names_are_names(windows, name):
    windows.held(f".\\{name}", code=UNTIL_GO)
    assert windows("check", f".\\{name}")[0] == 0
    assert windows("hold", "-q", f".\\{name}", *RUN)[0] == 75
    assert os.listdir(windows.directory) == [name]


def test_a_path_of_more_than_300_characters_is_a_name(windows):
    deep = os.path.join(windows.directory, *["d" * 60] * 5)
    os.makedirs(deep)
    name = "\\".join([*["d" * 60] * 5, "a.lock"])
    windows.held(name)
    assert windows("check", name)[0] == 0
    assert windows("who", name)[0] == 0
    assert windows("kill", "-k", "9", name)[0] == 0


def test_what_windows_refuses_is_said_in_words_that_do_not_depend_on_its_language(windows):
    code = "for number in (5, 2, 206, 112): say(p.message(p._error(F, number)))"
    assert windows.python(code).split("\n") == [
        "a.lock: Permission denied",
        "a.lock: No such file or directory",
        "a.lock: File name too long",
        "a.lock: No space left on device",
    ]


@pytest.mark.parametrize(
    ("kind", "check", "hold", "words"),
    [
        ("reads, shares reading", 1, 125, "which does not share it"),
        ("reads, shares nothing", 2, 125, "which does not share it"),
        ("writes, shares all", 0, 75, "open for writing by"),
        ("writes, shares reading", 0, 75, "open for writing by"),
    ],
)
def test_programs_that_know_nothing_of_procalive(windows, kind, check, hold, words):
    stranger = windows.start_python(f"handle = open_as({kind!r}); say(os.getpid()); order()")
    pid = stranger.says()
    assert windows("check", "a.lock")[0] == check
    status, _, errors = windows("hold", "a.lock", *RUN)
    assert status == hold
    assert f"{pid} (python.exe)" in errors
    assert words in errors
    assert windows("kill", "a.lock")[0] == {0: 2, 1: 1, 2: 2}[check]
    assert stranger.process.poll() is None


DAMAGE = {
    "empty": "''",
    "text": "b'hello' * 100",
    "zeros": "bytes(1000)",
    "half": "record[:50]",
    "cut": "record + record[:-1]",
    "torn": "record[:-8] + bytes(8)",
    "noise": "os.urandom(5000)",
    "numbers": "record[:16] + b'\\xff' * 48 + record[64:]",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_record_never_makes_a_wrong_answer(windows, damage):
    code = f"""
p.hold(F).release()
record = open(F, 'rb').read()
with open(F, 'wb') as file: file.write({DAMAGE[damage]} or b'')
say(p.check(F), p.holders(F), p.kill(F), p.wait(F, timeout=5))
with p.hold(F):
    say(p.check(F), len(p.holders(F)))
claim = p._try_hold(F, True)  # shared, so that a stranger may write into it
with open(F, 'r+b') as file: file.truncate(0); file.write({DAMAGE[damage]} or b'')
say(p.check(F), [one.pid for one in p.holders(F)] == [os.getpid()])
outcome(p.wait, F, timeout=0.2)
"""
    lines = windows.python(code).split("\n")
    assert lines[:3] == ["False [] [] {'a.lock': None}", "True 1", "True True"]
    assert lines[3].startswith("TimedOut a.lock: still there")


def test_a_record_of_another_boot_says_nothing_about_this_wait(windows):
    code = """
claim = p._try_hold(F, True)
old = p._Record(True, 12345, p._ticks() + 10**9, p._ticks() + 10**9)
with open(F, 'r+b') as file: file.seek(p._RECORD.size); file.write(old.pack())
outcome(p.wait, F, timeout=0.2)
"""
    assert windows.python(code).startswith("TimedOut")


WRONG = [
    ([], 2),
    (["no-such"], 2),
    (["hold"], 125),
    (["hold", "a.lock"], 125),
    (["hold", "-w", "x", "a.lock", *RUN], 125),
    (["hold", "-E", "256", "a.lock", *RUN], 125),
    (["hold", "-q", "-v", "a.lock", *RUN], 125),
    (["hold", "-F", "-o", "a.lock", *RUN], 125),
    (["hold", "--any", "a.lock", "b.lock"], 125),
    (["check"], 2),
    (["check", "a.lock", "-v"], 2),
    (["wait", "--pid", "x"], 2),
    (["wait", "--up", "--status", "a.lock"], 2),
    (["wait", "-t", "-1", "a.lock"], 2),
    (["kill"], 2),
    (["path"], 2),
]


def test_wrong_usage_is_2_or_125_and_changes_nothing(windows):
    code = f"for args in {[args for args, _ in WRONG]!r}: say(p.main(args))"
    status, output, errors = windows.start_python(code).result()
    assert output.split("\n") == [str(status) for _, status in WRONG]
    assert len(errors.split("\n")) == len(WRONG)
    assert (status, os.listdir(windows.directory)) == (0, [])
