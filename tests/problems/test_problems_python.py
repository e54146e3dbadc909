from pathlib import Path

import numpy as np
import pytest
import torch
from problem_tables import load, load_faults

MAKE = """
import numpy as np
import torch
from taskgroup import Problem, Task, Trunk

def make(n=30, dtype="float32"):
    x = np.random.default_rng(0).normal(size=(n, 3)).astype(dtype)
    trunk = Trunk({"one": torch.nn.Linear(3, 4), "two": torch.nn.Linear(4, 2)}, reinitialize=False)
    tasks = [Task(name="sum", kind="regression"), Task(name="odd", kind="binary")]
    labels = {"sum": 10 * x.sum(axis=1), "odd": np.arange(n) % 2}
    return Problem.from_arrays("mine", tasks, x, labels, np.arange(n) % 3, trunk)

def number():
    return 3

def fails():
    raise KeyError("no such thing")

shared = 5
"""


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A folder with a module of its own name, since a process keeps what it has imported."""
    (tmp_path / f"{name_of(tmp_path)}.py").write_text(MAKE)
    return tmp_path


def name_of(folder: Path) -> str:
    return "made_" + "".join(c if c.isalnum() else "_" for c in folder.name)


def test_a_function_returns_the_problem(folder: Path) -> None:
    target = f"{name_of(folder)}:make"
    problem = load(folder, None, source="python", target=target, options={"n": 60})
    assert (problem.name, problem.inputs.shape, problem.tasks.names) == ("mine", (60, 3), ("sum", "odd"))
    assert problem.trunk_spec.model_dump() == {
        "name": target,
        "stages": ("one", "two"),
        "options": {"n": 60},
        "input_shape": (3,),
        "input_dtype": "float32",
    }
    task, train = problem.tasks["sum"], problem.split == 0
    np.testing.assert_allclose(
        problem.labels[:, 0] * task.scale + task.mean, 10 * problem.inputs.sum(axis=1), rtol=1e-4, atol=1e-4
    )
    assert (problem.labels[train, 0].mean(), problem.labels[train, 0].std()) == pytest.approx((0, 1))


def test_weights_that_are_not_drawn_again_are_the_same_each_time(folder: Path) -> None:
    section = {"source": "python", "target": f"{name_of(folder)}:make"}
    first = load(folder, None, **section).trunk.stages["one"].state_dict()
    torch.manual_seed(12345)
    expected = torch.rand(1)
    torch.manual_seed(12345)
    second = load(folder, None, **section).trunk.stages["one"].state_dict()
    assert torch.equal(first["weight"], second["weight"])
    assert torch.equal(torch.rand(1), expected)


def test_the_search_path_is_left_as_it_was(folder: Path) -> None:
    import sys

    before = list(sys.path)
    load(folder, None, source="python", target=f"{name_of(folder)}:make")
    assert sys.path == before


@pytest.mark.parametrize(
    ("function", "options", "found"),
    [
        ("mkae", {}, "has no `mkae`, did you mean `make`?"),
        ("shared", {}, "should be a function, found int"),
        ("make", {"m": 3}, "(n=30, dtype='float32'), found: got an unexpected keyword argument 'm'"),
        ("number", {}, "should return a Problem, found int"),
        ("fails", {}, "raised KeyError: 'no such thing'"),
        ("make", {"n": 2}, "problem.split: test should have labelled rows, found none"),
        ("make", {"dtype": "float64"}, "problem.inputs: should be float32, or int64 for token ids"),
    ],
)
def test_what_a_function_may_not_be(folder: Path, function: str, options: dict[str, object], found: str) -> None:
    faults = load_faults(folder, None, source="python", target=f"{name_of(folder)}:{function}", options=options)
    assert any(found in fault for fault in faults), faults


def test_a_module_that_is_not_there_and_one_that_fails(tmp_path: Path) -> None:
    (fault,) = load_faults(tmp_path, None, source="python", target="no_such_module_here:make")
    assert f"importing `no_such_module_here` (first from {tmp_path}) raised ModuleNotFoundError" in fault
    (tmp_path / "broken_module_here.py").write_text("1 / 0")
    (fault,) = load_faults(tmp_path, None, source="python", target="broken_module_here:make")
    assert "raised ZeroDivisionError: division by zero" in fault


def test_a_module_of_the_same_name_from_elsewhere_is_refused(folder: Path) -> None:
    name = name_of(folder)
    load(folder, None, source="python", target=f"{name}:make")
    other = folder / "other"
    other.mkdir()
    (other / f"{name}.py").write_text(MAKE)
    (fault,) = load_faults(other, None, source="python", target=f"{name}:make")
    assert f"`{name}` should be {other / name}.py, but this process has already loaded one" in fault


def test_trunks_are_given_for_tables_and_only_for_them(folder: Path) -> None:
    faults = load_faults(folder, {"name": "mlp"}, source="python", target=f"{name_of(folder)}:none")
    assert faults[0].startswith("trunk: should be left out")
    assert len(faults) == 2
    (fault,) = load_faults(folder, None, source="bundled", name="linnerud")
    assert fault.startswith("trunk: is missing; name one of conv, conv1d, hf, mlp, text, transformer")
    (fault,) = load_faults(folder, {"width": 3}, source="bundled", name="linnerud")
    assert fault.startswith("trunk: `name` is missing")
    (fault,) = load_faults(folder, {"name": "conv"}, source="bundled", name="linnerud")
    assert "conv takes images" in fault
