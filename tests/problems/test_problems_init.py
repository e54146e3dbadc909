from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from problem_tables import customers, load, write

from taskgroup.errors import InputError
from taskgroup.pipeline.config import Config, parse_config
from taskgroup.problems.config import TableConfig
from taskgroup.problems.init import columns_left_out, init_config
from taskgroup.problems.load import load_problem
from taskgroup.problems.template import TAIL


def parsed(text: str) -> tuple[Config, TableConfig]:
    config = parse_config(yaml.safe_load(text), "c.yaml", Path())
    assert isinstance(config.problem, TableConfig)
    return config, config.problem


def test_the_config_runs_as_it_is(tmp_path: Path) -> None:
    frame = customers(120).assign(id=range(120), country="DK", note=[f"n{k}" for k in range(120)])
    frame["grade"] = np.arange(120) % 4
    frame.loc[::7, "grade"] = None
    write(frame.drop(columns="day"), tmp_path / "my customers.csv")
    text = init_config(tmp_path / "my customers.csv", ["churn", "grade", "spend"])
    config, problem = parsed(text)
    assert (config.name, problem.path) == ("my_customers", "my customers.csv")
    assert problem.inputs == ("age", "visits", "city", "part")
    assert {name: task.kind for name, task in problem.tasks.items()} == {
        "churn": "binary",
        "grade": "multiclass",
        "spend": "regression",
    }
    for comment in (
        "left out: id (counts the rows)",
        "country (constant)",
        "note (120 different texts)",
        "18 rows without",
    ):
        assert comment in text
    loaded = load_problem(problem, config.trunk, tmp_path)
    assert loaded.tasks.names == ("churn", "grade", "spend")


def test_a_column_of_split_words_is_used(tmp_path: Path) -> None:
    frame = customers().rename(columns={"part": "split"})
    _, problem = parsed(init_config(tmp_path / write(frame, tmp_path / "a.csv"), ["churn", "spend"]))
    assert problem.split.column == "split"
    assert problem.inputs is not None
    assert "split" not in problem.inputs


def test_long_form_takes_every_task_or_those_named(tmp_path: Path) -> None:
    scores = {10: "spend", 9: "churn", 11: "spend"}
    parts = {shop: customers().assign(score=customers()[column]) for shop, column in scores.items()}
    frame = pd.concat([part.assign(shop=shop) for shop, part in parts.items()])
    path = tmp_path / write(frame[["age", "visits", "shop", "score"]], tmp_path / "a.csv")
    config, problem = parsed(init_config(path, None, "shop", "score"))
    assert {name: task.kind for name, task in problem.tasks.items()} == {
        "9": "binary",
        "10": "regression",
        "11": "regression",
    }
    assert (problem.inputs, problem.task_column, problem.label_column) == (("age", "visits"), "shop", "score")
    assert load_problem(problem, config.trunk, tmp_path).tasks.names == ("9", "10", "11")
    _, problem = parsed(init_config(path, ["10", "9"], "shop", "score"))
    assert list(problem.tasks) == ["10", "9"]


def test_npz_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.random.default_rng(0).normal(size=(40, 3)), Y=np.arange(80).reshape(40, 2) % 3)
    config, problem = parsed(init_config(tmp_path / "a.npz", ["Y[1]", "Y[0]"]))
    assert (problem.inputs, list(problem.tasks)) == (("X",), ["Y[1]", "Y[0]"])
    assert load_problem(problem, config.trunk, tmp_path).inputs.shape == (40, 3)


def test_the_path_is_relative_to_where_the_config_will_lie(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / write(customers(), tmp_path / "data" / "a.csv")
    _, problem = parsed(init_config(path, ["churn", "spend"], folder=tmp_path))
    assert problem.path == "data/a.csv"


def test_names_that_yaml_would_misread_come_back(tmp_path: Path) -> None:
    names = {"age": "yes", "visits": "a: b", "city": "[x]", "churn": "1e3", "spend": 'say "hi", #1'}
    frame = customers().rename(columns=names)
    path = tmp_path / write(frame.drop(columns="day"), tmp_path / "a.csv")
    _, problem = parsed(init_config(path, ["1e3", 'say "hi", #1']))
    assert (problem.inputs, list(problem.tasks)) == (("yes", "a: b", "[x]", "part"), ["1e3", 'say "hi", #1'])


def test_the_commented_sections_are_the_defaults(tmp_path: Path) -> None:
    text = init_config(tmp_path / write(customers(), tmp_path / "a.csv"), ["churn", "spend"])
    assert text.endswith(TAIL)
    lines = TAIL.splitlines()
    uncommented = "\n".join(line.removeprefix("# ") for line in lines if not line.endswith("."))
    sections = yaml.safe_load(uncommented)
    assert set(sections) == {"train", "measure", "propose", "search", "limits", "confirm", "export"}
    assert parsed(text)[0] == parse_config({**yaml.safe_load(text), **sections}, "c.yaml", Path())


def test_tasks_must_be_named(tmp_path: Path) -> None:
    path = tmp_path / write(customers()[["age", "churn", "spend"]], tmp_path / "a.csv")
    with pytest.raises(InputError) as caught:
        init_config(path)
    assert str(caught.value) == (
        "a.csv: name the label columns, e.g. `--tasks churn,spend`; the columns are age, churn, spend"
    )


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ((["chrun"], None, None), "a.csv: there is no column `chrun`, did you mean `churn`?"),
        ((["part"], "part", None), "--task-column and --label-column go together"),
        ((["trian"], "part", "spend"), "a.csv: no row has `trian` in `part`, did you mean `train`?"),
        ((None, "prat", "spnd"), "a.csv: there is no column `spnd`, did you mean `spend`?"),
        ((["churn", "churn"], None, None), "a.csv: `churn` is named twice"),
        (
            (["churn"], None, None),
            "a.csv: a job needs at least two tasks that might share a network, found only `churn`",
        ),
        ((["train"], "part", "spend"), "a.csv: a job needs at least two tasks"),
        ((["one"], None, None), "a.csv: task `one` should have at least two different labels, found 1"),
        (
            (["note"], None, None),
            "a.csv: task `note` should be numbers or classes, found 60 different texts: n0, n1, n10 and 57 more",
        ),
        (
            (["churn", "dose"], None, None),
            "a.csv: task `dose` should be numbers or classes, found text `n/k` among numbers in data row 8",
        ),
    ],
)
def test_what_cannot_be_written(
    tmp_path: Path, arguments: tuple[list[str] | None, str | None, str | None], found: str
) -> None:
    frame = customers(60).assign(one=1, note=[f"n{k}" for k in range(60)])
    frame["dose"] = ["n/k" if k == 7 else f"{k}.5" for k in range(60)]
    path = tmp_path / write(frame, tmp_path / "a.csv")
    with pytest.raises(InputError) as caught:
        init_config(path, *arguments)
    assert any(found in problem for problem in caught.value.problems)


def test_defaults_of_load_are_those_of_the_table(tmp_path: Path) -> None:
    """Inputs that init lists are those that a config without ``inputs`` would take, less what it leaves out."""
    frame = customers().drop(columns=["day", "part"])
    path = tmp_path / write(frame, tmp_path / "a.csv")
    _, problem = parsed(init_config(path, ["churn", "spend"]))
    written = load_problem(problem, {"name": "mlp"}, tmp_path)
    tasks = {"churn": {"kind": "binary"}, "spend": {"kind": "regression"}}
    np.testing.assert_array_equal(written.inputs, load(tmp_path, path="a.csv", tasks=tasks).inputs)


def test_columns_left_out_are_told(tmp_path: Path) -> None:
    frame = customers(60).assign(id=range(60), level=["<1" if k == 3 else f"{k}.25" for k in range(60)])
    path = tmp_path / write(frame.drop(columns="day"), tmp_path / "a.csv")
    text = init_config(path, ["churn", "spend"])
    assert columns_left_out(text) == ["id (counts the rows)", "level (text `<1` among numbers in data row 4)"]
    write(frame[["age", "visits", "churn", "spend"]], path)
    assert columns_left_out(init_config(path, ["churn", "spend"])) == []


@pytest.mark.parametrize("form", ["csv", "npz"])
def test_the_example_is_of_columns_that_could_be_tasks(tmp_path: Path, form: str) -> None:
    frame = customers(60)[["age", "churn", "spend"]].assign(id=range(60), one=1, nothing=None)
    path = tmp_path / f"a.{form}"
    if form == "csv":
        write(frame, path)
    else:
        arrays: dict[str, Any] = {name: frame[name].to_numpy() for name in ("age", "churn", "spend", "id", "one")}
        np.savez(path, **arrays)
    with pytest.raises(InputError, match=r"e\.g\. `--tasks churn,spend`;"):
        init_config(path, [])
    write(frame[["id", "one"]], tmp_path / "b.csv")
    with pytest.raises(InputError, match=r"name the label columns; the columns are id, one"):
        init_config(tmp_path / "b.csv")
