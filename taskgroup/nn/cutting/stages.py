"""The stages of a module: by the names of its parts, or found."""

import itertools
from collections.abc import Mapping, Sequence

from torch import nn

from taskgroup.errors import InputError
from taskgroup.nn.cutting.balancing import balanced
from taskgroup.nn.cutting.chaining import Paths, chain, chain_fault, missing, named_paths
from taskgroup.nn.cutting.naming import stage_names
from taskgroup.nn.cutting.points import named, places, state_of
from taskgroup.nn.cutting.profiling import profile
from taskgroup.nn.cutting.splitting import split
from taskgroup.nn.cutting.traced import Traced
from taskgroup.nn.cutting.tracing import Leaves, trace
from taskgroup.nn.flow import Flow


def stages_at(module: nn.Module, paths: Paths, example: Flow | None, leaves: Leaves) -> dict[str, nn.Module]:
    """Stages that end with the named parts; see :meth:`taskgroup.nn.trunk.Trunk.cut`.

    Raises:
        InputError: No such part, or the module cannot be cut there.
    """
    groups = named_paths(paths)
    absent = missing(module, groups)
    if example is None:
        if absent:
            raise InputError(absent)
        return chain(module, groups)
    fault = "" if absent else chain_fault(module, groups, example)
    if not absent and not fault:
        return chain(module, groups)
    try:
        traced = trace(module, example, leaves)
    except InputError as error:
        raise InputError([*absent, *([f"trunk: {fault}"] if fault else []), *error.problems]) from error
    return _traced_stages(traced, groups, example)


def _traced_stages(traced: Traced, groups: Mapping[str, Sequence[str]], example: Flow) -> dict[str, nn.Module]:
    """Stages of the graph, each up to the end of its last path."""
    paths = [path for group in groups.values() for path in group]
    ends = {path: traced.place(path) for path in paths}
    for one, other in itertools.pairwise(paths):
        if ends[one][0] >= ends[other][0]:
            raise InputError(
                f"trunk: paths should come in the order in which they run, found `{one}` before `{other}`, which ends "
                f"{'with' if ends[one][0] == ends[other][0] else 'before'} it"
            )
    last = [group[-1] for group in groups.values()]
    parts = split(traced.until(last[-1]), profile(traced, example), [ends[path] for path in last[:-1]])
    return dict(zip(groups, parts, strict=True))


def found_stages(
    module: nn.Module, example: Flow, n_stages: int, until: str | None, leaves: Leaves
) -> dict[str, nn.Module]:
    """Balanced stages at cut points; see :meth:`taskgroup.nn.trunk.Trunk.auto`.

    Raises:
        InputError: Untraceable, or fewer cut points than asked for.
    """
    whole = trace(module, example, leaves)
    figures = profile(whole, example)
    traced = whole if until is None else whole.until(until)
    macs = list(itertools.accumulate(figures.macs[: len(traced.steps)]))
    weights = list(itertools.accumulate(int(_weighs(traced, k)) for k in range(len(traced.steps))))
    at = [*places(traced, figures), len(traced.steps) - 1]
    chosen = balanced([macs[k] for k in at], [weights[k] for k in at], n_stages, [named(traced, k) for k in at[:-1]])
    ends = [at[k] + 1 for k in chosen]
    parts = split(traced, figures, [(end, traced.steps[end - 1]) for end in ends[:-1]])
    return dict(zip(stage_names(traced, ends), parts, strict=True))


def _weighs(traced: Traced, k: int) -> bool:
    return any(isinstance(tensor, nn.Parameter) for tensor in state_of(traced, traced.steps[k]))
