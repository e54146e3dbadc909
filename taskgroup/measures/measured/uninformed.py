"""Random numbers: what a measure that knows nothing would say."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from taskgroup.core.task import Frozen
from taskgroup.measures import Sight
from taskgroup.measures.views import FileView


class Uninformed(Frozen):
    """Independent standard normal numbers: a control, to see what knowing something is worth.

    A search that starts from it has groupings and trees like any other, but they mean nothing. Not symmetric.

    Cost: none; nothing is trained and no data is read.

    Attributes:
        method: Its name in the table.
        seed: Of the numbers.
    """

    method: Literal["uninformed"] = "uninformed"
    sees: ClassVar[Sight] = "file"
    symmetric: ClassVar[bool] = False
    meaning: ClassVar[str] = "nothing: a number was drawn at random"
    seed: int = Field(default=0, ge=0)

    def __call__(self, view: FileView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`."""
        n_tasks = len(view.tasks)
        return np.random.default_rng(self.seed).normal(size=(len(view.stages) + 1, n_tasks, n_tasks))
