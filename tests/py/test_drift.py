"""Each fact has one source, and what repeats it says the same."""

import inspect
import itertools
import operator
import os
import re
import shlex
import subprocess
import sys
import typing

import pytest
from support import ROOT

import procalive

# The contract: what scripts rely on.  To be changed together with the manual and NEWS.md.
# Every spelling of every option, in the order of the help.
OPTIONS = {
    "hold": (
        ("-w", "--wait", "--timeout"),
        ("--next",),
        ("-k", "--replace"),
        ("--max-age",),
        ("-n", "--nonblock", "--nb"),
        ("-x", "-e", "--exclusive"),
        ("-s", "--shared"),
        ("-o", "--close"),
        ("--keep",),
        ("-F", "--no-fork"),
        ("-E", "--conflict-exit-code"),
        ("-m", "--mode"),
        ("--any",),
        ("--fd",),
        ("-q", "--quiet"),
        ("-v", "--verbose"),
    ),
    "check": (("--max-age",), ("--mine",), ("-v", "--verbose")),
    "wait": (
        ("-t", "--timeout"), ("--any",), ("--up",), ("--status",), ("--max-age",), ("--pid",), ("-v", "--verbose"),
    ),
    "who": (("--json",),),
    "kill": (("-s", "--signal"), ("-k", "--kill-after"), ("-a", "--all"), ("-q", "--quiet"), ("-v", "--verbose")),
    "path": (),
}  # fmt: skip
# Taken for the sake of flock(1)'s habits, and not in the usage.
SAY_WHAT_IS_SO_ANYHOW = {"-n", "-x", "-F"}
# Behind the FIFO, as in flock(1), and so no options of the table.
SHELL_LINE = {"-c", "--command"}
HELP = {"-h", "--help"}
STATUSES = {"0", "1", "2", "3", "75", "124", "125", "126", "127", "N", "128+N", "130"}
ENDS = {
    "hold": {"3", "75", "125", "126", "127"},
    "check": {"0", "1", "2", "3"},
    "wait": {"0", "2", "3", "124", "125"},
    "who": {"0", "1", "2"},
    "kill": {"0", "1", "2", "124"},
    "path": {"0", "2"},
}
every_verb = pytest.mark.parametrize("verb", sorted(OPTIONS))


def text_of(*names):
    with open(os.path.join(ROOT, *names), encoding="utf-8") as file:
        return file.read()


def section(name):
    """A section (.Sh) or subsection (.Ss) of procalive(1)."""
    found = re.search(rf'^\.S[hs] "?{name}"?\n(.*?)(?=^\.S[hs] )', text_of("man", "procalive.1"), re.M | re.S)
    return found.group(1)


def flags(text):
    return set(re.findall(r"(?<![\w-])(--?[a-zA-Z][a-z-]*)", text))


def spellings(verb):
    return {flag for flags in OPTIONS[verb] for flag in flags}


def shown(verb):
    """One spelling of each, as the usage lines have it."""
    return {flags[0] for flags in OPTIONS[verb]} - SAY_WHAT_IS_SO_ANYHOW


@every_verb
def test_the_program_has_the_options_of_the_contract_in_every_spelling(verb):
    assert set(procalive._SPECS) == set(OPTIONS)
    assert tuple(flags for flags, *_ in procalive._SPECS[verb][2:]) == OPTIONS[verb]


@every_verb
def test_every_short_option_has_a_long_name(verb):
    for names in OPTIONS[verb]:
        assert any(name.startswith("--") for name in names)


@every_verb
def test_usage_lines_show_all_options(verb):
    assert flags(" ".join(procalive._SPECS[verb][1])) - SHELL_LINE == shown(verb)


@every_verb
def test_the_help_has_all_options_in_every_spelling(verb):
    listed = re.findall(r"^  (-.*?)(?:  |$)", procalive._help(verb), re.M)
    assert flags(" ".join(listed)) == spellings(verb) | HELP


@every_verb
def test_the_help_tells_the_statuses_of_the_verb(verb):
    told = " ".join(procalive._help(verb).partition("\nexamples:")[0].split()).partition("Exit status: ")[2]
    assert set(re.findall(r"\b\d+\b", told)) == ENDS[verb]


def commands(example):
    """The words of each procalive command in a line of the shell, its comment left out."""
    lexer = shlex.shlex(re.split(r"\s{3,}", example)[0], posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = list(lexer)
    for at, word in enumerate(words):
        if word == "procalive":
            yield list(itertools.takewhile(lambda word: not set(word) <= set("|&;()"), words[at + 1 :]))


@every_verb
def test_the_help_ends_with_three_examples_of_the_verb_that_parse(verb):
    examples = procalive._help(verb).partition("examples:\n")[2].partition("\n\n")[0].splitlines()
    assert len(examples) == 3
    for example in examples:
        assert f"procalive {verb}" in example
        for used, *words in commands(example):
            options, operands = procalive._parse(used, words)
            assert operands
            assert not options.help


def test_what_the_verbs_offer_is_in_the_table_of_those_that_run():
    assert set(procalive._RUN) == set(procalive._SPECS) == set(procalive._STATUSES) == set(procalive._EXAMPLES)


@every_verb
def test_the_manual_describes_all_options_in_every_spelling(verb):
    items = re.findall(r"^\.It (Fl .*)$", section(verb), re.M)
    described = {f"-{flag}" for item in items for flag in re.findall(r"\bFl (\S+)", item)}
    assert described - (SHELL_LINE if verb == "hold" else set()) == spellings(verb)


@every_verb
def test_the_synopsis_of_the_manual_is_the_usage(verb):
    def plain(mdoc):
        mdoc = re.sub(r"^\.(Op|Ar|Fl) ", lambda m: {"Op": "[", "Ar": "", "Fl": "-"}[m[1]], mdoc, flags=re.M)
        return re.sub(r"\s+", " ", re.sub(r"\bFl ", "-", mdoc).replace("Ar ", "").replace("| ", "|"))

    synopses = re.findall(rf"^\.Nm procalive {verb}\n(.*?)(?=^\.Nm|\Z)", section("SYNOPSIS"), re.M | re.S)
    assert [flags(plain(synopsis)) for synopsis in synopses] == [flags(usage) for usage in procalive._SPECS[verb][1]]


@every_verb
def test_the_general_help_names_every_verb(verb):
    assert re.search(rf"^ +{verb} ", procalive._help(), re.M)


# That they are what shell/completions/generate makes is a test of its own, in bats.
@every_verb
def test_the_completions_offer_all_options(verb):
    bash = text_of("shell", "completions", "procalive.bash-completion")
    offered = re.search(rf"^    \[{verb}\]='(-.*)'", bash, re.M).group(1)
    assert flags(offered) == spellings(verb) | HELP


def test_the_manual_has_the_statuses_of_the_contract():
    items = re.findall(r"^\.It (.*)$", section("EXIT STATUS"), re.M)
    assert {status for item in items for status in item.replace('"', "").split(" , ")} == STATUSES


def public_functions():
    """Every function that the module offers, methods included."""
    for name in procalive.__all__:
        found = getattr(procalive, name)
        methods = vars(found) if inspect.isclass(found) else {}
        yield from (f"{name}.{one}" for one in methods if one[0] != "_" and inspect.isfunction(methods[one]))
        if inspect.isfunction(found):
            yield name


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 cannot evaluate X | Y")
@pytest.mark.parametrize("name", list(public_functions()))
def test_every_hint_of_the_module_can_be_evaluated(name):
    function = operator.attrgetter(name)(procalive)
    assert function.__doc__
    assert {"self"} | set(typing.get_type_hints(function)) == {
        "self",
        *inspect.signature(function).parameters,
        "return",
    }


def test_the_program_has_the_statuses_of_the_contract():
    names = ("YES", "NO", "UNKNOWN", "STALE", "HELD", "TIMED_OUT", "FAILED", "CANNOT_RUN", "NOT_FOUND", "INTERRUPTED")
    assert {str(getattr(procalive, f"_{name}")) for name in names} == STATUSES - {"N", "128+N"}


def test_the_version_is_written_in_procalive_py_alone():
    command = ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("needs git and a checkout, to list the files")
    version = re.compile(rf"(?<![\d.]){re.escape(procalive.__version__)}(?![\d.])")
    # Two tell of every version, and the program for Windows is a file that stands alone, too.
    own = {"procalive.py", "windows/procalive.py", "NEWS.md", "packaging/debian/changelog"}
    own.add("procalive-stubs/__init__.pyi")  # a link to procalive.py
    assert os.path.islink(os.path.join(ROOT, "procalive-stubs/__init__.pyi"))
    others = [name for name in listed.stdout.split() if name not in own and os.path.isfile(os.path.join(ROOT, name))]
    assert [name for name in others if version.search(text_of(name))] == []
    for name in ("procalive.py", "windows/procalive.py"):
        assert text_of(name).count(f'"{procalive.__version__}"') == 1


def test_every_attribute_that_an_option_sets_has_a_default():
    for verb in procalive._SPECS:
        for _, attribute, *_ in procalive._SPECS[verb][2:]:
            assert hasattr(procalive._Options, attribute)


def test_the_readme_uses_no_option_that_there_is_not():
    values = r"(?: +(?:[0-9.]+[smhd]?|inf)\b)?"
    for verb, rest in re.findall(rf"procalive ({'|'.join(OPTIONS)})((?: +-\S+{values})*)", text_of("README.md")):
        for flag in flags(rest):
            known = flag in spellings(verb) | HELP
            assert known or all(f"-{letter}" in spellings(verb) for letter in flag[1:]), (verb, flag)
