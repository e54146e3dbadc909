"""The commands."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Optional

import typer

from taskgroup.cli.executing import Execution, ExecutorName
from taskgroup.errors import InputError
from taskgroup.exporters import EXPORTERS, NETWORK_EXPORTERS

Set = Annotated[
    Optional[list[str]],  # noqa: UP045 (typer reads this form)
    typer.Option("--set", metavar="A.B=VALUE", help="Override one entry of the config; may be repeated."),
]

_FORMATS = f"Of the spec: {', '.join(EXPORTERS.names)}. Of the trained network: {', '.join(NETWORK_EXPORTERS.names)}."


def run(
    config: Annotated[Path, typer.Argument(help="YAML file, e.g. search_spaces/digits.yaml.")],
    workers: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="Trials at once; by default 1, with ray as many as the cluster has room for."),
    ] = None,
    out: Annotated[Optional[Path], typer.Option(help="Run directory; by default results/NAME.")] = None,  # noqa: UP045
    storage: Annotated[Optional[str], typer.Option(help="Database URL of the study; by default SQLite.")] = None,  # noqa: UP045
    executor: Annotated[
        ExecutorName, typer.Option(help="Who does the trials: processes of this machine, or a Ray cluster.")
    ] = ExecutorName.LOCAL,
    address: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Of the Ray cluster: auto (the default) or HOST:PORT of its head."),
    ] = None,
    gpus: Annotated[float, typer.Option(min=0, help="GPUs of one trial on Ray; 0.5: two trials share one.")] = 0.0,
    trial_limit: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=1, metavar="SECONDS", help="A trial that takes longer is ended and tried again."),
    ] = None,
    overrides: Set = None,
) -> None:
    """Plan: measure affinities, propose groupings, search, confirm, and write spec and report.

    The same command again goes on where an earlier one stopped; a finished job is shown at once.
    """
    from taskgroup.pipeline.config import load_config
    from taskgroup.pipeline.finished import finished_record
    from taskgroup.pipeline.folder import Folder
    from taskgroup.report import summary

    execution = Execution(executor, workers, address, gpus, trial_limit, storage)
    settings = load_config(config, overrides or [])
    folder = out or Path("results") / settings.name
    record = finished_record(Folder(folder), settings, config.parent) or execution.run(settings, config.parent, folder)
    typer.echo(summary(record.name, record.spec, folder))


def show(
    target: Annotated[Path, typer.Argument(help="A job's folder, or a spec file.")],
) -> None:
    """Show a plan: a finished job, or a spec."""
    from taskgroup.exporters import load_spec
    from taskgroup.pipeline.folder import Folder
    from taskgroup.report import summary

    if not target.exists():
        raise InputError(f"{target}: no such file or folder")
    if target.is_dir():
        record = Folder(target).record()
        typer.echo(summary(record.name, record.spec, target))
    else:
        typer.echo(summary(target.name, load_spec(target)))


def export(
    spec: Annotated[Path, typer.Argument(help="A spec file, or the folder of a job.")],
    to: Annotated[str, typer.Option("--to", help=_FORMATS)],
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="File to write (peft: folder); without it, formats of the spec go to standard output."),
    ] = None,
    weights: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="The network's weights; by default weights.safetensors in the folder, or beside the spec."),
    ] = None,
    trunk: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="MODULE:FUNCTION", help="Gives the trunk, where the spec names no built-in one."),
    ] = None,
) -> None:
    """Write a spec, or its trained network, in another format."""
    from taskgroup.pipeline import exporting
    from taskgroup.pipeline.loading import read_spec

    if out is None and to in EXPORTERS.names:
        typer.echo(exporting.spec_text(read_spec(spec), to), nl=False)
        return
    if out is None and to in exporting.formats():
        raise InputError(f"export: {to} writes the network, not text; say where with --out")
    for path in exporting.export(spec, to, out or Path(), weights=weights, trunk=trunk):
        typer.echo(f"wrote {path}")


def init(
    table: Annotated[Path, typer.Argument(help="CSV, Parquet or NPZ file.")],
    tasks: Annotated[Optional[str], typer.Option(help="Task columns, separated by commas.")] = None,  # noqa: UP045
    task_column: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Column that names the task of each row, where every task brings its own rows."),
    ] = None,
    label_column: Annotated[Optional[str], typer.Option(help="Column of the labels, with --task-column.")] = None,  # noqa: UP045
    out: Annotated[Optional[Path], typer.Option(help="Config to write; by default TABLE's name with .yaml.")] = None,  # noqa: UP045
) -> None:
    """Write a commented config for a table of yours."""
    from taskgroup.problems.init import columns_left_out, init_config

    if table.is_dir():
        raise InputError(f"{table}: should be a table (CSV, Parquet or NPZ file), found a folder")
    path = out or table.with_suffix(".yaml")
    names = [name.strip() for name in tasks.split(",") if name.strip()] if tasks is not None else None
    text = init_config(table, names, task_column, label_column, folder=path.parent)
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent} to write to; make it, or give another --out")
    if path.exists():
        raise InputError(f"{path}: exists already; give another --out, or remove it")
    path.write_text(text, encoding="utf-8")
    for column in columns_left_out(text):
        typer.echo(f"left out of the inputs: {column}")
    typer.echo(f"wrote {path}; read it, then: taskgroup run {path}")


def schema(
    what: Annotated[str, typer.Argument(help="config or spec.")] = "config",
) -> None:
    """Print the JSON Schema of configs or specs, for editors and other programs."""
    import json

    from taskgroup.pipeline.schema import json_schema

    typer.echo(json.dumps(json_schema(what), indent=2))


class Suite(StrEnum):
    """Size of a benchmark."""

    QUICK = "quick"
    FULL = "full"


def bench(
    name: Annotated[str, typer.Argument(help="plans, digits, search, confirm, samplers, grouping, affinity, …")],
    quick: Annotated[bool, typer.Option("--quick", help="A small version, to see that it runs.")] = False,
    suite: Annotated[Suite, typer.Option(help="quick is the same as --quick.")] = Suite.FULL,
    workers: Annotated[int, typer.Option(min=1, help="Trials at once.")] = 2,
    out: Annotated[Path, typer.Option(help="Folder for the tables.")] = Path("results/bench"),
    data: Annotated[Path, typer.Option(help="Folder of the public data sets.")] = Path("../shared/data"),
    tables: Annotated[Path, typer.Option(help="Folder of the published group-performance tables.")] = Path(
        "../shared/tables"
    ),
    sets: Annotated[str, typer.Option(help="Only these data sets, with commas between (plans).")] = "",
) -> None:
    """Run a benchmark and write its table as Markdown and JSON; the same command again goes on."""
    from taskgroup.bench import run_benchmark
    from taskgroup.bench.frame import Places
    from taskgroup.cli.progress import terminal_progress

    with terminal_progress() as progress:
        places = Places(data=data, tables=tables, sets=sets)
        small = quick or suite is Suite.QUICK
        path = run_benchmark(name, quick=small, workers=workers, out=out, places=places, progress=progress)
    typer.echo(path.read_text(encoding="utf-8"))
    typer.echo(f"wrote {path} and {path.with_suffix('.json')}")
