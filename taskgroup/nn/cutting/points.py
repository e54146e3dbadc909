"""Cut points: the places between two steps of a module at which one tensor crosses and nothing else."""

from dataclasses import dataclass

from torch import Tensor, fx, nn

from taskgroup.nn.cutting.profiling import Profile, profile
from taskgroup.nn.cutting.traced import Traced, nodes_in
from taskgroup.nn.cutting.tracing import Leaves, trace
from taskgroup.nn.flow import Flow


@dataclass(frozen=True)
class CutPoint:
    """A place where a module can be cut.

    Attributes:
        name: Submodule or graph node behind which it lies, as ``until`` and ``Trunk.cut`` take it.
        shape: Shape of one example there.
        macs_share: Share of the module's multiply-accumulates up to it, from 0 to 1.
    """

    name: str
    shape: tuple[int, ...]
    macs_share: float


def cut_points(module: nn.Module, example: Flow, leaves: Leaves = ()) -> list[CutPoint]:
    """Places at which ``module`` can be cut, in the order of execution, the end left out.

    A place is one where a single tensor with the batch as its first dimension crosses, no later step changes that
    tensor in place, and no parameter or buffer is used on both sides. The further tensors of a tuple (masks) may travel
    along unchanged.

    Cost: two traces and six runs of the module on the example, on copies of it.

    Args:
        module: Any module that torch.fx can trace.
        example: Rows it takes, shape ``(batch, ...)``, or a tuple of them.
        leaves: Paths or classes of submodules that are kept whole.

    Raises:
        InputError: The module cannot be traced, or does not run on the example.
    """
    traced = trace(module, example, leaves)
    figures = profile(traced, example)
    total = max(sum(figures.macs), 1)
    return [
        CutPoint(named(traced, k), figures.shapes[traced.steps[k].name], sum(figures.macs[: k + 1]) / total)
        for k in places(traced, figures)
    ]


def places(traced: Traced, figures: Profile) -> list[int]:
    """Numbers of the steps behind which a cut is possible."""
    shared = _spans(traced)
    return [
        k
        for k, step in enumerate(traced.steps[:-1])
        if _crosses_alone(traced, k)
        and step.name in figures.shapes
        and figures.last_changes[step.name] <= k
        and not any(first <= k < last for first, last in shared)
    ]


def crossing(traced: Traced, k: int) -> list[fx.Node]:
    """Values that are there after step ``k`` and are read behind it."""
    return [node for node, place in traced.positions.items() if place <= k < traced.last_uses[node]]


def _crosses_alone(traced: Traced, k: int) -> bool:
    along = traced.inputs[1:] if isinstance(traced.inputs, tuple) else ()
    ends_here = traced.last_uses[traced.steps[k]] == len(traced.steps) and not any(
        user in traced.positions for user in traced.steps[k].users
    )
    return not ends_here and [node for node in crossing(traced, k) if node not in along] == [traced.steps[k]]


def _spans(traced: Traced) -> set[tuple[int, int]]:
    """First and last step that use the same parameter or buffer, where these are two."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for k, step in enumerate(traced.steps):
        for tensor in state_of(traced, step):
            first.setdefault(id(tensor), k)
            last[id(tensor)] = k
    return {(first[key], last[key]) for key in first if last[key] > first[key]}


def state_of(traced: Traced, step: fx.Node) -> list[Tensor]:
    """Parameters and buffers that a step uses."""
    found: list[Tensor] = []
    if step.op == "call_module":
        part = traced.root.get_submodule(str(step.target))
        found += [*part.parameters(), *part.buffers()]
    for node in nodes_in((step.args, step.kwargs)):
        if node.op == "get_attr":
            path, _, name = str(node.target).rpartition(".")
            value = getattr(traced.root.get_submodule(path), name)
            found += [value] if isinstance(value, Tensor) else []
    return found


def named(traced: Traced, k: int) -> str:
    """The outermost submodule that ends with step ``k`` and gives its value, else the graph node."""
    step = traced.steps[k]
    paths = [call.path for call in traced.calls]
    ending = [c.path for c in traced.calls if c.stop == k + 1 and c.value is step and paths.count(c.path) == 1]
    return ending[-1] if ending else step.name
