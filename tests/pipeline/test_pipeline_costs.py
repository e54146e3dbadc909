"""Costs of a job: counted; a latency is measured once for each architecture and read from disk ever after."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_jobs import STAGES, TASKS, make_folder

from taskgroup.core.spec import Architecture
from taskgroup.core.topology import Topology
from taskgroup.nn.measured import Measured
from taskgroup.pipeline import costs
from taskgroup.pipeline.costs import Costs
from taskgroup.pipeline.prepared import Prepared

NAMES = tuple(task.name for task in TASKS)
SHARED = Architecture(topology=Topology.shared(NAMES, STAGES))
SEPARATE = Architecture(topology=Topology.separate(NAMES, STAGES))


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    return make_folder(tmp_path)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of what was timed; a parameter takes a microsecond."""
    found: list[int] = []

    def measured(network: torch.nn.Module, rows: torch.Tensor, *, repeats: int) -> Measured:
        assert repeats == costs.REPEATS
        found.append(len(rows))
        params = sum(p.numel() for p in network.parameters())
        return Measured(params=params, macs=0, latency_s=params * 1e-6, latency_iqr_s=0, peak_bytes=0)

    monkeypatch.setattr(costs, "measured", measured)
    return found


def test_counted_where_no_latency_is_asked_for(prepared: Prepared, timed: list[int]) -> None:
    found = Costs.of(prepared, latency=False).cost(SEPARATE)
    assert found.latency_ratio is None
    assert found.macs_ratio == pytest.approx((3 * 64 + 20) / 84)
    assert not timed
    assert not (prepared.folder.path / "latency.json").exists()


def test_a_latency_is_measured_once_and_read_ever_after(prepared: Prepared, timed: list[int]) -> None:
    first = Costs.of(prepared, latency=True)
    random = torch.get_rng_state()
    found = first.cost(SEPARATE)
    assert torch.equal(torch.get_rng_state(), random)
    assert found.latency_ratio == pytest.approx(found.params_ratio)
    assert first.cost(SHARED).latency_ratio == 1
    assert timed == [40, 40]  # both networks once, on the training rows that there are
    kept = json.loads((prepared.folder.path / "latency.json").read_text(encoding="utf-8"))
    assert set(kept) == {SHARED.fingerprint, SEPARATE.fingerprint}
    kept[SEPARATE.fingerprint] = 5 * kept[SHARED.fingerprint]
    (prepared.folder.path / "latency.json").write_text(json.dumps(kept), encoding="utf-8")
    assert Costs.of(prepared, latency=True).cost(SEPARATE).latency_ratio == pytest.approx(5)
    assert len(timed) == 2


def test_the_reference_has_the_heads_of_the_job(prepared: Prepared, timed: list[Any]) -> None:
    """Whatever heads a candidate has, it is compared with one and the same all-shared."""
    wide = SHARED.model_copy(update={"head_size": 8})
    macs = 64 + 3 * 4 * 8 + 8 * 5  # all three heads have a hidden layer, and the five outputs read it
    for size, base in ((0, 84), (8, macs)):
        found = Costs.of(prepared, size, latency=True).cost(wide)
        assert found.macs_ratio == pytest.approx(macs / base)
        assert found.latency_ratio == pytest.approx(found.params_ratio)
    assert len(timed) == 2
