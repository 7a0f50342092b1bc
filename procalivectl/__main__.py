"""Start the console, or say in one line what it lacks."""

from __future__ import annotations

import os
import shlex
import sys

# As in pyproject.toml, which is not there where `make install` was used.
LIBRARIES = ("typer>=0.15.4", "rich>=13.8", "textual>=1", "prometheus-client>=0.19", "watchfiles>=0.21")


def main() -> int:
    _open_standard_streams()
    try:
        from procalivectl.cli import main as run

        return run()  # each verb imports what it needs
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.startswith("procalive"):  # which pip cannot mend
            sys.stderr.write(f"procalivectl: {missing} is missing; install procalive again\n")
        else:
            sys.stderr.write(f"procalivectl: {missing} is not installed; install it with: {_install_command()}\n")
        return 2


def _open_standard_streams() -> None:
    """Closed ones are /dev/null, as for procalive: a FIFO could become descriptor 1."""
    while True:
        fd = os.open(os.devnull, os.O_RDWR)
        if fd > 2:
            os.close(fd)
            break
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 (for the life of the process)


def _install_command() -> str:
    """For this interpreter, and the way in which procalive was installed."""
    return shlex.join([sys.executable or "python3", "-m", "pip", "install", *_what_to_install()])


def _what_to_install() -> list[str]:
    top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if os.path.exists(os.path.join(top, "pyproject.toml")):  # a checkout
        return [f"{top}[ctl]"]
    if os.path.exists(os.path.join(top, "procalive.sh")):
        # make install: pip knows of no procalive, and may not touch a distribution's
        # Python.  Here they are found, and go with make uninstall.
        return ["--upgrade", "--target", top, *LIBRARIES]
    return ["procalive[ctl]"]


if __name__ == "__main__":
    sys.exit(main())
