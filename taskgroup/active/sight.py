"""What the surrogate sees of the groups, and what that makes a group worth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taskgroup.active.best_covers import Best, best_covers
from taskgroup.active.standard import Standard
from taskgroup.active.surrogate import Pool, Posterior
from taskgroup.core.cover import Array

Rows = NDArray[np.bool_]


@dataclass(frozen=True)
class Sight:
    """What the surrogate sees: the pool, drawn tables of errors, and their best covers.

    Attributes:
        pool: Groups that come into question.
        at: Row of each measured group.
        drawn: Shape ``(n, G, T)``.
        best: Their best covers.
        doubt: Part of the uncertainty of each measured group that another seed would take away, from 0 to 1.
    """

    pool: Pool
    at: NDArray[np.int64]
    drawn: Array
    best: Best
    doubt: Array

    @classmethod
    def of(
        cls,
        posterior: Posterior,
        pool: Pool,
        measured: Rows,
        standard: Standard,
        max_networks: int,
        n_draws: int,
        rng: np.random.Generator,
    ) -> "Sight":
        """Draw ``n_draws`` tables and solve their covers.

        Args:
            posterior: Of the measured groups.
            pool: Groups that come into question, the measured ones among them.
            measured: In the posterior's order, shape ``(M, T)``.
            standard: Brings standardized errors back to errors.
            max_networks: K.
            n_draws: n.
            rng: Source of the draws.
        """
        at = _positions(measured, pool.members)
        tables = [draws.tables(pool, at, posterior.cells, rng) for draws in posterior.draws(n_draws, rng)]
        drawn = standard.back(np.concatenate(tables))
        return cls(pool, at, drawn, best_covers(drawn, pool.members, max_networks), posterior.doubt())

    def worth(self) -> Array:
        """Share of each group, see ``Explorer``; a hair for groups that no table needs; shape ``(G,)``."""
        open_ = np.ones(len(self.pool.members))
        open_[self.at] = self.doubt
        missing = self.best.uses[:, min(1, self.best.uses.shape[1] - 1) :].any(axis=1) * open_
        shares = missing / np.maximum(missing.sum(axis=1, keepdims=True), 1.0)
        # Where no table needs an unmeasured group, the one that comes nearest: with the lowest lucky mean error.
        low = np.quantile(np.where(self.pool.members, self.drawn, np.nan), 0.1, axis=0)
        hair = -np.nanmean(low, axis=1)
        return np.asarray(shares.mean(axis=0) + 1e-9 * (hair - hair.min()) / max(np.ptp(hair), 1e-300) * (open_ == 1))

    def regret(self, max_networks: int) -> float:
        """Mean gap between the best covers of measured groups and of all."""
        measured = best_covers(self.drawn[:, self.at], self.pool.members[self.at], max_networks)
        known = np.isfinite(measured.totals) & np.isfinite(self.best.totals)
        known[:, : min(1, max_networks - 1)] = False
        return float((measured.totals[known] - self.best.totals[known]).mean()) if known.any() else float("inf")


def _positions(rows: Rows, pool: Rows) -> NDArray[np.int64]:
    where = {row.tobytes(): i for i, row in enumerate(pool)}
    return np.array([where[row.tobytes()] for row in rows], dtype=np.int64)
