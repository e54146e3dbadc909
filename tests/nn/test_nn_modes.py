"""Under ``torch.compile`` and automatic mixed precision the network computes what it computes without."""

import pytest
import torch
from small_networks import NAMES, ROWS, TASKS, TRUNKS_OF, awake, close, network_of
from torch import Tensor

from taskgroup.core.spec import AdapterSpec, Architecture
from taskgroup.core.topology import Topology
from taskgroup.nn.network import SharedNetwork
from taskgroup.training.data import Rows
from taskgroup.training.objective import total_loss


def kinds(name: str) -> dict[str, Architecture]:
    """A topology of each kind that runs in its own way."""
    stages = TRUNKS_OF[name].names
    branched = Topology(tasks=NAMES, stages=stages, matrix=((0, 0, 0, 0), *((0, 0, 1, 2),) * (len(stages) - 1)))
    return {
        "all-separate": Architecture(topology=Topology.separate(NAMES, stages)),
        "adapters": Architecture(
            topology=branched,
            adapters=(
                AdapterSpec(stage=stages[0], size=2, per="branch"),
                AdapterSpec(stage=stages[1], kind="lora", size=1),
            ),
            head_size=3,
        ),
    }


def gradients(network: SharedNetwork, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
    network.zero_grad()
    torch.stack([o.float().sin().sum() for o in outputs.values()]).sum().backward()  # type: ignore[no-untyped-call]
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kind", ["all-separate", "adapters"])
@pytest.mark.parametrize("name", ["mlp", "conv", "transformer vectors"])
def test_compiled(name: str, kind: str) -> None:
    """One graph, without breaks."""
    rows = ROWS[name]
    plain, other = (awake(network_of(kinds(name)[kind], name)) for _ in range(2))
    plain.train()
    other.train()
    compiled = torch.compile(other, backend="aot_eager", fullgraph=True)
    for _ in range(2):
        outputs, expected = compiled(rows), plain(rows)
        close(outputs, expected)
        close(gradients(other, outputs), gradients(plain, expected))
    close(dict(other.named_buffers()), dict(plain.named_buffers()))


@pytest.mark.parametrize("kind", ["all-separate", "adapters"])
@pytest.mark.parametrize("name", ["mlp", "conv", "transformer vectors"])
def test_mixed_precision(name: str, kind: str) -> None:
    """Products in bfloat16, close to those in float32; weights and gradients stay in float32."""
    network, rows = awake(network_of(kinds(name)[kind], name)), ROWS[name]
    expected = network(rows)
    slopes = gradients(network, expected)
    expected = {task: output.detach() for task, output in expected.items()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = network(rows)
    assert {output.dtype for output in found.values()} == {torch.bfloat16}
    scale = max(float(output.abs().max()) for output in expected.values())
    for task in NAMES:
        torch.testing.assert_close(found[task].float(), expected[task], rtol=0, atol=0.05 * scale)
    rough = gradients(network, found)
    assert {slope.dtype for slope in rough.values()} == {torch.float32}
    assert rough.keys() == slopes.keys()
    one, two = (torch.cat([slope.flatten() for slope in each.values()]) for each in (rough, slopes))
    assert torch.cosine_similarity(one, two, dim=0) > 0.97


def test_trained_in_mixed_precision() -> None:
    """The loss falls as it does without."""
    rows = Rows.of(ROWS["mlp"].numpy(), torch.stack([ROWS["mlp"][:, 0] > 0] * 4, dim=1).double().numpy())
    losses = {}
    for mixed in (False, True):
        network = network_of(kinds("mlp")["all-separate"])
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.05)
        for _ in range(40):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
                loss = total_loss(network, TASKS, rows)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        losses[mixed] = loss.item()
    assert losses[True] == pytest.approx(losses[False], rel=0.25)
    assert losses[True] < 1.0
