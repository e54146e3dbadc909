"""Stacked: networks of one architecture as one, every parameter with the network as its first axis."""

import copy
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from taskgroup.core.task import Task, TaskSet
from taskgroup.training.data import Rows
from taskgroup.training.losses import head_losses
from taskgroup.training.model import MultiTaskModel

Model = TypeVar("Model", bound=MultiTaskModel)


class Stacked(Generic[Model]):
    """K networks on a batch each; their parameters become views of the stacked ones until they are released.

    Args:
        models: Of one architecture and one set of trainable parameters.
        tasks: Their tasks.
        whole: For each task whether every row has its label.

    Attributes:
        template: A network whose modules are run for all; what it lets learn, learns.
        parameters: Shape ``(K, ...)`` each, in the networks' order.
    """

    def __init__(self, models: Sequence[Model], tasks: TaskSet, whole: tuple[bool, ...]) -> None:
        self.models, self.tasks, self.whole = models, tasks, whole
        for model in models:
            model.train()
        self.template = copy.deepcopy(models[0])
        self._places = list(self.template.parameters())
        self.parameters = [
            nn.Parameter(torch.stack([p.detach() for p in same]), requires_grad=same[0].requires_grad)
            for same in zip(*(model.parameters() for model in models), strict=True)
        ]
        for k, model in enumerate(models):
            for parameter, stacked in zip(model.parameters(), self.parameters, strict=True):
                parameter.data = stacked.data[k]
        index = {id(p): k for k, p in enumerate(self._places)}
        self._slots = [
            (module._parameters, name, index[id(p)])
            for module in self.template.modules()
            for name, p in module._parameters.items()
            if p is not None
        ]
        self._losses: Any = torch.vmap(self._loss)

    def losses(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """The total loss of every network on its batch, shape ``(K,)``.

        Args:
            inputs: Shape ``(K, batch, ...)``.
            labels: Shape ``(K, batch, T)``, with some of each task in every batch.
        """
        try:
            found: Tensor = self._losses(self.parameters, inputs, labels)
        finally:
            self._put(self._places)
        return found

    def _loss(self, parameters: Sequence[Tensor], inputs: Tensor, labels: Tensor) -> Tensor:
        self._put(parameters)
        outputs = self.template(inputs, helpers=True)
        known: dict[str, tuple[Task, int]] = {task.name: (task, k) for k, task in enumerate(self.tasks)}
        heads = [known[head.task] for head in self.template.heads_info]
        found = [outputs[head.name] for head in self.template.heads_info]
        losses = head_losses(heads, found, Rows(inputs, labels, self.whole))
        return losses @ torch.tensor([task.weight for task, _ in heads])

    def _put(self, parameters: Sequence[Any]) -> None:
        """Into the modules of the template, by hand: ``torch.func.functional_call`` takes longer than small layers."""
        for slots, name, k in self._slots:
            slots[name] = parameters[k]

    def follow(self) -> None:
        """Let learn what the template lets learn."""
        for stacked, place in zip(self.parameters, self._places, strict=True):
            stacked.requires_grad_(place.requires_grad)

    def release(self, k: int) -> None:
        """Network ``k`` keeps its parameters as they are now."""
        for parameter in self.models[k].parameters():
            parameter.data = parameter.data.clone()
