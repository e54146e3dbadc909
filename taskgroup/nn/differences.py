"""Differences: in what two architectures would not build the same modules, in words."""

from itertools import zip_longest

from taskgroup.core.spec import Architecture
from taskgroup.core.topology import Topology
from taskgroup.nn.routes import Place, places


def difference(found: Architecture, wanted: Architecture) -> str:
    """The first thing that ``found`` has otherwise, helpers aside; empty where both build the same modules.

    For example ``stage `layer2` has copies for a, b | c, not a | b, c``.
    """
    old, new = found.topology, wanted.topology
    for what, theirs, ours in (("tasks", old.tasks, new.tasks), ("stages", old.stages, new.stages)):
        if theirs != ours:
            return f"its {what} are {', '.join(theirs)}, not {', '.join(ours)}"
    for s, stage in enumerate(old.stages):
        if old.matrix[s] != new.matrix[s]:
            return f"stage `{stage}` has copies for {_copies(old, s)}, not {_copies(new, s)}"
        for place, own in zip_longest(map(_adapter, places(found, s)), map(_adapter, places(wanted, s))):
            if place != own:
                return f"stage `{stage}` has {place or 'no such adapter'}, where the network has {own or 'none'}"
    if found.head_size != wanted.head_size:
        return f"its heads have size {found.head_size}, not {wanted.head_size}"
    return ""


def _copies(topology: Topology, stage: int) -> str:
    return " | ".join(", ".join(group) for group in topology.groups(stage))


def _adapter(place: Place) -> str:
    return f"the adapter {place.entry.kind} {place.entry.size} for {', '.join(place.tasks)}"
