"""What search tries first, before the sampler has anything to learn from."""

import itertools
from collections.abc import Callable, Iterator, Sequence

from taskgroup.adapters import ADAPTERS
from taskgroup.core.grouping import Grouping
from taskgroup.core.recipe import Candidate
from taskgroup.core.record import SHARED, Chain, Proposal
from taskgroup.core.spec import AdapterSpec, Architecture, Recipe
from taskgroup.core.topology import Topology
from taskgroup.search.space import Space

Named = tuple[str, Candidate]


def first_candidates(
    space: Space,
    proposals: Sequence[Proposal],
    limit: int,
    chain: Chain | None = None,
    allow: Callable[[Architecture], bool] = lambda _: True,
) -> list[Named]:
    """The chain over the stages, then in turn the four kinds of start.

    They are: all tasks apart at several depths, proposals at several branch points, all-shared with adapters,
    all-shared with other heads and loss weightings. Learning rates are the planner's business.

    Args:
        space: Candidates that it cannot express are left out.
        proposals: Best first.
        limit: At most so many.
        chain: Nested partitions over the stages, if there are any that part tasks.
        allow: What it refuses is left out.

    Returns:
        Pairs of origin and candidate, without repeats, the plain baselines not among them.
    """
    turns = (_apart(space), _grouped(space, proposals), _adapted(space), _varied(space))
    found: dict[str, Named] = {}
    for origin, candidate in itertools.chain(_chained(space, chain), _in_turn(*turns)):
        if len(found) == limit:
            break
        fresh = candidate.fingerprint not in found and allow(candidate.architecture)
        if fresh and space.encode(candidate) is not None:
            found[candidate.fingerprint] = (origin, candidate)
    return list(found.values())


def _in_turn(*lists: Iterator[Named]) -> Iterator[Named]:
    for found in itertools.zip_longest(*lists):
        yield from (named for named in found if named is not None)


def _shared(space: Space) -> Candidate:
    return space.plain(Topology.shared(space.tasks, space.stages))


def _trained(name: str, plain: Candidate, recipe: Recipe) -> Named:
    return f"{name}, {recipe.words}", plain.model_copy(update={"recipe": recipe})


def _chained(space: Space, chain: Chain | None) -> list[Named]:
    """The chain as it is, where it parts tasks and has the trunk's stages."""
    if chain is None or chain.topology.is_shared or chain.topology.stages != space.stages:
        return []
    return [(f"chain over the stages, {chain.source}", space.plain(chain.topology))]


def _depths(space: Space) -> list[int]:
    """Numbers of shared stages, the middle first."""
    n_stages = len(space.stages)
    return sorted(range(n_stages), key=lambda s: (abs(2 * s - n_stages), s))


def _grouped(space: Space, proposals: Sequence[Proposal]) -> Iterator[Named]:
    partial = [p for p in proposals if 1 < len(p.grouping) < len(space.tasks)]
    for s in _depths(space):
        for p in partial:
            yield _branching(p.source, s, space), space.plain(Topology.branched(p.grouping, space.stages, s))


def _apart(space: Space) -> Iterator[Named]:
    apart = Grouping.apart(space.tasks)
    for s in _depths(space) if len(apart) > 1 else ():
        if s > 0:
            yield _branching("all apart", s, space), space.plain(Topology.branched(apart, space.stages, s))


def _adapted(space: Space) -> Iterator[Named]:
    choice, shared = space.adapters, _shared(space).architecture
    sizes = sorted(size for size in choice.sizes if size)
    if not sizes or len(space.tasks) == 1:
        return
    for stage, kind in itertools.product(reversed(choice.stages), choice.kinds):
        size = sizes[len(sizes) // 2] if ADAPTERS[kind].sized else 1
        entry = AdapterSpec(stage=stage, kind=kind, size=size, per=choice.per)
        if not entry.is_none:
            yield _adapting(entry), Candidate(architecture=shared.model_copy(update={"adapters": (entry,)}))


def _varied(space: Space) -> Iterator[Named]:
    """All-shared with other heads and with other loss weightings, by turns."""
    shared = _shared(space)
    base = space.heads.index(space.head_size)
    sizes = sorted(space.heads, key=lambda size: abs(space.heads.index(size) - base))[1:]
    wider = [Architecture(topology=shared.architecture.topology, head_size=size) for size in sizes]
    yield from _in_turn(
        ((f"{SHARED}, {_heads(network.head_size)}", Candidate(architecture=network)) for network in wider),
        (_trained(SHARED, shared, Recipe(weighting=weighting)) for weighting in space.losses[1:]),
    )


def _heads(size: int) -> str:
    return f"heads of size {size}" if size else "linear heads"


def _adapting(entry: AdapterSpec) -> str:
    kind = "" if entry.kind == "bottleneck" else f"{entry.kind} "
    size = f" of size {entry.size}" if ADAPTERS[entry.kind].sized else ""
    return f"{SHARED}, {kind}adapters{size} {'inside' if ADAPTERS[entry.kind].inside else 'behind'} {entry.stage}"


def _branching(source: str, n_shared: int, space: Space) -> str:
    where = f"after {space.stages[n_shared - 1]}" if n_shared else "at the input"
    return f"{source}, branching {where}"
