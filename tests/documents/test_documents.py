"""README and docs: code runs as written, and every setting has its place."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from taskgroup.pipeline.config import Config, load_config
from taskgroup.problems.config import BundledConfig, PythonConfig, SetConfig, SplitConfig, TableConfig, TaskConfig

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
SPACES = sorted((ROOT / "search_spaces").glob("*.yaml"))


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def python(code: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("code", blocks("python")[1:], ids=["config", "arrays"])
def test_python_of_the_readme_runs(code: str, tmp_path: Path) -> None:
    python(code, tmp_path)


def test_commands_of_the_readme_run(tmp_path: Path) -> None:
    """Every line of a shell block that begins with taskgroup, in order, in one folder with the tables it speaks of.

    A server runs until it is stopped: it is started by the test of docs/service.md.
    """
    python(blocks("python")[0], tmp_path)
    rows = "".join(f"{k % 3},{k},{k * k % 17},{k % 2}\n" for k in range(90))
    (tmp_path / "visits.csv").write_text("clinic,age,dose,outcome\n" + rows, encoding="utf-8")
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("taskgroup ")]
    lines = [line for line in lines if not line.startswith("taskgroup serve")]
    assert len(lines) >= 5
    for line in lines:
        words = shlex.split(line, comments=True)
        if words[1] in ("run", "measure"):  # both in one folder, so with the same config
            words += ["--set", "train.steps=40", "--set", "confirm.seeds=2", "--set", "confirm.finalists=1"]
        command = [str(Path(sys.executable).parent / words[0]), *words[1:]]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, line + done.stdout + done.stderr
    assert (tmp_path / "results" / "cells" / "report.html").exists()
    assert (tmp_path / "visits.yaml").exists()


def test_links_of_the_documents_lead_somewhere() -> None:
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "config.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def leaves(model: type[BaseModel], prefix: str = "") -> list[str]:
    found: list[str] = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += leaves(inner, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


def test_every_setting_has_its_place_in_the_docs() -> None:
    named = [leaf for leaf in leaves(Config) if leaf not in ("problem", "trunk")]
    for model in (BundledConfig, TableConfig, SetConfig, PythonConfig):
        named += [f"problem.{name}" for name in model.model_fields if name != "source"]
    missing = [name for name in named if f"`{name}`" not in SETTINGS]
    words = [*SplitConfig.model_fields, *TaskConfig.model_fields]
    assert missing + [word for word in words if f"`{word}`" not in SETTINGS] == []


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_search_spaces_are_complete_examples(path: Path) -> None:
    config = load_config(path)
    assert config.problem is not None
    head = path.read_text(encoding="utf-8").split("\nname:")[0]
    assert re.findall(r"^# (Purpose|Data|Size|Time) ", head, flags=re.MULTILINE) == ["Purpose", "Data", "Size", "Time"]
