"""Small tables and short ways to load them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel, ValidationError

from taskgroup.core.validation import sentences
from taskgroup.errors import InputError
from taskgroup.problems.config import BundledConfig, ProblemConfig, PythonConfig, SetConfig, TableConfig
from taskgroup.problems.load import load_problem
from taskgroup.problems.problem import Problem

TRUNK = {"name": "mlp", "width": 4, "depth": 2}
CHURN = {"churn": {"kind": "binary"}}
BOTH = {"churn": {"kind": "binary"}, "spend": {"kind": "regression"}}


class Section(BaseModel):
    """A config that is only a problem."""

    problem: ProblemConfig


def config(**section: Any) -> BundledConfig | TableConfig | SetConfig | PythonConfig:
    """The problem section, of a table where nothing else is said."""
    return Section.model_validate({"problem": {"source": "table", **section}}).problem


def config_faults(**section: Any) -> list[str]:
    """The sentences of a section that does not validate."""
    with pytest.raises(ValidationError) as caught:
        Section.model_validate({"problem": section})
    return sentences(caught.value, Section, "c.yaml")


def load(folder: Path, trunk: Mapping[str, Any] | None = TRUNK, **section: Any) -> Problem:
    """The problem of a section."""
    return load_problem(config(**section), trunk, folder)


def load_faults(folder: Path, trunk: Mapping[str, Any] | None = TRUNK, **section: Any) -> tuple[str, ...]:
    """The sentences of a section that cannot be loaded."""
    with pytest.raises(InputError) as caught:
        load(folder, trunk, **section)
    return caught.value.problems


def customers(n_rows: int = 40) -> pd.DataFrame:
    """Two numbers, a category, a binary and a regression label, a split column and a date."""
    rng = np.random.default_rng(3)
    rows = np.arange(n_rows)
    return pd.DataFrame(
        {
            "age": rng.normal(40, 10, n_rows),
            "visits": rng.integers(0, 9, n_rows),
            "city": np.array(["Aarhus", "Bergen", "Cork"])[rows % 3],
            "churn": rows % 2,
            "spend": rng.normal(100, 25, n_rows),
            "part": np.array(["train", "train", "train", "val", "val", "test", "test", ""])[rows % 8],
            "day": [f"2024-{1 + r % 12:02d}-15" for r in rows],
        }
    )


def write(frame: pd.DataFrame, path: Path) -> str:
    """Write ``frame`` as CSV; the file's name."""
    frame.to_csv(path, index=False)
    return path.name
