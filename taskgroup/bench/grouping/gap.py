"""The gap that measured groups close between the base and the best cover of all groups."""

from dataclasses import dataclass

import numpy as np

from taskgroup.bench.grouping.base import Base
from taskgroup.bench.grouping.covers import Array, Covers, Mask


@dataclass(frozen=True)
class Gap:
    """``G = Σ_k (V_k - base_k) / Σ_k (O_k - base_k)`` over the numbers k ≥ 2 of networks that have both ends.

    Attributes:
        covers: The table's covers, for V.
        base: Reported totals of the base with at most 1 … K networks, shape ``(K,)``.
        best: O, those of the best covers of all groups, same shape.
    """

    covers: Covers
    base: Array
    best: Array

    @classmethod
    def of(cls, covers: Covers) -> "Gap":
        """Base and best of a table."""
        everything = np.ones(len(covers.judged.members), dtype=bool)
        base = Base(covers.judged.members, covers.judged.max_networks).totals(covers)
        return cls(covers, base, covers.reported(everything))

    @property
    def used(self) -> Mask:
        """Numbers of networks that count, shape ``(K,)``."""
        return np.asarray(np.isfinite(self.base) & np.isfinite(self.best) & (np.arange(len(self.base)) > 0))

    @property
    def width(self) -> float:
        """``Σ_k (base_k - O_k)``; 0 or less where no group of several tasks is worth its network."""
        return float((self.base - self.best)[self.used].sum())

    @property
    def open(self) -> bool:
        """Whether there is a gap to close, beyond round-off."""
        return self.width > 1e-9 * max(1.0, float(np.abs(self.base[self.used]).sum()))

    def closed(self, measured: Mask) -> Array:
        """G of measured groups; a number of networks for which they give no cover counts as the base.

        Args:
            measured: Shape ``(..., G)``.

        Returns:
            Shape ``(...)``.
        """
        assert self.open, "a table without a gap has no G"
        found = self.covers.reported(measured.reshape(-1, measured.shape[-1]))
        found = np.where(np.isfinite(found), found, self.base)
        shares = (self.base - found)[:, self.used].sum(axis=1) / self.width
        return np.asarray(shares.reshape(measured.shape[:-1]))
