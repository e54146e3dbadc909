"""schemathesis: every route with thousands of requests, well-formed and not, by its own OpenAPI schema."""

import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from http_app import finish, listening, running, submitted, write_finished

CONFIG = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = 60


def test_no_request_breaks_the_server_or_its_promises(tmp_path: Path) -> None:
    with listening(tmp_path / "data") as (url, app, store):
        submitted(store, "digits")
        finish(store, "digits")
        write_finished(tmp_path / "data" / "jobs" / "digits")
        submitted(store, "waiting")
        app.state.context.hub.close()  # streams would not end
        with urllib.request.urlopen(f"{url}/api/openapi.json", timeout=120) as answer:
            assert answer.read()  # the first time it takes seconds, for which schemathesis does not wait
        program = str(Path(sys.executable).with_name("schemathesis"))
        options = ["--checks", "all", "-n", str(EXAMPLES), "--seed", "1", "--no-shrink", "--continue-on-failure"]
        quiet = ["--request-timeout", "30", "--warnings", "off", "--suppress-health-check", "all"]
        command = [program, "--config-file", str(CONFIG), "run", f"{url}/api/openapi.json", *options, *quiet]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        figures = app.state.context.metrics.registry.collect()
        answered = [s for f in figures for s in f.samples if s.name == "taskgroup_http_requests_total"]
        assert [s for s in answered if s.labels["status"].startswith("5")] == []
    found = re.search(r"(\d+) generated", done.stdout)
    assert found is not None
    assert int(found[1]) >= 2000


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with running(tmp_path_factory.mktemp("schema")) as (client, _):
        found: dict[str, Any] = client.get("/api/openapi.json").json()
        return found


def operations(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(f"{m} {path}", o) for path, item in schema["paths"].items() for m, o in item.items()]


def test_the_schema_is_complete(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1")
    for name, operation in operations(schema):
        assert operation["summary"], name
        assert operation["description"], name
        assert operation["tags"], name
        good = [answer for status, answer in operation["responses"].items() if status < "300"]
        assert good, name
        bodies = [a for a in good if "content" in a]
        assert all(kind["schema"] for a in bodies for kind in a["content"].values()), name
        assert name.startswith("delete ") or bodies, name


def test_every_error_has_the_one_shape(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema):
        errors = {s: a for s, a in operation["responses"].items() if s >= "400"}
        assert {"400", "401", "403", "421", "500"} <= set(errors), name
        for status, answer in errors.items():
            reference = answer["content"]["application/json"]["schema"]["$ref"]
            assert reference == "#/components/schemas/ErrorBody", (name, status)
    assert "HTTPValidationError" not in schema["components"]["schemas"]


def test_no_reference_leads_nowhere(schema: dict[str, Any]) -> None:
    known = set(schema["components"]["schemas"])

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [r for value in node.values() for r in references(value)]
        return [r for value in node for r in references(value)] if isinstance(node, list) else []

    assert {r.removeprefix("#/components/schemas/") for r in references(schema)} <= known
