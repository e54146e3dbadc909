"""The surrogate's draws against the normal distribution's own formulas."""

import numpy as np
import pytest

from taskgroup.active.pool import every_group
from taskgroup.active.surrogate import Cells, Pool, Posterior, Variances
from taskgroup.core.cover import Array

AT = np.array([14, 4, 9, 12])
"""Measured rows of the pool of four tasks."""


def fitted(noise: float = 0.0, affinity: Array | None = None) -> tuple[Pool, Cells, Posterior]:
    pool = Pool.of(every_group(4, 4), affinity)
    measured = Pool(pool.members[AT], pool.prior[AT])
    z = np.random.default_rng(0).normal(size=measured.members.shape)
    cells = Cells.of(measured, z, np.full(z.shape, noise))
    return pool, cells, Posterior.of(cells)


def tables(posterior: Posterior, pool: Pool, cells: Cells, n: int) -> Array:
    rng = np.random.default_rng(1)
    return np.concatenate([draws.tables(pool, AT, cells, rng) for draws in posterior.draws(n, rng)])


def test_without_noise_every_draw_goes_through_what_was_measured() -> None:
    pool, cells, posterior = fitted()
    drawn = tables(posterior, pool, cells, 20)
    np.testing.assert_allclose(drawn[:, AT[cells.row], cells.task], np.tile(cells.z, (20, 1)), atol=1e-8)


def test_mean_and_variance_are_those_of_conditioning() -> None:
    affinity = np.array(
        [[np.nan, 1.0, 0.2, -1.0], [0.3, np.nan, 0.0, 0.4], [-2.0, 0.1, np.nan, 0.6], [0.5, 1.5, 0, np.nan]]
    )
    pool, cells, _ = fitted(noise=0.5, affinity=affinity)
    variances = Variances(partner=0.6, group=0.3, nugget=0.15)
    everything = Cells.of(pool, np.zeros(pool.members.shape), np.zeros(pool.members.shape))
    full = everything.covariance(variances)
    index = {(r, t): i for i, (r, t) in enumerate(zip(everything.row, everything.task, strict=True))}
    seen = [index[AT[r], t] for r, t in zip(cells.row, cells.task, strict=True)]
    gain = full[:, seen] @ np.linalg.inv(full[np.ix_(seen, seen)] + 0.5 * np.eye(len(seen)))
    mean, variance = gain @ cells.z, np.diag(full - gain @ full[seen])

    lower: Array = np.linalg.cholesky(cells.covariance(variances)).astype(np.float64)
    one = Posterior(cells, ((variances, 1.0, lower),))
    drawn = tables(one, pool, cells, 40_000)[:, everything.row, everything.task]
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=0.05)
    np.testing.assert_allclose(drawn.var(axis=0), variance, rtol=0.06, atol=1e-3)


def test_covariance_of_two_cells_in_closed_form() -> None:
    members = np.array([[True, True, True, False], [True, True, False, True]])
    z = np.zeros(members.shape)
    cells = Cells.of(Pool.of(members, None), z, z)
    v = Variances(partner=0.3, group=0.5, nugget=0.7, shared=0.9, size=0.0, alone=0.0, prior=0.0, level=2.0)
    found = cells.covariance(v)
    # cells: (row 0: tasks 0, 1, 2), (row 1: tasks 0, 1, 3); per companion 4/3
    assert found[0, 3] == pytest.approx(2.0 + 4 / 3 * (0.3 + 0.9))  # task 0 with 1 in both
    assert found[0, 4] == pytest.approx(0.0)  # task 0 has 1, 2; task 1 has 0, 3: nobody in common
    assert found[0, 1] == pytest.approx(4 / 3 * 0.9 + 0.5)  # one network, companion 2 in common
    assert found[0, 0] == pytest.approx(2.0 + 2 * 4 / 3 * (0.3 + 0.9) + 0.5 + 0.7)


def test_learns_who_harms_whom_and_not_the_reverse() -> None:
    members = every_group(5, 5)
    harm = 3.0 * members[:, [2]] * (np.arange(5) == 0)  # task 2 harms task 0
    z = harm + np.random.default_rng(2).normal(0, 0.1, members.shape)
    posterior = Posterior.of(Cells.of(Pool.of(members, None), z - z[members].mean(), np.zeros(members.shape)))
    effect = np.concatenate([d.effect for d in posterior.draws(200, np.random.default_rng(0))]).mean(axis=0)
    assert effect[0, 2] > 2.0
    assert np.abs(effect[2, 0]) < 0.7
    assert (effect.diagonal() == 0).all()


def test_the_affinity_is_a_prior_whose_weight_is_learned() -> None:
    affinity = np.zeros((4, 4))
    affinity[3, 1] = 2.0  # 3 helps 1
    pool = Pool.of(every_group(4, 4), affinity)
    row = pool.members.tolist().index([False, True, False, True])
    assert pool.prior[row].tolist() == [0.0, -2.0, 0.0, 0.0]
    assert Pool.of(pool.members, None).prior.any() == np.False_


def test_doubt_is_the_part_that_another_seed_takes_away() -> None:
    assert fitted(noise=0.0)[2].doubt().tolist() == [0.0] * 4
    little, much = fitted(noise=0.1)[2].doubt(), fitted(noise=2.0)[2].doubt()
    assert ((little < much) & (little > 0) & (much < 1)).all()
