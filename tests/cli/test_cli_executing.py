"""Who does the trials, as the command line says it: passed on whole, and what fits nobody is refused."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from taskgroup import cli
from taskgroup.cli.executing import Execution, ExecutorName
from taskgroup.errors import InputError

CONFIG = {"name": "tiny", "problem": {"source": "bundled", "name": "linnerud"}, "trunk": {"name": "mlp"}}


class Made:
    """An executor that was asked for."""

    def __init__(self, *words: object) -> None:
        self.words, self.closed = words, 0

    def close(self) -> None:
        self.closed += 1


class Run:
    """What reaches the pipeline."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.options: dict[str, Any] = {}
        module: Any = ModuleType("taskgroup.pipeline.ray_executor")
        module.RayExecutor = lambda *words: Made("a cluster", *words)
        monkeypatch.setitem(sys.modules, "taskgroup.pipeline.ray_executor", module)
        monkeypatch.setattr("taskgroup.pipeline.nursery.Nursery", lambda *words: Made("a nursery", *words))
        monkeypatch.setattr("taskgroup.pipeline.job.run_job", self.run)

    def made(self) -> tuple[object, ...]:
        """What was made of it; it is closed by now."""
        made = self.options["executor"]
        assert made.closed == 1
        return tuple(made.words)

    def run(self, config: object, folder: Path, **options: Any) -> None:
        assert options["executor"] is None or not options["executor"].closed
        self.options = {"folder": folder, **options}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(monkeypatch)


def test_processes_of_this_machine_unless_something_is_said(run: Run) -> None:
    Execution().run(object(), Path("base"), Path("out"))  # type: ignore[arg-type]
    assert run.made() == ("a nursery", Path("out"), 1, None)
    assert (run.options["workers"], run.options["trial_limit_s"], run.options["storage"]) == (1, None, None)
    assert (run.options["base"], run.options["folder"]) == (Path("base"), Path("out"))
    Execution(workers=3, trial_limit_s=9.0, storage="sqlite:///x").run(object(), Path(), Path())  # type: ignore[arg-type]
    assert (run.options["workers"], run.options["trial_limit_s"], run.options["storage"]) == (3, 9.0, "sqlite:///x")
    assert run.made() == ("a nursery", Path(), 3, 9.0)


def test_a_fork_server_where_children_cannot_follow_their_parent(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskgroup.pipeline.parents.CAN_FOLLOW", False)
    Execution(workers=3).run(object(), Path(), Path())  # type: ignore[arg-type]
    assert run.options["executor"] is None


def test_a_ray_cluster_takes_as_many_as_it_has_room_for(run: Run) -> None:
    Execution(ExecutorName.RAY).run(object(), Path(), Path("out"))  # type: ignore[arg-type]
    assert run.made() == ("a cluster", Path("out"), None, None, 0.0, None)
    Execution(ExecutorName.RAY, 4, "head:6379", 0.25, 60.0).run(object(), Path(), Path("out"))  # type: ignore[arg-type]
    assert run.made() == ("a cluster", Path("out"), 4, "head:6379", 0.25, 60.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"address": "auto"}, "--address: is for --executor ray, found --executor local"),
        ({"gpus": 0.5}, "--gpus: is for --executor ray, found --executor local"),
        (
            {"executor": ExecutorName.RAY, "gpus": 1.5},
            "--gpus: should be a fraction of one GPU, or whole ones, found 1.5",
        ),
    ],
)
def test_what_would_be_ignored_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)):
        Execution(**options)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (
            ["--executor", "ray", "--address", "ray://me:secret@host:10001"],
            2,
            "taskgroup: address: ray:// is for Ray's",
        ),
        (
            ["--executor", "ray", "--address", "127.0.0.1:1"],
            1,
            "taskgroup: address: no Ray cluster answers at 127.0.0.",
        ),
        (["--gpus", "0.5"], 2, "taskgroup: --gpus: is for --executor ray"),
        (["--executor", "dask"], 2, ""),
        (["--trial-limit", "0"], 2, ""),
    ],
)
def test_the_command_says_what_is_wrong_and_begins_nothing(
    words: list[str],
    code: int,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(CONFIG))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["taskgroup", "run", "tiny.yaml", "--out", "out", *words])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    told = capsys.readouterr().err
    assert stop.value.code == code, told
    assert sentence in told
    assert "secret" not in told
    assert not Path("out").exists()


def test_without_ray_its_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(CONFIG))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setattr(sys, "argv", ["taskgroup", "run", "tiny.yaml", "--executor", "ray"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert capsys.readouterr().err == (
        "taskgroup: executor: ray needs the extra `ray`: pip install 'taskgroup-mtl[ray]'\n"
    )
