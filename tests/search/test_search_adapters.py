"""Kinds and sizes by stage and by shared copy: what is asked for is what comes back."""

from collections.abc import Sequence
from itertools import product
from typing import Any, Literal

import optuna
import pytest
from search_samples import STAGES, TASKS, baseline, run
from search_samples import make_search as search_over
from space_samples import KINDS, drawn, plain

from taskgroup.bench.searching.planted import random_tree
from taskgroup.core.spec import AdapterSpec, Architecture
from taskgroup.core.topology import Topology
from taskgroup.search.adapters import AdapterChoice
from taskgroup.search.asking import Reading
from taskgroup.search.first import first_candidates
from taskgroup.search.notes import SEPARATE, SHARED
from taskgroup.search.space import Space

PAIRS = Topology(tasks=TASKS, stages=STAGES, matrix=((0, 0, 0, 0), (0, 0, 1, 1), (0, 0, 1, 2)))
Vary = Literal["stage", "branch"]


def space_of(
    kinds: str | tuple[str, ...] = KINDS,
    vary: Vary = "branch",
    sizes: tuple[int, ...] = (0, 4, 16),
    n_tasks: int = 4,
    stages: Sequence[str] = STAGES,
) -> Space:
    trees = tuple(random_tree(TASKS[:n_tasks], seed) for seed in range(3))
    return Space(trees, STAGES, AdapterChoice(tuple(stages), sizes, kinds, vary=vary))


def with_adapters(topology: Topology, *adapters: AdapterSpec) -> Architecture:
    return Architecture(topology=topology, adapters=adapters)


def asked(choice: AdapterChoice, topology: Topology, params: dict[str, Any]) -> list[str]:
    """Names that the choice asks for."""
    reading = Reading(params)
    choice.ask(reading, topology)
    return list(reading.asked)


@pytest.mark.parametrize("n_tasks", [1, 2, 3, 4])
@pytest.mark.parametrize("vary", ["stage", "branch"])
@pytest.mark.parametrize("kinds", ["film", "lora", ("film", "none"), KINDS], ids=str)
def test_every_sample_comes_back(kinds: str | tuple[str, ...], vary: Vary, n_tasks: int) -> None:
    space = space_of(kinds, vary, n_tasks=n_tasks)
    for seed in range(40):
        _, candidate = drawn(space, seed)
        again = space.encode(candidate)
        assert again is not None
        assert space.is_complete(again)
        assert space.decode(again) == candidate
        for adapter in candidate.architecture.adapters:
            assert adapter.kind != "none"
            assert adapter.size in ((1,) if adapter.kind == "film" else (4, 16))


@pytest.mark.parametrize("vary", ["stage", "branch"])
def test_equal_networks_have_equal_fingerprints(vary: Vary) -> None:
    """Two choices that build the same adapters for the same tasks are one candidate."""
    seen: dict[Any, str] = {}
    for k in range(300):
        architecture = drawn(space_of(vary=vary, stages=("body",), n_tasks=4), k)[1].architecture
        topology = architecture.topology
        built = {
            (m.stage, m.copy): (a.kind, a.size)
            for m in topology.modules()
            for a in architecture.adapters_of(m)
            if a.serves(m.tasks[0])
        }
        network = (topology.matrix, tuple(sorted(built.items())))
        assert seen.setdefault(network, architecture.fingerprint) == architecture.fingerprint
    assert len(set(seen.values())) == len(seen)


def test_parameters_by_stage_and_by_copy() -> None:
    by_stage = space_of(vary="stage", stages=("body", "neck")).adapters
    params = {"adapter_body": 4, "kind_body": "lora", "adapter_neck": 16, "kind_neck": "none"}
    assert asked(by_stage, PAIRS, params) == list(params)
    by_copy = space_of(stages=("body", "neck")).adapters
    names = ["adapter_body_0", "kind_body_0", "adapter_body_1", "kind_body_1", "adapter_neck_0", "kind_neck_0"]
    assert asked(by_copy, PAIRS, {n: 4 if n.startswith("adapter") else "film" for n in names}) == names


def test_a_kind_is_asked_for_where_there_is_an_adapter() -> None:
    by_copy = space_of(stages=("body",)).adapters
    params = {"adapter_body_0": 0, "adapter_body_1": 4, "kind_body_1": "film"}
    assert asked(by_copy, PAIRS, params) == list(params)
    assert asked(by_copy, baseline(SEPARATE).topology, {}) == []
    assert asked(space_of(vary="stage", stages=("neck",)).adapters, PAIRS, {"adapter_neck": 0}) == ["adapter_neck"]


def test_what_has_nothing_to_choose_has_no_parameter() -> None:
    sizes = {"adapter_body": 1}
    assert asked(space_of("film", "stage", stages=("body",)).adapters, PAIRS, sizes) == ["adapter_body"]
    assert space_of("film", "stage", (0, 4, 16), stages=("body",)).adapters.steps == (0, 1)
    assert asked(space_of(KINDS, "stage", (4,), stages=("body",)).adapters, PAIRS, {"kind_body": "film"}) == [
        "kind_body"
    ]
    assert asked(space_of(KINDS, "stage", (0,)).adapters, PAIRS, {}) == []
    assert asked(space_of("none", "stage").adapters, PAIRS, {}) == []


def test_each_shared_copy_has_its_own() -> None:
    choice = AdapterChoice(("body", "neck"), (0, 4, 16), KINDS, vary="branch")
    params = {
        "adapter_body_0": 4,
        "kind_body_0": "lora",
        "adapter_body_1": 16,
        "kind_body_1": "film",
        "adapter_neck_0": 16,
        "kind_neck_0": "bottleneck",
        "adapter_neck_1": 4,  # only one copy of the neck is shared
        "kind_neck_1": "lora",
    }
    first, second = PAIRS.groups(1)
    assert choice.ask(Reading(params), PAIRS) == (
        AdapterSpec(stage="body", kind="lora", size=4, tasks=first),
        AdapterSpec(stage="body", kind="film", size=1, tasks=second),
        AdapterSpec(stage="neck", size=16),
    )
    same = {**params, "adapter_body_1": 4, "kind_body_1": "lora"}
    assert choice.ask(Reading(same), PAIRS)[0] == AdapterSpec(stage="body", kind="lora", size=4)
    one = {**params, "adapter_body_0": 0}
    assert choice.ask(Reading(one), PAIRS)[0] == AdapterSpec(stage="body", kind="film", size=1, tasks=second)
    assert choice.ask(Reading({**one, "kind_body_1": "none"}), PAIRS)[0].stage == "neck"


@pytest.mark.parametrize(
    "adapters",
    [
        (AdapterSpec(stage="stem", kind="lora", size=4), AdapterSpec(stage="body", size=4)),
        (AdapterSpec(stage="body", size=4, tasks=PAIRS.groups(1)[0]),),
        (AdapterSpec(stage="stem", kind="film", size=1),),
        (AdapterSpec(stage="neck", size=0, kind="lora"),),
    ],
    ids=["everywhere", "one copy", "without size", "none"],
)
def test_what_the_space_can_express(adapters: tuple[AdapterSpec, ...]) -> None:
    space = Space((_tree_of(PAIRS),), STAGES, AdapterChoice(STAGES, (0, 4), KINDS, vary="branch"))
    params = space.encode(plain(with_adapters(PAIRS, *adapters)))
    assert params is not None
    assert space.decode(params).fingerprint == with_adapters(PAIRS, *adapters).fingerprint


@pytest.mark.parametrize(
    "adapters",
    [
        (AdapterSpec(stage="body", size=4, tasks=(TASKS[0],)),),
        (AdapterSpec(stage="body", size=4, kind="other"),),
        (AdapterSpec(stage="body", size=3, kind="lora"),),
        (AdapterSpec(stage="body", size=4, per="branch"),),
    ],
    ids=["part of a copy", "kind", "size", "scope"],
)
def test_what_the_space_cannot_express_is_none(adapters: tuple[AdapterSpec, ...]) -> None:
    for vary in ("stage", "branch"):
        choice = AdapterChoice(STAGES, (0, 4), KINDS, vary=vary)
        assert Space((_tree_of(PAIRS),), STAGES, choice).encode(plain(with_adapters(PAIRS, *adapters))) is None


def _tree_of(topology: Topology) -> Any:
    trees = (random_tree(TASKS, seed) for seed in range(99))
    return next(t for t in trees if t.tree.splits_of(topology) is not None)


def test_baselines_are_expressed_by_every_space() -> None:
    choices: list[str | tuple[str, ...]] = ["film", KINDS]
    for kinds, n_tasks in product(choices, (1, 2, 4)):
        space = space_of(kinds, n_tasks=n_tasks)
        for name in (SHARED, SEPARATE):
            candidate = plain(baseline(name, TASKS[:n_tasks]))
            params = space.encode(candidate)
            assert params is not None
            assert space.decode(params) == candidate


def test_fingerprints_of_spaces() -> None:
    """Studies of the first version are taken up again: one kind by stage has the fingerprint that it had."""
    first = space_of("bottleneck", "stage")
    assert first.fingerprint == "9baefe0e3cc69940"
    others = [space_of("lora", "stage"), space_of("bottleneck"), space_of(KINDS, "stage"), space_of(KINDS)]
    assert len({space.fingerprint for space in (first, *others)}) == 5


def test_every_kind_is_tried_first_at_every_stage() -> None:
    origins = [o for o, _ in first_candidates(space_of(stages=("stem", "neck")), [], 100) if "shared" in o]
    assert origins == [
        "all-shared, adapters of size 16 behind neck",
        "all-shared, film adapters behind neck",
        "all-shared, lora adapters of size 16 inside neck",
        "all-shared, adapters of size 16 behind stem",
        "all-shared, film adapters behind stem",
        "all-shared, lora adapters of size 16 inside stem",
    ]
    assert not [o for o, _ in first_candidates(space_of("none"), [], 100) if "shared" in o]


def test_a_search_over_kinds_and_copies_trains_no_network_twice() -> None:
    space, trained = space_of(), list[str]()
    storage = optuna.storages.InMemoryStorage()
    rows = run(search_over(storage, space, first_candidates(space, [], 4), n_trials=14), trained)
    assert len(trained) == len(set(trained)) == 14
    assert {a.kind for row in rows for a in row.architecture.adapters} == {"bottleneck", "film", "lora"}
