"""What every grouper must keep, over the whole table: a new line there is tested before it has tests of its own."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from planted_affinities import NAMES, affinity_of, clades, parts, planted_matrix, random_matrix
from pydantic import BaseModel, ValidationError

from taskgroup.core.affinity import Affinity, Array
from taskgroup.core.grouping import Grouping
from taskgroup.core.record import Proposals
from taskgroup.errors import InputError
from taskgroup.groupers import GROUPERS, Grouper

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "hierarchical": [{"linkage": "average"}, {"linkage": "complete"}, {"linkage": "ward"}, {"max_groups": 3}],
    "spectral": [{}, {"max_groups": 3}],
}
CASES = [(name, options) for name in GROUPERS.names for options in OPTIONS.get(name, [{}])]
EXACT_GROUPS = np.kron(np.eye(3), np.ones((2, 2)))  # Euclidean distances, many ties
TIES = np.array([[0, 2, 1, 1, 0], [2, 0, 1, 1, 0], [1, 1, 0, 2, 0], [1, 1, 2, 0, 0], [0, 0, 0, 0, 0]], dtype=np.float64)
MATRICES = [random_matrix(5, 0), random_matrix(9, 1), planted_matrix((3, 4), 0.3, 2)[0], EXACT_GROUPS, TIES]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def grouper(request: pytest.FixtureRequest) -> Grouper:
    name, options = request.param
    made: Grouper = GROUPERS.create(name, options)
    return made


def answers(found: Proposals) -> tuple[object, ...]:
    """Everything a result says, without the order of the tasks."""
    groupings = [(parts(p.grouping), p.source) for p in found.proposals]
    return groupings, [(t.source, clades(t.tree)) for t in found.trees], found.notes


def test_frozen_and_named_in_the_table(grouper: Grouper) -> None:
    assert isinstance(grouper, BaseModel)
    data = grouper.model_dump()
    assert GROUPERS[data["method"]] is type(grouper)
    assert type(grouper).model_validate(data) == grouper
    with pytest.raises(ValidationError):
        grouper.method = "other"  # type: ignore[attr-defined]
    with pytest.raises(ValidationError):
        GROUPERS.create(data["method"], {"linkage_": "average"})


@pytest.mark.parametrize("n_tasks", range(1, 10))
def test_partitions_of_exactly_the_given_names_from_coarse_to_fine(grouper: Grouper, n_tasks: int) -> None:
    found = grouper(affinity_of(random_matrix(n_tasks, 7)))
    sizes = [len(p.grouping) for p in found.proposals]
    assert sizes == sorted(sizes)
    assert all(2 <= k <= n_tasks - 1 for k in sizes)
    for proposal in found.proposals:
        assert proposal.grouping.tasks == NAMES[:n_tasks]
        assert sorted(t for group in proposal.grouping.groups for t in group) == sorted(NAMES[:n_tasks])
    assert all(t.tree.tasks == NAMES[:n_tasks] for t in found.trees)
    assert found.proposals or found.notes


def test_sweeps_every_number_of_groups(grouper: Grouper) -> None:
    matrix = planted_matrix((3, 2, 3), 0.2, 0)[0]
    found = grouper(affinity_of(matrix))
    last = getattr(grouper, "max_groups", None) or len(matrix) - 1
    assert [len(p.grouping) for p in found.proposals] == list(range(2, last + 1))
    assert [len(t.tree.merges) for t in found.trees] == [len(matrix) - 1]


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("seed", range(3))
def test_follows_a_permutation_of_the_tasks(grouper: Grouper, matrix: Array, seed: int) -> None:
    at = np.random.default_rng(seed).permutation(len(matrix))
    permuted = affinity_of(matrix[np.ix_(at, at)], names=[NAMES[i] for i in at])
    assert answers(grouper(permuted)) == answers(grouper(affinity_of(matrix)))


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("scale", [1e-4, 0.3, 70.0])
def test_unchanged_by_positive_scale_and_constants_of_targets(grouper: Grouper, matrix: Array, scale: float) -> None:
    constants = np.random.default_rng(3).normal(0, 10 * scale, len(matrix))
    changed = grouper(affinity_of(scale * matrix + constants))
    assert answers(changed) == answers(grouper(affinity_of(matrix)))


def test_the_diagonal_does_not_count(grouper: Grouper) -> None:
    matrix = random_matrix(6, 5)
    assert answers(grouper(affinity_of(matrix + 9 * np.eye(6)))) == answers(grouper(affinity_of(matrix)))


@pytest.mark.parametrize("sizes", [(3, 3), (2, 4), (2, 3, 4), (4, 4, 4), (2, 2, 2, 2)])
@pytest.mark.parametrize(("noise", "seed"), [(0.0, 0), (0.15, 1), (0.15, 2), (0.3, 3)])
def test_planted_groups_are_found(grouper: Grouper, sizes: tuple[int, ...], noise: float, seed: int) -> None:
    matrix, labels = planted_matrix(sizes, noise, seed)
    found = grouper(affinity_of(matrix))
    if len(sizes) <= (getattr(grouper, "max_groups", None) or 9):
        truth = parts(Grouping(tasks=NAMES[: len(labels)], labels=labels))
        assert [parts(p.grouping) for p in found.proposals if len(p.grouping) == len(sizes)] == [truth]


def test_looks_at_the_stage_asked_for(grouper: Grouper) -> None:
    early, late = EXACT_GROUPS, np.roll(EXACT_GROUPS, (1, 1), (0, 1))
    affinity = affinity_of(early, late)
    assert answers(grouper(affinity, "s1"))[:2] == answers(grouper(affinity_of(early)))[:2]
    assert answers(grouper(affinity)) == answers(grouper(affinity_of(late)))
    with pytest.raises(InputError, match="`stage` should be one of s1, trunk, found `trunc`, did you mean `trunk`"):
        grouper(affinity, "trunc")


def no_groups(found: Proposals, *words: str) -> None:
    assert found.proposals == ()
    for word in words:
        assert word in " ".join(found.notes)


def test_one_task_has_a_tree_without_merges(grouper: Grouper) -> None:
    found = grouper(affinity_of([[3.0]]))
    no_groups(found, "one task")
    assert [t.tree.merges for t in found.trees] == [()]


def test_two_tasks_cannot_be_told_apart(grouper: Grouper) -> None:
    found = grouper(affinity_of([[0.0, 3.0], [1.0, 0.0]]))
    no_groups(found, "two tasks", "does not separate")
    assert [t.tree.merges for t in found.trees] == [((0, 1),)]


CONSTANTS = [np.zeros((4, 4)), np.full((5, 5), -3.3), np.tile([1e-3, -2, 7, 0.1, 3], (5, 1))]


@pytest.mark.parametrize("matrix", CONSTANTS, ids=["zero", "constant", "constant per target"])
def test_constant_evidence_separates_no_groups(grouper: Grouper, matrix: Array) -> None:
    found = grouper(affinity_of(matrix))
    no_groups(found, "does not separate groups")
    assert [len(t.tree.merges) for t in found.trees] == [len(matrix) - 1]


def test_purely_antisymmetric_evidence_separates_no_groups(grouper: Grouper) -> None:
    ring = np.roll(np.eye(5), 1, axis=1)  # each task helps the next as much as it harms the one before
    no_groups(grouper(affinity_of(ring - ring.T)), "does not separate groups")


def with_unknown(matrix: Array, *cells: tuple[int, int]) -> Affinity:
    holed = matrix.copy()
    for cell in cells:
        holed[cell] = np.nan
    return affinity_of(holed)


def test_unknown_entries_are_named_and_do_not_hide_the_groups(grouper: Grouper) -> None:
    matrix, labels = planted_matrix((4, 4), 0.1, 4)
    found = grouper(with_unknown(matrix, (0, 1), (1, 0), (2, 5)))
    assert "3 of 56 affinities at `trunk` are unknown" in " ".join(found.notes)
    assert "count as neutral (similarity 0): 1" in " ".join(found.notes)
    assert parts(found.proposals[0].grouping) == parts(Grouping(tasks=NAMES[:8], labels=labels))


def test_nothing_known(grouper: Grouper) -> None:
    found = grouper(affinity_of(np.full((4, 4), np.nan)))
    no_groups(found, "12 of 12 affinities", "does not separate groups")
    assert [len(t.tree.merges) for t in found.trees] == [3]


def test_a_task_without_any_evidence_stays_in_the_answer(grouper: Grouper) -> None:
    matrix, _ = planted_matrix((3, 3), 0.1, 1)
    matrix[2, :] = matrix[:, 2] = np.nan
    found = grouper(affinity_of(matrix))
    assert "10 of 30 affinities" in " ".join(found.notes)
    assert found.proposals
    assert all(p.grouping.tasks == NAMES[:6] for p in found.proposals)


def test_negative_and_positive_affinities_give_the_same(grouper: Grouper) -> None:
    matrix = random_matrix(6, 11)
    below = grouper(affinity_of(matrix - 100))
    assert answers(below) == answers(grouper(affinity_of(matrix + 100)))


def test_importing_the_table_loads_no_clustering_library() -> None:
    code = "import sys, taskgroup.groupers; print(sorted({'scipy', 'sklearn', 'torch'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_misspelt_grouper_is_refused_with_a_hint() -> None:
    with pytest.raises(InputError, match=r"grouper should be one of .*, found `spectrl`, did you mean `spectral`"):
        GROUPERS.create("spectrl", {})
