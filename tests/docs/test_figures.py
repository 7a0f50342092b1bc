"""A figure that README and results.md both give comes from one source: results.json."""

import os
import subprocess
import sys

from blocks import ROOT, text_of


def printed(program, *args):
    return subprocess.run(
        [sys.executable, "-B", os.path.join(ROOT, "tests/bench", program), *args],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_readme_has_the_figures_of_results_json():
    assert printed("readme.py") in text_of("README.md")
