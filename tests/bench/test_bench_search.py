"""``bench search``: its worlds, and its tables from a small run."""

from pathlib import Path

import numpy as np
import pytest

from taskgroup.bench.frame import Places, markdown_table
from taskgroup.bench.searching.benchmark import SearchBench
from taskgroup.bench.searching.planted import KINDS, World, drawn, moves
from taskgroup.core.grouping import Grouping
from taskgroup.core.topology import Topology
from taskgroup.pipeline.progress import Silent


@pytest.mark.parametrize("kind", KINDS)
def test_a_world_knows_its_gains(kind: str) -> None:
    world = World.of(kind, 0)
    apart = Topology.separate(world.tasks, world.stages)
    together = Topology.shared(world.tasks, world.stages)
    assert world.gain(apart) == 0
    assert set(world.errors(apart).values()) == {1.0}
    assert world.errors(together) == world.errors(together) != World.of(kind, 1).errors(together)
    sign = {"sharing helps": 1, "sharing harms": -1}.get(kind, 0)
    assert sign * world.gain(together) >= 0


def test_a_gain_in_closed_form() -> None:
    world = World.of("higher order", 3, n_tasks=3, n_stages=1)
    pairs, triples = world.pair[0, 0], world.triple[0, 0]
    two = Topology.branched(Grouping(tasks=world.tasks, labels=(0, 0, 1)), world.stages, 0)
    one_companion = world.profile[0, 0] + pairs[1] + triples[1, 1]
    all_of_them = world.profile[0, 0] + (pairs[1] + pairs[2]) / 2**0.7 + triples[1:, 1:].sum() / 2
    for topology, total in ((two, one_companion), (Topology.shared(world.tasks, world.stages), all_of_them)):
        assert world.gains(topology)[0] == pytest.approx(0.25 * np.tanh(total / 0.25))
    assert world.gains(two)[2] == 0


def test_moves_are_other_topologies_each_once() -> None:
    world, rng = World.of("pairs", 0, n_tasks=4, n_stages=2), np.random.default_rng(0)
    for topology in (Topology.shared(world.tasks, world.stages), drawn(world.tasks, world.stages, rng)):
        found = [*moves(topology)]
        assert len(set(found)) == len(found) > 4
        assert topology not in found


def test_nothing_beats_the_best() -> None:
    world, rng = World.of("pairs", 1, n_tasks=4, n_stages=2), np.random.default_rng(0)
    best = world.best()
    assert all(world.gain(drawn(world.tasks, world.stages, rng)) <= best + 1e-12 for _ in range(200))


def test_the_affinity_follows_the_truth() -> None:
    off = ~np.eye(8, dtype=bool)
    found = []
    for seed in range(8):
        world = World.of("pairs", seed)
        found.append(np.corrcoef(world.affinity().slice()[off], world.pair.sum(axis=0).T[off])[0, 1])
    assert 0.3 < np.mean(found) < 0.8


def test_a_small_run() -> None:
    bench, rows = SearchBench(), []
    for cell in bench.cells(True, Places()):
        rows += bench.run(cell, quick=True, workers=1, folder=Path(), places=Places(), progress=Silent())
    tables = bench.tables(rows)
    assert list(tables) == ["Planted worlds", "Choosing", "Seeds at once"]
    for table in tables.values():
        markdown_table(table)
    ways = [row["next by"] for row in tables["Planted worlds"]]
    assert ways == ["surrogate", "random", "hill climb"]
    assert len({row["regret after 10"] for row in tables["Planted worlds"]}) == 1  # all begin alike
