import os
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError
from spec_examples import ARCHITECTURE, STAGES, TASKS

from taskgroup.core.spec import Architecture
from taskgroup.core.topology import Topology
from taskgroup.core.trial import Bar, Check, TrainOptions, TrialResult, TrialSpec

BASE: dict[str, Any] = {
    "job": "digits",
    "data": "d1",
    "step": "search",
    "architecture": ARCHITECTURE,
    "seed": 1,
    "train": TrainOptions(),
    "measure": None,
    "bars": (Bar(step=100, gain=0.1, reference={"digit": 0.2}),),
    "weights": None,
    "together": (),
    "fork": None,
    "division": None,
}
OTHER: dict[str, Any] = {
    "job": "digits2",
    "data": "d2",
    "step": "confirm",
    "architecture": Architecture(topology=Topology.shared(TASKS, STAGES)),
    "seed": 2,
    "train": TrainOptions(steps=601),
    "measure": {"method": "lookahead"},
    "bars": (Bar(step=100, gain=0.1, reference={"digit": 0.20001}),),
    "weights": "k",
    "together": (1, 2),
    "fork": "k",
    "division": (3, 0),
}


def test_every_field_of_the_spec_and_of_training_is_tried_below() -> None:
    assert set(BASE) == set(OTHER) == set(TrialSpec.model_fields)


@pytest.mark.parametrize("field", sorted(OTHER))
def test_key_changes_with_each_field(field: str) -> None:
    assert TrialSpec(**BASE | {field: OTHER[field]}).key != TrialSpec(**BASE).key


def test_keys_of_specs_that_name_no_group_no_fork_and_no_division_are_as_they_were() -> None:
    assert {"together", "fork", "division"}.isdisjoint(TrialSpec(**BASE).model_dump(mode="json"))


def test_a_trial_is_a_member_of_its_own_group() -> None:
    with pytest.raises(ValidationError, match=r"together should hold the trial's own seed 1, found \[2, 3\]"):
        TrialSpec(**BASE | {"together": (2, 3)})


def test_members_of_a_group_differ_in_seed_and_number() -> None:
    spec = TrialSpec(**BASE | {"together": (5, 1), "division": (3, 1)})
    assert [(m.seed, m.division) for m in spec.members] == [(5, (3, 0)), (1, (3, 1))]
    assert spec.members[1] == spec
    assert TrialSpec(**BASE).members == (TrialSpec(**BASE),)
    with pytest.raises(ValidationError, match=r"division should have the trial's place in \[5, 1\], found \(3, 0\)"):
        TrialSpec(**BASE | {"together": (5, 1), "division": (3, 0)})


@pytest.mark.parametrize("field", sorted(TrainOptions.model_fields))
def test_key_changes_with_each_training_option(field: str) -> None:
    train = TrainOptions(adapters="staged")
    value = getattr(train, field)
    changed = {"adapters": "joint", "adapter_share": 0.4}.get(field, value * 2)
    other = TrainOptions.model_validate(train.model_dump() | {field: changed})
    assert TrialSpec(**BASE | {"train": other}).key != TrialSpec(**BASE | {"train": train}).key


def test_key_is_the_same_on_the_other_side_of_the_wire() -> None:
    spec = TrialSpec(**BASE)
    back = TrialSpec.model_validate_json(spec.model_dump_json())
    assert back == spec
    assert back.key == spec.key
    assert len(spec.key) == 20


def test_key_is_the_same_in_another_process() -> None:
    """A key names the file of an earlier run: were it of the process, no finished trial would be found again."""
    spec = TrialSpec(**BASE)
    code = "import sys; from taskgroup.core.trial import TrialSpec as T; print(T.model_validate_json(sys.argv[1]).key)"
    keys = {
        subprocess.run(
            [sys.executable, "-c", code, spec.model_dump_json()],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert keys == {spec.key}


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"batch_size": 0}, {"lr": 0}, {"weight_decay": -1}, {"n_checks": 0}])
def test_training_options_have_ranges(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="greater than"):
        TrainOptions.model_validate(wrong)


def test_step_and_state_are_closed_lists() -> None:
    with pytest.raises(ValidationError, match="'measure', 'search', 'confirm' or 'test'"):
        TrialSpec(**BASE | {"step": "tune"})
    with pytest.raises(ValidationError, match="'complete', 'pruned' or 'failed'"):
        TrialResult.model_validate({"key": "k", "state": "running"})


def test_result_survives_json() -> None:
    result = TrialResult(
        key="k", state="pruned", errors={"a": 1 / 3}, history=(Check(step=5, errors={"a": 0.1}),), seconds=1.5
    )
    assert TrialResult.model_validate_json(result.model_dump_json()) == result
