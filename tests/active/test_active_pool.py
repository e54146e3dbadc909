import numpy as np

from taskgroup.active.pool import distinct, every_group, grown_groups


def test_every_group_once_by_size() -> None:
    rows = every_group(4, 4)
    assert len(rows) == 15
    assert len({row.tobytes() for row in rows}) == 15
    assert (np.diff(rows.sum(axis=1)) >= 0).all()


def test_largest_group_besides_all_together() -> None:
    assert sorted(every_group(5, 2).sum(axis=1).tolist()) == [1] * 5 + [2] * 10 + [5]


def test_grown_groups_hold_the_known_the_helpful_and_no_group_twice() -> None:
    effects = np.zeros((2, 20, 20))
    effects[:, 3, [7, 11]] = -5.0  # 7 and 11 help 3
    known = np.zeros((2, 20), dtype=bool)
    known[0], known[1, [1, 2]] = True, True
    rows = grown_groups(effects, known, 6, np.random.default_rng(0))
    assert (rows[:2] == known).all()
    assert len(distinct(rows)) == len(rows)
    assert all(1 <= size <= 6 or size == 20 for size in rows.sum(axis=1))
    groups = {tuple(np.flatnonzero(row)) for row in rows}
    assert {(3, 7, 11), (1,), (1, 2)} <= groups
