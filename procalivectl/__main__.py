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
    """For the way in which procalive was installed, and as one line to paste."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    checkout = os.path.exists(os.path.join(package, "pyproject.toml"))
    pip = shlex.join([sys.executable or "python3", "-m", "pip", "install"])
    if checkout and sys.prefix != sys.base_prefix:
        return f"{pip} {shlex.quote(f'{package}[ctl]')}"
    if checkout:
        return _environment(package)
    if os.path.exists(os.path.join(package, "procalive.sh")):  # make install
        return _environment(os.path.dirname(os.path.dirname(package)))
    return f"{pip} 'procalive[ctl]'"


def _environment(top: str) -> str:
    """A virtual environment, for pip may not touch a distribution's Python (PEP 668); bin/procalivectl finds it."""
    place = os.path.join(top, "lib", "procalivectl")
    steps = [
        shlex.join([sys.executable or "python3", "-m", "venv", "--clear", place]),
        shlex.join([os.path.join(place, "bin", "pip"), "install", *LIBRARIES]),
    ]
    if not _has_ensurepip():
        steps.insert(0, "apt-get install -y python3-venv")
    command = " && ".join(steps)
    return command if os.access(top, os.W_OK) else f"sudo sh -c {shlex.quote(command)}"


def _has_ensurepip() -> bool:
    """Debian has it in a package of its own."""
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
