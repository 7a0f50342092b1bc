"""What a document shows of a session is what a session shows."""

import pytest
from blocks import BASH, blocks, differences, session

DOCUMENTS = ("README.md",)
ALL = [block for document in DOCUMENTS for block in blocks(document, "console")]
TRANSCRIPTS = [block for block in ALL if "procalive-fleet" not in block.text]  # which needs etcd: tests/fleet


@pytest.mark.parametrize("block", TRANSCRIPTS, ids=lambda block: block.name)
def test_a_transcript_is_what_the_lines_print(place, block):
    status, output = place.run([BASH, "-c", f"cd {place.root}\n{session(block)}"])
    assert status == 0
    assert not differences(block, output)
