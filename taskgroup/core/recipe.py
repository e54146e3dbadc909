"""Candidates: an architecture, and how it is trained where that is searched too."""

from typing import ClassVar

from pydantic import Field

from taskgroup.core.spec import Architecture, Recipe, digest
from taskgroup.core.task import Sparse
from taskgroup.core.trial import TrainOptions

__all__ = ["Candidate", "Recipe", "applied"]


def applied(recipe: Recipe, train: TrainOptions) -> TrainOptions:
    """``train`` as ``recipe`` says; the same object where it says nothing."""
    if recipe == Recipe():
        return train
    weighting = train.weighting if recipe.weighting == "equal" else recipe.weighting
    return train.model_copy(update={"lr": train.lr * recipe.lr_scale, "weighting": weighting})


class Candidate(Sparse):
    """What search asks for.

    Attributes:
        architecture: The network.
        recipe: How it is trained.
    """

    later: ClassVar[frozenset[str]] = frozenset({"recipe"})
    architecture: Architecture
    recipe: Recipe = Field(default=Recipe())

    @property
    def fingerprint(self) -> str:
        """Hash of network and recipe; the architecture's own where the recipe says nothing."""
        plain = self.architecture.fingerprint
        return plain if self.recipe == Recipe() else digest([plain, self.recipe.model_dump()])
