"""What measures of representations share: their options, the walk over stages, and the pairs."""

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import numpy as np
from pydantic import Field

from taskgroup.core.task import Frozen
from taskgroup.measures.representation.rows import MIN_ROWS, sample, trained
from taskgroup.measures.views import Array, FeatureView, stacked

P = TypeVar("P")


class Comparison(Frozen):
    """Options of every measure that compares two trunks' features of the same rows.

    Attributes:
        max_rows: More rows than this are subsampled, the same for all tasks and stages.
        part: Which rows: ``score`` (validation rows, that no network has learned by heart) or ``fit`` (training rows).
    """

    max_rows: int = Field(default=512, ge=MIN_ROWS)
    part: Literal["fit", "score"] = "score"

    def compared(
        self, view: FeatureView, prepare: Callable[[Array], P], compare: Callable[[Sequence[P]], Array]
    ) -> Array:
        """See :func:`over_stages`."""
        return over_stages(view, (self.part,), self.max_rows, lambda features: prepare(features[0]), compare)


def over_stages(
    view: FeatureView,
    parts: tuple[str, ...],
    max_rows: int,
    prepare: Callable[[list[Array]], P],
    compare: Callable[[Sequence[P]], Array],
) -> Array:
    """Matrices of all stages and their mean, shape ``(S + 1, T, T)``.

    NaN for a task without enough training labels, for features that are not finite, and where a part has fewer than
    ten rows.

    Args:
        view: Features and labels.
        parts: The rows to look at.
        max_rows: Upper limit of each part's rows.
        prepare: Makes of one task's features (one array per part) what is compared; the features are then let go.
        compare: Makes of them the matrix, source by target.
    """
    n_tasks, usable = len(view.tasks), trained(view)
    rows = {part: sample(len(view.labels(part)), max_rows, view.seed) for part in parts}
    matrices = []
    for stage in view.stages:
        found = np.full((n_tasks, n_tasks), np.nan)
        prepared: dict[int, P] = {}
        for k in usable if min(map(len, rows.values())) >= MIN_ROWS else ():
            features = [view.features(view.tasks.names[k], stage, part, -1)[rows[part]] for part in parts]
            if all(np.isfinite(f).all() for f in features):
                prepared[k] = prepare(features)
        if prepared:
            found[np.ix_(list(prepared), list(prepared))] = compare(list(prepared.values()))
        matrices.append(found)
    return stacked(matrices)


def pairwise(items: Sequence[P], value: Callable[[P, P], float]) -> Array:
    """A symmetric matrix of all pairs' values, each pair looked at once."""
    found = np.empty((len(items), len(items)))
    for i, a in enumerate(items):
        for j, b in enumerate(items[: i + 1]):
            found[i, j] = found[j, i] = value(a, b)
    return found


def cosines(vectors: Sequence[Array]) -> Array:
    """Cosines of all pairs of vectors; 0 with a vector that is zero, with itself too."""
    lengths = np.array([np.linalg.norm(v) for v in vectors])
    units = np.stack(vectors) / np.where(lengths > 0, lengths, 1.0)[:, None]
    found: Array = np.clip(units @ units.T, -1.0, 1.0)
    return (found + found.T) / 2
