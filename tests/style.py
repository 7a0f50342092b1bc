#!/usr/bin/env python3
"""style.py: the worst habits of style in what users read, each with what to say instead.

What users read: the documents, the manuals, and the strings (help, messages) of
procalive.py.  Ends with 1 where there is one.
"""

import ast
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RULES = {
    r"(is|are|was) (n?ever )?owed|owes": "say what need not be done: there is nothing to clean up",
    r"tells? all": "name it: has every option",
    r"at (one|a) blow": "at once",
    r"with what (it|they) brings?": "name what comes with it",
    r"who may \w+( it)? may": "subject first: to check takes permission to write",
    r"who(m)?soever|whosever": "whoever, whose",
    r"to be had": "is (not) available",
    r"(for|a) want of": "lack of, because there is no",
    r"whence|thereof|therein|lest|nought|forthwith|whilst|hitherto|albeit|withal": "a common word",
    r"save (that|for|in)": "except",
    r"be it": "whether it is",
    r"nothing is ever|nobody is ever": "never, with the subject before the verb",
    r"[Nn]or (is|are|does|do|did|has|can|will)": "a sentence of its own: It is not ... either",
    r"look(s|ed)? into": "inspect",
    r"the last run": "the previous run",
    r"lets? go of": "release",
    r"in vain": "without success",
    r"utili[sz]e|in order to|prior to|via": "use, to, before, by",
    r"simply|just works|obviously|of course|easily": "leave it out",
    r"as of (now|today)|currently": "leave it out: the text is of now",
}
HABIT = re.compile("|".join(rf"(\b(?:{rule})\b)" for rule in RULES))


def documents():
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "*.md", "man"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [name for name in listed.stdout.split() if not name.startswith("tests/bench/results")]


def prose(name):
    """(line number, text) of what is prose: no code, no macros of mdoc alone."""
    fenced = False
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            fenced ^= line.startswith("```")
            if not fenced:
                yield number, re.sub(r"`[^`]*`", "", line)


def strings(name):
    """The same of the strings of a Python program but for docstrings, which users do not see."""
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        tree = ast.parse(file.read())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def main():
    bad = 0
    texts = {name: prose(name) for name in documents()} | {"procalive.py": strings("procalive.py")}
    for name, lines in texts.items():
        for number, text in lines:
            for match in HABIT.finditer(text):
                rule = next(at for at, group in enumerate(match.groups()) if group is not None)
                bad += 1
                print(f"{name}:{number}: {match[0]!r}: {RULES_BY_GROUP[rule]}")
    return bool(bad)


def _by_group():
    """Each group of HABIT with its rule: the rules have groups of their own."""
    advice, at = {}, 0
    for rule, instead in RULES.items():
        advice[at] = instead
        at += 1 + re.compile(rule).groups
    return advice


RULES_BY_GROUP = _by_group()

if __name__ == "__main__":
    sys.exit(main())
