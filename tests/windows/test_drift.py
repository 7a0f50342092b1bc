"""windows/procalive.py says the same as procalive.py, but for what is listed here."""

from __future__ import annotations

import ast
import functools
import json
import os
import re
import subprocess
import sys

import pytest
from support import PROGRAM, ROOT

LINUX = os.path.join(ROOT, "procalive.py")

# Options of procalive(1) that Windows refuses by name.
REFUSED = {
    "hold": {"--next", "--keep", "-m", "--mode", "--fd"},
    "check": set(),
    "wait": set(),
    "who": set(),
    "kill": {"-s", "--signal", "-a", "--all"},
    "path": set(),
}
# Texts of options and verbs that tell of another mechanism.
OTHER_WORDS = {"hold", "-w", "-k", "-o", "-F", "who", "kill", "kill -k"}
# What the module of Linux offers to the console, about /proc and descriptors.
LINUX_ALONE = {
    "Ends",
    "Watch",
    "deleted_holders",
    "keeps_nothing",
    "look",
    "mains",
    "raise_descriptor_limit",
    "refuse_planted",
    "user_name",
}
# Functions and classes that both files have in the same words.
SAME = [
    "FutureBeat",
    "Stale",
    "TimedOut",
    "_bare",
    "_deadline",
    "_named_with_age",
    "_next_flag",
    "_number",
    "_pid",
    "_print_holders",
    "_refuse_nan",
    "_report_statuses",
    "_secs",
    "_status",
    "_value",
    "duration",
    "seconds",
]


@functools.cache
def parsed(path):
    """(lines, statements) of a program."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return text.split("\n"), ast.parse(text).body


def definition(path, name):
    lines, statements = parsed(path)
    (node,) = [node for node in statements if getattr(node, "name", None) == name]
    return "\n".join(lines[node.lineno - 1 : node.end_lineno])


def constants(path, *names):
    """Values of assignments at the top, names of functions in them as strings."""
    found = {}
    for node in parsed(path)[1]:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and node.value is not None:
            found[target.id] = node.value

    def value(node):
        if isinstance(node, ast.Name):
            return value(found[node.id]) if node.id.isupper() else node.id
        if isinstance(node, ast.Dict):
            return {value(key): value(one) for key, one in zip(node.keys, node.values)}
        if isinstance(node, (ast.Tuple, ast.List)):
            return tuple(map(value, node.elts))
        return ast.literal_eval(node)

    return [value(found[name]) for name in names]


def options(specs, verb):
    """{flags: (attribute, value, converter, help)}"""
    return {flags: rest for flags, *rest in specs[verb][2:]}


def plain(text):
    """The words, whatever the file is called."""
    return re.sub(r"\bFIFOs?\b|\bFILEs?\b|\bfiles?\b", "F", text)


def test_the_verbs_are_the_same():
    assert list(constants(LINUX, "_SPECS")[0]) == list(constants(PROGRAM, "_SPECS")[0])


@pytest.mark.parametrize("verb", REFUSED)
def test_the_options_are_the_same_but_for_those_refused_by_name(verb):
    (linux,), (windows, refused) = constants(LINUX, "_SPECS"), constants(PROGRAM, "_SPECS", "_REFUSED")
    there, here = options(linux, verb), options(windows, verb)
    assert {flag for flags in there for flag in flags} - {flag for flags in here for flag in flags} == REFUSED[verb]
    assert {flag for name, flag in refused if name == verb} == REFUSED[verb]
    assert set(here) <= set(there)
    for flags, (*facts, words) in here.items():
        assert facts == there[flags][:-1]
        other = {flags[0], f"{verb} {flags[0]}"} & OTHER_WORDS
        assert (plain(words) == plain(there[flags][-1])) != bool(other), flags


@pytest.mark.parametrize("verb", REFUSED)
def test_the_usage_is_the_same_but_for_those_options(verb):
    (linux,), (windows,) = constants(LINUX, "_SPECS"), constants(PROGRAM, "_SPECS")
    expected = [plain(usage) for usage in linux[verb][1] if not usage.startswith("--fd")]
    for refused in (" [--next]", "|--keep", "[-m MODE] ", "[-s SIGNAL] ", "[-a] "):
        expected = [usage.replace(refused, "") for usage in expected]
    assert [plain(usage) for usage in windows[verb][1]] == expected
    assert (plain(windows[verb][0]) == plain(linux[verb][0])) != (verb in OTHER_WORDS)


def test_the_statuses_are_the_same():
    names = ["_YES", "_NO", "_UNKNOWN", "_STALE", "_HELD", "_TIMED_OUT", "_FAILED", "_CANNOT_RUN", "_NOT_FOUND"]
    names += ["_INTERRUPTED", "_BROKEN_PIPE", "_STATUSES", "__version__"]
    assert constants(LINUX, *names) == constants(PROGRAM, *names)


def test_the_public_names_are_the_same_but_for_what_is_about_proc():
    (linux,), (windows,) = constants(LINUX, "__all__"), constants(PROGRAM, "__all__")
    assert set(linux) - set(windows) == LINUX_ALONE
    assert set(windows) <= set(linux)


@pytest.mark.parametrize("name", SAME)
def test_what_is_tied_to_no_kernel_is_in_the_same_words(name):
    here, there = definition(PROGRAM, name), definition(LINUX, name)
    assert plain(here).replace("backup.exe", "backup.sh") == plain(there)


def told_flags(text):
    """In the order of the help, whose look depends on the version of Python."""
    lines = re.findall(r"^  (-.*?)(?:  |$)", text, re.M)
    return [flag for line in lines for flag in re.findall(r"(?<!\S)--?[a-zA-Z][a-z-]*", line)]


def test_the_help_has_the_same_shape(windows):
    verbs = [[], *([verb] for verb in REFUSED)]
    code = f"for verb in {verbs!r}: p.main([*verb, '-h']); say('=====')"
    texts = windows.python(code).split("=====")[:-1]
    for verb, text in zip(verbs, texts):
        linux = subprocess.run([sys.executable, LINUX, *verb, "-h"], capture_output=True, text=True, check=True).stdout
        refused = REFUSED[verb[0]] if verb else set()
        assert told_flags(text) == [flag for flag in told_flags(linux) if flag not in refused]
        ends = [re.sub(r"\s+", " ", one.partition("Exit status: ")[2].partition("\n\n")[0]) for one in (text, linux)]
        assert ends[0] == ends[1]


@pytest.mark.parametrize("verb", [verb for verb, flags in REFUSED.items() if flags])
def test_what_is_refused_says_so_by_name(windows, verb):
    flags = sorted(REFUSED[verb])
    code = f"for flag in {flags!r}: say(p.main([{verb!r}, flag, '1', F]))"
    status, output, errors = windows.start_python(code).result()
    assert (status, output.split()) == (0, ["125" if verb == "hold" else "2"] * len(flags))
    for flag, line in zip(flags, errors.split("\n")):
        assert line.startswith(f"procalive: {verb}: {flag}: not on Windows: ")


LINES = [
    ["-w", "5m", "-s", "-E7", "F", "--", "c"],
    ["-qs", "F", "c", "-q"],
    ["-w5", "-n", "F", "c"],
    ["--wait=1.5", "-x", "--shared", "-e", "F", "c"],
    ["--conflict-exit-code", "9", "--close", "F", "c"],
    ["--max-age=2h", "-k", "10", "F", "-c", "x"],
    ["-w", "1_0", "F", "c"],
    ["-w", "nan", "F", "c"],
    ["-w", "-1", "F", "c"],
    ["-E", "256", "F", "c"],
    ["--any=1", "F", "c"],
    ["-w"],
    ["-z"],
    ["-t", "5", "F"],
    ["-q", "-v", "F", "c"],
]


def test_both_parse_the_same(windows):
    code = """
import json
def parsed(words):
    try: options, operands = p._parse("hold", words)
    except p._Usage as error: return str(error)
    names = ("timeout", "lock", "conflict", "max_age", "replace", "no_wait", "private", "quiet")
    return [getattr(options, name) for name in names] + operands
print(json.dumps([parsed(words) for words in json.loads(sys.argv[1])]))
"""
    ours = json.loads(windows.python(code, json.dumps(LINES)))
    linux = [
        sys.executable,
        "-c",
        f"import sys; sys.path[:0] = [{ROOT!r}]; import procalive as p{code}",
        json.dumps(LINES),
    ]
    theirs = json.loads(subprocess.run(linux, capture_output=True, text=True, check=True).stdout)
    assert [plain(str(one)) for one in ours] == [plain(str(one)) for one in theirs]


def test_on_windows_the_other_file_says_which_to_take(windows):
    status, _, errors = windows.start_program(windows.python_exe, "-I", "-S", LINUX, "check", "x").result()
    assert status == 2
    assert errors == "procalive: on Windows take windows/procalive.py, which is a program of its own"


def test_on_linux_the_file_for_windows_says_which_to_take():
    ran = subprocess.run([sys.executable, PROGRAM, "check", "x"], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr == "procalive: this is the file for Windows; elsewhere take the procalive.py above it\n"


def test_the_file_for_windows_passes_the_strict_type_checker():
    command = [sys.executable, "-m", "mypy", "--strict", "--platform", "win32", "--python-version", "3.10"]
    ran = subprocess.run([*command, "--config-file", os.devnull, PROGRAM], capture_output=True, text=True, check=False)
    assert "Success" in ran.stdout, ran.stdout
