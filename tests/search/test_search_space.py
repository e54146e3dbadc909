"""Every sample is a valid architecture, and what can be expressed is expressed by what was asked for."""

from dataclasses import replace
from itertools import product
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_samples import STAGES, TASKS, baseline, branched, make_search, make_space, make_tree, proposals_of

from taskgroup.core.spec import AdapterSpec, Architecture
from taskgroup.core.topology import Topology
from taskgroup.search.adapters import AdapterChoice
from taskgroup.search.first import first_candidates
from taskgroup.search.notes import SEPARATE, SHARED
from taskgroup.search.space import Space


def samples(space: Space, n: int) -> list[tuple[dict[str, Any], Architecture]]:
    """Points drawn at random through Optuna, as they are in a study."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found = []
    for _ in range(n):
        trial = study.ask()
        architecture = space.suggest(trial)
        found.append((dict(trial.params), architecture))
    return found


def same_tree_encoding(space: Space, architecture: Architecture) -> str:
    params = space.encode(architecture)
    assert params is not None
    return space.decode(params).fingerprint


@pytest.mark.parametrize("n_tasks", [1, 2, 3, 4])
def test_every_sample_is_valid_and_can_be_encoded(n_tasks: int) -> None:
    space = make_space(n_tasks, n_trees=3)
    for params, architecture in samples(space, 60):
        assert set(params) == set(space.distributions)
        assert (architecture.topology.tasks, architecture.topology.stages) == (TASKS[:n_tasks], STAGES)
        assert space.decode(params) == architecture
        assert same_tree_encoding(space, architecture) == architecture.fingerprint


@settings(max_examples=60, deadline=None)
@given(
    splits=st.lists(st.integers(0, 3), min_size=3, max_size=3), index=st.integers(0, 2), size=st.sampled_from([0, 4])
)
def test_decode_then_encode_builds_the_same_network(splits: list[int], index: int, size: int) -> None:
    space = make_space(n_trees=3)
    params = {"tree": index, "adapter_body": size, "adapter_neck": 0, **{f"split_{k}": s for k, s in enumerate(splits)}}
    architecture = space.decode(params)
    assert same_tree_encoding(space, architecture) == architecture.fingerprint


def test_parameters_are_a_tree_a_branch_point_a_merge_and_a_size_a_stage() -> None:
    space = make_space()
    names = ["tree", "split_0", "split_1", "split_2", "adapter_body", "adapter_neck"]
    assert list(space.distributions) == names
    low_high = [(d.low, d.high) for n, d in space.distributions.items() if n.startswith("split")]  # type: ignore[attr-defined]
    assert low_high == [(0, 3)] * 3


def test_first_branch_point_is_that_of_the_root() -> None:
    """So that ``split_0`` means the same in every tree."""
    for index in range(3):
        space = make_space(n_trees=3)
        params = {"tree": index, "split_0": 1, "split_1": 3, "split_2": 3, "adapter_body": 0, "adapter_neck": 0}
        topology = space.decode(params).topology
        assert [len(topology.groups(s)) for s in range(3)] == [1, 2, 2]
        root = space.trees[index].tree.merges[-1]
        groups = {frozenset(TASKS[i] for i in space.trees[index].tree.leaves(node)) for node in root}
        assert {frozenset(g) for g in topology.groups(2)} == groups


def test_baselines_are_expressed_by_every_space() -> None:
    for n_tasks, n_trees, sizes in product((1, 2, 4), (1, 3), ((0,), (0, 4))):
        space = make_space(n_tasks, n_trees, sizes)
        for name in (SHARED, SEPARATE):
            architecture = baseline(name, TASKS[:n_tasks])
            assert same_tree_encoding(space, architecture) == architecture.fingerprint


def test_one_task_leaves_nothing_to_choose() -> None:
    space = make_space(1)
    assert space.distributions == {}
    assert space.decode({}).topology.is_shared
    assert space.decode({}).adapters == ()


def test_two_tasks_have_one_branch_point() -> None:
    space = make_space(2, n_trees=1, sizes=(0,))
    assert list(space.distributions) == ["split_0"]
    found = [space.decode({"split_0": s}).topology.matrix for s in range(4)]
    assert found == [((0, 1),) * 3, ((0, 0), (0, 1), (0, 1)), ((0, 0), (0, 0), (0, 1)), ((0, 0),) * 3]


def test_adapters_come_with_their_size_kind_and_scope() -> None:
    space = Space((make_tree(TASKS, 0),), STAGES, AdapterChoice(("neck",), (0, 8), kind="lora", per="branch"))
    params = {"split_0": 3, "split_1": 3, "split_2": 3}
    assert space.decode({**params, "adapter_neck": 0}).adapters == ()
    made = AdapterSpec(stage="neck", kind="lora", size=8, per="branch")
    assert space.decode({**params, "adapter_neck": 8}).adapters == (made,)


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture(topology=baseline(SHARED).topology, adapters=(AdapterSpec(stage="body", size=5),)),
        Architecture(topology=baseline(SHARED).topology, adapters=(AdapterSpec(stage="stem", size=4),)),
        Architecture(topology=baseline(SHARED).topology, adapters=(AdapterSpec(stage="body", size=4, per="branch"),)),
        Architecture(
            topology=Topology(tasks=TASKS, stages=STAGES, matrix=((0, 0, 0, 0), (0, 1, 0, 1), (0, 1, 2, 3))),
        ),
    ],
    ids=["size", "stage", "scope", "grouping"],
)
def test_what_the_space_cannot_express_is_none(architecture: Architecture) -> None:
    trees = [make_tree(TASKS, seed) for seed in range(9)]
    strange = [t for t in trees if t.tree.splits_of(architecture.topology) is None]
    space = Space(tuple(strange or trees), STAGES, AdapterChoice(STAGES[1:], (0, 4)))
    assert space.encode(architecture) is None


def test_candidate_of_the_second_tree_is_found_there() -> None:
    space = make_space(n_trees=3)
    params = {"tree": 2, "split_0": 1, "split_1": 2, "split_2": 3, "adapter_body": 4, "adapter_neck": 16}
    architecture = space.decode(params)
    assert any(t.tree.splits_of(architecture.topology) is None for t in space.trees)
    assert same_tree_encoding(space, architecture) == architecture.fingerprint


def test_fingerprint_follows_trees_stages_and_adapters() -> None:
    spaces = [make_space(), make_space(3), make_space(n_trees=1), make_space(sizes=(0, 4))]
    assert len({s.fingerprint for s in spaces}) == 4
    assert make_space().fingerprint == make_space().fingerprint


def test_branched_candidates_of_a_cut_are_expressed() -> None:
    space = make_space(n_trees=1)
    for n_groups, n_shared in product(range(1, 5), range(4)):
        architecture = branched(n_groups, n_shared)
        assert same_tree_encoding(space, architecture) == architecture.fingerprint


def test_every_architecture_of_a_space_has_its_heads() -> None:
    linear, hidden = make_space(), replace(make_space(), head_size=4)
    assert linear.fingerprint == "79d4a85a0f6fbfd8"  # as before there was a choice
    assert hidden.fingerprint not in (linear.fingerprint, replace(linear, head_size=5).fingerprint)
    for params, architecture in samples(hidden, 5):
        assert architecture == linear.decode(params).model_copy(update={"head_size": 4})
        assert same_tree_encoding(hidden, architecture) == architecture.fingerprint
        assert linear.encode(architecture) is None
        assert hidden.encode(linear.decode(params)) is None
    first = first_candidates(hidden, proposals_of(hidden.trees[0].tree), 100)
    assert len(first) == len(first_candidates(linear, proposals_of(linear.trees[0].tree), 100)) > 3
    assert {architecture.head_size for _, architecture in first} == {4}
    asked = make_search(optuna.storages.InMemoryStorage(), hidden, first).ask(0)
    assert asked is not None
    assert asked.architecture == baseline(SEPARATE).model_copy(update={"head_size": 4})
