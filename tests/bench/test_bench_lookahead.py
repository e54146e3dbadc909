"""What the lookahead benchmark compares with gives the same matrices, and its meter of memory counts."""

from pathlib import Path

import numpy as np
import pytest
import torch

from taskgroup.bench.engines import published, torchjd_gram
from taskgroup.bench.frame import Places
from taskgroup.bench.lookahead import LookaheadBench
from taskgroup.bench.memory import peak_growth
from taskgroup.bench.ways import BATCH, network_of, rows_of
from taskgroup.measures.training.lookahead import Lookahead
from taskgroup.measures.training.sampling import Sampling
from taskgroup.problems.planted import planted
from taskgroup.training.data import batches


@pytest.fixture
def problem():  # type: ignore[no-untyped-def]
    return planted(groups=[2, 2], kinds=["binary", "regression"], trunk={"name": "mlp", "width": 8, "depth": 2})


def test_the_published_way_gives_our_exact_matrix(problem) -> None:  # type: ignore[no-untyped-def]
    network, batch = network_of(problem), next(batches(rows_of(problem), BATCH, 1, 0))
    sampling = Sampling(network, problem.tasks, Lookahead(), 1)
    ours = Lookahead(mode="exact", step_size=2.0)(sampling.probe(batch, 0.1))[-1]
    theirs = published(network, batch, 2.0, range(4)).double().numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-6)
    assert np.abs(ours - ours.T).max() > 1e-4  # so that a transposed one would fail


def test_torchjds_engine_gives_our_products(problem) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("torchjd", reason="torchjd is not installed")
    network, batch = network_of(problem), next(batches(rows_of(problem), BATCH, 1, 0))
    (crossing,) = Sampling(network, problem.tasks, Lookahead(), 1).probe(batch, 0.1).crossings()
    gram = torchjd_gram(network, problem.tasks, batch)
    for _ in range(2):  # it can be asked again
        torch.testing.assert_close(gram().double(), crossing.gram().sum(dim=0), rtol=1e-3, atol=1e-5)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from /proc")
def test_memory_is_counted_at_its_peak() -> None:
    def work() -> None:
        for _ in range(2):
            torch.ones(10_000_000).sum()  # 40 MB, twice one after the other

    growth = peak_growth(work)
    assert growth is not None
    assert 38e6 < growth < 75e6


def test_goals_and_cells() -> None:
    assert len(LookaheadBench().cells(False, Places())) == 15
    rows = [
        {
            "model": "mlp",
            "n_tasks": 5,
            "mode": mode,
            "step_ratio": cost,
            "separate_heads_ratio": 2.0,
            "every": 10,
            "data": "x",
        }
        | dict.fromkeys(("phase_ratio", "fidelity", "ari", "ari_of_halves", "reliability", "memory_ratio"), 1.0)
        for mode, cost in (("naive", 8.0), ("exact", 2.0), ("first_order", 1.0), ("torchjd", 3.0))
    ]
    tables = LookaheadBench().tables(rows)
    assert tables["Exact against the published way"][0]["times cheaper"] == "4.0"
    assert [row["mode"] for row in tables["mlp, 5 tasks"]] == ["naive", "exact", "first_order", "torchjd"]
