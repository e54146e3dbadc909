"""The dynamic program on plain arrays: values by hand, and many tables at once."""

import numpy as np
import pytest

from taskgroup.selection.dynamic import full_totals, partition_minima, served_minima, serving_rows, traceback
from taskgroup.selection.sets import pairs, subsets

INF = np.inf


def test_values_by_hand() -> None:
    """Rows {a, b} with errors 1, 5 and {b, c} with errors 2, 4, and {c} with error 3; bit 0 is a."""
    members = np.array([[True, True, False], [False, True, True], [False, False, True]])
    errors = np.array([[1.0, 5.0, INF], [INF, 2.0, 4.0], [INF, INF, 3.0]])
    minima = served_minima(errors, members)
    #                               -    a    b    ab   c    ac   bc   abc
    np.testing.assert_array_equal(minima, [0.0, 1.0, 2.0, 6.0, 3.0, INF, 6.0, INF])
    layers = partition_minima(minima, 3)
    np.testing.assert_array_equal(layers[1], [0.0, 1.0, 2.0, 3.0, 3.0, 4.0, 5.0, 7.0])
    np.testing.assert_array_equal(layers[:, -1], [INF, 7.0, 6.0])
    np.testing.assert_array_equal(full_totals(minima, 3), [INF, 7.0, 6.0])
    assert traceback(minima, layers, 2) == (0b110, 0b001)
    assert traceback(minima, layers, 3) == (0b100, 0b010, 0b001)
    assert serving_rows(errors, members, (0b110, 0b001)) == (0, 1, 1)


@pytest.mark.parametrize("n_tasks", [1, 2, 5])
def test_many_tables_are_as_each_alone(n_tasks: int) -> None:
    rng = np.random.default_rng(n_tasks)
    members = rng.random((12, n_tasks)) < 0.6
    errors = rng.normal(size=(2, 3, 12, n_tasks))
    minima = served_minima(errors, members)
    layers = partition_minima(minima, n_tasks)
    assert minima.shape == (2, 3, 1 << n_tasks)
    assert layers.shape == (2, 3, n_tasks, 1 << n_tasks)
    for at in np.ndindex(2, 3):
        np.testing.assert_array_equal(minima[at], served_minima(errors[at], members))
        np.testing.assert_array_equal(layers[at], partition_minima(minima[at], n_tasks))
    np.testing.assert_array_equal(full_totals(minima, n_tasks), layers[..., -1])


def test_what_stands_outside_the_groups_is_not_read() -> None:
    members = np.array([[True, False], [False, True]])
    outside = [served_minima(np.array([[1.0, x], [x, 2.0]]), members).tolist() for x in (INF, np.nan, -9.0)]
    assert outside == [[0.0, 1.0, 2.0, INF]] * 3


def test_all_pairs_of_a_set_and_its_subset() -> None:
    plan = pairs(3)
    assert subsets(0b101).tolist() == [0b000, 0b001, 0b100, 0b101]
    for mask in range(8):
        own = slice(plan.starts[mask], plan.starts[mask + 1])
        assert sorted(plan.subset[own]) == subsets(mask).tolist()
        assert (plan.subset[own] + plan.rest[own] == mask).all()
    assert [tuple(map(int, c)) for c in plan.chunks(8, 1 << 20)] == [(i, i + 1) for i in range(8)]
