"""Measured: what the looks of all seeds come to, over which window, how sure it is, and why there are no more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.affinity import TRUNK, Affinity
from taskgroup.core.phases import Window, choose_window, phase_agreement, phase_matrices
from taskgroup.core.reliability import seed_agreement, spearman_brown, split_half
from taskgroup.core.settled import MIN_TASKS, StopRule
from taskgroup.core.text import plural
from taskgroup.core.trial import Check, TrainOptions, TrialResult, TrialSpec
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.sections import MeasureConfig

Array = NDArray[np.float64]

FEW_TASKS = 4
"""With fewer tasks two halves of the looks agree by chance."""
MIN_CHECKS = 8
"""Validation checks of a measured training at least, for the window."""
FEW_COMMON = 0.05
"""Median share of common rows below which gradients say little of a pair."""


@dataclass(frozen=True)
class Looks:
    """What one measured training left.

    Attributes:
        seed: Of the training.
        samples: Shape ``(n_looks, S + 1, T, T)``.
        steps: Step of each look, shape ``(n_looks,)``.
        facts: What the probe noted of each look, shape ``(n_looks,)`` each.
        stopped: Step at which the groupings had settled; None where the steps ended first.
        regret: Cross-regret of half-samples and of early and late looks, at the end.
        history: Validation checks.
    """

    seed: int
    samples: Array
    steps: NDArray[np.int64]
    facts: Mapping[str, Array]
    stopped: int | None
    regret: tuple[float, float]
    history: tuple[Check, ...]


def stop_rule(options: Mapping[str, Any], train: TrainOptions) -> StopRule | None:
    """The stopping rule that a measure trial's options ask for."""
    if options.get("stop", "never") == "never":
        return None
    return StopRule(n_steps=train.steps, min_looks=options["min_looks"])


def read_looks(folder: Folder, spec: TrialSpec, result: TrialResult, suffix: str = "") -> Looks:
    """What the trial wrote; measures that look once, after training or without, have no steps.

    Args:
        folder: Of the job.
        spec: The trial.
        result: Its result.
        suffix: End of the arrays' names, where the trial had several measures.
    """
    with np.load(folder.trials / str(result.file), allow_pickle=False) as file:
        kept = {name.removesuffix(suffix): file[name] for name in file.files if name.endswith(suffix)}
    samples = kept["samples"]
    stopped = int(kept.get("stopped", -1))
    halves, phases = kept.get("regret", (np.nan, np.nan))
    return Looks(
        seed=spec.seed,
        samples=samples,
        steps=kept.get("steps", np.arange(len(samples))),
        facts={name.removeprefix("facts_"): kept[name] for name in kept if name.startswith("facts_")},
        stopped=None if stopped < 0 else stopped,
        regret=(float(halves), float(phases)),
        history=result.history,
    )


def averaged(
    config: MeasureConfig, looks: Sequence[Looks], tasks: Sequence[str], stages: Sequence[str], labels: Array, rows: int
) -> Affinity:
    """The affinity that the looks come to, with all that there is to say of it in its provenance.

    Args:
        config: How to average, over which window.
        looks: One for each seed.
        tasks: Names.
        stages: Names of the trunk's stages.
        labels: Training labels, shape ``(N, T)``, NaN where missing.
        rows: Rows of a batch.
    """
    windows = [choose_window(config.window, seed.steps.tolist(), seed.history) for seed in looks]
    kept = [seed.samples[window.looks] for seed, window in zip(looks, windows, strict=True)]
    how = (config.average, config.trim)
    slices = (*stages, TRUNK)
    affinity = Affinity.from_samples(tasks, slices, kept, average=config.average, trim=config.trim)
    phases = phase_matrices([seed.samples for seed in looks], *how)
    halves = split_half(kept, *how)
    n_looks = [len(seed.samples) for seed in looks]
    provenance: dict[str, Any] = {
        **config.affinity,
        "seeds": [seed.seed for seed in looks],
        "every": _cadence(looks[0].steps),
        "looks_per_seed": n_looks[0] if len(set(n_looks)) == 1 else n_looks,
        "batch_size": rows,
        "averaging": averaging_words(config),
        "window": _per_seed([window.words for window in windows]),
        "stopping": stopping_words(config, looks),
        "reliability": _by_slice(slices, spearman_brown(halves)),
        "reliability_of_half": _by_slice(slices, halves),
        "agreement_of_seeds": _by_slice(slices, seed_agreement(kept, *how)),
        "agreement_of_phases": {
            names: _by_slice(slices, agreement) for names, agreement in phase_agreement(phases).items()
        },
        "independent_looks": _by_slice(slices, _middle(affinity.effective)),
        **_facts(looks, windows),
        **pair_words(affinity, labels, rows),
    }
    return replace(affinity, phases=phases, provenance=provenance)


def averaging_words(config: MeasureConfig) -> str:
    """How looks and seeds were averaged."""
    cut = f", {config.trim:.0%} trimmed at each end" if config.average == "trimmed" else ""
    return f"{'median' if config.average == 'median' else 'mean'} over looks{cut}; mean over seeds"


def stopping_words(config: MeasureConfig, looks: Sequence[Looks]) -> str:
    """Why there are no more looks, seed by seed where they differ."""
    return _per_seed([_why(config, seed) for seed in looks])


def _why(config: MeasureConfig, seed: Looks) -> str:
    n_looks, (halves, phases) = len(seed.samples), seed.regret
    regrets = f"cross-regret {halves:.2f} between half-samples, {phases:.2f} between early and late looks"
    if seed.stopped is not None:
        return f"settled after {plural(n_looks, 'look')} at step {seed.stopped}: {regrets}"
    ended = f"the steps ended after {plural(n_looks, 'look')}"
    if config.stop == "never":
        return f"{ended}; no stopping rule"
    if n_looks < config.min_looks:
        return f"{ended}, fewer than the {config.min_looks} at which settling is looked into"
    if seed.samples.shape[-1] < MIN_TASKS:
        return f"{ended}; with fewer than {MIN_TASKS} tasks halves agree by chance"
    if np.isnan(halves) or np.isnan(phases):
        return f"{ended}, which show no groups"
    limit = StopRule(n_steps=1).regret
    state = "settled by then" if max(halves, phases) <= limit else f"not settled (at most {limit} both)"
    return f"{ended}, {state}: {regrets}"


def pair_words(affinity: Affinity, labels: Array, rows: int) -> dict[str, Any]:
    """Pairs never seen, and how many rows have labels of both tasks."""
    off = ~np.eye(len(affinity.tasks), dtype=bool)
    missing = np.isnan(affinity.slice()) & off
    found: dict[str, Any] = {"unknown_pairs": int((missing & missing.T).sum()) // 2}
    if not off.any():
        return found
    known = (~np.isnan(labels)).astype(np.float64)
    both = known.T @ known
    shares = (both / np.maximum(np.diag(both), 1.0))[off]  # of the target's rows
    middle, batch = float(np.median(shares)), min(rows, len(labels)) * both[off] / len(labels)
    found["common_rows"] = (
        f"{middle:.1%} of a target's rows carry the source's label (median; least {shares.min():.1%}); "
        f"{np.median(batch):.1f} rows of a batch carry both (least {batch.min():.1f})"
    )
    if middle < FEW_COMMON:
        found["caution"] = (
            f"most pairs of tasks have fewer than {FEW_COMMON:.0%} of their rows in common, so that their gradients "
            "come from different rows and are mostly noise to each other; compare the representation measures: "
            "taskgroup measure CONFIG --with cka,rsa"
        )
    return found


def summary(affinity: Affinity, looks: Sequence[Looks]) -> str:
    """One line for the progress."""
    n_looks, provenance = sum(len(seed.samples) for seed in looks), affinity.provenance
    counts = plural(n_looks, "look"), plural(len(affinity.tasks), "task"), plural(len(affinity.stages) - 1, "stage")
    parts = [f"{counts[0]} at {counts[1]}, {counts[2]}"]
    n_settled = sum(seed.stopped is not None for seed in looks)
    if n_settled:
        parts.append("groupings settled" if n_settled == len(looks) else f"{n_settled} of {len(looks)} seeds settled")
    reliability = provenance["reliability"][TRUNK]
    if reliability is not None and len(affinity.tasks) >= FEW_TASKS:
        parts.append(f"reliability {reliability:.2f}")
    if provenance["unknown_pairs"]:
        parts.append(f"{plural(provenance['unknown_pairs'], 'pair')} of tasks never seen together")
    if "caution" in provenance:
        parts.append(provenance["caution"])
    return "; ".join(parts)


def _facts(looks: Sequence[Looks], windows: Sequence[Window]) -> dict[str, float]:
    """Median of each fact over the looks that count."""
    names = sorted({name for seed in looks for name in seed.facts})
    found = {}
    for name in names:
        parts = [s.facts[name][w.looks] for s, w in zip(looks, windows, strict=True) if name in s.facts]
        values = np.concatenate(parts)
        if not np.isnan(values).all():
            found[f"median_{name}"] = float(f"{np.nanmedian(values):.4g}")
    return found


def _middle(effective: Array | None) -> Array:
    """Median over the entries seen, by slice; shape ``(S + 1,)``."""
    assert effective is not None
    return np.array([np.median(matrix[matrix > 0]) if (matrix > 0).any() else 0.0 for matrix in effective])


def _by_slice(slices: Sequence[str], values: Array) -> dict[str, float | None]:
    """Rounded for reading; None where unknown, since JSON has no NaN."""
    return {name: None if np.isnan(v) else round(float(v), 3) for name, v in zip(slices, values, strict=True)}


def _per_seed(words: Sequence[str]) -> str:
    if len(set(words)) == 1:
        return words[0]
    return "; ".join(f"training {k}: {text}" for k, text in enumerate(words, start=1))


def _cadence(steps: NDArray[np.int64]) -> int | None:
    """Steps from one look to the next; None for a single look."""
    return int(steps[1] - steps[0]) if len(steps) > 1 else None
