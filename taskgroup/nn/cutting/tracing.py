"""Tracing: the steps of a module in order, by torch.fx, and a sentence where that is not possible."""

import copy
import itertools
import os
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate

from taskgroup.core.table import did_you_mean
from taskgroup.errors import InputError
from taskgroup.nn.cutting.running import arguments, in_mode, output_of, rows_for, same
from taskgroup.nn.flow import Flow

Leaves: TypeAlias = Sequence[str | type[nn.Module]]


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

        Raises:
            InputError: No such name, or a submodule that runs several times.
        """
        calls = [call for call in self.calls if call.path == name]
        if len(calls) == 1:
            return calls[0].stop, calls[0].value
        if calls:
            nodes = ", ".join(f"`{_last(call.value)}`" for call in calls)
            raise InputError(f"trunk: `{name}` runs {len(calls)} times; name one of the graph nodes {nodes} instead")
        for k, step in enumerate(self.steps):
            if step.name == name:
                return k + 1, step
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


class _Tracer(fx.Tracer):
    """Torch's tracer, which besides keeps submodules whole where told to, and notes where each begins and ends."""

    proxy_buffer_attributes = True  # what is computed from buffers is computed anew, not frozen
    record_stack_traces = True

    def __init__(self, leaves: Leaves, example: Flow) -> None:
        super().__init__()
        self.leaves, self.example = leaves, example
        self.n_steps = 0
        self.inside: list[str] = []
        self.calls: list[Call] = []
        self.inputs: fx.Node | tuple[fx.Node, ...] = ()

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> tuple[Any, list[Any]]:
        """One placeholder for each tensor of the example; other arguments keep their defaults."""
        if isinstance(self.example, Tensor):
            rows = self.create_proxy("placeholder", "x", (), {})
            self.inputs = rows.node
            return root_fn, [self.root, rows]
        parts = tuple(self.create_proxy("placeholder", f"x{k}", (), {}) for k in range(len(self.example)))
        self.inputs = tuple(part.node for part in parts)
        whole = len(arguments(self.root, self.example)) == 1
        return root_fn, [self.root, *([parts] if whole else parts)]

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Also what the user wants kept whole."""
        chosen = any(
            module_qualified_name == leaf if isinstance(leaf, str) else isinstance(m, leaf) for leaf in self.leaves
        )
        return chosen or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Notes the call; the path stays in ``inside`` where tracing fails."""
        self.inside.append(self.path_of_module(m))
        start = self.n_steps
        value = super().call_module(m, forward, args, kwargs)
        nodes = map_aggregate(value, lambda part: part.node if isinstance(part, fx.Proxy) else part)
        self.calls.append(Call(self.inside.pop(), start, self.n_steps, nodes))
        return value

    def create_node(self, kind: str, *args: Any, **kwargs: Any) -> fx.Node:
        """Counts the steps."""
        self.n_steps += kind.startswith("call_")
        return super().create_node(kind, *args, **kwargs)


def trace(module: nn.Module, example: Flow, leaves: Leaves = ()) -> Traced:
    """The steps of ``module`` on inputs like ``example``, checked to compute what the module computes.

    Raises:
        InputError: It cannot be traced, does other things in training than in evaluation, or runs otherwise traced.
    """
    known = [name for name, _ in module.named_modules() if name]
    unknown = [leaf for leaf in leaves if isinstance(leaf, str) and leaf not in known]
    if unknown:
        raise InputError(f"trunk.leaves: `{leaf}` should be a submodule{did_you_mean(leaf, known)}" for leaf in unknown)
    traced = _trace(module, example, leaves, training=False)
    fault = _mode_fault(traced, _trace(module, example, leaves, training=True))
    if fault:
        raise InputError(fault)
    _check_outputs(module, fx.GraphModule(traced.root, traced.graph), example)
    for name, part in module.named_modules():
        traced.root.get_submodule(name).training = part.training
    return traced


def _trace(module: nn.Module, example: Flow, leaves: Leaves, *, training: bool) -> Traced:
    for_sharing = {id(t): t for t in itertools.chain(module.parameters(), module.buffers())}
    root = copy.deepcopy(module, for_sharing).train(
        training
    )  # tracing leaves constants in it; the weights are the same
    tracer = _Tracer(leaves, example)
    try:
        graph = tracer.trace(root)
    except Exception as error:  # whatever the user's code raises on a placeholder
        raise InputError(_untraceable(module, error, tracer.inside)) from error
    nodes = list(graph.nodes)
    steps = tuple(node for node in nodes if node.op.startswith("call_"))
    return Traced(root, graph, tracer.inputs, steps, nodes[-1].args[0], tuple(tracer.calls))


def _untraceable(module: nn.Module, error: Exception, inside: Sequence[str]) -> str:
    here = (os.path.dirname(torch.__file__), os.path.dirname(__file__))
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(here)]
    where = f" at {frames[-1].filename}:{frames[-1].lineno} (`{frames[-1].line}`)" if frames else ""
    remedies = ["pass the paths of submodules that run one after the other to Trunk.cut"]
    if inside:
        remedies.append(f'keep `{inside[-1]}` whole with leaves=["{inside[-1]}"]')
    if any(kind.__module__.startswith("transformers.") for kind in type(module).__mro__):
        remedies.append("use the `hf` trunk, which cuts transformers models")
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"trunk: the module cannot be traced{where}: {reason}; {', or '.join(remedies)}"


def _mode_fault(evaluation: Traced, training: Traced) -> str:
    """The sentence on the first step that differs between the modes; empty if none does."""
    pairs = itertools.zip_longest(evaluation.steps, training.steps)
    odd = next(((a, b) for a, b in pairs if _said(a) != _said(b)), None)
    if odd is None and repr(evaluation.output) == repr(training.output):
        return ""
    node = next((node for node in odd or () if node is not None), None)
    where = f"`{node.name}`{_line(node)}" if node else "its output"
    return (
        f"trunk: {where} should be the same step in training and in evaluation, since a graph holds one of them; use "
        "a module that knows its mode (nn.Dropout for F.dropout), or keep the submodule that does it whole "
        "with `leaves`"
    )


def _said(node: fx.Node | None) -> tuple[Any, ...]:
    return () if node is None else (node.op, node.target, repr(node.args), repr(node.kwargs))


def _line(node: fx.Node) -> str:
    """Where in the user's code the step stands."""
    lines = [line.strip() for line in (node.stack_trace or "").splitlines() if line.strip()]
    places = [
        k for k, line in enumerate(lines) if line.startswith('File "') and os.path.dirname(torch.__file__) not in line
    ]
    if not places:
        return ""
    file, number = lines[places[-1]].split('"')[1], lines[places[-1]].split("line ")[1].split(",")[0]
    return f" ({file}:{number})"


def _check_outputs(module: nn.Module, graph: fx.GraphModule, example: Flow) -> None:
    for training in (False, True):
        rows = [rows_for(example, training=training) for _ in range(2)]
        original = in_mode(module, training=training)
        expected = output_of(original, rows[0], training=training)
        parts = (rows[1],) if isinstance(rows[1], Tensor) else rows[1]
        found = output_of(_Parts(in_mode(graph, training=training)), tuple(parts), training=training)
        if not same(expected, found):
            mode = "training" if training else "evaluation"
            raise InputError(
                f"trunk: the traced module should compute what the module computes, found other numbers in {mode} "
                "mode; pass the paths of submodules that run one after the other to Trunk.cut"
            )


class _Parts(nn.Module):
    """Takes the parts of a flow as a graph does."""

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, *parts: Tensor) -> Any:
        return self.graph(*parts)
