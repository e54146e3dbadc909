"""Several seeds at once: the same trainings as one after the other, up to rounding."""

import math
from collections.abc import Sequence

import pytest
import torch
from any_architectures import adapted, network_on, numbers
from hypothesis import given, settings
from small_networks import NAMES, TASKS, branched, network_of
from torch import Tensor, nn

from taskgroup.core.spec import AdapterSpec, Architecture
from taskgroup.core.topology import Topology
from taskgroup.core.trial import Bar, Check, TrainOptions
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.sites import sites_of
from taskgroup.nn.trunk import Trunk
from taskgroup.nn.trunks.mlp import MLP
from taskgroup.training.data import Rows
from taskgroup.training.loop import DivergedError, Trained, train
from taskgroup.training.pruning import Pruning
from taskgroup.training.stackable import MOST_WEIGHTS, together_fault
from taskgroup.training.together import train_together

SEEDS = (3, 4, 9)
OPTIONS = TrainOptions(steps=50, batch_size=16, lr=0.01)
SEPARATE, SHARED = (0, 1, 2, 3), (0, 0, 0, 0)


def some(n: int, seed: int, *, missing: float = 0.0) -> Rows:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(n, 4, generator=generator)
    labels = torch.stack(
        [inputs[:, 0] > 0, (inputs[:, 1] > 0) + 0.0 + (inputs[:, 2] > 0), inputs[:, 3], inputs[:, 0] < 0.2], dim=1
    ).double()
    gone = torch.rand(n, 4, generator=generator) < missing
    gone[:, 1] = False
    labels[gone] = torch.nan
    return Rows.of(inputs.numpy(), labels.numpy())


TRAIN, VAL = some(80, 1), some(60, 2)
TRAINS = [TRAIN] * len(SEEDS)
ARCHITECTURES = {
    "all shared": branched(SHARED, SHARED, SHARED),
    "branched": branched(SHARED, (0, 1, 0, 1), (0, 1, 2, 3)),
    "all separate": branched(SEPARATE, SEPARATE, SEPARATE),
    "adapters": branched(
        SHARED,
        SHARED,
        (0, 0, 1, 1),
        adapters=(
            AdapterSpec(stage="block1", kind="bottleneck", size=2, per="branch"),
            AdapterSpec(stage="block2", kind="lora", size=2, per="task"),
            AdapterSpec(stage="block3", kind="film", size=1, per="task"),
        ),
        head_size=3,
    ),
}


def both(
    architecture: Architecture, rows: Rows = TRAIN, options: TrainOptions = OPTIONS
) -> tuple[list[SharedNetwork], list[Trained], list[SharedNetwork], Sequence[Trained | DivergedError]]:
    alone, together = ([network_on("mlp", architecture, seed) for seed in SEEDS] for _ in range(2))
    assert together_fault(together[0], TASKS, [rows] * len(SEEDS), options, SEEDS) is None
    expected = [train(m, TASKS, rows, VAL, options, seed) for m, seed in zip(alone, SEEDS, strict=True)]
    return alone, expected, together, train_together(together, TASKS, [(rows, VAL)] * len(SEEDS), options, SEEDS)


def alike(found: Trained | DivergedError, expected: Trained) -> None:
    assert isinstance(found, Trained)
    assert [check.step for check in found.history] == [check.step for check in expected.history]
    assert found.stopped == expected.stopped
    for mine, theirs in zip(found.history, expected.history, strict=True):
        assert mine.errors == pytest.approx(theirs.errors, rel=1e-4, abs=1e-5)


def close(network: SharedNetwork, expected: SharedNetwork) -> None:
    for (name, mine), theirs in zip(network.state_dict().items(), expected.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4, msg=name)


@pytest.mark.parametrize("kind", list(ARCHITECTURES))
def test_the_same_as_one_after_the_other(kind: str) -> None:
    alone, expected, together, found = both(ARCHITECTURES[kind])
    for k in range(len(SEEDS)):
        alike(found[k], expected[k])
        close(together[k], alone[k])
    assert expected[0].history != expected[1].history


@settings(max_examples=4, deadline=None)
@given(numbers)
def test_any_architecture(seed: int) -> None:
    _, expected, _, found = both(adapted("mlp", seed), options=OPTIONS.model_copy(update={"steps": 8}))
    for one, other in zip(found, expected, strict=True):
        alike(one, other)


def test_staged_training() -> None:
    options = OPTIONS.model_copy(update={"adapters": "staged", "adapter_share": 0.4, "steps": 20})
    alone, expected, together, found = both(ARCHITECTURES["adapters"], options=options)
    for k in range(len(SEEDS)):
        alike(found[k], expected[k])
        close(together[k], alone[k])
        assert all(p.requires_grad for p in together[k].parameters())


def test_missing_labels() -> None:
    rows = some(80, 1, missing=0.3)
    assert not all(rows.whole)
    _, expected, _, found = both(ARCHITECTURES["branched"], rows)
    for one, other in zip(found, expected, strict=True):
        alike(one, other)


def test_networks_own_their_parameters_afterwards() -> None:
    _, _, together, _ = both(ARCHITECTURES["all shared"], options=OPTIONS.model_copy(update={"steps": 2}))
    storages = {p.untyped_storage().data_ptr() for network in together for p in network.parameters()}
    assert len(storages) == sum(1 for network in together for _ in network.parameters())
    assert all(p.untyped_storage().nbytes() == p.nbytes for network in together for p in network.parameters())


def test_one_that_diverges_takes_no_other_with_it() -> None:
    options = OPTIONS.model_copy(update={"steps": 12})
    alone, expected, _, _ = both(ARCHITECTURES["branched"], options=options)
    together = [network_on("mlp", ARCHITECTURES["branched"], seed) for seed in SEEDS]
    with torch.no_grad():
        next(together[1].parameters())[0, 0] = math.nan
    found = train_together(together, TASKS, [(TRAIN, VAL)] * len(SEEDS), options, SEEDS)
    assert isinstance(found[1], DivergedError)
    assert str(found[1]) == "training loss was nan at step 0; lower train.lr (now 0.01)"
    for k in (0, 2):
        alike(found[k], expected[k])
        close(together[k], alone[k])


def test_all_may_diverge() -> None:
    together = [network_on("mlp", ARCHITECTURES["all shared"], seed) for seed in SEEDS]
    for network in together:
        with torch.no_grad():
            next(network.parameters())[0, 0] = math.inf
    found = train_together(together, TASKS, [(TRAIN, VAL)] * len(SEEDS), OPTIONS, SEEDS)
    assert all(isinstance(one, DivergedError) for one in found)


def test_outputs_that_are_not_finite_at_a_check() -> None:
    together = [network_of(ARCHITECTURES["all shared"], seed=seed) for seed in SEEDS]
    infinite = Rows(torch.full_like(VAL.inputs, math.inf), VAL.labels, VAL.whole)
    options = OPTIONS.model_copy(update={"steps": 2, "n_checks": 1})
    found = train_together(together, TASKS, [(TRAIN, infinite)] * len(SEEDS), options, SEEDS)
    assert [str(one).split(" after")[0] for one in found] == [f"outputs for {', '.join(NAMES)} were not finite"] * 3


def test_one_may_be_stopped_at_a_check_and_stays_as_it_was_then() -> None:
    architecture, seed = ARCHITECTURES["branched"], SEEDS[1]
    alone = network_on("mlp", architecture, seed)
    bars = [Bar(step=13, gain=10.0, reference=dict.fromkeys(NAMES, 1e-6))]
    expected = train(alone, TASKS, TRAIN, VAL, OPTIONS, seed, [Pruning(bars)])
    assert expected.stopped
    together = [network_on("mlp", architecture, seed) for seed in SEEDS]

    def never(check: Check) -> bool:
        return False

    stops = [never, Pruning(bars).after_check, never]
    found = train_together(together, TASKS, [(TRAIN, VAL)] * len(SEEDS), OPTIONS, SEEDS, stops)
    alike(found[1], expected)
    close(together[1], alone)
    assert isinstance(found[0], Trained)
    assert not found[0].stopped
    assert len(found[0].history) == OPTIONS.n_checks


def test_torch_random_state_is_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    network = network_on("mlp", ARCHITECTURES["adapters"], 0)
    assert together_fault(network, TASKS, TRAINS, OPTIONS, SEEDS) is None
    assert torch.equal(before, torch.get_rng_state())


class Odd(nn.Module):
    """What somebody may write."""

    calls: Tensor

    def __init__(self, how: str) -> None:
        super().__init__()
        self.layer, self.how = nn.Linear(4, 6), how
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.how == "branches" and bool(x.sum() > 0):
            x = -x
        if self.how == "counts":
            self.calls.add_(1)
        if self.how == "draws":
            x = x * torch.rand(x.shape)
        found: Tensor = self.layer(x)
        return found


def fault_on(trunk: Trunk, rows: Rows = TRAIN, options: TrainOptions = OPTIONS) -> str:
    topology = Topology.shared(NAMES, trunk.names)
    network = SharedNetwork(TASKS, Architecture(topology=topology), trunk, sites_of(trunk, rows.inputs[:2]), 0)
    return together_fault(network, TASKS, [rows] * len(SEEDS), options, SEEDS) or ""


def odd(how: str) -> Trunk:
    return Trunk({"odd": Odd(how)})


def test_what_cannot_be_trained_together_is_said() -> None:
    wide = math.isqrt(MOST_WEIGHTS) + 1
    assert fault_on(odd("plain")) == ""
    assert fault_on(odd("branches")).startswith("torch cannot batch it: ")
    assert fault_on(odd("draws")).startswith("torch cannot batch it: ")
    assert fault_on(odd("counts")) == "it changes buffers while it trains"
    assert (
        fault_on(MLP(width=6, dropout=0.2).build(TRAIN.inputs)) == "every seed has dropout masks of its own (Dropout)"
    )
    norm = Trunk({"stem": nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6))})
    assert fault_on(norm) == "every seed has running statistics of its own (BatchNorm1d)"
    convolution = Trunk({"stem": nn.Sequential(nn.Unflatten(1, (1, 4)), nn.Conv1d(1, 2, 2), nn.Flatten())})
    assert fault_on(convolution) == "convolutions are not faster together (Conv1d)"
    assert "not faster together" in fault_on(MLP(width=wide, depth=2).build(TRAIN.inputs))
    weighted = OPTIONS.model_copy(update={"weighting": "pcgrad"})
    assert fault_on(odd("plain"), options=weighted).endswith("(train.weighting pcgrad)")


def test_a_hook_and_too_few_seeds() -> None:
    network = network_of(ARCHITECTURES["all shared"])
    fault = together_fault(network, TASKS, [TRAIN] * len(SEEDS[:2]), OPTIONS, SEEDS[:2])
    assert fault == "fewer than 3 seeds are not faster together, found 2"
    network.copies(0)[0].register_forward_hook(lambda *_: None)
    assert (together_fault(network, TASKS, TRAINS, OPTIONS, SEEDS) or "").startswith("somebody hooked a module")


def test_labels_that_some_batch_lacks() -> None:
    labels = TRAIN.labels.clone()
    labels[5:, 2] = torch.nan
    rare = Rows(TRAIN.inputs, labels, (True, True, False, True))
    network = network_of(ARCHITECTURES["all shared"])
    fault = together_fault(network, TASKS, [rare] * len(SEEDS), OPTIONS, SEEDS)
    assert fault is not None
    assert fault.endswith("has no label of task `c`")
    whole = OPTIONS.model_copy(update={"batch_size": 80})
    assert together_fault(network, TASKS, [rare] * len(SEEDS), whole, SEEDS) is None
    labels[3, 1] = torch.nan
    several = Rows(TRAIN.inputs, labels, (True, False, False, True))
    assert "`b` has several outputs" in (together_fault(network, TASKS, [several] * len(SEEDS), whole, SEEDS) or "")


def test_rows_of_ones_own() -> None:
    labels = TRAIN.labels.double().clone()
    labels[torch.arange(80)[:, None] % 4 != torch.arange(4)] = torch.nan
    rows = Rows.of(TRAIN.inputs.numpy(), labels.numpy())
    network = network_of(ARCHITECTURES["branched"])
    assert together_fault(network, TASKS, [rows] * len(SEEDS), OPTIONS, SEEDS) == "tasks have rows of their own"
