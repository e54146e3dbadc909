"""Affinity measures: one file each, each seeing only a view of its kind; averaging is not their business."""

from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.table import Table

Sight = Literal["probe", "features", "data", "shared", "runs", "file"]
"""What a measure is shown.

- ``probe``: :class:`taskgroup.training.probe.Probe`, at steps of a joint training.
- ``features``: :class:`taskgroup.measures.views.FeatureView`, after training every task alone.
- ``data``: :class:`taskgroup.measures.views.DataView`, without any training.
- ``shared``: :class:`taskgroup.measures.views.SharedView`, after a joint training.
- ``runs``: :class:`taskgroup.measures.views.RunsView`, errors of pairs and single tasks that were really trained.
- ``file``: :class:`taskgroup.measures.views.FileView`, nothing but the names that a matrix should have.
"""


class Measure(Protocol):
    """A frozen pydantic model whose fields are its options; calling it looks once.

    Attributes:
        method: Its name in the table.
        sees: Which view it takes.
        symmetric: Whether ``[i, j]`` equals ``[j, i]`` by construction.
        meaning: What a value says, in words that fit after "A helps B: " (plain, no formula).
    """

    method: str
    sees: ClassVar[Sight]
    symmetric: ClassVar[bool]
    meaning: ClassVar[str]

    def __call__(self, view: Any, /) -> NDArray[np.float64]:
        """Affinities, shape ``(S + 1, T, T)``: axes stage (last: whole trunk), source, target.

        Higher helps the target; NaN where nothing is known of the pair.
        """
        ...


_ROOM = "taskgroup.measures"
MEASURES: Table[type[Measure]] = Table(
    "affinity measure",
    "taskgroup.measures",
    {
        "gradient_cosine": f"{_ROOM}.training.gradient:GradientCosine",
        "gradient_dot": f"{_ROOM}.training.gradient:GradientDot",
        "lookahead": f"{_ROOM}.training.lookahead:Lookahead",
        # representation
        # transfer
        # data
        # capacity
        # measured
    },
)
