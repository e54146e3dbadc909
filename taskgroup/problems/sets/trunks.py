"""Trunks: which one suits a set of which nothing is known but what its rows are."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from taskgroup.problems.sets.shapes import Form

FORMS: Mapping[str, Form] = {"conv": "image", "conv1d": "sequence", "transformer": "sequence"}
"""What a trunk takes, where it takes one thing only."""

SIDE, LENGTH = 16, 64
"""Sides of an image, and length of a sequence, that residual stages begin with; larger ones are strided over."""

MOST_WEIGHTS = 24_000_000
"""Weights that all tasks' own first stages may have altogether; one training step of so many takes about 0.1 s."""


def default_trunk(form: Form, shape: Sequence[int], n_tasks: int, n_tokens: int = 0) -> dict[str, Any]:
    """Name and options of the trunk for rows of such a form: three or four stages, cheap on one CPU thread.

    Args:
        form: What a row is.
        shape: Of a row.
        n_tasks: How many tasks might each have a trunk of their own.
        n_tokens: Size of the vocabulary.
    """
    if form == "tokens":
        return {"name": "text", "n_tokens": n_tokens, "width": _width(32, n_tokens, n_tasks), "depth": 2}
    if form == "image":
        stride = math.ceil(math.sqrt(shape[1] * shape[2]) / SIDE)
        return {"name": "conv", "width": 8, "depth": 3, "stride": stride}
    if form == "sequence":
        return {"name": "conv1d", "width": 16, "depth": 3, "stride": math.ceil(shape[0] / LENGTH)}
    return {"name": "mlp", "width": _width(64, math.prod(shape), n_tasks), "depth": 3}


def _width(most: int, n_inputs: int, n_tasks: int) -> int:
    """``most``, or a half or a quarter of it where all-separate would have too many weights."""
    width = most
    while width > most // 4 and width * n_inputs * n_tasks > MOST_WEIGHTS:
        width //= 2
    return width
