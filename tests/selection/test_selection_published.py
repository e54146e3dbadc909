"""Published figures of Standley et al. (2020): covers chosen on validation, totals on test."""

import os
from pathlib import Path

import numpy as np
import pytest

from taskgroup.bench.group_tables import GroupTable, read_group_table
from taskgroup.core.cover import Cover, GroupScores
from taskgroup.selection import hoa, select

TABLES = Path(os.environ.get("TASKGROUP_SHARED", Path(__file__).parents[3] / "shared")) / "tables"
pytestmark = pytest.mark.skipif(not TABLES.is_dir(), reason=f"the shared tables are not in {TABLES}")


def joined(*parts: GroupScores) -> GroupScores:
    members, errors = np.vstack([p.members for p in parts]), np.vstack([p.errors for p in parts])
    return GroupScores(parts[0].tasks, members, errors, np.concatenate([p.cost for p in parts]))


def every_network(table: GroupTable) -> GroupScores:
    assert table.halves is not None
    return joined(table.scores, table.halves)


def pairs_only(table: GroupTable) -> GroupScores:
    """HOA sees singles of both sizes and pairs; what is larger it predicts."""
    assert table.halves is not None
    small = table.scores.members.sum(axis=1) <= 2
    scores = table.scores
    return hoa(
        joined(GroupScores(scores.tasks, scores.members[small], scores.errors[small], scores.cost[small]), table.halves)
    )


def on_test(cover: Cover, table: GroupTable) -> float:
    scores = every_network(table)
    rows = {(scores.group(row), float(scores.cost[row])): row for row in range(len(scores.cost))}
    served = [(rows[n.trains, n.cost], scores.tasks.index(task)) for n in cover.networks for task in n.serves]
    return float(sum(scores.errors[row, task] for row, task in served))


@pytest.mark.parametrize(
    ("setting", "budget", "optimum", "by_hoa"),
    [(1, 1.5, 0.4613, 0.4613), (1, 2.5, 0.4461, 0.4505), (1, 5.0, 0.4348, 0.4418), (2, 2.0, 0.3173, 0.3173)],
)
def test_totals_of_the_paper(setting: int, budget: float, optimum: float, by_hoa: float) -> None:
    val = read_group_table(TABLES / f"standley_setting{setting}_val.json")
    test = read_group_table(TABLES / f"standley_setting{setting}_test.json")
    for method in ("auto", "exact"):
        cover = select(every_network(val), budget=budget, method=method)
        assert cover.proven
        assert cover.cost <= budget
        assert round(on_test(cover, test), 4) == optimum
        assert round(on_test(select(pairs_only(val), budget=budget, method=method), test), 4) == by_hoa
