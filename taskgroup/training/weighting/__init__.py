"""Weighting: how the losses of several tasks, or their gradients in what they share, become one optimizer step.

Knows losses and gradients; nothing of topologies beyond which parameters serve which tasks.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar, Protocol

from taskgroup.core.table import Table
from taskgroup.core.task import TaskSet

if TYPE_CHECKING:
    from taskgroup.training.model import MultiTaskModel
    from taskgroup.training.weighting.weigher import Weigher


class Weighting(Protocol):
    """One way: a frozen pydantic model without options.

    Attributes:
        needs: Packages of the extra ``torchjd`` that it imports.
    """

    needs: ClassVar[tuple[str, ...]]

    def ready(self, model: "MultiTaskModel", tasks: TaskSet, seed: int) -> "Weigher":
        """What weights the steps of one training of ``model``; ``seed`` decides whatever is drawn."""
        ...

    def relative_step_cost(self, n_tasks: int) -> float:
        """Seconds of a training step over those of one under ``equal``, for a perceptron that all tasks share."""
        ...


WEIGHTINGS: Table[type[Weighting]] = Table(
    "train.weighting",
    "taskgroup.weightings",
    {
        "aligned_mtl": "taskgroup.training.weighting.aligned_mtl:AlignedMTL",
        "equal": "taskgroup.training.weighting.equal:Equal",
        "imtl_g": "taskgroup.training.weighting.imtl_g:IMTLG",
        "pcgrad": "taskgroup.training.weighting.pcgrad:PCGrad",
        "uncertainty": "taskgroup.training.weighting.uncertainty:Uncertainty",
        "upgrad": "taskgroup.training.weighting.upgrad:UPGrad",
    },
)


def weighting_fault(name: str) -> str | None:
    """Why networks cannot be trained with the weighting ``name`` here, as a sentence; None where they can."""
    if name == "equal":
        return None  # without importing torch
    if name not in WEIGHTINGS.names:
        return WEIGHTINGS.unknown(name)
    missing = [package for package in WEIGHTINGS[name].needs if find_spec(package) is None]
    if not missing:
        return None
    return (
        f"train.weighting `{name}` needs the extra `torchjd`, found no {', '.join(missing)}; "
        "install it with `pip install taskgroup[torchjd]`, or use `equal`, `pcgrad` or `uncertainty`"
    )
