"""Affinity measures: one file each, each seeing only the probe; averaging over steps is not their business."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.table import Table
from taskgroup.training.probe import Probe


class Measure(Protocol):
    """A frozen pydantic model whose fields are its options; calling it looks once."""

    def __call__(self, probe: Probe) -> NDArray[np.float64]:
        """Affinities at this step, shape ``(S + 1, T, T)``: axes stage (last: whole trunk), source, target.

        Higher helps the target; NaN where the batch says nothing of the pair.
        """
        ...


MEASURES: Table[type[Measure]] = Table(
    "affinity measure",
    "taskgroup.measures",
    {
        "gradient_cosine": "taskgroup.measures.gradient:GradientCosine",
        "gradient_dot": "taskgroup.measures.gradient:GradientDot",
        "lookahead": "taskgroup.measures.lookahead:Lookahead",
    },
)
