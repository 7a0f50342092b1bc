"""Start the console, or say in one line what it lacks."""

from __future__ import annotations

import os
import shlex
import sys


def main() -> int:
    try:
        from procalivectl.cli import main as run
    except ModuleNotFoundError as error:
        # Ours missing would be a broken installation, which pip cannot mend.
        if error.name is None or error.name.startswith("procalive"):
            raise
        sys.stderr.write(f"procalivectl: {error.name} is not installed; install it with: {_install_command()}\n")
        return 2
    return run()


def _install_command() -> str:
    """For this interpreter, and from the checkout where this is one."""
    top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    source = top if os.path.exists(os.path.join(top, "pyproject.toml")) else "procalive"
    return shlex.join([sys.executable or "python3", "-m", "pip", "install", f"{source}[ctl]"])


if __name__ == "__main__":
    sys.exit(main())
