"""docs/service.md: every route, option, figure and kind of event has its place, and its commands run as written."""

import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import typer.main

from taskgroup.cli import app as command_line
from taskgroup.service.app import create_app
from taskgroup.service.metrics import Metrics
from taskgroup.service.model import EventKind
from taskgroup.service.settings import Settings
from taskgroup.service.store import JobStore

TEXT = (Path(__file__).parents[2] / "docs" / "service.md").read_text(encoding="utf-8")
URL = "http://127.0.0.1:8765"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


def first_cells() -> set[str]:
    """What stands in code marks in the first column of a table."""
    rows = re.findall(r"^\| (.*?) \|", TEXT, flags=re.MULTILINE)
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row)}


def test_every_route_has_its_line_and_no_line_is_of_one_that_is_gone(tmp_path: Path) -> None:
    store = JobStore(f"sqlite:///{tmp_path / 'service.db'}")
    paths: dict[str, Any] = create_app(Settings(data_root=tmp_path), store).openapi()["paths"]
    store.close()
    routes = {f"{method.upper()} {path}" for path, item in paths.items() for method in item}
    told = {cell for cell in first_cells() if re.match(r"(GET|POST|PATCH|DELETE) ", cell)}
    assert told == routes | {"GET /api/openapi.json"}


@pytest.mark.parametrize("name", ["serve", "submit", "jobs", "cancel"])
def test_every_option_has_its_place(name: str) -> None:
    command = typer.main.get_command(command_line).commands[name]  # type: ignore[attr-defined]  # a group
    options = {word for p in command.params for word in p.opts if word.startswith("--")} - {"--help"}
    lines = [line for line in TEXT.splitlines() if line.startswith(("| `--", f"| `taskgroup {name}"))]
    told = set(re.findall(r"`(--[a-z-]+)", "\n".join(lines)))
    assert options <= told


def test_every_figure_and_kind_of_event_is_told() -> None:
    figures = {family.name for family in Metrics().registry.collect()}
    cells = first_cells()
    assert {cell.removesuffix("_total") for cell in cells if cell.startswith("taskgroup_")} == figures
    assert set(get_args(EventKind)) <= cells


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples are curl commands, and there is no curl here")
def test_the_examples_run(tmp_path: Path) -> None:
    (tmp_path / "first.yaml").write_text(blocks("yaml")[0], encoding="utf-8")
    (tmp_path / "visits.csv").write_text("x,y,label\n1,2,0\n3,4,1\n", encoding="utf-8")
    starting, command, requests = blocks("sh")
    program = [str(Path(sys.executable).with_name("taskgroup"))]
    words = [*program, *shlex.split(starting)[1:], "--port", "0"]
    server = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        said = server.stdout.readline()
        assert said.startswith("taskgroup serves taskgroup-data at http://127.0.0.1:")
        url = said.split()[-1]
        for line in (*command.splitlines(), *requests.splitlines()):
            run = (
                [*program, *shlex.split(line)[1:], "--url", url] if line.startswith("taskgroup ") else shlex.split(line)
            )
            run = [word.replace(URL, url) for word in run]
            done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
            assert done.returncode == 0, line + done.stdout + done.stderr
            assert not done.stdout.startswith('{"error":'), line + done.stdout
        assert (tmp_path / "topology.svg").read_text(encoding="utf-8").lstrip().startswith("<")
        code = blocks("python")[0].replace(URL, url)
        done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1].startswith("((0, ")
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
