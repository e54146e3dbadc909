"""Heads start at what is known of the labels; rows of one's own run one's own path."""

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
from torch import nn

from taskgroup.core.spec import AdapterSpec, Architecture, Helper
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.topology import Topology
from taskgroup.errors import InputError
from taskgroup.nn.heads import build_head, head_cost
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.sites import sites_of

quick = settings(max_examples=12, deadline=None, derandomize=True)


@pytest.mark.parametrize("size", [0, 5])
def test_first_predictions_are_the_prior_whatever_the_features(size: int) -> None:
    features = torch.randn(7, 4)
    binary = build_head(Task(name="b", kind="binary", prior=(0.2,)), 4, size, 0)(features)
    torch.testing.assert_close(binary.sigmoid(), torch.full((7, 1), 0.2))
    shares = (0.5, 0.3, 0.2)
    classes = build_head(Task(name="c", kind="multiclass", n_classes=3, prior=shares), 4, size, 0)(features)
    torch.testing.assert_close(classes.softmax(dim=1), torch.tensor(shares).expand(7, 3))
    number = build_head(Task(name="r", kind="regression", mean=3.0, scale=2.0), 4, size, 0)(features)
    assert number.tolist() == [[0.0]] * 7  # the mean, in the labels' own units
    assert build_head(Task(name="b", kind="binary"), 4, size, 0)(features).tolist() == [[0.0]] * 7


def test_a_class_that_no_row_has_is_finite() -> None:
    head = build_head(Task(name="c", kind="multiclass", n_classes=3, prior=(1.0, 0.0, 0.0)), 4, 0, 0)
    found = head(torch.zeros(1, 4)).softmax(dim=1)
    assert torch.isfinite(head(torch.zeros(1, 4))).all()
    torch.testing.assert_close(found, torch.tensor([[1.0, 0.0, 0.0]]), rtol=0, atol=1e-5)


def test_hidden_heads_start_alike_under_one_seed_only() -> None:
    task = Task(name="b", kind="binary")
    one, same, other = (build_head(task, 4, 5, seed).get_parameter("0.weight") for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert not torch.equal(one, build_head(Task(name="c", kind="binary"), 4, 5, 1).get_parameter("0.weight"))


@pytest.mark.parametrize(("size", "params", "macs"), [(0, 7 * 3 + 3, 7 * 3), (5, 7 * 5 + 5 + 5 * 3 + 3, 7 * 5 + 5 * 3)])
def test_cost(size: int, params: int, macs: int) -> None:
    head = build_head(Task(name="c", kind="multiclass", n_classes=3), 7, size, 0)
    assert head_cost(7, size, 3) == (params, macs)
    assert sum(p.numel() for p in head.parameters()) == params


@pytest.mark.parametrize("prior", [(0.5, 0.5), (-0.1,), (1.2,)])
def test_a_prior_that_is_none_is_refused(prior: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="prior"):
        Task(name="b", kind="binary", prior=prior)


def test_a_regression_takes_no_prior() -> None:
    with pytest.raises(ValueError, match="task `r` of kind regression takes no prior, found"):
        Task(name="r", kind="regression", prior=(0.5,))


HELPED = branched(
    (0, 0, 0, 0),
    (0, 0, 1, 1),
    (0, 1, 2, 2),
    helpers=(Helper(task="a", along="c"), Helper(task="b", along="a")),
    adapters=(AdapterSpec(stage="block1", size=2), AdapterSpec(stage="block3", size=2)),
)


@pytest.mark.parametrize("name", BUILT_IN)
@quick
@given(st.data())
def test_rows_of_their_own_give_what_each_task_alone_gives(name: str, data: st.DataObject) -> None:
    architecture = data.draw(architectures(TRUNKS_OF[name].names))
    some = data.draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
    network, rows = awake(network_of(architecture, name)), ROWS[name]
    own = {task: rows[k : k + 1 + k % 3] for k, task in enumerate(some)}
    expected = {task: network(own[task], tasks=[task])[task] for task in NAMES if task in some}
    close(network(own), expected)


def test_rows_of_their_own_run_their_own_path_only_each_copy_once() -> None:
    network = network_of(branched((0, 0, 1, 2), (0, 1, 2, 3), (0, 1, 2, 3)))
    calls = count_calls(network, lambda path: re.fullmatch(r"stages\.\d+\.\d+", path) is not None)
    seen: list[int] = []
    network.copies(0)[0].register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    network({"a": ROWS["mlp"][:2], "b": ROWS["mlp"][:3], "d": ROWS["mlp"][:1]})
    assert set(calls) == modules_on_paths(network.architecture, {"a", "b", "d"})
    assert set(calls.values()) == {1}
    assert seen == [2 + 3]


def test_helpers_take_rows_of_their_own() -> None:
    network, rows = awake(network_of(HELPED)), ROWS["mlp"]
    full = network(rows, helpers=True)
    found = network({"c": rows[:2], "a@c": rows[2:], "a": rows[:1]})
    close(found, {"a": full["a"][:1], "c": full["c"][:2], "a@c": full["a@c"][2:]})


def test_rows_for_nobody_are_refused() -> None:
    network = network_of(HELPED)
    with pytest.raises(InputError, match="`rows` should be among a, b, c, d, a@c, b@a, found `e`"):
        network({"e": ROWS["mlp"]})


class Masked(nn.Module):
    """Adds where the mask is 1; the mask travels along."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, flow: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        x, mask = flow
        return x + mask[:, :, None] * self.linear(x), mask


class Pool(nn.Module):
    def forward(self, flow: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        x, mask = flow
        return (x * mask[:, :, None]).sum(dim=1)


@pytest.mark.parametrize("kind", ["bottleneck", "film", "lora"])
def test_tuples_travel_through_branches_and_adapters(kind: str) -> None:
    from taskgroup.nn.trunk import Trunk

    trunk = Trunk({"one": Masked(), "two": Masked(), "pool": Pool()})
    rows = (torch.randn(4, 5, 3), (torch.rand(4, 5) > 0.5).float())
    topology = Topology(tasks=NAMES, stages=trunk.names, matrix=((0, 0, 0, 0), (0, 0, 1, 1), (0, 0, 1, 2)))
    adapters = (AdapterSpec(stage="one", kind=kind, size=1), AdapterSpec(stage="two", kind=kind, size=1, per="branch"))
    architecture = Architecture(topology=topology, adapters=adapters)
    network = awake(SharedNetwork(TASKS, architecture, trunk, sites_of(trunk, rows), 0))
    found = network(rows)
    for task in NAMES:
        close({task: found[task]}, network(rows, tasks=[task]))
    hidden = rows[0].clone()
    hidden[rows[1] == 0] = 7.0  # what the mask hides
    assert not torch.allclose(found["a"], network((rows[0], 1 - rows[1]))["a"])
    close(found, network((hidden, rows[1])))
    own = network({"a": tuple(part[:1] for part in rows), "d": tuple(part[1:] for part in rows)})
    close(own, {"a": found["a"][:1], "d": found["d"][1:]})


def test_one_task() -> None:
    tasks = TaskSet(tasks=(Task(name="only", kind="binary"),))
    trunk = TRUNKS_OF["mlp"]
    architecture = Architecture(topology=Topology.shared(tasks.names, trunk.names))
    network = SharedNetwork(tasks, architecture, trunk, sites_of(trunk, ROWS["mlp"]), 0)
    assert network({"only": ROWS["mlp"]})["only"].shape == (5, 1)
