"""The client: what it asks, what it makes of answers, and how long it waits for a server that is away."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from http_app import CONFIG, finish, listening, submitted, write_finished
from pydantic import SecretStr

from taskgroup.errors import ConflictError, InputError
from taskgroup.pipeline.config import Config
from taskgroup.service import client as client_module
from taskgroup.service.client import Client, ServiceError
from taskgroup.service.model import Event, Job, JobState
from taskgroup.service.tablefiles import name_by_content, with_tables
from taskgroup.service.views import UploadView, job_view


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "FIRST_WAIT_S", 0.01)


def test_a_job_from_submission_to_its_spec(tmp_path: Path) -> None:
    with listening(tmp_path) as (url, _, store), Client(url) as client:
        job = client.submit(CONFIG, priority=2, workers=3)
        assert (job.name, job.state, job.priority, job.workers) == ("digits", JobState.QUEUED, 2, 3)
        assert client.submit(Config.model_validate(CONFIG)).config_hash == job.config_hash
        assert client.edit("digits", trials=50).trials == 50
        assert client.pause("digits").state == "paused"
        assert client.resume("digits").state == "queued"
        assert [j.name for j in client.jobs()] == ["digits"]
        assert client.jobs(JobState.DONE) == client.jobs(search="x") == ()
        with pytest.raises(InputError, match="is not there yet"):
            client.spec("digits")
        finish(store, "digits")
        write_finished(tmp_path / "jobs" / "digits")
        done = client.wait("digits", timeout_s=30)
        assert done.verdict is not None
        assert client.spec("digits").evidence is not None
        assert [e.kind for e in client.events("digits")][-1] == "state"
        client.delete("digits")
        with pytest.raises(InputError, match="there is no job `digits`"):
            client.get("digits")
        submitted(store)
        assert client.cancel("digits").state == "cancelled"


def test_faults_become_the_errors_of_the_package(tmp_path: Path) -> None:
    with listening(tmp_path) as (url, _, _), Client(url) as client:
        client.submit(CONFIG)
        with pytest.raises(ConflictError, match="seed: was 0, now 9"):
            client.submit({**CONFIG, "seed": 9})
        with pytest.raises(InputError) as raised:
            client.submit({**CONFIG, "seed": -1, "odd": 1})
        assert len(raised.value.problems) == 2
        with pytest.raises(InputError, match="trials"):
            client.edit("digits", trials=1)
        with pytest.raises(TimeoutError, match="is queued"):
            client.wait("digits", timeout_s=0.1, every_s=0.05)


def test_tokens(tmp_path: Path) -> None:
    token = "full-token-of-the-operator"
    with listening(tmp_path, token=SecretStr(token)) as (url, _, _):
        with Client(url) as stranger, pytest.raises(ServiceError, match="asks for a token") as raised:
            stranger.jobs()
        assert raised.value.status == 401
        with Client(url, token) as client:
            assert client.jobs() == ()


def test_tables_beside_a_config_are_sent_along(tmp_path: Path) -> None:
    (tmp_path / "visits.csv").write_text("x,a,b\n1,0,1\n2,1,0\n", encoding="utf-8")
    tasks = {"a": {"kind": "binary"}, "b": {"kind": "binary"}}
    config = {"name": "visits", "problem": {"source": "table", "path": "visits.csv", "tasks": tasks}}
    (tmp_path / "visits.yaml").write_text(yaml.safe_dump({**config, "trunk": {"name": "mlp"}}), encoding="utf-8")
    with listening(tmp_path / "data") as (url, _, store), Client(url) as client:
        assert client.submit(tmp_path / "visits.yaml").state == "queued"
        assert client.submit(str(tmp_path / "visits.yaml")).state == "queued"
        path = store.get("visits").config["problem"]["path"]
        assert path == f"uploads/{name_by_content(tmp_path / 'visits.csv')}"
        assert (tmp_path / "data" / path).read_bytes() == (tmp_path / "visits.csv").read_bytes()
        named = client.upload(tmp_path / "visits.csv", "other.csv")
        assert (named.name, named.columns) == ("other.csv", ("x", "a", "b"))
        with pytest.raises(InputError, match="NPZ"):
            client.upload(tmp_path / "visits.csv", "other.npz")
        assert [column.name for column in client.columns("other.csv")] == list(named.columns)
        client.delete_upload("other.csv")
        with pytest.raises(InputError, match=r"there is no table `other\.csv`"):
            client.delete_upload("other.csv")
        with pytest.raises(ConflictError, match="needed by job `visits`"):
            client.delete_upload(path.removeprefix("uploads/"))


def test_each_tasks_own_table_is_sent_too(tmp_path: Path) -> None:
    sent: list[str] = []

    def upload(path: Path, name: str) -> UploadView:
        sent.append(path.name)
        return UploadView(name=name, bytes=1, columns=())

    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(name)
    tasks = {t: {"kind": "binary", "path": f"{t}.csv"} for t in "abc"}
    config = {"problem": {"source": "table", "tasks": tasks}}
    found = with_tables(config, tmp_path, upload)["problem"]["tasks"]
    assert sent == ["a.csv", "b.csv"]
    assert found["a"]["path"].startswith("uploads/a-")
    assert found["c"]["path"] == "c.csv"  # is not here, so the server may have it
    assert tasks["a"]["path"] == "a.csv"
    assert with_tables([1], tmp_path, upload) == [1]


def view(state: JobState) -> dict[str, Any]:
    job = Job(name="j", state=state, config={}, config_hash="x", created=1.0)
    return job_view(job, 0, None, None).model_dump(mode="json")


def mocked(answers: Iterator[Callable[[httpx.Request], httpx.Response]], patience_s: float = 30) -> Client:
    return Client("http://s", patience_s=patience_s, transport=httpx.MockTransport(lambda r: next(answers)(r)))


def away(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def test_waiting_outlasts_a_server_that_is_away() -> None:
    busy = httpx.Response(503, json={"error": {"problems": ["the database does not answer"]}})
    answers: list[Any] = [away, lambda _: busy, lambda _: httpx.Response(200, json=view(JobState.RUNNING)), away]
    answers.append(lambda _: httpx.Response(200, json=view(JobState.DONE)))
    with mocked(iter(answers)) as client:
        assert client.wait("j", every_s=0.01).state == "done"


def test_waiting_has_an_end_and_other_faults_end_it_at_once() -> None:
    def always() -> Iterator[Any]:
        while True:
            yield away

    with mocked(always(), patience_s=0.1) as client, pytest.raises(ServiceError, match="cannot be reached: refused"):
        client.wait("j")
    broken = [lambda _: httpx.Response(500, text="oops")]
    with mocked(iter(broken)) as client, pytest.raises(ServiceError, match="HTTP 500"):
        client.wait("j")


def line(number: int, kind: str = "note", **data: Any) -> bytes:
    event = Event.model_validate({"id": number, "job": "j", "at": 1, "kind": kind, "text": "", "data": data})
    return f"event: {kind}\ndata: {event.model_dump_json()}\nid: {number}\n\n".encode()


def test_a_broken_stream_goes_on_where_it_was() -> None:
    asked = []

    def breaking(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["last-event-id"])

        def body() -> Iterator[bytes]:
            yield b": ping\n\n" + line(1) + line(2)
            raise httpx.ReadError("cut", request=request)

        return httpx.Response(200, content=body())

    def going_on(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["last-event-id"])
        return httpx.Response(200, content=line(3) + line(4, "state", state="done", reason=""))

    answers: list[Any] = [breaking, away, going_on, lambda _: httpx.Response(200, json=view(JobState.DONE))]
    with mocked(iter(answers)) as client:
        assert [event.id for event in client.events("j")] == [1, 2, 3, 4]
    assert asked == ["0", "2"]


def test_a_stream_that_is_refused_is_told() -> None:
    refusal = httpx.Response(404, json={"error": {"problems": ["there is no job `j`"]}})
    with mocked(iter([lambda _: refusal])) as client, pytest.raises(InputError, match="there is no job"):
        list(client.events("j"))


def test_the_client_loads_neither_torch_nor_fastapi() -> None:
    heavy = "('torch', 'fastapi', 'optuna')"
    code = f"import sys, taskgroup.service.client; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
