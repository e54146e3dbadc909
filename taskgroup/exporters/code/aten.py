"""Graphs of modules that torch.fx cannot read, found by running them (torch.export): plain, but of small operations."""

import copy
import operator
import warnings
from typing import Any

import torch
from torch import fx, nn
from torch.export.graph_signature import InputKind, OutputKind

from taskgroup.exporters.code.errors import InexpressibleError, first_line
from taskgroup.exporters.code.parts import CONSTANT
from taskgroup.nn.flow import Flow

_DYNAMIC = torch.export.Dim.DYNAMIC
_CHECKS = ("_assert_scalar", "_assert_tensor_metadata", "_assert_async")


def exported(module: nn.Module, rows: Flow) -> fx.Graph:
    """The graph of what ``module`` does in its present mode, for a batch of any size; one input, the flow.

    Raises:
        InexpressibleError: torch.export cannot run it either.
    """
    parts = rows if isinstance(rows, tuple) else (rows,)
    sizes: Any = tuple({0: _DYNAMIC} if part.ndim and len(part) == len(parts[0]) else None for part in parts)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of torch's own making, e.g. on deprecated parts of itself
            program = torch.export.export(
                copy.deepcopy(module), (rows,), dynamic_shapes=(sizes if isinstance(rows, tuple) else sizes[0],)
            )
    except Exception as error:  # whatever the user's forward and torch's tracing may raise
        raise InexpressibleError(
            type(module).__name__, f"its forward cannot be run by torch.export: {first_line(error)}"
        ) from error
    return _one_input(program, isinstance(rows, tuple), module)


def _one_input(program: Any, is_tuple: bool, module: nn.Module) -> fx.Graph:
    """Parameters as attributes in place of inputs, and the parts of a flow as those of one input.

    Tensors that the forward pass makes of plain values become attributes of ``module``.
    """
    holder = type(module).__name__
    signature = program.graph_signature
    if any(spec.kind is not OutputKind.USER_OUTPUT for spec in signature.output_specs):
        raise InexpressibleError(holder, "its forward changes its own buffers")
    kinds = {spec.arg.name: spec for spec in signature.input_specs}
    graph, known = fx.Graph(), {}
    flow = graph.placeholder("flow")
    n_inputs = 0
    for node in program.graph.nodes:
        if node.op == "placeholder":
            spec = kinds[node.name]
            if spec.kind is InputKind.USER_INPUT:
                known[node] = graph.call_function(operator.getitem, (flow, n_inputs)) if is_tuple else flow
                n_inputs += 1
            elif spec.kind in (InputKind.PARAMETER, InputKind.BUFFER):
                known[node] = graph.get_attr(spec.target)
            elif spec.kind is InputKind.CONSTANT_TENSOR:
                name = f"{CONSTANT}{sum(n.startswith(CONSTANT) for n in vars(module))}"
                setattr(module, name, program.constants[spec.target])
                known[node] = graph.get_attr(name)
            else:
                raise InexpressibleError(holder, f"its forward uses `{spec.target}`, which is no tensor")
        elif node.op == "output":
            found = tuple(known[part] for part in node.args[0])
            graph.output(found if program.call_spec.out_spec.type is tuple else found[0])
        elif not any(check in str(node.target) for check in _CHECKS):
            known[node] = graph.node_copy(node, lambda n: known[n])
    return graph
