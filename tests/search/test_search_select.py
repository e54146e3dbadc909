"""The Pareto front, and the finalists along it."""

from itertools import pairwise

import numpy as np
import pytest
from search_samples import baseline, branched, row

from taskgroup.core.record import TrialRow
from taskgroup.core.spec import AdapterSpec, Architecture, Recipe
from taskgroup.search.limits import Limits
from taskgroup.search.notes import SEPARATE, SHARED
from taskgroup.search.select import complete_rows, finalists, pareto

NONE = Limits()
BASELINES = [
    row(0, baseline(SEPARATE), 0.0, origin=SEPARATE, ratio=4.0),
    row(1, baseline(SHARED), -0.2, origin=SHARED, ratio=1.0),
]


def other(k: int) -> Architecture:
    """Architectures that differ."""
    return Architecture(topology=branched(2, 2).topology, adapters=(AdapterSpec(stage="stem", size=k + 1),))


def rows(*points: tuple[float | None, float]) -> list[TrialRow]:
    """Both baselines, then candidates of these gains and costs."""
    return [*BASELINES, *(row(k + 2, other(k), gain, ratio=ratio) for k, (gain, ratio) in enumerate(points))]


def numbers(found: list[TrialRow]) -> list[int]:
    return [r.number for r in found]


def test_complete_rows_are_ranked_by_gain_then_cost_then_number() -> None:
    table = rows((0.1, 2), (0.3, 3), (0.1, 1.5), (0.1, 1.5))
    assert numbers(complete_rows(table, NONE)) == [3, 4, 5, 2, 0, 1]


def test_failed_over_limit_and_repeated_rows_do_not_count() -> None:
    table = rows((0.5, 9), (None, 2), (0.2, 2))
    table.append(row(9, other(2), 0.2, origin="repeat of 4"))
    table.append(row(10, other(7), 0.9).model_copy(update={"state": "pruned"}))
    assert numbers(complete_rows(table, Limits(macs_ratio=3))) == [4, 1]


def test_front_is_what_nothing_cheaper_beats() -> None:
    table = rows((0.1, 2), (0.3, 3), (0.05, 2.5), (0.3, 3.5), (0.1, 1.5))
    assert numbers(pareto(table, NONE)) == [1, 6, 3]


@pytest.mark.parametrize("seed", range(5))
def test_front_by_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rows(*((float(g), float(c)) for g, c in zip(rng.normal(size=20), rng.uniform(1, 4, 20), strict=True)))
    front = pareto(table, NONE)
    for a, b in pairwise(front):
        assert a.cost.macs_ratio < b.cost.macs_ratio
        assert (a.gain or 0) < (b.gain or 0)
    beaten = {
        r.number
        for r in table
        for o in table
        if o is not r and (o.gain or 0) >= (r.gain or 0) and o.cost.macs_ratio <= r.cost.macs_ratio
    }
    assert {r.number for r in front} == {r.number for r in table} - beaten


def test_finalists_are_the_best_the_cheapest_and_evenly_between() -> None:
    table = rows((0.10, 1.5), (0.12, 1.6), (0.14, 1.7), (0.16, 1.8), (0.20, 1.9))
    assert numbers(finalists(table, NONE, 1)) == [6]
    assert numbers(finalists(table, NONE, 2)) == [6, 2]
    assert numbers(finalists(table, NONE, 3)) == [6, 4, 2]
    assert numbers(finalists(table, NONE, 5)) == [6, 5, 4, 3, 2]


def test_finalists_keep_half_of_the_advantage_over_all_shared() -> None:
    """All-shared is at -0.2 and the best at 0.4: what gains less than 0.1 is no finalist by being cheap."""
    table = rows((0.09, 1.1), (0.11, 1.2), (0.4, 2.0))
    assert numbers(finalists(table, NONE, 2)) == [4, 3]
    assert numbers(finalists(table, NONE, 3)) == [4, 3, 2]  # then the next best


def test_the_next_best_fill_up() -> None:
    table = rows((0.2, 1.5), (0.19, 2.0), (0.18, 3.0))
    assert numbers(finalists(table, NONE, 2)) == [2, 3]


def test_baselines_are_no_finalists_nor_is_what_equals_them() -> None:
    table = [*BASELINES, row(2, baseline(SEPARATE), 0.0, origin="repeat of 0"), row(3, other(0), -0.5, ratio=1.5)]
    assert numbers(finalists(table, NONE, 3)) == [3]
    assert finalists(BASELINES, NONE, 3) == []


def test_finalists_keep_the_limits() -> None:
    table = rows((0.5, 3.0), (0.1, 1.5))
    assert numbers(finalists(table, Limits(macs_ratio=2.0), 2)) == [3]
    assert finalists(table, Limits(macs_ratio=1.0), 2) == []


def test_best_below_all_shared_is_still_confirmed() -> None:
    assert numbers(finalists(rows((-0.4, 1.5), (-0.3, 2.0)), NONE, 1)) == [3]


@pytest.mark.parametrize("n", range(1, 9))
def test_never_twice_the_same_and_never_more_than_asked(n: int) -> None:
    rng = np.random.default_rng(n)
    table = rows(*((float(g), float(c)) for g, c in zip(rng.normal(size=15), rng.uniform(1, 4, 15), strict=True)))
    found = numbers(finalists(table, NONE, n))
    assert len(set(found)) == len(found) == n


def test_a_baseline_with_another_recipe_is_no_finalist_and_counts_as_all_shared() -> None:
    """All-shared gains 0.3 with a learning rate twice as high: half of the best one's advantage is at 0.35."""
    faster = Recipe(lr_scale=2.0)
    table = rows((0.32, 1.1), (0.36, 1.2), (0.4, 2.0))
    table.append(row(9, baseline(SHARED), 0.3, ratio=1.0).model_copy(update={"recipe": faster}))
    assert numbers(finalists(table, NONE, 2)) == [4, 3]
    assert numbers(finalists(table, NONE, 9)) == [4, 3, 2]


def test_one_network_under_two_recipes_is_two_candidates() -> None:
    table = rows((0.2, 2.0))
    table.append(table[2].model_copy(update={"number": 9, "gain": 0.3, "recipe": Recipe(lr_scale=2.0)}))
    assert numbers(finalists(table, NONE, 2)) == [9, 2]


def test_what_was_trained_again_comes_before_the_rest_and_counts_by_its_mean() -> None:
    """The best under one seed, 0.4, falls to 0.2; what was not trained again looks better and comes after."""
    table = rows((0.4, 2.0), (0.3, 2.0), (0.29, 2.0))
    table[2] = table[2].model_copy(update={"again": (0.0,)})
    table[3] = table[3].model_copy(update={"again": (0.2, 0.25)})
    assert numbers(finalists(table, NONE, 1)) == [3]
    assert numbers(finalists(table, NONE, 3)) == [3, 2, 4]
