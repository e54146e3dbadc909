"""The clients of a server: ``submit``, ``jobs``, ``pause``, ``resume``, ``cancel``, ``delete``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from taskgroup.cli.extras import service_extra
from taskgroup.errors import InputError

if TYPE_CHECKING:
    from taskgroup.service.client import Client
    from taskgroup.service.views import JobView

URL = "http://127.0.0.1:8765"

Url = Annotated[str, typer.Option(help="Address of the server.")]
TokenFile = Annotated[Optional[Path], typer.Option(help="File whose first line is the token.")]  # noqa: UP045
Name = Annotated[str, typer.Argument(help="Name of the job.")]


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
        typer.echo(f"{job.name} is {job.state}: {url.rstrip('/')}/#/jobs/{job.name}")
        if wait and not job.state.is_terminal:
            job = _watched(client, job.name)
    if wait or job.state.is_terminal:
        _tell_end(job)


def _watched(client: "Client", name: str) -> "JobView":
    try:
        for event in client.events(name):
            if event.kind != "progress":
                typer.echo(event.text)
        return client.wait(name)
    except KeyboardInterrupt:
        typer.echo(f"taskgroup: {name} goes on without being watched; end it by taskgroup cancel {name}", err=True)
        raise typer.Exit(130) from None


def _tell_end(job: "JobView") -> None:
    typer.echo(job.verdict.text if job.verdict else f"{job.name} is {job.state}: {job.message}")
    if job.state != "done":
        typer.echo(
            f"taskgroup resume {job.name} runs it again from where it stopped; another config needs another name, or "
            f"taskgroup delete {job.name} first"
        )
        raise typer.Exit(1)


def jobs(
    url: Url = URL,
    token_file: TokenFile = None,
    search: Annotated[str, typer.Option(help="Only those whose name contains this.")] = "",
) -> None:
    """List a server's jobs, newest first."""
    with _client("jobs", url, token_file) as client:
        found = client.jobs(search=search, limit=200)
    if not found:
        typer.echo("no jobs")
        return
    lines = [("JOB", "STATE", "STEP", "GAIN", ""), *(_cells(job) for job in found)]
    widths = [max(len(line[k]) for line in lines) for k in range(4)]
    for *cells, words in lines:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        typer.echo("  ".join([*padded, words]).rstrip())


def _cells(job: "JobView") -> tuple[str, str, str, str, str]:
    step = f"{job.step} {job.done}/{job.total}" if job.step and not job.state.is_terminal else ""
    if job.verdict is not None and job.gain is not None:
        return job.name, job.state, step, f"{100 * job.gain.mean:+.1f} %", job.verdict.text.partition(":")[0]
    best = "" if job.best_gain is None or job.state.is_terminal else f"{100 * job.best_gain:+.1f} % so far"
    return job.name, job.state, step, best, job.message


def pause(name: Name, url: Url = URL, token_file: TokenFile = None) -> None:
    """Have a job on a server stop; what it has is kept."""
    with _client("pause", url, token_file) as client:
        _tell(client.pause(name), "to pause")


def resume(name: Name, url: Url = URL, token_file: TokenFile = None) -> None:
    """Have a paused, failed or cancelled job on a server go on."""
    with _client("resume", url, token_file) as client:
        _tell(client.resume(name), "")


def cancel(name: Name, url: Url = URL, token_file: TokenFile = None) -> None:
    """End a job on a server; its files stay."""
    with _client("cancel", url, token_file) as client:
        _tell(client.cancel(name), "to be cancelled")


def _tell(job: "JobView", to_be: str) -> None:
    still = f", {to_be}" if to_be and job.state == "running" else ""
    typer.echo(f"{job.name} is {job.state}{still}")


def delete(name: Name, url: Url = URL, token_file: TokenFile = None) -> None:
    """Forget a job on a server that is not running, and its files."""
    with _client("delete", url, token_file) as client:
        client.delete(name)
    typer.echo(f"{name} is deleted")


@contextmanager
def _client(command: str, url: str, token_file: Path | None) -> Iterator["Client"]:
    with service_extra(command):
        from taskgroup.service.client import Client, ServiceError
    from taskgroup.service.settings import read_tokens

    token = None if token_file is None else read_tokens(token_file)[0].get_secret_value()
    with Client(url, token) as client:
        try:
            yield client
        except ServiceError as error:
            if error.status != 401:
                raise
            why = "give --token-file FILE" if token_file is None else f"it does not know the one in {token_file}"
            raise InputError(f"{command}: {url} asks for a token; {why}") from None
