"""Problem: the tasks, their data and the trunk that is to be shared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.spec import TrunkSpec
from taskgroup.core.task import TaskSet
from taskgroup.nn.trunk import Trunk

TRAIN, VAL, TEST, UNUSED = 0, 1, 2, -1
SPLITS = {"train": TRAIN, "val": VAL, "test": TEST}


@dataclass(frozen=True)
class Problem:
    """Tasks, data and trunk.

    Tasks that share their rows and tasks that bring their own look the same: a row is labelled for some tasks and
    missing for the others.

    Attributes:
        name: For titles.
        tasks: Task definitions; a regression task's ``mean`` and ``scale`` are those of its training labels.
        inputs: Rows, shape ``(N, ...)``; float32, or int64 token ids. Already standardized and encoded.
        labels: Shape ``(N, T)``, float64; class index for binary (0, 1) and multiclass, standardized value for
            regression, NaN where missing.
        split: Shape ``(N,)``, int8: 0 train, 1 val, 2 test, -1 unused.
        trunk: Cut into stages.
        trunk_spec: How to get the trunk again.
        preprocessing: What was done to inputs and labels (column names, means, scales, categories), as plain data.
    """

    name: str
    tasks: TaskSet
    inputs: NDArray[Any]
    labels: NDArray[np.float64]
    split: NDArray[np.int8]
    trunk: Trunk
    trunk_spec: TrunkSpec
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
