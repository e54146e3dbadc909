"""Every sample is a valid candidate, and what can be expressed is expressed by what was asked for."""

from dataclasses import replace
from itertools import product
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_samples import STAGES, TASKS, baseline, branched, make_space, proposals_of
from space_samples import drawn, old_spaces, plain, spaces

from taskgroup.bench.searching.planted import random_tree
from taskgroup.core.recipe import Candidate
from taskgroup.core.spec import AdapterSpec, Architecture, Helper, Recipe
from taskgroup.core.topology import Topology
from taskgroup.search.adapters import AdapterChoice
from taskgroup.search.first import first_candidates
from taskgroup.search.notes import SEPARATE, SHARED
from taskgroup.search.space import Space

SHARING = {"split_0": 3, "split_1": 3, "split_2": 3}
APART = dict.fromkeys(SHARING, 0)


def encoded(space: Space, architecture: Architecture) -> str:
    """Fingerprint of what the parameters of ``architecture`` lead to."""
    params = space.encode(plain(architecture))
    assert params is not None
    return space.decode(params).fingerprint


@settings(max_examples=150, deadline=None)
@given(space=spaces(), seed=st.integers(0, 99))
def test_every_point_is_valid_and_comes_back(space: Space, seed: int) -> None:
    params, candidate = drawn(space, seed)
    again = Candidate.model_validate(candidate.model_dump())  # so that every rule of an architecture is looked at
    assert again == candidate == space.decode(params)
    found = space.encode(candidate)
    assert found is not None
    assert space.is_complete(found)
    assert space.decode(found).fingerprint == candidate.fingerprint
    assert bool(params) <= space.has_choice


@settings(max_examples=60, deadline=None)
@given(space=spaces(), seed=st.integers(0, 99))
def test_a_trial_is_asked_for_what_is_needed_and_nothing_else(space: Space, seed: int) -> None:
    params, candidate = drawn(space, seed)
    trial = optuna.trial.FixedTrial({**params, "strange": 1})
    assert space.suggest(trial) == candidate
    assert list(trial.params) == list(params)
    assert space.is_complete(params)
    for name in params:
        assert not space.is_complete({k: v for k, v in params.items() if k != name})


@pytest.mark.parametrize("n_tasks", [1, 2, 4])
def test_samples_of_a_study_are_points(n_tasks: int) -> None:
    some = {"head_sizes": (8,), "lr_scales": (0.5, 2.0), "weightings": ("pcgrad",), "helpers": ((TASKS[0], TASKS[1]),)}
    space = replace(make_space(n_tasks, n_trees=3), **some if n_tasks > 1 else {})  # type: ignore[arg-type]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(40):
        trial = study.ask()
        assert space.suggest(trial) == space.decode(trial.params)
        assert (not trial.params) == (n_tasks == 1)


@settings(max_examples=60, deadline=None)
@given(space=old_spaces(), seed=st.integers(0, 99))
def test_parameters_of_older_versions_mean_what_they_meant(space: Space, seed: int) -> None:
    """They were all asked for always; so a study of such a version can be taken up again."""
    params, candidate = drawn(space, seed)
    choice = space.adapters
    slots = [s if choice.vary == "stage" else f"{s}_{k}" for s in choice.stages for k in range(len(space.tasks) // 2)]
    old = {f"adapter_{slot}": max(choice.sizes) for slot in slots} | {f"kind_{slot}": "lora" for slot in slots}
    old |= {"tree": 0, **params}
    idle = {name for name in old if name.startswith(("adapter", "kind")) and name not in params}
    assert space.is_complete(old)
    assert space.decode(old) == candidate
    assert idle or set(old) - {"tree"} <= set(params)


def test_parameters_without_options_are_a_tree_a_branch_point_a_merge_and_a_size_a_stage() -> None:
    names = ["tree", "split_0", "split_1", "split_2", "adapter_body", "adapter_neck"]
    trial = optuna.trial.FixedTrial({"tree": 1, **SHARING, "adapter_body": 4, "adapter_neck": 0})
    make_space().suggest(trial)
    assert list(trial.params) == names
    ranges = [(d.low, d.high) for n, d in trial.distributions.items() if n.startswith("split")]  # type: ignore[attr-defined]
    assert ranges == [(0, 3)] * 3


def test_parameters_of_the_options_follow_in_a_fixed_order() -> None:
    pairs = ((TASKS[0], TASKS[1]), (TASKS[2], TASKS[3]))
    space = replace(
        make_space(n_trees=1, sizes=(0, 4)),
        head_sizes=(8, 2),
        lr_scales=(2, 0.5),
        weightings=("pcgrad",),
        helpers=pairs,
    )
    named = {"head_level": 1, "helper_0": False, "helper_1": True, "lr_level": 2, "weighting": "pcgrad"}
    params = {**APART, **named}
    trial = optuna.trial.FixedTrial(params)
    candidate = space.suggest(trial)
    assert list(trial.params) == list(params)
    assert candidate.recipe == Recipe(lr_scale=2, weighting="pcgrad")
    assert candidate.architecture.head_size == 2
    assert candidate.architecture.helpers == (Helper(task=TASKS[2], along=TASKS[3]),)
    assert space.encode(candidate) == params
    ordered = [(d.low, d.high) for n, d in trial.distributions.items() if n.endswith("level")]  # type: ignore[attr-defined]
    assert ordered == [(0, 2), (0, 2)]


def test_a_weighting_is_asked_for_where_tasks_train_together() -> None:
    space = replace(make_space(n_trees=1, sizes=(0,)), weightings=("pcgrad",), helpers=((TASKS[0], TASKS[1]),))
    assert space.is_complete({**APART, "helper_0": False})
    assert not space.is_complete({**APART, "helper_0": True})
    assert not space.is_complete(SHARING)
    assert space.decode({**APART, "helper_0": False, "weighting": "pcgrad"}).recipe == Recipe()
    weighed = Candidate(architecture=baseline(SEPARATE), recipe=Recipe(weighting="pcgrad"))
    assert space.encode(weighed) is None


def test_nothing_is_asked_of_adapters_where_no_copy_is_shared() -> None:
    space = make_space(n_trees=1)
    assert space.is_complete(APART)
    assert not space.is_complete(SHARING)
    early = dict.fromkeys(SHARING, 2)  # the neck is not shared
    assert space.is_complete({**early, "adapter_body": 0})
    assert space.encode(plain(baseline(SEPARATE))) == APART


def test_first_branch_point_is_that_of_the_root() -> None:
    """So that ``split_0`` means the same in every tree."""
    for index in range(3):
        space = make_space(n_trees=3)
        params = {"tree": index, "split_0": 1, "split_1": 3, "split_2": 3, "adapter_body": 0, "adapter_neck": 0}
        topology = space.decode(params).architecture.topology
        assert [len(topology.groups(s)) for s in range(3)] == [1, 2, 2]
        root = space.trees[index].tree.merges[-1]
        groups = {frozenset(TASKS[i] for i in space.trees[index].tree.leaves(node)) for node in root}
        assert {frozenset(g) for g in topology.groups(2)} == groups


def test_baselines_are_expressed_by_every_space() -> None:
    for n_tasks, n_trees, sizes in product((1, 2, 4), (1, 3), ((0,), (0, 4))):
        space = make_space(n_tasks, n_trees, sizes)
        for name in (SHARED, SEPARATE):
            architecture = baseline(name, TASKS[:n_tasks])
            assert encoded(space, architecture) == architecture.fingerprint


def test_one_task_leaves_heads_and_learning_rate_to_choose() -> None:
    space = make_space(1)
    assert not space.has_choice
    assert space.is_complete({})
    assert space.decode({}) == plain(baseline(SHARED, TASKS[:1]))
    assert not replace(space, weightings=("pcgrad",)).has_choice
    tuned = replace(space, lr_scales=(0.5,))
    assert tuned.has_choice
    assert replace(space, head_sizes=(4,)).has_choice
    assert tuned.decode({"lr_level": 0}).recipe.lr_scale == 0.5


def test_two_tasks_have_one_branch_point() -> None:
    space = make_space(2, n_trees=1, sizes=(0,))
    assert space.has_choice
    found = [space.decode({"split_0": s}).architecture.topology.matrix for s in range(4)]
    assert found == [((0, 1),) * 3, ((0, 0), (0, 1), (0, 1)), ((0, 0), (0, 0), (0, 1)), ((0, 0),) * 3]


@pytest.mark.parametrize(
    "params", [{}, {**SHARING, "split_0": 4}, {**SHARING, "split_1": "2"}, {**SHARING, "split_2": 0.5}]
)
def test_missing_and_impossible_values_are_not_points(params: dict[str, Any]) -> None:
    space = make_space(n_trees=1, sizes=(0,))
    assert not space.is_complete(params)
    with pytest.raises(KeyError, match="split_"):
        space.decode(params)


def test_adapters_come_with_their_size_kind_and_scope() -> None:
    space = Space((random_tree(TASKS, 0),), STAGES, AdapterChoice(("neck",), (0, 8), kind="lora", per="branch"))
    assert space.decode({**SHARING, "adapter_neck": 0}).architecture.adapters == ()
    made = AdapterSpec(stage="neck", kind="lora", size=8, per="branch")
    assert space.decode({**SHARING, "adapter_neck": 8}).architecture.adapters == (made,)


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture(topology=baseline(SHARED).topology, adapters=(AdapterSpec(stage="body", size=5),)),
        Architecture(topology=baseline(SHARED).topology, adapters=(AdapterSpec(stage="stem", size=4),)),
        Architecture(topology=baseline(SHARED).topology, adapters=(AdapterSpec(stage="body", size=4, per="branch"),)),
        Architecture(
            topology=Topology(tasks=TASKS, stages=STAGES, matrix=((0, 0, 0, 0), (0, 1, 0, 1), (0, 1, 2, 3))),
        ),
        Architecture(topology=baseline(SHARED).topology, head_size=3),
        Architecture(topology=baseline(SEPARATE).topology, helpers=(Helper(task=TASKS[0], along=TASKS[1]),)),
        baseline(SHARED, TASKS[::-1]),
        baseline(SHARED, ("a", "b", "c", "d")),
        Architecture(topology=Topology.shared(TASKS, ("a", "b", "c"))),
    ],
    ids=["size", "stage", "scope", "grouping", "heads", "helper", "order", "tasks", "stages"],
)
def test_what_the_space_cannot_express_is_none(architecture: Architecture) -> None:
    trees = [random_tree(TASKS, seed) for seed in range(9)]
    strange = [t for t in trees if t.tree.splits_of(architecture.topology) is None]
    space = Space(tuple(strange or trees), STAGES, AdapterChoice(STAGES[1:], (0, 4)))
    assert space.encode(plain(architecture)) is None


@pytest.mark.parametrize("recipe", [Recipe(lr_scale=0.5), Recipe(weighting="pcgrad")])
def test_recipes_that_are_not_offered_are_none(recipe: Recipe) -> None:
    candidate = Candidate(architecture=baseline(SHARED), recipe=recipe)
    assert make_space().encode(candidate) is None
    offering = replace(make_space(), lr_scales=(0.5,), weightings=("pcgrad",))
    params = offering.encode(candidate)
    assert params is not None
    assert offering.decode(params) == candidate


def test_candidate_of_the_second_tree_is_found_there() -> None:
    space = make_space(n_trees=3)
    params = {"tree": 2, "split_0": 1, "split_1": 2, "split_2": 3, "adapter_body": 4, "adapter_neck": 16}
    architecture = space.decode(params).architecture
    assert any(t.tree.splits_of(architecture.topology) is None for t in space.trees)
    assert encoded(space, architecture) == architecture.fingerprint


def test_fingerprint_follows_trees_stages_and_choices() -> None:
    options: list[dict[str, Any]] = [
        {"head_sizes": (4,)},
        {"head_sizes": (4, 8)},
        {"lr_scales": (0.5,)},
        {"weightings": ("pcgrad",)},
        {"helpers": ((TASKS[0], TASKS[1]),)},
        {"helpers": ((TASKS[1], TASKS[0]),)},
    ]
    found = [make_space(), make_space(3), make_space(n_trees=1), make_space(sizes=(0, 4))]
    found += [replace(make_space(), **option) for option in options]
    assert len({s.fingerprint for s in found}) == 10
    assert make_space().fingerprint == make_space().fingerprint == "79d4a85a0f6fbfd8"  # as before there were options
    idle = replace(make_space(), head_sizes=(0,), lr_scales=(1.0,), weightings=("equal",))
    assert idle.fingerprint == make_space().fingerprint
    turned = [replace(make_space(), lr_scales=scales).fingerprint for scales in ((0.5, 2), (2, 0.5), (1, 2, 0.5, 2))]
    assert len(set(turned)) == 1


def test_branched_candidates_of_a_cut_are_expressed() -> None:
    space = make_space(n_trees=1)
    for n_groups, n_shared in product(range(1, 5), range(4)):
        architecture = branched(n_groups, n_shared)
        assert encoded(space, architecture) == architecture.fingerprint


def test_every_architecture_of_a_space_has_its_heads() -> None:
    linear, hidden = make_space(), replace(make_space(), head_size=4)
    assert hidden.fingerprint not in (linear.fingerprint, replace(linear, head_size=5).fingerprint)
    for seed in range(5):
        params, candidate = drawn(hidden, seed)
        architecture = candidate.architecture
        assert architecture == linear.decode(params).architecture.model_copy(update={"head_size": 4})
        assert encoded(hidden, architecture) == architecture.fingerprint
        assert linear.encode(candidate) is None
        assert hidden.encode(linear.decode(params)) is None
    first = first_candidates(hidden, proposals_of(hidden.trees[0].tree), 100)
    assert len(first) == len(first_candidates(linear, proposals_of(linear.trees[0].tree), 100)) > 3
    assert {candidate.architecture.head_size for _, candidate in first} == {4}


def test_head_sizes_are_beside_the_job_s_own() -> None:
    space = replace(make_space(n_trees=1, sizes=(0,)), head_size=4, head_sizes=(16, 0))
    found = [space.decode({**SHARING, "head_level": k}).architecture.head_size for k in range(3)]
    assert found == [0, 4, 16]
    assert space.plain(baseline(SHARED).topology).architecture.head_size == 4
