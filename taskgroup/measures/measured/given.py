"""A matrix of the user's own."""

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from taskgroup.core.task import Frozen
from taskgroup.errors import InputError
from taskgroup.measures import Sight
from taskgroup.measures.measured.files import read_csv, read_npz
from taskgroup.measures.views import FileView, stacked

READERS = {".csv": read_csv, ".npz": read_npz}


class Given(Frozen):
    """What a file says: ``[source, target]``, higher helps the target; an empty cell or NaN is unknown.

    CSV: the first row is ``source`` and the names of the target tasks, each further row a source's name and its
    values, in any order. NPZ: an array ``values`` of shape ``(T, T)``, or ``(S + 1, T, T)`` with one matrix a stage
    and the whole trunk's at the end, and beside it ``tasks`` with the names in its order; without them the order is
    the problem's. One matrix stands for all slices. Not taken as symmetric.

    Cost: none.

    Attributes:
        method: Its name in the table.
        path: The file, relative to the config's folder.
    """

    method: Literal["given"] = "given"
    sees: ClassVar[Sight] = "file"
    symmetric: ClassVar[bool] = False
    meaning: ClassVar[str] = "the given matrix says that A helps B"
    path: str = Field(min_length=1)

    def __call__(self, view: FileView) -> NDArray[np.float64]:
        """See :class:`taskgroup.measures.Measure`.

        Raises:
            InputError: The file is not there, or holds something else than such a matrix for these tasks.
        """
        path = Path(view.folder) / self.path
        if path.suffix.lower() not in READERS:
            raise InputError(f"{self.path}: a given matrix should be a .csv or .npz file, found `{path.suffix}`")
        try:
            values = READERS[path.suffix.lower()](path, self.path, view)
        except OSError as error:
            raise InputError(f"{self.path}: should be a file that can be read, found: {error.strerror}") from error
        if np.isinf(values).any():
            raise InputError(f"{self.path}: values should be finite, or empty where unknown, found infinite ones")
        return values if values.ndim == 3 else stacked([values] * len(view.stages), values)
