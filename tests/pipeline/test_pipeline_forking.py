"""Searches that start from the weights of the lookahead phase, and how it is decided whether they do."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_jobs import SPACE, make_folder, make_problem, trial
from torch import nn

import taskgroup
from taskgroup import Plan
from taskgroup.core.record import SEPARATE, SHARED
from taskgroup.core.spec import AdapterSpec, Architecture
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrialResult, TrialSpec
from taskgroup.nn.trunk import Trunk
from taskgroup.nn.weights import load_weights
from taskgroup.pipeline import work
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.forking import judged
from taskgroup.pipeline.networks import make_network, weights_file
from taskgroup.pipeline.prepared import Prepared
from taskgroup.pipeline.progress import Silent
from taskgroup.pipeline.work import run_trial

TASKS, DEEP = ("sum", "sign", "third"), ("low", "middle", "high")
SEARCH: dict[str, Any] = {"trials": 5, "adapters": {"sizes": [0, 2]}, "prune": False}


def deep_trunk() -> Trunk:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        widths = (4, 8, 6, 4)
        parts = [nn.Sequential(nn.Linear(a, b), nn.Tanh()) for a, b in itertools.pairwise(widths)]
    return Trunk(dict(zip(DEEP, parts, strict=True)))


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    return make_folder(tmp_path / "job", make_problem(trunk=deep_trunk()))


def shared(**more: Any) -> Architecture:
    return Architecture(topology=Topology.shared(TASKS, DEEP), **more)


BRANCHED = Architecture(
    topology=Topology(tasks=TASKS, stages=DEEP, matrix=((0, 0, 0), (0, 0, 1), (0, 1, 2))),
    adapters=(AdapterSpec(stage="low", size=2), AdapterSpec(stage="middle", kind="film", size=1)),
)


def test_a_forked_candidate_starts_where_the_joint_training_ended(prepared: Prepared) -> None:
    options = {"sees": "probe", "affinity": {"method": "lookahead"}, "every": 3, "overhead": None, "stop": "never"}
    measured = trial(prepared, "measure", architecture=shared(), measure={**options, "min_looks": 10, "keep": True})
    assert run_trial(measured, prepared).state == "complete"
    network = make_network(trial(prepared, architecture=shared()), prepared)
    load_weights(network, weights_file(prepared, measured.key)).eval()
    rows = prepared.example()
    forked = make_network(trial(prepared, architecture=BRANCHED, fork=measured.key), prepared).eval()
    for task in TASKS:
        torch.testing.assert_close(forked(rows)[task], network(rows)[task])
    wider = BRANCHED.model_copy(update={"head_size": 3})
    fresh, other = (make_network(trial(prepared, architecture=wider, fork=f), prepared) for f in (None, measured.key))
    assert all(torch.equal(a, b) for a, b in zip(fresh.heads.parameters(), other.heads.parameters(), strict=True))
    assert torch.equal(next(other.copies(2)[1].parameters()), next(network.copies(2)[0].parameters()))
    found, afresh = (run_trial(trial(prepared, architecture=BRANCHED, fork=f), prepared) for f in (measured.key, None))
    assert found.state == "complete"
    assert found.errors != afresh.errors


def test_weights_are_kept_only_where_they_are_wanted(prepared: Prepared) -> None:
    measured = trial(prepared, "measure", architecture=shared())
    run_trial(measured, prepared)
    assert not list(prepared.folder.trials.glob("*.safetensors"))


def planted(**errors: float | None) -> dict[str, TrialResult]:
    """Results by the candidate's name, of one task; None is a failure."""
    names = {"separate": SEPARATE, "shared": SHARED}
    return {
        names.get(name, name): TrialResult(key=name, state="failed")
        if error is None
        else TrialResult(key=name, state="complete", errors={"a": error})
        for name, error in errors.items()
    }


FULL = planted(separate=0.5, shared=0.4, early=0.45, late=0.3, last=0.35)


@pytest.mark.parametrize(
    ("forked", "rho", "on"),
    [
        (planted(separate=0.5, shared=0.3, early=0.4, late=0.1, last=0.2), 1.0, True),
        (planted(separate=0.1, shared=0.3, early=0.2, late=0.5, last=0.4), -1.0, False),
        (planted(separate=0.3, shared=0.5, early=0.4, late=0.1, last=0.2), 0.6, False),
    ],
)
def test_forking_goes_on_where_it_keeps_the_order(forked: dict[str, TrialResult], rho: float, on: bool) -> None:
    found = judged(FULL, forked)
    assert found.rho == pytest.approx(rho)
    assert (found.on, found.candidates) == (on, 5)
    assert found.words == f"forking {'on' if on else 'off'}: rank correlation {rho:.2f} with full trainings"


@pytest.mark.parametrize(
    ("forked", "words"),
    [
        (planted(separate=0.5, shared=0.4, early=None, late=None, last=0.1), "found 3 that trained both ways"),
        (planted(separate=None, shared=0.4, early=0.3, late=0.2, last=0.1), "found 4 and no all-separate"),
        (planted(separate=0.5, shared=0.5, early=0.5, late=0.5, last=0.5), "all candidates gain the same"),
    ],
)
def test_forking_stays_off_where_too_little_is_known(forked: dict[str, TrialResult], words: str) -> None:
    found = judged(FULL, forked)
    assert (found.rho, found.on) == (None, False)
    assert found.words.startswith("forking off: ")
    assert found.words.endswith(words)


class Lines(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[TrialSpec]:
    """Trials that were started."""
    monkeypatch.setattr("taskgroup.pipeline.job.write_report", lambda *_: None)
    found: list[TrialSpec] = []
    genuine = run_trial

    def run(spec: TrialSpec, prepared: Prepared) -> TrialResult:
        found.append(spec)
        return genuine(spec, prepared)

    monkeypatch.setattr(work, "run_trial", run)
    return found


def plan(out: Path, fork: str, lines: Lines, *, deep: bool = True, **sections: Any) -> Plan:
    config = {**SPACE, "search": {**SEARCH, "fork": fork}, **sections}
    problem = make_problem(trunk=deep_trunk() if deep else None)
    return taskgroup.plan(problem, config, out=out, progress=lines)


def told(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "fork.json").read_text())
    return found


@pytest.mark.parametrize(("rho", "on"), [(0.9, True), (0.31, False)])
def test_auto_trains_a_few_candidates_both_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[TrialSpec], rho: float, on: bool
) -> None:
    monkeypatch.setattr("taskgroup.pipeline.forking._rank_correlation", lambda *_: rho)
    lines = Lines()
    found = plan(tmp_path, "auto", lines)
    words = f"forking {'on' if on else 'off'}: rank correlation {rho:.2f} with full trainings"
    assert told(tmp_path) == {"rho": rho, "candidates": 4, "on": on, "words": words}
    assert words in lines.said
    trained = [spec for spec in started if spec.step == "search"]
    full, forked = trained[:4], trained[4:8]
    assert [spec.architecture for spec in full] == [spec.architecture for spec in forked]
    assert {(spec.fork is None, spec.train.steps) for spec in full} == {(True, 12)}
    assert {(spec.fork is None, spec.train.steps) for spec in forked} == {(False, 6)}
    assert {spec.fork is not None for spec in trained[8:]} == {on}
    baselines = {spec.architecture.fingerprint for spec in trained[:2]}
    assert not baselines & {s.architecture.fingerprint for s in trained[8:] if s.train.lr == full[0].train.lr}
    errors = {row.origin: row.errors for row in found.trials if row.origin in (SEPARATE, SHARED)}
    same = [(Folder(tmp_path).result(spec) or TrialResult(key="", state="failed")) for spec in (forked if on else full)]
    assert errors == {SEPARATE: same[0].errors, SHARED: same[1].errors}
    assert Folder(tmp_path).state()["trainings"]["fork"] > 4


class Interrupting(Lines):
    """Ctrl-C after so many trials of one step."""

    def __init__(self, step: str, after: int) -> None:
        super().__init__()
        self.step, self.after, self.now = step, after, ""

    def begin(self, step: str, total: int) -> None:
        self.now = step

    def advance(self, done: int, best_gain: float | None = None) -> None:
        if (self.now, done) == (self.step, self.after):
            raise KeyboardInterrupt


def test_interrupted_it_decides_and_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[TrialSpec]
) -> None:
    expected = plan(tmp_path / "whole", "auto", Lines())
    whole = [spec.key for spec in started]
    started.clear()
    for step, after in (("fork", 3), ("fork", 8), ("search", 3)):
        with pytest.raises(KeyboardInterrupt):
            plan(tmp_path / "parts", "auto", Interrupting(step, after))
    decided = told(tmp_path / "parts")
    assert decided == told(tmp_path / "whole")
    monkeypatch.delattr("taskgroup.pipeline.forking._decide")  # it is read
    found = plan(tmp_path / "parts", "auto", lines := Lines())
    assert lines.said == [decided["words"]]
    assert [spec.key for spec in started] == whole
    assert found.spec.fingerprint == expected.spec.fingerprint
    states = [Folder(tmp_path / out).state()["trainings"] for out in ("whole", "parts")]
    assert states[0] == states[1]


def test_on_forks_every_candidate_untried(tmp_path: Path, started: list[TrialSpec]) -> None:
    search = {**SEARCH, "fork": "on", "fork_steps": 0.25, "head_sizes": [3]}
    found = plan(tmp_path, "on", Lines(), search=search, measure={"seeds": 2, "every": 4})
    trained = [spec for spec in started if spec.step == "search"]
    measured = [spec.key for spec in started if spec.step == "measure"]
    assert {(spec.fork, spec.train.steps) for spec in trained} == {(measured[0], 3)}
    assert (tmp_path / "trials" / f"{measured[0]}.safetensors").exists()
    assert not (tmp_path / "trials" / f"{measured[1]}.safetensors").exists()
    assert told(tmp_path)["rho"] is None
    assert {spec.fork for spec in started if spec.step == "confirm"} == {None}
    assert all(row.state == "complete" for row in found.trials if row.errors)
    assert "fork" not in Folder(tmp_path).state()["trainings"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"measure": {"seeds": 1, "affinity": {"method": "cka"}}},
            "measure `cka` trains no joint network to start from",
        ),
        ({"deep": False}, "at least 4 candidates show whether it keeps their order, found 3 to compare"),
    ],
)
def test_without_a_joint_training_or_candidates_it_stays_off(
    tmp_path: Path, started: list[TrialSpec], changes: dict[str, Any], words: str
) -> None:
    lines = Lines()
    plan(tmp_path, "auto", lines, **changes)
    assert lines.said == [f"forking off: {words}"]
    assert told(tmp_path) == {
        "rho": None,
        "candidates": told(tmp_path)["candidates"],
        "on": False,
        "words": lines.said[0],
    }
    assert {spec.fork for spec in started} == {None}
