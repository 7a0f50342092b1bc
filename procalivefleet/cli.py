"""The command line of procalive-fleet."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import procalive
from procalivefleet import words
from procalivefleet.words import Usage

TYPE_CHECKING = False  # typing costs 7 ms at start
if TYPE_CHECKING:
    import argparse
    from typing import Any, Callable

_INTERRUPTED = 130
_BROKEN_PIPE = 141


class Options:
    """Every option, with its default."""

    conflict = words.HELD
    fifo: str | None = None
    grace: float | None = None
    help = False
    json = False
    quiet = False
    signal = 15
    timeout: float | None = None
    ttl = 20
    up = False
    verbose = False


def _hold(options: Options, operands: list[str]) -> int:
    if len(operands) > 1 and operands[1] == "--":
        del operands[1]
    if len(operands) < 2:
        raise Usage("hold: needs a name and a command; see procalive-fleet hold -h")
    from procalivefleet import front, job
    from procalivefleet.terms import Terms

    name, *command = operands
    name = words.name_of(name)
    verbose = options.verbose or (os.isatty(2) and not options.quiet)
    terms = Terms(options.ttl, options.grace, options.timeout or 0.0, options.conflict, options.quiet, verbose)
    fifo = words.fifo_of(name) if options.fifo is None else options.fifo
    job.refuse_unkillable(command)
    procalive.check(fifo)  # what is no FIFO shall be known before etcd is asked
    return front.hold(name, fifo, command, terms)


def _names(verb: str, operands: list[str]) -> list[str]:
    if not operands:
        raise Usage(f"{verb}: needs a name; see procalive-fleet {verb} -h")
    return list(dict.fromkeys(map(words.name_of, operands)))


def _check(options: Options, operands: list[str]) -> int:
    from procalivefleet import ask

    return ask.check(_names("check", operands), options.verbose)


def _who(options: Options, operands: list[str]) -> int:
    from procalivefleet import ask

    return ask.who(_names("who", operands), options.json)


def _wait(options: Options, operands: list[str]) -> int:
    from procalivefleet import ask

    timeout = float("inf") if options.timeout is None else options.timeout
    return ask.wait(_names("wait", operands), timeout, options.up, options.verbose)


def _kill(options: Options, operands: list[str]) -> int:
    from procalivefleet import ask

    names = _names("kill", operands)
    if len(names) != 1:
        raise Usage("kill: needs one name; see procalive-fleet kill -h")
    return ask.kill(names[0], options.signal, options.grace, options.quiet)


def _ttl(text: str) -> int:
    from procalivefleet.terms import HIGHEST_TTL, LOWEST_TTL

    seconds = procalive._secs(text)
    if not LOWEST_TTL <= seconds <= HIGHEST_TTL:
        raise ValueError(f"{words.show(text)}: not a time from {LOWEST_TTL} s to {HIGHEST_TTL // 3600} h")
    return int(seconds)


_VERBOSE = ("-v", "verbose", None, None, "say more")
_HELP = ("-h", "help", None, None, "show this help")
SPECS: dict[str, tuple[Any, ...]] = {
    "hold": (
        "run COMMAND on one host only; 75 if NAME is held elsewhere",
        "[-w SECS] [-E CODE] [-q|-v] [--ttl SECS] [--grace SECS] [-f FIFO] NAME [--] COMMAND [ARG]...",
        (
            "-w",
            "timeout",
            "SECS",
            procalive._secs,
            "wait up to SECS for another holder to end (90, 30s, 5m, 2h, 1d, inf)",
        ),
        ("-E", "conflict", "CODE", procalive._status, "status when NAME is held elsewhere (75)"),
        ("--ttl", "ttl", "SECS", _ttl, "life of the lease when nobody renews it (20; 5 at least)"),
        (
            "--grace",
            "grace",
            "SECS",
            procalive._secs,
            "from SIGTERM to SIGKILL when the lease is lost (a fifth of the TTL)",
        ),
        ("-f", "fifo", "FIFO", str, "the FIFO on this host (@fleet-NAME)"),
        ("-q", "quiet", None, None, "no message when NAME is held elsewhere"),
        _VERBOSE,
    ),
    "check": (
        "0 if NAME is held on some host, 1 if it is not, 2 if that cannot be told",
        "[-v] NAME...",
        _VERBOSE,
    ),
    "wait": (
        "sleep until nobody holds NAME",
        "[-t SECS] [--up] [-v] NAME...",
        ("-t", "timeout", "SECS", procalive._secs, "124 if it takes longer"),
        ("--up", "up", None, None, "wait for a holder instead"),
        _VERBOSE,
    ),
    "who": (
        "list who holds NAME and who waits for it",
        "[--json] NAME...",
        ("--json", "json", None, None, "one JSON object a line"),
    ),
    "kill": (
        "signal the job that holds NAME, on whatever host it runs",
        "[-s SIGNAL] [-k SECS] [-q] NAME",
        ("-s", "signal", "SIGNAL", procalive._signal_number, "by name or number (TERM)"),
        ("-k", "grace", "SECS", procalive._secs, "wait until NAME is free; SIGKILL after SECS"),
        ("-q", "quiet", None, None, "no message when it is still held"),
    ),
}
STATUSES = {
    "hold": "COMMAND's own, or 75 held elsewhere, 76 the lease was lost and the job stopped, "
    "125 etcd or procalive-fleet failed and the job was not run, 126 COMMAND cannot be run, 127 not found",
    "check": "0 held, 1 not held, 2 cannot tell",
    "wait": "0 gone (--up: held), 2 cannot tell, 124 time ran out",
    "who": "0 somebody holds, 1 nobody, 2 cannot tell",
    "kill": "0 sent (-k: and gone), 1 nobody to signal, 2 cannot tell or not signalled, 124 still there",
}
_RUN: dict[str, Callable[[Options, list[str]], int]] = {
    "hold": _hold,
    "check": _check,
    "wait": _wait,
    "who": _who,
    "kill": _kill,
}


def _parser() -> argparse.ArgumentParser:
    """For -h alone: argparse would take options behind the name, too, and so the command's own."""
    import argparse

    parser = argparse.ArgumentParser(
        prog="procalive-fleet",
        description="procalive's verbs across machines: one holder among many hosts, on etcd.",
        epilog="procalive-fleet VERB -h tells the options of a verb; procalive-fleet(1) tells all.",
    )
    parser.add_argument("--version", action="store_true", help="show the version")
    verbs = parser.add_subparsers(metavar="VERB")
    for verb, (text, operands, *options) in SPECS.items():
        ends = f"Exit status: {STATUSES[verb]}. procalive-fleet(1) tells all."
        usage = f"procalive-fleet {verb} {operands}"
        one = verbs.add_parser(verb, usage=usage, help=text, description=text, epilog=ends)
        for flag, _, value, _, about in options:
            if value:
                one.add_argument(flag, metavar=value, help=about)
            else:
                one.add_argument(flag, action="store_true", help=about)
    return parser


def help_of(verb: str | None = None) -> str:
    """The text of -h."""
    parser: Any = _parser()
    if verb is not None:
        parser = parser._subparsers._group_actions[0].choices[verb]
    return str(parser.format_help()).rstrip()


def _parse(verb: str, args: list[str]) -> tuple[Options, list[str]]:
    """The options up to the first operand, and the operands."""
    options, rest, flag = Options(), list(args), ""
    specs = {flag: spec for flag, *spec in (*SPECS[verb][2:], _HELP, ("--help", *_HELP[1:]))}
    try:
        while rest and rest[0] != "-" and rest[0].startswith("-"):
            flag, glued = procalive._next_flag(rest)
            if flag == "--" and glued is None:
                break
            if flag not in specs:
                raise Usage("no such option")
            attribute, value, convert, _ = specs[flag]
            taken = convert(procalive._value(rest, glued, value)) if value else procalive._bare(rest, flag, glued)
            setattr(options, attribute, taken)
    except (Usage, procalive._Usage) as error:
        raise Usage(f"{verb}: {words.show(flag)}: {error}; see procalive-fleet {verb} -h") from None
    except ValueError as error:
        raise Usage(f"{verb}: {flag}: {error}") from None
    if options.quiet and options.verbose:
        raise Usage(f"{verb}: -q and -v exclude each other")
    return options, rest


def _run(args: list[str]) -> int:
    verb = args[0] if args else ""
    if verb in _RUN:
        options, operands = _parse(verb, args[1:])
        if not options.help:
            return _RUN[verb](options, operands)
        procalive._print(help_of(verb))
    elif verb == "--version":
        procalive._print(f"procalive-fleet {procalive.__version__}")
    elif verb in ("-h", "--help"):
        procalive._print(help_of())
    else:
        what = f"{words.show(verb)}: no such verb" if args else "a verb is missing"
        raise Usage(f"{what} ({', '.join(_RUN)}); see procalive-fleet -h")
    return words.YES


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status.  Every failure is one line, never a traceback."""
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        procalive._open_standard_descriptors()
        return _run(args)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        return _BROKEN_PIPE
    except Exception as error:
        words.say(words.line(error))
    return words.FAILED if args[:1] == ["hold"] else words.UNKNOWN
