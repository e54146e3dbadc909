"""The grouping benchmark: which files are tables, the gap that is closed, and the whole thing on a small table."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from group_table_samples import all_groups, noisy, write_table

from taskgroup.bench import run_benchmark
from taskgroup.bench.frame import Places
from taskgroup.bench.grouping.arms import AllPairsArm, Arm, LargerRandomArm, LargestFirstArm, LeaveOneOutArm, RandomArm
from taskgroup.bench.grouping.base import Base, mean_total, random_covers
from taskgroup.bench.grouping.benchmark import GroupingBench
from taskgroup.bench.grouping.covers import Covers, Judged
from taskgroup.bench.grouping.exactness import exactness_rows
from taskgroup.bench.grouping.files import cut_short, judged, perfect_score, read_source, sources
from taskgroup.bench.grouping.gap import Gap
from taskgroup.bench.grouping.goals import KNOWN
from taskgroup.bench.grouping.predicting_arms import HoaArm, LinearArm
from taskgroup.bench.grouping.prediction import pair_gains, prediction_rows, task_means
from taskgroup.bench.grouping.regret import all_pairs_cost, checkpoints, measured_order, regret_rows
from taskgroup.bench.grouping.replicates import survival_rows
from taskgroup.core.cover import Group
from taskgroup.errors import InputError
from taskgroup.pipeline.progress import Silent

NAN = np.nan
TABLES = Places().tables if Places().tables.is_dir() else Path(__file__).parents[3] / "shared" / "tables"

# a and b help each other, c is better alone; {b, c} is good on val and bad on test
ROWS = {
    "a": ([1.0, NAN, NAN], [1.0, NAN, NAN]),
    "b": ([NAN, 1.0, NAN], [NAN, 1.0, NAN]),
    "c": ([NAN, NAN, 1.0], [NAN, NAN, 1.0]),
    "ab": ([0.6, 0.5, NAN], [0.7, 0.5, NAN]),
    "bc": ([NAN, 0.9, 0.95], [NAN, 2.0, 1.5]),
    "abc": ([1.1, 1.2, 1.3], [1.1, 1.2, 1.3]),
}


def small() -> Judged:
    members = np.array([[t in group for t in "abc"] for group in ROWS])
    val, test = (np.array([row[k] for row in ROWS.values()]) for k in (0, 1))
    return Judged(("a", "b", "c"), members, val, test)


def of(*groups: str) -> np.ndarray:
    return np.array([group in groups for group in ROWS])


def test_covers_are_chosen_on_one_split_and_reported_on_the_other() -> None:
    covers = Covers(small())
    everything = covers.reported(of(*ROWS))
    # val: abc 3.6; ab + bc 2.05 < ab + c 2.1; three networks the same two
    np.testing.assert_allclose(everything, [3.6, 0.7 + 0.5 + 1.5, 0.7 + 0.5 + 1.5])
    np.testing.assert_allclose(covers.reported(of("ab", "c")), [np.inf, 2.2, 2.2])
    np.testing.assert_allclose(covers.reported(of("a", "b", "c", "abc")), [3.6, 1.1 + 1.2 + 1.0, 3.0])
    np.testing.assert_allclose(covers.reported(np.stack([of("abc"), of("a")])), [[3.6] * 3, [np.inf] * 3])


def test_base_and_gap_in_closed_form() -> None:
    covers = Covers(small())
    gap = Gap.of(covers)
    # covers of two groups on test, tasks by val: a+bc 4.5, c+ab 2.2, ab+bc 2.7, and abc with a 3.5, b 3.4, c 3.3,
    # ab 0.7 + 0.5 + 1.3, bc 1.1 + 2.0 + 1.5
    pairs = [4.5, 2.2, 2.7, 3.5, 3.4, 3.3, 2.5, 4.6]
    assert gap.base[1] == pytest.approx(min(float(np.mean(pairs)), 3.3))
    np.testing.assert_allclose(gap.best[1:], [2.7, 2.7])
    width = (gap.base[1] - 2.7) + (gap.base[2] - 2.7)
    assert gap.width == pytest.approx(width)
    assert gap.closed(of("ab", "c")) == pytest.approx((gap.base[1] - 2.2 + gap.base[2] - 2.2) / width)
    assert gap.closed(of("a", "b")) == 0.0  # no cover: as good as the base
    assert gap.closed(of("abc")) == pytest.approx((gap.base[1] + gap.base[2] - 7.2) / width)
    assert gap.closed(of(*ROWS)) == pytest.approx(1.0)


def test_no_structure_no_gap(tmp_path: Path) -> None:
    write_table(tmp_path, "flat", 4, all_groups(4), lambda group, task: 1.0)
    (source,) = sources(tmp_path)
    rows = regret_rows("flat", judged(*read_source(source)), quick=True, workers=1, progress=Silent())
    assert [(row["part"], row["what"]) for row in rows] == [("left_out", "regret curve")]
    assert "no structure" in rows[0]["why"]


@pytest.mark.parametrize("enough", [1, 10**6])
def test_drawn_covers_are_as_likely_as_all_of_them(monkeypatch: pytest.MonkeyPatch, enough: int) -> None:
    """Of the pairs of one group of both tasks, at no error, and five of each task alone 10 hold it and 25 do not."""
    rng = np.random.default_rng(0)
    members = np.array([[True, True]] + [[True, False]] * 5 + [[False, True]] * 5)
    val = np.where(members, 1.0, NAN)
    val[0] = 0.0
    exact = mean_total(*random_covers(members, 2, rng), val, val)
    assert exact == pytest.approx(2 * 25 / 35)
    monkeypatch.setattr("taskgroup.bench.grouping.base.EXHAUSTIVE", 0)
    monkeypatch.setattr("taskgroup.bench.grouping.base.ENOUGH", enough)
    sets, weights = random_covers(members, 2, rng)
    assert members[sets].any(axis=1).all()
    assert all(len(set(row)) == 2 for row in sets.tolist())
    assert mean_total(sets, weights, val, val) == pytest.approx(exact, rel=0.02)
    if enough > 1:  # without its weights the mean would be another
        assert mean_total(sets, np.ones(len(sets)), val, val) > 1.04 * exact
    nothing = random_covers(np.eye(5, dtype=bool), 3, rng)
    assert np.isnan(mean_total(*nothing, np.eye(5), np.eye(5)))


def test_no_base_where_no_cover_is_possible() -> None:
    alone = np.eye(3, dtype=bool)
    errors = np.where(alone, np.diag([1.0, 2.0, 3.0]), NAN)
    covers = Covers(Judged(("a", "b", "c"), alone, errors, errors))
    np.testing.assert_array_equal(Base(alone, 3).totals(covers), [np.inf, np.inf, 6.0])


def test_files_are_paired(tmp_path: Path) -> None:
    names = ("x_val", "x_test", "x_earlystop", "y_val", "z_test", "w", "w_earlystop")
    for name in names:
        write_table(tmp_path, name, 3, all_groups(3), noisy(3, 0))
    found = {s.name: (s.val.stem, s.test.stem if s.test else None) for s in sources(tmp_path)}
    assert found == {"x": ("x_val", "x_test"), "y": ("y_val", None), "z_test": ("z_test", None), "w": ("w", None)}
    assert [path.stem for path in cut_short(tmp_path)] == ["w_earlystop", "x_earlystop"]
    with pytest.raises(InputError, match="should be a folder of tables"):
        sources(tmp_path / "nowhere")


def test_a_changed_file_is_a_new_cell(tmp_path: Path) -> None:
    places = Places(tables=tmp_path)
    write_table(tmp_path, "x", 3, all_groups(3), noisy(3, 0))
    before = GroupingBench().cells(False, places)
    assert GroupingBench().cells(False, places) == before
    write_table(tmp_path, "x", 3, all_groups(3), noisy(3, 1))
    assert GroupingBench().cells(False, places)[0] != before[0]


def test_partners_are_aligned_by_tasks_and_groups(tmp_path: Path) -> None:
    score = noisy(3, 0)
    write_table(tmp_path, "x_val", 3, all_groups(3), score)
    path = write_table(tmp_path, "x_test", 3, all_groups(3)[1:][::-1], lambda g, t: 10 + score(g, t))
    data = json.loads(path.read_text())
    data["tasks"] = data["tasks"][::-1]
    path.write_text(json.dumps(data))
    (source,) = sources(tmp_path)
    found = judged(*read_source(source))
    assert found.tasks == ("t0", "t1", "t2")
    assert len(found.groups) == 6  # t0 alone is not in the second
    np.testing.assert_allclose(found.test, found.val + 10)


def test_higher_is_better_and_no_partner(tmp_path: Path) -> None:
    write_table(tmp_path, "low", 4, all_groups(4), noisy(4, 0))
    metric = {"name": "accuracy", "higher_is_better": True}
    high = write_table(tmp_path, "high", 4, all_groups(4), noisy(4, 0, sign=-1.0), metric=metric)
    gaps = {s.name: Gap.of(Covers(judged(*read_source(s)))) for s in sources(tmp_path)}
    np.testing.assert_allclose(gaps["high"].best, gaps["low"].best - 12)  # four tasks at 3 less the error
    assert gaps["high"].width == pytest.approx(gaps["low"].width)
    np.testing.assert_array_equal(gaps["low"].covers.judged.val, gaps["low"].covers.judged.test)
    assert perfect_score(high) == 100.0
    assert perfect_score(tmp_path / "low.json") == 0.0


def test_half_size_networks_play_no_part_in_the_curve(tmp_path: Path) -> None:
    path = write_table(tmp_path, "x", 3, all_groups(3), noisy(3, 0))
    data = json.loads(path.read_text())
    data["subsets"].append({"tasks": ["t0"], "scores": {"t0": 0.0}, "cost": 0.5})
    path.write_text(json.dumps(data))
    (source,) = sources(tmp_path)
    found = judged(*read_source(source))
    assert len(found.groups) == 7
    assert found.val[found.groups.index(("t0",)), 0] > 0


ARMS = {"random": RandomArm, "3plus": LargerRandomArm, "pairs": AllPairsArm, "large": LargestFirstArm}
ARMS |= {"loo": LeaveOneOutArm, "linear": LinearArm, "hoa": HoaArm}


def table(tmp_path: Path, drop: int = 0) -> Judged:
    write_table(tmp_path, "x", 4, all_groups(4)[drop:], noisy(4, 0))
    (source,) = sources(tmp_path)
    return judged(*read_source(source))


@pytest.mark.parametrize("name", ARMS)
@pytest.mark.parametrize("drop", [0, 6])
def test_every_arm_asks_for_every_group_once(tmp_path: Path, name: str, drop: int) -> None:
    found = table(tmp_path, drop=drop)
    orders = [measured_order(ARMS[name](found.tasks, found.groups, 4, seed), found, 99) for seed in (0, 0, 1)]
    assert sorted(orders[0]) == list(range(len(found.groups)))
    assert orders[0] == orders[1] != orders[2]
    arm: Arm = ARMS[name](found.tasks, found.groups, 4, 0)
    batch = [request.group for request in arm.ask(5)]
    assert len(set(batch)) == 5
    assert not set(batch) & {request.group for request in arm.ask(99)}
    assert arm.ask() == ()


def test_what_comes_first(tmp_path: Path) -> None:
    found = table(tmp_path)
    sizes: Mapping[str, list[int]] = {
        name: [len(found.groups[row]) for row in measured_order(make(found.tasks, found.groups, 4, 0), found, 99)]
        for name, make in ARMS.items()
    }
    assert sizes["random"][0] == 4
    assert set(sizes["3plus"][:5]) == {3, 4}
    assert sizes["pairs"][:11] == sizes["hoa"][:11] == [4] + [1] * 4 + [2] * 6
    assert sizes["large"] == sorted(sizes["large"], reverse=True)
    assert sizes["loo"][:5] == sizes["linear"][:5] == [4] + [3] * 4


def test_hoa_and_linear_predict(tmp_path: Path) -> None:
    write_table(tmp_path, "x", 3, all_groups(3)[::-1], noisy(3, 0))
    found = judged(*read_source(sources(tmp_path)[0]))
    hoa, linear = (make(found.tasks, found.groups, 3, 0) for make in (HoaArm, LinearArm))
    singles_pairs = np.where(found.members.sum(axis=1, keepdims=True) < 3, found.val, NAN)
    predicted = hoa.predicted(singles_pairs)
    pair: Mapping[Group, int] = {group: row for row, group in enumerate(found.groups)}
    expected = (found.val[pair["t0", "t1"], 0] + found.val[pair["t0", "t2"], 0]) / 2
    assert predicted[pair["t0", "t1", "t2"], 0] == pytest.approx(expected)
    errors = np.where(found.members, 1.0 + found.members[:, [2]] * [3.0, 0, 0], NAN)  # t2 harms t0 alone
    guess = linear.predicted(errors)
    assert guess[pair["t0", "t2"], 0] > guess[pair["t0", "t1"], 0] + 1
    np.testing.assert_allclose(guess[:, 1][found.members[:, 1]], 1.0)


def test_points_of_curves() -> None:
    assert all_pairs_cost(5) == 16
    assert checkpoints(5, 31) == list(range(1, 32))
    assert {37, 49} <= set(checkpoints(8, 255))  # all pairs, and 21 / 16 of that
    assert max(checkpoints(27, 3000)) == 379
    assert checkpoints(8, 60)[-1] <= 60


@pytest.mark.parametrize("real", [True, False])
def test_how_much_survives(tmp_path: Path, real: bool) -> None:
    """Of a pair that is good under every seed all; of luck, which every seed has for itself, little."""
    rng = np.random.default_rng(0)
    path = write_table(tmp_path, "x", 4, all_groups(4), lambda group, task: 1.0)
    data = json.loads(path.read_text())
    for row in data["subsets"]:
        error = 0.5 if row["tasks"] == ["t0", "t1"] else 1.0
        row["replicates_val"] = {t: [error] * 8 if real else rng.normal(1, 0.2, 8).tolist() for t in row["tasks"]}
        row["replicates_test"], row["scores_test"] = row["replicates_val"], row["scores"]
    path.write_text(json.dumps(data))
    (source,) = sources(tmp_path)
    rows = survival_rows("x", *read_source(source), quick=False)
    cells = {(row["networks"], row["selecting_seeds"]) for row in rows}
    assert cells == {(k, m) for k in (2, 3, 4) for m in (1, 2, 4, 6)}
    assert all(row["claimed"] > 0.04 for row in rows)
    shares = [row["share"] for row in rows]
    assert shares == pytest.approx([1.0] * 12) if real else max(shares) < 0.2


def test_gains_of_pairs_read_source_target(tmp_path: Path) -> None:
    def score(group: tuple[int, ...], task: int) -> float:
        return 1.0 if len(group) == 1 else 0.5 if (group, task) == ((0, 1), 1) else 2.0

    affinity = {"matrix": [[None, 1, 2], [9, None, 3], [4, 5, None]], "rows": "receiver", "cols": "giver"}
    write_table(tmp_path, "x", 3, [g for g in all_groups(3) if len(g) < 3], score, affinity=affinity)
    (source,) = sources(tmp_path)
    table, _ = read_source(source)
    gains = pair_gains(table, 0.0)["relative"]
    assert gains[0, 1] == 0.5  # t0 beside it brings t1 half its error
    assert gains[1, 0] == -1.0
    assert table.affinity["affinity"][0, 1] == 9
    np.testing.assert_allclose(task_means(gains)[:, 1], [-1.0, NAN, 0.5])
    rows = prediction_rows("x", table, 0.0)
    by = {(row["predictor"], row["gain"]): row for row in rows}
    assert by["affinity", "relative"]["centred"] > 0.5
    assert by["task mean", "relative"]["centred"] is None


@pytest.mark.skipif(not TABLES.is_dir(), reason="the published tables are not here")
def test_known_totals() -> None:
    by_name = {source.name: source for source in sources(TABLES)}
    for name in ("standley_setting1", "standley_setting2"):
        rows = exactness_rows(name, *read_source(by_name[name]))
        totals = {(row["table"], row["budget"], row["method"]): round(row["total"], 4) for row in rows}
        for (table, budget), (optimum, hoa) in KNOWN.items():
            if table == name:
                assert totals[table, budget, "optimum"] == optimum
                assert totals[table, budget, "hoa"] == hoa


def test_the_whole_benchmark(tmp_path: Path) -> None:
    tables, out = tmp_path / "tables", tmp_path / "out"
    tables.mkdir()
    write_table(tables, "x_val", 4, all_groups(4), noisy(4, 3))
    write_table(tables, "x_test", 4, all_groups(4), noisy(4, 3))
    places = Places(tables=tables)
    path = run_benchmark("grouping", quick=True, workers=1, out=out, places=places, progress=Silent())
    text = path.read_text(encoding="utf-8")
    for heading in ("Goals", "Regret curve: summary, all 1 tables", "Exactness", "Scale: scores to covers"):
        assert f"## {heading}" in text
    rows = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["rows"]
    curve = [row for row in rows if row["part"] == "regret"]
    assert {"table", "method", "measured", "gap_closed", "gap_closed_p10"} <= set(curve[0])
    assert {row["gap_closed"] for row in curve if row["measured"] == 15} == {1.0}
    assert {"table", "budget", "method", "total"} <= set(next(row for row in rows if row["part"] == "exactness"))


def test_a_broken_file_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    write_table(tmp_path, "pairs", 3, [g for g in all_groups(3) if len(g) < 3], noisy(3, 0))
    bench, places = GroupingBench(), Places(tables=tmp_path)
    assert "pairs" in bench.cells(True, places)[0]
    rows = []
    for cell in bench.cells(False, places):
        if cell.startswith("table"):
            rows += bench.run(cell, quick=True, workers=1, folder=tmp_path, places=places, progress=Silent())
    why = {row["table"]: row["why"] for row in rows if row["part"] == "left_out"}
    assert "should be JSON" in why["broken"]
    assert "beyond pairs" in why["pairs"]
    assert bench.tables(rows)["Left out"]
