"""A transformers model with low-rank adapters, as the peft library keeps them."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from taskgroup.core.spec import Spec
from taskgroup.core.task import Frozen
from taskgroup.errors import InputError

if TYPE_CHECKING:
    from taskgroup.nn.flow import Flow
    from taskgroup.nn.network import SharedNetwork


class Peft(Frozen):
    """A folder: the model, one folder of adapters for each task group, the heads, and ``tasks.json`` that explains.

    A task group is a set of tasks with the same adapters all along. ``base`` is the model as ``save_pretrained`` writes
    it, ``group1`` and so on hold an ``adapter_config.json`` and an ``adapter_model.safetensors`` for
    ``PeftModel.from_pretrained(base, ...)``. Heads are in ``heads.safetensors``, as ``<number of the task>.weight``.
    Everything is read back by peft and compared with the network before it is left. Helpers are not in it.

    What it cannot express: stages of which there are several copies (the base is one model), adapters of other kinds,
    other trunks.
    """

    suffix: ClassVar[str] = ""

    def write(self, spec: Spec, network: "SharedNetwork", rows: "Flow", path: Path) -> tuple[Path, ...]:
        """Write the folder ``path``; what an earlier export left there is replaced.

        Raises:
            InputError: What it cannot express, a missing library, or something else at ``path``.
        """
        from taskgroup.exporters.peft_folder import is_free, write_folder
        from taskgroup.exporters.peft_groups import faults, groups_of

        found = faults(spec, network)
        if not is_free(path):
            found.append(f"export: peft writes a folder of its own, found something else at {path}; name another")
        if found:
            raise InputError(found)
        return write_folder(spec, network, groups_of(network), rows, path)
