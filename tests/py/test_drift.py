"""Each fact has one source, and what repeats it says the same."""

import inspect
import operator
import os
import re
import subprocess
import sys
import typing

import pytest
from support import ROOT

import procalive

# The contract: what scripts rely on.  To be changed together with the manual and NEWS.md.
OPTIONS = {
    "hold": {"-w", "-s", "-o", "-E", "-m", "-q", "-v", "--fd"},
    "check": {"-v", "--max-age"},
    "wait": {"-t", "--any", "--up", "--status", "--max-age", "--pid", "-v"},
    "who": {"--json"},
    "kill": {"-s", "-k", "-a", "-q", "-v"},
}
STATUSES = {"0", "1", "2", "3", "75", "124", "125", "126", "127", "N", "128+N", "130"}
ENDS = {
    "hold": {"75", "125", "126", "127"},
    "check": {"0", "1", "2", "3"},
    "wait": {"0", "2", "3", "124", "125"},
    "who": {"0", "1", "2"},
    "kill": {"0", "1", "2", "124"},
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


@every_verb
def test_the_program_has_the_options_of_the_contract(verb):
    assert set(procalive._SPECS) == set(OPTIONS)
    assert {flag for flag, *_ in procalive._SPECS[verb][2:]} == OPTIONS[verb]


@every_verb
def test_usage_lines_and_help_have_all_options(verb):
    usages = procalive._SPECS[verb][1]
    assert flags(" ".join(usages)) == OPTIONS[verb]
    assert flags(" ".join(re.findall(r"^  (-.*?)(?:  |$)", procalive._help(verb), re.M))) == OPTIONS[verb] | {
        "-h",
        "--help",
    }


@every_verb
def test_the_help_tells_the_statuses_of_the_verb(verb):
    told = procalive._help(verb).partition("Exit status: ")[2]
    assert set(re.findall(r"\b\d+\b", told)) - {"1"} == ENDS[verb] - {"1"}  # 1 is in procalive(1) too
    assert bool(re.search(r"\b1 (not|nobody)", told)) == ("1" in ENDS[verb])


@every_verb
def test_the_manual_describes_all_options(verb):
    described = re.findall(r"^\.It Fl (\S+)", section(verb), re.M)
    assert {f"-{flag}" for flag in described} == OPTIONS[verb]


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
    assert flags(offered) == OPTIONS[verb] | {"-h", "--help"}


def test_the_manual_has_the_statuses_of_the_contract():
    items = re.findall(r"^\.It (.*)$", section("EXIT STATUS"), re.M)
    assert {status for item in items for status in item.replace('"', "").split(" , ")} == STATUSES


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 cannot evaluate X | Y")
@pytest.mark.parametrize("name", ["check", "hold", "holders", "kill", "wait", "Holder.as_dict", "Hold.release"])
def test_every_hint_of_the_module_can_be_evaluated(name):
    function = operator.attrgetter(name)(procalive)
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
    own = {"procalive.py", "NEWS.md"}  # NEWS.md tells of every version
    others = [name for name in listed.stdout.split() if name not in own and os.path.isfile(os.path.join(ROOT, name))]
    assert [name for name in others if version.search(text_of(name))] == []
    assert text_of("procalive.py").count(f'"{procalive.__version__}"') == 1


def test_every_attribute_that_an_option_sets_has_a_default():
    for verb in procalive._SPECS:
        for _, attribute, *_ in procalive._SPECS[verb][2:]:
            assert hasattr(procalive._Options, attribute)


def test_the_readme_uses_no_option_that_there_is_not():
    for verb, rest in re.findall(
        r"procalive (hold|check|wait|who|kill)((?: +-\S+(?: +[0-9.]+[smhd]?)?)*)", text_of("README.md")
    ):
        for flag in flags(rest):
            known = flag in OPTIONS[verb] or flag in ("-h", "--help")
            assert known or all(f"-{letter}" in OPTIONS[verb] for letter in flag[1:]), (verb, flag)
