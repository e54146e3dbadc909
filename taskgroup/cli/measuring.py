"""The command ``measure``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from taskgroup.cli.commands import Set

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskgroup.core.comparison import Comparison
    from taskgroup.pipeline.desk import Desk


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
    earlier one stopped; what is there is shown at once.
    """
    from taskgroup.pipeline.config import load_config
    from taskgroup.pipeline.desk import Desk
    from taskgroup.pipeline.folder import Folder
    from taskgroup.pipeline.wanted import parse_measures
    from taskgroup.report import comparison_summary

    settings = load_config(config, overrides or [])
    measures = parse_measures(",".join(names)) if names else [settings.measure.affinity]
    folder = out or Path("results") / settings.name
    desk = Desk(settings, Folder(folder), config.parent, seeds or settings.measure.seeds)
    typer.echo(comparison_summary(_compared(desk, measures, workers), folder))


def _compared(desk: "Desk", measures: "Sequence[dict[str, Any]]", workers: int) -> "Comparison":
    from taskgroup.cli.progress import terminal_progress
    from taskgroup.pipeline.compared import finished_comparison

    with terminal_progress() as progress:
        found = finished_comparison(desk, measures, progress)
        if found is not None:
            return found
        from taskgroup.pipeline.compare import run_measures

        out, base, seeds = desk.folder.path, desk.base, desk.n_seeds
        return run_measures(desk.config, out, measures, workers=workers, progress=progress, base=base, seeds=seeds)
