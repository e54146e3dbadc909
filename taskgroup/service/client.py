"""The Python client of a server.

Example::

    from taskgroup.service.client import Client

    with Client("http://127.0.0.1:8765") as client:
        job = client.submit({"name": "digits", "problem": {"source": "bundled", "name": "digits"}, ...})
        job = client.wait(job.name)
        spec = client.spec(job.name)
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

from taskgroup.core.spec import Spec
from taskgroup.errors import ConflictError, InputError, TaskgroupError
from taskgroup.pipeline.config import Config, read_yaml
from taskgroup.service.model import Event, JobState
from taskgroup.service.tablefiles import with_tables
from taskgroup.service.views import ColumnList, ColumnView, JobList, JobView, UploadView

T = TypeVar("T")

PATIENCE_S = 60.0
"""So long a server may be away before waiting for one of its jobs is given up."""

SILENCE_S = 60.0
"""A stream on which nothing came for so long is broken: the server gives signs of life more often."""

FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 5.0


class ServiceError(TaskgroupError, RuntimeError):
    """The server cannot be reached, does not let one in, or fails.

    Args:
        message: What happened.
        status: HTTP status, None where there was no answer.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class Client:
    """Speaks to one server.

    Args:
        url: Its address, e.g. ``http://127.0.0.1:8765``.
        token: Where it asks for one.
        patience_s: How long :meth:`wait` and :meth:`events` try again when it is away.
        transport: Of httpx, for tests.

    Raises:
        InputError: The address is none. From every method: what was asked for is faulty, or there is no such thing.
        ConflictError: From every method: it contradicts what is there.
        ServiceError: From every method: no answer, no right, or a fault of the server's.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        patience_s: float = PATIENCE_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise InputError(f"url: should begin with http:// or https://, found `{url}`")
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._patience_s = patience_s
        self._http = httpx.Client(base_url=url, headers=headers, timeout=30.0, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def submit(
        self, config: Config | Mapping[str, Any] | str | Path, *, priority: int = 0, workers: int | None = None
    ) -> JobView:
        """Queue a job; the same config under the same name is the same job.

        Tables that lie beside a config file are uploaded, under names that say their content.

        Args:
            config: A config, the same as plain data, or a YAML file.
            priority: Higher is run first.
            workers: Trials at once; the server's number by default.
        """
        if isinstance(config, str | Path):
            data = with_tables(read_yaml(Path(config)), Path(config).parent, self.upload)
        else:
            data = config.to_dict() if isinstance(config, Config) else dict(config)
        query = {"priority": priority, **({} if workers is None else {"workers": workers})}
        return JobView.model_validate(self._call("POST", "/api/jobs", params=query, json=data))

    def upload(self, path: str | Path, name: str | None = None) -> UploadView:
        """Send a table; in a config its path is ``uploads/NAME`` with the name in the answer.

        Args:
            path: CSV, Parquet or NPZ file.
            name: What to call it; by default its own name.
        """
        with Path(path).open("rb") as file:
            kind = {"Content-Type": "application/octet-stream"}
            query = {"name": name or Path(path).name}
            found = self._call("POST", "/api/uploads", params=query, content=file, headers=kind)
        return UploadView.model_validate(found)

    def columns(self, name: str) -> tuple[ColumnView, ...]:
        """What the columns of an uploaded table look like in its first rows."""
        return ColumnList.model_validate(self._call("GET", f"/api/uploads/{quote(name, safe='')}/columns")).columns

    def delete_upload(self, name: str) -> None:
        """Remove a table that no job still to be run needs."""
        self._call("DELETE", f"/api/uploads/{quote(name, safe='')}")

    def get(self, job: str) -> JobView:
        """A job as it stands."""
        return JobView.model_validate(self._call("GET", _path(job)))

    def jobs(
        self, state: JobState | None = None, search: str = "", *, limit: int = 50, offset: int = 0
    ) -> tuple[JobView, ...]:
        """Jobs, newest first."""
        query: dict[str, Any] = {"search": search, "limit": limit, "offset": offset}
        found = self._call("GET", "/api/jobs", params=query | ({} if state is None else {"state": state}))
        return JobList.model_validate(found).jobs

    def edit(
        self, job: str, *, trials: int | None = None, workers: int | None = None, priority: int | None = None
    ) -> JobView:
        """Change search budget, trials at once or priority; None leaves as it is."""
        asked = {"trials": trials, "workers": workers, "priority": priority}
        changes = {key: value for key, value in asked.items() if value is not None}
        return JobView.model_validate(self._call("PATCH", _path(job), json=changes))

    def pause(self, job: str) -> JobView:
        """Have a job stop; what it has is kept."""
        return JobView.model_validate(self._call("POST", _path(job, "pause")))

    def resume(self, job: str) -> JobView:
        """Have a job go on where it stopped."""
        return JobView.model_validate(self._call("POST", _path(job, "resume")))

    def cancel(self, job: str) -> JobView:
        """End a job; its files stay."""
        return JobView.model_validate(self._call("POST", _path(job, "cancel")))

    def delete(self, job: str) -> None:
        """Forget a job that is not running, and its files."""
        self._call("DELETE", _path(job))

    def spec(self, job: str) -> Spec:
        """The plan of a finished job."""
        found = self._call("GET", _path(job, "spec"), headers={"Accept": "application/json"})
        return Spec.from_dict(found, f"spec of {job}")

    def wait(self, job: str, timeout_s: float | None = None, every_s: float = 1.0) -> JobView:
        """A job once it is done, failed or cancelled.

        Args:
            job: Its name.
            timeout_s: After which to give up; never by default.
            every_s: Between two looks.

        Raises:
            TimeoutError: It took longer than ``timeout_s``.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            found = self._patiently(lambda: self.get(job))
            if found.state.is_terminal:
                return found
            if until is not None and time.monotonic() > until:
                raise TimeoutError(f"job `{job}` is {found.state} after {timeout_s:g} s")
            time.sleep(every_s)

    def events(self, job: str | None = None, after: int = 0) -> Iterator[Event]:
        """Events as they come, until the job is over; goes on where it was when the connection broke.

        Args:
            job: Its name; None for all jobs, whose stream ends with the server.
            after: Only those with a larger id.
        """
        last, until, wait = after, time.monotonic() + self._patience_s, FIRST_WAIT_S
        while True:
            try:
                for event in self._stream(job, last):
                    last, until, wait = event.id, time.monotonic() + self._patience_s, FIRST_WAIT_S
                    yield event
                if job is None or self.get(job).state.is_terminal:
                    return
            except ServiceError as error:
                if not _may_pass(error) or time.monotonic() > until:
                    raise
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_S)

    def _stream(self, job: str | None, after: int) -> Iterator[Event]:
        path = "/api/events" if job is None else _path(job, "events")
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        try:
            with self._http.stream("GET", path, headers=headers, timeout=httpx.Timeout(30.0, read=SILENCE_S)) as answer:
                if answer.is_error:
                    answer.read()
                    _raise(answer)
                for line in answer.iter_lines():
                    if line.startswith("data: "):
                        yield Event.model_validate_json(line[len("data: ") :])
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _call(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if answer.is_error:
            _raise(answer)
        return answer.json() if answer.content else None

    def _unreachable(self, error: httpx.TransportError) -> ServiceError:
        return ServiceError(f"{self._http.base_url}: the server cannot be reached: {error or type(error).__name__}")

    def _patiently(self, work: Callable[[], T]) -> T:
        until, wait = time.monotonic() + self._patience_s, FIRST_WAIT_S
        while True:
            try:
                return work()
            except ServiceError as error:
                if not _may_pass(error) or time.monotonic() > until:
                    raise
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_S)


def _path(job: str, *parts: str) -> str:
    return "/".join(("/api/jobs", quote(job, safe=""), *parts))


def _may_pass(error: ServiceError) -> bool:
    """Whether the server may answer later."""
    return error.status in (None, 502, 503, 504)


def _raise(answer: httpx.Response) -> None:
    """The error that an answer tells of."""
    try:
        problems = tuple(str(problem) for problem in answer.json()["error"]["problems"])
    except (json.JSONDecodeError, KeyError, TypeError):
        problems = (f"{answer.url}: HTTP {answer.status_code}",)  # not by this server, but by something before it
    if answer.status_code == 409:
        raise ConflictError("\n".join(problems))
    if answer.status_code in (400, 404, 413, 415, 422):
        raise InputError(problems)
    raise ServiceError("\n".join(problems), answer.status_code)
