"""Small specs for the exporters' tests."""

from taskgroup.core.spec import AdapterSpec, Architecture, Cost, Helper, Spec, TrunkSpec
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.topology import Topology

STAGES = ("stem", "body")
HOSTILE = ('<b>&"x', "back\\slash", "line\nbreak\x00", "a`b`#35;", "{x} [y] (z) |p| $q$ %%", "日本語 ünï", "null")


def make_spec(names: tuple[str, ...] = ("a", "b", "c"), stages: tuple[str, ...] = STAGES) -> Spec:
    """All tasks share the first stage and part into the first task and the rest; the last helps along the first."""
    rest = tuple(0 if k == 0 else 1 for k in range(len(names)))
    topology = Topology(tasks=names, stages=stages, matrix=((0,) * len(names), *[rest] * (len(stages) - 1)))
    architecture = Architecture(
        topology=topology,
        adapters=(AdapterSpec(stage=stages[0], size=8, per="branch"), AdapterSpec(stage=stages[-1], size=0)),
        helpers=(Helper(task=names[-1], along=names[0]),) if len(names) > 1 else (),
    )
    return Spec(
        tasks=TaskSet(tasks=tuple(Task(name=n, kind="regression", mean=1e-7, scale=12.5) for n in names)),
        trunk=TrunkSpec(name="mlp", stages=stages, options={"width": 32, "norm": None, "answer": "yes"}),
        architecture=architecture,
        cost=Cost(params=12345, macs=67890, params_ratio=1.5, macs_ratio=1.25),
    )
