"""A finished job made by hand: planted groups, plausible costs, every state of a trial."""

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from taskgroup.core.affinity import TRUNK, Affinity
from taskgroup.core.gain import Interval
from taskgroup.core.record import CandidateTree, Proposal, Proposals, Record, TrialRow
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
from taskgroup.core.tree import MergeTree

DIGITS = ("digit", "parity", "at_least_five", "prime", "n_loops", "straight_stroke", "ink_mass", "centre_x", "centre_y")
STAGES = ("stem", "block1", "block2", "block3")
HOSTILE = '<b>&"x'


def make_record(
    names: tuple[str, ...] = DIGITS,
    *,
    stages: tuple[str, ...] = STAGES,
    n_trials: int = 30,
    evidence: bool = True,
    name: str = "digits",
) -> Record:
    """A record of any number of tasks; the first third, the second and the rest belong together."""
    rng = np.random.default_rng(7)
    affinity = make_affinity(names, stages, rng)
    tree = make_tree(affinity)
    trials = with_best_adapted(make_trials(tree, stages, n_trials, rng), stages)
    spec = make_spec(names, stages, tree, trials, rng, evidence=evidence)
    proposals = tuple(
        Proposal(
            grouping=tree.cut(k),
            source=f"hierarchical(average), {k} group{'s' * (k > 1)}",
            score=0.61 - 0.07 * k if 1 < k < len(names) else None,
        )
        for k in range(1, min(5, len(names)) + 1)
    )
    trees = (CandidateTree(source="hierarchical(average)", tree=tree),)
    notes = ("ward was left out: it needs Euclidean distances, which a similarity does not give.",)
    return Record(name, spec, affinity, Proposals(proposals=proposals, trees=trees, notes=notes), trials)


def planted(n_tasks: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Group of each task."""
    return np.minimum(np.arange(n_tasks) * 3 // max(n_tasks, 1), 2)


def make_affinity(names: tuple[str, ...], stages: tuple[str, ...], rng: np.random.Generator) -> Affinity:
    n, n_slices = len(names), len(stages) + 1
    group = planted(n)
    close = np.where(group[:, None] == group[None, :], 0.004, -0.002)
    speed = rng.uniform(0.01, 0.05, n)  # per target: how fast its loss falls whatever is trained
    depth = np.linspace(0.3, 1.2, n_slices)[:, None, None]
    values = depth * close + speed[None, None, :] + rng.normal(0, 0.0015, (n_slices, n, n))
    stderr = rng.uniform(0.0005, 0.0025, values.shape)
    counts = np.full(values.shape, 120, dtype=np.int64)
    return Affinity(
        names, (*stages, TRUNK), values, stderr, counts, {"measure": "lookahead", "steps": 120, "seeds": [0, 1]}
    )


def make_tree(affinity: Affinity) -> MergeTree:
    if len(affinity.tasks) == 1:
        return MergeTree(tasks=affinity.tasks, merges=(), heights=())
    similarity = affinity.similarity()
    distance = 1.1 * similarity.max() - similarity
    np.fill_diagonal(distance, 0.0)
    return MergeTree.from_linkage(affinity.tasks, linkage(squareform(distance, checks=False), "average"))


def cost_of(architecture: Architecture) -> Cost:
    sizes, macs = (1_200, 9_300, 18_600, 37_000), (77_000, 590_000, 300_000, 150_000)
    topology = architecture.topology
    adapter = {a.stage: a.size for a in architecture.adapters}
    n_copies = [len(topology.groups(s)) for s in range(len(topology.stages))]
    n_params = sum(c * sizes[s % 4] for s, c in enumerate(n_copies)) + 900 * sum(adapter.values())
    n_macs = sum(c * macs[s % 4] for s, c in enumerate(n_copies)) + 9_000 * sum(adapter.values())
    base_params = sum(sizes[s % 4] for s in range(len(n_copies)))
    base_macs = sum(macs[s % 4] for s in range(len(n_copies)))
    return Cost(params=n_params, macs=n_macs, params_ratio=n_params / base_params, macs_ratio=n_macs / base_macs)


def make_trials(
    tree: MergeTree, stages: tuple[str, ...], n_trials: int, rng: np.random.Generator
) -> tuple[TrialRow, ...]:
    rows = []
    for number in range(n_trials):
        origin, topology, sizes = _candidate(number, tree, stages, rng)
        adapters = tuple(AdapterSpec(stage=s, size=k) for s, k in zip(stages, sizes, strict=True) if k)
        architecture = Architecture(topology=topology, adapters=adapters)
        cost = cost_of(architecture)
        state = "over limit" if cost.params_ratio > 5.6 and origin == "sampler" else "complete"
        if origin == "sampler" and number % 7 == 5:
            state = "pruned"
        if number == 17:
            state = "failed"
        gain = 0.02 + 0.1 * (1 - 1 / cost.macs_ratio) + rng.normal(0, 0.03) - 0.03 * max(0, cost.macs_ratio - 3)
        errors = {t: float(rng.uniform(0.02, 0.3)) for t in tree.tasks} if state in ("complete", "pruned") else {}
        rows.append(
            TrialRow(
                number=number,
                origin=origin,
                state=state,
                architecture=architecture,
                cost=cost,
                gain=(0.0 if origin == "all-separate" else gain) if state == "complete" else None,
                errors=errors,
                seconds=float(rng.uniform(1, 3)) if errors else 0.0,
            )
        )
    return tuple(rows)


def with_best_adapted(trials: tuple[TrialRow, ...], stages: tuple[str, ...]) -> tuple[TrialRow, ...]:
    """The same trials, the best of them with adapters, so that there is something to mark."""
    best = max((t for t in trials if t.gain is not None), key=lambda t: t.gain or 0.0, default=None)
    if best is None:
        return trials
    adapters = (AdapterSpec(stage=stages[1 % len(stages)], size=8), AdapterSpec(stage=stages[-1], size=16))
    architecture = Architecture(topology=best.architecture.topology, adapters=adapters[: len(stages)])
    adapted = best.model_copy(update={"architecture": architecture, "cost": cost_of(architecture)})
    return tuple(adapted if t is best else t for t in trials)


def _candidate(
    number: int, tree: MergeTree, stages: tuple[str, ...], rng: np.random.Generator
) -> tuple[str, Topology, list[int]]:
    none = [0] * len(stages)
    if number == 0:
        return "all-shared", Topology.shared(tree.tasks, stages), none
    if number == 1:
        return "all-separate", Topology.separate(tree.tasks, stages), none
    n_groups = min(number, len(tree.tasks))
    if number < 5:
        branched = Topology.branched(tree.cut(n_groups), stages, 2)
        return f"proposal: hierarchical(average), {n_groups} groups", branched, none
    splits = sorted(rng.integers(rng.integers(1, len(stages) + 1), len(stages) + 1, len(tree.merges)), reverse=True)
    sizes = [int(k) for k in rng.choice([0, 0, 0, 4, 8], len(stages))]
    return "sampler", tree.topology(stages, [int(s) for s in splits]), sizes


def make_spec(
    names: tuple[str, ...],
    stages: tuple[str, ...],
    tree: MergeTree,
    trials: tuple[TrialRow, ...],
    rng: np.random.Generator,
    *,
    evidence: bool,
) -> Spec:
    done = [t for t in trials if t.gain is not None]
    ranked = sorted(done, key=lambda t: -(t.gain or 0.0))
    chosen = ranked[0].architecture if ranked else Architecture(topology=Topology.shared(names, stages))
    tasks = tuple(_task(k, task) for k, task in enumerate(names))
    return Spec(
        tasks=TaskSet(tasks=tasks),
        trunk=TrunkSpec(name="conv", stages=stages, options={"width": 16}, input_shape=(1, 8, 8)),
        architecture=chosen,
        cost=cost_of(chosen),
        evidence=make_evidence(tasks, chosen, ranked, rng) if evidence else None,
        provenance=Provenance(
            job="digits",
            created="2026-11-20T12:00:00+00:00",
            seed=0,
            config_hash="3fd1a7c09be2",
            data_hash="77ab01e2c3d4",
            versions={"taskgroup": "0.1.0", "torch": "2.13.0"},
            n_trials=len(trials),
            seconds={"measure": 14.2, "propose": 0.3, "search": 61.8, "confirm": 33.0},
        )
        if evidence
        else None,
    )


def _task(k: int, name: str) -> Task:
    if k % 3 == 0:
        return Task(name=name, kind="multiclass", n_classes=10)
    return Task(name=name, kind="binary") if k % 3 == 1 else Task(name=name, kind="regression")


def interval(mean: float, width: float) -> Interval:
    return Interval(mean=mean, low=mean - width, high=mean + width)


def make_evidence(
    tasks: tuple[Task, ...], chosen: Architecture, ranked: list[TrialRow], rng: np.random.Generator
) -> Evidence:
    rows = []
    for task in tasks:
        separate, gain, ratio = rng.uniform(0.03, 0.3), rng.normal(0.1, 0.08), rng.uniform(0.9, 1.1)
        error, shared = separate * (1 - gain), separate * ratio
        rows.append(
            TaskEvidence(
                task=task.name,
                metric=str(task.metric),
                error=error,
                error_separate=separate,
                error_shared=shared,
                gain_vs_separate=interval(gain, rng.uniform(0.02, 0.09)),
                gain_vs_shared=interval(1 - error / shared, rng.uniform(0.02, 0.09)),
            )
        )
    return Evidence(
        level=0.95,
        seeds=(101, 102, 103, 104, 105),
        split="test",
        gain_vs_separate=interval(float(np.mean([r.gain_vs_separate.mean for r in rows])), 0.031),
        gain_vs_shared=interval(float(np.mean([r.gain_vs_shared.mean for r in rows])), 0.035),
        shared_vs_separate=interval(0.02, 0.04),
        tasks=tuple(rows),
        arms=make_arms(chosen, ranked),
        verdict=Verdict(
            code="better_than_both",
            text="The chosen topology is better than both separate networks and one shared network: both intervals "
            "lie above zero. It costs 1.9 times the multiply-accumulates of sharing everything.",
        ),
    )


def make_arms(chosen: Architecture, ranked: list[TrialRow]) -> tuple[ArmEvidence, ...]:
    arms = []
    for k, row in enumerate(ranked[:3]):
        gain = interval(0.09 - 0.01 * k, 0.03)
        arms.append(
            ArmEvidence(
                name=f"trial {row.number}",
                fingerprint=row.architecture.fingerprint,
                cost=row.cost,
                gain_vs_separate=gain,
                gain_vs_shared=interval(gain.mean - 0.03, 0.03),
                chosen=row.architecture.fingerprint == chosen.fingerprint,
            )
        )
    return tuple(arms)


def with_helper(record: Record) -> Record:
    """The same job with the first task helping along the path of the last."""
    old = record.spec.architecture
    helper = Helper(task=old.topology.tasks[0], along=old.topology.tasks[-1])
    data = record.spec.to_dict() | {"fingerprint": ""}
    data["architecture"]["helpers"] = [helper.model_dump()]
    spec = Spec.from_dict(data)
    trials = tuple(
        row.model_copy(update={"architecture": spec.architecture}) if row.architecture == old else row
        for row in record.trials
    )
    return Record(record.name, spec, record.affinity, record.proposals, trials)
