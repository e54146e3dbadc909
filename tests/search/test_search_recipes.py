"""Recipes: the job's own is always among them, and learning rates keep their order."""

import pytest

from taskgroup.core.spec import Recipe
from taskgroup.search.asking import Reading
from taskgroup.search.recipes import ask_recipe, recipe_params, scales_with, weightings_with

SCALES, LOSSES = scales_with((2.0, 0.5)), weightings_with(("pcgrad", "upgrad"))


def test_the_job_s_own_is_always_among_them() -> None:
    assert (SCALES, LOSSES) == ((0.5, 1.0, 2.0), ("equal", "pcgrad", "upgrad"))
    assert scales_with(()) == (1.0,)
    assert weightings_with(("pcgrad", "equal", "pcgrad")) == ("equal", "pcgrad")


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("weighting", LOSSES)
def test_every_recipe_comes_back(scale: float, weighting: str) -> None:
    recipe = Recipe(lr_scale=scale, weighting=weighting)
    reading = Reading(recipe_params(recipe, SCALES))
    assert ask_recipe(reading, SCALES, LOSSES, together=True) == recipe
    assert reading.asked == {"lr_level": SCALES.index(scale), "weighting": weighting}
    alone = ask_recipe(Reading(recipe_params(recipe, SCALES)), SCALES, LOSSES, together=False)
    assert alone == Recipe(lr_scale=scale)


def test_nothing_is_asked_for_without_a_choice() -> None:
    reading = Reading({})
    assert ask_recipe(reading, (1.0,), ("equal",), together=True) == Recipe()
    assert recipe_params(Recipe(lr_scale=3), SCALES) == {"weighting": "equal"}
