"""What is believed of gains before any trial: how much each part of them varies."""

import numpy as np

from taskgroup.active.companions.evidence import Array
from taskgroup.active.companions.parts import POWERS, Parts
from taskgroup.core.task import Frozen


class Variances(Frozen):
    """Prior variances of the parts of a gain, in units of the noise of one trial of one task.

    Attributes:
        pairs: What its companions do to one task.
        power: g, effects of ``k`` companions are divided by ``k^g``.
        luck: What all tasks of one trial have in common.
        crowd: What pairs of companions do, relative to ``pairs``.
        profile: That one task shares a stage at all, relative to ``pairs``.
        source: What one companion does to all, relative to ``pairs``.
        stage: That a stage is shared, and by how many, for all tasks.
        level: The luck of a task's reference, which is no gain.
        trust: Mean of the affinity's weight, relative to the root of ``pairs``.
        doubt: Its standard deviation, as a share of its mean; that of a stage's own weight is half as large.
    """

    pairs: float = 0.4
    power: float = 1.0
    luck: float = 0.05
    crowd: float = 0.3
    profile: float = 0.3
    source: float = 0.3
    stage: float = 0.5
    level: float = 1.0
    trust: float = 0.5
    doubt: float = 2.0

    def own(self, parts: Parts) -> Array:
        """Covariance of what is one task's own."""
        return self.pairs * (parts.pairs[self.power] + self.crowd * parts.crowd + self.profile * parts.profile)

    def deviations(self, n_stages: int, n_tasks: int, n_columns: int) -> Array:
        """Standard deviations of the shared weights, in the order of :func:`columns`, shape ``(n_columns,)``."""
        trust = self.trust * self.doubt * self.pairs**0.5
        sizes = [2 * n_stages, n_tasks, 1, n_stages]
        values = [self.stage**0.5, (self.source * self.pairs) ** 0.5, trust, trust / 2]
        return np.repeat(values, sizes)[:n_columns]

    def means(self, n_stages: int, n_tasks: int, n_columns: int) -> Array:
        """Means of the shared weights: 0 but for the affinity's, shape ``(n_columns,)``."""
        at = np.arange(n_columns) == 2 * n_stages + n_tasks
        return np.where(at, self.trust * self.pairs**0.5, 0.0)


GRID = tuple(Variances(pairs=p, power=g) for p in (0.03, 0.2, 1.0, 5.0) for g in POWERS)
"""Variances among which the evidence decides, each with every ``LUCK``."""
LUCK = (0.02, 0.25)
