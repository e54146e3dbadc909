"""The command ``group``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional, cast

import typer

from taskgroup.errors import InputError

if TYPE_CHECKING:
    from taskgroup.core.affinity import Symmetrization

Names = Optional[list[str]]  # noqa: UP045 (typer reads this form)


def group(
    affinity: Annotated[Path, typer.Argument(help="A run directory, or an .npz or .csv file of affinities.")],
    names: Annotated[
        Names,
        typer.Option(
            "--with",
            metavar="NAME,…",
            help="Groupers, separated by commas: spectral,hierarchical(linkage=ward). By default average, complete "
            "and ward linkage and spectral.",
        ),
    ] = None,
    given: Annotated[
        Names, typer.Option(metavar="A,B/C,D", help="Groups of your own to compare; may be repeated.")
    ] = None,
    must_link: Annotated[Names, typer.Option(metavar="A,B", help="Tasks to keep together; may be repeated.")] = None,
    cannot_link: Annotated[Names, typer.Option(metavar="A,B", help="Tasks to keep apart; may be repeated.")] = None,
    max_size: Annotated[Optional[int], typer.Option(min=1, help="Most tasks in a group.")] = None,  # noqa: UP045
    groups: Annotated[Optional[int], typer.Option(min=1, help="Number of groups.")] = None,  # noqa: UP045
    stage: Annotated[str, typer.Option(help="Slice of the affinity to group by.")] = "trunk",
    draws: Annotated[int, typer.Option(min=0, help="Affinities redrawn within their error bars.")] = 50,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws.")] = 0,
    symmetrization: Annotated[
        str, typer.Option(help="Of both directions of a pair: centred-mean, centred-min or centred-max.")
    ] = "centred-mean",
    out: Annotated[Optional[Path], typer.Option(help="JSON file to write all of it to.")] = None,  # noqa: UP045
) -> None:
    """Group tasks by an affinity: a recommendation with its reason, and what else there is.

    Trains nothing. docs/grouping.md tells how groups are found, counted and weighed.
    """
    from taskgroup.cli.grouping_view import show_proposals
    from taskgroup.pipeline.affinity_files import load_affinity
    from taskgroup.pipeline.folder import write_text
    from taskgroup.pipeline.grouping import group as find
    from taskgroup.pipeline.sections import ProposeConfig
    from taskgroup.pipeline.wanted import parse_methods

    if out is not None and not out.parent.is_dir():
        raise InputError(f"{out}: there is no folder {out.parent} to write to; make it, or give another --out")
    if out is not None and out.is_dir():
        raise InputError(f"--out should be a file, found the folder {out}")
    wanted: list[Any] = parse_methods(",".join(names), "groupers") if names else list(ProposeConfig().groupers)
    wanted += [{"method": "given", "groups": [_listed(part) for part in text.split("/")]} for text in given or ()]
    measured = load_affinity(affinity)
    found = find(
        measured,
        wanted,
        constraints={
            "must_link": [_listed(text) for text in must_link or ()],
            "cannot_link": [_listed(text) for text in cannot_link or ()],
            "max_size": max_size,
            "n_groups": groups,
        },
        stage=stage,
        draws=draws,
        seed=seed,
        symmetrization=cast("Symmetrization", symmetrization),
    )
    show_proposals(found, stage)
    if out is not None:
        write_text(out, found.model_dump_json(indent=1))
        typer.echo(f"wrote {out}")


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
