"""taskgroup: plan which tasks share a network, where it branches and how large its adapters are.

The names below are loaded on first use, so that importing the package loads neither torch nor optuna nor pandas.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from taskgroup.core.affinity import Affinity as Affinity
    from taskgroup.core.grouping import Grouping as Grouping
    from taskgroup.core.spec import Spec as Spec
    from taskgroup.core.task import Task as Task
    from taskgroup.core.task import TaskSet as TaskSet
    from taskgroup.core.topology import Topology as Topology
    from taskgroup.exporters import load_spec as load_spec
    from taskgroup.nn.build import build as build
    from taskgroup.nn.surgery import fork as fork
    from taskgroup.nn.trunk import Trunk as Trunk
    from taskgroup.nn.weights import load_weights as load_weights
    from taskgroup.pipeline.affinity_files import load_affinity as load_affinity
    from taskgroup.pipeline.api import Plan as Plan
    from taskgroup.pipeline.api import measure as measure
    from taskgroup.pipeline.api import plan as plan
    from taskgroup.pipeline.costing import cost_table as cost_table
    from taskgroup.pipeline.exporting import export as export
    from taskgroup.pipeline.grouping import group as group
    from taskgroup.problems.problem import Problem as Problem

_HOMES = {
    "Affinity": "taskgroup.core.affinity",
    "Grouping": "taskgroup.core.grouping",
    "Plan": "taskgroup.pipeline.api",
    "Problem": "taskgroup.problems.problem",
    "Spec": "taskgroup.core.spec",
    "Task": "taskgroup.core.task",
    "TaskSet": "taskgroup.core.task",
    "Topology": "taskgroup.core.topology",
    "Trunk": "taskgroup.nn.trunk",
    "build": "taskgroup.nn.build",
    "cost_table": "taskgroup.pipeline.costing",
    "fork": "taskgroup.nn.surgery",
    "export": "taskgroup.pipeline.exporting",
    "group": "taskgroup.pipeline.grouping",
    "load_affinity": "taskgroup.pipeline.affinity_files",
    "load_spec": "taskgroup.exporters",
    "load_weights": "taskgroup.nn.weights",
    "measure": "taskgroup.pipeline.api",
    "plan": "taskgroup.pipeline.api",
}

__all__ = [
    "Affinity",
    "Grouping",
    "Plan",
    "Problem",
    "Spec",
    "Task",
    "TaskSet",
    "Topology",
    "Trunk",
    "build",
    "cost_table",
    "fork",
    "group",
    "load_affinity",
    "load_spec",
    "load_weights",
    "measure",
    "plan",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'taskgroup' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
