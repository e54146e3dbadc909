"""Exports of a job: those its config asks for, and those made of its folder afterwards."""

import runpy
from pathlib import Path

import pytest
import torch
from tiny_jobs import PYTHON_PROBLEM, SPACE, make_problem, make_trunk

import taskgroup
from taskgroup.core.record import TrialRow
from taskgroup.errors import InputError
from taskgroup.pipeline.api import Plan
from taskgroup.pipeline.prepared import read_rows


class Said:
    """Keeps what a job says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def begin(self, step: str, total: int) -> None: ...

    def advance(self, done: int, best_gain: float | None = None) -> None: ...

    def trial(self, row: TrialRow) -> None: ...

    def end(self, note: str) -> None: ...

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def said() -> Said:
    return Said()


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory, said: Said) -> Plan:
    """A finished job whose problem was in memory."""
    space = {**SPACE, "export": {"formats": ["svg", "python", "peft"]}}
    return taskgroup.plan(make_problem(), space, out=tmp_path_factory.mktemp("job") / "out", progress=said)


def test_a_job_writes_its_network_and_goes_on_where_a_format_cannot(plan: Plan, said: Said) -> None:
    folder = plan.folder / "exports"
    assert sorted(file.name for file in folder.iterdir()) == [
        "network_python.py", "network_python.safetensors", "spec.svg",
    ]  # fmt: skip
    made = runpy.run_path(str(folder / "network_python.py"))["load"]()
    network = taskgroup.build(plan.spec, make_trunk())
    taskgroup.load_weights(network, plan.folder / "weights.safetensors").eval()
    rows = read_rows(plan.folder / "data" / "val.npz").inputs
    with torch.no_grad():
        found, expected = made(rows), network(rows)
    for task in plan.spec.tasks.names:
        torch.testing.assert_close(found[task], expected[task])
    (fault,) = said.lines
    assert "peft" in fault  # is for trunks of the transformers library


def test_a_jobs_folder_is_exported_with_its_weights(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a built-in one; pass it as `trunk`"):
        taskgroup.export(plan.folder, "python", tmp_path / "net.py")
    files = taskgroup.export(plan.folder, "python", tmp_path / "net.py", trunk=make_trunk())
    first = plan.folder / "exports" / "network_python.py"
    assert files[0].read_bytes() == first.read_bytes()
    assert files[1].read_bytes() == first.with_suffix(".safetensors").read_bytes()


def test_a_spec_in_memory_needs_weights_by_name(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="export: this format needs the network's weights; pass `weights`"):
        taskgroup.export(plan.spec, "python", tmp_path / "net.py", trunk=make_trunk())
    weights = plan.folder / "weights.safetensors"
    assert taskgroup.export(plan.spec, "python", tmp_path / "net.py", weights=weights, trunk=make_trunk())
    assert taskgroup.export(plan.spec, "yaml", str(tmp_path / "plan.yaml")) == (tmp_path / "plan.yaml",)
    assert taskgroup.load_spec(tmp_path / "plan.yaml") == plan.spec


def test_a_job_of_a_python_problem_knows_its_trunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exported_problem.py").write_text(PYTHON_PROBLEM)
    space = {**SPACE, "problem": {"source": "python", "target": "exported_problem:make"}}
    made = taskgroup.plan(space=space, out=tmp_path / "job")
    files = taskgroup.export(made.folder, "python", tmp_path / "net.py")
    assert "class One(nn.Linear):" in files[0].read_text()


def test_what_was_done_to_the_rows_lies_beside_the_network_of_a_job(tmp_path: Path) -> None:
    """Without it nobody could feed the network."""
    plan = taskgroup.plan({"source": "bundled", "name": "linnerud"}, {**SPACE, "name": "fit", "trunk": {"name": "mlp"}},
                          out=tmp_path / "job")  # fmt: skip
    for suffix, to in ((".py", "python"), (".pt2", "torch-export")):
        *_, last = taskgroup.export(plan.folder, to, tmp_path / f"net{suffix}")
        assert last == tmp_path / "net.preprocessing.json"
        assert last.read_bytes() == (plan.folder / "data" / "preprocessing.json").read_bytes()
        last.unlink()


def test_where_nothing_can_be_written(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="should be a file to write, found a folder"):
        taskgroup.export(plan.folder, "python", tmp_path, trunk=make_trunk())
    weights = tmp_path / "net.safetensors"
    weights.write_bytes((plan.folder / "weights.safetensors").read_bytes())
    with pytest.raises(InputError, match="would be written over the network's own weights"):
        taskgroup.export(plan.spec, "python", tmp_path / "net.py", weights=weights, trunk=make_trunk())
    main, *_ = taskgroup.export(plan.spec, "torch-export", tmp_path / "net.pt2", weights=weights, trunk=make_trunk())
    assert main.is_file()  # beside weights of its name, which it leaves alone
