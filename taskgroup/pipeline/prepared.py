"""The prepared problem in the run directory: what workers load. The test split lies in a file of its own."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from taskgroup.core.spec import TrunkSpec, digest
from taskgroup.core.task import TaskSet
from taskgroup.errors import ConflictError
from taskgroup.nn.trunk import TRUNKS, Trunk
from taskgroup.pipeline.folder import Folder, write_arrays, write_text
from taskgroup.problems.config import PythonConfig
from taskgroup.problems.load import load_problem
from taskgroup.problems.problem import SPLITS, Problem
from taskgroup.training.data import Rows


@dataclass(frozen=True)
class Prepared:
    """Tasks, trunk and data of a job, from its folder.

    Attributes:
        folder: The job's folder.
        tasks: Tasks.
        trunk: Trunk.
        trunk_spec: How to get it again.
        key: Hash of tasks, data and trunk.
        random_split: Whether training and validation rows were told apart at random.
    """

    folder: Folder
    tasks: TaskSet
    trunk: Trunk
    trunk_spec: TrunkSpec
    key: str
    random_split: bool = False

    def rows(self, split: str) -> Rows:
        """Rows of ``train``, ``val`` or ``test``; only the last opens the test file."""
        return read_rows(self.folder.data / f"{split}.npz")

    def example(self) -> torch.Tensor:
        """Two training rows, for shapes and costs."""
        return self.rows("train").inputs[:2]


def read_rows(path: Path) -> Rows:
    """Rows of a split's file."""
    with np.load(path, allow_pickle=False) as file:
        return Rows.of(file["inputs"], file["labels"])


def data_key(problem: Problem) -> str:
    """Hash of tasks, inputs, labels, splits and trunk (its parts, and its weights where networks start from them).

    Statistics that all tasks share, which trunks had before there was a choice, leave no trace in it.
    """
    trunk, kept = problem.trunk, hashlib.sha256()
    weights = [t.double().numpy(force=True) for m in trunk.stages.values() for t in m.state_dict().values()]
    for array in (problem.inputs, problem.labels, problem.split, *(weights if not trunk.reinitialize else ())):
        kept.update(np.ascontiguousarray(array).tobytes())
    parts = {name: re.sub(r" at 0x[0-9a-f]+", "", repr(module)) for name, module in trunk.stages.items()}
    content = [problem.tasks.model_dump(), problem.trunk_spec.model_dump(), list(parts.items()), kept.hexdigest()]
    return digest(content if trunk.norm == "shared" else [*content, trunk.norm])


def check_same(problem: Problem, folder: Folder) -> str:
    """The problem's key.

    Raises:
        ConflictError: The folder holds other data.
    """
    key, known = data_key(problem), folder.state().get("data")
    if known not in (None, key):
        raise ConflictError(
            f"{folder.path}: the data or the trunk changed since this job began ({known}, now {key}). "
            "Give the job another name or --out, or remove the folder"
        )
    return key


def prepare(problem: Problem, folder: Folder, source: Mapping[str, Any]) -> str:
    """Write the problem into the folder, or check that it is the one already there; gives its key.

    Args:
        problem: Checked problem.
        folder: Held folder.
        source: How a worker gets the trunk again: ``{"target": …, "options": …, "folder": …}`` for a ``python``
            problem, else empty.

    Raises:
        ConflictError: The folder holds other data.
    """
    key = check_same(problem, folder)
    if "data" in folder.state():
        return key
    for split, number in SPLITS.items():
        rows = problem.split == number
        write_arrays(folder.data / f"{split}.npz", inputs=problem.inputs[rows], labels=problem.labels[rows])
    description = {
        "tasks": problem.tasks.model_dump(mode="json"),
        "trunk": problem.trunk_spec.model_dump(mode="json"),
        "python": dict(source),
        "key": key,
        "random_split": problem.random_split,
    }
    write_text(folder.data / "problem.json", json.dumps(description, indent=1))
    write_text(folder.data / "preprocessing.json", json.dumps(dict(problem.preprocessing), indent=1))
    folder.note(data=key)
    return key


def load_prepared(folder: Folder, trunk: Trunk | None = None) -> Prepared:
    """What :func:`prepare` wrote.

    Args:
        folder: The job's folder.
        trunk: The trunk, where it is in memory only.
    """
    description = json.loads((folder.data / "problem.json").read_text(encoding="utf-8"))
    spec = TrunkSpec.model_validate(description["trunk"])
    if trunk is None:
        trunk = _trunk_again(spec, description["python"])
    tasks, random_split = TaskSet.model_validate(description["tasks"]), bool(description.get("random_split", False))
    return Prepared(folder, tasks, trunk, spec, str(description["key"]), random_split)


def _trunk_again(spec: TrunkSpec, python: Mapping[str, Any]) -> Trunk:
    if python:
        config = PythonConfig(source="python", target=python["target"], options=python["options"])
        return load_problem(config, None, Path(python["folder"])).trunk
    dtype = torch.int64 if spec.input_dtype == "int64" else torch.float32
    trunk: Trunk = TRUNKS.create(spec.name, spec.options).build(torch.zeros(2, *spec.input_shape, dtype=dtype))
    return trunk
