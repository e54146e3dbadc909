"""Looks at the tasks in the course of a training: the callback that hands the probe to a measure."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taskgroup.core.seeds import derive_seed
from taskgroup.core.settled import Settling, StopRule, settling
from taskgroup.core.task import TaskSet
from taskgroup.core.trial import Check
from taskgroup.measures import Measure
from taskgroup.nn.network import SharedNetwork
from taskgroup.training.data import Rows
from taskgroup.training.loop import Callback
from taskgroup.training.losses import task_losses
from taskgroup.training.probe import Probe, Scales


class Sampling(Callback):
    """Calls a measure every ``every`` steps, from the first on, before the optimizer's step.

    With a ``stop`` rule it ends the training at the first check after the groupings have settled.

    Args:
        network: The network in training, all tasks sharing the trunk.
        tasks: Its tasks.
        measure: Called with the probe.
        every: Steps between two looks.
        stop: When there have been enough looks; None is never.
        others: Rows that further batches are drawn from: ``next`` (training rows) and ``val``.

    Attributes:
        samples: What the measure said, one array of shape ``(S + 1, T, T)`` for each look.
        steps: Step of each look.
        settled_at: Step of the look at which the groupings had settled; None while they have not.
    """

    def __init__(
        self,
        network: SharedNetwork,
        tasks: TaskSet,
        measure: Measure,
        every: int,
        stop: StopRule | None = None,
        others: Mapping[str, Rows] | None = None,
    ) -> None:
        self.network, self.tasks, self.measure, self.every, self.stop = network, tasks, measure, every, stop
        self.samples: list[NDArray[np.float64]] = []
        self.steps: list[int] = []
        self.settled_at: int | None = None
        self._facts: list[dict[str, float]] = []
        self._tower, self._memory = network.tower(), dict[str, float]()
        self._others = dict(others or {})
        self._optimizer: torch.optim.Optimizer | None = None

    def begin(self, optimizer: torch.optim.Optimizer) -> None:
        """Keep the optimizer, whose scaling a measure may ask for."""
        self._optimizer = optimizer

    def before_step(self, step: int, batch: Rows, lr: float) -> None:
        """Look at the batch that the step will use, the last of every ``every``.

        Never before the first step: heads still predict the same whatever they read, and no gradient reaches a stage.
        """
        if self.settled_at is not None or step == 0 or (step + 1) % self.every:
            return
        probe = self.probe(batch, lr)
        self.samples.append(self.measure(probe))
        self.steps.append(step)
        self._facts.append(dict(getattr(probe, "facts", {})))
        if (
            self.stop is not None
            and self.stop.is_due(len(self.steps), step, self.every)
            and self.stop.is_met(self._settling())
        ):
            self.settled_at = step

    def after_check(self, check: Check) -> bool:
        """Stop once the groupings have settled."""
        return self.settled_at is not None

    def probe(self, batch: Rows, lr: float) -> Probe:
        """The probe on ``batch``; stages without parameters have nothing to move and are left out of no slice."""

        def losses_on(rows: Rows) -> Tensor:
            return task_losses(self.tasks, self.network(rows.inputs), rows)

        return Probe(
            self.tasks.names,
            self.network.shared_parameters(),
            partial(losses_on, batch),
            self.network,
            lr,
            losses_on=losses_on,
            tower=self._tower,
            rows=batch,
            others={name: partial(self._draw, rows, len(batch)) for name, rows in self._others.items()},
            scales=self._scales,
            memory=self._memory,
            number=len(self.samples),
        )

    def _draw(self, rows: Rows, n_rows: int) -> Rows:
        """A batch of its own for this look; the training's batches stay as they are."""
        generator = torch.Generator().manual_seed(derive_seed("look", len(self.samples)))
        return rows.pick(torch.randperm(len(rows), generator=generator)[:n_rows])

    def _scales(self) -> Scales | None:
        """``1 / (√v + ε)`` with Adam's bias-corrected mean square v; None before its first step."""
        optimizer = self._optimizer
        if optimizer is None or not optimizer.state:
            return None
        (group,) = optimizer.param_groups
        return {p: adam_scale(optimizer.state[p], group) for p in group["params"] if optimizer.state.get(p)}

    def stacked(self) -> NDArray[np.float64]:
        """All looks, shape ``(n_looks, S + 1, T, T)``."""
        return np.stack(self.samples)

    def facts(self) -> dict[str, NDArray[np.float64]]:
        """What the probe noted of each look (step size, …), shape ``(n_looks,)``; NaN where it noted nothing."""
        names = sorted({name for look in self._facts for name in look})
        return {name: np.array([look.get(name, np.nan) for look in self._facts], dtype=np.float64) for name in names}

    def arrays(self) -> dict[str, Any]:
        """All there is to keep of the looks.

        ``samples``, see :meth:`stacked`; ``steps``, shape ``(n_looks,)``; ``stopped``, the step at which the groupings
        had settled, or -1; ``regret``, shape ``(2,)``: cross-regret of half-samples and of early and late looks at the
        end, NaN without a rule; and each of :meth:`facts` as ``facts_NAME``.
        """
        found = self._settling() if self.stop is not None else Settling(np.nan, np.nan)
        return {
            "samples": self.stacked(),
            "steps": np.array(self.steps),
            "stopped": np.array(-1 if self.settled_at is None else self.settled_at),
            "regret": np.array([found.halves, found.phases]),
            **{f"facts_{name}": values for name, values in self.facts().items()},
        }

    def _settling(self) -> Settling:
        return settling(np.stack([look[-1] for look in self.samples]))


def adam_scale(state: Mapping[str, Tensor], group: Mapping[str, Any]) -> Tensor:
    """What Adam multiplies its mean gradient with, of the parameter's shape (Kingma & Ba 2015, arXiv 1412.6980)."""
    corrected = state["exp_avg_sq"] / (1 - group["betas"][1] ** float(state["step"]))
    return torch.reciprocal(corrected.sqrt() + group["eps"])
