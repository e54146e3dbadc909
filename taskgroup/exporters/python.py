"""The network as one readable PyTorch file that needs no taskgroup."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from taskgroup.core.spec import Spec
from taskgroup.core.task import Frozen

if TYPE_CHECKING:
    from taskgroup.nn.flow import Flow
    from taskgroup.nn.network import SharedNetwork


class Python(Frozen):
    """A class for each distinct stage, ``Network`` with a forward pass of a line for each copy, and ``load()``.

    The weights lie beside it as ``.safetensors``. Modules of torch.nn are written as constructor calls, others by
    tracing their forward pass (torch.fx) down to such. The file was run, and gave the network's outputs, before it is
    left behind. Low-rank adapters are merged into the weights; helpers are not in it.
    """

    suffix: ClassVar[str] = ".py"

    def write(self, spec: Spec, network: "SharedNetwork", rows: "Flow", path: Path) -> tuple[Path, ...]:
        """Write ``path`` and its weights.

        Raises:
            InputError: A stage that cannot be written as code.
        """
        from taskgroup.exporters.code.file import heading, imports, zeros
        from taskgroup.exporters.code.standalone import write_standalone

        def whole(code: str) -> str:
            main = (
                'if __name__ == "__main__":\n'
                f"    for task, output in load()({zeros(rows, 2)}).items():\n"
                '        print(f"{task}: {tuple(output.shape)}")'
            )
            return (
                "\n\n".join(
                    [heading(spec, "torch and safetensors"), imports(code), "\n".join(["", code, "", "", main])]
                )
                + "\n"
            )

        return write_standalone(spec, network, rows, path, merge=True, format="python", whole=whole)
