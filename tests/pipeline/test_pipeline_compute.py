"""Compute in closed form, on a trunk of 32 and 32 multiply-accumulates and heads of 4, 4 and 12."""

from pathlib import Path

import numpy as np
import pytest
from tiny_jobs import STAGES, TASKS, make_folder, make_trunk

from taskgroup.core.recipe import Candidate
from taskgroup.core.spec import AdapterSpec, Architecture, Helper, Recipe
from taskgroup.core.task import Task
from taskgroup.core.topology import Topology
from taskgroup.measures import MEASURES
from taskgroup.measures.training.schedule import look_cost
from taskgroup.pipeline.compute import Compute
from taskgroup.pipeline.prepared import Prepared
from taskgroup.problems.problem import Problem

NAMES = tuple(task.name for task in TASKS)
TRUNK, HEADS = 32 + 32, 4 * (1 + 1 + 3)
LOOK = {"method": "lookahead"}


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    return make_folder(tmp_path)


def own_rows(folder: Path, counts: tuple[int, ...]) -> Prepared:
    """Three regressions, each with so many training rows of its own."""
    owner = np.repeat(np.arange(3), counts)
    inputs = np.random.default_rng(0).normal(size=(2 * len(owner), 4)).astype(np.float32)
    labels = {t: np.where(np.tile(owner, 2) == k, inputs[:, 0], np.nan) for k, t in enumerate(NAMES)}
    split = np.repeat([0, 1], len(owner))
    split[-6:] = 2
    tasks = tuple(Task(name=name, kind="regression") for name in NAMES)
    return make_folder(folder, Problem.from_arrays("own", tasks, inputs, labels, split, make_trunk()))


def of(matrix: tuple[tuple[int, ...], ...], **recipe: object) -> Candidate:
    topology = Topology(tasks=NAMES, stages=STAGES, matrix=matrix)
    return Candidate(architecture=Architecture(topology=topology), recipe=Recipe.model_validate(recipe))


SHARED, SEPARATE, LATE = of(((0, 0, 0),) * 2), of(((0, 1, 2),) * 2), of(((0, 0, 0), (0, 1, 1)))


def test_with_shared_rows_every_copy_runs_on_all_of_them(prepared: Prepared) -> None:
    compute = Compute.of(prepared, 100)
    assert compute.trainings(SHARED, 100) == 1
    assert compute.trainings(SEPARATE, 100) == pytest.approx((3 * TRUNK + HEADS) / (TRUNK + HEADS))
    assert compute.trainings(LATE, 100) == pytest.approx((32 + 2 * 32 + HEADS) / (TRUNK + HEADS))


def test_with_rows_of_their_own_a_row_runs_along_its_own_path(tmp_path: Path) -> None:
    compute = Compute.of(own_rows(tmp_path, (40, 20, 20)), 100)
    np.testing.assert_allclose(compute.shares, (0.5, 0.25, 0.25))
    assert compute.trainings(SEPARATE, 100) == pytest.approx(1)
    assert compute.trainings(LATE, 100) == pytest.approx(1)
    # adapters of the two tasks that have half of the rows
    adapted = LATE.architecture.model_copy(update={"adapters": (AdapterSpec(stage="high", size=2),)})
    one = 4 * 2 + 2 * 4
    found = compute.trainings(Candidate(architecture=adapted), 100)
    assert found == pytest.approx((TRUNK + 4 + 0.5 * one) / (TRUNK + 4))


def test_a_helper_s_own_rows_run_along_the_path_that_it_helps_too(prepared: Prepared, tmp_path: Path) -> None:
    helped = SEPARATE.architecture.model_copy(update={"helpers": (Helper(task=NAMES[0], along=NAMES[2]),)})
    own = Compute.of(own_rows(tmp_path / "own", (40, 20, 20)), 100)
    assert own.trainings(Candidate(architecture=helped), 100) == pytest.approx(1.5)  # half of the rows, once more
    shared = Compute.of(prepared, 100)  # all rows run along every path anyway
    assert shared.trainings(Candidate(architecture=helped), 100) == shared.trainings(SEPARATE, 100)


def test_adapters_for_tasks_multiply_what_runs_behind_them(prepared: Prepared, tmp_path: Path) -> None:
    entry = AdapterSpec(stage="low", size=2)
    adapted = Candidate(architecture=SHARED.architecture.model_copy(update={"adapters": (entry,)}))
    adapters = 3 * (8 * 2 + 2 * 8)
    found = Compute.of(prepared, 100).trainings(adapted, 100)
    assert found == pytest.approx((32 + adapters + 3 * 32 + HEADS) / (TRUNK + HEADS))
    own = Compute.of(own_rows(tmp_path / "own", (40, 20, 20)), 100).trainings(adapted, 100)
    # a row passes one adapter, the second stage once, and its own head
    assert own == pytest.approx((32 + adapters / 3 + 32 + 4) / (TRUNK + 4))


def test_steps_and_heads_scale(prepared: Prepared) -> None:
    compute = Compute.of(prepared, 100)
    assert compute.trainings(SEPARATE, 250) == pytest.approx(2.5 * compute.trainings(SEPARATE, 100))
    wide = Candidate(architecture=SHARED.architecture.model_copy(update={"head_size": 8}))
    heads = 3 * 4 * 8 + 8 * (1 + 1 + 3)
    assert compute.trainings(wide, 100) == pytest.approx((TRUNK + heads) / (TRUNK + HEADS))
    assert Compute.of(prepared, 100, head_size=8).trainings(wide, 100) == 1


def test_backward_passes_of_each_task_are_charged(prepared: Prepared) -> None:
    compute = Compute.of(prepared, 100)
    operated = of(((0, 0, 0),) * 2, weighting="pcgrad", lr_scale=4.0)
    assert compute.trainings(operated, 100) == pytest.approx(1.8 + 0.036 * 3)
    assert compute.trainings(of(((0, 0, 0),) * 2, lr_scale=4.0), 100) == 1


def test_looks_are_charged_by_their_number(prepared: Prepared) -> None:
    compute = Compute.of(prepared, 100)
    one = compute.looks(LOOK, 1)
    assert one == pytest.approx(look_cost(MEASURES.create("lookahead", LOOK), compute.tower, 3) / 100)
    assert 0 < one < 1
    assert compute.looks(LOOK, 7) == pytest.approx(7 * one)
    assert compute.looks({"method": "rsa"}, 7) == compute.looks({"method": "uninformed"}, 7) == 0
