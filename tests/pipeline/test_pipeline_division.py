"""Divisions in a job: where it is asked for, each confirmation divides rows anew, for all arms alike."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_jobs import SPACE, make_folder, make_problem, trial
from torch import nn

import taskgroup
from taskgroup.core.trial import TrialSpec
from taskgroup.nn.trunk import Trunk
from taskgroup.pipeline import work
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.networks import rows_of
from taskgroup.pipeline.prepared import Prepared
from taskgroup.pipeline.together import grouped
from taskgroup.problems.load import load_problem
from taskgroup.problems.problem import Problem


def random_problem(trunk: Trunk | None = None) -> Problem:
    return replace(make_problem(trunk=trunk), random_split=True)


def specs_of(monkeypatch: pytest.MonkeyPatch, folder: Path, problem: Problem, **confirm: Any) -> list[TrialSpec]:
    """Of all trials of a job."""
    seen: list[TrialSpec] = []
    original = work.run_trial

    def run(spec: TrialSpec, prepared: Prepared) -> Any:
        seen.append(spec)
        return original(spec, prepared)

    monkeypatch.setattr(work, "run_trial", run)
    space = {**SPACE, "confirm": {**SPACE["confirm"], "shortlist": 0, **confirm}}
    taskgroup.plan(problem, space, out=folder / "out")
    return seen


def divisions(specs: list[TrialSpec], step: str) -> list[int | None]:
    """Numbers of the divisions of a step's trials."""
    return [spec.division and spec.division[1] for spec in specs if spec.step == step]


def test_where_the_split_is_random_all_arms_are_confirmed_on_the_same_divisions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    specs = specs_of(monkeypatch, tmp_path, random_problem(), division="auto")
    found = divisions(specs, "confirm")
    assert found == [0, 1] * (len(found) // 2)
    assert len({spec.division[0] for spec in specs if spec.division}) == 1
    assert set(divisions(specs, "search")) == set(divisions(specs, "test")) == {None}


@pytest.mark.parametrize(
    ("problem", "division", "expected"),
    [(random_problem(), None, {None}), (make_problem(), "auto", {None}), (make_problem(), "anew", {0, 1})],
)
def test_otherwise_the_config_decides(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, problem: Problem, division: str | None, expected: set[int | None]
) -> None:
    asked = {} if division is None else {"division": division}
    assert set(divisions(specs_of(monkeypatch, tmp_path, problem, **asked), "confirm")) == expected


def test_a_trial_trains_and_validates_on_its_division(tmp_path: Path) -> None:
    prepared = make_folder(tmp_path, random_problem())
    given = rows_of(trial(prepared), prepared)
    anew = rows_of(trial(prepared, division=(3, 0)), prepared)
    assert [len(part) for part in anew] == [len(part) for part in given]
    assert not torch.equal(anew[1].inputs, given[1].inputs)
    known = {tuple(row) for part in given for row in part.inputs.tolist()}
    assert {tuple(row) for part in anew for row in part.inputs.tolist()} == known
    assert work.run_trial(trial(prepared, "search", division=(3, 0)), prepared).errors != (
        work.run_trial(trial(prepared, "search"), prepared).errors
    )


def test_together_each_seed_has_its_division(tmp_path: Path) -> None:
    plain = Trunk({"low": nn.Sequential(nn.Linear(4, 8), nn.Tanh()), "high": nn.Linear(8, 4)})
    prepared = make_folder(tmp_path, random_problem(plain))
    alone = [trial(prepared, "confirm", seed=seed, division=(3, k)) for k, seed in enumerate((1, 2, 5))]
    group = grouped(prepared, alone)
    assert [spec.together for spec in group] == [(1, 2, 5)] * 3
    assert work.run_trial(group[1], prepared).state == "complete"
    for spec, by_itself in zip(group, alone, strict=True):
        result = prepared.folder.result(spec)
        found = result or work.run_trial(group[1], prepared)
        assert found.redrawn == ()  # every seed has other rows
        assert found.errors == pytest.approx(work.run_trial(by_itself, prepared).errors, rel=1e-3)


def test_what_is_random_is_known_by_where_it_came_from(tmp_path: Path) -> None:
    def of(**split: Any) -> bool:
        data = {"source": "bundled", "name": "linnerud", **({"split": split} if split else {})}
        config = Config.model_validate({**SPACE, "problem": data, "trunk": {"name": "mlp", "width": 4, "depth": 2}})
        assert config.problem is not None
        return load_problem(config.problem, config.trunk, tmp_path).random_split

    assert of()
    table = tmp_path / "t.csv"
    lines = [f"{k},{k % 3},{k % 2},{k},{('train', 'val', 'test')[k // 10]}" for k in range(30)]
    table.write_text("\n".join(["x,y,z,when,part", *lines]))
    for split, expected in (({"seed": 1}, True), ({"time": "when"}, False), ({"column": "part"}, False)):
        tasks = {"y": {"kind": "multiclass"}, "z": {"kind": "binary"}}
        data = {"source": "table", "path": "t.csv", "split": split, "inputs": ["x"], "tasks": tasks}
        config = Config.model_validate({**SPACE, "problem": data, "trunk": {"name": "mlp", "width": 4, "depth": 2}})
        assert config.problem is not None
        assert load_problem(config.problem, config.trunk, tmp_path).random_split is expected
