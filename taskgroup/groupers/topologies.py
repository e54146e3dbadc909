"""Constraints on topologies: what rules for groupings mean where tasks share some stages and part at others."""

from itertools import combinations

from taskgroup.core.topology import Topology
from taskgroup.groupers.constraints import Constraints


def excess(constraints: Constraints, topology: Topology) -> dict[str, float]:
    """By how much a topology breaks each rule that is set; at most 0 is within.

    - ``must_link``: stages, summed over pairs, at which linked tasks are apart; they share every stage.
    - ``cannot_link``: stages, summed over pairs, that parted tasks share; they share none.
    - ``max_size``, ``n_groups``, ``max_groups``: of the groups at the last stage.
    """
    n_stages = len(topology.stages)
    sizes = [len(group) for group in topology.groups(n_stages - 1)]
    tied = [topology.n_shared(*pair) for linked in constraints.must_link for pair in combinations(linked, 2)]
    parted = [topology.n_shared(*pair) for kept in constraints.cannot_link for pair in combinations(kept, 2)]
    found: dict[str, float] = {}
    if tied:
        found["must_link"] = float(sum(n_stages - shared for shared in tied))
    if parted:
        found["cannot_link"] = float(sum(parted))
    if constraints.max_size is not None:
        found["max_size"] = float(max(sizes) - constraints.max_size)
    if constraints.n_groups is not None:
        found["n_groups"] = float(abs(len(sizes) - constraints.n_groups))
    if constraints.max_groups is not None:
        found["max_groups"] = float(len(sizes) - constraints.max_groups)
    return found


def admits(constraints: Constraints, topology: Topology) -> bool:
    """Whether a topology keeps every rule."""
    return all(value <= 0 for value in excess(constraints, topology).values())
