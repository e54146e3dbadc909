"""The server and its clients: ``serve``, ``submit``, ``jobs``, ``cancel``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from taskgroup.cli.executing import Execution, ExecutorName
from taskgroup.errors import InputError

if TYPE_CHECKING:
    from taskgroup.service.client import Client
    from taskgroup.service.settings import Settings
    from taskgroup.service.views import JobView

URL = "http://127.0.0.1:8765"

Url = Annotated[str, typer.Option(help="Address of the server.")]
TokenFile = Annotated[Optional[Path], typer.Option(help="File whose first line is the token.")]  # noqa: UP045


@contextmanager
def _extra(command: str) -> Iterator[None]:
    """Say which extra brings what is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("fastapi", "httpx", "prometheus_client", "uvicorn"):
            raise
        raise InputError(f'{command}: needs {error.name}; run: pip install "taskgroup-mtl[service]"') from None


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
    settings = _settings(data_root, host, port, token_file, allow_python, allow_host, max_upload_mb, storage)
    if dashboard and storage is None:
        raise InputError(
            "--dashboard: shows the studies of one database; name it with --storage, e.g. sqlite:///studies.db "
            "(without it every job has a file of its own)"
        )
    with _extra("serve"):
        from taskgroup.service.dashboard import Dashboard
        from taskgroup.service.scheduler import Scheduler
        from taskgroup.service.serve import database_url
        from taskgroup.service.serve import serve as run
        from taskgroup.service.store import JobStore
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
    data_root: Path,
    host: str,
    port: int,
    token_file: Path | None,
    allow_python: list[str] | None,
    allow_host: list[str] | None,
    max_upload_mb: int,
    storage: str | None,
) -> "Settings":
    from pydantic import SecretStr

    from taskgroup.service.settings import MIB, Settings, check_address, read_tokens

    token, read_token = (None, None) if token_file is None else read_tokens(token_file)
    settings = Settings(
        data_root=data_root,
        host=host,
        port=port,
        token=token,
        read_token=read_token,
        allow_python=tuple(allow_python or ()),
        allow_host=tuple(allow_host or ()),
        max_upload_bytes=max_upload_mb * MIB,
        storage=None if storage is None else SecretStr(storage),
    )
    check_address(settings)
    data_root.mkdir(parents=True, exist_ok=True)
    return settings


def submit(
    config: Annotated[Path, typer.Argument(help="YAML file; tables beside it are uploaded.")],
    url: Url = URL,
    token_file: TokenFile = None,
    priority: Annotated[int, typer.Option(min=-100, max=100, help="Higher is run first.")] = 0,
    wait: Annotated[bool, typer.Option("--wait", help="Show the job's log until it is over.")] = False,
) -> None:
    """Hand a job to a server."""
    with _client("submit", url, token_file) as client:
        job = client.submit(config, priority=priority)
        typer.echo(f"{job.name} is {job.state}: {url.rstrip('/')}/api/jobs/{job.name}")
        if wait:
            for event in client.events(job.name):
                if event.kind != "progress":
                    typer.echo(event.text)
            _tell_end(client.wait(job.name))


def _tell_end(job: "JobView") -> None:
    typer.echo(job.verdict.text if job.verdict else f"{job.name} is {job.state}: {job.message}")
    if job.state != "done":
        raise typer.Exit(1)


def jobs(
    url: Url = URL,
    token_file: TokenFile = None,
    search: Annotated[str, typer.Option(help="Only those whose name contains this.")] = "",
) -> None:
    """List a server's jobs, newest first."""
    with _client("jobs", url, token_file) as client:
        found = client.jobs(search=search, limit=200)
    for job in found:
        best = "" if job.best_gain is None else f"{100 * job.best_gain:+.1f} %"
        step = f"{job.step} {job.done}/{job.total}" if job.step and not job.state.is_terminal else ""
        typer.echo(f"{job.name:<30} {job.state:<10} {step:<18} {best:<10} {job.message}".rstrip())
    if not found:
        typer.echo("no jobs")


def cancel(
    name: Annotated[str, typer.Argument(help="Name of the job.")], url: Url = URL, token_file: TokenFile = None
) -> None:
    """End a job on a server; its files stay."""
    with _client("cancel", url, token_file) as client:
        job = client.cancel(name)
    typer.echo(f"{job.name} is {job.state}" + (", to be cancelled" if not job.state.is_terminal else ""))


@contextmanager
def _client(command: str, url: str, token_file: Path | None) -> Iterator["Client"]:
    with _extra(command):
        from taskgroup.service.client import Client
    from taskgroup.service.settings import read_tokens

    token = None if token_file is None else read_tokens(token_file)[0].get_secret_value()
    with Client(url, token) as client:
        yield client
