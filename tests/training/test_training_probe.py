"""The probe leaves no trace, and what it sees is what training would see."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from small_models import NAN, TASKS, SmallModel, some_rows
from torch import Tensor, nn

from taskgroup.training.losses import task_losses
from taskgroup.training.probe import Probe

BATCH = some_rows(16, missing=0.2)


class Spy:
    """A model in training, its probe, and how often the losses were asked for; fails at one of the calls."""

    def __init__(self, fail_at: int | None = None) -> None:
        torch.manual_seed(0)
        self.model = SmallModel()
        self.model.top.eval()  # modes differ within the network
        self.model(BATCH.inputs)["yes"].sum().backward()
        self.fail_at, self.n_calls = fail_at, 0
        stages = {name: list(self.model.get_submodule(name).parameters()) for name in ("stem", "top")}
        self.probe = Probe(TASKS.names, stages, self.losses, self.model, lr=0.1)

    def losses(self) -> Tensor:
        outputs = self.model(BATCH.inputs)
        self.n_calls += 1
        if self.n_calls == self.fail_at:
            self.model.eval()
            raise ArithmeticError("the closure failed")
        return task_losses(TASKS, outputs, BATCH)

    def move(self, size: float = 0.5) -> dict[str, Tensor]:
        return {
            name: torch.full((sum(p.numel() for p in self.model.get_submodule(name).parameters()),), size)
            for name in ("stem", "top")
        }

    def trace(self) -> dict[str, Any]:
        """Everything that must stay as it is."""
        tensors = dict(self.model.named_parameters()) | dict(self.model.named_buffers())
        trace: dict[str, Any] = {name: t.detach().clone() for name, t in tensors.items()}
        trace |= {f"{n}.grad": None if p.grad is None else p.grad.clone() for n, p in self.model.named_parameters()}
        trace |= {f"{n}.training": part.training for n, part in self.model.named_modules()}
        trace |= {f"{n}.id": id(t) for n, t in tensors.items()}
        trace |= {f"{n}.requires_grad": p.requires_grad for n, p in self.model.named_parameters()}
        return trace | {"rng": torch.get_rng_state()}


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    def equal(a: Any, b: Any) -> bool:
        return torch.equal(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else a is b or a == b

    return [k for k in before.keys() | after.keys() if not equal(before.get(k), after.get(k))]


LOOKS: dict[str, Callable[[Spy], object]] = {
    "losses": lambda spy: spy.probe.losses(),
    "gradients": lambda spy: spy.probe.gradients(),
    "losses_after": lambda spy: spy.probe.losses_after(spy.move()),
    "losses_after one stage": lambda spy: spy.probe.losses_after({"top": spy.move()["top"]}),
    "losses_after to nan": lambda spy: spy.probe.losses_after(spy.move(NAN)),
}


def test_the_closure_does_change_the_network() -> None:
    """Otherwise the tests below would prove nothing."""
    spy = Spy()
    before = spy.trace()
    spy.losses()
    assert {"stem.1.running_mean", "stem.1.num_batches_tracked", "rng"} <= set(differences(before, spy.trace()))


@pytest.mark.parametrize("look", list(LOOKS.values()), ids=list(LOOKS))
def test_no_trace(look: Callable[[Spy], object]) -> None:
    spy = Spy()
    before = spy.trace()
    look(spy)
    look(spy)
    assert spy.n_calls == 2
    assert differences(before, spy.trace()) == []


@pytest.mark.parametrize("look", list(LOOKS.values()), ids=list(LOOKS))
def test_no_trace_after_an_exception(look: Callable[[Spy], object]) -> None:
    spy = Spy(fail_at=1)
    before = spy.trace()
    with pytest.raises(ArithmeticError, match="the closure failed"):
        look(spy)
    assert differences(before, spy.trace()) == []


@pytest.mark.parametrize("change", [1, -1])
def test_a_move_of_the_wrong_length_is_refused_without_trace(change: int) -> None:
    spy = Spy()
    before = spy.trace()
    move = spy.move() | {"top": torch.ones(spy.move()["top"].numel() + change)}
    with pytest.raises(RuntimeError):
        spy.probe.losses_after(move)
    assert differences(before, spy.trace()) == []


def test_every_look_replays_the_masks_that_training_will_draw() -> None:
    spy = Spy()
    spy.model.train()
    nothing = {name: torch.zeros_like(move) for name, move in spy.move().items()}
    found = [spy.probe.losses(), spy.probe.gradients()[0], spy.probe.losses_after(nothing), spy.probe.losses()]
    expected = spy.losses().detach().double()  # what the optimizer's step would see
    assert all(torch.equal(losses, expected) for losses in found)
    assert {losses.dtype for losses in found} == {torch.float64}
    assert not torch.equal(spy.losses().double(), expected)  # the step after draws others


def test_losses_after_are_those_of_a_network_that_was_moved() -> None:
    spy = Spy()
    generator = torch.Generator().manual_seed(3)
    move = {name: torch.randn(m.shape, generator=generator) * 0.1 for name, m in spy.move().items()}
    for stages in (["stem"], ["top"], ["top", "stem"]):
        found = spy.probe.losses_after({name: move[name] for name in stages})
        other = Spy()
        for name in stages:
            part = other.model.get_submodule(name)
            vector = nn.utils.parameters_to_vector(part.parameters()) + move[name]
            nn.utils.vector_to_parameters(vector, part.parameters())
        torch.testing.assert_close(found, other.probe.losses(), rtol=1e-6, atol=0)


def test_gradients_are_those_of_backward() -> None:
    losses, gradients = Spy().probe.gradients()
    assert list(gradients) == ["stem", "top"]
    for k in range(3):
        other = Spy()
        other.model.zero_grad()
        other.losses()[k].backward()  # type: ignore[no-untyped-call]
        for name, rows in gradients.items():
            grads = [p.grad for p in other.model.get_submodule(name).parameters()]
            flat = torch.cat([g.reshape(-1) for g in grads if g is not None])
            torch.testing.assert_close(rows[k], flat)
    torch.testing.assert_close(losses, Spy().probe.losses(), rtol=0, atol=0)


def tiny_probe(*losses: Callable[[Tensor, Tensor], Tensor], stages: bool = True) -> Probe:
    module, a, b = nn.Module(), nn.Parameter(torch.tensor([3.0, 2.0])), nn.Parameter(torch.tensor(1.0))
    names = {"first": [a], "second": [b]} if stages else {"first": [], "second": []}

    def evaluate() -> Tensor:
        return torch.stack([loss(a, b) for loss in losses])

    return Probe([f"t{k}" for k in range(len(losses))], names, evaluate, module, lr=0.1)


def test_a_task_without_label_or_without_part_in_a_stage_has_zero_gradients() -> None:
    probe = tiny_probe(lambda a, b: a.sum() * b, lambda a, b: torch.tensor(NAN), lambda a, b: b**2)
    losses, gradients = probe.gradients()
    assert torch.isnan(losses).tolist() == [False, True, False]
    assert gradients["first"].tolist() == [[1, 1], [0, 0], [0, 0]]
    assert gradients["second"].tolist() == [[5], [0], [2]]


def test_gradients_work_where_the_caller_has_switched_them_off() -> None:
    with torch.no_grad():
        _, gradients = tiny_probe(lambda a, b: a.sum() * b).gradients()
    assert gradients["second"].tolist() == [[5]]


def test_stages_without_parameters_have_gradients_of_length_zero() -> None:
    losses, gradients = tiny_probe(lambda a, b: a.sum() * b, lambda a, b: b, stages=False).gradients()
    assert losses.tolist() == [5, 1]
    assert [tuple(g.shape) for g in gradients.values()] == [(2, 0), (2, 0)]
