"""The command line: reads arguments, shows progress and results; everything else is done below.

Commands import what they need when they run, so that ``taskgroup --help`` is quick.
"""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from taskgroup import __version__
from taskgroup.cli import clients, commands
from taskgroup.cli.cost import cost
from taskgroup.cli.grouping import group
from taskgroup.cli.measuring import measure
from taskgroup.cli.serving import serve
from taskgroup.errors import ConflictError, InputError, TaskgroupError

app = typer.Typer(
    name="taskgroup",
    help="Plan which tasks share a network, where it branches and how large its adapters are.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
P = ParamSpec("P")


class Interrupted(Exception):  # noqa: N818 (not an error)
    """Ctrl-C, past Typer, which would end without a word."""


def _interruptible(command: Callable[P, None]) -> Callable[P, None]:
    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
            raise Interrupted from None

    return run


for command in (
    commands.run,
    measure,
    group,
    commands.show,
    commands.export,
    cost,
    commands.init,
    commands.schema,
    commands.bench,
    serve,
    clients.submit,
    clients.jobs,
    clients.pause,
    clients.resume,
    clients.cancel,
    clients.delete,
):
    app.command()(_interruptible(command))


def _version(shown: bool) -> None:
    if shown:
        typer.echo(f"taskgroup {__version__}")
        raise typer.Exit


@app.callback()
def _root(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Version.")) -> None:
    """Plan which tasks share a network, where it branches and how large its adapters are."""


def main() -> None:
    """Run the command line; faults of the user's become sentences and exit code 2."""
    try:
        app(prog_name="taskgroup")
    except InputError as error:
        _fail(error.problems, 2)
    except ConflictError as error:
        _fail((str(error),), 2)
    except TaskgroupError as error:
        _fail((str(error),), 1)
    except OSError as error:
        if error.filename is None:
            raise
        _fail((f"{error.filename}: {error.strerror}",), 2)
    except (Interrupted, KeyboardInterrupt):
        _fail(("interrupted; the same command goes on from here",), 130)


def _fail(problems: tuple[str, ...], code: int) -> None:
    for problem in problems:
        typer.echo(f"taskgroup: {problem}", err=True)
    sys.exit(code)
