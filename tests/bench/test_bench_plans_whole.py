"""``bench plans`` in miniature: tiny sets, few steps, and what happens to broken files, failing arms, interruptions."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from plans_samples import write_set

from taskgroup.bench import run_benchmark
from taskgroup.bench.frame import Places
from taskgroup.bench.plans import benchmark, flow, suites
from taskgroup.bench.plans.arms import ABLATIONS, ARMS, OURS, SEPARATE, SHARED, Arm
from taskgroup.bench.plans.benchmark import PlansBench
from taskgroup.bench.plans.lab import Account, Lab
from taskgroup.bench.plans.suites import Suite
from taskgroup.core.recipe import Candidate
from taskgroup.core.seeds import derive_seed
from taskgroup.core.trial import TrialResult, TrialSpec
from taskgroup.errors import TrialError
from taskgroup.pipeline.prepared import Prepared
from taskgroup.pipeline.progress import Silent
from taskgroup.pipeline.work import run_trial

KEYS = {"dataset", "seed", "arm", "gain_vs_separate", "ci90", "worst_task_gain", "params_ratio", "macs_ratio"}


def arms(*names: str) -> list[Arm]:
    return [arm for arm in (*ARMS, *ABLATIONS) if arm.name in names]


def fails(lab: Lab, account: Account) -> Candidate:
    raise TrialError("the pump is broken")


BAD = Arm("TAG", "fails", fails)


@pytest.fixture
def mini(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        suites, "QUICK", Suite(seeds=(0,), n_final=2, ablated=(), most_sets=3, steps=4, free=3.0, separates=1.5)
    )
    monkeypatch.setattr(flow, "CONFIRM_SEEDS", 2)
    use(monkeypatch, [*arms(OURS, SHARED, SEPARATE, "HOA"), BAD])


def use(monkeypatch: pytest.MonkeyPatch, those: Sequence[Arm]) -> None:
    monkeypatch.setattr(benchmark, "ARMS", those)


def run(folder: Path) -> dict[str, Any]:
    places = Places(data=folder / "data")
    path = run_benchmark("plans", quick=True, workers=1, out=folder / "out", places=places, progress=Silent())
    assert path.name == "plans-quick.md"
    found: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return {**found, "text": path.read_text(encoding="utf-8")}


@pytest.mark.usefixtures("mini")
def test_the_whole_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    write_set(tmp_path / "data", "tiny")
    (tmp_path / "data" / "broken.npz").write_bytes(b"no archive")
    trained = by_the_lab(monkeypatch)
    found = run(tmp_path)
    rows = {row["arm"]: row for row in found["rows"] if "arm" in row}
    assert list(rows) == [OURS, SHARED, SEPARATE, "HOA"]
    assert all(row.keys() >= KEYS and row["dataset"] == "tiny" for row in rows.values())
    left_out = [(row["dataset"], row["left_out"]) for row in found["rows"] if "left_out" in row]
    assert left_out[0] == ("tiny", "TAG: the pump is broken")
    assert left_out[1][0] == "broken"
    assert left_out[1][1].startswith("broken.npz: ")
    assert "the pump is broken" in found["text"]

    ours, separate = rows[OURS], rows[SEPARATE]
    assert separate["gain_vs_separate"] == 0
    assert separate["ci90"] == [0, 0]
    assert len(ours["runs"]) == 2
    assert (rows[SHARED]["macs_ratio"], separate["macs_ratio"] > 2) == (1, True)
    spent = {name: row["trainings"] for name, row in rows.items()}
    assert spent[OURS] > 7.5  # the search, confirming two baselines of cost 1 and 3 twice
    assert max(spent.values()) <= spent[OURS] + 0.01
    assert min(spent[SHARED], spent[SEPARATE]) > 0.5 * spent[OURS]
    assert (tmp_path / "out" / "plans-quick.png").read_bytes().startswith(b"\x89PNG")

    assert [name for name, row in rows.items() if "choices" in row] == [OURS]
    assert ours["choices"]["a plan's"]["macs"] == pytest.approx(ours["macs_ratio"])  # the job's own choice
    assert "## Rules of choice" in found["text"]
    fresh = {spec.seed for spec in trained if spec.step == "confirm"}
    assert fresh == {derive_seed(0, "final", k) for k in range(2)}  # what jobs have confirmed is only scored

    goes_on(tmp_path, found, monkeypatch)


def by_the_lab(monkeypatch: pytest.MonkeyPatch) -> list[TrialSpec]:
    """Gets what the lab itself does, jobs apart."""
    done: list[TrialSpec] = []

    def noted(spec: TrialSpec, prepared: Prepared) -> TrialResult:
        done.append(spec)
        return run_trial(spec, prepared)

    monkeypatch.setattr("taskgroup.bench.plans.lab.run_trial", noted)
    return done


def goes_on(folder: Path, found: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done is not done again: with the cell's rows kept, with its arms kept, and with trainings kept."""

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("done again")

    with monkeypatch.context() as patched:
        patched.setattr(PlansBench, "run", never)
        assert run(folder)["rows"] == found["rows"]
    cell = folder / "out" / ".work" / "plans-quick" / "tiny@0"
    (cell / "rows.json").unlink()
    with monkeypatch.context() as patched:
        patched.setattr("taskgroup.bench.plans.lab.run_trial", never)
        assert run(folder)["rows"] == found["rows"]
    (cell / "rows.json").unlink()
    (cell / "all-separate.json").unlink()
    with monkeypatch.context() as patched:  # it trains nothing anew, and is charged the same
        patched.setattr("taskgroup.bench.plans.lab.run_trial", never)
        again = {row["arm"]: row for row in run(folder)["rows"] if "arm" in row}
    before = {row["arm"]: row for row in found["rows"] if "arm" in row}
    assert {**again[SEPARATE], "seconds": 0} == {**before[SEPARATE], "seconds": 0}


@pytest.mark.usefixtures("mini")
def test_without_all_separate_there_is_nothing_to_compare_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, [Arm(SEPARATE, "fails", fails), *arms(SHARED)])
    (tmp_path / "data").mkdir()
    write_set(tmp_path / "data", "tiny")
    monkeypatch.setattr(benchmark, "_choose", capped(benchmark._choose))
    found = run(tmp_path)["rows"]
    assert [row["left_out"] for row in found] == [
        "all-separate: the pump is broken",
        "all-shared: there is no all-separate to compare with",
    ]


def capped(choose: Any) -> Any:
    """Without the flow there is no budget."""
    return lambda lab, arm, budget: choose(lab, arm, min(budget, 3.0))


def test_a_set_with_one_division_has_it_under_every_seed(tmp_path: Path) -> None:
    write_set(tmp_path, "tiny")
    first, third = (benchmark._read(tmp_path / "tiny.npz", seed) for seed in (0, 2))
    assert (first.split == third.split).all()
