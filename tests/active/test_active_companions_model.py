"""The model against a plain Gaussian regression written out, and its draws against its predictions."""

from dataclasses import replace

import numpy as np
import pytest
from companion_examples import names, random_topology
from numpy.typing import NDArray
from scipy.linalg import block_diag

from taskgroup.active.companions.draws import draws
from taskgroup.active.companions.evidence import Array, Evidence, Trials, companions, labels_of
from taskgroup.active.companions.look import joint_draws, look
from taskgroup.active.companions.model import CALM, Model
from taskgroup.active.companions.parts import between, columns, within
from taskgroup.active.companions.prior import LUCK, Variances
from taskgroup.core.grouping import Grouping
from taskgroup.core.topology import Topology

N_TASKS, N_STAGES = 5, 3
PAIRS = {0.9: (0, 0, 0), 1.1: (0, 0, 1)}


def evidence(n: int, seed: int) -> Evidence:
    rng = np.random.default_rng(seed)
    tasks, stages = names(N_TASKS, N_STAGES)
    trials = Trials(tasks, stages)
    for _ in range(n):
        errors = dict(zip(tasks, (1 + rng.normal(0, 0.05, N_TASKS)).tolist(), strict=True))
        trials.add(random_topology(N_TASKS, N_STAGES, rng), errors, dict.fromkeys(tasks, 1.0))
    return trials.evidence()


def model(variances: Variances, seen: Evidence) -> Model:
    prior = np.random.default_rng(9).normal(size=(N_STAGES, N_TASKS, N_TASKS)) * (1 - np.eye(N_TASKS))
    return Model.of(seen, prior, [variances])


def others(n: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(8)
    return labels_of([random_topology(N_TASKS, N_STAGES, rng) for _ in range(n)])


def test_companions_of_two_tasks_closed_form() -> None:
    """Two tasks, one stage, one trial of both together: one number in, one number out.

    With one companion every part is 1, so that a task's own covariance is pairs (1 + crowd + profile). The shared
    columns are one for the stage, log 2 / log 2 = 1 for the size, and the other task as a companion.
    """
    v = Variances(pairs=0.5, power=1.0, luck=LUCK[0], crowd=0.2, profile=0.4, source=0.6, stage=0.7, level=0.9)
    shared = Topology.shared(("a", "b"), ("x",))
    trials = Trials(("a", "b"), ("x",))
    trials.add(shared, {"a": 0.9, "b": 0.9}, {"a": 1.0, "b": 1.0})
    seen = trials.evidence()
    found = Model.of(seen, None, [v])
    z = seen.z[0]
    own, common, source = 0.5 * 1.6, 2 * 0.7, 0.6 * 0.5
    signal = np.array([[own + common + source, common], [common, own + common + source]])
    for seen_by in look(found, labels_of([shared])):
        total = signal + (1.0 + 0.9) * np.eye(2) + seen_by.member.variances.luck
        pulled = np.linalg.solve(total, np.stack([z, *signal], axis=1))
        scale = (CALM[1] + z @ pulled[:, 0] / 2) / (CALM[0] + 1)
        np.testing.assert_allclose(seen_by.mean[:, 0], signal @ pulled[:, 0], rtol=1e-9)
        np.testing.assert_allclose(seen_by.variance[:, 0], scale * np.diag(signal - signal @ pulled[:, 1:]), rtol=1e-9)


def plain(m: Model, labels: NDArray[np.int64]) -> tuple[Array, Array]:
    """Mean and covariance of the mean gains by one regression over all cells at once."""
    (member, *_), seen, v = m.members, m.seen, m.members[0].variances
    everything = np.concatenate([seen.labels, labels])
    n, n_all = len(seen.labels), len(everything)
    shape = (N_STAGES, N_TASKS, columns(everything, v.power, m.affinity).shape[2])
    shared = columns(everything, v.power, m.affinity).reshape(N_TASKS * n_all, -1)
    weighted = shared * v.deviations(*shape)
    covariance = weighted @ weighted.T + block_diag(*v.own(between(everything, everything)))
    cells = np.arange(N_TASKS * n_all).reshape(N_TASKS, n_all)
    at, new = cells[:, :n][seen.seen.T], cells[:, n:]
    trial, task = at % n_all, at // n_all
    noise = (trial[:, None] == trial) * (v.luck + np.eye(len(at))) + (task[:, None] == task) * v.level
    mean = shared @ v.means(*shape)
    total, z = covariance[np.ix_(at, at)] + noise, seen.z.T[seen.seen.T] - mean[at]
    worth = np.zeros((len(labels), N_TASKS * n_all))
    worth[np.arange(len(labels))[:, None], new.T] = seen.spread / N_TASKS
    across = worth @ covariance[:, at]
    assert member.scale == pytest.approx((CALM[1] + z @ np.linalg.solve(total, z) / 2) / (CALM[0] + len(at) / 2))
    found = worth @ mean + across @ np.linalg.solve(total, z)
    left = worth @ covariance @ worth.T - across @ np.linalg.solve(total, across.T)
    return found, member.scale * left


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_the_same_as_one_regression_over_all_cells(power: float) -> None:
    found, labels = model(Variances(pairs=0.7, power=power), evidence(7, 1)), others(6)
    inside = look(found, labels)[0]
    mean, covariance = plain(found, labels)
    np.testing.assert_allclose(inside.total, mean, atol=1e-12)
    np.testing.assert_allclose(inside.covariance(between(labels, labels)), covariance, atol=1e-12)
    np.testing.assert_allclose(inside.total_variance, np.diag(covariance), atol=1e-12)


def test_draws_have_the_predicted_means_and_variances() -> None:
    found, labels = model(Variances(pairs=0.7, crowd=0.0), evidence(7, 2)), others(6)
    alone = replace(found, members=found.members[:1], weights=(1.0,))
    inside = look(alone, labels)[0]
    rng = np.random.default_rng(0)
    np.testing.assert_allclose(draws(alone, np.zeros(1), rng)[0].values(labels), inside.total, atol=1e-12)
    deviations = np.sqrt(inside.total_variance)
    for drawn in (
        np.stack([w.values(labels) for w in draws(alone, np.ones(3000), rng)]),
        joint_draws(alone, labels, 3000, rng),
    ):
        assert (np.abs(drawn.mean(axis=0) - inside.total) < 0.1 * deviations).all()
        np.testing.assert_allclose(drawn.std(axis=0), deviations, rtol=0.1)


def test_parts_in_numbers() -> None:
    """Task 0 has companions {1, 2} in one topology, {1} in the other; task 3 none in either."""
    a, b = np.array([[[0, 0, 0, 1]]]), np.array([[[0, 0, 1, 2]]])
    found = between(a, b)
    np.testing.assert_allclose(found.pairs[1.0][0, 0], 1 / 2)
    np.testing.assert_allclose(found.pairs[0.5][0, 0], 1 / 2**0.5)
    np.testing.assert_allclose(found.crowd[0, 0], 1 / 2)
    assert found.profile[:, 0, 0].tolist() == [1.0, 1.0, 0.0, 0.0]


def test_within_is_the_diagonal_of_between() -> None:
    labels = others(5)
    diagonal, full = within(labels), between(labels, labels)
    for one, all_ in [*zip(diagonal.pairs.values(), full.pairs.values(), strict=True), (diagonal.crowd, full.crowd)]:
        np.testing.assert_allclose(one, np.diagonal(all_, axis1=1, axis2=2), atol=1e-6)


def test_affinity_columns_are_of_the_sources() -> None:
    """A transposed affinity would give task 0 what it does to others."""
    given = np.array([[[0.0, 5.0], [7.0, 0.0]]])
    found = columns(np.array([[[0, 0]]]), 1.0, given)
    assert found[:, 0, -2].tolist() == [7.0, 5.0]


def test_spreads_of_tasks_borrow_and_alone_is_unseen() -> None:
    tasks, stages = names(3, 1)
    trials = Trials(tasks, stages)
    trials.add(Topology.separate(tasks, stages), dict.fromkeys(tasks, 1.0), dict.fromkeys(tasks, 1.0))
    assert not trials.evidence().seen.any()
    for error in (0.9, 1.1):
        trials.add(
            Topology.branched(Grouping(tasks=tasks, labels=PAIRS[error]), stages, 0),
            {"t0": error, "t1": 1.0, "t2": 1.0},
            dict.fromkeys(tasks, 1.0),
        )
    found = trials.evidence()
    assert found.spread[0] > found.spread[1] > 0
    assert (companions(found.labels[:, 0]) > 0).tolist() == found.seen.tolist()
