"""Tracing: the steps of a module in order, by torch.fx, and a sentence where that is not possible."""

import copy
import itertools
from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate

from taskgroup.core.table import did_you_mean
from taskgroup.errors import InputError
from taskgroup.nn.cutting.failing import untraceable, user_line
from taskgroup.nn.cutting.running import arguments, in_mode, output_of, rows_for, same, seeded
from taskgroup.nn.cutting.traced import Call, Traced
from taskgroup.nn.flow import Flow

LINE = "taskgroup line"

Leaves: TypeAlias = Sequence[str | type[nn.Module]]


class _Tracer(fx.Tracer):
    """Torch's tracer, which besides keeps submodules whole where told to, and notes where each begins and ends."""

    proxy_buffer_attributes = True  # what is computed from buffers is computed anew, not frozen

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
        """Counts the steps and notes where in the user's code they stand."""
        self.n_steps += kind.startswith("call_")
        node = super().create_node(kind, *args, **kwargs)
        node.meta[LINE] = user_line()
        return node


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
    tensors = {id(t): t for t in itertools.chain(module.parameters(), module.buffers())}
    root = copy.deepcopy(module, tensors).train(training)  # tracing puts constants into it; the weights are the same
    tracer = _Tracer(leaves, example)
    with seeded(example):
        before = torch.get_rng_state()
        try:
            graph = tracer.trace(root)
        except Exception as error:  # whatever the user's code raises on a placeholder
            raise InputError(untraceable(module, error, tracer.inside)) from error
        if not torch.equal(torch.get_rng_state(), before):
            raise InputError(
                "trunk: the module should leave random numbers to parts such as nn.Dropout, found some drawn while it "
                "was traced, which a graph would freeze; keep the submodule that does it whole with `leaves`"
            )
    nodes = list(graph.nodes)
    steps = tuple(node for node in nodes if node.op.startswith("call_"))
    return Traced(root, graph, tracer.inputs, steps, nodes[-1].args[0], tuple(tracer.calls))


def _mode_fault(evaluation: Traced, training: Traced) -> str:
    """The sentence on the first step that differs between the modes; empty if none does."""
    pairs = itertools.zip_longest(evaluation.steps, training.steps)
    odd = next(((a, b) for a, b in pairs if _said(a) != _said(b)), None)
    if odd is None and repr(evaluation.output) == repr(training.output):
        return ""
    found = f"{_where(odd[1])} in training and {_where(odd[0])} in evaluation" if odd else "other outputs"
    return (
        "trunk: the module should take the same steps in training and in evaluation, since a graph holds one of them, "
        f"found {found}; use a module that knows its mode (nn.Dropout for F.dropout), or keep the submodule that does "
        "it whole with `leaves`"
    )


def _where(node: fx.Node | None) -> str:
    return "the end" if node is None else f"`{node.name}` ({node.meta[LINE]})"


def _said(node: fx.Node | None) -> tuple[Any, ...]:
    return () if node is None else (node.op, node.target, repr(node.args), repr(node.kwargs))


def _check_outputs(module: nn.Module, graph: fx.GraphModule, example: Flow) -> None:
    for training in (False, True):
        expected, found = (
            output_of(in_mode(one, training=training), rows_for(example, training=training), training=training)
            for one in (module, graph)
        )
        if not same(expected, found):
            mode = "training" if training else "evaluation"
            raise InputError(
                f"trunk: the traced module should compute what the module computes, found other numbers in {mode} "
                "mode; pass the paths of submodules that run one after the other to Trunk.cut"
            )
