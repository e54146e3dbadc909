"""The ``problem`` section of a config: where tasks and data come from. Loads no data library."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PositiveInt, field_validator, model_validator

from taskgroup.core.table import did_you_mean
from taskgroup.core.task import LOSSES, METRICS, Frozen, Kind, Loss, Metric

SOURCES = ("bundled", "table", "set", "python")

BUNDLED: dict[str, dict[str, Kind]] = {
    "digits": {
        "digit": "multiclass",
        "parity": "binary",
        "at_least_5": "binary",
        "prime": "binary",
        "loops": "multiclass",
        "straight_stroke": "binary",
        "ink_mass": "regression",
        "centre_row": "regression",
        "centre_col": "regression",
        "slant": "regression",
    },
    "diabetes": {"progression": "regression", "bmi": "regression", "bp": "regression", "glucose": "regression"},
    "linnerud": {"weight": "regression", "waist": "regression", "pulse": "regression"},
}
"""Tasks of each bundled set; what they mean stands in :mod:`taskgroup.problems.bundled`."""


class SplitConfig(Frozen):
    """Which rows train, which validate and which test.

    By ``column`` (``train``, ``val`` or ``validation`` or ``valid`` or ``dev``, ``test``; or 0, 1, 2; empty, ``unused``
    or -1 is left out), by ``time`` (earliest rows train, latest test, ties keep file order), else at random under
    ``seed``. Tasks with rows of their own are split each for itself.

    Attributes:
        column: Column that names the split of each row.
        time: Column to sort by, numbers or dates.
        train: Share of the rows for training.
        val: Share for validation, on which search looks.
        test: Share for the test, read once after the choice.
        seed: Of the random split.
    """

    column: str | None = None
    time: str | None = None
    train: float = Field(default=0.6, gt=0, lt=1)
    val: float = Field(default=0.2, gt=0, lt=1)
    test: float = Field(default=0.2, gt=0, lt=1)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _check_one_way(self) -> Self:
        idle = {"column": ("time", "train", "val", "test", "seed"), "time": ("seed",)}
        way = "column" if self.column is not None else "time" if self.time is not None else ""
        # compared with the defaults, so that a dumped config loads again
        extra = [f for f in idle.get(way, ()) if getattr(self, f) != type(self).model_fields[f].default]
        if extra:
            raise ValueError(f"a split by {way} takes no {', '.join(extra)}; leave {way} or the others out")
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train, val and test should sum to 1, found {total:g}")
        return self


class TaskConfig(Frozen):
    """One task of a table.

    Attributes:
        kind: ``binary``, ``multiclass`` or ``regression``; the number of classes is found in the data.
        column: Column of the labels; by default the task's name.
        value: Value of ``task_column`` that marks the task's rows; by default the task's name.
        path: File with the task's own rows.
        loss: Training loss; by default the kind's.
        metric: Quality of predictions; by default the kind's.
        weight: Factor of the task's loss in the sum that is trained.
    """

    kind: Kind
    column: str | None = None
    value: int | str | None = None
    path: str | None = None
    loss: Loss | None = None
    metric: Metric | None = None
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        choices: tuple[tuple[str, str | None, tuple[str, ...]], ...] = (
            ("loss", self.loss, LOSSES[self.kind]),
            ("metric", self.metric, METRICS[self.kind]),
        )
        for field, value, allowed in choices:
            if value is not None and value not in allowed:
                raise ValueError(f"{field} of a {self.kind} task should be one of {', '.join(allowed)}, found {value}")
        return self


class BundledConfig(Frozen):
    """A set that scikit-learn ships.

    Attributes:
        source: ``bundled``.
        name: Which set.
        tasks: Some of its tasks; by default all.
        weights: Task → factor of its loss in the sum that is trained; 1 where left out.
        split: By fractions.
    """

    source: Literal["bundled"] = "bundled"
    name: Literal["digits", "diabetes", "linnerud"]
    tasks: tuple[str, ...] | None = None
    weights: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(default_factory=dict)
    split: SplitConfig = SplitConfig(train=0.4, val=0.3, test=0.3)

    @model_validator(mode="after")
    def _check_tasks(self) -> Self:
        known = list(BUNDLED[self.name])
        chosen = list(self.tasks) if self.tasks is not None else known
        faults = [
            f"task `{t}` is not in {self.name}, whose tasks are {', '.join(known)}{did_you_mean(t, known)}"
            for t in chosen
            if t not in known
        ]
        faults += [f"task `{t}` should be named once" for t in sorted({t for t in chosen if chosen.count(t) > 1})]
        faults += [
            f"weights names task `{t}`, which is not among the tasks{did_you_mean(t, chosen)}"
            for t in self.weights
            if t not in chosen
        ]
        if not chosen:
            faults.append("tasks should name at least one task, found none")
        if self.split.column or self.split.time:
            faults.append("the split of a bundled set is by fractions, found column or time")
        if faults:
            raise ValueError("; ".join(faults))
        return self


class TableConfig(Frozen):
    """A file of the user's own: CSV, Parquet or NPZ.

    Attributes:
        source: ``table``.
        path: The file, relative to the config's folder; not needed where every task has a file of its own.
        inputs: Input columns (NPZ: arrays); by default all that are not labels, split, time or task column
            (NPZ: the array ``X``).
        categorical: Inputs that are categories although they are written as numbers.
        shape: Shape of one row for trunks that want images or sequences; such inputs share one mean and scale.
        tokens: Whether the inputs are token ids, which stay whole numbers.
        tasks: Name → task.
        task_column: Long form: column that names the task a row belongs to; rows of other tasks are left out.
        label_column: Long form: column with the labels.
        missing: Label that also means missing, e.g. -1; an empty field or NaN always does.
        split: How rows are divided.
    """

    source: Literal["table"] = "table"
    path: str | None = None
    inputs: tuple[str, ...] | None = Field(default=None, min_length=1)
    categorical: tuple[str, ...] = ()
    shape: tuple[PositiveInt, ...] | None = Field(default=None, min_length=1)
    tokens: bool = False
    tasks: dict[str, TaskConfig] = Field(min_length=1)
    task_column: str | None = None
    label_column: str | None = None
    missing: int | float | str | None = None
    split: SplitConfig = SplitConfig()

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        faults = [*self._column_faults(), *self._path_faults()]
        if self.categorical and (self.shape is not None or self.tokens):
            faults.append("categorical inputs allow neither shape nor tokens")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _column_faults(self) -> list[str]:
        faults = []
        long_form = self.task_column is not None
        if long_form != (self.label_column is not None):
            faults.append("task_column and label_column go together, found only one of them")
        for name, task in self.tasks.items():
            if long_form and (task.column or task.path):
                faults.append(f"task `{name}` takes no column or path where task_column and label_column are given")
            if not long_form and task.value is not None:
                faults.append(f"task `{name}` takes a value only where task_column is given")
        return faults

    def _path_faults(self) -> list[str]:
        lacking = [name for name, task in self.tasks.items() if task.path is None]
        if self.path is None and lacking:
            return [f"path is missing, and task `{name}` has no file of its own" for name in lacking]
        if self.path is not None and not lacking:
            return ["path is of no use where every task has a file of its own; leave it out"]
        return []


class SetConfig(Frozen):
    """A multi-task set in one NPZ file that describes itself (format: :mod:`taskgroup.problems.sets`).

    Attributes:
        source: ``set``.
        path: The file, relative to the config's folder.
        tasks: Some of its tasks; by default all that can be scored, the others being named.
        split: Which of its splits, e.g. ``random`` for the array ``split_random``; by default the one the file
            recommends, else the first.
        split_index: Which of several divisions that the split holds, from 0.
        max_len: Documents are cut after so many tokens.
    """

    source: Literal["set"] = "set"
    path: str
    tasks: tuple[str, ...] | None = Field(default=None, min_length=1)
    split: str | None = None
    split_index: int = Field(default=0, ge=0)
    max_len: int = Field(default=256, ge=1)


class PythonConfig(Frozen):
    """A function of the user's own that returns a ``Problem``.

    Attributes:
        source: ``python``.
        target: ``module:function``; the config's folder is searched first.
        options: Keyword arguments.
    """

    source: Literal["python"] = "python"
    target: str
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("target")
    @classmethod
    def _check_target(cls, target: str) -> str:
        module, colon, function = target.partition(":")
        if not (colon and function.isidentifier() and all(part.isidentifier() for part in module.split("."))):
            raise ValueError(f"should read `module:function`, found `{target}`")
        return target


def _check_source(section: Any) -> Any:
    """Say what a source may be before the union is entered, whose own words are about tags."""
    if isinstance(section, Mapping):
        if "source" not in section:
            raise ValueError(f"source is missing; it should be one of {', '.join(SOURCES)}")
        if section["source"] not in SOURCES:
            found = str(section["source"])
            raise ValueError(
                f"source should be one of {', '.join(SOURCES)}, found `{found}`{did_you_mean(found, SOURCES)}"
            )
    return section


ProblemConfig = Annotated[
    BundledConfig | TableConfig | SetConfig | PythonConfig,
    Field(discriminator="source"),
    BeforeValidator(_check_source),
]
"""The ``problem`` section, told apart by ``source``."""
