"""The network as a torch.export program."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from taskgroup.core.spec import Spec
from taskgroup.core.task import Frozen

if TYPE_CHECKING:
    from taskgroup.nn.flow import Flow
    from taskgroup.nn.network import SharedNetwork


class TorchExport(Frozen):
    """A ``.pt2`` file: ``torch.export.load(path).module()(rows)`` gives task → output, for batches of any size.

    It needs torch alone, and holds the weights. The file was loaded, and gave the network's outputs on another number
    of rows than it was made with, before it is left behind.
    """

    suffix: ClassVar[str] = ".pt2"

    def write(self, spec: Spec, network: "SharedNetwork", rows: "Flow", path: Path) -> tuple[Path, ...]:
        """Write ``path``.

        Raises:
            InputError: A stage that torch.export cannot trace, or that takes batches of one size only.
        """
        import torch

        from taskgroup.exporters.serving import checked, exported_program, placed

        program = exported_program("torch-export", network, rows)
        with placed(path) as partial:
            torch.export.save(program, partial)
            loaded = torch.export.load(partial).module()
            checked("torch-export", network, rows, lambda batch: loaded(batch))
        return (path,)
