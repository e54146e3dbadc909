import subprocess
import sys

import pytest

import taskgroup

HEAVY = "{'torch', 'optuna', 'pandas', 'scipy', 'sklearn', 'matplotlib', 'networkx'}"


def loaded(statement: str) -> str:
    code = f"import sys; {statement}; print(sorted({HEAVY} & set(sys.modules)))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    "statement",
    [
        "import taskgroup",
        "from taskgroup import Affinity, Grouping, Spec, Task, TaskSet, Topology",
        "import taskgroup.core.record, taskgroup.core.trial, taskgroup.core.seeds",
    ],
)
def test_importing_core_loads_nothing_heavy(statement: str) -> None:
    assert loaded(statement) == "[]"


def test_the_check_above_can_fail() -> None:
    assert loaded("import networkx") == "['networkx']"


def test_names_are_found_and_unknown_ones_are_not() -> None:
    assert taskgroup.Spec.__name__ == "Spec"
    assert set(taskgroup.__all__) <= set(dir(taskgroup))
    with pytest.raises(AttributeError, match="module 'taskgroup' has no attribute 'Spek'"):
        getattr(taskgroup, "Spek")  # noqa: B009  # mypy would refuse the plain attribute
