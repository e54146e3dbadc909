"""Pooled gains in closed form, the tables of made-up rows, their picture, and cells side by side."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plans_samples import made_row, write_set
from scipy import stats

from taskgroup.bench import run_benchmark
from taskgroup.bench.frame import Places, Row, markdown_table, run_cells
from taskgroup.bench.plans.arms import ARMS, SEPARATE, SHARED
from taskgroup.bench.plans.benchmark import PlansBench
from taskgroup.bench.plans.picture import LOOKS, draw_gains
from taskgroup.bench.plans.pooling import advantage, pooled
from taskgroup.bench.plans.suites import FULL, suite
from taskgroup.bench.plans.words import tables
from taskgroup.errors import InputError, TrialError
from taskgroup.pipeline.progress import Progress, Silent

PLAN, ABLATED = "taskgroup", "taskgroup without surrogate"


def test_pooled_in_closed_form() -> None:
    one, other = [0.1, 0.2, 0.3], [0.0, 0.4]
    found = pooled([made_row(PLAN, one), made_row(PLAN, other, seed=1)])
    # s^2 of the means: 0.01 / 3 and 0.08 / 2, of their mean over K = 2 seeds a quarter of the sum; 2 + 1 degrees
    spread = ((0.01 / 3 + 0.08 / 2) / 4) ** 0.5
    margin = float(stats.t.ppf(0.95, 3)) * spread
    assert found.mean == pytest.approx(0.2)
    assert [found.low, found.high] == pytest.approx([0.2 - margin, 0.2 + margin])


def test_an_advantage_is_paired_by_seed_and_run() -> None:
    luck = np.array([0.0, 0.5, -0.5])
    ours = [made_row(PLAN, list(0.1 + luck)), made_row(PLAN, [9.0, 9.0, 9.0], seed=7)]
    theirs = [made_row(SHARED, list(luck), seed=0), made_row(SHARED, [5.0, 5.0, 5.0], seed=3)]
    found = advantage(ours, theirs)
    assert [found.mean, found.low, found.high] == pytest.approx([0.1] * 3)
    assert found.above_zero
    assert advantage(theirs, ours).mean == pytest.approx(-0.1)


def made() -> list[Row]:
    """Two sets: on one the plan wins, on the other it loses to all-shared; a set without it; one that is left out."""
    tight = np.array([-0.001, 0.0, 0.001])
    rows = []
    for name, gains in (("win", (0.2, 0.1, 0.0)), ("lose", (0.05, 0.1, 0.0))):
        for arm, gain in zip((PLAN, SHARED, SEPARATE), gains, strict=True):
            rows.append(made_row(arm, list(gain + tight * (1 + len(arm))), dataset=name))
    rows.append(made_row(ABLATED, [0.15, 0.151, 0.149], dataset="win"))
    rows += [made_row(arm, [0.3, 0.3], dataset="half") for arm in (SHARED, SEPARATE)]
    rows.append({"dataset": "half", "seed": 0, "left_out": "taskgroup: every training failed"})
    return [*rows, {"dataset": "broken", "seed": 2, "left_out": "broken.npz: should be a NumPy archive"}]


def test_tables() -> None:
    found = tables(made())
    assert list(found) == [
        "Goals",
        "The plan against both baselines",
        "All sets together",
        "What each part is worth",
        "win: pooled over the seeds",
        "lose: pooled over the seeds",
        "half: pooled over the seeds",
        "Each run",
        "Left out",
    ]
    for table in found.values():
        assert len({tuple(row) for row in table}) == 1  # all rows have the same columns
        markdown_table(table)
    win, lose = found["The plan against both baselines"]
    assert (win["set"], win["in words"], win["best baseline"]) == ("win", "better than both", SHARED)
    assert (lose["set"], lose["in words"]) == ("lose", "worse than all-shared")
    assert win["gain against all-separate"].startswith("+20.0 %")
    assert win["advantage over all-shared"].startswith("+10.0 %")
    over = {row["arm"]: row for row in found["All sets together"]}
    assert list(over) == [PLAN, SHARED, SEPARATE]
    assert over[PLAN]["mean gain against all-separate"] == "+12.5 %"
    assert over[SHARED]["sets"] == 3
    assert [over[SHARED][f"plan {word} on"] for word in ("better", "worse")] == [1, 1]
    assert over[PLAN]["plan better on"] == ""
    goals = [(row["found"], row["reached"]) for row in found["Goals"]]
    assert goals == [
        ("on 1 of 2: lose", "no"),
        ("on 1 of 2: win", "yes"),
        ("+12.5 %, next is all-shared with +10.0 %", "yes"),
    ]
    half = found["half: pooled over the seeds"]
    assert [row["arm"] for row in half] == [SHARED, SEPARATE]
    assert [row["plan's advantage"] for row in half] == ["", ""]
    assert found["Left out"][1] == {"set": "broken", "seed": 2, "why": "broken.npz: should be a NumPy archive"}


def test_as_good_as_the_better_baseline() -> None:
    wide = [-0.2, 0.0, 0.2]
    rows = [made_row(arm, [g + m for g in wide]) for arm, m in ((PLAN, 0.02), (SHARED, -0.1))]
    rows.append(made_row(SEPARATE, [0.1, 0.0, -0.1]))
    (found,) = tables(rows)["The plan against both baselines"]
    assert found["in words"] == "as good as all-separate"


def test_advantages_over_the_better_baseline_are_shown_split_by_split() -> None:
    won = [row | {"seed": seed} for seed, rows in ((1, (0.3, 0.1)), (0, (0.0, 0.1))) for row in pair(*rows)]
    (found,) = tables(won)["The plan against both baselines"]
    assert found["best baseline"] == SHARED
    assert found["over it, split by split"] == "-10.0, +20.0 %"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"copies": [3, 3]}, SEPARATE),
        ({"copies": [3, 3], "recipe": "learning rate x 4"}, SEPARATE),
        ({"copies": [1, 1]}, SHARED),
        ({"copies": [1, 3]}, "another"),
        ({"copies": [1, 1], "adapters": 2}, "another"),
        ({"copies": [1, 1], "helpers": 1}, "another"),
        ({"copies": [3, 3], "head_size": 32}, "another"),
    ],
)
def test_a_plan_that_is_a_baseline_is_called_so(changes: dict[str, Any], expected: str) -> None:
    plain = {"adapters": 0, "helpers": 0, "head_size": 0}
    rows = [row | plain | {"copies": [3, 3] if row["arm"] == SEPARATE else [1, 1]} for row in pair(0.2, 0.1)]
    rows = [row | changes if row["arm"] == PLAN else row for row in rows]
    other = [row | {"seed": 1} | ({"copies": [1, 3]} if row["arm"] == PLAN else {}) for row in rows]
    (found,) = tables([*other, *rows])["The plan against both baselines"]
    assert found["the plan, split by split"] == f"{expected}, another"


def pair(plan: float, shared: float) -> list[Row]:
    return [
        made_row(arm, [mean - 0.01, mean + 0.01]) for arm, mean in ((PLAN, plan), (SHARED, shared), (SEPARATE, 0.0))
    ]


def test_what_a_part_is_worth() -> None:
    (part,) = tables(made())["What each part is worth"]
    assert part["part"] == "surrogate"
    assert (part["sets"], part["worth, mean gain"], part["another plan on"]) == (1, "+5.0 %", 1)
    assert (part["better with it on"], part["worse with it on"]) == (1, 0)
    forked = [made_row(PLAN, [0.1, 0.1]), made_row("taskgroup with forking", [0.3, 0.3])]
    (added,) = tables(forked)["What each part is worth"]
    assert added["part"] == "forking (off by default)"
    assert added["worth, mean gain"] == "+20.0 %"  # of forking, not of leaving it out
    (same,) = tables([forked[0], {**forked[0], "arm": ABLATED}])["What each part is worth"]
    assert (same["another plan on"], same["worth, mean gain"]) == (0, "+0.0 %")


def test_what_forking_keeps_and_what_choosing_costs() -> None:
    told: dict[str, Any] = {"trials": 30, "trial_seconds": 40.0, "choosing_seconds": 1.0}
    fork: dict[str, Any] = {"rho": 0.5, "candidates": 4, "on": False, "words": "forking off"}
    rows = [made_row(PLAN, [0.1, 0.1], **told), made_row("taskgroup with forking", [0.1, 0.1], fork=fork, **told)]
    found = tables(rows)
    (kept,), (timed,) = found["Forking"], found["What choosing costs"]
    assert (kept["rank correlation"], kept["candidates"], kept["forked"]) == ("0.50", 4, "no")
    assert (timed["trials"], timed["seconds in choosing"], timed["share"]) == (30, "1.0", "2.5 %")
    assert tables([{**rows[1], "fork": {**fork, "rho": None}}])["Forking"][0]["rank correlation"] == ""


def test_a_run_is_told_in_words() -> None:
    row = made_row(PLAN, [0.1, 0.1], adapters=1, head_size=32, helpers=2, recipe="learning rate x 4")
    (shown,) = tables([row])["Each run"]
    assert shown["network"] == "1/2 copies, adapters at 1, heads of 32, 2 helpers, learning rate x 4"
    assert shown["worst task"] == "b +8.0 %"
    assert shown["gain against all-separate"] == "+10.0 % [+9.0, +11.0]"


@pytest.mark.parametrize("rows", [[], [{"dataset": "broken", "seed": 0, "left_out": "why"}]])
def test_nothing_done_is_no_table_and_no_picture(rows: list[Row], tmp_path: Path) -> None:
    assert list(tables(rows)) == ["Left out"] * len(rows)
    draw_gains(rows, tmp_path / "gains.png")
    assert not (tmp_path / "gains.png").exists()


def test_the_picture_has_a_look_for_every_arm(tmp_path: Path) -> None:
    assert set(LOOKS) == {arm.name for arm in ARMS}
    rows = [made_row(arm.name, [0.1, 0.2], macs_ratio=1.0 + k) for k, arm in enumerate(ARMS)]
    draw_gains([*rows, *made()], tmp_path / "gains.png")
    assert (tmp_path / "gains.png").read_bytes().startswith(b"\x89PNG")


def test_cells_are_sets_and_seeds_cheapest_first(tmp_path: Path) -> None:
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    for name, n_tasks in (("a_many", 9), ("b_few", 3), ("c_some", 5)):
        write_set(tmp_path, name, n_tasks)
    cells = PlansBench().cells(False, Places(data=tmp_path))
    assert cells[:5] == ["b_few@0", "c_some@0", "a_many@0", "broken@0", "b_few@1"]
    assert len(cells) == 4 * len(FULL.seeds)
    some = PlansBench().cells(False, Places(data=tmp_path, sets="a_many, b_few"))
    assert some[:3] == ["b_few@0", "a_many@0", "b_few@1"]
    with pytest.raises(InputError, match=r"--sets: d: no such set in .*, which has a_many, b_few, broken, c_some"):
        suite(True).sets(tmp_path, "d,a_many")
    (tmp_path / "x").mkdir()
    with pytest.raises(InputError, match=r"should be a folder of data sets NAME\.npz, found none"):
        suite(True).sets(tmp_path / "x")


class Cells:
    """Three cells, of which ``bad`` ends its process where it finds a file that says so."""

    about, parallel = "", True

    def cells(self, quick: bool, places: Places) -> Sequence[str]:
        return ["one", "bad", "two"]

    def run(
        self, cell: str, *, quick: bool, workers: int, folder: Path, places: Places, progress: Progress
    ) -> list[Row]:
        if cell == "bad" and (places.data / "bad").exists():
            os._exit(3)
        return [{"cell": cell, "pid": os.getpid()}]

    def tables(self, rows: Sequence[Row]) -> dict[str, list[Row]]:
        return {}


def test_cells_side_by_side(tmp_path: Path) -> None:
    """One that ends badly costs itself alone, and the same command does it again."""
    parts: list[tuple[list[str], str]] = []

    def run() -> list[Row]:
        options = {"quick": True, "workers": 2, "out": tmp_path, "places": Places(data=tmp_path)}
        told = lambda rows, part: parts.append((sorted(r["cell"] for r in rows), part))  # noqa: E731
        return run_cells(Cells(), "t", progress=Silent(), told=told, **options)  # type: ignore[arg-type]

    (tmp_path / "bad").touch()
    with pytest.raises(TrialError, match=r"these cells failed: bad \(exit code 3\); the same command tries them again"):
        run()
    assert parts[-1] == (["one", "two"], "2 of 3")
    (tmp_path / "bad").unlink()
    rows = run()
    assert [row["cell"] for row in rows] == ["one", "bad", "two"]
    assert len({row["pid"] for row in rows} | {os.getpid()}) == 4  # processes of their own
    assert parts[-1] == (["bad", "one", "two"], "")
    n_told = len(parts)
    assert run() == rows  # from disk
    assert len(parts) == n_told


def test_sets_are_for_benchmarks_that_have_some(tmp_path: Path) -> None:
    places = Places(data=tmp_path, sets="yeast")
    with pytest.raises(InputError, match=r"bench build: it has no data sets to choose among, found --sets yeast"):
        run_benchmark("build", quick=True, workers=1, out=tmp_path, places=places, progress=Silent())
