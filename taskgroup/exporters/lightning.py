"""The network as a LightningModule that trains it on."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from taskgroup.core.spec import Spec
from taskgroup.core.task import Frozen, Task
from taskgroup.core.trial import TrainOptions

if TYPE_CHECKING:
    from taskgroup.nn.flow import Flow
    from taskgroup.nn.network import SharedNetwork

LOSSES = {
    "bce": "F.binary_cross_entropy_with_logits",
    "cross_entropy": "F.cross_entropy",
    "mse": "F.mse_loss",
    "mae": "F.l1_loss",
    "huber": "F.smooth_l1_loss",
}

MODULE = '''class LitNetwork(lightning.LightningModule):
    """Trains all tasks together, from the weights beside this file on.

    A batch is ``(rows, labels)``: rows as ``Network`` takes them, and labels of shape ``(batch, n_tasks)``, float, a
    column a task in the order of ``TASKS``, NaN where a label is missing: 0 or 1, the number of the class, or the value
    in its own units. The loss is the weighted sum of the tasks' means over their labelled rows; AdamW's learning rate
    falls along a cosine to zero at the trainer's last step.
    """

    def __init__(self, lr={lr!r}, weight_decay={weight_decay!r}, weights=None):
        super().__init__()
        self.save_hyperparameters()
        self.network = load(weights).train()

    def forward(self, rows):
        return self.network(rows)

    def losses(self, batch):
        """Task -> mean loss of the rows that have its label; a task without any is left out."""
        rows, labels = batch
        outputs = self.network(rows)
        found = {{}}
        for (task, loss, _, mean, scale), column in zip(TASKS, labels.T, strict=True):
            known = ~torch.isnan(column)
            if known.any():
                output, label = outputs[task][known], column[known]
                classes = loss is F.cross_entropy
                found[task] = loss(output, label.long()) if classes else loss(output[:, 0], (label - mean) / scale)
        return found

    def training_step(self, batch, batch_idx):
        losses = self.losses(batch)
        if not losses:
            return None  # Lightning goes on to the next batch
        total = sum(weight * losses[task] for task, _, weight, _, _ in TASKS if task in losses)
        self.log("train_loss", total, batch_size=len(batch[1]))
        return total

    def validation_step(self, batch, batch_idx):
        for task, loss in self.losses(batch).items():
            self.log(f"val_{{task}}", loss, batch_size=len(batch[1]))

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams.lr, weight_decay=self.hparams.weight_decay)
        n_steps = self.trainer.estimated_stepping_batches
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / n_steps))
        )
        return {{"optimizer": optimizer, "lr_scheduler": {{"scheduler": schedule, "interval": "step"}}}}'''

MAIN = """if __name__ == "__main__":  # a few steps on rows of zeros, to see it run
    examples = [({rows}, torch.zeros({n_tasks})) for _ in range(32)]
    trainer = lightning.Trainer(max_steps=4, accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.fit(LitNetwork(), DataLoader(examples, batch_size=8))"""


class Lightning(Frozen):
    """One file: the classes of the ``python`` format, and a ``LightningModule`` that trains them as taskgroup does.

    It needs `lightning <https://lightning.ai>`_, not taskgroup; writing it needs neither. Low-rank adapters stay
    layers of their own, and shared parameters are shared. Helpers are not in it.

    Attributes:
        lr: Peak learning rate, decayed to zero along a cosine.
        weight_decay: Decoupled weight decay.
    """

    suffix: ClassVar[str] = ".py"
    lr: float = Field(default=TrainOptions().lr, gt=0)
    weight_decay: float = Field(default=TrainOptions().weight_decay, ge=0)

    def write(self, spec: Spec, network: "SharedNetwork", rows: "Flow", path: Path) -> tuple[Path, ...]:
        """Write ``path`` and its weights.

        Raises:
            InputError: A stage that cannot be written as code, or only as it is in evaluation mode.
        """
        from taskgroup.exporters.code.file import heading, imports, zeros
        from taskgroup.exporters.code.standalone import write_standalone

        def whole(code: str) -> str:
            module = MODULE.format(lr=self.lr, weight_decay=self.weight_decay)
            main = MAIN.format(rows=zeros(rows), n_tasks=len(spec.tasks))
            body = "\n\n\n".join([code, _tasks(spec), module, main])
            more = ["import lightning", "from torch.utils.data import DataLoader"]
            return "\n\n".join([heading(spec, "torch, lightning and safetensors"), imports(body, more), f"\n{body}\n"])

        return write_standalone(spec, network, rows, path, merge=False, format="lightning", whole=whole, training=True)


def _tasks(spec: Spec) -> str:
    from taskgroup.exporters.code.names import quoted

    lines = [f"    {_entry(task, quoted(task.name))}," for task in spec.tasks]
    return "\n".join(["TASKS = (  # name, loss, weight, and mean and scale of the labels (regression)", *lines, ")"])


def _entry(task: Task, name: str) -> str:
    return f"({name}, {LOSSES[str(task.loss)]}, {task.weight!r}, {task.mean!r}, {task.scale!r})"
