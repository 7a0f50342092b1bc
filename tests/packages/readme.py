#!/usr/bin/env python3
"""What readme.bats takes from README.md: the lines, for it has none of its own.

readme.py recipe WORDS    the line below the comment that begins with WORDS
readme.py line START      the line of a block of sh that begins with START
readme.py inline START    the code within a sentence that begins with START
readme.py python          the block of Python
readme.py session         the first block but for the tests, and the transcript, as a script
readme.py compare FILE    1 where FILE is not what the transcript shows
readme.py recipes         the sentences of all recipes
"""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../docs"))
sys.dont_write_bytecode = True
from blocks import blocks, differences, session, text_of  # noqa: E402

README = "README.md"


def recipes():
    """(comment, line) for each of the block that begins with a sentence of the user."""
    (block,) = [b for b in blocks(README, "sh") if b.text.startswith('# "')]
    return re.findall(r"^# (.*)\n(.*)$", block.text, re.M)


def recipe(words):
    return [line for comment, line in recipes() if comment.lstrip('"').startswith(words)]


def line(start):
    return [found for block in blocks(README, "sh") for found in block.lines() if found.startswith(start)]


def inline(start):
    comments = "\n".join(comment for comment, _ in recipes())
    code = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text_of(README), flags=re.M | re.S))
    code += re.findall(r" (touch .*)$", comments, re.M)
    return [found for found in code if found.startswith(start)]


def transcript():
    return next(block for block in blocks(README, "console") if "procalive-fleet" not in block.text)


def python():
    return [block.text for block in blocks(README, "python")]


def main():
    what, *words = sys.argv[1:]
    if what == "compare":
        with open(words[0], encoding="utf-8") as file:
            different = differences(transcript(), file.read(), ann=True)
        for typed, printed in different:
            print(f"$ {typed}\n{printed}", file=sys.stderr)
        return bool(different)
    if what == "recipes":
        print("\n".join(comment for comment, _ in recipes()))
        return 0
    found = [session(transcript())] if what == "session" else globals()[what](*words)
    if len(found) != 1:
        print(f"README.md has {len(found)} of these: {sys.argv[1:]}", file=sys.stderr)
        return 1
    print(found[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
