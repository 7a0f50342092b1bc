"""The command line."""

# No `from __future__ import annotations`: Typer reads the annotations.
import os
import stat
import sys
from collections.abc import Iterator
from typing import Annotated, Any, Optional

import typer
from typer.core import TyperCommand

import procalive
from procalivectl import survey, words

app = typer.Typer(
    help="The operator's console of procalive: what is held here, by whom, and is it well?",
    epilog="procalivectl(1) is the manual.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

SORTABLE = ("FIFO", "STATE", "PID", "USER", "HELD FOR", "LAST BEAT", "WATCHERS", "COMMAND")
STATES = ("trouble", *survey.STATES)
_EPILOG = "procalivectl(1) is the manual."
_INTERRUPTED = 130
_BROKEN_PIPE = 141  # 128 + SIGPIPE, as a program ends that does not catch it


def _seconds(text: str) -> float:
    try:
        return procalive.seconds(text)
    except ValueError:
        raise typer.BadParameter(f"{words.show(text)}: not a time (90, 1.5, 30s, 5m, 2h, 1d or inf)") from None


def _column(text: str) -> str:
    column = text.upper().replace("-", " ")
    if column not in SORTABLE:
        raise typer.BadParameter(f"{words.show(text)}: not a column ({', '.join(map(spelled, SORTABLE))})")
    return column


def _state(text: str) -> str:
    state = text.lower().replace("-", " ")
    if state not in STATES:
        raise typer.BadParameter(f"{words.show(text)}: not a state ({', '.join(map(spelled, STATES))})")
    return state


def spelled(word: str) -> str:
    """As one types it: no blanks."""
    return word.lower().replace(" ", "-")


def _complete_fifo(incomplete: str) -> Iterator[str]:
    """FIFOs, directories and @NAMEs: what the verbs take.  Holder links are none of these."""
    if incomplete.startswith("@"):
        yield from (name for name in _names() if name.startswith(incomplete))
        return
    start = os.path.basename(incomplete)
    prefix = incomplete[: len(incomplete) - len(start)]
    try:
        names = sorted(os.listdir(prefix or "."))
    except OSError:
        return
    for name in names:
        path = prefix + name
        if not name.startswith(start) or words.show(name) != name:
            continue  # a shell would take it for another name, or for two
        if os.path.isdir(path):
            yield path + "/"
        elif _is_fifo(path):
            yield path


def _names() -> list[str]:
    """This user's @NAMEs."""
    directory = words.names_directory()
    try:
        found = sorted(os.listdir(directory)) if directory else []
    except OSError:
        return []
    names = (words.name_of(os.path.join(directory or "", base)) for base in found)
    return [name for name in names if name]


def _is_fifo(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.lstat(path).st_mode)
    except OSError:
        return False


class _Verb(TyperCommand):
    """Its usage as the manual has it: Typer's own names Python's types, and differs between releases."""

    def collect_usage_pieces(self, _ctx: Any) -> list[str]:
        names = [(param.metavar, param.required) for param in self.params if param.param_type_name == "argument"]
        return ["[OPTIONS]", *(f"{name}..." if required else f"[{name}]..." for name, required in names)]


# Hidden from the list below the usage, where they would have a Python type.
Paths = Annotated[Optional[list[str]], typer.Argument(metavar="PATH", hidden=True, autocompletion=_complete_fifo)]
Fifos = Annotated[Optional[list[str]], typer.Argument(metavar="FIFO", hidden=True, autocompletion=_complete_fifo)]
All = Annotated[bool, typer.Option("--all", help="every FIFO, not only procalive's")]
Fleet = Annotated[bool, typer.Option("--fleet", help="names held on etcd, by procalive-fleet; all, or those given")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object a line")]
MaxAge = Annotated[
    Optional[float],
    typer.Option(metavar="SECS", parser=_seconds, help='"no beat" if the last one is older (90, 5m, 2h, 1d)'),
]


States = Annotated[
    Optional[list[str]],
    typer.Option(
        "--state", metavar="STATE", parser=_state, help="only FIFOs in this state, or in any trouble; may be repeated"
    ),
]
Sort = Annotated[
    str, typer.Option("--sort", metavar="COLUMN", parser=_column, help=f"by {', '.join(map(spelled, SORTABLE))}")
]


@app.callback(invoke_without_command=True)
def _main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="show the version")] = False,
) -> None:
    if version:
        print(f"procalivectl {procalive.__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        words.say("a verb is missing (ls, top, doctor, export); see procalivectl -h")
        raise typer.Exit(2)


@app.command(cls=_Verb, epilog=_EPILOG)
def ls(
    paths: Paths = None,
    as_json: Json = False,
    all: All = False,
    max_age: MaxAge = None,
    state: States = None,
    sort: Sort = "fifo",
    fleet: Fleet = False,
) -> int:
    """List FIFOs: state, holder, how long, last beat.

    PATH is a FIFO, an @NAME, or a directory that is searched two levels deep;
    by default /run, /run/lock, /run/user/UID and where your own @NAMEs lie.

    Exit status: 0 all well, 1 trouble shown, 2 a PATH cannot be told.
    """
    if fleet:
        from procalivectl import fleet as fleets

        return fleets.ls(paths or (), as_json)
    from procalivectl import ls as listing

    return listing.run(survey.Survey(paths or (), all=all, max_age=max_age), as_json, state or (), sort)


@app.command(cls=_Verb, epilog=_EPILOG)
def top(paths: Paths = None, all: All = False, max_age: MaxAge = None) -> int:
    """Show the same live, full screen; signal a holder.

    PATH is as for ls. Press ? for the keys.
    """
    if not all_terminals() or os.environ.get("TERM", "dumb") == "dumb":
        words.say("top needs a terminal, on standard error too; use procalivectl ls")
        return 2
    from procalivectl import live

    return live.run(survey.Survey(paths or (), all=all, max_age=max_age))


@app.command(cls=_Verb, epilog=_EPILOG)
def doctor(fifos: Fifos = None, as_json: Json = False, fleet: Fleet = False) -> int:
    """Say what is wrong with a FIFO, and what to do; with --fleet, with etcd and names on it.

    Exit status: 0 nothing (though there may be notes), 1 a warning or worse, 2 cannot tell.
    """
    from procalivectl import doctor as surgery

    if not fifos and not fleet:
        raise typer.BadParameter("Missing argument 'FIFO...'.")
    return surgery.run_fleet(fifos or (), as_json) if fleet else surgery.run(fifos or (), as_json)


@app.command(cls=_Verb, epilog=_EPILOG)
def export(
    paths: Paths = None,
    all: All = False,
    max_age: MaxAge = None,
    textfile: Annotated[
        Optional[str],
        typer.Option(metavar="FILE", help="write FILE, atomically, for node_exporter's textfile collector"),
    ] = None,
    listen: Annotated[
        Optional[str], typer.Option(metavar="[HOST:]PORT", help="serve Prometheus; HOST is 127.0.0.1 unless named")
    ] = None,
    fleet: Annotated[bool, typer.Option("--fleet", help="also the names held on etcd, by procalive-fleet")] = False,
) -> int:
    """Print metrics for Prometheus, or write or serve them.

    PATH is as for ls; name those that should be held: a missing one counts as 0.
    """
    from procalivectl import export as exporting

    return exporting.run(survey.Survey(paths or (), all=all, max_age=max_age), textfile, listen, fleet)


def all_terminals() -> bool:
    """Textual reads standard input and writes standard error; output belongs to a screen too."""
    return all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


def main(argv: Optional[list[str]] = None) -> int:
    """The exit status.  Every failure is one line, never a traceback."""
    words.call_yourself_procalivectl()
    try:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8
        status: Any = app(args=argv, prog_name="procalivectl", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except SystemExit as end:  # completion; and 1, which would be an answer, at a closed pipe
        return _BROKEN_PIPE if end.code == 1 else int(end.code or 0)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains at its end
        return _BROKEN_PIPE
    except ModuleNotFoundError:
        raise  # a library of the extra: __main__ tells which
    except Exception as error:
        # Typer's usage errors share no public class but all have this method.
        usage = getattr(error, "format_message", None)
        words.say(words.show(" ".join(usage().split())) if usage else words.error_line(error))
        return 2
