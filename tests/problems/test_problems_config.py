import subprocess
import sys

import pytest
from problem_tables import Section, config, config_faults

from taskgroup.problems.config import BundledConfig, SplitConfig, TableConfig

TASKS = {"a": {"kind": "binary"}}


def test_importing_the_models_loads_no_data_library() -> None:
    code = "import taskgroup.problems.config, sys; print(sorted({'torch', 'pandas', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "section",
    [
        {"source": "bundled", "name": "digits", "tasks": ["digit", "slant"]},
        {"source": "table", "path": "a.csv", "tasks": TASKS, "split": {"column": "part"}},
        {
            "source": "table",
            "path": "a.csv",
            "tasks": TASKS,
            "split": {"time": "day", "train": 0.8, "val": 0.1, "test": 0.1},
        },
        {"source": "table", "path": "a.npz", "tasks": TASKS, "task_column": "t", "label_column": "y", "missing": -1},
        {"source": "python", "target": "mine.problems:make", "options": {"n": 3}},
    ],
)
def test_a_dumped_section_loads_again(section: dict[str, object]) -> None:
    first = Section.model_validate({"problem": section})
    assert Section.model_validate(first.model_dump(mode="json")) == first


def test_an_unknown_source_is_named_with_a_suggestion() -> None:
    (fault,) = config_faults(source="tabel")
    assert fault == (
        "c.yaml: `problem`: source should be one of bundled, table, set, python, found `tabel`, did you mean `table`?"
    )


def test_a_missing_source_names_the_choice() -> None:
    assert config_faults(path="a.csv") == [
        "c.yaml: `problem`: source is missing; it should be one of bundled, table, set, python"
    ]


@pytest.mark.parametrize(
    ("section", "found"),
    [
        ({"source": "bundled", "name": "digits", "tasks": ["digti"]}, "did you mean `digit`?"),
        ({"source": "bundled", "name": "digits", "tasks": ["digit", "digit"]}, "task `digit` should be named once"),
        ({"source": "bundled", "name": "digits", "tasks": []}, "at least one task, found none"),
        ({"source": "bundled", "name": "digits", "split": {"column": "x"}}, "by fractions, found column or time"),
        ({"source": "table", "tasks": TASKS}, "path is missing, and task `a` has no file of its own"),
        (
            {"source": "table", "path": "a.csv", "tasks": {"a": {"kind": "binary", "path": "b.csv"}}},
            "path is of no use",
        ),
        (
            {"source": "table", "path": "a.csv", "tasks": TASKS, "task_column": "t"},
            "task_column and label_column go together",
        ),
        (
            {"source": "table", "path": "a.csv", "tasks": {"a": {"kind": "binary", "value": 1}}},
            "takes a value only where",
        ),
        (
            {
                "source": "table",
                "path": "a.csv",
                "tasks": {"a": {"kind": "binary", "column": "b"}},
                "task_column": "t",
                "label_column": "y",
            },
            "takes no column or path where",
        ),
        ({"source": "table", "path": "a.csv", "tasks": {"a": {"kind": "binary", "metric": "r2"}}}, "found r2"),
        (
            {"source": "table", "path": "a.csv", "tasks": {"a": {"kind": "regression", "loss": "bce"}}},
            "mse, mae, huber",
        ),
        ({"source": "table", "path": "a.csv", "tasks": {"a": {"kid": "binary"}}}, "did you mean `kind`?"),
        ({"source": "table", "path": "a.csv", "tasks": {}}, "at least 1 entry"),
        (
            {"source": "table", "path": "a.csv", "tasks": TASKS, "categorical": ["x"], "tokens": True},
            "neither shape nor",
        ),
        ({"source": "table", "path": "a.csv", "tasks": TASKS, "split": {"train": 0.5}}, "sum to 1, found 0.9"),
        (
            {"source": "table", "path": "a.csv", "tasks": TASKS, "split": {"column": "x", "seed": 3}},
            "by column takes no seed",
        ),
        (
            {"source": "table", "path": "a.csv", "tasks": TASKS, "split": {"time": "x", "seed": 3}},
            "by time takes no seed",
        ),
        ({"source": "python", "target": "mine"}, "should read `module:function`, found `mine`"),
        ({"source": "python", "target": "../mine:make"}, "should read `module:function`"),
    ],
)
def test_what_a_section_may_not_say(section: dict[str, object], found: str) -> None:
    assert any(found in fault for fault in config_faults(**section))


def test_several_faults_of_a_table_come_together() -> None:
    faults = config_faults(source="table", tasks={"a": {"kind": "binary", "weight": 0}, "b": {"kind": "bin"}}, shap=[2])
    assert [part for part in ("weight", "kind", "shap") if any(part in f for f in faults)] == ["weight", "kind", "shap"]


def test_defaults() -> None:
    table, bundled = config(path="a.csv", tasks=TASKS), config(source="bundled", name="digits")
    assert isinstance(table, TableConfig)
    assert isinstance(bundled, BundledConfig)
    assert table.split == SplitConfig(train=0.6, val=0.2, test=0.2, seed=0)
    assert bundled.split == SplitConfig(train=0.4, val=0.3, test=0.3, seed=0)
