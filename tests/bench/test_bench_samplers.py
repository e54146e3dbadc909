"""``bench samplers``: topologies, encodings and replays, on a table that is made up."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from taskgroup.bench.frame import Places
from taskgroup.bench.samplers.benchmark import SamplersBench, pooled, regrets, ways
from taskgroup.bench.samplers.recording import Recorded, topologies
from taskgroup.bench.samplers.replay import Walk, encodings, opening
from taskgroup.core.topology import Topology
from taskgroup.pipeline.progress import Silent
from taskgroup.search.encodings import Heights, Listed, decoded, every_tree

TASKS, STAGES = tuple("abcd"), ("one", "two", "three")


@pytest.fixture(scope="module")
def table() -> Recorded:
    """Pairs help each other; two stages, so 60 topologies."""
    stages, rng = STAGES[:2], np.random.default_rng(0)
    every = topologies(TASKS, stages)
    errors = 1 + 0.1 * rng.random((len(every), 4, 4))
    values = np.tile(np.kron(np.eye(2), np.ones((2, 2))), (3, 1, 1)) + 0.1 * rng.random((3, 4, 4))
    return Recorded(TASKS, stages, errors, values, 0.05 + 0 * values)


@pytest.mark.parametrize(("depth", "n"), [(1, 15), (2, 60), (3, 154)])
def test_number_of_topologies(depth: int, n: int) -> None:
    found = topologies(TASKS, STAGES[:depth])
    assert len(found) == len(set(found)) == n


def test_a_round_trip_through_the_file(table: Recorded, tmp_path: Path) -> None:
    table.write(tmp_path / "table.json")
    again = Recorded.read(tmp_path / "table.json")
    assert (again.tasks, again.stages) == (table.tasks, table.stages)
    assert np.array_equal(again.errors, table.errors)
    assert np.array_equal(again.affinity.values, table.values)


def test_gains(table: Recorded) -> None:
    separate = table.number[Topology.separate(TASKS, table.stages)]
    assert not table.gains[separate].any()
    k, s = 7, 2
    by_hand = np.mean([1 - table.errors[k, s, t] / table.errors[separate, s, t] for t in range(4)])
    assert table.gains[k, s] == pytest.approx(by_hand)
    assert table.fresh(s)[k] == pytest.approx(np.mean([table.gains[k, j] for j in (0, 1, 3)]))


@pytest.mark.parametrize("name", ["splits", "all splits", "heights", "list"])
def test_what_an_encoding_names_it_leads_back_to(table: Recorded, name: str) -> None:
    encoding = encodings(table)[name]
    named = {t: params for t in table.topologies if (params := encoding.params(t)) is not None}
    assert all(decoded(encoding, params) == t for t, params in named.items())
    assert {Topology.shared(TASKS, table.stages), Topology.separate(TASKS, table.stages)} - set(named) <= (
        {Topology.shared(TASKS, table.stages)} if name == "list" else set()
    )


def test_every_point_of_the_cuts_is_a_topology(table: Recorded) -> None:
    encoding = encodings(table)["heights"]
    assert isinstance(encoding, Heights)
    points = [{"cut_0": a, "cut_1": b} for a, b in itertools.product(range(4), repeat=2)]
    found = {decoded(encoding, point) for point in points}
    assert found <= set(table.topologies)
    assert len(found) == 10  # two numbers of groups of four that do not fall
    assert decoded(encoding, {"cut_0": 2, "cut_1": 0}) == decoded(encoding, {"cut_0": 2, "cut_1": 2})


def test_every_tree(table: Recorded) -> None:
    assert [len(every_tree(TASKS[:n])) for n in (2, 3, 4)] == [1, 3, 15]
    assert all(encodings(table)["all splits"].params(t) is not None for t in table.topologies)


def test_the_list_holds_each_once(table: Recorded) -> None:
    encoding = encodings(table)["list"]
    assert isinstance(encoding, Listed)
    assert len(set(encoding.topologies)) == len(encoding.topologies)
    assert set(encoding.topologies) <= set(table.topologies)


def test_replays_are_alike_and_begin_alike(table: Recorded) -> None:
    first = opening(table)
    for (sampler, encoding), replay in ways(table).items():
        if sampler == "gp":
            continue  # a second each
        walk, again = replay(1, 1, 10), replay(1, 1, 10)
        assert walk.order == again.order, (sampler, encoding)
        assert walk.order[: len(first)] == tuple(first), (sampler, encoding)
        assert len(set(walk.order)) == len(walk.order) <= 10


def test_regret(table: Recorded) -> None:
    everything = Walk(tuple(range(60)), 0, 0.0)
    best = int(table.fresh(0).argmax())
    assert regrets(table, Walk((best,), 0, 0.0), 0, 10)[0] == 0
    assert regrets(table, everything, 0, 60)[1] == 0
    worst = int(table.gains[:, 0].argmin())
    assert regrets(table, Walk((worst, best), 0, 0.0), 0, 1)[1] == pytest.approx(np.ptp(table.gains[:, 0]))


def test_ties_are_of_pairs_and_replays_of_one_training_count_once() -> None:
    every = {"good": [0.0, 0.5, 0.1, 0.2], "bad": [0.1, 0.6, 0.21, 0.3], "even": [0.3, 0.35, 0.1, 0.2]}
    rows = [
        {"table": "t", "sampler": name, "encoding": "", "budget": 10, "trained": 10, "ms": 1.0,
         "regret": found, "unseen": found * 2}
        for name, found in every.items()
    ]  # fmt: skip
    lines = {line["sampler"]: line for line in pooled(rows, rows[:1])}
    assert lines["bad"]["behind"] == lines["bad"]["behind in it"] == "10.25 ± 0.25"
    assert "tie" in lines["even"]["behind"]


def test_quick(tmp_path: Path) -> None:
    bench = SamplersBench()
    assert bench.cells(True, Places()) == ["diabetes"]
    rows = bench.run("diabetes", quick=True, workers=1, folder=tmp_path, places=Places(), progress=Silent())
    assert len(rows) == 1 + 4 + 4 * 3 + 3 + 3
    assert all(min(row["regret"] + row["unseen"]) >= 0 for row in rows)
    assert set(bench.tables(rows)) == {"10 trainings", "Reach", "Each table"}
