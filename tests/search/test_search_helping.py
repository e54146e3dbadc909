"""Helpers: the strongest pairs, and only where a task gets a path that it does not have already."""

import numpy as np
import pytest
from search_samples import STAGES, TASKS, baseline
from space_samples import plain

from taskgroup.core.affinity import TRUNK, Affinity
from taskgroup.core.record import CandidateTree
from taskgroup.core.spec import AdapterSpec, Architecture, Helper
from taskgroup.core.topology import Topology
from taskgroup.core.tree import MergeTree
from taskgroup.search.adapters import AdapterChoice
from taskgroup.search.helping import helper_pairs, helper_params, named_as_offered, offered
from taskgroup.search.notes import SEPARATE, SHARED
from taskgroup.search.space import Space

MASS, DIGIT, ODD, LOOPS = TASKS
HALVES = Topology(tasks=TASKS, stages=STAGES, matrix=((0, 0, 0, 0), (0, 0, 1, 1), (0, 0, 1, 1)))

TREE = CandidateTree(
    source="halves", tree=MergeTree(tasks=TASKS, merges=((0, 1), (2, 3), (4, 5)), heights=(0.0, 1.0, 2.0))
)


def space_of(*pairs: tuple[str, str]) -> Space:
    return Space((TREE,), STAGES, AdapterChoice(STAGES, (0, 4)), helpers=pairs)


def affinity_of(trunk: list[list[float]]) -> Affinity:
    values = np.stack([np.zeros((4, 4)), np.array(trunk)])
    return Affinity(TASKS, ("stem", TRUNK), values, np.zeros_like(values), np.ones(values.shape, dtype=np.int64))


def helping(topology: Topology, *helpers: tuple[str, str], adapters: tuple[AdapterSpec, ...] = ()) -> Architecture:
    named = tuple(Helper(task=task, along=along) for task, along in helpers)
    return Architecture(topology=topology, helpers=named, adapters=adapters)


def test_pairs_by_what_a_source_does_for_a_target_beyond_the_others() -> None:
    """All help ``loops`` most, ``digit`` by far the least; what counts is who stands out in a column."""
    sources = [
        [9.0, 0.1, 1.0, 7.0],
        [1.0, 9.0, 4.0, 7.0],
        [1.0, 0.1, 9.0, 7.9],
        [1.0, 0.7, 1.0, 9.0],
    ]
    # columns less their means: digit → odd 4 - 2; odd → loops 7.9 - 7.3; loops → digit 0.7 - 0.3; mass: all alike
    affinity = affinity_of(sources)
    assert helper_pairs(affinity, 9) == ((DIGIT, ODD), (ODD, LOOPS), (LOOPS, DIGIT))
    assert helper_pairs(affinity, 1) == ((DIGIT, ODD),)
    assert helper_pairs(affinity, 0) == ()


def test_unknown_pairs_are_left_out() -> None:
    sources = [[0, np.nan, 2, 1], [3.0, 0, 1, 1], [1, np.nan, 0, 1], [1, np.nan, 1, 0]]
    assert helper_pairs(affinity_of(sources), 9) == ((DIGIT, MASS), (MASS, ODD))


def test_pairs_of_one_path_are_not_offered() -> None:
    pairs = ((MASS, DIGIT), (MASS, ODD), (ODD, MASS), (MASS, LOOPS), (DIGIT, LOOPS))
    assert offered(pairs, HALVES) == {1: (MASS, ODD), 2: (ODD, MASS), 4: (DIGIT, LOOPS)}
    assert offered(pairs, baseline(SHARED).topology) == {}
    assert list(offered(pairs, baseline(SEPARATE).topology)) == [0, 1, 2, 3, 4]


def test_helpers_that_the_space_names_otherwise_are_expressed() -> None:
    pairs = ((MASS, ODD), (ODD, MASS))
    space = space_of(*pairs)
    wanted = helping(HALVES, (ODD, DIGIT), (MASS, LOOPS))
    params = space.encode(plain(wanted))
    assert params is not None
    assert space.decode(params).architecture == helping(HALVES, *pairs)


@pytest.mark.parametrize("adapters", [(), (AdapterSpec(stage="body", size=4),)], ids=["without adapters", "with"])
def test_adapters_tell_the_tasks_of_a_path_apart(adapters: tuple[AdapterSpec, ...]) -> None:
    pairs = ((MASS, ODD),)
    for along, same in ((ODD, True), (LOOPS, not adapters)):
        named = named_as_offered(pairs, helping(HALVES, (MASS, along), adapters=adapters))
        assert helper_params(pairs, named) == {"helper_0": same}


@pytest.mark.parametrize("helpers", [((LOOPS, MASS),), ((MASS, ODD), (MASS, LOOPS)), ((MASS, DIGIT),)], ids=str)
def test_helpers_that_are_not_offered_are_not_expressed(helpers: tuple[tuple[str, str], ...]) -> None:
    space = space_of((MASS, ODD), (MASS, LOOPS), (MASS, DIGIT))
    assert space.encode(plain(helping(HALVES))) is not None
    assert space.encode(plain(helping(HALVES, *helpers))) is None
