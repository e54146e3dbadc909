"""The command ``cost``."""

from pathlib import Path
from typing import Annotated, Optional

import typer


def cost(
    spec: Annotated[Path, typer.Argument(help="A spec file, or the folder of a job.")],
    measure: Annotated[
        bool, typer.Option("--measure", help="Also build and run it beside all-shared and all-separate.")
    ] = False,
    batch: Annotated[int, typer.Option(min=1, help="Rows to run on, with --measure.")] = 32,
    repeats: Annotated[int, typer.Option(min=1, help="Timed runs of each network, with --measure.")] = 20,
    trunk: Annotated[
        Optional[str],  # noqa: UP045 (typer reads this form)
        typer.Option(metavar="MODULE:FUNCTION", help="Gives the trunk, where the spec names no built-in one."),
    ] = None,
) -> None:
    """Show what each part of a plan's network costs: parameters and multiply-accumulates, and measured times."""
    from taskgroup.cli.cost_view import show_costs
    from taskgroup.pipeline.costing import cost_table

    show_costs(cost_table(spec, trunk, measure=measure, batch=batch, repeats=repeats))
