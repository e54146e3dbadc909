"""Aggregated gradients: in what several tasks share, a step follows weights found from all their gradients.

The weights are found from the Gram matrix ``G = J Jᵀ`` of the tasks' gradients ``J``, and the step is ``Jᵀ w``. It is
done once for each set of tasks that share parameters, with the rows of these tasks alone: where all tasks share the
whole trunk that is the published method; stages of a branched network that serve the same tasks are taken together.
Groups of tasks that share nothing are so trained exactly as in networks of their own, which one aggregation of
everything would not give for methods whose weights depend on all rows (IMTL-G, Aligned-MTL). Where no step in any part
hurts a task to first order, the whole step hurts none.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from taskgroup.core.task import TaskSet
from taskgroup.training.data import Rows
from taskgroup.training.model import MultiTaskModel
from taskgroup.training.objective import objectives
from taskgroup.training.weighting.equal import Summed
from taskgroup.training.weighting.weigher import Pull, Weigher

GramWeights = Callable[[Tensor], Tensor]
"""From a Gram matrix, shape ``(t, t)``, to the weights of the gradients, shape ``(t,)``; t is at least 2."""


def aggregated(model: MultiTaskModel, tasks: TaskSet, weights: GramWeights) -> Weigher:
    """Aggregation by ``weights``; the plain sum, to the bit, where no parameter serves two tasks."""
    blocks = shared_blocks(model, tasks)
    return Aggregated(model, tasks, weights, blocks) if blocks else Summed(model, tasks)


def shared_blocks(model: MultiTaskModel, tasks: TaskSet) -> dict[tuple[int, ...], list[nn.Parameter]]:
    """Columns of at least two tasks → the parameters that their losses train, and no other's."""
    serves: dict[nn.Parameter, list[int]] = {p: [] for p in model.parameters()}
    for k, task in enumerate(tasks.names):
        idle = set(model.idle([other for other in tasks.names if other != task]))
        for parameter in serves.keys() - idle:
            serves[parameter].append(k)
    blocks: dict[tuple[int, ...], list[nn.Parameter]] = {}
    for parameter, columns in serves.items():
        if len(columns) > 1:
            blocks.setdefault(tuple(columns), []).append(parameter)
    return blocks


class Aggregated:
    """Heads, and whatever else serves one task, follow its plain gradient.

    Args:
        model: The network.
        tasks: Its tasks.
        weights: The method.
        blocks: From :func:`shared_blocks`.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        tasks: TaskSet,
        weights: GramWeights,
        blocks: dict[tuple[int, ...], list[nn.Parameter]],
    ) -> None:
        self.model, self.tasks, self.weights, self.blocks = model, tasks, weights, blocks
        own = [part for part in model.modules() if any(True for _ in part.parameters(recurse=False))]
        self.at_once = all(type(part) is nn.Linear for part in own)  # elsewhere no faster, and not always possible

    def __call__(self, batch: Rows, lr: float) -> tuple[Tensor, Pull]:
        """The plain sum for its value, and the aggregation."""
        columns, losses = objectives(self.model, self.tasks, batch)
        loss = losses.sum()
        return loss, lambda: self._pull(columns, losses, loss)

    def _pull(self, columns: Sequence[int], losses: Tensor, loss: Tensor) -> None:
        row = {column: k for k, column in enumerate(columns)}
        todo = []
        for served, members in self.blocks.items():
            rows = [row[column] for column in served if column in row]
            parameters = [p for p in members if p.requires_grad]
            if len(rows) > 1 and parameters:
                todo.append((rows, parameters))
        shared = [p for _, parameters in todo for p in parameters]
        found = dict(zip(shared, self._jacobians(losses, shared), strict=True)) if shared else {}
        rest = [p for p in self.model.parameters() if p.requires_grad and p not in found]
        if rest and columns:
            torch.autograd.backward(loss, inputs=rest)
        for rows, parameters in todo:
            self._aggregate(rows, [(p, jacobian) for p in parameters if (jacobian := found[p]) is not None])

    def _jacobians(self, losses: Tensor, parameters: list[nn.Parameter]) -> Sequence[Tensor | None]:
        """Gradients of all losses, shape ``(t, *parameter)`` each; None where no loss depends on a parameter."""
        if self.at_once:
            return torch.autograd.grad(
                losses,
                parameters,
                torch.eye(len(losses)),
                retain_graph=True,
                is_grads_batched=True,
                allow_unused=True,
            )
        each = [torch.autograd.grad(one, parameters, retain_graph=True, allow_unused=True) for one in losses.unbind()]
        return [_stacked(found) for found in zip(*each, strict=True)]

    def _aggregate(self, rows: list[int], found: Sequence[tuple[nn.Parameter, Tensor]]) -> None:
        if not found:
            return
        jacobian = torch.cat([part[rows].flatten(1) for _, part in found], dim=1)
        gram = jacobian @ jacobian.T
        # where a gradient is not finite the sum takes over: the loop sees it in the next loss
        weights = self.weights(gram) if bool(torch.isfinite(gram).all()) else torch.ones(len(rows))
        step = torch.split(weights.to(jacobian.dtype) @ jacobian, [p.numel() for p, _ in found])
        for (parameter, _), part in zip(found, step, strict=True):
            parameter.grad = part.view_as(parameter)


def _stacked(gradients: Sequence[Tensor | None]) -> Tensor | None:
    like = next((g for g in gradients if g is not None), None)
    if like is None:
        return None
    return torch.stack([torch.zeros_like(like) if g is None else g for g in gradients])
