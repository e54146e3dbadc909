"""``bench confirm`` with few runs: its questions, and that what it plants is what it says."""

from pathlib import Path

import numpy as np
import pytest

from taskgroup.bench.confirming import benchmark
from taskgroup.bench.confirming.benchmark import ConfirmBench
from taskgroup.bench.confirming.planted import Noise, confirmed, plant, true_gains
from taskgroup.bench.frame import Places, markdown_table
from taskgroup.pipeline.progress import Silent


def test_errors_have_the_gains_that_were_planted() -> None:
    gains = np.array([[0.0, 0.0], [0.2, 0.4]])
    validation, test = plant(np.random.default_rng(0), gains, 20_000, Noise(carried=0.5))
    for errors in (validation, test):
        assert 1 - errors[1].mean(axis=0) / errors[0].mean(axis=0) == pytest.approx([0.2, 0.4], abs=0.01)
    assert true_gains(gains, 0) == pytest.approx([0.0, 0.3])
    assert true_gains(gains, 1)[0] == pytest.approx(np.mean([1 - 1 / 0.8, 1 - 1 / 0.6]))


def test_a_huge_advantage_is_found() -> None:
    gains = np.tile(np.array([-0.3, 0.0, 0.5])[:, None], (1, 4))
    outcome = confirmed(np.random.default_rng(0), gains, (1.0, 4.0, 2.0), 5, Noise())
    assert outcome.place == 2
    assert outcome.beats_shared
    assert outcome.evidence.verdict.code == "better_than_both"


def test_every_question_has_its_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "N_QUICK", 4)
    monkeypatch.setattr(benchmark, "SEEDS", (3,))
    monkeypatch.setattr(benchmark, "TASKS", (3,))
    bench, rows = ConfirmBench(), []
    for cell in bench.cells(True, Places()):
        rows += bench.run(cell, quick=True, workers=1, folder=Path(), places=Places(), progress=Silent())
    tables = bench.tables(rows)
    assert list(tables) == [
        "Coverage of 90 % intervals",
        "No difference",
        "A true advantage",
        "The best of eight equals",
    ]
    for table in tables.values():
        markdown_table(table)
        assert {row["n_runs"] for row in table} == {4}
    assert [row["advantage"] for row in tables["A true advantage"]] == ["5%", "10%", "20%"]
    assert all(0 <= float(row["3 tasks"]) <= 1 for row in tables["Coverage of 90 % intervals"])
