"""A traced module: its steps in order, and which of its submodules ran where."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from torch import fx, nn
from torch.fx.node import map_aggregate

from taskgroup.core.table import did_you_mean
from taskgroup.errors import InputError


@dataclass(frozen=True)
class Call:
    """One call of a submodule while tracing.

    Attributes:
        path: The submodule's path.
        start: Number of steps before it.
        stop: Number of steps up to its end.
        value: What it gives, with nodes in the place of tensors.
    """

    path: str
    start: int
    stop: int
    value: Any


@dataclass(frozen=True)
class Traced:
    """A module as a line of steps.

    Attributes:
        root: Holds the parts that the steps name.
        graph: What torch.fx found, also behind the last step.
        inputs: The node of the rows, or one for each part of a tuple.
        steps: Calls of modules, functions and methods in the order of execution.
        output: What the module gives, with nodes in the place of tensors.
        calls: Calls of submodules in the order in which they end; an outer one behind its parts.
    """

    root: nn.Module
    graph: fx.Graph
    inputs: fx.Node | tuple[fx.Node, ...]
    steps: tuple[fx.Node, ...]
    output: Any
    calls: tuple[Call, ...]

    @cached_property
    def positions(self) -> dict[fx.Node, int]:
        """Number of each step; -1 for the inputs."""
        parts = self.inputs if isinstance(self.inputs, tuple) else (self.inputs,)
        return {**dict.fromkeys(parts, -1), **{step: k for k, step in enumerate(self.steps)}}

    @cached_property
    def last_uses(self) -> dict[fx.Node, int]:
        """Number of the last step that reads each value; the number of steps for what the module gives."""
        uses = {
            node: max((self.positions[user] for user in node.users if user in self.positions), default=-1)
            for node in self.positions
        }
        return uses | dict.fromkeys(nodes_in(self.output), len(self.steps))

    def place(self, name: str) -> tuple[int, Any]:
        """Number of steps up to the end of a submodule or graph node, and what it gives.

        A submodule that runs several times goes by its graph nodes (``pool``, ``pool_1``).

        Raises:
            InputError: No such name, or a submodule that runs several times.
        """
        calls = [call for call in self.calls if call.path == name]
        if len(calls) == 1:
            return calls[0].stop, calls[0].value
        for k, step in enumerate(self.steps):
            if step.name == name:
                return k + 1, step
        if calls:
            nodes = ", ".join(f"`{_last(call.value)}`" for call in calls)
            raise InputError(f"trunk: `{name}` runs {len(calls)} times; name one of the graph nodes {nodes} instead")
        known = list(dict.fromkeys([call.path for call in self.calls] + [step.name for step in self.steps]))
        raise InputError(
            f"trunk: `{name}` does not exist in the module, whose parts and graph nodes are {', '.join(known[:24])}"
            f"{did_you_mean(name, known)}"
        )

    def until(self, name: str) -> "Traced":
        """The same up to the end of a submodule or graph node, which is then what it gives."""
        stop, value = self.place(name)
        calls = tuple(call for call in self.calls if call.stop <= stop)
        return replace(self, steps=self.steps[:stop], output=value, calls=calls)


def nodes_in(value: Any) -> list[fx.Node]:
    """The nodes in a structure of them."""
    found: list[fx.Node] = []
    map_aggregate(value, lambda part: found.append(part) if isinstance(part, fx.Node) else None)
    return found


def _last(value: Any) -> str:
    nodes = nodes_in(value)
    return nodes[0].name if nodes else "?"
