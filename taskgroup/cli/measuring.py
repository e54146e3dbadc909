"""The command ``measure``."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from taskgroup.cli.commands import Set


def measure(
    config: Annotated[Path, typer.Argument(help="YAML file, e.g. search_spaces/digits.yaml.")],
    names: Annotated[
        Optional[list[str]],  # noqa: UP045 (typer reads this form)
        typer.Option(
            "--with",
            metavar="NAME,…",
            help="Measures, separated by commas: cka,lookahead(step_size=lr). By default the config's own.",
        ),
    ] = None,
    seeds: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="Trainings of each kind; by default measure.seeds."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Trials at once, one process each.")] = 1,
    out: Annotated[Optional[Path], typer.Option(help="Run directory; by default results/NAME.")] = None,  # noqa: UP045
    overrides: Set = None,
) -> None:
    """Measure affinities in several ways and put them side by side; docs/measures.md tells what there is.

    Works before, after or without `taskgroup run`, in the same folder. The same command again goes on where an
    earlier one stopped.
    """
    from taskgroup.cli.progress import terminal_progress
    from taskgroup.pipeline.compare import run_measures
    from taskgroup.pipeline.config import load_config
    from taskgroup.pipeline.wanted import parse_measures
    from taskgroup.report import comparison_summary

    settings = load_config(config, overrides or [])
    measures = parse_measures(",".join(names)) if names else [settings.measure.affinity]
    folder = out or Path("results") / settings.name
    with terminal_progress() as progress:
        comparison = run_measures(
            settings, folder, measures, workers=workers, progress=progress, base=config.parent, seeds=seeds
        )
    typer.echo(comparison_summary(comparison, folder))
