"""Routes: what they answer, for jobs at every stage."""

import contextlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
import yaml
from http_app import CONFIG, finish, problems, running, submitted, write_finished, write_measured, write_proposed
from pydantic import SecretStr
from starlette.testclient import TestClient

from taskgroup.core.spec import Spec
from taskgroup.search.storage import open_storage
from taskgroup.service.app import create_app
from taskgroup.service.model import JobState
from taskgroup.service.settings import Settings
from taskgroup.service.store import JobStore

App = tuple[TestClient, JobStore]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with running(tmp_path) as both:
        yield both


@pytest.fixture
def done(app: App, tmp_path: Path) -> App:
    submitted(app[1])
    finish(app[1], "digits")
    write_finished(tmp_path / "jobs" / "digits")
    return app


def test_a_job_is_submitted_once(app: App) -> None:
    client, _ = app
    first = client.post("/api/jobs?priority=3&workers=2", json=CONFIG)
    assert first.status_code == 202
    assert first.json()["name"] == "digits"
    assert (first.json()["state"], first.json()["priority"], first.json()["workers"]) == ("queued", 3, 2)
    assert first.json()["created"].endswith("+00:00")
    again = client.post("/api/jobs", content=yaml.safe_dump(CONFIG), headers={"Content-Type": "application/yaml"})
    assert again.status_code == 200
    assert again.json()["config_hash"] == first.json()["config_hash"]
    other = client.post("/api/jobs", json={**CONFIG, "seed": 5})
    assert other.status_code == 409
    assert "seed: was 0, now 5" in problems(other)


def test_all_faults_of_a_config_come_at_once(app: App) -> None:
    config = {**CONFIG, "seed": -1, "trunk": {"name": "mlpp"}, "serach": {}}
    answer = app[0].post("/api/jobs", json=config)
    assert answer.status_code == 422
    text = "\n".join(problems(answer))
    assert all(word in text for word in ("`seed`", "did you mean `mlp`?", "did you mean `search`?"))


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_config_of_another_type_is_not_taken(app: App, kind: str) -> None:
    answer = app[0].post("/api/jobs", content=b"name: x", headers={"Content-Type": kind})
    assert answer.status_code == 415
    assert "Content-Type" in problems(answer)[0]


def test_jobs_are_listed_filtered_and_paged(app: App) -> None:
    client, store = app
    for name in ("first", "second", "third"):
        submitted(store, name)
    store.cancel("second")
    assert [j["name"] for j in client.get("/api/jobs").json()["jobs"]] == ["third", "second", "first"]
    assert [j["name"] for j in client.get("/api/jobs?state=cancelled").json()["jobs"]] == ["second"]
    assert client.get("/api/jobs?state=cancelled&state=queued").json()["total"] == 3
    assert [j["name"] for j in client.get("/api/jobs?search=IR").json()["jobs"]] == ["third", "first"]
    page = client.get("/api/jobs?limit=1&offset=1").json()
    assert ([j["name"] for j in page["jobs"]], page["total"]) == (["second"], 3)


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "offset=-1", "offset=99999999999", "state=odd", "serach=x"])
def test_a_faulty_question_is_refused(app: App, query: str) -> None:
    answer = app[0].get(f"/api/jobs?{query}")
    assert answer.status_code == 422
    assert f"`{query.partition('=')[0]}" in problems(answer)[0]


def test_a_job_is_edited_paused_resumed_cancelled_and_deleted(app: App, tmp_path: Path) -> None:
    client, store = app
    submitted(store)
    write_measured(tmp_path / "jobs" / "digits")
    edited = client.patch("/api/jobs/digits", json={"trials": 60, "priority": -7})
    assert (edited.json()["trials"], edited.json()["priority"], edited.json()["workers"]) == (60, -7, None)
    for action, state in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")):
        answer = client.post(f"/api/jobs/digits/{action}")
        assert (answer.status_code, answer.json()["state"]) == (200, state)
    assert client.post("/api/jobs/digits/pause").status_code == 409
    assert client.delete("/api/jobs/digits").status_code == 204
    assert client.get("/api/jobs/digits").status_code == 404
    assert list((tmp_path / "jobs").iterdir()) == []


def test_a_deleted_job_leaves_no_study(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'all.db'}"
    with contextlib.closing(JobStore(url)) as store:
        settings = Settings(data_root=tmp_path, storage=SecretStr(url))
        with TestClient(create_app(settings, store), base_url="http://127.0.0.1:8765") as client:
            submitted(store)
            optuna.create_study(storage=open_storage(url, tmp_path), study_name="digits a1")
            client.post("/api/jobs/digits/cancel")
            assert client.delete("/api/jobs/digits").status_code == 204
    assert optuna.get_all_study_names(storage=open_storage(url, tmp_path)) == []


@pytest.mark.parametrize(
    "body", [{"trials": 1}, {"workers": 0}, {"priority": 101}, {"trails": 5}, {"trials": 2**40}, [1]]
)
def test_a_faulty_edit_is_refused(app: App, body: object) -> None:
    submitted(app[1])
    answer = app[0].patch("/api/jobs/digits", json=body)
    assert answer.status_code == 422
    assert problems(answer)


def test_a_running_job_is_not_deleted(app: App, tmp_path: Path) -> None:
    submitted(app[1])
    app[1].claim("test", 60)
    write_measured(tmp_path / "jobs" / "digits")
    assert app[0].delete("/api/jobs/digits").status_code == 409
    assert (tmp_path / "jobs" / "digits" / "affinity.npz").exists()


RESULTS = ["affinity", "proposals", "pareto", "spec", "report", "exports", "exports/mermaid", "exports/onnx"]


@pytest.mark.parametrize("what", RESULTS)
def test_what_is_not_there_yet_is_said(app: App, what: str) -> None:
    client, store = app
    config = submitted(store)
    store.claim("test", 60)
    store.append(config.name, "step", "search begins", {"step": "search", "total": 9})
    answer = client.get(f"/api/jobs/digits/{what}")
    assert answer.status_code == 404
    (sentence,) = problems(answer)
    assert "is not there yet: the job is running at step search" in sentence


@pytest.mark.parametrize("what", ["", "/config", "/events", "/log", "/trials", *(f"/{what}" for what in RESULTS)])
def test_a_job_that_there_is_none_of(app: App, what: str) -> None:
    answer = app[0].get(f"/api/jobs/nobody{what}")
    assert answer.status_code == 404
    assert problems(answer) == ["there is no job `nobody`"]


def test_results_of_steps_that_are_done_are_there_while_the_job_runs(app: App, tmp_path: Path) -> None:
    client, store = app
    submitted(store)
    write_measured(tmp_path / "jobs" / "digits")
    found = client.get("/api/jobs/digits/affinity").json()
    assert (found["tasks"], found["stages"]) == (["a", "b", "c"], ["s1", "s2", "trunk"])
    assert found["values"][0][1] == [3.0, 4.0, None]  # stage, source, target
    assert found["stderr"][2][0][1] == pytest.approx(1.9)
    assert found["counts"][0][0][0] == 5
    one = client.get("/api/jobs/digits/affinity?stage=s2").json()
    assert one["stages"] == ["s2"]
    assert one["values"] == [found["values"][1]]
    wrong = client.get("/api/jobs/digits/affinity?stage=s9")
    assert wrong.status_code == 404
    assert problems(wrong) == ["stage: should be one of s1, s2, trunk, found `s9`"]
    assert client.get("/api/jobs/digits/proposals").status_code == 404
    write_proposed(tmp_path / "jobs" / "digits")
    tree = client.get("/api/jobs/digits/proposals").json()["dendrogram"]
    assert tree["leaves"] == ["b", "a", "c"]
    assert tree["merges"] == [[0, 2, 0.5, 2], [1, 3, 1.5, 3]]


def test_trials_come_from_events_until_there_is_a_table(app: App, tmp_path: Path) -> None:
    client, store = app
    submitted(store)
    for number in (0, 1):
        data = {"number": number, "origin": "sampler", "state": "complete", "gain": 0.1, "params_ratio": 1.0}
        store.append("digits", "trial", "told", {**data, "macs_ratio": 2.0})
    live = client.get("/api/jobs/digits/trials").json()
    assert (live["total"], live["trials"][1]["number"], live["trials"][1]["macs_ratio"]) == (2, 1, 2.0)
    write_finished(tmp_path / "jobs" / "digits")
    table = client.get("/api/jobs/digits/trials?limit=2&offset=3").json()
    assert table["total"] == 5
    assert [trial["number"] for trial in table["trials"]] == [3, 4]
    assert table["trials"][0]["architecture"]["topology"]["matrix"] == [[0, 1, 0], [0, 1, 0]]


def test_the_front_its_baselines_and_the_plan(done: App) -> None:
    points = {p["number"]: p for p in done[0].get("/api/jobs/digits/pareto").json()["points"]}
    assert sorted(points) == [0, 1, 2, 3]  # the pruned one has no gain
    assert [n for n, p in points.items() if p["on_front"]] == [1, 2]  # macs 1 and 2; 3 costs 2.5 for less
    assert {n: p["baseline"] for n, p in points.items() if p["baseline"]} == {0: "all-separate", 1: "all-shared"}
    assert [n for n, p in points.items() if p["chosen"]] == [2]
    assert (points[2]["gain_confirmed"], points[2]["gain_low"], points[2]["gain_high"]) == (0.08, 0.02, 0.14)
    assert points[3]["gain_low"] is None
    assert points[2]["task_gains"] == {"a": pytest.approx(0.5), "b": 0.0, "c": 0.0}
    assert points[2]["matrix"] == [[0, 0, 1], [0, 1, 2]]


def test_the_spec_comes_as_yaml_or_json(done: App) -> None:
    client, _ = done
    plain = client.get("/api/jobs/digits/spec", headers={"Accept": "*/*"})
    assert plain.headers["content-type"].startswith("application/yaml")
    json = client.get("/api/jobs/digits/spec", headers={"Accept": "application/json"})
    assert Spec.from_dict(json.json()) == Spec.from_dict(yaml.safe_load(plain.text))
    assert client.get("/api/jobs/digits/spec", headers={"Accept": "image/png"}).status_code == 406


def test_the_verdict_stands_in_the_jobs_view(done: App) -> None:
    view = done[0].get("/api/jobs/digits").json()
    assert view["verdict"] == {"code": "better_than_both", "text": "Better than both."}
    assert view["gain"].keys() == {"mean", "low", "high"}
    listed = done[0].get("/api/jobs").json()["jobs"][0]
    assert (listed["verdict"], listed["gain"]) == (view["verdict"], view["gain"])


def test_the_report_may_run_nothing(done: App) -> None:
    answer = done[0].get("/api/jobs/digits/report")
    assert answer.headers["content-type"].startswith("text/html")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "script" not in answer.headers["content-security-policy"]


def test_exports(done: App) -> None:
    client, _ = done
    listed = {e["format"]: e for e in client.get("/api/jobs/digits/exports").json()["exports"]}
    assert listed["mermaid"] == {"format": "mermaid", "of": "spec", "file": "spec.mmd"}
    assert listed["onnx"] == {"format": "onnx", "of": "network", "file": "network_onnx.onnx"}
    assert "peft" not in listed
    for name in listed:
        answer = client.get(f"/api/jobs/digits/exports/{name}")
        assert answer.status_code == 200, name
        assert answer.headers["content-disposition"].startswith('attachment; filename="digits-')
        assert answer.content
    both = client.get("/api/jobs/digits/exports/python")
    with zipfile.ZipFile(io.BytesIO(both.content)) as archive:
        assert archive.namelist() == ["network_python.py", "network_python.safetensors"]
        assert archive.read("network_python.safetensors") == b"weights"
    assert "did not write its network as peft" in problems(client.get("/api/jobs/digits/exports/peft"))[0]
    assert "did you mean `mermaid`" in problems(client.get("/api/jobs/digits/exports/mermad"))[0]


def test_the_log_has_a_line_for_each_event_but_progress(done: App) -> None:
    done[1].append("digits", "progress", "3 of 9", {"step": "search", "done": 3, "total": 9})
    done[1].append("digits", "note", "odd \x1b[2J text", {})
    lines = done[0].get("/api/jobs/digits/log").text.splitlines()
    assert [line.split()[1] for line in lines] == ["state", "state", "state", "note"]
    assert "\\x1b" in lines[-1]


def test_a_failed_jobs_missing_results_tell_why(app: App) -> None:
    submitted(app[1])
    finish(app[1], "digits", JobState.FAILED, "no memory")
    assert "the job is failed (no memory)" in problems(app[0].get("/api/jobs/digits/spec"))[0]


def test_schemas_spaces_and_config(app: App) -> None:
    client, store = app
    config = submitted(store)
    assert client.get("/api/jobs/digits/config").json() == config.to_dict()
    assert "properties" in client.get("/api/schema/config").json()
    assert client.get("/api/schema/spec").json()["title"]
    assert client.get("/api/schema/other").status_code == 422
    table = {"source": "table", "path": "uploads/t.csv", "tasks": {name: {"kind": "binary"} for name in "ab"}}
    for space in client.get("/api/spaces").json():
        whole = {"name": f"space-{space['name']}", "problem": table, **space["config"]}
        found = "\n".join(client.post("/api/jobs", json=whole).json().get("error", {}).get("problems", ()))
        assert found == "" or "upload it first" in found, space


@pytest.mark.parametrize(
    ("method", "path", "allowed"), [("PUT", "/api/jobs", "GET, POST"), ("POST", "/healthz", "GET")]
)
def test_methods_that_a_path_does_not_take(app: App, method: str, path: str, allowed: str) -> None:
    answer = app[0].request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert problems(answer) == [f"{path} takes {allowed}"]
    assert problems(app[0].get("/api/nothing")) == ["there is nothing at /api/nothing"]
