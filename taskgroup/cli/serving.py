"""The server: ``serve``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from taskgroup.cli.executing import Execution, ExecutorName
from taskgroup.cli.extras import service_extra
from taskgroup.errors import InputError

if TYPE_CHECKING:
    from taskgroup.service.settings import Settings


def serve(
    data_root: Annotated[Path, typer.Option(help="Folder of uploads, jobs and the database.")] = Path("taskgroup-data"),
    host: Annotated[str, typer.Option(help="Address to listen on; other machines reach it only with a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8765,
    token_file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="File with the token that may do everything and, on a second line, one that may read."),
    ] = None,
    allow_python: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(metavar="MODULE", help="Module whose functions may be problems; may be repeated."),
    ] = None,
    allow_host: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(metavar="NAME", help="Further name under which the server is called; may be repeated."),
    ] = None,
    storage: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Database URL of jobs and studies; by default SQLite files under the data root."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Trials at once of one job.")] = 2,
    jobs: Annotated[int, typer.Option(min=1, help="Jobs at once.")] = 1,
    max_upload_mb: Annotated[int, typer.Option(min=1, help="Largest table in MiB.")] = 256,
    trial_limit: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=1, help="Seconds after which a trial is stopped and tried again; no limit by default."),
    ] = None,
    executor: Annotated[ExecutorName, typer.Option(help="Who does the trials.")] = ExecutorName.LOCAL,
    address: Annotated[Optional[str], typer.Option(help="Of the Ray cluster, e.g. auto.")] = None,  # noqa: UP045
    gpus: Annotated[float, typer.Option(min=0, help="GPUs of one trial on Ray; fractions share one.")] = 0.0,
    dashboard: Annotated[bool, typer.Option("--dashboard", help="Also start optuna-dashboard, read-only.")] = False,
) -> None:
    """Serve jobs over HTTP, with a page to watch them, until Ctrl-C; jobs go on when it is started again."""
    execution = Execution(executor, address=address, gpus=gpus)
    settings = _settings(
        token_file,
        data_root=data_root,
        host=host,
        port=port,
        allow_python=tuple(allow_python or ()),
        allow_host=tuple(allow_host or ()),
        max_upload_mb=max_upload_mb,
        storage=storage,
    )
    if dashboard and storage is None:
        raise InputError(
            "--dashboard: shows the studies of one database; name it with --storage, e.g. sqlite:///studies.db "
            "(without it every job has a file of its own)"
        )
    with service_extra("serve"):
        from taskgroup.pipeline.ray_cluster import check_ray
        from taskgroup.service.dashboard import Dashboard
        from taskgroup.service.scheduler import Scheduler
        from taskgroup.service.serve import database_url
        from taskgroup.service.serve import serve as run
        from taskgroup.service.store import JobStore
    if execution.executor is ExecutorName.RAY:
        check_ray()
    store = JobStore(database_url(data_root, storage))
    scheduler = Scheduler(
        store,
        data_root,
        jobs_at_once=jobs,
        workers=workers,
        executor=execution.executor.value,
        address=execution.address,
        gpus=execution.gpus,
        storage=storage,
        trial_limit_s=trial_limit,
    )
    run(settings, store, scheduler, Dashboard(storage) if dashboard and storage else None, typer.echo)


def _settings(
    token_file: Path | None, *, data_root: Path, max_upload_mb: int, storage: str | None, **given: Any
) -> "Settings":
    """Checked, the tokens read from their file, and the data folder made; ``given`` is kept as it is."""
    from pydantic import SecretStr

    from taskgroup.service.settings import MIB, Settings, check_address, others_may_read, read_tokens

    token, read_token = (None, None) if token_file is None else read_tokens(token_file)
    if token_file is not None and others_may_read(token_file):
        typer.echo(f"taskgroup: --token-file {token_file}: every user of this machine may read it; chmod 600", err=True)
    settings = Settings(
        data_root=data_root,
        token=token,
        read_token=read_token,
        max_upload_bytes=max_upload_mb * MIB,
        storage=None if storage is None else SecretStr(storage),
        **given,
    )
    check_address(settings)
    if data_root.exists() and not data_root.is_dir():
        raise InputError(f"--data-root {data_root}: should be a folder, found a file")
    data_root.mkdir(parents=True, exist_ok=True)
    return settings
