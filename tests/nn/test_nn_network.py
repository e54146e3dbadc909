import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import (
    BUILT_IN,
    NAMES,
    ROWS,
    TASKS,
    TRUNKS_OF,
    architectures,
    awake,
    branched,
    close,
    count_calls,
    modules_on_paths,
    network_of,
)
from torch import Tensor, nn

from taskgroup.core.spec import AdapterSpec, Architecture, Helper
from taskgroup.core.topology import Topology
from taskgroup.errors import InputError

MLP_STAGES = TRUNKS_OF["mlp"].names
SHARED = branched((0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0))
SEPARATE = branched((0, 1, 2, 3), (0, 1, 2, 3), (0, 1, 2, 3))
BRANCHED = branched(
    (0, 0, 0, 0),
    (0, 0, 0, 1),
    (0, 0, 1, 2),
    adapters=(
        AdapterSpec(stage="block1", size=2, per="branch"),
        AdapterSpec(stage="block2", size=3, per="branch"),
        AdapterSpec(stage="block3", size=1, per="branch"),
    ),
)
PER_TASK = branched(
    (0, 0, 0, 0),
    (0, 0, 0, 1),
    (0, 0, 0, 1),
    adapters=(AdapterSpec(stage="block1", size=2), AdapterSpec(stage="block2", size=3)),
)
quick = settings(max_examples=12, deadline=None, derandomize=True)
any_mlp = architectures(MLP_STAGES)


def part(module: nn.Module, *path: int) -> nn.Module:
    return module.get_submodule(".".join(map(str, path)))


def weights(module: nn.Module) -> list[Tensor]:
    return list(module.state_dict().values())


def equal(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


@pytest.mark.parametrize("name", BUILT_IN)
@quick
@given(st.data())
def test_copies_and_heads_start_equal_whatever_the_topology(name: str, data: st.DataObject) -> None:
    stages = TRUNKS_OF[name].names
    first, second = (data.draw(architectures(stages, helpers=True)) for _ in range(2))
    torch.manual_seed(1)
    one = network_of(first, name, seed=4)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    two = network_of(second, name, seed=4)
    assert torch.equal(torch.get_rng_state(), state)
    for s in range(len(stages)):
        copies = [*part(one.stages, s).children(), *part(two.stages, s).children()]
        assert all(equal(copies[0], copy) for copy in copies[1:])
    for k in range(len(NAMES)):
        assert equal(part(one.heads, k), part(two.heads, k))
    for k, helper in enumerate(first.helpers):  # a helper starts as its task does
        assert equal(part(one.heads, len(NAMES) + k), part(one.heads, NAMES.index(helper.task)))


def test_copies_are_not_the_same_tensor() -> None:
    network = network_of(SEPARATE)
    with torch.no_grad():
        next(part(network.stages, 0, 0).parameters()).add_(1)
    assert not equal(part(network.stages, 0, 0), part(network.stages, 0, 1))


def test_seeds_stages_and_heads_differ() -> None:
    one, two = network_of(SHARED, seed=1), network_of(SHARED, seed=2)
    for s in range(3):
        assert not torch.equal(weights(part(one.stages, s, 0))[0], weights(part(two.stages, s, 0))[0])
    assert not torch.equal(weights(part(one.stages, 1, 0))[0], weights(part(one.stages, 2, 0))[0])
    hidden = Architecture(topology=SHARED.topology, head_size=5)
    one, two = network_of(hidden, seed=1), network_of(hidden, seed=2)
    assert not equal(part(one.heads, 0, 0), part(one.heads, 3, 0))  # two binary tasks
    assert not equal(part(one.heads, 0, 0), part(two.heads, 0, 0))


def test_adapters_of_equal_seed_and_group_start_equal() -> None:
    one, two = network_of(PER_TASK, seed=1), network_of(PER_TASK, seed=2)
    assert equal(part(one.adapters, 0, 0), part(network_of(PER_TASK, seed=1).adapters, 0, 0))
    assert not torch.equal(weights(part(one.adapters, 0, 0))[0], weights(part(two.adapters, 0, 0))[0])
    assert not torch.equal(weights(part(one.adapters, 0, 0))[0], weights(part(one.adapters, 0, 1))[0])


def test_a_branched_network_is_the_composition_written_by_hand() -> None:
    network, x = awake(network_of(BRANCHED)), ROWS["mlp"]
    stages, adapters, heads = network.stages, network.adapters, network.heads
    assert [len(list(part(adapters, s).children())) for s in range(3)] == [2, 2, 2]
    one = part(stages, 0, 0)(x)
    abc = part(stages, 1, 0)(part(adapters, 0, 0)(one))
    d = part(stages, 2, 2)(part(stages, 1, 1)(part(adapters, 0, 1)(one)))  # alone from block2 on: no adapter
    ab = part(stages, 2, 0)(part(adapters, 1, 0)(abc))
    c = part(stages, 2, 1)(part(adapters, 1, 1)(abc))
    ends = {"a": part(adapters, 2, 0)(ab), "b": part(adapters, 2, 1)(ab), "c": c, "d": d}
    expected = {task: part(heads, k)(ends[task]) for k, task in enumerate(NAMES)}
    found = network(x)
    assert found["b"].shape == (5, 3)
    assert list(found) == list(NAMES)
    close(found, expected)


def test_per_task_adapters_send_every_task_through_the_shared_copy_on_its_own() -> None:
    network, x = awake(network_of(PER_TASK)), ROWS["mlp"]
    assert [len(list(part(network.adapters, s).children())) for s in range(3)] == [4, 3, 0]
    expected = {}
    for k, task in enumerate(NAMES):
        copy = 1 if task == "d" else 0
        x1 = part(network.adapters, 0, k)(part(network.stages, 0, 0)(x))
        x2 = part(network.stages, 1, copy)(x1)
        x3 = part(network.stages, 2, copy)(part(network.adapters, 1, k)(x2) if copy == 0 else x2)
        expected[task] = part(network.heads, k)(x3)
    close(network(x), expected)


@pytest.mark.parametrize("name", BUILT_IN)
@quick
@given(st.data())
def test_adapters_are_the_identity_at_the_start(name: str, data: st.DataObject) -> None:
    architecture = data.draw(architectures(TRUNKS_OF[name].names))
    without = Architecture(topology=architecture.topology)
    rows = ROWS[name]
    close(network_of(architecture, name).eval()(rows), network_of(without, name).eval()(rows))


@pytest.mark.parametrize("name", BUILT_IN)
@quick
@given(st.data())
def test_tasks_asked_for_alone_get_the_same_from_their_own_paths(name: str, data: st.DataObject) -> None:
    architecture = data.draw(architectures(TRUNKS_OF[name].names, helpers=True))
    some = data.draw(st.lists(st.sampled_from(NAMES), unique=True))
    network, rows = awake(network_of(architecture, name)), ROWS[name]
    full = network(rows)
    calls = count_calls(network, lambda path: re.fullmatch(r"(stages|adapters)\.\d+\.\d+", path) is not None)
    found = network(rows, tasks=some)
    close(found, {task: full[task] for task in found})
    assert set(found) == set(some)
    assert {path for path in calls if path.startswith("stages")} == modules_on_paths(architecture, set(some))
    assert all(n == 1 for path, n in calls.items() if not path.startswith("adapters"))
    seen = dict(calls)
    calls.clear()
    for task in some:
        network(rows, tasks=[task])
    assert calls.keys() == seen.keys()  # together they run nothing that none of them runs alone


def test_each_copy_runs_once_however_many_streams_pass() -> None:
    network = network_of(PER_TASK)
    calls = count_calls(network, lambda path: re.fullmatch(r"stages\.\d+\.\d+", path) is not None)
    network(ROWS["mlp"])
    assert calls == {"stages.0.0": 1, "stages.1.0": 1, "stages.1.1": 1, "stages.2.0": 1, "stages.2.1": 1}


def test_the_order_in_which_tasks_are_asked_for_does_not_matter() -> None:
    network, rows = awake(network_of(PER_TASK)), ROWS["mlp"]
    forward, backward = network(rows, tasks=["a", "d"]), network(rows, tasks=["d", "a"])
    assert list(forward) == list(backward) == ["a", "d"]
    close(forward, backward)


def test_unknown_tasks_are_refused() -> None:
    with pytest.raises(InputError, match="`tasks` should be among a, b, c, d, found `e`"):
        network_of(SHARED)(ROWS["mlp"], tasks=["a", "e"])
    assert network_of(SHARED)(ROWS["mlp"], tasks=[]) == {}


HELPED = branched(
    (0, 0, 0, 0),
    (0, 0, 1, 1),
    (0, 1, 2, 2),
    helpers=(Helper(task="a", along="c"), Helper(task="b", along="a")),
    adapters=(AdapterSpec(stage="block3", size=2),),
)


def test_helpers_answer_only_when_asked() -> None:
    network, rows = awake(network_of(HELPED)), ROWS["mlp"]
    plain, full = network(rows), network(rows, helpers=True)
    assert list(plain) == list(NAMES)
    assert list(full) == [*NAMES, "a@c", "b@a"]
    assert [(h.name, h.task, h.along) for h in network.heads_info[4:]] == [("a@c", "a", "c"), ("b@a", "b", "a")]
    close(plain, {task: full[task] for task in NAMES})
    assert list(network(rows, tasks=["c", "d"], helpers=True)) == ["c", "d", "a@c"]


def test_a_helper_reads_what_reaches_the_head_it_goes_along_with() -> None:
    network, rows = awake(network_of(HELPED)), ROWS["mlp"]
    with torch.no_grad():
        for helper, own in ((4, NAMES.index("c")), (5, NAMES.index("a"))):  # the same head on the same features
            for mine, other in zip(
                part(network.heads, helper).parameters(), part(network.heads, own).parameters(), strict=True
            ):
                mine.copy_(other[:1].expand_as(mine))
    full = network(rows, helpers=True)
    close({"c": full["a@c"], "a": full["b@a"][:, 1:2]}, {"c": full["c"][:, :1], "a": full["a"]})
    assert full["a@c"].shape == (5, 1)
    assert full["b@a"].shape == (5, 3)


@quick
@given(any_mlp)
def test_shared_parameters_are_those_of_copies_with_several_tasks(architecture: Architecture) -> None:
    network = network_of(architecture)
    found = network.shared_parameters()
    assert tuple(found) == MLP_STAGES
    for s, stage in enumerate(MLP_STAGES):
        groups = architecture.topology.groups(s)
        copies = [part(network.stages, s, k) for k, group in enumerate(groups) if len(group) > 1]
        expected = [p for copy in copies for p in copy.parameters()]
        assert len(found[stage]) == len(expected)
        assert all(a is b for a, b in zip(found[stage], expected, strict=True))


def test_frozen_parameters_are_not_shared_parameters() -> None:
    network = network_of(SHARED)
    part(network.stages, 1, 0).requires_grad_(False)
    assert [len(p) for p in network.shared_parameters().values()] == [2, 0, 2]


@quick
@given(architectures(MLP_STAGES, helpers=True))
def test_every_parameter_of_the_network_is_trained(architecture: Architecture) -> None:
    network = network_of(architecture)
    loss = torch.stack([output.square().sum() for output in network(ROWS["mlp"], helpers=True).values()]).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


def test_other_stages_than_the_trunks_are_refused() -> None:
    other = Architecture(topology=Topology.shared(NAMES, ("block1", "block2")))
    with pytest.raises(InputError, match=r"stages should be the trunk's \['block1', 'block2', 'block3'\], found"):
        network_of(other)


def test_an_unknown_adapter_is_refused() -> None:
    architecture = branched(*SHARED.topology.matrix, adapters=(AdapterSpec(stage="block1", size=1, kind="lara"),))
    with pytest.raises(InputError, match=r"adapter kind should be one of .*bottleneck.*, found `lara`, did you mean"):
        network_of(architecture)


def test_outputs_are_as_wide_as_the_tasks() -> None:
    outputs = network_of(SHARED)(ROWS["mlp"])
    assert [outputs[t.name].shape for t in TASKS] == [(5, 1), (5, 3), (5, 1), (5, 1)]


def test_a_size_that_a_kind_cannot_have_is_refused() -> None:
    architecture = branched(*SHARED.topology.matrix, adapters=(AdapterSpec(stage="block1", size=3, kind="film"),))
    with pytest.raises(InputError, match="size of kind film at stage `block1`: input should be 1, found 3"):
        network_of(architecture)
