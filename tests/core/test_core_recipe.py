"""Recipes and candidates: what they change, and that saying nothing is as if they were not there."""

import pytest
from pydantic import ValidationError
from spec_examples import ARCHITECTURE, full_spec

from taskgroup.core.recipe import Candidate, Recipe, applied
from taskgroup.core.spec import Architecture, Provenance, Spec
from taskgroup.core.trial import TrainOptions

TRAIN = TrainOptions(lr=1e-3, weighting="uncertainty")


def test_applied() -> None:
    assert applied(Recipe(), TRAIN) is TRAIN
    scaled = applied(Recipe(lr_scale=4), TRAIN)
    assert scaled == TRAIN.model_copy(update={"lr": 4e-3})  # `equal` is the job's own weighting
    assert applied(Recipe(weighting="pcgrad"), TRAIN) == TRAIN.model_copy(update={"weighting": "pcgrad"})


@pytest.mark.parametrize("scale", [0.0, -1.0])
def test_a_learning_rate_is_positive(scale: float) -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        Recipe(lr_scale=scale)


def test_words() -> None:
    assert Recipe().words == ""
    assert Recipe(lr_scale=0.25).words == "learning rate x 0.25"
    assert Recipe(lr_scale=2, weighting="pcgrad").words == "learning rate x 2, pcgrad"


def test_a_candidate_is_known_by_network_and_recipe() -> None:
    plain = Candidate(architecture=ARCHITECTURE)
    assert plain.fingerprint == ARCHITECTURE.fingerprint
    recipes = [Recipe(), Recipe(lr_scale=2), Recipe(lr_scale=4), Recipe(lr_scale=2, weighting="pcgrad")]
    bare = Architecture(topology=ARCHITECTURE.topology)
    found = {Candidate(architecture=a, recipe=r).fingerprint for a in (ARCHITECTURE, bare) for r in recipes}
    assert len(found) == 8
    assert plain.model_dump() == {"architecture": ARCHITECTURE.model_dump()}


def test_a_spec_keeps_its_recipe() -> None:
    plain, tuned = full_spec(), full_spec(recipe=Recipe(lr_scale=4, weighting="pcgrad"))
    assert "recipe" not in plain.to_dict()
    assert tuned.to_dict()["recipe"] == {"lr_scale": 4, "weighting": "pcgrad"}
    assert Spec.from_dict(tuned.to_dict()).recipe == tuned.recipe
    assert tuned.fingerprint != plain.fingerprint


def test_provenance_keeps_what_each_step_cost() -> None:
    plain = full_spec()
    assert plain.provenance is not None
    assert "trainings" not in plain.to_dict()["provenance"]
    costly = Provenance(**{**plain.provenance.model_dump(), "trainings": {"measure": 1.25, "search": 20.0}})
    spec = full_spec(provenance=costly)
    assert spec.fingerprint == plain.fingerprint
    assert Spec.from_dict(spec.to_dict()).provenance == costly
