from pathlib import Path

import pytest
import torch
from network_samples import (
    ROWS,
    Branching,
    branched,
    network_of,
    network_on,
    numbers,
    random_architecture,
    spec_of,
    trunk_of,
)
from torch import nn

from taskgroup.core.spec import AdapterSpec
from taskgroup.errors import InputError
from taskgroup.exporters.torch_export import TorchExport
from taskgroup.nn.trunk import Trunk


@pytest.mark.parametrize(("name", "seed"), [("mlp", 1), ("conv", 2), ("transformer", 3), ("conv1d", 4), ("text", 5)])
def test_it_loads_and_computes_for_another_batch_size(tmp_path: Path, name: str, seed: int) -> None:
    network = network_of(name, random_architecture(seed, trunk_of(name).names))
    (path,) = TorchExport().write(spec_of(network, name), network, ROWS[name], tmp_path / "net.pt2")
    rows = ROWS[name].flip(0)[:4].repeat_interleave(2, dim=0)
    with torch.no_grad():
        expected, found = network(rows), torch.export.load(path).module()(rows)
    assert list(found) == list(expected)
    for task, output in expected.items():
        torch.testing.assert_close(found[task], output, rtol=1e-5, atol=1e-6)
    assert [file.name for file in tmp_path.iterdir()] == ["net.pt2"]


def test_statistics_and_low_rank_changes_of_each_task(tmp_path: Path) -> None:
    architecture = branched(trunk_of("conv").names, adapters=(AdapterSpec(stage="layer1", kind="lora", size=2),))
    network = network_of("conv", architecture, norm="per_task")
    TorchExport().write(spec_of(network, "conv"), network, ROWS["conv"], tmp_path / "net.pt2")


class OneSize(nn.Module):
    """Knows how many rows come."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(len(x), 4) if len(x) == 5 else x


@pytest.mark.parametrize(("stage", "words"), [(Branching(), "data-dependent"), (OneSize(), "batches of one size only")])
def test_what_cannot_be_traced_is_said(tmp_path: Path, stage: nn.Module, words: str) -> None:
    trunk = Trunk({"part": stage, "last": nn.Linear(4, 4)}, reinitialize=False)
    network = network_on(trunk, numbers(5, 4), branched(trunk.names))
    with pytest.raises(
        InputError, match=r"torch-export: torch\.export should run the trunk for batches of any size"
    ) as told:
        TorchExport().write(spec_of(network), network, numbers(5, 4), tmp_path / "net.pt2")
    assert words in str(told.value)
    assert not list(tmp_path.iterdir())
