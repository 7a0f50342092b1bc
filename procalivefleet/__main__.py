"""Start procalive-fleet."""

from __future__ import annotations

import os

from procalivefleet import cli


def main() -> None:
    """Never returns.  Nothing is buffered, and threads may be asleep in the kernel."""
    os._exit(cli.main())


if __name__ == "__main__":
    main()
