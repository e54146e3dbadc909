"""Arms that part tasks: rounds of pairs, scores of groups, covers as networks, trees by similarity, all by hand."""

import itertools

import numpy as np
import pytest
from plans_samples import STAGES, TASKS, Planted, affinity_of

from taskgroup.bench.plans.arms import ABLATIONS, ARMS, OURS, all_separate, all_shared, surgery
from taskgroup.bench.plans.branching import _trees, _within, rsa_branching
from taskgroup.bench.plans.groups import (
    _groups,
    _pair_values,
    _rounds,
    affinity_scores,
    cover_architecture,
    hoa_arm,
    tag,
)
from taskgroup.bench.plans.lab import Account
from taskgroup.core.cover import Cover, Network
from taskgroup.core.grouping import Grouping
from taskgroup.core.recipe import Candidate
from taskgroup.core.spec import Helper
from taskgroup.core.topology import Topology

PAIRS = Grouping.of(TASKS, [["a", "c"], ["b", "d"]])


def by_companions(candidate: Candidate, _: int) -> dict[str, float]:
    """a and c help each other, and b and d; anybody else harms; learning rates do not matter."""
    topology = candidate.architecture.topology
    gains: dict[str, float] = {}
    for s in range(len(topology.stages)):
        for group in topology.groups(s):
            for task in group:
                beside = [0.1 if {task, o} in ({"a", "c"}, {"b", "d"}) else -0.1 for o in group if o != task]
                gains[task] = gains.get(task, 0.0) + sum(beside) / len(topology.stages)
    return gains


@pytest.mark.parametrize("n_tasks", range(1, 10))
def test_rounds_hold_every_pair_once(n_tasks: int) -> None:
    tasks = tuple(f"t{k}" for k in range(n_tasks))
    rounds = [*_rounds(tasks, np.random.default_rng(0))]
    pairs = [tuple(sorted(g)) for pairing in rounds for g in pairing.groups if len(g) == 2]
    assert sorted(pairs) == sorted(itertools.combinations(sorted(tasks), 2))
    for pairing in rounds:
        sizes = sorted(len(group) for group in pairing.groups)
        assert sizes == [1] * (n_tasks % 2) + [2] * (n_tasks // 2)


def test_rounds_follow_from_the_seed() -> None:
    first, same, other = ([*_rounds(TASKS, np.random.default_rng(seed))] for seed in (0, 0, 3))
    assert first == same
    assert first != other


def test_affinity_scores_by_hand() -> None:
    values = np.array([[9, 0.4, -0.2], [0.1, 9, 0.3], [-0.5, 0.2, 9]])  # [source, target]
    scores = affinity_scores(affinity_of(values, ("a", "b", "c")))
    nan = np.nan
    found = {scores.group(k): scores.errors[k] for k in range(len(scores.errors))}
    expected = {
        ("a",): [0.5, nan, nan],  # as with its worst companion
        ("b",): [nan, 0.0, nan],
        ("c",): [nan, nan, 0.2],
        ("a", "b"): [-0.1, -0.4, nan],
        ("a", "c"): [0.5, nan, 0.2],
        ("b", "c"): [nan, -0.2, -0.3],
        ("a", "b", "c"): [0.2, -0.3, -0.05],
    }
    assert found.keys() == expected.keys()
    for group, errors in expected.items():
        np.testing.assert_allclose(found[group], errors, atol=1e-8, err_msg=str(group))
    assert (scores.cost == 1).all()


def test_with_many_tasks_groups_grow_around_each() -> None:
    values = np.random.default_rng(0).normal(size=(11, 11))
    rows = np.array([*_groups(values)])
    assert len({row.tobytes() for row in rows}) == len(rows) < 11 * 8
    assert (rows[rows.sum(axis=1) == 1].sum(axis=0) == 1).all()  # everybody alone, once
    assert rows.all(axis=1).sum() == 1  # and all together
    for target in range(11):
        helpful = max((j for j in range(11) if j != target), key=lambda j: values[j, target])
        assert any(set(np.flatnonzero(row)) == {target, helpful} for row in rows)


def test_values_of_pairs_by_hand() -> None:
    rows = [{"a": 1.0, "b": 2.0}, {"a": 3.0, "c": 4.0}, {"b": 5.0, "c": 6.0}, {"d": 7.0}]
    found = _pair_values(TASKS, rows)
    expected = [[0.0, 1.5, 1.0, 0.0], [1.0, 0.0, -1.0, 0.0], [-1.0, -1.5, 0.0, 0.0], [0.0] * 4]
    np.testing.assert_allclose(found, expected)


def test_a_cover_becomes_networks_with_helpers() -> None:
    networks = (
        Network(trains=("a", "b", "c"), serves=("a", "c")),
        Network(trains=("a", "b", "d"), serves=("b",)),
        Network(trains=("d",), serves=("d",)),
    )
    found = cover_architecture(Cover(tasks=TASKS, networks=networks, total=1.0, bound=1.0), STAGES, 8)
    assert found.topology.matrix == ((0, 1, 0, 2), (0, 1, 0, 2))
    assert found.helpers == (
        Helper(task="b", along="a"),
        Helper(task="a", along="b"),
        Helper(task="d", along="b"),
    )
    assert found.head_size == 8


def clusters() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    labels = np.array(PAIRS.labels)
    return np.where(labels[:, None] == labels, 1.0, -1.0)


def test_tag_and_hoa_find_planted_groups() -> None:
    for arm in (tag, hoa_arm):
        lab, account = Planted(by_companions, similar=clusters()), Account(40.0)
        chosen = arm(lab.lab, account).architecture
        assert chosen.topology == Topology.branched(PAIRS, STAGES, 0), arm.__name__
        assert account.spent <= account.budget


@pytest.mark.parametrize("budget", [1.0, 6.0, 9.0, 14.0])
def test_hoa_keeps_its_budget(budget: float) -> None:
    """Where pairs at a fifth of the length are too dear some are left out."""
    lab, account = Planted(by_companions), Account(budget)
    hoa_arm(lab.lab, account)
    assert account.spent <= budget + 2  # a round of pairs


def test_trees_are_nested_and_rated_by_hand() -> None:
    late = np.array([[0, 1, 4, 4], [1, 0, 4, 4], [4, 4, 0, 2], [4, 4, 2, 0.0]])  # dissimilarities
    early = np.ones((4, 4)) - np.eye(4)
    # a similarity's greatest entry is its diagonal
    trees = [*_trees(affinity_of(np.stack([-early, -late, -late])), STAGES)]
    found = {topology: total for total, topology in trees}
    assert len(found) == len(trees)
    for topology in found:  # a tree that is not nested would not be made
        assert topology.grouping(1).refines(topology.grouping(0))
    assert found[Topology.separate(TASKS, STAGES)] == 0
    assert found[Topology.shared(TASKS, STAGES)] == pytest.approx(1 + 4)
    halves = Grouping.of(TASKS, [["a", "b"], ["c", "d"]])
    assert found[Topology.branched(halves, STAGES, 1)] == pytest.approx(1 + (1 + 1 + 2 + 2) / 4)
    assert found[Topology.branched(halves, STAGES, 0)] == pytest.approx(1 + 1.5)
    assert _within(late, Grouping.of(TASKS, [["a", "c"], ["b"], ["d"]])) == pytest.approx((4 + 0 + 4 + 0) / 4)


@pytest.mark.parametrize("budget", [1.0, 8.0, 30.0])
def test_rsa_trains_trees_within_its_budget_and_takes_the_best(budget: float) -> None:
    lab, account = Planted(by_companions, similar=clusters()), Account(budget)
    chosen = rsa_branching(lab.lab, account)
    assert account.spent <= max(account.budget, 2.0)  # one training and one measure at least
    if budget == 30:
        assert chosen.architecture.topology == Topology.branched(PAIRS, STAGES, 0)


def test_baselines_and_surgery_tune_their_own_network() -> None:
    lab = Planted(lambda candidate, _: candidate.recipe.lr_scale / 100)
    shared = all_shared(lab.lab, Account(20))
    assert (shared.architecture, shared.recipe.lr_scale) == (lab.shared.architecture, 16)
    assert all_separate(lab.lab, Account(100)).architecture == lab.separate.architecture
    operated = surgery(lab.lab, Account(20), weighting="pcgrad")
    assert (operated.recipe.weighting, operated.recipe.lr_scale) == ("pcgrad", 16)


def test_arms_have_names_of_their_own_and_ours_sets_the_budget() -> None:
    names = [arm.name for arm in (*ARMS, *ABLATIONS)]
    assert len(set(names)) == len(names)
    assert ARMS[0].name == OURS
    assert all(arm.part for arm in ABLATIONS)
    assert not any(arm.part for arm in ARMS)
