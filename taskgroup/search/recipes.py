"""The part of the search space that is about training: the learning rate, and how the tasks' losses are weighted."""

from collections.abc import Iterable
from typing import Any

from taskgroup.core.spec import Recipe
from taskgroup.search.asking import Ask, level, one_of

BASE = Recipe()


def scales_with(lr_scales: Iterable[float]) -> tuple[float, ...]:
    """Learning-rate scales to choose from, ascending; the job's own learning rate, 1, is always among them."""
    return tuple(sorted({BASE.lr_scale, *map(float, lr_scales)}))


def weightings_with(weightings: Iterable[str]) -> tuple[str, ...]:
    """Loss weightings to choose from; the job's own, ``equal``, is always among them and comes first."""
    return tuple(dict.fromkeys((BASE.weighting, *weightings)))


def ask_recipe(ask: Ask, scales: tuple[float, ...], weightings: tuple[str, ...], *, together: bool) -> Recipe:
    """A recipe.

    Parameters: ``lr_level`` (index into ``scales``) and ``weighting``.

    Args:
        ask: Gives the values.
        scales: Of :func:`scales_with`.
        weightings: Of :func:`weightings_with`.
        together: Whether anything is trained by several tasks; else there is nothing to weigh.
    """
    scale = level(ask, "lr_level", scales)
    return Recipe(lr_scale=scale, weighting=one_of(ask, "weighting", weightings) if together else BASE.weighting)


def recipe_params(recipe: Recipe, scales: tuple[float, ...]) -> dict[str, Any]:
    """What :func:`ask_recipe` would make ``recipe`` of, if anything."""
    found = {"lr_level": scales.index(recipe.lr_scale)} if recipe.lr_scale in scales else {}
    return {**found, "weighting": recipe.weighting}
