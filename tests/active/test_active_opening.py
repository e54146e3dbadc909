import numpy as np
import pytest

from taskgroup.active.opening import opening


@pytest.mark.parametrize("n_tasks", range(1, 30))
@pytest.mark.parametrize("seed", range(3))
def test_all_together_then_whole_partitions_each_group_once(n_tasks: int, seed: int) -> None:
    rows = opening(n_tasks, 6, np.random.default_rng(seed))
    assert rows[0].all()
    assert len({row.tobytes() for row in rows}) == len(rows)
    if n_tasks >= 6:  # into two, then into three
        assert (rows[1] ^ rows[2]).all()
        assert (rows[3:6].sum(axis=0) == 1).all()
        assert [int(np.ptp(part.sum(axis=1))) <= 1 for part in (rows[1:3], rows[3:6])] == [True, True]


def test_so_many_networks_as_asked_for_and_whole_partitions() -> None:
    found = [len(opening(9, n, np.random.default_rng(0))) for n in (0, 1, 2, 3, 4, 6, 7, 9)]
    assert found == [1, 1, 3, 3, 6, 6, 8, 11]


def test_few_tasks_have_few_groups() -> None:
    assert [len(opening(n, 50, np.random.default_rng(0))) for n in (1, 2, 3)] == [1, 3, 7]


@pytest.mark.parametrize("seed", range(20))
def test_partitions_cross(seed: int) -> None:
    rows = opening(8, 8, np.random.default_rng(seed))
    first, second = rows[1], rows[6]
    assert 1 <= int((first & second).sum()) <= 3
    assert 1 <= int((first & ~second).sum()) <= 3
