"""Metrics: the nearest of ours to the one that a set is judged by elsewhere."""

import re
from collections.abc import Mapping
from typing import Any

from taskgroup.core.task import METRICS, Kind, Metric

SAME: Mapping[str, Metric] = {
    "roc_auc": "auc", "rocauc": "auc", "auc": "auc", "auroc": "auc",
    "accuracy": "accuracy", "acc": "accuracy", "error_rate": "accuracy", "hamming_loss": "accuracy",
    "balanced_accuracy": "balanced_accuracy", "macro_recall": "balanced_accuracy",
    "nmse": "r2", "r2": "r2", "explained_variance": "r2",
    "mae": "mae", "mean_absolute_error": "mae",
}  # fmt: skip
"""Metrics that order predictions of one task as ours do."""

NEAREST: Mapping[str, Metric] = {
    "average_precision": "auc", "ap": "auc", "map": "auc", "pr_auc": "auc", "prauc": "auc", "auprc": "auc",
    "aupr": "auc", "log_loss": "auc",
    "f1": "balanced_accuracy", "micro_f1": "accuracy", "mcc": "balanced_accuracy", "kappa": "balanced_accuracy",
    "mse": "r2", "rmse": "r2", "nrmse": "r2", "rrmse": "r2", "arrmse": "r2", "smse": "r2", "rse": "r2",
    "pearson": "r2", "spearman": "r2", "correlation": "r2", "mape": "mae", "medae": "mae", "median_ae": "mae",
}  # fmt: skip
"""Others, and what comes nearest."""

DEFAULT: Mapping[Kind, Metric] = {"binary": "auc", "multiclass": "accuracy", "regression": "r2"}
"""Where a set says nothing: positives may be rare."""


def metric_of(said: Any, kind: Kind) -> tuple[Metric, str]:
    """Our metric for a task of ``kind``, and what to say about the choice, empty where it is the same.

    Args:
        said: The set's word.
        kind: Of the task.
    """
    word = re.sub(r"[^a-z0-9]+", "_", str(said).lower()).strip("_") if isinstance(said, str) else ""
    plain = re.sub(r"^(mean|macro|average)_(?=.)|_(mean|macro|score)$", "", word)
    for names, same in ((SAME, True), (NEAREST, False)):
        for candidate in (word, plain):
            if candidate in names and names[candidate] in METRICS[kind]:
                return names[candidate], "" if same else _note(said, kind, names[candidate])
    found: Metric = "balanced_accuracy" if kind == "multiclass" and plain in ("roc_auc", "auc") else DEFAULT[kind]
    return found, _note(said, kind, found)


def _note(said: Any, kind: Kind, found: str) -> str:
    what = f"metric `{said}`" if said else "no metric"
    return f"{what} of the file: {kind} tasks are judged by {found}"
