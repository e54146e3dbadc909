"""Splitting: the modules that the steps between two cuts make."""

import copy
import operator
from collections.abc import Sequence
from typing import Any

from torch import fx, nn
from torch.fx.node import map_arg

from taskgroup.errors import InputError
from taskgroup.nn.cutting.points import crossing, state_of
from taskgroup.nn.cutting.profiling import Profile
from taskgroup.nn.cutting.traced import Traced, nodes_in

Nodes = fx.Node | tuple[fx.Node, ...]


class Stage(fx.GraphModule):
    """Steps that are no plain chain of modules, as readable code."""

    def _get_name(self) -> str:
        return "Stage"

    def extra_repr(self) -> str:
        """The code, which tells stages with the same parts apart."""
        return self.code.strip()


def split(traced: Traced, figures: Profile, cuts: Sequence[tuple[int, Any]]) -> list[nn.Module]:
    """The stages between ``cuts``, each of which is a number of steps and the value that is the hidden state there.

    A stage takes and gives one tensor, or a tuple with the hidden state first where more of them cross. The last one
    gives what the module gives.

    Raises:
        InputError: Something else than tensors with one row for each example crosses.
    """
    source, start, stages = traced.inputs, 0, []
    for stop, value in cuts:
        result = _across(traced, figures, stop, value)
        stages.append(_stage(traced, traced.steps[start:stop], source, result))
        source, start = result, stop
    return [*stages, _stage(traced, traced.steps[start:], source, traced.output)]


def _across(traced: Traced, figures: Profile, stop: int, value: Any) -> Nodes:
    """What crosses behind ``stop`` steps, the hidden state first."""
    nodes = crossing(traced, stop - 1)
    first = next((node for node in nodes_in(value) if node in nodes), None)
    before = (
        f"between `{traced.steps[stop - 1].name}` and `{traced.steps[stop].name}`" if stop < len(traced.steps) else ""
    )
    if first is None:
        raise InputError(
            f"trunk: what crosses {before or 'at the end'} is not what the named part gives; cut elsewhere"
        )
    odd = [node.name for node in nodes if node.name not in figures.shapes]
    if odd:
        raise InputError(
            f"trunk: only tensors with one row for each example should cross {before}, found `{odd[0]}`; cut "
            "elsewhere, for example at one of cut_points(module, example)"
        )
    rest = tuple(node for node in nodes if node is not first)
    return (first, *rest) if rest else first


def _stage(traced: Traced, steps: Sequence[fx.Node], source: Nodes, result: Any) -> nn.Module:
    chain = _sequential(traced, steps, source, result)
    return _graph(traced, steps, source, result) if chain is None else chain


def _graph(traced: Traced, steps: Sequence[fx.Node], source: Nodes, result: Any) -> fx.GraphModule:
    graph, made = fx.Graph(), {}
    if isinstance(source, tuple):
        flow = graph.placeholder("flow")
        made = {
            part: graph.create_node("call_function", operator.getitem, (flow, k), name=part.name)
            for k, part in enumerate(source)
        }
    else:
        made[source] = graph.placeholder(source.name)

    def here(node: fx.Node) -> fx.Node:
        if node not in made:
            assert node.op == "get_attr"
            made[node] = graph.node_copy(node)
        return made[node]

    for step in steps:
        map_arg((step.args, step.kwargs), here)  # parameters first: they are read before the step
        made[step] = graph.node_copy(step, here)
        made[step].meta = {}
    graph.output(map_arg(result, here))
    return Stage(traced.root, graph)


def _sequential(traced: Traced, steps: Sequence[fx.Node], source: Nodes, result: Any) -> nn.Sequential | None:
    """The steps as nested Sequentials, with the submodules' own paths; None where they are not a plain chain."""
    chain, before, seen = nn.Sequential(), source, set()
    for step in steps:
        if step.op != "call_module" or step.args != (before,) or step.kwargs:
            return None
        path = str(step.target)
        if path in seen and state_of(traced, step):
            return None
        part = traced.root.get_submodule(path)
        if path in seen:  # a part of its own, which probes may hook by itself
            path, part = step.name, copy.deepcopy(part)
        if not _add(chain, path.split("."), part):
            return None
        seen.add(path)
        before = step
    return chain if steps and result is before else None


def _add(chain: nn.Sequential, names: Sequence[str], part: nn.Module) -> bool:
    """Put ``part`` at the end of ``chain`` under nested names; False where that is not possible."""
    for k, name in enumerate(names):
        known = dict(chain.named_children())
        if name not in known:
            if hasattr(chain, name):
                return False
            chain.add_module(name, part if k == len(names) - 1 else nn.Sequential())
        elif k == len(names) - 1 or name != list(known)[-1]:
            return False
        inner = chain.get_submodule(name)
        if k < len(names) - 1:
            assert isinstance(inner, nn.Sequential)
            chain = inner
    return True
