"""Figures: what is counted, and what each figure says."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from http_app import CONFIG, running, submitted, until
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from taskgroup.service.app import create_app
from taskgroup.service.model import Event
from taskgroup.service.pace import Pace
from taskgroup.service.settings import Settings
from taskgroup.service.store import JobStore


def figures(client: TestClient) -> dict[tuple[str, ...], float]:
    """Value by name and labels."""
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_jobs_requests_trials_and_the_queue_are_counted(tmp_path: Path) -> None:
    with running(tmp_path) as (client, store):
        client.post("/api/jobs", json=CONFIG)
        client.get("/api/jobs/nobody")
        client.request("ODD", "/api/jobs")
        submitted(store, "other")
        store.cancel("other")
        trial = {"number": 0, "origin": "sampler", "state": "complete", "gain": 0.1}
        store.append("digits", "trial", "told", {**trial, "params_ratio": 1.0, "macs_ratio": 1.0})
        until(lambda: figures(client)["taskgroup_trials_told_total",] == 1)
        found = figures(client)
    assert found["taskgroup_jobs", "queued"] == 1
    assert found["taskgroup_jobs", "cancelled"] == 1
    assert found["taskgroup_jobs", "running"] == 0
    assert found["taskgroup_http_requests_total", "POST", "/api/jobs", "202"] == 1
    assert found["taskgroup_http_requests_total", "GET", "/api/jobs/{job}", "404"] == 1
    assert found["taskgroup_http_requests_total", "other", "/api/jobs", "405"] == 1
    assert found["taskgroup_http_request_seconds_count", "/api/jobs"] == 2
    assert found["taskgroup_event_streams",] == 0
    assert 0 < found["taskgroup_queue_age_seconds",] < 60


def test_an_empty_queue_has_no_age(tmp_path: Path) -> None:
    with running(tmp_path) as (client, _):
        assert figures(client)["taskgroup_queue_age_seconds",] == 0


def test_two_apps_count_for_themselves(tmp_path: Path) -> None:
    with running(tmp_path / "a") as (one, _), running(tmp_path / "b") as (other, _):
        one.get("/healthz")
        assert ("taskgroup_http_requests_total", "GET", "/healthz", "200") in figures(one)
        assert ("taskgroup_http_requests_total", "GET", "/healthz", "200") not in figures(other)


class Stopped:
    """A scheduler."""

    is_alive = False
    alive: Mapping[str, int] = {"digits": 3}


class Going(Stopped):
    """Another."""

    is_alive = True


def test_ready_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = JobStore(f"sqlite:///{tmp_path / 'service.db'}")
    for scheduler, status in ((None, 200), (Going(), 200), (Stopped(), 503)):
        with TestClient(create_app(Settings(data_root=tmp_path), store, scheduler), "http://localhost") as client:
            assert client.get("/readyz").status_code == status
            assert client.get("/healthz").json()["status"] == "ok"
    monkeypatch.setattr(store, "is_ready", lambda: False)
    with TestClient(create_app(Settings(data_root=tmp_path), store), "http://localhost") as client:
        assert "database" in client.get("/readyz").text
        assert client.get("/readyz").status_code == 503
    store.close()


def test_the_workers_of_a_running_job_are_told(tmp_path: Path) -> None:
    store = JobStore(f"sqlite:///{tmp_path / 'service.db'}")
    submitted(store)
    with TestClient(create_app(Settings(data_root=tmp_path), store, Going()), "http://localhost") as client:
        assert client.get("/api/jobs/digits").json()["n_workers_alive"] == 0
        store.claim("test", 60)
        assert client.get("/api/jobs/digits").json()["n_workers_alive"] == 3
    store.close()


def event(kind: str, at: float, **data: object) -> Event:
    return Event.model_validate({"id": 1, "job": "j", "at": at, "kind": kind, "text": "", "data": data})


def test_the_time_left_follows_the_pace_of_the_step() -> None:
    pace = Pace()
    assert pace.seconds_left("j", 100) is None
    pace.see(event("step", 100, step="search", total=10))
    assert pace.seconds_left("j", 101) is None
    pace.see(event("progress", 110, step="search", done=5, total=10))
    assert pace.seconds_left("j", 110) == 10.0  # 2 s a trial, 5 left
    assert pace.seconds_left("j", 114) == 6.0
    assert pace.seconds_left("j", 200) == 0.0
    pace.see(event("step", 120, step="confirm", total=4))
    assert pace.seconds_left("j", 121) is None
    pace.see(event("state", 122, state="paused"))
    pace.see(event("progress", 300, step="confirm", done=2, total=4))  # seen from the middle on
    assert pace.seconds_left("j", 300) is None
    pace.see(event("progress", 303, step="confirm", done=3, total=4))
    assert pace.seconds_left("j", 303) == 3.0
