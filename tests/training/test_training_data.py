import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from taskgroup.training.data import Rows, batches


def numbered(n_rows: int) -> Rows:
    """Rows that carry their own number as input and label."""
    numbers = np.arange(n_rows, dtype=np.float64)
    return Rows.of(numbers[:, None], numbers[:, None])


def drawn(n_rows: int, batch_size: int, n_batches: int, seed: int) -> list[list[int]]:
    return [batch.inputs[:, 0].int().tolist() for batch in batches(numbered(n_rows), batch_size, n_batches, seed)]


@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 5))
def test_every_epoch_holds_every_row_once_and_no_batch_is_short(n_rows: int, batch_size: int, seed: int) -> None:
    found = drawn(n_rows, batch_size, 25, seed)
    assert {len(batch) for batch in found} == {min(batch_size, n_rows)}
    order = [row for batch in found for row in batch]
    for start in range(0, len(order) - n_rows + 1, n_rows):
        assert sorted(order[start : start + n_rows]) == list(range(n_rows))


def test_batches_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = drawn(20, 6, 12, seed=3)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert drawn(20, 6, 12, seed=3) == first
    torch.set_rng_state(state)
    assert drawn(20, 6, 5, seed=3) == first[:5]
    assert torch.equal(torch.get_rng_state(), state)  # nor do they take from dropout's numbers
    assert drawn(20, 6, 12, seed=4) != first


def test_epochs_come_in_different_orders() -> None:
    first, second, third = drawn(20, 20, 3, seed=0)
    assert first != second != third != first


def test_inputs_and_labels_stay_together() -> None:
    rows = Rows.of(np.arange(12).reshape(6, 2), np.stack([np.arange(6.0) * 2, np.full(6, np.nan)], axis=1))
    for batch in batches(rows, 4, 5, 0):
        assert torch.equal(batch.labels[:, 0], batch.inputs[:, 0].float())
        assert batch.whole == (True, False)


@pytest.mark.parametrize(("dtype", "kept"), [("int64", torch.int64), ("float64", torch.float32)])
def test_types(dtype: str, kept: torch.dtype) -> None:
    rows = Rows.of(np.ones((3, 2), dtype=dtype), np.array([[0.5], [np.nan], [1.0]]))
    assert (rows.inputs.dtype, rows.labels.dtype, len(rows)) == (kept, torch.float32, 3)
    assert rows.whole == (False,)
    assert torch.isnan(rows.labels).tolist() == [[False], [True], [False]]
