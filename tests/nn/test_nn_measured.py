"""Peak memory by hand, and measuring that leaves no trace."""

import pytest
import torch
from any_architectures import ALL, EXAMPLES, TRUNKS, adapted, network_on
from small_networks import NAMES, ROWS, branched, network_of
from torch import Tensor, nn

from taskgroup.core.spec import Architecture, Helper
from taskgroup.core.topology import Topology
from taskgroup.errors import InputError
from taskgroup.nn.live import LiveBytes
from taskgroup.nn.measured import measured, measured_together

SMALL = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
SHARED = branched((0,) * 4, (0,) * 4, (0,) * 4)


def test_peak_memory_by_hand() -> None:
    """At inference the input and output of the ReLU, 5 x 8 numbers each; nothing later is larger."""
    found = measured(SMALL, torch.randn(5, 4), repeats=2)
    assert found.peak_bytes == 4 * (2 * 5 * 8)
    assert (found.params, found.macs) == (4 * 8 + 8 + 8 * 2 + 2, 4 * 8 + 8 * 2)
    wide = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 100))
    assert measured(wide, torch.randn(5, 4), repeats=1).peak_bytes == 4 * (5 * 8 + 5 * 100)


def test_peak_memory_of_training_by_hand() -> None:
    """In the ReLU's backward pass: its output, the gradients of both its ends, those of the last layer, two numbers."""
    found = measured(SMALL, torch.randn(5, 4), repeats=2, training=True)
    assert found.peak_bytes == 4 * (3 * 5 * 8 + 8 * 2 + 2 + 2)


def test_views_and_what_was_there_before_do_not_count() -> None:
    x = torch.zeros(10, 10)
    with LiveBytes([x]) as live:
        view = x[2:].t()
        x.add_(1)
        assert live.now == 0
        kept = view + 1
        assert live.now == 4 * 80
        other = kept[0]
        del kept
        assert live.now == 4 * 80  # the view holds it
        del other
        assert (live.now, live.peak) == (0, 4 * 80)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ALL)
def test_peak_memory_is_the_same_every_time(name: str, training: bool) -> None:
    network = network_on(name, adapted(name, 3))
    first, second = (measured(network, EXAMPLES[name], repeats=1, training=training) for _ in range(2))
    assert first.peak_bytes == second.peak_bytes > 0
    assert (first.params, first.macs) == (second.params, second.macs)


@pytest.mark.parametrize("name", ALL)
def test_training_keeps_more_than_inference_and_more_rows_take_more(name: str) -> None:
    network, rows = network_on(name, adapted(name, 5)), EXAMPLES[name]
    few, many = (measured(network, torch.cat([rows] * k), repeats=1) for k in (1, 3))
    assert few.peak_bytes < many.peak_bytes <= 3 * few.peak_bytes
    assert few.macs == many.macs
    assert few.peak_bytes < measured(network, rows, repeats=1, training=True).peak_bytes


class Noting(nn.Module):
    """Notes how it is called."""

    def __init__(self, name: str, log: list[str]) -> None:
        super().__init__()
        self.name, self.log, self.layer = name, log, nn.Linear(4, 2)

    def __deepcopy__(self, memo: object) -> "Noting":
        return Noting(self.name, self.log)

    def forward(self, x: Tensor) -> Tensor:
        self.log.append(self.name + ("" if torch.is_grad_enabled() else " without gradients"))
        out: Tensor = self.layer(x)
        return out


def test_networks_take_turns() -> None:
    log: list[str] = []
    found = measured_together({k: Noting(k, log) for k in "ab"}, torch.zeros(3, 4), repeats=2)
    plain = [entry.removesuffix(" without gradients") for entry in log]
    assert plain == ["a", "b", *["a", "b"] * 5, "a", "b"]  # memory, warm and timed runs, operations
    assert plain != log
    assert all(m.latency_s > 0 and m.latency_iqr_s >= 0 for m in found.values())
    log.clear()
    measured(Noting("c", log), torch.zeros(3, 4), repeats=2, training=True)
    assert log == ["c"] * 6 + ["c without gradients"]


@pytest.mark.parametrize("training", [False, True])
def test_measuring_leaves_no_trace(training: bool) -> None:
    topology = Topology.shared(NAMES, TRUNKS["conv"].names)
    network = network_on("conv", Architecture(topology=topology))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modes, random_state = [m.training for m in network.modules()], torch.get_rng_state()
    measured(nn.Sequential(network.copies(0)[0], nn.Dropout()), ROWS["conv"], repeats=2, training=training)
    measured(network, ROWS["conv"], repeats=2, training=training)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [m.training for m in network.modules()] == modes
    assert all(p.grad is None for p in network.parameters())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_helpers_train_but_do_not_answer() -> None:
    helped = network_of(SHARED.model_copy(update={"helpers": (Helper(task="b", along="c"),)}))
    plain = network_of(SHARED)
    with_helpers, without = (measured(n, ROWS["mlp"], repeats=1, training=True) for n in (helped, plain))
    assert with_helpers.peak_bytes > without.peak_bytes
    served = [measured(n, ROWS["mlp"], repeats=1).peak_bytes for n in (helped, plain)]
    assert served[0] == served[1]


def test_no_runs_are_refused() -> None:
    with pytest.raises(InputError, match="measured: `repeats` should be at least 1, found 0"):
        measured(SMALL, torch.zeros(2, 4), repeats=0)
