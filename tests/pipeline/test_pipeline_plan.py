"""Whole jobs through the Python face: what comes back, what is refused, and what repeats exactly."""

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tiny_jobs import PYTHON_PROBLEM, SPACE, STAGES, make_problem, make_trunk
from torch import nn

import taskgroup
from taskgroup import Plan
from taskgroup.errors import ConflictError, InputError, TrialError
from taskgroup.nn.trunk import Trunk
from taskgroup.pipeline.config import load_config, parse_config
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.job import load_checked, run_job
from taskgroup.pipeline.progress import Silent

pytestmark = pytest.mark.usefixtures("no_report")

SMALL = {**SPACE, "search": {"trials": 4, "adapters": {"sizes": [0, 2]}}}


@pytest.fixture
def no_report(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take longer than these trainings; one plan has them."""
    monkeypatch.setattr("taskgroup.pipeline.job.write_report", lambda *_: None)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return taskgroup.plan(make_problem(), SPACE, out=tmp_path_factory.mktemp("plan"))


def test_a_plan_has_its_spec_tables_figures_and_words(plan: Plan) -> None:
    spec = plan.spec
    assert spec.tasks.names == ("sum", "sign", "third")
    assert spec.trunk.stages == STAGES
    assert spec.evidence is not None
    assert len(spec.evidence.seeds) == 2
    assert {a.name for a in spec.evidence.arms} >= {"all-shared", "all-separate"}
    assert plan.affinity.values.shape == (3, 3, 3)
    assert len(plan.proposals.proposals) >= 2
    assert sum(bool(row.errors) and not row.origin.startswith("repeat") for row in plan.trials) == 6
    assert {"topology", "affinity", "dendrogram", "gains", "pareto", "history"} == set(plan.figures())
    assert str(plan) == plan.summary()
    assert plan.summary().startswith("tiny: ")
    assert str(plan.folder) in plan.summary()


def test_everything_lies_in_the_folder(plan: Plan) -> None:
    for name in ("spec.yaml", "weights.safetensors", "report.html", "trials.csv", "affinity.csv", "proposals.json"):
        assert (plan.folder / name).stat().st_size > 0
    assert (plan.folder / "exports" / "spec.json").exists()
    assert not list(plan.folder.rglob("*.partial"))
    assert taskgroup.load_spec(plan.folder / "spec.yaml") == plan.spec
    provenance = plan.spec.provenance
    assert provenance is not None
    assert set(provenance.seconds) == {"measure", "propose", "search", "confirm"}
    assert provenance.config_hash == Folder(plan.folder).state()["config"]


def test_weights_are_those_of_a_confirmation_run(plan: Plan) -> None:
    network = taskgroup.build(plan.spec, make_trunk())
    taskgroup.load_weights(network, plan.folder / "weights.safetensors")
    network.eval()
    problem = make_problem()
    rows = torch.from_numpy(problem.inputs[problem.split == 2])
    labels = problem.labels[problem.split == 2, 1]
    wrong = ((network(rows)["sign"][:, 0] > 0).numpy() != labels).mean()
    evidence = plan.spec.evidence
    assert evidence is not None
    tested = [json.loads(p.read_text()) for p in (plan.folder / "trials").glob("*.json")]
    tested = [t for t in tested if not t["history"]]
    assert min(abs(max(wrong, 0.5 / len(labels)) - t["errors"]["sign"]) for t in tested) < 1e-9


def test_the_same_call_again_answers_at_once(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("worked again")

    monkeypatch.setattr("taskgroup.pipeline.job.load_prepared", fail)
    again = taskgroup.plan(make_problem(), SPACE, out=plan.folder)
    assert again.spec == plan.spec
    assert again.trials == plan.trials


def test_another_config_in_the_same_folder_is_refused(plan: Plan) -> None:
    changed = {**SPACE, "search": {"trials": 7, "adapters": {"sizes": [0, 2]}}, "seed": 1}
    with pytest.raises(ConflictError, match=r"search\.trials: was 6, now 7") as caught:
        taskgroup.plan(make_problem(), changed, out=plan.folder)
    assert "seed: was 0, now 1" in str(caught.value)


def test_a_faulty_config_is_told_its_fault_before_the_difference(plan: Plan) -> None:
    """Not to make room for what cannot run."""
    changed = {**SPACE, "measure": {**SPACE["measure"], "affinity": {"method": "lookahed"}}}
    with pytest.raises(InputError, match="did you mean `lookahead`") as caught:
        taskgroup.plan(make_problem(), changed, out=plan.folder)
    assert "another config" not in str(caught.value)


@pytest.mark.parametrize("problem", [make_problem(seed=1), make_problem(trunk=make_trunk(5))], ids=["data", "trunk"])
def test_another_problem_in_the_same_folder_is_refused(plan: Plan, problem: Any) -> None:
    """The config of a problem in memory says nothing of it."""
    with pytest.raises(ConflictError, match="the data or the trunk changed"):
        taskgroup.plan(problem, SPACE, out=plan.folder)


def test_same_seed_same_plan(plan: Plan, tmp_path: Path) -> None:
    again = taskgroup.plan(make_problem(), SPACE, out=tmp_path / "again")
    assert again.spec.fingerprint == plan.spec.fingerprint
    for name in ("trials.csv", "affinity.csv", "proposals.json", "weights.safetensors"):
        assert (again.folder / name).read_bytes() == (plan.folder / name).read_bytes(), name


class Interrupting(Silent):
    """Ctrl-C after so many reports of progress."""

    def __init__(self, after: int) -> None:
        self.after = after

    def advance(self, done: int, best_gain: float | None = None) -> None:
        self.after -= 1
        if self.after == 0:
            raise KeyboardInterrupt


def test_interrupted_again_and_again_it_ends_the_same(plan: Plan, tmp_path: Path) -> None:
    """In the measurement, the search, the confirmation and the test."""
    for after in (1, 2, 2, 3, 6, 9):
        with pytest.raises(KeyboardInterrupt):
            taskgroup.plan(make_problem(), SPACE, out=tmp_path, progress=Interrupting(after))
    found = taskgroup.plan(make_problem(), SPACE, out=tmp_path)
    assert found.spec.fingerprint == plan.spec.fingerprint
    assert (tmp_path / "trials.csv").read_bytes() == (plan.folder / "trials.csv").read_bytes()


def test_two_tasks(tmp_path: Path) -> None:
    found = taskgroup.plan(make_problem(2), SMALL, out=tmp_path)
    assert found.spec.tasks.names == ("sum", "sign")
    assert found.spec.evidence is not None


def test_gains_of_trained_pairs_as_the_jobs_own_affinity(tmp_path: Path) -> None:
    space = {**SMALL, "measure": {"seeds": 2, "affinity": {"method": "pairs"}}}
    found = taskgroup.plan(make_problem(), space, out=tmp_path)
    assert found.affinity.provenance["method"] == "pairs"
    assert np.isfinite(found.affinity.slice()[~np.eye(3, dtype=bool)]).all()
    kept = Folder(tmp_path).affinity("measures/pairs")
    np.testing.assert_array_equal(found.affinity.values, kept.values)
    assert found.affinity.counts.max() == 2
    trials = [json.loads(path.read_text()) for path in (tmp_path / "trials").glob("*.json")]
    rows = Folder(tmp_path).rows()
    n_others = sum(bool(row.errors) and not row.origin.startswith("repeat") for row in rows)
    assert len([t for t in trials if t["file"] and t["file"].endswith(".npz")]) == 2 * 4
    assert n_others == 4


def test_a_matrix_of_ones_own_as_the_jobs_own_affinity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No training before the search, and its groups are those of the file: sum helps third, and third sum."""
    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_text("source,sum,sign,third\nsum,,0,2\nsign,0,,0\nthird,3,0,\n")
    space = {**SMALL, "measure": {"affinity": {"method": "given", "path": "mine.csv"}}}
    found = taskgroup.plan(make_problem(), space, out=tmp_path / "job")
    assert (found.affinity.slice()[0, 2], found.affinity.slice()[2, 0]) == (2.0, 3.0)
    assert found.affinity.provenance["method"] == "given"
    assert not list((tmp_path / "job" / "trials").glob("*.npz"))
    groupings = [p.grouping.groups for p in found.proposals.proposals if len(p.grouping) == 2]
    assert all(
        {frozenset(g) for g in groups} == {frozenset({"sum", "third"}), frozenset({"sign"})} for groups in groupings
    )
    assert groupings


def test_a_limit_of_one_leads_to_sharing_everything(tmp_path: Path) -> None:
    found = taskgroup.plan(make_problem(), {**SMALL, "limits": {"macs_ratio": 1}}, out=tmp_path)
    assert found.spec.architecture.topology.is_shared
    assert not found.spec.architecture.adapters
    assert {row.state for row in found.trials[2:]} <= {"over limit", "complete"}
    evidence = found.spec.evidence
    assert evidence is not None
    assert evidence.verdict.code == "share_everything"
    assert "all-separate is over the limits" in evidence.verdict.text


def test_a_plan_keeps_the_constraints(tmp_path: Path) -> None:
    rules = {"must_link": [["sum", "third"]], "cannot_link": [["sum", "sign"]]}
    space = {**SMALL, "search": {**SMALL["search"], "trials": 6}, "propose": {"constraints": rules, "draws": 5}}
    found = taskgroup.plan(make_problem(), space, out=tmp_path)
    topology = found.spec.architecture.topology
    assert (topology.n_shared("sum", "third"), topology.n_shared("sum", "sign")) == (2, 0)
    assert {p.grouping.groups for p in found.proposals.proposals} == {(("sum", "third"), ("sign",))}
    for row in found.trials[2:]:
        kept = row.architecture.topology == topology
        assert row.state == ("complete" if kept else "over limit") or row.origin.startswith("repeat")
    assert {row.origin for row in found.trials[:2]} == {"all-shared", "all-separate"}
    evidence = found.spec.evidence
    assert evidence is not None
    assert not any(arm.chosen for arm in evidence.arms if arm.name in ("all-shared", "all-separate"))


def test_constraints_and_groups_that_fit_no_task_are_told_before_anything_is_trained(tmp_path: Path) -> None:
    propose = {
        "constraints": {"must_link": [["sum", "thrd"]]},
        "groupers": [{"method": "given", "groups": [["sum", "sing"]]}],
    }
    with pytest.raises(InputError) as caught:
        taskgroup.plan(make_problem(), {**SMALL, "propose": propose}, out=tmp_path / "job")
    assert caught.value.problems == (
        "tiny: `propose.constraints`: `must_link` should name tasks of the problem, found `thrd`, "
        "did you mean `third`?",
        "tiny: `propose.groupers.0`: `groups` should name tasks of the problem, found `sing`, did you mean `sign`?",
    )
    assert not (tmp_path / "job").exists()


def test_no_stage_for_adapters_is_none_and_not_all(tmp_path: Path) -> None:
    space = {**SMALL, "search": {"trials": 4, "adapters": {"sizes": [0, 2], "stages": []}}}
    found = taskgroup.plan(make_problem(), space, out=tmp_path)
    assert not any(row.architecture.adapters for row in found.trials)


def test_kinds_that_cannot_stand_at_a_stage_are_told_before_anything_is_trained(tmp_path: Path) -> None:
    stages = {"low": nn.Linear(4, 8), "spread": nn.Unflatten(1, (1, 2, 2, 2)), "high": nn.Flatten()}
    problem = make_problem(trunk=Trunk(stages))
    space = {**SMALL, "search": {"adapters": {"kind": ["none", "lora", "film"]}}}
    with pytest.raises(InputError) as caught:
        taskgroup.plan(problem, space, out=tmp_path / "job")
    lora = "adapter: lora changes linear layers and convolutions of one group, found a stage with none; "
    film = (
        "adapter: film works on features (F,), tokens (L, F) or maps (C, H, W), found a stage of shape (1, 2, 2, 2); "
    )
    assert caught.value.problems == (
        f"tiny: `search.adapters.stages`: at `spread`: {lora}leave the stage out",
        f"tiny: `search.adapters.stages`: at `spread`: {film}leave the stage out",
        f"tiny: `search.adapters.stages`: at `high`: {lora}leave the stage out",
    )
    assert not (tmp_path / "job").exists()
    for chosen in ({"stages": ["low"]}, {"sizes": [0]}):
        config = parse_config(
            {**space, "search": {"adapters": {"kind": ["none", "lora", "film"], **chosen}}}, "x", tmp_path
        )
        assert load_checked(config, tmp_path, problem) is problem


def test_kinds_and_copies_are_searched_and_trained_in_two_phases(tmp_path: Path) -> None:
    choice = {"kind": ["film", "lora"], "sizes": [0, 2], "vary": "branch"}
    train = {**SMALL["train"], "adapters": "staged", "adapter_share": 0.25}
    space = {**SMALL, "train": train, "search": {"trials": 12, "adapters": choice}}
    found = taskgroup.plan(make_problem(), space, out=tmp_path)
    assert {a.kind for row in found.trials for a in row.architecture.adapters} == {"film", "lora"}
    assert all(row.state in ("complete", "pruned") for row in found.trials)


def test_a_candidate_that_fails_is_a_row_and_a_baseline_that_fails_ends_the_job(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match=r"measure trial \w+ \(seed \d+\) failed: RuntimeError: the pump"):
        taskgroup.plan(make_problem(trunk=make_trunk(broken=True)), SMALL, out=tmp_path)
    assert Folder(tmp_path).state()["state"] == "running"


@pytest.mark.parametrize(
    ("problem", "space", "options", "words"),
    [
        (make_problem(), SPACE, {"workers": 2}, "a problem in memory runs with workers=1, found 2"),
        (make_problem(), SPACE, {"workers": 0}, "`workers` should be at least 1, found 0"),
        (None, {"name": "x"}, {}, "needs a problem"),
        (make_problem(), [1], {}, "a config should be a mapping of sections, found list"),
        (make_problem(), {"serch": {}}, {}, "`serch` is not a known key"),
        ({"source": "bundled", "name": "digit"}, {"trunk": {"name": "mlp"}}, {}, "digit"),
        ({"source": "bundled", "name": "digits"}, {}, {}, "trunk: is missing"),
        (
            make_problem(),
            {"search": {"adapters": {"stages": ["hihg"]}}},
            {},
            "the trunk's stages are low, high; found `hihg`, did you mean `high`",
        ),
        (make_problem(), {"measure": {"affinity": {"method": "x"}}}, {}, "affinity measure should be one of"),
        (
            make_problem(1),
            SPACE,
            {},
            "tiny: a job needs at least two tasks that might share a network, found only `sum`",
        ),
        (
            {"source": "bundled", "name": "linnerud", "tasks": ["waist"]},
            {"trunk": {"name": "mlp"}},
            {},
            "linnerud: a job needs at least two tasks that might share a network, found only `waist`",
        ),
    ],
)
def test_what_cannot_be_planned_is_said_before_anything_is_written(
    tmp_path: Path, problem: Any, space: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError) as caught:
        taskgroup.plan(problem, space, out=tmp_path / "job", **options)
    assert len(caught.value.problems) == 1
    assert words in caught.value.problems[0]
    assert not (tmp_path / "job").exists()


def test_an_empty_file_is_no_space(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").touch()
    with pytest.raises(InputError, match="a config should be a mapping"):
        taskgroup.plan(make_problem(), tmp_path / "empty.yaml", out=tmp_path / "job")


def test_mappings_of_the_caller_stay_as_they_were(tmp_path: Path) -> None:
    space: dict[str, Any] = {"search": {"trials": 1}}
    with pytest.raises(InputError):
        taskgroup.plan(make_problem(), space, out=tmp_path)
    assert space == {"search": {"trials": 1}}


def python_config(folder: Path) -> Path:
    """A config beside a module of its own name, since a process keeps what it has imported."""
    module = f"made_{folder.name.replace('-', '_')}"
    (folder / f"{module}.py").write_text(PYTHON_PROBLEM)
    config = {**SMALL, "name": "mine", "problem": {"source": "python", "target": f"{module}:make"}}
    (folder / "mine.yaml").write_text(yaml.safe_dump(config))
    return folder / "mine.yaml"


def test_a_problem_of_the_users_own_in_worker_processes(tmp_path: Path) -> None:
    """Two workers, then one, then none: the plan is the same but for what the search of two asked."""
    path = python_config(tmp_path)
    two = taskgroup.plan(space=path, out=tmp_path / "two", workers=2)
    assert two.spec.tasks.names == ("left", "right")
    assert two.spec.trunk.name == f"{path.parent.glob('*.py').__next__().stem}:make"
    settings = load_config(path)
    run_job(settings, tmp_path / "one", workers=1, progress=Silent(), base=tmp_path)
    inline = taskgroup.plan(space=path, out=tmp_path / "inline")
    assert taskgroup.load_spec(tmp_path / "one" / "spec.yaml").fingerprint == inline.spec.fingerprint
    assert (tmp_path / "one" / "trials.csv").read_bytes() == (tmp_path / "inline" / "trials.csv").read_bytes()
    assert two.affinity.values == pytest.approx(inline.affinity.values)


SCRIPT = """
import taskgroup

taskgroup.plan({"source": "bundled", "name": "linnerud"}, {"trunk": {"name": "mlp", "width": 4}}, workers=2)
"""


def test_a_script_that_its_own_workers_would_start_again_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    sentence = 'plan: a script should do this under `if __name__ == "__main__":`, since every worker process imports it'
    assert f"{sentence}; found none in script.py and workers=2" in done.stderr
    assert done.stderr.count("Traceback") == 1
    assert not (tmp_path / "results").exists()


def test_a_worker_that_comes_by_a_plan_while_it_imports_the_script_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    with pytest.raises(InputError, match="since every worker process imports it"):
        taskgroup.plan(make_problem(), SPACE)


def test_jobs_may_share_a_database(tmp_path: Path) -> None:
    """Another configuration of the same name does not take over the trials of the first."""
    url = f"sqlite:///{tmp_path / 'all.db'}"
    path = python_config(tmp_path)
    found = []
    for out, changes in (("a", ()), ("b", ("search.steps=3",))):
        settings = load_config(path, changes)
        options: dict[str, Any] = {"workers": 1, "progress": Silent(), "base": tmp_path, "inline": True}
        found.append(run_job(settings, tmp_path / out, storage=url, **options))
        assert not (tmp_path / out / "study.db").exists()
    one, two = ([row.errors for row in record.trials if row.errors] for record in found)
    assert len(one) >= 4
    assert all(a != b for a, b in zip(one, two, strict=False))


def test_a_finished_job_is_shown_without_torch(plan: Plan, tmp_path: Path) -> None:
    config = {
        "name": "quick",
        "problem": {"source": "bundled", "name": "linnerud"},
        "trunk": {"name": "mlp", "width": 4, "depth": 2},
        **{k: v for k, v in SMALL.items() if k != "name"},
    }
    path = tmp_path / "quick.yaml"
    path.write_text(yaml.safe_dump(config))
    taskgroup.plan(space=path, out=tmp_path / "job")
    code = (
        "import sys; from taskgroup.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        "print(sorted({'torch', 'optuna', 'pandas', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, "run", str(path), "--out", str(tmp_path / "job")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "NO_COLOR": "1"})
    assert done.stdout.startswith("quick: ")
    assert done.stdout.splitlines()[-1] == "[]"


def test_affinities_are_means_over_the_looks(plan: Plan) -> None:
    (file,) = (plan.folder / "trials").glob("*.npz")
    with np.load(file) as stored:
        samples = stored["samples"]
    assert plan.affinity.counts.max() == len(samples) == 3
    np.testing.assert_allclose(plan.affinity.values, samples.mean(axis=0))
