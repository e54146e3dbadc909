"""Configs from strangers: nothing outside the data folder, no code, no names that are none."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from http_app import CONFIG, finish, problems, running, submitted, write_finished
from starlette.testclient import TestClient

from taskgroup.service.store import JobStore

App = tuple[TestClient, JobStore]
BAD_PATHS = [
    "/etc/passwd",
    "../secret.csv",
    "uploads/../../secret.csv",
    "uploads\\..\\..\\secret.csv",
    "C:\\secret.csv",
    "\\\\host\\share\\secret.csv",
    "~/secret.csv",
    "http://evil.example/t.csv",
    "file:///etc/passwd",
    "s3://bucket/t.parquet",
    "postgresql://evil.example/db",
    "sqlite:////etc/passwd",
    "uploads/link.csv",
    "linked/secret.csv",
    "loop/t.csv",
    "a/" * 3000 + "t.csv",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data folder with links that lead out of it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.csv").write_text("a,b\n1,2\n")
    found = tmp_path / "data"
    (found / "uploads").mkdir(parents=True)
    (found / "uploads" / "link.csv").symlink_to(tmp_path / "outside" / "secret.csv")
    (found / "linked").symlink_to(tmp_path / "outside")
    (found / "loop").symlink_to(found / "loop")
    (found / "uploads" / "good.csv").write_text("x,a,b\n1,0,1\n2,1,0\n")
    return found


@pytest.fixture
def app(root: Path) -> Iterator[App]:
    with running(root) as both:
        yield both


def table(**changes: Any) -> dict[str, Any]:
    tasks = {"a": {"kind": "binary"}, "b": {"kind": "binary"}}
    return {**CONFIG, "problem": {"source": "table", "path": "uploads/good.csv", "tasks": tasks, **changes}}


def refused(app: App, config: dict[str, Any]) -> str:
    answer = app[0].post("/api/jobs", json=config)
    assert answer.status_code == 422, answer.text
    assert app[1].jobs()[1] == 0
    return "\n".join(problems(answer))


@pytest.mark.parametrize("path", BAD_PATHS, ids=range(len(BAD_PATHS)))
def test_no_path_leads_out_of_the_data_folder(app: App, path: str) -> None:
    own = {"a": {"kind": "binary", "path": path}, "b": {"kind": "binary"}}
    places: dict[str, dict[str, Any]] = {
        "problem.path": table(path=path),
        "problem.tasks.a.path": table(tasks=own),
        "measure.affinity.path": {**CONFIG, "measure": {"affinity": {"method": "given", "path": path}}},
    }
    places["problem.path "] = {**CONFIG, "problem": {"source": "set", "path": path}}
    for place, config in places.items():
        found = refused(app, config)
        assert f"`{place.strip()}`" in found
        assert "the server's data folder" in found
        assert "secret.csv has" not in found


def test_paths_are_refused_in_configs_that_are_faulty_elsewhere(app: App) -> None:
    found = refused(app, {**table(path="/etc/passwd"), "seed": "x"})
    assert "`seed`" in found
    assert "`problem.path`: should be relative" in found


def test_a_table_in_the_data_folder_is_taken(app: App) -> None:
    assert app[0].post("/api/jobs", json=table()).status_code == 202


def test_files_and_columns_that_are_not_there_are_told(app: App) -> None:
    assert "upload it first" in refused(app, table(path="uploads/goood.csv"))
    faulty = table(tasks={"aa": {"kind": "binary"}, "b": {"kind": "binary", "column": "nothing"}})
    faulty["problem"]["split"] = {"column": "fold"}
    found = refused(app, faulty)
    assert all(f"no column `{name}`" in found for name in ("aa", "nothing", "fold"))


@pytest.mark.parametrize("config", [CONFIG, table()], ids=["bundled", "table"])
def test_a_trunk_that_is_missing_is_told_at_once(app: App, config: dict[str, Any]) -> None:
    found = refused(app, {key: value for key, value in config.items() if key != "trunk"})
    assert found.startswith("config: `trunk` is missing; name one of conv, ")


@pytest.mark.parametrize("extra", [{}, {"seed": "x"}, {"odd": 1}])
def test_python_problems_are_refused_and_never_imported(
    app: App, extra: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(*_: Any) -> None:
        raise AssertionError("a module was imported for a stranger")

    monkeypatch.setattr("taskgroup.problems.python.importlib.import_module", loaded)
    python = {"source": "python", "target": "os:system", "options": {"command": "true"}}
    found = refused(app, {**CONFIG, "problem": python, "trunk": None, **extra})
    assert "--allow-python" in found
    assert "`os`" in found


def test_python_problems_of_modules_that_the_operator_names(root: Path) -> None:
    with running(root, allow_python=("lab.cells",)) as app:
        for module, status in (("lab.cells", 202), ("lab", 422), ("lab.cells.more", 422), ("lab_cells", 422)):
            python = {"source": "python", "target": f"{module}:problem"}
            answer = app[0].post("/api/jobs", json={"name": module.replace(".", "-"), "problem": python})
            assert answer.status_code == status, answer.text


def test_one_task_is_told_at_once(app: App) -> None:
    found = refused(app, table(tasks={"a": {"kind": "binary"}}))
    assert "config: `problem.tasks`: a job needs at least two tasks that might share a network, found only `a`" in found


def test_a_config_without_a_problem(app: App) -> None:
    assert "`problem` is missing" in refused(app, {"name": "x", "trunk": {"name": "mlp"}})


@pytest.mark.parametrize(
    ("trunk", "rule"),
    [
        ({"name": "hf", "path": "/models/bert"}, "`trunk.path`: a folder of the server's"),
        ({"name": "hf", "model": {"model_type": "bert", "attn_implementation": "org/kernel"}}, "no repository"),
        ({"name": "hf", "model": {"model_type": "bert", "attn_implementation": "flash_attention_2"}}, "eager, sdpa"),
        ({"name": "hf", "model": {"model_type": "bert", "x": {"y": ["a/b"]}}}, "`trunk.model.x.y.0`"),
    ],
)
def test_trunks_that_reach_out(app: App, trunk: dict[str, Any], rule: str) -> None:
    assert rule in refused(app, {**CONFIG, "trunk": trunk})


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "-a", "a b", "a\u0301", "x" * 101, ".hidden", "a%2Fb"])
def test_names_that_are_no_folders(app: App, name: str) -> None:
    assert "`name`" in refused(app, {**CONFIG, "name": name})


@pytest.mark.parametrize(
    "path", ["..%2F..%2Fetc", "%2e%2e", "a%00b", "a%0d%0aSet-Cookie:%20b=c", "x" * 101, "%ff", ".x"]
)
def test_names_in_paths_that_are_no_names(app: App, path: str) -> None:
    for method, rest in (("GET", ""), ("DELETE", ""), ("GET", "/spec"), ("GET", "/exports/json"), ("POST", "/cancel")):
        answer = app[0].request(method, f"/api/jobs/{path}{rest}")
        assert answer.status_code in (404, 405, 422), answer.text
        assert "set-cookie" not in answer.headers
        problems(answer)


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"]
)
def test_the_pages_files_are_all_that_is_served(app: App, path: str) -> None:
    answer = app[0].get(path)
    assert answer.status_code == 404
    problems(answer)


def test_artefacts_that_are_links_out_of_the_folder_are_not_there(app: App, root: Path) -> None:
    client, store = app
    submitted(store)
    finish(store, "digits")
    folder = root / "jobs" / "digits"
    write_finished(folder)
    outside = root.parent / "outside"
    write_finished(outside / "job")
    for name, what in (("report.html", "report"), ("affinity.npz", "affinity"), ("trials.jsonl", "pareto")):
        (folder / name).unlink()
        (folder / name).symlink_to(outside / "job" / name)
        assert client.get(f"/api/jobs/digits/{what}").status_code == 404
    export = folder / "exports" / "network_onnx.onnx"
    export.unlink()
    export.symlink_to(outside / "secret.csv")
    assert client.get("/api/jobs/digits/exports/onnx").status_code == 404
    (folder / "spec.yaml").unlink()
    (folder / "spec.yaml").symlink_to(outside / "job" / "spec.yaml")
    assert client.get("/api/jobs/digits/spec").status_code == 404
    assert client.get("/api/jobs/digits").json()["verdict"] is None


def test_deleting_a_job_whose_folder_is_a_link_leaves_what_it_leads_to(app: App, root: Path) -> None:
    client, store = app
    submitted(store)
    outside = root.parent / "outside"
    (root / "jobs").mkdir()
    (root / "jobs" / "digits").symlink_to(outside)
    assert client.get("/api/jobs/digits/exports").status_code == 404
    assert client.delete("/api/jobs/digits").status_code == 204
    assert os.listdir(outside) == ["secret.csv"]
