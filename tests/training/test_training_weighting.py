"""Weightings: closed forms on two tasks that share one vector, and what branches, helpers and missing labels do."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from small_models import NAN, SmallModel, same, some_rows, state_of
from small_models import TASKS as THREE
from torch import Tensor, nn

import taskgroup.training.weighting as weighting
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.trial import TrainOptions
from taskgroup.errors import InputError
from taskgroup.training.data import Rows
from taskgroup.training.loop import train
from taskgroup.training.objective import objectives, total_loss
from taskgroup.training.weighting import WEIGHTINGS, weighting_fault
from taskgroup.training.weighting.aggregated import Aggregated, shared_blocks
from taskgroup.training.weighting.equal import Summed
from taskgroup.training.weighting.pcgrad import projected
from taskgroup.training.weighting.uncertainty import Learned
from taskgroup.training.weighting.weigher import weigher

AGGREGATORS = ("aligned_mtl", "imtl_g", "pcgrad", "upgrad")
TWO = TaskSet(tasks=(Task(name="a", kind="regression"), Task(name="b", kind="regression", weight=2.0)))


class Named:
    """One output."""

    def __init__(self, name: str) -> None:
        self.name = self.task = name


class Toy(nn.Module):
    """Outputs ``θ·x + own_t`` with θ shared; on labels 0 the gradient of a mean square is ``2 y x``."""

    branched = False

    def __init__(self, theta: tuple[float, float], directions: tuple[tuple[float, float], ...]) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(theta))
        self.directions = torch.tensor(directions)
        self.heads_info = [Named(t) for t in TWO.names]
        self.heads = nn.ModuleList(nn.Linear(1, 1) for _ in TWO)
        for parameter in self.heads.parameters():
            nn.init.zeros_(parameter)

    def forward(self, rows: Tensor, *, helpers: bool = False) -> dict[str, Tensor]:
        read = zip(TWO.names, self.directions, self.heads, strict=True)
        return {t: rows * (self.theta @ x) + head(rows) for t, x, head in read}

    def idle(self, tasks: Any) -> Any:
        return (p for t, head in zip(TWO.names, self.heads, strict=True) if t in tasks for p in head.parameters())


ROWS = Rows(torch.ones(1, 1), torch.zeros(1, 2), (True, True))
CONFLICT = ((1.0, 0.0), (-0.6, 0.8))


def gradients(toy: Toy) -> Tensor:
    """By hand: of ``w_t (θ·x_t)²``, shape ``(2, 2)``."""
    with torch.no_grad():
        return torch.stack([2 * w * (toy.theta @ x) * x for w, x in zip((1.0, 2.0), toy.directions, strict=True)])


def step_of(name: str, toy: Any, rows: Rows = ROWS, tasks: TaskSet = TWO, seed: int = 0) -> Tensor:
    """The gradient that the optimizer would follow in θ."""
    toy.zero_grad()
    _, pull = weigher(name, toy, tasks, seed)(rows, 0.01)
    pull()
    found: Tensor = toy.theta.grad
    return found


def test_pcgrad_by_hand() -> None:
    toy = Toy((1.0, 2.0), CONFLICT)
    a, b = gradients(toy)
    assert a @ b < 0
    expected = (a - (a @ b) / (b @ b) * b) + (b - (a @ b) / (a @ a) * a)
    torch.testing.assert_close(step_of("pcgrad", toy), expected)


def test_upgrad_is_the_sum_of_projections_onto_what_hurts_nobody() -> None:
    toy = Toy((1.0, 2.0), CONFLICT)
    a, b = gradients(toy)
    # in the plane the projection of each onto the cone is the one onto the border that the other leaves it
    expected = (a - (a @ b) / (b @ b) * b) + (b - (a @ b) / (a @ a) * a)
    found = step_of("upgrad", toy)
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=2e-3)
    assert found @ a > -1e-3 * a.norm() * found.norm()
    assert found @ b > -1e-3 * b.norm() * found.norm()
    summed = a + b
    assert summed @ a < 0 or summed @ b < 0  # or the test could not fail


def test_imtl_g_has_equal_parts_along_both() -> None:
    toy = Toy((1.0, 2.0), CONFLICT)
    a, b = gradients(toy)
    found = step_of("imtl_g", toy)
    torch.testing.assert_close(found @ a / a.norm(), found @ b / b.norm())
    share = torch.linalg.solve(torch.stack([a, b], dim=1), found)  # its weights
    torch.testing.assert_close(share.sum(), torch.tensor(2.0))


def test_aligned_mtl_adds_gradients_made_orthogonal_and_of_the_smallest_singular_value() -> None:
    toy = Toy((1.0, 2.0), CONFLICT)
    left, sizes, right = torch.linalg.svd(gradients(toy))
    torch.testing.assert_close(step_of("aligned_mtl", toy), sizes.min() * (left @ right).sum(dim=0))


@pytest.mark.parametrize("name", ["pcgrad", "upgrad"])
def test_without_conflict_it_is_the_sum(name: str) -> None:
    toy = Toy((1.0, 2.0), ((1.0, 0.0), (0.6, 0.8)))
    torch.testing.assert_close(step_of(name, toy), gradients(toy).sum(dim=0))


def test_small_gradients_conflict_too() -> None:
    big, small = Toy((1.0, 2.0), CONFLICT), Toy((1e-4, 2e-4), CONFLICT)
    torch.testing.assert_close(1e4 * step_of("upgrad", small), step_of("upgrad", big), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", AGGREGATORS)
def test_heads_follow_their_plain_gradients(name: str) -> None:
    one, other = Toy((1.0, 2.0), CONFLICT), Toy((1.0, 2.0), CONFLICT)
    step_of(name, one)
    step_of("equal", other)
    for mine, theirs in zip(one.heads.parameters(), other.heads.parameters(), strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        assert mine.grad.abs().sum() > 0
        torch.testing.assert_close(mine.grad, theirs.grad)


@pytest.mark.parametrize("name", AGGREGATORS)
def test_one_task_with_labels_is_followed_as_it_is(name: str) -> None:
    toy = Toy((1.0, 2.0), CONFLICT)
    rows = Rows(ROWS.inputs, torch.tensor([[0.0, NAN]]), (True, False))
    torch.testing.assert_close(step_of(name, toy, rows), gradients(toy)[0])
    assert all(p.grad is None or not p.grad.any() for p in toy.heads[1].parameters())


@pytest.mark.parametrize("name", WEIGHTINGS.names)
def test_a_batch_without_labels_changes_nothing(name: str) -> None:
    toy = Toy((1.0, 2.0), CONFLICT)
    toy.zero_grad()
    model: Any = toy
    loss, pull = weigher(name, model, TWO, 0)(Rows(ROWS.inputs, torch.full((1, 2), NAN), (False, False)), 0.1)
    pull()
    assert loss == 0
    assert all(p.grad is None for p in toy.parameters())


@pytest.mark.parametrize("name", AGGREGATORS)
def test_gradients_that_are_not_finite_go_through_to_the_next_loss(name: str) -> None:
    toy = Toy((math.inf, 2.0), CONFLICT)
    assert not torch.isfinite(step_of(name, toy)).all()


def test_uncertainty_by_hand() -> None:
    toy = Toy((1.0, 2.0), CONFLICT)
    learned = WEIGHTINGS.create("uncertainty", {}).ready(toy, TWO, 0)
    assert isinstance(learned, Learned)
    with torch.no_grad():
        learned.log_variances[0].fill_(0.3)
        learned.log_variances[1].fill_(-0.2)
    loss, pull = learned(ROWS, 0.01)
    pull()
    assert toy.theta.grad is not None
    a, b = gradients(toy)  # b with its weight 2
    torch.testing.assert_close(toy.theta.grad, 0.5 * math.exp(-0.3) * a + 0.5 * math.exp(0.2) * b)
    squares = (toy.directions @ toy.theta.detach()) ** 2
    by_hand = 0.5 * math.exp(-0.3) * squares[0] + 0.15 + 2 * (0.5 * math.exp(0.2) * squares[1] - 0.1)
    torch.testing.assert_close(loss.detach(), by_hand)


def test_log_variances_come_to_rest_where_losses_say() -> None:
    toy = Toy((1.0, 2.0), CONFLICT)
    learned = WEIGHTINGS.create("uncertainty", {}).ready(toy, TWO, 0)
    assert isinstance(learned, Learned)
    for _ in range(200):
        learned(ROWS, 0.05)[1]()  # the network itself stays
    squares = (toy.directions @ toy.theta.detach()) ** 2
    torch.testing.assert_close(
        torch.stack([s.detach().exp() for s in learned.log_variances]), squares, rtol=1e-2, atol=1e-2
    )


def test_log_variances_of_tasks_without_labels_stay() -> None:
    toy = Toy((1.0, 3.0), CONFLICT)
    learned = WEIGHTINGS.create("uncertainty", {}).ready(toy, TWO, 0)
    assert isinstance(learned, Learned)
    learned(ROWS, 0.05)[1]()
    before = learned.log_variances[1].item()
    learned(Rows(ROWS.inputs, torch.tensor([[0.0, NAN]]), (True, False)), 0.05)[1]()
    assert learned.log_variances[1].item() == before != 0


@pytest.mark.parametrize("seed", range(5))
def test_pcgrad_is_that_of_torchjd_under_the_same_orders(seed: int) -> None:
    from torchjd.aggregation import PCGradWeighting

    n, generator = 6, torch.Generator().manual_seed(seed)
    rows = torch.randn(n, 4, generator=generator, dtype=torch.float64)
    gram = rows @ rows.T
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        expected = PCGradWeighting()(gram)
        torch.manual_seed(seed)
        orders = torch.stack([torch.randperm(n) for _ in range(n)])
    found = projected(gram.numpy(), orders.numpy())
    assert not np.allclose(found, 1)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-9)


def test_pcgrad_projects_off_no_gradient_that_is_none() -> None:
    """Its products with others are rounding, which may look like a conflict."""
    gram = np.array([[1.0, -1e-20], [-1e-20, 0.0]])
    np.testing.assert_array_equal(projected(gram, np.array([[0, 1], [0, 1]])), [1.0, 1.0])


OPTIONS = TrainOptions(steps=8, batch_size=16, lr=0.02, n_checks=2)


def trained(name: str, seed: int = 0) -> tuple[SmallModel, Any]:
    model, options = SmallModel(), OPTIONS.model_copy(update={"weighting": name})
    rows = some_rows(50, seed=1, missing=0.3), some_rows(30, seed=2)
    return model, train(model, THREE, *rows, options, seed)


@pytest.mark.parametrize("name", WEIGHTINGS.names)
def test_the_seed_decides_everything(name: str) -> None:
    torch.manual_seed(1)
    model, found = trained(name, 3)
    torch.manual_seed(2)
    again, found_again = trained(name, 3)
    assert same(state_of(model), state_of(again))
    assert found == found_again
    plain, _ = trained("equal", 3)
    assert name == "equal" or not same(state_of(model), state_of(plain))


def test_orders_follow_from_the_seed() -> None:
    model, rows = SmallModel().eval(), some_rows(50, seed=1)
    found = []
    for seed in (0, 0, 1):
        gram = torch.tensor([[1.0, -0.5, -0.3], [-0.5, 1.0, -0.4], [-0.3, -0.4, 1.0]])
        weigh = weigher("pcgrad", model, THREE, seed)
        assert isinstance(weigh, Aggregated)
        weigh(rows, 0.1)
        found.append(torch.stack([weigh.weights(gram) for _ in range(4)]))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert not torch.equal(found[0][0], found[0][1])


def test_dropout_is_the_same_under_all_weightings() -> None:
    states = []
    for name in ("equal", "pcgrad"):
        trained(name)
        states.append(torch.get_rng_state())
    assert torch.equal(*states)


def test_equal_is_the_plain_sum_to_the_bit() -> None:
    model, rows = SmallModel().eval(), some_rows(30, missing=0.3)
    total_loss(model, THREE, rows).backward()  # type: ignore[no-untyped-call]
    expected = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    weigh = weigher("equal", model, THREE, 0)
    assert isinstance(weigh, Summed)
    weigh(rows, 0.1)[1]()
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        assert gradient is not None
        assert parameter.grad is not None
        assert torch.equal(parameter.grad, gradient)


def test_terms_add_up_and_helpers_belong_to_their_task() -> None:
    model, rows = SmallModel(helpers=("much@yes", "yes@which")).eval(), some_rows(30, missing=0.3)
    rows.labels[:, 1] = NAN
    columns, losses = objectives(model, THREE, rows)
    assert columns == [0, 2]
    torch.testing.assert_close(losses.sum(), total_loss(model, THREE, rows))
    alone = objectives(SmallModel().eval(), THREE, rows)[1]
    assert bool((losses > 1.5 * alone).all())


def test_blocks_are_what_several_tasks_train() -> None:
    model = SmallModel()
    blocks = shared_blocks(model, THREE)
    assert list(blocks) == [(0, 1, 2)]
    assert {id(p) for p in blocks[0, 1, 2]} == {id(p) for part in (model.stem, model.top) for p in part.parameters()}


def test_unknown_names_get_a_hint() -> None:
    assert weighting_fault("equal") is None
    assert all(weighting_fault(name) is None for name in WEIGHTINGS.names)
    fault = weighting_fault("pcgard")
    assert fault is not None
    assert fault.startswith("train.weighting should be one of aligned_mtl, equal, ")
    assert fault.endswith("found `pcgard`, did you mean `pcgrad`?")
    with pytest.raises(InputError, match="did you mean `pcgrad`"):
        trained("pcgard")


@pytest.mark.parametrize("name", WEIGHTINGS.names)
def test_what_is_not_installed_is_named_with_its_remedy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weighting, "find_spec", lambda package: None)
    fault = weighting_fault(name)
    if name in ("equal", "pcgrad", "uncertainty"):
        assert fault is None
    else:
        assert fault is not None
        assert f"`{name}` needs the extra `torchjd`, found no torchjd" in fault
        assert "pip install taskgroup[torchjd]" in fault
        with pytest.raises(InputError, match="needs the extra"):
            trained(name)


@pytest.mark.parametrize("name", WEIGHTINGS.names)
def test_steps_cost_more_with_more_tasks(name: str) -> None:
    method = WEIGHTINGS.create(name, {})
    costs = [method.relative_step_cost(n) for n in (1, 2, 8, 32)]
    assert costs == sorted(costs)
    assert costs[0] >= 1
    assert (costs[-1] == costs[0]) == (name in ("equal", "uncertainty"))
