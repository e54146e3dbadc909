"""Division: as large as before, every row in one part, no class lost, equal inputs together."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from taskgroup.core.task import Task
from taskgroup.training.data import Rows
from taskgroup.training.division import divided_anew

RARE, MANY, NUMBER = Task(name="rare", kind="binary"), Task(name="many", kind="multiclass", n_classes=4), "number"
TASKS = (RARE, MANY, Task(name=NUMBER, kind="regression"))


def divided(train: Rows, val: Rows, number: int = 0) -> tuple[Rows, Rows]:
    return divided_anew(train, val, TASKS, 7, number)


def rows(labels: NDArray[np.float64], first: int = 0) -> Rows:
    """Rows whose one input is their number."""
    return Rows.of(np.arange(first, first + len(labels), dtype=np.float32)[:, None], labels)


def shared_rows(n_train: int = 60, n_val: int = 12) -> tuple[Rows, Rows]:
    """Two positives in all, one in each part; four classes; numbers of which some are missing."""
    rng = np.random.default_rng(0)
    n = n_train + n_val
    rare = np.zeros(n)
    rare[[3, n_train + 1]] = 1
    number = np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n))
    labels = np.stack([rare, rng.integers(0, 4, n), number], axis=1)
    return rows(labels[:n_train]), rows(labels[n_train:], n_train)


def numbers(part: Rows) -> list[int]:
    return [int(x) for x in part.inputs[:, 0]]


@pytest.mark.parametrize("number", range(8))
def test_every_row_is_in_one_part_and_the_parts_keep_their_sizes(number: int) -> None:
    train, val = shared_rows()
    one, other = divided(train, val, number)
    assert (len(one), len(other)) == (60, 12)
    assert sorted(numbers(one) + numbers(other)) == list(range(72))
    assert numbers(other) != numbers(val)
    pool = torch.cat([train.labels, val.labels])
    assert torch.equal(one.labels.nan_to_num(9), pool[numbers(one)].nan_to_num(9))


@pytest.mark.parametrize("number", range(8))
def test_no_part_loses_a_class(number: int) -> None:
    for part in divided(*shared_rows(), number):
        assert set(part.labels[:, 0].tolist()) == {0.0, 1.0}
        assert set(part.labels[:, 1].tolist()) == {0.0, 1.0, 2.0, 3.0}
        assert len(set(part.labels[:, 2].nan_to_num(9).tolist())) > 2


def test_seed_and_number_decide() -> None:
    keys = [(1, 0), (1, 1), (2, 0), (1, 0)]
    found = [tuple(numbers(divided_anew(*shared_rows(), TASKS, *key)[1])) for key in keys]
    assert len(set(found)) == 3
    assert found[0] == found[3]


def test_every_row_has_its_turn() -> None:
    turns = np.zeros(72, dtype=int)
    for number in range(6):  # of 12 rows each, one of which is the one positive or the other
        turns[numbers(divided(*shared_rows(), number)[1])] += 1
    common = np.delete(turns, [3, 61])
    assert set(common.tolist()) <= {0, 1}
    assert common.sum() == 66
    assert turns[3] == turns[61] == 3


def test_divisions_go_round() -> None:
    turns = np.zeros(40, dtype=int)
    labels = np.arange(40.0)[:, None]
    number = (Task(name=NUMBER, kind="regression"),)
    for k in range(8):
        turns[numbers(divided_anew(rows(labels[:30]), rows(labels[30:], 30), number, 0, k)[1])] += 1
    assert set(turns.tolist()) == {2}


def test_rows_of_ones_own_are_divided_for_each_task() -> None:
    labels = np.full((90, 2), np.nan)
    labels[:60, 0], labels[60:, 1] = np.arange(60) % 2, np.arange(30) % 2
    order = np.random.default_rng(0).permutation(90)
    pool = rows(labels[order])
    train, val = pool.pick(torch.arange(70)), pool.pick(torch.arange(70, 90))
    one, other = divided_anew(train, val, (Task(name="a", kind="binary"), Task(name="b", kind="binary")), 0, 0)
    assert one.owner is not None
    assert other.owner is not None
    assert val.owner is not None
    assert other.owner.bincount().tolist() == val.owner.bincount().tolist()
    assert one.whole == train.whole
    assert numbers(other) != numbers(val)


def test_rows_with_equal_inputs_stay_together() -> None:
    labels = np.stack([np.arange(80) % 2, np.arange(80) // 2 % 4, np.arange(80.0)], axis=1)
    inputs = np.repeat(np.arange(20, dtype=np.float32), 4)[:, None]
    train, val = Rows.of(inputs[:60], labels[:60]), Rows.of(inputs[60:], labels[60:])
    for seed in range(5):
        one, other = divided_anew(train, val, TASKS, 0, seed)
        assert not set(numbers(one)) & set(numbers(other))
        assert len(other) == 20


def test_parts_stay_as_they_are_where_validation_could_not_be_scored() -> None:
    train, val = shared_rows()
    same = torch.cat([train.inputs, val.inputs]).numpy()
    same[[3, 61]] = 500.0  # both positives have the same inputs: one part would have none
    labels = torch.cat([train.labels, val.labels]).double().numpy()
    train, val = Rows.of(same[:60], labels[:60]), Rows.of(same[60:], labels[60:])
    one, other = divided_anew(train, val, TASKS, 0, 0)
    assert one is train
    assert other is val
