"""The planner: the ladder of learning rates, proposals at the best of them, turns, neighbours, what it passes over."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from search_samples import STAGES, TASKS, baseline, branched, cost_at, make_space

from taskgroup.core.affinity import Affinity
from taskgroup.core.recipe import Candidate
from taskgroup.core.record import TrialRow
from taskgroup.core.spec import Architecture, Recipe
from taskgroup.search.adapters import AdapterChoice
from taskgroup.search.first import Named
from taskgroup.search.notes import SEPARATE, SHARED
from taskgroup.search.planner import Planner
from taskgroup.search.space import Space

SCALES = (0.25, 0.5, 2.0, 4.0, 8.0, 16.0)
Gain = Callable[[Candidate], float | None]


def space(**changes: Any) -> Space:
    return replace(make_space(), **{"lr_scales": SCALES, **changes})


def cost(candidate: Candidate) -> float:
    topology = candidate.architecture.topology
    return sum(len(topology.groups(s)) for s in range(len(STAGES))) / len(STAGES)


def cheap_enough(architecture: Architecture) -> bool:
    return cost(Candidate(architecture=architecture)) < 2.5


def planner(where: Space | None = None, first: Sequence[Named] = (), **options: Any) -> Planner:
    return Planner(where or space(), first, options.pop("affinity", None), cost, **options)


def row(number: int, origin: str, candidate: Candidate, gain: float | None) -> TrialRow:
    seen = hashlib.sha256(candidate.fingerprint.encode()).digest()
    errors = {t: (1 - gain) * (1 + seen[k] / 5000) for k, t in enumerate(TASKS)} if gain is not None else {}
    return TrialRow(
        number=number,
        origin=origin,
        state="complete" if gain is not None else "failed",
        architecture=candidate.architecture,
        recipe=candidate.recipe,
        cost=cost_at(cost(candidate)),
        gain=gain,
        errors=errors,
        seconds=1.0,
    )


def opened(plan: Planner, gain: Gain, n_most: int = 40) -> list[TrialRow]:
    """Both baselines, then what is proposed first each time, until it is the turn of others."""
    named = [(SEPARATE, Candidate(architecture=baseline(SEPARATE))), (SHARED, Candidate(architecture=baseline(SHARED)))]
    rows = [row(k, origin, candidate, gain(candidate)) for k, (origin, candidate) in enumerate(named)]
    while len(rows) < n_most and (found := plan.propose(rows, 4)) and not turn(found[0][0]):
        rows.append(row(len(rows), *found[0], gain(found[0][1])))
    return rows


def turn(origin: str) -> str:
    return next((word for word in ("surrogate", "neighbour") if origin.startswith(word)), "")


def ladder(rows: Sequence[TrialRow], name: str) -> list[float]:
    """Scales of a baseline in the order of trying, 1 left out."""
    return [r.recipe.lr_scale for r in rows[2:] if r.architecture == baseline(name)]


def hill(shared: float, separate: float | None = None) -> Gain:
    """Gains that fall on both sides of a learning rate."""

    def gain(candidate: Candidate) -> float:
        peak = separate if separate and candidate.architecture.topology.is_separate else shared
        return 0.3 - 0.05 * abs(math.log2(candidate.recipe.lr_scale / peak))

    return gain


@pytest.mark.parametrize(
    ("peak", "expected"),
    [
        (1.0, [4, 0.25, 2, 0.5]),
        (2.0, [4, 0.25, 2]),
        (4.0, [4, 0.25, 8, 2]),
        (16.0, [4, 0.25, 8, 16]),
        (0.25, [4, 0.25, 0.5]),
    ],
)
def test_cheap_baselines_go_two_up_and_two_down_then_uphill(peak: float, expected: list[float]) -> None:
    rows = opened(planner(budget=None), hill(peak))
    assert ladder(rows, SHARED) == ladder(rows, SEPARATE) == expected
    assert rows[2].origin == "all-shared, learning rate x 4"
    assert [r.architecture for r in rows[2:]] == [baseline(SHARED)] * len(expected) + [baseline(SEPARATE)] * len(
        expected
    )


@pytest.mark.parametrize(
    ("shared", "separate", "expected"),
    [
        (4.0, 16.0, [4, 0.25, 8, 16]),
        (8.0, 4.0, [8, 4, 0.25, 2]),
        (0.5, 2.0, [0.5, 4, 0.25, 2]),
        (0.5, 0.25, [0.5, 4, 0.25]),
    ],
)
def test_a_dear_baseline_starts_from_the_best_of_all_shared(
    shared: float, separate: float, expected: list[float]
) -> None:
    rows = opened(planner(budget=40.0), hill(shared, separate))  # all-separate takes a tenth of it
    assert ladder(rows, SEPARATE) == expected
    assert len(ladder(rows, SHARED)) >= 3


@pytest.mark.parametrize(("budget", "expected"), [(34.0, [4, 0.25, 8, 16]), (27.0, [4, 0.25, 8]), (1.0, [4])])
def test_a_dear_baseline_is_tuned_with_a_share_of_the_budget(budget: float, expected: list[float]) -> None:
    rows = opened(planner(budget=budget), hill(4.0, 16.0))  # one training of it takes 4
    assert ladder(rows, SEPARATE) == expected


def test_what_ruined_all_shared_is_not_tried_on_a_dear_baseline() -> None:
    def gain(candidate: Candidate) -> float | None:
        ruined = candidate.recipe.lr_scale < 1
        return -1.0 if ruined else hill(4.0, 8.0)(candidate)

    rows = opened(planner(budget=40.0), gain)
    assert ladder(rows, SEPARATE) == [4, 8, 16]
    assert 0.25 in ladder(rows, SHARED)


def test_proposals_end_with_their_share_of_the_budget() -> None:
    first = [(f"number {k}", Candidate(architecture=branched(2 + k, 1))) for k in range(3)]
    plan = planner(space(lr_scales=()), first=first, budget=10.0)
    rows = opened(plan, hill(1.0))
    assert [r.origin for r in rows[2:]] == [origin for origin, _ in first]  # these say nothing of their compute
    three, four = ([r.model_copy(update={"trainings": dear}) for r in rows[:3]] for dear in (2.4, 2.5))
    assert plan.propose(three, 1)[0][0] == "number 1"
    assert turn(plan.propose(four, 1)[0][0]) == "surrogate"


def test_failures_end_a_climb() -> None:
    rows = opened(planner(), lambda c: None if c.recipe.lr_scale > 2 else c.recipe.lr_scale / 10)
    assert ladder(rows, SHARED) == [4, 0.25, 2]


def test_another_weighting_of_a_baseline_says_nothing_of_its_learning_rate() -> None:
    plan, gain = planner(), hill(4.0)
    rows = opened(plan, gain)
    operated = Candidate(architecture=baseline(SHARED), recipe=Recipe(lr_scale=0.25, weighting="pcgrad"))
    rows.append(row(len(rows), "sampler", operated, 0.9))
    again = [origin for origin, _ in plan.propose(rows, 4)]
    assert not any("learning rate x 0.5" in origin and origin.startswith(SHARED) for origin in again)


def test_proposals_take_the_scale_of_the_baseline_that_is_nearer_in_cost() -> None:
    cheap, dear = Candidate(architecture=branched(2, 2)), Candidate(architecture=branched(4, 1))
    own = Candidate(architecture=branched(2, 1), recipe=Recipe(lr_scale=0.5))
    assert cost(cheap) < 2 < cost(dear)  # the middle of 1 and 4
    rows = opened(planner(first=[("late", cheap), ("early", dear), ("own", own)]), hill(4.0, 0.5))
    found = {r.origin: r.candidate for r in rows[-3:]}
    assert list(found) == ["late", "early", "own"]
    assert found["late"] == cheap.model_copy(update={"recipe": Recipe(lr_scale=4.0)})
    assert found["early"] == dear.model_copy(update={"recipe": Recipe(lr_scale=0.5)})
    assert found["own"] == own


def test_scales_that_one_training_does_not_tell_apart_take_turns() -> None:
    first = [(f"number {k}", Candidate(architecture=branched(2 + k % 3, 1 + k // 3))) for k in range(6)]

    def gain(candidate: Candidate) -> float:
        return {0.25: 0.3, 4.0: 0.31}.get(candidate.recipe.lr_scale, 0.0)

    rows = opened(planner(first=first), gain)
    scales = [r.recipe.lr_scale for r in rows if r.origin.startswith("number")]
    assert scales == [4, 4, 4, 0.25, 0.25, 0.25]


def test_openings_over_a_limit_are_passed_over() -> None:
    cheap, dear = Candidate(architecture=branched(2, 2)), Candidate(architecture=branched(4, 1))
    rows = opened(planner(first=[("dear", dear), ("cheap", cheap)], admits=cheap_enough), hill(2.0))
    assert [r.origin for r in rows if r.origin in ("dear", "cheap")] == ["cheap"]
    assert not ladder(rows, SEPARATE)  # beyond the limit itself


def more(rows: list[TrialRow], plan: Planner, n: int, gain: Gain) -> list[str]:
    """Whose turn each of the next ``n`` trainings is."""
    turns = []
    for k in range(n):
        found = plan.propose(rows, 4)
        name, candidate = found[0] if found else ("sampler", sampled(k))
        turns.append(turn(name) or name)
        rows.append(row(len(rows), name, candidate, gain(candidate)))
    return turns


def sampled(k: int) -> Candidate:
    return Candidate(architecture=branched(3, 1), recipe=Recipe(lr_scale=float(k + 100)))


def test_turns() -> None:
    plan = planner(space(lr_scales=(2.0,)))
    turns = more(opened(plan, hill(2.0)), plan, 7, hill(2.0))
    assert turns == ["surrogate", "neighbour", "sampler"] * 2 + ["surrogate"]
    plan = planner(space(lr_scales=(2.0,)), surrogate=False)
    assert more(opened(plan, hill(2.0)), plan, 4, hill(2.0)) == ["sampler", "neighbour", "sampler", "sampler"]


def test_what_it_proposes_follows_from_the_rows_alone() -> None:
    prior = np.random.default_rng(0).normal(size=(4, 4, 4))
    affinity = Affinity(TASKS, (*STAGES, "trunk"), prior, np.ones_like(prior), np.ones(prior.shape, dtype=np.int64))
    rows = opened(planner(affinity=affinity), hill(2.0))
    for n in range(3):  # a turn of each
        first, again = (planner(affinity=affinity, seed=1).propose(rows, 3) for _ in range(2))
        assert first == again
        rows.append(row(len(rows), "sampler", sampled(n), 0.1))


def changes(a: Candidate, b: Candidate) -> int:
    """In how many choices two candidates of one topology differ; adapters count by stage."""
    x, y = a.architecture, b.architecture
    stages = [
        tuple(e for e in x.adapters if e.stage == s) != tuple(e for e in y.adapters if e.stage == s) for s in STAGES
    ]
    recipes = (a.recipe.lr_scale != b.recipe.lr_scale, a.recipe.weighting != b.recipe.weighting)
    return sum((*stages, *recipes, x.topology != y.topology, x.head_size != y.head_size, x.helpers != y.helpers))


@pytest.mark.parametrize("kind", ["bottleneck", "film", "none", ("film", "lora")])
def test_neighbours_differ_in_one_choice_and_lie_in_the_space(kind: str | tuple[str, ...]) -> None:
    adapters = AdapterChoice(STAGES[1:], (0, 4, 16), kind)
    where = space(lr_scales=(0.5, 2.0), head_sizes=(8, 32), weightings=("pcgrad",), adapters=adapters)
    plan = planner(where, surrogate=False)
    rows = opened(plan, hill(1.0))
    rows += [row(len(rows), "sampler", Candidate(architecture=branched(2, 1)), 0.9)]  # the best, and it is their turn
    found = plan.propose(rows, 100)
    by_number = {r.number: r.candidate for r in rows}
    known = {r.candidate.fingerprint for r in rows}
    assert found
    for origin, candidate in found:
        base = by_number[int(origin.removeprefix("neighbour of ").partition(",")[0])]
        assert changes(base, candidate) == 1, origin
        assert where.encode(candidate) is not None, origin
        assert candidate.fingerprint not in known, origin
    best = [origin for origin, _ in found if origin.startswith(f"neighbour of {rows[-1].number},")]
    assert [origin for origin, _ in found][: len(best)] == best  # of the best first
    words = " ".join(best)
    for choice in ("learning rate x 2", "learning rate x 0.5", "heads of 8", "pcgrad"):
        assert choice in words
    assert ("adapters at body" in words) == (kind != "none")


def test_adapters_are_taken_away_again() -> None:
    where = space(lr_scales=())
    rows = opened(planner(where), hill(1.0))
    entry = next(a for a in (c.architecture.adapters for _, c in planner(where)._changed(rows[1].candidate)) if a)
    adapted = Candidate(architecture=baseline(SHARED).model_copy(update={"adapters": entry}))
    names = dict(planner(where)._changed(adapted))
    assert names[f"no adapters at {entry[0].stage}"].architecture == baseline(SHARED)


def test_what_the_surrogate_proposes_is_new_allowed_and_dressed_as_the_best() -> None:
    where = space(lr_scales=(2.0,), head_sizes=(8,))
    plan = planner(where, admits=cheap_enough)
    rows = opened(plan, hill(2.0))
    leader = Candidate(
        architecture=Architecture(topology=branched(2, 2).topology, head_size=8), recipe=Recipe(lr_scale=2.0)
    )
    rows.append(row(len(rows), "proposal", leader, 0.8))
    found = plan.propose(rows, 3)
    assert found
    known = {r.architecture.topology for r in rows}
    for origin, candidate in found:
        assert origin.startswith("surrogate, expects ")
        assert cheap_enough(candidate.architecture)
        assert candidate.architecture.topology not in known
        assert (candidate.recipe, candidate.architecture.head_size) == (leader.recipe, 8)
    assert not plan.propose([r for r in rows if r.origin != SEPARATE], 3)  # without a reference there are no gains


def test_one_task_has_no_surrogate() -> None:
    plan = planner(make_space(n_tasks=1))
    alone = Candidate(architecture=Architecture(topology=baseline(SHARED, TASKS[:1]).topology))
    assert not plan.propose([row(0, SEPARATE, alone, 0.1)], 3)
