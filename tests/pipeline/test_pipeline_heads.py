"""``heads.size``: every network of a job has heads of that size, and jobs without it are what they were."""

from pathlib import Path
from typing import Any

import pytest
import torch
from test_pipeline_plan import SMALL
from tiny_jobs import SPACE, make_problem, make_trunk

import taskgroup
from taskgroup.core.comparison import Comparison
from taskgroup.core.trial import TrialSpec
from taskgroup.pipeline import work
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.desk import Desk
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.wanted import wanted_measures

HEADS = {"heads": {"size": 4}}
OF_EACH_SIGHT = "gradient_dot,cka,label_correlation,ablation,pairs"


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Step and head size of every trial; pictures, which take longer, are left out."""
    seen: list[tuple[str, int]] = []
    run_trial = work.run_trial

    def noted(spec: TrialSpec, prepared: Any) -> Any:
        seen.append((spec.step, spec.architecture.head_size))
        return run_trial(spec, prepared)

    monkeypatch.setattr(work, "run_trial", noted)
    monkeypatch.setattr("taskgroup.pipeline.job.write_report", lambda *_: None)
    monkeypatch.setattr(
        "taskgroup.pipeline.compared.write_comparison", lambda _, path: (path / "measures.html").touch()
    )
    return seen


def test_a_plan_with_hidden_heads(tmp_path: Path, sizes: list[tuple[str, int]]) -> None:
    plan = taskgroup.plan(make_problem(), {**SMALL, **HEADS}, out=tmp_path)
    assert {step for step, _ in sizes} == {"measure", "search", "confirm", "test"}
    assert {size for _, size in sizes} == {4}
    assert plan.spec.architecture.head_size == 4
    assert {row.architecture.head_size for row in plan.trials} == {4}
    network = taskgroup.build(plan.spec, make_trunk())
    taskgroup.load_weights(network, plan.folder / "weights.safetensors")
    assert all(isinstance(head, torch.nn.Sequential) and head[0].out_features == 4 for head in network.heads)


def test_measures_of_every_sight_see_hidden_heads(tmp_path: Path, sizes: list[tuple[str, int]]) -> None:
    found = taskgroup.measure(make_problem(), {**SPACE, **HEADS}, measures=OF_EACH_SIGHT, seeds=1, out=tmp_path)
    assert isinstance(found, Comparison)
    assert {size for _, size in sizes} == {4}
    assert len(sizes) == 4 + 4  # one for each of four sights, and for `pairs` all-separate and three rounds


def test_results_of_linear_heads_do_not_pass_for_those_of_hidden_ones(tmp_path: Path) -> None:
    keys = []
    folder = Folder(tmp_path)
    with folder.held():
        folder.note(data="x")
    for more in ({}, {"heads": {"size": 0}}, HEADS, {"heads": {"size": 5}}):
        config = Config.model_validate({**SPACE, **more})
        (wanted,) = wanted_measures([{"method": "cka"}], config.measure.affinity)
        keys.append(Desk(config, folder, tmp_path, 1).key(wanted.known))
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_linear_heads_leave_no_trace_in_a_config() -> None:
    plain = Config.model_validate(SPACE)
    assert "heads" not in plain.to_dict()
    assert Config.model_validate({**SPACE, "heads": {}}).fingerprint == plain.fingerprint
    hidden = Config.model_validate({**SPACE, **HEADS})
    assert hidden.to_dict()["heads"] == {"size": 4}
    assert hidden.fingerprint != plain.fingerprint
    assert Config.model_validate(hidden.to_dict()) == hidden
