"""Small files in the format of multi-task sets, complete or with something missing."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from taskgroup.problems.config import SetConfig
from taskgroup.problems.load import load_problem
from taskgroup.problems.problem import Problem

N = 120
NAN = np.nan
RNG = np.random.default_rng(0)
SPLIT = np.tile([0, 0, 0, 1, 2, -1], N // 6).astype(np.int8)
SPLITS = np.stack([SPLIT, SPLIT[::-1], SPLIT])
X = RNG.normal(3, 2, size=(N, 2)).astype(np.float32)
BITS = RNG.integers(0, 2, size=(N, 10)).astype(np.uint8)
CLASSES = (np.arange(N) // 6 % 2).astype(np.int8)
TWO = np.stack([CLASSES, 1 - CLASSES], axis=1)
KINDS = {"a": "binary", "b": "binary"}


def save(folder: Path, tasks: dict[str, str] | None = KINDS, meta: dict[str, Any] | None = None, **arrays: Any) -> str:
    """Write ``one.npz`` and give its name; ``tasks=None`` says nothing of them, an array None is left out."""
    said: dict[str, Any] = {"name": "one", "metric": "roc_auc", "default_split": "random"}
    if tasks is not None:
        said["tasks"] = [{"name": n, "type": t} for n, t in tasks.items()]
    said = {k: v for k, v in {**said, **(meta or {})}.items() if v is not None}
    kept: dict[str, Any] = {"X": X, "split_random": SPLITS}
    if "y" not in arrays:
        kept["Y"] = TWO
    packed = np.frombuffer(json.dumps(said).encode(), dtype=np.uint8)
    kept = {k: v for k, v in {"meta": packed, **kept, **arrays}.items() if v is not None}
    np.savez(folder / "one.npz", **kept)
    return "one.npz"


def loaded(folder: Path, trunk: dict[str, Any] | None = None, **section: Any) -> Problem:
    """The problem of ``one.npz``."""
    return load_problem(SetConfig(path="one.npz", **section), trunk, folder)


def documents(lengths: list[int], low: int = 3, high: int = 30) -> dict[str, Any]:
    """``tok_flat`` and ``tok_off`` of documents of such lengths, over and over."""
    sizes = np.resize(lengths, N)
    flat = RNG.integers(low, high, int(sizes.sum())).astype(np.uint16)
    return {"X": None, "tok_flat": flat, "tok_off": np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)}
