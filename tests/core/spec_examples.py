"""A complete spec for the tests of core."""

from typing import Any

from taskgroup.core.gain import Interval
from taskgroup.core.spec import (
    AdapterSpec,
    Architecture,
    ArmEvidence,
    Cost,
    Evidence,
    Helper,
    Provenance,
    Spec,
    TaskEvidence,
    TrunkSpec,
    Verdict,
)
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.topology import Topology

TASKS = ("digit", "ink", "odd")
STAGES = ("s1", "s2")
TOPOLOGY = Topology(tasks=TASKS, stages=STAGES, matrix=((0, 0, 0), (0, 1, 0)))
ARCHITECTURE = Architecture(
    topology=TOPOLOGY, adapters=(AdapterSpec(stage="s1", size=4),), helpers=(Helper(task="ink", along="odd"),)
)
TASK_SET = TaskSet(
    tasks=(
        Task(name="digit", kind="multiclass", n_classes=10),
        Task(name="ink", kind="regression", mean=1 / 3, scale=0.1),
        Task(name="odd", kind="binary", metric="auc"),
    )
)
COST = Cost(params=1000, macs=5000, params_ratio=1.5, macs_ratio=4 / 3)


def interval(mean: float) -> Interval:
    return Interval(mean=mean, low=mean - 0.1, high=mean + 0.1)


def evidence(*gains: float) -> Evidence:
    tasks = tuple(
        TaskEvidence(
            task=name,
            metric="accuracy",
            error=0.1,
            error_separate=0.2,
            error_shared=0.3,
            gain_vs_separate=interval(gain),
            gain_vs_shared=interval(0.2),
        )
        for name, gain in zip(TASKS, gains, strict=True)
    )
    arm = ArmEvidence(
        name="plan",
        fingerprint="f",
        cost=COST,
        gain_vs_separate=interval(0.3),
        gain_vs_shared=interval(0.2),
        chosen=True,
    )
    return Evidence(
        level=0.9,
        seeds=(1, 2),
        split="test",
        gain_vs_separate=interval(0.3),
        gain_vs_shared=interval(0.2),
        shared_vs_separate=interval(0.1),
        tasks=tasks,
        arms=(arm,),
        verdict=Verdict(code="better_than_both", text="Share s1."),
    )


def full_spec(**changes: Any) -> Spec:
    fields: dict[str, Any] = {
        "tasks": TASK_SET,
        "trunk": TrunkSpec(name="mlp", stages=STAGES, options={"width": 32}, input_shape=(64,)),
        "architecture": ARCHITECTURE,
        "cost": COST,
        "evidence": evidence(0.1, -0.2, 0.3),
        "provenance": Provenance(
            job="digits",
            created="2026-11-22",
            seed=3,
            config_hash="c",
            data_hash="d",
            versions={"taskgroup": "0.1.0"},
            n_trials=40,
        ),
    }
    return Spec(**{**fields, **changes})
