"""Views: what measures see besides the probe. Plain arrays and functions; no network, no file, no config."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.task import TaskSet

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DataView:
    """Training rows.

    Attributes:
        tasks: The tasks.
        stages: Names of the trunk's stages, for the shape of the answer.
        inputs: Shape ``(N, D)``, float64, flattened; token ids are one-hot counts.
        labels: Shape ``(N, T)``; class index or standardized value, NaN where missing.
        seed: For measures that subsample or fit.
    """

    tasks: TaskSet
    stages: tuple[str, ...]
    inputs: Array
    labels: Array
    seed: int = 0


@dataclass(frozen=True)
class FeatureView:
    """What networks that were trained on one task each make of common rows.

    Attributes:
        tasks: The tasks.
        stages: Names of the trunk's stages.
        features: ``features(task, stage, part, checkpoint)`` of the network trained on ``task`` alone, behind
            ``stage``, shape ``(N, F)``, float64, flattened; ``part`` is ``fit`` (training rows) or ``score``
            (validation rows); ``checkpoint`` indexes ``checkpoints``, -1 the end of training.
        labels: ``labels(part)``, shape ``(N, T)``, in the order of the same rows, NaN where missing.
        checkpoints: Shares of the training after which features were kept, ascending, the last is 1.
        seed: For measures that subsample or fit.
    """

    tasks: TaskSet
    stages: tuple[str, ...]
    features: Callable[[str, str, str, int], Array]
    labels: Callable[[str], Array]
    checkpoints: tuple[float, ...] = (1.0,)
    seed: int = 0


@dataclass(frozen=True)
class SharedView:
    """A trained network that all tasks share, on validation rows.

    Attributes:
        tasks: The tasks.
        stages: Names of the trunk's stages.
        activations: ``activations(stage)``: its output, shape ``(N, F)``, or ``(N, C, ...)`` where it has channels.
        losses: ``losses(stage, edit)``: every task's mean loss when ``edit`` changes the output of ``stage`` (an array
            of the shape of ``activations(stage)``, all rows) and the later stages and heads run on; shape ``(T,)``,
            NaN where a task has no label. An ``edit`` that returns its argument gives the plain losses. Where every
            task has normalization statistics of its own, ``activations`` holds the rows of one task after those of
            another, and ``edit`` is given one task's at a time.
        seed: For measures that draw.
    """

    tasks: TaskSet
    stages: tuple[str, ...]
    activations: Callable[[str], Array]
    losses: Callable[[str, Callable[[Array], Array]], Array]
    seed: int = 0


@dataclass(frozen=True)
class RunsView:
    """Errors of trained networks, paired by seed.

    Attributes:
        tasks: The tasks.
        stages: Names of the trunk's stages.
        alone: Error of each task trained alone, shape ``(T,)``.
        pairs: ``pairs[i, j]``: error of task j when trained together with i alone; NaN on the diagonal and where not
            trained; shape ``(T, T)``.
    """

    tasks: TaskSet
    stages: tuple[str, ...]
    alone: Array
    pairs: Array


@dataclass(frozen=True)
class FileView:
    """Names that a user's matrix should have; relative paths start from ``folder``."""

    tasks: TaskSet
    stages: tuple[str, ...]
    folder: str = "."


def stacked(per_stage: Sequence[Array], trunk: Array | None = None) -> Array:
    """Matrices of the stages and of the whole trunk (by default the stages' mean), shape ``(S + 1, T, T)``."""
    stages = np.stack([np.asarray(m, dtype=np.float64) for m in per_stage])
    whole = stages.mean(axis=0) if trunk is None else np.asarray(trunk, dtype=np.float64)
    return np.concatenate([stages, whole[None]])
