"""What a document shows of a session is what a session shows."""

import re

import pytest
from blocks import BASH, blocks

DOCUMENTS = ("README.md",)
ALL = [block for document in DOCUMENTS for block in blocks(document, "console")]
TRANSCRIPTS = [block for block in ALL if "procalive-fleet" not in block.text]  # which needs etcd: tests/fleet


def expected(text):
    """A pattern: PIDs, dates, times and columns differ; whose home it is too."""
    pattern = re.escape(re.sub(r" +", " ", text.strip()))
    pattern = re.sub(r"/home/\w+/\\.local/state/procalive/|/run/procalive/", r"\\S*/procalive/", pattern)
    pattern = re.sub(r"\d{4}\\-\d\d\\-\d\d\\ \d\d:\d\d:\d\d", r"[-0-9]+ [:0-9]+", pattern)
    pattern = pattern.replace(r"\ ann\ ", r"\ \S+\ ")
    return re.sub(r"\b\d{3,}\b|\b\d+s\b", r"\\d+s?", pattern)


def steps(text):
    """(line typed, what came of it) of a transcript."""
    parts = re.split(r"^\$ ", text, flags=re.M)[1:]
    return [part.partition("\n")[::2] for part in parts]


def set_up(document):
    """The first sh block but for the tests: what the transcript goes on from."""
    first = blocks(document, "sh")[0]
    return "\n".join(line for line in first.lines() if not line.startswith("tests/run"))


@pytest.mark.parametrize("block", TRANSCRIPTS, ids=lambda block: block.name)
def test_a_transcript_is_what_the_lines_print(place, block):
    typed = steps(block.text)
    lines = [f"cd {place.root}", set_up("README.md"), "procalive wait --up -t 10 @demo"]
    for line, _ in typed:
        lines += [f"echo '--- {len(lines)}'", line]
        if line.startswith("kill"):
            lines += ["wait $! 2>/dev/null"]  # who types is not as fast
    status, output = place.run([BASH, "-c", "PATH=$PWD/bin:$PATH\n" + "\n".join(lines)])
    assert status == 0
    output = re.sub(r"^\S*bash: line .*Killed.*\n", "", output, flags=re.M)  # of the shell, not of ours
    came = re.split(r"^--- \d+\n", output, flags=re.M)[1:]
    for (line, shown), printed in zip(typed, came):
        assert re.fullmatch(expected(shown), re.sub(r" +", " ", printed.strip())), (line, printed)
