"""What the looks come to: averages, windows and words."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_jobs import make_folder, trial

from taskgroup.core.affinity import TRUNK
from taskgroup.core.trial import Check, TrainOptions
from taskgroup.pipeline.measuring import Looks, averaged, read_looks, stop_rule, stopping_words, summary
from taskgroup.pipeline.prepared import Prepared
from taskgroup.pipeline.sections import MeasureConfig
from taskgroup.pipeline.work import run_trial

TASKS = ("a", "b", "c", "d", "e")
PLANTED = np.random.default_rng(0).normal(size=(2, 5, 5))
LABELS = np.zeros((100, 5))


def seed_of(n: int = 30, noise: float = 0.5, seed: int = 0, lowest_at: int = 300, **changes: Any) -> Looks:
    """Looks every 10 steps, with the lowest validation error at one of the checks, 25 steps apart."""
    rng = np.random.default_rng(seed)
    steps = 10 * np.arange(n)
    history = tuple(Check(step=s, errors={"a": 1 + abs(s - lowest_at) / 100}) for s in range(25, 301, 25))
    fields: dict[str, Any] = {
        "seed": seed,
        "samples": PLANTED + noise * rng.normal(size=(n, 2, 5, 5)),
        "steps": steps,
        "facts": {"eta": np.arange(n, dtype=np.float64)},
        "stopped": None,
        "regret": (0.3, 0.1),
        "history": history,
    }
    return Looks(**{**fields, **changes})


def found(*seeds: Looks, labels: NDArray[np.float64] = LABELS, **options: Any) -> Any:
    return averaged(MeasureConfig(**options), seeds, TASKS, ("one",), labels, 20)


def test_values_and_what_is_said_of_them() -> None:
    affinity = found(seed_of(), seed_of(seed=1), every=10)
    np.testing.assert_allclose(affinity.values, PLANTED, atol=0.3)
    said = affinity.provenance
    assert said["method"] == "lookahead"
    assert (said["seeds"], said["looks_per_seed"], said["batch_size"]) == ([0, 1], 30, 20)
    assert said["averaging"] == "mean over looks, 10% trimmed at each end; mean over seeds"
    assert set(said["reliability"]) == {"one", TRUNK}
    assert 0.9 < said["reliability_of_half"][TRUNK] < said["reliability"][TRUNK] < 1
    assert said["agreement_of_seeds"][TRUNK] > 0.8
    assert said["agreement_of_phases"]["early and late"][TRUNK] > 0.7
    assert 30 < said["independent_looks"]["one"] <= 60
    assert said["median_eta"] == 14.5
    assert said["unknown_pairs"] == 0
    assert affinity.phases.shape == (3, 2, 5, 5)
    assert "caution" not in said
    assert "reliability 0.9" in summary(affinity, [seed_of(), seed_of(seed=1)])


@pytest.mark.parametrize(("average", "expected"), [("trimmed", 1.0), ("mean", -99.0), ("median", 1.0)])
def test_averages_as_the_config_says(average: str, expected: float) -> None:
    samples = np.ones((30, 2, 5, 5))
    samples[4] = -2999
    affinity = found(seed_of(samples=samples), average=average)
    assert affinity.slice()[0, 1] == expected
    assert average == "trimmed" or "trimmed" not in affinity.provenance["averaging"]


def test_the_window_ends_at_the_lowest_validation_error_of_each_training() -> None:
    samples = np.repeat([0.0, 100.0], 15)[:, None, None, None] * np.ones((1, 2, 5, 5))
    one, other = seed_of(samples=samples, lowest_at=125), seed_of(samples=samples, seed=1, lowest_at=300)
    affinity = found(one, trim=0.0)
    assert affinity.provenance["window"] == "looks up to step 120: validation error was lowest at step 125"
    assert affinity.slice()[0, 1] == 0
    assert affinity.counts[0, 0, 1] == 13
    assert affinity.provenance["median_eta"] == 6
    assert affinity.phases[:, 0, 0, 1].tolist() == [0, 50, 100]  # whatever the window
    words = found(one, other, trim=0.0).provenance["window"]
    assert words.startswith("training 1: looks up to step 120")
    assert "training 2: all looks" in words
    assert found(one, window="all", trim=0.0).slice()[0, 1] == 50
    assert found(one, window="late", trim=0.0).slice()[0, 1] == 100


def test_a_pair_never_seen_together_is_unknown() -> None:
    samples = seed_of().samples.copy()
    samples[:, :, 0, 1] = samples[:, :, 1, 0] = samples[:, :, 2, 3] = np.nan
    affinity = found(seed_of(samples=samples))
    assert np.isnan(affinity.slice()[0, 1])
    assert affinity.counts[-1, 0, 1] == 0
    assert affinity.provenance["unknown_pairs"] == 1  # c and d have one direction
    assert "30 looks at 5 tasks, 1 stage; " in summary(affinity, [seed_of()])
    assert "; 1 pair of tasks never seen together" in summary(affinity, [seed_of()])


def test_common_rows_are_shares_of_the_targets_rows() -> None:
    labels = np.full((100, 5), np.nan)
    labels[:40, 0] = labels[:10, 1:] = 0  # all rows of b to e are rows of a
    words = found(seed_of(), labels=labels).provenance["common_rows"]
    assert words.startswith("100.0% of a target's rows carry the source's label (median; least 25.0%)")
    assert words.endswith("2.0 rows of a batch carry both (least 2.0)")


def test_tasks_with_rows_of_their_own_are_pointed_to_other_measures() -> None:
    labels = np.full((100, 5), np.nan)
    labels[np.arange(100), np.arange(100) % 5] = 0
    affinity = found(seed_of(), labels=labels)
    assert affinity.provenance["caution"].endswith("taskgroup measure CONFIG --with cka,rsa")
    assert "mostly noise" in summary(affinity, [seed_of()])


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"stopped": 280, "regret": (0.1, 0.05)}, {}, "settled after 30 looks at step 280: cross-regret 0.10 between"),
        ({}, {"min_looks": 20}, "the steps ended after 30 looks, not settled (at most 0.15 both): cross-regret 0.30"),
        ({"regret": (0.1, 0.1)}, {"min_looks": 20}, "the steps ended after 30 looks, settled by then: cross-regret"),
        ({"regret": (np.nan, np.nan)}, {"min_looks": 20}, "the steps ended after 30 looks, which show no groups"),
        ({}, {"min_looks": 31}, "the steps ended after 30 looks, fewer than the 31 at which settling is looked into"),
        ({}, {"stop": "never"}, "the steps ended after 30 looks; no stopping rule"),
        ({"samples": np.zeros((30, 2, 3, 3))}, {"min_looks": 20}, "with fewer than 4 tasks halves agree by chance"),
    ],
)
def test_why_there_are_no_more_looks(changes: dict[str, Any], options: dict[str, Any], words: str) -> None:
    assert words in stopping_words(MeasureConfig(**options), [seed_of(**changes)])


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    return make_folder(tmp_path / "job")


def test_what_a_trial_wrote_is_read(prepared: Prepared) -> None:
    spec = trial(prepared, "measure")
    looks = read_looks(prepared.folder, spec, run_trial(spec, prepared))
    assert looks.samples.shape == (2, 3, 3, 3)
    assert looks.steps.tolist() == [2, 5]
    assert looks.stopped is None
    assert [check.step for check in looks.history] == [3, 6]
    assert all(len(values) == 2 for values in looks.facts.values())


def test_a_trial_whose_groupings_settle_is_complete_and_shorter(prepared: Prepared, monkeypatch: Any) -> None:
    monkeypatch.setattr("taskgroup.core.settled.StopRule.is_met", lambda *_: True)
    train = TrainOptions(steps=40, batch_size=16, n_checks=8)
    options = {"affinity": {"method": "lookahead"}, "every": 2, "stop": "settled", "min_looks": 10}
    spec = trial(prepared, "measure", train=train, measure=options)
    result = run_trial(spec, prepared)
    looks = read_looks(prepared.folder, spec, result)
    assert result.state == "complete"
    assert looks.stopped == 19
    assert looks.steps.tolist() == list(range(1, 20, 2))
    assert [check.step for check in result.history] == [5, 10, 15, 20]
    assert stop_rule({**options, "stop": "never"}, train) is None


def test_a_measure_that_looks_once_needs_no_steps(prepared: Prepared) -> None:
    options = {"sees": "data", "affinity": {"method": "common_rows"}, "every": 10, "stop": "settled", "min_looks": 40}
    spec = trial(prepared, "measure", measure=options)
    looks = read_looks(prepared.folder, spec, run_trial(spec, prepared))
    config = MeasureConfig(affinity=options["affinity"])
    affinity = averaged(config, [looks], ("sum", "sign", "third"), ("low", "high"), np.zeros((40, 3)), 16)
    assert affinity.counts.max() == 1
    assert affinity.provenance["reliability"] == {"low": None, "high": None, TRUNK: None}
