"""What every grouper must keep, over the whole table: a new line there is tested before it has tests of its own."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from planted_affinities import NAMES, affinity_of, clades, parts, planted_matrix, random_matrix
from pydantic import BaseModel, ValidationError

from taskgroup.core.affinity import TRUNK, Affinity, Array
from taskgroup.core.grouping import Grouping
from taskgroup.core.record import Proposals
from taskgroup.errors import InputError
from taskgroup.groupers import GROUPERS, Grouper

Options = dict[str, Any]


def halves(tasks: tuple[str, ...]) -> Options:
    """Groups for ``given``: the first half by name, and the others alone."""
    return {"groups": [sorted(tasks)[: (len(tasks) + 1) // 2]]}


OPTIONS: dict[str, list[Options | Callable[[tuple[str, ...]], Options]]] = {
    "hierarchical": [
        {"linkage": "average"},
        {"linkage": "complete"},
        {"linkage": "ward"},
        {"linkage": "single"},
        {"linkage": "weighted"},
        {"max_groups": 3},
        {"symmetrization": "centred-min"},
        {"symmetrization": "centred-max"},
    ],
    "spectral": [{}, {"max_groups": 3}, {"symmetrization": "centred-min"}],
    "affinity_propagation": [{}, {"symmetrization": "centred-max", "max_groups": 3}],
    "community": [{}, {"null": "configuration"}, {"symmetrization": "centred-min", "max_groups": 3}],
    "given": [halves],
}
"""Examples of each method's options; a function where they name tasks."""

WITH_TREE = ("hierarchical", "spectral")
"""Methods that make a merge tree and reach every number of groups; the others make none, and say what they missed."""

FRAIL = ("hierarchical-single", "affinity_propagation-centred-max,3")
"""Cases that one lucky link leads astray: asked for planted groups only where every link within is above all across."""

WITHOUT_EVIDENCE = ("given",)
"""Methods that propose the same whatever the affinities are."""


@dataclass(frozen=True)
class Case:
    """A method with example options, made for the tasks of the affinity that it is asked about."""

    name: str
    options: Options | Callable[[tuple[str, ...]], Options]

    def made(self, tasks: tuple[str, ...]) -> Grouper:
        grouper: Grouper = GROUPERS.create(self.name, self.options(tasks) if callable(self.options) else self.options)
        return grouper

    def __call__(self, affinity: Affinity, stage: str = TRUNK) -> Proposals:
        return self.made(affinity.tasks)(affinity, stage)

    @property
    def looks(self) -> bool:
        return self.name not in WITHOUT_EVIDENCE

    @property
    def max_groups(self) -> int:
        return self.options.get("max_groups", 99) if isinstance(self.options, dict) else 99

    def __str__(self) -> str:
        shown = self.options.__name__ if callable(self.options) else ",".join(map(str, self.options.values()))
        return f"{self.name}-{shown}"


CASES = [Case(name, options) for name in GROUPERS.names for options in OPTIONS.get(name, [{}])]
EXACT_GROUPS = np.kron(np.eye(3), np.ones((2, 2)))  # Euclidean distances, many ties
TIES = np.array([[0, 2, 1, 1, 0], [2, 0, 1, 1, 0], [1, 1, 0, 2, 0], [1, 1, 2, 0, 0], [0, 0, 0, 0, 0]], dtype=np.float64)
MATRICES = [random_matrix(5, 0), random_matrix(9, 1), planted_matrix((3, 4), 0.3, 2)[0], EXACT_GROUPS, TIES]


@pytest.fixture(params=CASES, ids=str)
def grouper(request: pytest.FixtureRequest) -> Case:
    case: Case = request.param
    return case


@pytest.fixture(params=[case for case in CASES if case.looks], ids=str)
def looking(request: pytest.FixtureRequest) -> Case:
    """The methods that follow the evidence."""
    case: Case = request.param
    return case


def answers(found: Proposals) -> tuple[object, ...]:
    """Everything a result says, without the order of the tasks."""
    groupings = [(parts(p.grouping), p.source) for p in found.proposals]
    return groupings, [(t.source, clades(t.tree)) for t in found.trees], found.notes


def test_frozen_and_named_in_the_table(grouper: Case) -> None:
    made = grouper.made(NAMES)
    assert isinstance(made, BaseModel)
    data = made.model_dump()
    assert GROUPERS[data["method"]] is type(made)
    assert type(made).model_validate(data) == made
    with pytest.raises(ValidationError):
        made.method = "other"  # type: ignore[attr-defined]
    with pytest.raises(ValidationError):
        GROUPERS.create(data["method"], {"linkage_": "average"})


@pytest.mark.parametrize("n_tasks", range(1, 10))
def test_partitions_of_exactly_the_given_names_from_coarse_to_fine(grouper: Case, n_tasks: int) -> None:
    found = grouper(affinity_of(random_matrix(n_tasks, 7)))
    sizes = [len(p.grouping) for p in found.proposals]
    assert sizes == sorted(sizes)
    assert all(2 <= k <= n_tasks - 1 for k in sizes)
    for proposal in found.proposals:
        assert proposal.grouping.tasks == NAMES[:n_tasks]
        assert sorted(t for group in proposal.grouping.groups for t in group) == sorted(NAMES[:n_tasks])
    assert all(t.tree.tasks == NAMES[:n_tasks] for t in found.trees)
    assert found.proposals or found.notes


def trees_of(case: Case, found: Proposals) -> list[int]:
    """Numbers of merges of the trees, after a look at whether there may be trees at all."""
    assert bool(found.trees) == (case.name in WITH_TREE)
    return [len(t.tree.merges) for t in found.trees]


def test_sweeps_every_number_of_groups_or_says_which_it_missed(looking: Case) -> None:
    for matrix in (planted_matrix((3, 2, 3), 0.2, 0)[0], random_matrix(8, 3), EXACT_GROUPS, TIES):
        found = looking(affinity_of(matrix))
        sizes = [len(p.grouping) for p in found.proposals]
        wanted = list(range(2, min(looking.max_groups, len(matrix) - 1) + 1))
        assert sizes == sorted(set(sizes))
        assert set(sizes) <= set(wanted)
        assert trees_of(looking, found) == [len(matrix) - 1] * (looking.name in WITH_TREE)
        if looking.name in WITH_TREE:
            assert sizes == wanted
        else:
            assert sizes == wanted or "found no grouping into" in " ".join(found.notes)


def test_the_groups_of_the_user_stand_whatever_the_evidence() -> None:
    given = Case("given", halves)
    for matrix in (random_matrix(6, 0), np.zeros((6, 6)), np.full((6, 6), np.nan)):
        (proposal,) = given(affinity_of(matrix)).proposals
        assert parts(proposal.grouping) == frozenset(
            map(frozenset, (["digit", "loops", "mass"], ["parity"], ["prime"], ["width"]))
        )


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("seed", range(3))
def test_follows_a_permutation_of_the_tasks(grouper: Case, matrix: Array, seed: int) -> None:
    at = np.random.default_rng(seed).permutation(len(matrix))
    permuted = affinity_of(matrix[np.ix_(at, at)], names=[NAMES[i] for i in at])
    assert answers(grouper(permuted)) == answers(grouper(affinity_of(matrix)))


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("scale", [1e-4, 0.3, 70.0])
def test_unchanged_by_positive_scale_and_constants_of_targets(grouper: Case, matrix: Array, scale: float) -> None:
    constants = np.random.default_rng(3).normal(0, 10 * scale, len(matrix))
    changed = grouper(affinity_of(scale * matrix + constants))
    assert answers(changed) == answers(grouper(affinity_of(matrix)))


def test_the_diagonal_does_not_count(grouper: Case) -> None:
    matrix = random_matrix(6, 5)
    assert answers(grouper(affinity_of(matrix + 9 * np.eye(6)))) == answers(grouper(affinity_of(matrix)))


@pytest.mark.parametrize("sizes", [(3, 3), (2, 4), (2, 3, 4), (4, 4, 4), (2, 2, 2, 2)])
@pytest.mark.parametrize(("noise", "seed"), [(0.0, 0), (0.15, 1), (0.15, 2), (0.3, 3)])
def test_planted_groups_are_found(looking: Case, sizes: tuple[int, ...], noise: float, seed: int) -> None:
    matrix, labels = planted_matrix(sizes, noise, seed)
    found = looking(affinity_of(matrix))
    if len(sizes) <= looking.max_groups and not (str(looking) in FRAIL and noise > 0.15):
        truth = parts(Grouping(tasks=NAMES[: len(labels)], labels=labels))
        assert [parts(p.grouping) for p in found.proposals if len(p.grouping) == len(sizes)] == [truth]


def test_looks_at_the_stage_asked_for(looking: Case) -> None:
    early, late = EXACT_GROUPS, np.roll(EXACT_GROUPS, (1, 1), (0, 1))
    affinity = affinity_of(early, late)
    assert answers(looking(affinity, "s1"))[:2] == answers(looking(affinity_of(early)))[:2]
    assert answers(looking(affinity)) == answers(looking(affinity_of(late)))
    with pytest.raises(InputError, match="`stage` should be one of s1, trunk, found `trunc`, did you mean `trunk`"):
        looking(affinity, "trunc")


def no_groups(found: Proposals, *words: str) -> None:
    assert found.proposals == ()
    for word in words:
        assert word in " ".join(found.notes)


def test_one_task_has_a_tree_without_merges(grouper: Case) -> None:
    found = grouper(affinity_of([[3.0]]))
    no_groups(found, "one task")
    assert trees_of(grouper, found) == [0] * (grouper.name in WITH_TREE)


def test_two_tasks_cannot_be_told_apart(grouper: Case) -> None:
    found = grouper(affinity_of([[0.0, 3.0], [1.0, 0.0]]))
    no_groups(found, "two tasks", "does not separate")
    assert trees_of(grouper, found) == [1] * (grouper.name in WITH_TREE)


CONSTANTS = [np.zeros((4, 4)), np.full((5, 5), -3.3), np.tile([1e-3, -2, 7, 0.1, 3], (5, 1))]


@pytest.mark.parametrize("matrix", CONSTANTS, ids=["zero", "constant", "constant per target"])
def test_constant_evidence_separates_no_groups(looking: Case, matrix: Array) -> None:
    found = looking(affinity_of(matrix))
    no_groups(found, "does not separate groups")
    assert trees_of(looking, found) == [len(matrix) - 1] * (looking.name in WITH_TREE)


def test_purely_antisymmetric_evidence_separates_no_groups_under_the_mean(looking: Case) -> None:
    ring = np.roll(np.eye(5), 1, axis=1)  # each task helps the next as much as it harms the one before
    found = looking(affinity_of(ring - ring.T))
    if getattr(looking.made(NAMES), "symmetrization", None) == "centred-mean":
        no_groups(found, "does not separate groups")
    else:  # the lesser direction parts neighbours, the greater one ties them
        assert "does not separate groups" not in " ".join(found.notes)


def with_unknown(matrix: Array, *cells: tuple[int, int]) -> Affinity:
    holed = matrix.copy()
    for cell in cells:
        holed[cell] = np.nan
    return affinity_of(holed)


def test_unknown_entries_are_named_and_do_not_hide_the_groups(looking: Case) -> None:
    matrix, labels = planted_matrix((4, 4), 0.1, 4)
    found = looking(with_unknown(matrix, (0, 1), (1, 0), (2, 5)))
    assert "3 of 56 affinities at `trunk` are unknown" in " ".join(found.notes)
    assert "count as neutral (similarity 0): 1" in " ".join(found.notes)
    assert parts(found.proposals[0].grouping) == parts(Grouping(tasks=NAMES[:8], labels=labels))


def test_nothing_known(looking: Case) -> None:
    found = looking(affinity_of(np.full((4, 4), np.nan)))
    no_groups(found, "12 of 12 affinities", "does not separate groups")
    assert trees_of(looking, found) == [3] * (looking.name in WITH_TREE)


def test_a_task_without_any_evidence_stays_in_the_answer(grouper: Case) -> None:
    matrix, _ = planted_matrix((3, 3), 0.1, 1)
    matrix[2, :] = matrix[:, 2] = np.nan
    found = grouper(affinity_of(matrix))
    assert "10 of 30 affinities" in " ".join(found.notes)
    assert found.proposals
    assert all(p.grouping.tasks == NAMES[:6] for p in found.proposals)


def test_negative_and_positive_affinities_give_the_same(grouper: Case) -> None:
    matrix = random_matrix(6, 11)
    below = grouper(affinity_of(matrix - 100))
    assert answers(below) == answers(grouper(affinity_of(matrix + 100)))


def test_importing_the_table_loads_no_clustering_library() -> None:
    code = "import sys, taskgroup.groupers; print(sorted({'scipy', 'sklearn', 'networkx', 'torch'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_misspelt_grouper_is_refused_with_a_hint() -> None:
    with pytest.raises(InputError, match=r"grouper should be one of .*, found `spectrl`, did you mean `spectral`"):
        GROUPERS.create("spectrl", {})
