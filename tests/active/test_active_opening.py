import numpy as np
import pytest

from taskgroup.active.opening import opening


@pytest.mark.parametrize("n_tasks", range(1, 30))
@pytest.mark.parametrize("seed", range(3))
def test_all_together_then_complementary_halves_each_once(n_tasks: int, seed: int) -> None:
    rows = opening(n_tasks, 2, np.random.default_rng(seed))
    assert rows[0].all()
    for half, rest in zip(rows[1::2], rows[2::2], strict=True):
        assert (half ^ rest).all()
        assert abs(int(half.sum()) - int(rest.sum())) <= 1
    assert len({row.tobytes() for row in rows}) == len(rows)


def test_how_many_halves() -> None:
    def sizes(n_tasks: int, n_bisections: int) -> int:
        return len(opening(n_tasks, n_bisections, np.random.default_rng(0)))

    assert [sizes(n, 2) for n in (1, 2, 3, 4, 9)] == [1, 3, 3, 5, 5]
    assert [sizes(8, n) for n in (0, 1, 3)] == [1, 3, 7]


@pytest.mark.parametrize("seed", range(20))
def test_the_second_bisection_crosses_the_first(seed: int) -> None:
    _, first, _, second, _ = opening(8, 2, np.random.default_rng(seed))
    assert 1 <= int((first & second).sum()) <= 3
    assert 1 <= int((first & ~second).sum()) <= 3
