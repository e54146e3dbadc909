"""Forked networks compute what the network computed before, and share nothing with it."""

import copy
from pathlib import Path

import pytest
import torch
from any_architectures import ALL, EXAMPLES, OWN_NORM, TRUNKS, adapted, network_on, numbers, refinement
from hypothesis import given, settings
from small_networks import NAMES, ROWS, awake, branched, close, network_of
from torch import Tensor, nn

import taskgroup
from taskgroup.core.spec import AdapterSpec, Architecture, Helper
from taskgroup.core.topology import Topology
from taskgroup.errors import InputError
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.surgery import deployed, fork, fork_trunk
from taskgroup.nn.weights import load_weights, save_weights

SHARED = branched((0,) * 4, (0,) * 4, (0,) * 4)
BRANCHED = branched((0, 0, 0, 0), (0, 0, 0, 1), (0, 0, 1, 2))
SEPARATE = Topology.separate(NAMES, SHARED.topology.stages)
quick = settings(max_examples=6, deadline=None, derandomize=True)


def tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]


def storages(network: nn.Module) -> set[int]:
    return {tensor.untyped_storage().data_ptr() for tensor in tensors(network) if tensor.numel()}


def trained(name: str, architecture: Architecture) -> SharedNetwork:
    """As after training: all weights and statistics have moved, one step in training mode moved them by the data."""
    network = awake(network_on(name, architecture))
    network.train()(EXAMPLES[name])
    return network.eval()


def with_adapters(architecture: Architecture, *entries: AdapterSpec) -> Architecture:
    return architecture.model_copy(update={"adapters": entries})


@pytest.mark.parametrize("name", ALL)
@quick
@given(numbers, numbers)
def test_outputs_after_a_fork_are_those_before(name: str, first: int, second: int) -> None:
    network = trained(name, adapted(name, first))
    before = [tensor.clone() for tensor in tensors(network)]
    random_state = torch.get_rng_state()
    forked = fork(network, refinement(network.architecture.topology, second), seed=3)
    assert torch.equal(torch.get_rng_state(), random_state)
    close(forked(EXAMPLES[name], helpers=True), network(EXAMPLES[name], helpers=True))
    assert not storages(forked) & storages(network)
    assert all(torch.equal(old, now) for old, now in zip(before, tensors(network), strict=True))


@pytest.mark.parametrize("name", ALL)
@settings(quick, max_examples=2)
@given(numbers)
def test_a_fork_into_the_same_topology_is_the_same_to_the_bit(name: str, seed: int) -> None:
    network = trained(name, adapted(name, seed))
    forked = fork(network, network.architecture.topology)
    assert forked.architecture == network.architecture
    old, new = network.state_dict(), forked.state_dict()
    assert old.keys() == new.keys()
    assert all(torch.equal(old[key], new[key]) for key in old)
    outputs, found = network(EXAMPLES[name], helpers=True), forked(EXAMPLES[name], helpers=True)
    assert all(torch.equal(outputs[key], found[key]) for key in outputs)


@pytest.mark.parametrize("name", ALL)
@settings(quick, max_examples=3)
@given(numbers, numbers, numbers)
def test_forks_of_forks_and_new_adapters_keep_outputs(name: str, first: int, second: int, third: int) -> None:
    network = trained(name, adapted(name, first))
    forked = fork(network, refinement(network.architecture.topology, second))
    stage, entries = TRUNKS[name].names[0], forked.architecture.adapters
    bare = tuple(t for t in NAMES if not any(e.serves(t) and e.stage == stage for e in entries))
    new = AdapterSpec(stage=stage, kind="film", size=1, tasks=bare or NAMES, everywhere=True)
    entries = (*entries, new) if bare else entries
    finer = fork(forked, with_adapters(forked.architecture, *entries))
    finest = fork(finer, refinement(finer.architecture.topology, third))
    close(finest(EXAMPLES[name], helpers=True), network(EXAMPLES[name], helpers=True))


def test_copies_heads_and_helpers_start_from_what_served_their_tasks() -> None:
    network = awake(network_of(BRANCHED.model_copy(update={"helpers": (Helper(task="a", along="c"),)})))
    target = branched(
        (0, 0, 0, 1), (0, 0, 1, 2), (0, 1, 2, 3), helpers=(Helper(task="b", along="d"), Helper(task="a", along="c"))
    )
    forked = fork(network, target)
    came_from = [[0, 0], [0, 0, 1], [0, 0, 1, 2]]
    for s, sources in enumerate(came_from):
        for k, source in enumerate(sources):
            assert same(forked.copies(s)[k], network.copies(s)[source])
    assert [head.name for head in forked.heads_info] == [*NAMES, "b@d", "a@c"]
    for k, source in enumerate([0, 1, 2, 3, 1, 4]):  # a new helper starts as its task's head
        assert same(forked.heads[k], network.heads[source])


def same(one: nn.Module, two: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_entries_are_kept_everywhere_only_where_that_is_needed() -> None:
    each = AdapterSpec(stage="block1", size=2)
    late = AdapterSpec(stage="block3", size=1, per="branch")
    architecture = branched((0, 0, 0, 0), (0, 0, 0, 1), (0, 0, 1, 2), adapters=(each, late))
    network = awake(network_of(architecture))
    half = fork(
        network, Topology(tasks=NAMES, stages=SHARED.topology.stages, matrix=((0, 0, 1, 1), (0, 0, 1, 2), (0, 0, 1, 2)))
    )
    assert half.architecture.adapters == (each, late)
    alone = fork(network, SEPARATE).architecture
    assert alone.adapters == (
        each.model_copy(update={"everywhere": True}),
        late.model_copy(update={"everywhere": True, "tasks": ("a", "b")}),  # c and d had none
    )


def test_adapters_of_a_branch_that_parts_are_copied() -> None:
    network = awake(network_of(with_adapters(SHARED, AdapterSpec(stage="block1", size=2, per="branch"))))
    forked = fork(network, branched((0,) * 4, (0, 0, 1, 2), (0, 0, 1, 2)).topology)
    (old,), new = adapters(network, 0), adapters(forked, 0)
    assert len(new) == 3
    assert all(same(adapter, old) for adapter in new)


def adapters(network: SharedNetwork, stage: int) -> list[nn.Module]:
    return list(network.adapters[stage].children())


def test_a_new_helper_and_a_new_adapter_may_come() -> None:
    network = awake(network_of(BRANCHED))
    entries = (AdapterSpec(stage="block1", kind="lora", size=1), AdapterSpec(stage="block2", size=2))
    target = with_adapters(BRANCHED, *entries).model_copy(update={"helpers": (Helper(task="a", along="d"),)})
    forked, other = fork(network, target, seed=1), fork(network, target, seed=2)
    close(forked(ROWS["mlp"]), network(ROWS["mlp"]))
    assert not same(adapters(forked, 0)[0], adapters(other, 0)[0])
    assert same(adapters(forked, 0)[0], adapters(fork(network, target, seed=1), 0)[0])


def test_each_task_takes_its_own_statistics_along() -> None:
    topology = Topology.shared(NAMES, TRUNKS[OWN_NORM].names)
    network = trained(OWN_NORM, Architecture(topology=topology))
    forked = fork(network, Topology.separate(NAMES, topology.stages))
    means = [stem.get_buffer("1.running_mean") for stem in forked.copies(0)]
    bodies = list(network.bodies[0].children())
    assert not list(forked.bodies[0].children())
    assert all(torch.equal(mean, body.get_buffer("1.running_mean")) for mean, body in zip(means, bodies, strict=True))
    assert not torch.equal(means[0], means[1])


def test_modes_types_and_frozen_parameters_stay() -> None:
    network = network_of(with_adapters(SHARED, AdapterSpec(stage="block2", size=1))).double()
    network.copies(0).requires_grad_(False)
    network.train().copies(1).eval()
    more = AdapterSpec(stage="block1", kind="lora", size=1, everywhere=True)
    forked = fork(network, with_adapters(SHARED, *network.architecture.adapters, more))
    forked(ROWS["mlp"].double())
    assert {p.dtype for p in forked.parameters()} == {torch.float64}
    assert [p.requires_grad for p in forked.copies(0).parameters()] == [False, False]
    assert forked.training
    assert not forked.copies(1)[0].training
    assert forked.copies(2)[0].training


@pytest.mark.parametrize("name", ALL)
def test_a_deep_copy_runs_its_own_modules(name: str) -> None:
    network = trained(name, adapted(name, 4))
    outputs = network(EXAMPLES[name], helpers=True)
    copied = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    found = copied(EXAMPLES[name], helpers=True)
    assert all(torch.equal(outputs[key], found[key]) for key in outputs)


def test_a_forked_network_trains() -> None:
    network = awake(network_of(SHARED))
    forked = fork(network, SEPARATE).train()
    torch.stack([output.square().mean() for output in forked(ROWS["mlp"]).values()]).sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in forked.parameters())
    assert all(p.grad is None for p in network.parameters())


def test_deployed_networks_have_no_helpers(tmp_path: Path) -> None:
    helped = BRANCHED.model_copy(update={"helpers": (Helper(task="a", along="c"), Helper(task="b", along="c"))})
    network = awake(network_of(helped))
    served = deployed(network)
    assert served.architecture == BRANCHED
    assert len(served.heads) == 4
    outputs = network(ROWS["mlp"])
    assert all(torch.equal(served(ROWS["mlp"])[t], outputs[t]) for t in NAMES)
    for saved in (network, served):
        save_weights(saved, tmp_path / "w")
        loaded = load_weights(network_of(BRANCHED, seed=5).eval(), tmp_path / "w")
        assert all(torch.equal(loaded(ROWS["mlp"])[t], outputs[t]) for t in NAMES)


def refused(architecture: Architecture, target: Topology | Architecture) -> str:
    with pytest.raises(InputError) as error:
        taskgroup.fork(network_of(architecture), target)
    return str(error.value)


def test_coarser_topologies_are_refused() -> None:
    target = Topology(tasks=NAMES, stages=SEPARATE.stages, matrix=((0, 0, 1, 1), (0, 0, 1, 1), (0, 0, 1, 1)))
    assert refused(BRANCHED, target) == (
        "fork: tasks that are apart in the network should stay apart, found c and d together at `block2`; build and "
        "train that topology afresh"
    )
    assert "found a, b and c and d together at `block2`" not in refused(BRANCHED, target)
    assert "found a, b, c and d together at `block2`" in refused(BRANCHED, SHARED.topology)


def test_other_tasks_and_stages_are_refused() -> None:
    fewer = Topology.shared(NAMES[:3], SEPARATE.stages)
    assert "fork: tasks should be the network's ['a', 'b', 'c', 'd'], found ['a', 'b', 'c']" in refused(SHARED, fewer)
    other = Topology.shared(NAMES, ("block1", "block3"))
    assert "fork: stages should be the network's ['block1', 'block2', 'block3'], found" in refused(SHARED, other)


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        (None, "none"),
        (AdapterSpec(stage="block2", size=3), "bottleneck 3"),
        (AdapterSpec(stage="block2", kind="film", size=1), "film 1"),
        (AdapterSpec(stage="block2", size=0), "none"),
    ],
)
def test_lost_and_changed_adapters_are_refused(entry: AdapterSpec | None, found: str) -> None:
    architecture = with_adapters(BRANCHED, AdapterSpec(stage="block2", size=2))
    assert refused(architecture, with_adapters(BRANCHED, *((entry,) if entry else ()))) == (
        "fork: the adapter bottleneck 2 at `block2` of a, b, c should stay, or outputs would change, found "
        f"{found}; keep its entry, with `everywhere: true` where a copy serves one task"
    )


def test_adapters_lost_with_their_copy_are_refused() -> None:
    architecture = with_adapters(SHARED, AdapterSpec(stage="block1", size=2))
    target = Architecture(topology=SEPARATE, adapters=architecture.adapters)
    assert "at `block1` of a, b, c, d should stay, or outputs would change, found none" in refused(architecture, target)


def test_one_adapter_in_place_of_several_is_refused() -> None:
    architecture = with_adapters(SHARED, AdapterSpec(stage="block1", size=2))
    target = with_adapters(SHARED, AdapterSpec(stage="block1", size=2, per="branch"))
    assert refused(architecture, target) == (
        "fork: at `block1` the tasks a, b, c, d should keep the adapters they have, or outputs would change, found one "
        "for all of them; give it `per: task`, or name its `tasks`"
    )
    some = with_adapters(SHARED, AdapterSpec(stage="block1", size=2, tasks=("a", "b"), per="branch"))
    assert "the tasks a, b, c, d should keep the adapters they have" in refused(some, target)


def test_other_heads_are_refused() -> None:
    target = SHARED.model_copy(update={"head_size": 4})
    assert "fork: head_size should stay 0, or outputs would change, found 4" in refused(SHARED, target)


def test_a_target_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="`target` should be a Topology or an Architecture, found str"):
        fork(network_of(branched((0,) * 4, (0,) * 4, (0,) * 4)), "apart")  # type: ignore[arg-type]


@pytest.mark.parametrize("target", [SHARED, BRANCHED, Architecture(topology=SEPARATE)])
def test_heads_of_another_size_start_afresh_on_the_same_trunk(target: Architecture) -> None:
    network = awake(network_of(SHARED))
    wider = with_adapters(target, AdapterSpec(stage="block1", size=2)).model_copy(update={"head_size": 3})
    forked = fork_trunk(network, wider, seed=4)
    assert all(same(mine, fresh) for mine, fresh in zip(forked.heads, network_of(wider, seed=4).heads, strict=True))
    assert not storages(forked) & storages(network)
    forked.heads = copy.deepcopy(network.heads)
    forked.replan()
    close(forked(ROWS["mlp"]), network(ROWS["mlp"]))


def test_with_heads_of_the_same_size_a_fork_of_the_trunk_is_a_fork() -> None:
    network = awake(network_of(SHARED))
    target = with_adapters(BRANCHED, AdapterSpec(stage="block1", kind="film", size=1))
    close(fork_trunk(network, target)(ROWS["mlp"]), network(ROWS["mlp"]))
    with pytest.raises(InputError, match="tasks that are apart in the network should stay apart"):
        fork_trunk(awake(network_of(BRANCHED)), SHARED)
