"""``taskgroup cost``: the parts, the baselines, and what was measured; the numbers that search uses."""

import re
import sys
from pathlib import Path

import pytest
import torch

import taskgroup
from taskgroup import cli
from taskgroup.core.spec import AdapterSpec, Architecture, Helper, Spec, TrunkSpec
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.topology import Topology
from taskgroup.errors import InputError
from taskgroup.exporters import EXPORTERS
from taskgroup.nn.cost import CostModel, measured_cost
from taskgroup.report.text import TIMES

STAGES = ("block1", "block2")
TASKS = TaskSet(tasks=tuple(Task(name=name, kind="regression") for name in "\x1bbcdef"))
TOPOLOGY = Topology(tasks=TASKS.names, stages=STAGES, matrix=((0,) * 6, (0, 0, 0, 0, 0, 1)))
ARCHITECTURE = Architecture(
    topology=TOPOLOGY,
    adapters=(AdapterSpec(stage="block2", size=2),),
    helpers=(Helper(task=TASKS.names[0], along=TASKS.names[5]),),
)
MLP = TrunkSpec(name="mlp", stages=STAGES, options={"width": 8, "depth": 2}, input_shape=(3,))
OWN_TRUNK = """
from torch import nn
from taskgroup import Trunk
def trunk():
    return Trunk({"block1": nn.Linear(3, 4), "block2": nn.Linear(4, 5)})
def none():
    return 3
"""


def spec_of(trunk: TrunkSpec = MLP) -> Spec:
    return Spec(tasks=TASKS, trunk=trunk, architecture=ARCHITECTURE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("spec.yaml").write_text(EXPORTERS.create("yaml", {}).export(spec_of()), encoding="utf-8")
    own = TrunkSpec(name="mine:trunk", stages=STAGES, input_shape=(3,))
    Path("own.yaml").write_text(EXPORTERS.create("yaml", {}).export(spec_of(own)), encoding="utf-8")
    return tmp_path


def call(*words: str | Path, code: int = 0) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["taskgroup", "cost", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
    assert (stop.value.code or 0) == code


def rows(printed: str) -> list[list[str]]:
    """Cells of the table rows."""
    return [re.split(r" {2,}", line.strip()) for line in printed.splitlines()]


def test_parts_and_baselines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("spec.yaml")
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    assert "\x1b" not in out
    some, found = "\\x1b, b, c, d", rows(out)
    assert ["block1", "0", f"{some} and 2 more", "copy", "1", "32", "7.3%", "24", "6.7%"] in found
    assert ["block2", "0", f"{some} and 1 more", "copy", "1", "72", "16.4%", "64", "17.8%"] in found
    assert [
        "block2",
        "0",
        f"{some} and 1 more",
        f"5 {TIMES} bottleneck 2",
        "5",
        "210",
        "47.7%",
        "160",
        "44.4%",
    ] in found
    assert ["block2", "1", "f", "copy", "1", "72", "16.4%", "64", "17.8%"] in found
    assert ["heads", f"{some} and 2 more", f"6 {TIMES} head", "6", "54", "12.3%", "48", "13.3%"] in found
    assert ["all", "440", "360"] in found
    assert ["all-shared", "158", f"1.00 {TIMES}", "136", f"1.00 {TIMES}"] in found
    assert "Measured" not in out


def test_the_numbers_are_those_of_search_and_of_the_network(folder: Path) -> None:
    table, spec = taskgroup.cost_table("spec.yaml"), spec_of()
    network = taskgroup.build(spec.model_copy(update={"architecture": ARCHITECTURE.model_copy(update={"helpers": ()})}))
    x = torch.zeros(2, 3)
    assert table.costs["plan"] == CostModel.of(network.trunk, TASKS, x).cost(ARCHITECTURE)
    assert (table.costs["plan"].params, table.costs["plan"].macs) == measured_cost(network, x)
    assert sum(part.params for part in table.parts) == table.costs["plan"].params
    assert table.costs["all-separate"].macs == 6 * (24 + 64) + 48
    assert table == taskgroup.cost_table(spec)
    assert not table.measured


def test_measured_side_by_side(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("spec.yaml", "--measure", "--batch", "7", "--repeats", "2")
    out = capsys.readouterr().out
    assert "Measured on 7 rows: median and interquartile range of runs that took turns" in out
    table = [row for row in rows(out.partition("Measured")[2]) if row[0] in ("plan", "all-shared", "all-separate")]
    assert [row[0] for row in table] == ["plan", "all-shared", "all-separate"]
    assert all(re.fullmatch(r"[\d.e-]+ ms", row[1]) for row in table)
    assert table[1][3] == table[1][5] == f"1.00 {TIMES}"


def test_measured_are_networks_without_helpers(folder: Path) -> None:
    found = taskgroup.cost_table("spec.yaml", measure=True, batch=4, repeats=1)
    assert found.batch == 4
    for name, measured in found.measured.items():
        assert (measured.params, measured.macs) == (found.costs[name].params, found.costs[name].macs)
    assert found.measured["all-shared"].peak_bytes < found.measured["all-separate"].peak_bytes


def test_a_trunk_of_ones_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.py").write_text(OWN_TRUNK, encoding="utf-8")
    call("own.yaml", "--trunk", "mine:trunk")
    assert ["all-shared", "77", f"1.00 {TIMES}", "62", f"1.00 {TIMES}"] in rows(capsys.readouterr().out)


def test_faults_are_sentences(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine2.py").write_text(OWN_TRUNK, encoding="utf-8")
    faults = {
        ("own.yaml",): "the trunk `mine:trunk` is not a built-in one; pass it as `trunk`",
        ("own.yaml", "--trunk", "mine2"): "trunk: should read `module:function`, found `mine2`",
        ("own.yaml", "--trunk", "mine2:none"): "trunk: mine2:none should return a taskgroup.Trunk, found int",
        ("own.yaml", "--trunk", "mine2:nothing"): "trunk: mine2:nothing raised AttributeError",
        ("nowhere.yaml",): "nowhere.yaml",
    }
    for words, sentence in faults.items():
        call(*words, code=2)
        printed = capsys.readouterr()
        assert printed.out == ""
        assert sentence in printed.err


def test_batches_without_rows_are_refused() -> None:
    for option in ("batch", "repeats"):
        with pytest.raises(InputError, match=f"`{option}` should be at least 1, found 0"):
            taskgroup.cost_table(spec_of(), measure=True, **{option: 0})  # type: ignore[arg-type]
