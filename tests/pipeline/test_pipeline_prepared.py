"""Prepared data: what workers load, the test split apart, and another problem refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_jobs import make_folder, make_problem, make_trunk, trial
from torch import nn

from taskgroup.core.task import TaskSet
from taskgroup.errors import ConflictError
from taskgroup.nn.trunk import Trunk
from taskgroup.pipeline.prepared import data_key, prepare
from taskgroup.pipeline.work import run_trial
from taskgroup.problems.problem import SPLITS, Problem


def test_rows_of_each_split_as_they_were(tmp_path: Path) -> None:
    problem = make_problem()
    prepared = make_folder(tmp_path, problem)
    assert prepared.tasks == problem.tasks
    for split, number in SPLITS.items():
        rows = prepared.rows(split)
        at = problem.split == number
        np.testing.assert_array_equal(rows.inputs.numpy(), problem.inputs[at])
        np.testing.assert_array_equal(rows.labels.numpy(), problem.labels[at].astype(np.float32))
    assert prepared.example().shape == (2, 4)


def test_only_the_test_step_reads_the_test_rows(tmp_path: Path) -> None:
    prepared = make_folder(tmp_path)
    (tmp_path / "data" / "test.npz").unlink()
    for step in ("measure", "search", "confirm"):
        assert run_trial(trial(prepared, step), prepared).state == "complete", step
    confirmed = trial(prepared, "confirm")
    result = run_trial(trial(prepared, "test", weights=confirmed.key), prepared)
    assert result.state == "failed"
    assert "test.npz" in result.message


def changed() -> dict[str, Problem]:
    problem = make_problem()
    labels, inputs, split = problem.labels.copy(), problem.inputs.copy(), problem.split.copy()
    labels[3, 1] = 1 - labels[3, 1]
    inputs[5, 2] += 1e-3
    split[0] = -1
    weighted = [t.model_copy(update={"weight": 2.0}) if t.name == "sign" else t for t in problem.tasks]
    relu = Trunk(
        {"low": nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.1)), "high": make_trunk().stages["high"]}
    )
    return {
        "labels": replace(problem, labels=labels),
        "inputs": replace(problem, inputs=inputs),
        "split": replace(problem, split=split),
        "tasks": replace(problem, tasks=TaskSet(tasks=tuple(weighted))),
        "width": make_problem(trunk=make_trunk(9)),
        "activation": make_problem(trunk=relu),
    }


@pytest.mark.parametrize("what", changed())
def test_another_problem_is_refused(tmp_path: Path, what: str) -> None:
    prepared = make_folder(tmp_path)
    with pytest.raises(ConflictError, match="the data or the trunk changed since this job began"):
        prepare(changed()[what], prepared.folder, {})
    assert prepare(make_problem(), prepared.folder, {}) == prepared.key


def test_weights_count_where_networks_start_from_them() -> None:
    def key(shift: float, *, reinitialize: bool) -> str:
        trunk = make_trunk(reinitialize=reinitialize)
        with torch.no_grad():
            next(trunk.stages["low"].parameters()).add_(shift)
        return data_key(make_problem(trunk=trunk))

    assert key(0.0, reinitialize=True) == key(0.1, reinitialize=True)
    assert key(0.0, reinitialize=False) != key(0.1, reinitialize=False)
    assert key(0.0, reinitialize=False) == key(0.0, reinitialize=False)
