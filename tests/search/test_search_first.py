"""What is tried first: no repeats, no baselines, and only what the space can express."""

from dataclasses import replace

import pytest
from search_samples import STAGES, TASKS, make_space, proposals_of

from taskgroup.bench.searching.planted import random_tree
from taskgroup.core.grouping import Grouping
from taskgroup.core.record import Chain, Proposal
from taskgroup.core.spec import Recipe
from taskgroup.core.topology import Topology
from taskgroup.search.first import first_candidates
from taskgroup.search.notes import SEPARATE, SHARED

RATE = "learning rate x"


@pytest.mark.parametrize("n_tasks", [1, 2, 3, 4])
def test_no_repeats_no_baselines_all_encodable(n_tasks: int) -> None:
    space = make_space(n_tasks)
    found = first_candidates(space, proposals_of(space.trees[0].tree), 100)
    prints = [c.fingerprint for _, c in found]
    assert len(set(prints)) == len(prints)
    assert len({origin for origin, _ in found}) == len(found)
    assert all(space.encode(c) is not None for _, c in found)
    plain = [c.architecture for _, c in found if not c.architecture.adapters]
    assert not any(a.topology.is_shared or a.topology.is_separate for a in plain)
    assert bool(found) == (n_tasks > 1)
    assert not {origin for origin, _ in found} & {SHARED, SEPARATE}


def test_kinds_take_turns_and_the_middle_depth_comes_first() -> None:
    space = make_space(n_trees=1)
    origins = [origin for origin, _ in first_candidates(space, proposals_of(space.trees[0].tree), 5)]
    assert origins == [
        "all apart, branching after stem",
        "cut 2, branching after stem",
        "all-shared, adapters of size 16 behind neck",
        "all apart, branching after body",
        "cut 3, branching after stem",
    ]


def test_proposals_keep_their_order_and_their_grouping() -> None:
    space = make_space(n_trees=1)
    cuts = {p.source: p.grouping for p in proposals_of(space.trees[0].tree)}
    ranked = [Proposal(grouping=cuts[s], source=s) for s in ("cut 3", "cut 2")]
    grouped = [(o, c.architecture) for o, c in first_candidates(space, ranked, 100) if o.startswith("cut")]
    assert [o.split(",")[0] for o, _ in grouped] == ["cut 3", "cut 2"] * 3
    for origin, architecture in grouped:
        assert architecture.topology.grouping(len(STAGES) - 1) == cuts[origin.split(",")[0]]


def test_the_chain_comes_first_where_it_parts_tasks_and_fits() -> None:
    space = make_space(n_trees=1)
    tree = space.trees[0].tree
    groupings = [Grouping.together(TASKS), tree.cut(2), tree.cut(3)]
    parts = Topology.from_groupings(STAGES, groupings)
    found = first_candidates(
        space, proposals_of(tree), 100, Chain(topology=parts, source="t", separation=(), threshold=1)
    )
    assert found[0][0] == "chain over the stages, t"
    assert found[0][1].architecture.topology == parts
    plain = first_candidates(space, proposals_of(tree), 100)
    for useless in (Topology.shared(TASKS, STAGES), Topology.from_groupings(("a", "b", "c"), groupings)):
        assert (
            first_candidates(
                space, proposals_of(tree), 100, Chain(topology=useless, source="t", separation=(), threshold=1)
            )
            == plain
        )


def test_limit_cuts_the_list() -> None:
    space = make_space()
    whole = first_candidates(space, proposals_of(space.trees[0].tree), 100)
    assert first_candidates(space, proposals_of(space.trees[0].tree), 4) == whole[:4]
    assert first_candidates(space, [], 0) == []


def test_a_grouping_that_no_tree_has_is_left_out() -> None:
    space = make_space(n_trees=1, sizes=(0,))
    labels = [(0, 1, 0, 1), (0, 1, 1, 0), (0, 0, 1, 1)]
    groupings = [Grouping(tasks=TASKS, labels=row) for row in labels]
    strange = next(g for g in groupings if g != random_tree(TASKS, 0).tree.cut(2))
    found = first_candidates(space, [Proposal(grouping=strange, source="strange")], 100)
    assert not any(origin.startswith("strange") for origin, _ in found)
    assert found


def test_no_sizes_no_adapters() -> None:
    assert not any(c.architecture.adapters for _, c in first_candidates(make_space(sizes=(0,)), [], 100))


def test_all_shared_with_other_heads_and_weightings_takes_its_turn() -> None:
    space = replace(make_space(n_trees=1), head_size=4, head_sizes=(0, 8, 16), weightings=("pcgrad",))
    found = first_candidates(space, proposals_of(space.trees[0].tree), 100)
    origins = [origin for origin, _ in found]
    assert origins[:5] == [
        "all apart, branching after stem",
        "cut 2, branching after stem",
        "all-shared, adapters of size 16 behind neck",
        "all-shared, linear heads",
        "all apart, branching after body",
    ]
    varied = {o: c for o, c in found if o.startswith("all-shared") and "adapters" not in o}
    assert list(varied) == [
        "all-shared, linear heads",
        "all-shared, pcgrad",
        "all-shared, heads of size 8",
        "all-shared, heads of size 16",
    ]
    assert [c.architecture.head_size for c in varied.values()] == [0, 4, 8, 16]
    assert all(c.architecture.topology.is_shared for c in varied.values())
    assert varied["all-shared, pcgrad"].recipe == Recipe(weighting="pcgrad")


def test_what_is_not_allowed_makes_room_for_the_next() -> None:
    space = make_space(n_trees=1)
    whole = first_candidates(space, proposals_of(space.trees[0].tree), 100)
    plain = first_candidates(space, proposals_of(space.trees[0].tree), 3, allow=lambda network: not network.adapters)
    assert plain == [(o, c) for o, c in whole if not c.architecture.adapters][:3]
