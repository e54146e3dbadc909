"""The LightningModule's file trains as it is, and as taskgroup's own loop does."""

import copy
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from network_samples import (
    NAMES,
    ROWS,
    TASKS,
    Branching,
    branched,
    network_of,
    network_on,
    numbers,
    spec_of,
    trunk_of,
)
from torch import Tensor, nn
from torch.utils.data import DataLoader

from taskgroup.core.seeds import derive_seed
from taskgroup.core.spec import AdapterSpec
from taskgroup.core.trial import TrainOptions
from taskgroup.errors import InputError
from taskgroup.exporters.lightning import Lightning
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.trunk import Trunk
from taskgroup.training.data import Rows, batches
from taskgroup.training.loop import train

OPTIONS = TrainOptions(steps=8, batch_size=6, lr=0.03, weight_decay=0.1)


def with_adapters(norm: Any = "per_task") -> SharedNetwork:
    """Low-rank changes inside a shared stage, adapters behind another, statistics of each task's own."""
    adapters = (AdapterSpec(stage="layer1", kind="lora", size=1), AdapterSpec(stage="stem", kind="film", size=1))
    return network_of("conv", branched(trunk_of("conv").names, adapters=adapters), norm=norm)


def labels_of(n_rows: int) -> Tensor:
    """Standardized, with gaps; so few for the last task that some batches have none."""
    labels = torch.stack(
        [numbers(n_rows).gt(0), numbers(n_rows, seed=1).gt(0) * 2, numbers(n_rows, seed=2), torch.zeros(n_rows)], dim=1
    )
    labels[::3, 0], labels[2:, 3] = torch.nan, torch.nan
    return labels


def test_the_file_is_python_and_needs_lightning_only_when_run(tmp_path: Path) -> None:
    network = with_adapters()
    files = Lightning(lr=0.5).write(spec_of(network, "conv"), network, ROWS["conv"], tmp_path / "lit.py")
    assert [file.name for file in files] == ["lit.py", "lit.safetensors"]
    source = files[0].read_text(encoding="utf-8")
    compile(source, "lit.py", "exec")
    assert "def __init__(self, lr=0.5, weight_decay=0.01, weights=None):" in source
    assert '    ("linear", F.smooth_l1_loss, 1.0, 1.5, 4.0),\n' in source
    assert "self.change.a = nn.Parameter(" in source  # low-rank changes stay what is trained


def test_what_trains_otherwise_than_it_runs_is_refused(tmp_path: Path) -> None:
    class Turning(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.sin(x) if self.training else x

    trunk = Trunk({"part": Turning(), "last": nn.Linear(4, 4)}, reinitialize=False)
    network = network_on(trunk, numbers(5, 4), branched(trunk.names))
    with pytest.raises(InputError, match="lightning: `Turning` does something else while training"):
        Lightning().write(spec_of(network), network, numbers(5, 4), tmp_path / "lit.py")
    trunk = Trunk({"part": Branching(), "last": nn.Linear(4, 4)}, reinitialize=False)
    network = network_on(trunk, numbers(5, 4), branched(trunk.names))
    with pytest.raises(InputError, match="lightning: stage `part` cannot be written as Python code"):
        Lightning().write(spec_of(network), network, numbers(5, 4), tmp_path / "lit.py")
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore")  # of lightning's own: loaders, loggers and deprecated parts of torch
def test_it_trains_as_the_loop_of_taskgroup_does(tmp_path: Path) -> None:
    lightning = pytest.importorskip("lightning", reason="lightning is not installed")
    network = with_adapters()
    files = Lightning(lr=OPTIONS.lr, weight_decay=OPTIONS.weight_decay).write(
        spec_of(network, "conv"), network, ROWS["conv"], tmp_path / "lit.py"
    )
    module = runpy.run_path(str(files[0]))["LitNetwork"]()
    inputs, labels = numbers(20, 2, 6, 5, seed=7), labels_of(20)
    rows = Rows(inputs, labels, (False,) * len(TASKS))
    before = copy.deepcopy(network)
    train(network, TASKS, rows, rows, OPTIONS, seed=3)

    scales, means = (torch.tensor([getattr(task, key) for task in TASKS]) for key in ("scale", "mean"))
    given = [(b.inputs, b.labels * scales + means) for b in batches(rows, OPTIONS.batch_size, OPTIONS.steps, 3)]
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    torch.manual_seed(derive_seed("dropout", 3))
    trainer.fit(module, DataLoader(given, batch_size=None), DataLoader(given[:1], batch_size=None))  # type: ignore[arg-type]
    assert trainer.global_step == OPTIONS.steps
    assert {f"val_{task}" for task in NAMES[:3]} <= set(trainer.callback_metrics)
    with torch.no_grad():
        found, expected, start = (made.eval()(inputs) for made in (module, network, before))
    for task in NAMES:
        torch.testing.assert_close(found[task], expected[task], rtol=1e-4, atol=1e-4)
        moved = (expected[task] - start[task]).abs().max()
        assert moved > 0.1


def test_it_runs_as_written(tmp_path: Path) -> None:
    pytest.importorskip("lightning", reason="lightning is not installed")
    network = network_of("transformer")
    Lightning().write(spec_of(network, "transformer"), network, ROWS["transformer"], tmp_path / "lit.py")
    done = subprocess.run([sys.executable, "lit.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "max_steps=4" in done.stdout + done.stderr
