"""The public sets of ``../shared/data`` as the benchmarks take them by name. The files are never committed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from taskgroup.core.table import did_you_mean
from taskgroup.errors import InputError
from taskgroup.problems.labels import split_fault
from taskgroup.problems.load import built_trunk, trunk_method
from taskgroup.problems.problem import TRAIN, Problem
from taskgroup.problems.sets.file import read_file
from taskgroup.problems.sets.inputs import read_inputs
from taskgroup.problems.sets.labels import read_labels
from taskgroup.problems.sets.read import set_record
from taskgroup.problems.sets.splits import read_split

SETS = ("bibtex", "landmine", "rf1", "sarcos", "scene", "school", "sider", "tox21", "yeast")
"""Sets whose rows are vectors."""

TRUNK = {"name": "mlp", "width": 64, "depth": 2}


def read_set(
    name: str, folder: Path, trunk: Mapping[str, Any] | None = None, *, tasks: Sequence[str] | None = None
) -> Problem:
    """A public set as a problem, on its first random split (``split_random[0]``).

    As ``source: set`` reads it, but that rows of tasks that are not chosen stay, without labels: recorded results were
    found so.

    Args:
        name: One of ``SETS``.
        folder: Where ``NAME.npz`` lies.
        trunk: Name and options; where the name is left out an MLP, by default of 2 stages of 64.
        tasks: Some of its tasks; by default all.

    Raises:
        InputError: No such set, file or task, or a trunk that does not fit.
    """
    if name not in SETS:
        raise InputError(f"set should be one of {', '.join(SETS)}, found `{name}`{did_you_mean(name, SETS)}")
    path = Path(folder) / f"{name}.npz"
    if not path.is_file():
        raise InputError(f"{path}: should be the file of the public set {name}, found none; see its card {name}.md")
    found = read_file(path.name, path.parent)
    labels = read_labels(found)
    split, called, _ = read_split(found, "random", 0)
    left_out = [t for t, task in labels.tasks.items() if split_fault(t, task.kind, labels.columns[t], split)]
    chosen = [t for t in _chosen(tasks, list(labels.tasks), name) if t not in left_out]
    inputs = read_inputs(found, split == TRAIN, max_len=1)
    spec, built = built_trunk(
        trunk_method({**({} if "name" in (trunk or {}) else TRUNK), **(trunk or {})}), inputs.values
    )
    notes = {**set_record(found, labels, called, inputs, chosen), "set": name, "left_out": left_out}
    defined = [labels.tasks[t] for t in chosen]
    columns = {t: labels.columns[t] for t in chosen}
    return Problem.from_arrays(
        name, defined, inputs.values, columns, split, built, trunk_spec=spec, preprocessing=notes
    )


def _chosen(tasks: Sequence[str] | None, known: list[str], name: str) -> list[str]:
    unknown = [t for t in tasks or () if t not in known]
    if unknown:
        raise InputError(f"set {name}: has no task `{t}`{did_you_mean(t, known)}" for t in unknown)
    return [t for t in known if tasks is None or t in tasks]
