"""Cutting a Sequential: its children are already in order."""

import itertools
from collections.abc import Sequence

from torch import nn

from taskgroup.core.affinity import TRUNK
from taskgroup.errors import InputError
from taskgroup.nn.counting import counting
from taskgroup.nn.cutting.balancing import balanced
from taskgroup.nn.cutting.running import in_mode, rows_for, seeded
from taskgroup.nn.flow import Flow, n_rows


def sequential_stages(module: nn.Module, n_stages: int | None, example: Flow | None) -> dict[str, nn.Module]:
    """Stages of a Sequential, each named by its first child with parameters.

    Raises:
        InputError: Another kind of module, a number of stages without an example, or more than there can be.
    """
    if not isinstance(module, nn.Sequential) or type(module).forward is not nn.Sequential.forward:
        raise InputError(
            f"trunk: `module` should be an nn.Sequential with torch's own forward, found {type(module).__name__}; "
            "use Trunk.cut with submodule paths, or Trunk.auto"
        )
    children = list(module.named_children())
    weighed = [k for k, (_, child) in enumerate(children) if next(child.parameters(), None) is not None]
    if n_stages is None:
        ends = [*weighed[1:], len(children)]
    elif example is None:
        raise InputError("trunk: `n_stages` needs `example`, rows of data on which the operations are counted")
    else:
        weights = list(itertools.accumulate(int(k in weighed) for k in range(len(children))))
        names = [name for name, _ in children[:-1]]
        ends = [k + 1 for k in balanced(_macs(module, example), weights, n_stages, names)]
    return _stages(children, weighed, ends)


def _macs(module: nn.Sequential, example: Flow) -> list[int]:
    """Multiply-accumulates on one example up to the end of each child."""
    rows, figures = rows_for(example, training=False), []
    with seeded(rows):
        for name, child in in_mode(module, training=False).named_children():
            try:
                with counting() as counter:
                    rows = child(rows)
            except Exception as error:  # whatever the user's code raises
                raise InputError(f"trunk: `{name}` should run on what comes before it, found: {error}") from error
            figures.append(counter.get_total_flops() // (2 * n_rows(example)))
    return list(itertools.accumulate(figures))


def _stages(
    children: Sequence[tuple[str, nn.Module]], weighed: Sequence[int], ends: Sequence[int]
) -> dict[str, nn.Module]:
    stages: dict[str, nn.Module] = {}
    for start, end in itertools.pairwise([0, *ends]):
        part = nn.Sequential()
        for name, child in children[start:end]:
            part.add_module(name, child)
        first = next((k for k in weighed if start <= k < end), start)
        name = children[first][0] if children else ""
        stages[f"{name}_2" if name == TRUNK else name] = part
    return stages
