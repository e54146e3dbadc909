"""What search tries first, before the sampler has anything to learn from."""

import itertools
from collections.abc import Sequence

from taskgroup.adapters import ADAPTERS
from taskgroup.core.grouping import Grouping
from taskgroup.core.record import Chain, Proposal
from taskgroup.core.spec import AdapterSpec, Architecture
from taskgroup.core.topology import Topology
from taskgroup.search.space import Space

Candidate = tuple[str, Architecture]


def first_candidates(
    space: Space, proposals: Sequence[Proposal], limit: int, chain: Chain | None = None
) -> list[Candidate]:
    """The chain over the stages, then in turn the three kinds of start.

    They are: proposals at several branch points, all tasks apart at several depths, all-shared with adapters.

    Args:
        space: Candidates that it cannot express are left out.
        proposals: Best first.
        limit: At most so many.
        chain: Nested partitions over the stages, if there are any that part tasks.

    Returns:
        Pairs of origin and architecture, without repeats, the plain baselines not among them.
    """
    lists = [_grouped(space, proposals), _apart(space), _adapted(space)]
    found: dict[str, Candidate] = {}
    for candidate in (*_chained(space, chain), *itertools.chain.from_iterable(itertools.zip_longest(*lists))):
        if candidate is not None and space.encode(candidate[1]) is not None:
            found.setdefault(candidate[1].fingerprint, candidate)
    return list(found.values())[:limit]


def _chained(space: Space, chain: Chain | None) -> list[Candidate]:
    """The chain as it is, where it parts tasks and has the trunk's stages."""
    if chain is None or chain.topology.is_shared or chain.topology.stages != space.stages:
        return []
    return [(f"chain over the stages, {chain.source}", space.plain(chain.topology))]


def _depths(space: Space) -> list[int]:
    """Numbers of shared stages, the middle first."""
    n_stages = len(space.stages)
    return sorted(range(n_stages), key=lambda s: (abs(2 * s - n_stages), s))


def _grouped(space: Space, proposals: Sequence[Proposal]) -> list[Candidate]:
    n_tasks = len(space.trees[0].tree.tasks)
    partial = [p for p in proposals if 1 < len(p.grouping) < n_tasks]
    return [
        (_branching(p.source, s, space), space.plain(Topology.branched(p.grouping, space.stages, s)))
        for s in _depths(space)
        for p in partial
    ]


def _apart(space: Space) -> list[Candidate]:
    apart = Grouping.apart(space.trees[0].tree.tasks)
    if len(apart) == 1:
        return []
    return [
        (_branching("all apart", s, space), space.plain(Topology.branched(apart, space.stages, s)))
        for s in _depths(space)
        if s > 0
    ]


def _adapted(space: Space) -> list[Candidate]:
    shared = Topology.shared(space.trees[0].tree.tasks, space.stages)
    choice = space.adapters
    sizes = sorted(size for size in choice.sizes if size)
    if not sizes or len(shared.tasks) == 1:
        return []
    found = []
    for stage, kind in itertools.product(reversed(choice.stages), choice.kinds):
        size = sizes[len(sizes) // 2] if ADAPTERS[kind].sized else 1
        entry = AdapterSpec(stage=stage, kind=kind, size=size, per=choice.per)
        if not entry.is_none:
            adapted = Architecture(topology=shared, adapters=(entry,), head_size=space.head_size)
            found.append((_adapting(entry), adapted))
    return found


def _adapting(entry: AdapterSpec) -> str:
    kind = "" if entry.kind == "bottleneck" else f"{entry.kind} "
    size = f" of size {entry.size}" if ADAPTERS[entry.kind].sized else ""
    return f"all-shared, {kind}adapters{size} {'inside' if ADAPTERS[entry.kind].inside else 'behind'} {entry.stage}"


def _branching(source: str, n_shared: int, space: Space) -> str:
    where = f"after {space.stages[n_shared - 1]}" if n_shared else "at the input"
    return f"{source}, branching {where}"
