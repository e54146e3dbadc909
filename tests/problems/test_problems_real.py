"""Real public sets in ``../shared/data`` (or below ``$TASKGROUP_SHARED``), each against what its card says."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from problem_tables import load

from taskgroup.problems.init import init_config
from taskgroup.problems.problem import TRAIN

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TASKGROUP_SHARED", ROOT.parent / "shared")) / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the shared data sets are not in {DATA}")


def test_yeast_by_its_official_split() -> None:
    tasks = {f"f{k}": {"kind": "binary", "column": f"Y[{k}]", "metric": "auc"} for k in range(14)}
    problem = load(DATA, path="yeast.npz", tasks=tasks, split={"column": "split_official"})
    assert (problem.inputs.shape, problem.labels.shape) == ((2417, 103), (2417, 14))
    train = problem.inputs[problem.split == TRAIN]
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-5)
    assert problem.labels.sum(axis=1).mean() == pytest.approx(4.24, abs=0.005)  # label cardinality of the card


def test_landmine_in_long_form() -> None:
    tasks = {f"field{k}": {"kind": "binary", "value": k} for k in range(29)}
    section: dict[str, Any] = {"task_column": "task_id", "label_column": "y", "split": {"column": "split_random[0]"}}
    problem = load(DATA, path="landmine.npz", tasks=tasks, **section)
    known = ~np.isnan(problem.labels)
    assert (problem.inputs.shape, known.sum()) == ((14820, 9), 14820)
    assert (known.sum(axis=0).min(), known.sum(axis=0).max()) == (445, 690)
    assert np.nansum(problem.labels) / 14820 == pytest.approx(0.061, abs=5e-4)


def test_tox21_with_its_code_for_missing_labels() -> None:
    tasks = {f"t{k}": {"kind": "binary", "column": f"Y[{k}]"} for k in range(12)}
    split = {"column": "split_random[0]"}
    problem = load(DATA, path="tox21.npz", inputs=["X_bits"], missing=-1, tasks=tasks, split=split)
    with np.load(DATA / "tox21.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(problem.labels, np.where(arrays["Y"] < 0, np.nan, arrays["Y"]))


def test_init_reads_every_landmine_field() -> None:
    assert init_config(DATA / "landmine.npz", None, "task_id", "y").count("{kind: binary}") == 29
