"""procalive beside its peers, on this machine, in one run."""

from __future__ import annotations

import argparse


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, in under a minute; prints, keeps nothing")
    parser.add_argument(
        "--check", action="store_true", help="status 1 if a target was missed, 2 if one could not be measured"
    )
    parser.add_argument("--out", metavar="DIR", help="where to put results.json, .md and .svg (default: beside this)")
    return parser.parse_args()


if __name__ == "__main__":
    options()  # help, or what is wrong with them; with any Python 3, before anything is installed
