"""The graph behind every drawn format: stages, tasks, adapters and helpers, under ids that need no escaping."""

from dataclasses import dataclass
from typing import Literal

from taskgroup.core.spec import AdapterSpec, Architecture
from taskgroup.core.text import printable
from taskgroup.core.topology import Module


@dataclass(frozen=True)
class Node:
    """One vertex; ``name`` and ``tasks`` hold text from the user, made printable but not escaped.

    Attributes:
        id: ``input``, ``s<stage>_<copy>`` or ``t<task>``: unique whatever stages and tasks are called.
        kind: What it stands for.
        name: Stage or task name.
        tasks: Tasks that pass through.
        copy: Which copy of its stage; 0 for inputs and tasks.
        adapters: Adapters of this copy.
    """

    id: str
    kind: Literal["input", "stage", "task"]
    name: str
    tasks: tuple[str, ...]
    copy: int = 0
    adapters: tuple[AdapterSpec, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """What to write inside the node, a line each."""
        if self.kind != "stage":
            return (self.name,)
        counted = f"{len(self.tasks)} task{'s' * (len(self.tasks) > 1)}"
        adapters = [f"+{a.kind} {a.size} per {a.per}" for a in self.adapters]
        return (self.name, counted, *map(printable, adapters))


@dataclass(frozen=True)
class Edge:
    """From one node id to another; a ``helper`` edge trains the task there and is dropped at export."""

    source: str
    target: str
    kind: Literal["flow", "helper"] = "flow"


@dataclass(frozen=True)
class Drawing:
    """Nodes and edges in order of execution."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    @classmethod
    def of(cls, architecture: Architecture) -> "Drawing":
        """The graph of an architecture: ``input`` → copies of stages → tasks, helpers as extra edges."""
        topology = architecture.topology
        nodes = [Node("input", "input", "input", tuple(map(printable, topology.tasks)))]
        edges = []
        last = dict.fromkeys(topology.tasks, "input")
        for module in topology.modules():
            node = _stage_node(architecture, module)
            nodes.append(node)
            edges.append(Edge(last[module.tasks[0]], node.id))
            last.update(dict.fromkeys(module.tasks, node.id))
        ids = {task: f"t{k}" for k, task in enumerate(topology.tasks)}
        nodes += [Node(ids[t], "task", printable(t), (printable(t),)) for t in topology.tasks]
        edges += [Edge(last[t], ids[t]) for t in topology.tasks]
        edges += [Edge(last[h.along], ids[h.task], "helper") for h in architecture.helpers]
        return cls(tuple(nodes), tuple(edges))


def _stage_node(architecture: Architecture, module: Module) -> Node:
    stage = architecture.topology.stages[module.stage]
    tasks = tuple(map(printable, module.tasks))
    id = f"s{module.stage}_{module.copy}"
    return Node(id, "stage", printable(stage), tasks, module.copy, architecture.adapters_of(module))
