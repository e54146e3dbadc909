import math
from itertools import pairwise

import pytest
import torch
from small_models import NAN, TASKS, SmallModel, same, some_rows, state_of

from taskgroup.core.gain import mean_gain
from taskgroup.core.trial import Bar, Check, TrainOptions
from taskgroup.training.data import Rows, batches
from taskgroup.training.loop import Callback, DivergedError, Trained, train
from taskgroup.training.losses import task_losses
from taskgroup.training.metrics import errors_on
from taskgroup.training.objective import total_loss
from taskgroup.training.pruning import Pruning

TRAIN, VAL = some_rows(50, seed=1), some_rows(30, seed=2)
OPTIONS = TrainOptions(steps=12, batch_size=16, lr=0.02, n_checks=3)


class Diary(Callback):
    """Writes down everything it is told, and stops at one check."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.events: list[tuple[str, int]] = []
        self.rates: list[float] = []
        self.rows: list[list[float]] = []
        self.stop_at = stop_at

    def before_step(self, step: int, batch: Rows, lr: float) -> None:
        self.events.append(("step", step))
        self.rates.append(lr)
        self.rows.append(batch.inputs[:, 0].tolist())

    def after_check(self, check: Check) -> bool:
        self.events.append(("check", check.step))
        return check.step == self.stop_at


def trained(seed: int = 0, *callbacks: Callback, options: TrainOptions = OPTIONS) -> tuple[SmallModel, Trained]:
    model = SmallModel()
    return model, train(model, TASKS, TRAIN, VAL, options, seed, callbacks)


def test_the_seed_decides_everything() -> None:
    torch.manual_seed(1)
    model, found = trained(3)
    torch.manual_seed(2)
    again, found_again = trained(3)
    assert same(state_of(model), state_of(again))
    assert found == found_again
    other, found_other = trained(4)
    assert not same(state_of(model), state_of(other))
    assert found != found_other


def test_a_loop_written_by_hand_gives_the_same_weights() -> None:
    model = SmallModel().eval()
    model.train = lambda mode=True: model  # type: ignore[method-assign]  # no dropout, no batch statistics
    train(model, TASKS, TRAIN, VAL, OPTIONS, 5)
    mine = SmallModel().eval()
    optimizer = torch.optim.AdamW(mine.parameters(), lr=1.0, weight_decay=OPTIONS.weight_decay, foreach=False)
    for step, batch in enumerate(batches(TRAIN, 16, 12, 5)):
        optimizer.param_groups[0]["lr"] = 0.02 * (1 + math.cos(math.pi * step / 12)) / 2
        optimizer.zero_grad()
        task_losses(TASKS, mine(batch.inputs), batch).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert not same(state_of(mine), state_of(SmallModel()))
    for name, value in state_of(model).items():
        torch.testing.assert_close(value, state_of(mine)[name])


def test_learns() -> None:
    _, found = trained(options=TrainOptions(steps=150, batch_size=32, lr=0.02, n_checks=2))
    before = errors_on(SmallModel(), TASKS, VAL)
    assert mean_gain(found.history[-1].errors, before) > 0.3


def test_callbacks_see_each_step_once_its_batch_and_its_rate() -> None:
    first, second = Diary(), Diary()
    trained(7, first, second)
    assert first.events == second.events
    assert [step for kind, step in first.events if kind == "step"] == list(range(12))
    assert first.rows == [batch.inputs[:, 0].tolist() for batch in batches(TRAIN, 16, 12, 7)]
    assert first.rates[0] == 0.02
    assert first.rates[6] == pytest.approx(0.01)
    assert all(later < earlier for earlier, later in pairwise(first.rates))


@pytest.mark.parametrize(
    ("steps", "n_checks", "expected"),
    [(12, 3, [4, 8, 12]), (10, 4, [3, 5, 8, 10]), (5, 1, [5]), (3, 7, [1, 2, 3]), (1, 2, [1])],
)
def test_checks_come_evenly_the_last_after_the_last_step(steps: int, n_checks: int, expected: list[int]) -> None:
    diary = Diary()
    options = TrainOptions(steps=steps, batch_size=16, n_checks=n_checks)
    model, found = trained(0, diary, options=options)
    assert [check.step for check in found.history] == expected
    assert not found.stopped
    assert diary.events[-1] == ("check", steps)
    for check in expected:
        assert diary.events.index(("check", check)) == diary.events.index(("step", check - 1)) + 1
    assert found.history[-1].errors == errors_on(model, TASKS, VAL)


def test_checks_change_nothing_but_the_history() -> None:
    often, rarely = (trained(0, options=OPTIONS.model_copy(update={"n_checks": n})) for n in (12, 1))
    assert same(state_of(often[0]), state_of(rarely[0]))
    assert often[1].history[-1] == rarely[1].history[-1]


def test_a_callback_stops_the_training_after_all_were_asked() -> None:
    stopper, other = Diary(stop_at=8), Diary()
    _, found = trained(0, stopper, other)
    assert found.stopped
    assert [check.step for check in found.history] == [4, 8]
    assert stopper.events[-1] == other.events[-1] == ("check", 8)


def test_stopping_at_the_end_is_not_stopping() -> None:
    _, found = trained(0, Diary(stop_at=12))
    assert not found.stopped
    assert len(found.history) == 3


def bars_at(history: tuple[Check, ...], *margins: float) -> list[Bar]:
    """Bars against half the errors that a training will have, ``margin`` above its gain over them."""
    bars = []
    for check, margin in zip(history, margins, strict=True):
        reference = {t: e / 2 for t, e in check.errors.items()}  # gain of the run itself: -1
        bars.append(Bar(step=check.step, gain=-1 + margin, reference=reference))
    return bars


@pytest.mark.parametrize(
    ("margins", "n_checks"),
    [((-0.01, -0.01, -0.01), 3), ((-0.01, 0.01, -0.01), 2), ((0.01, 0.01, 0.01), 1), ((-0.01, -0.01, 0.01), 3)],
)
def test_pruning_stops_at_the_first_bar_not_reached(margins: tuple[float, ...], n_checks: int) -> None:
    _, free = trained(0)
    _, found = trained(0, Pruning(bars_at(free.history, *margins)))
    assert found.history == free.history[:n_checks]
    assert found.stopped == (n_checks < 3)


def test_a_check_without_a_bar_prunes_nothing() -> None:
    _, free = trained(0)
    bars = [bar.model_copy(update={"step": bar.step + 1}) for bar in bars_at(free.history, 1.0, 1.0, 1.0)]
    assert not trained(0, Pruning(bars))[1].stopped


def test_pruning_compares_each_task_with_its_own_reference() -> None:
    pruning = Pruning([Bar(step=2, gain=0.25, reference={"a": 1.0, "b": 0.1})])
    assert not pruning.after_check(Check(step=2, errors={"a": 0.5, "b": 0.1}))  # gain 0.29
    assert pruning.after_check(Check(step=2, errors={"a": 0.5, "b": 0.12}))  # gain 0.23
    assert not pruning.after_check(Check(step=4, errors={"a": 9.0, "b": 9.0}))


def test_a_loss_that_is_not_finite_ends_the_training_with_advice() -> None:
    model = SmallModel()
    with torch.no_grad():
        next(model.parameters()).fill_(NAN)
    with pytest.raises(DivergedError, match=r"training loss was nan at step 0; lower train.lr \(now 0.02\)"):
        train(model, TASKS, TRAIN, VAL, OPTIONS, 0)


def test_a_last_step_into_nothing_is_noticed_too() -> None:
    with pytest.raises(DivergedError, match=r"outputs for yes, which, much were not finite after step 0; lower train"):
        trained(0, options=TrainOptions(steps=1, batch_size=16, lr=1e38))


def test_helpers_are_trained_and_train_the_trunk() -> None:
    options = OPTIONS.model_copy(update={"weight_decay": 0.0})
    models = [SmallModel(helpers=helpers) for helpers in ((), ("much@yes",))]
    start = state_of(models[1])
    for model in models:
        train(model, TASKS, TRAIN, VAL, options, 0)
    assert not torch.equal(state_of(models[1])["heads.3.weight"], start["heads.3.weight"])
    assert not torch.equal(state_of(models[0])["stem.0.weight"], state_of(models[1])["stem.0.weight"])


def test_a_head_whose_task_has_no_labels_stays_where_it_was() -> None:
    labels = TRAIN.labels.clone()
    labels[:, 1] = NAN
    model = SmallModel()
    start = state_of(model)
    train(model, TASKS, Rows(TRAIN.inputs, labels, (True, False, True)), VAL, OPTIONS, 0)
    moved = {name for name, value in state_of(model).items() if not torch.equal(value, start[name])}
    assert {"heads.0.weight", "heads.2.weight", "stem.0.weight"} <= moved
    assert not {"heads.1.weight", "heads.1.bias"} & moved


def test_batches_without_any_label_are_passed_over() -> None:
    labels = torch.full_like(TRAIN.labels, NAN)
    labels[:2] = TRAIN.labels[:2]
    rows = Rows(TRAIN.inputs, labels, (False, False, False))
    options = TrainOptions(steps=25, batch_size=2, n_checks=1)
    assert any(torch.isnan(batch.labels).all() for batch in batches(rows, 2, 25, 0))
    model = SmallModel()
    found = train(model, TASKS, rows, VAL, options, 0)
    assert math.isfinite(found.history[-1].errors["much"])
    assert not torch.equal(model.heads[0].get_parameter("weight"), SmallModel().heads[0].get_parameter("weight"))


def test_total_loss_of_equal_seeds_sees_equal_batches_in_any_network() -> None:
    """Networks of different width are paired: their batches are the same."""
    seen: list[list[list[float]]] = []
    for helpers in ((), ("much@yes", "which@yes")):
        diary = Diary()
        train(SmallModel(helpers=helpers), TASKS, TRAIN, VAL, OPTIONS, 11, [diary])
        seen.append(diary.rows)
    assert seen[0] == seen[1]
    assert torch.isfinite(total_loss(SmallModel(), TASKS, TRAIN))
