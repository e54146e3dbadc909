"""The network as an ONNX model."""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from taskgroup.core.spec import Spec
from taskgroup.core.task import Frozen
from taskgroup.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from taskgroup.nn.flow import Flow
    from taskgroup.nn.network import SharedNetwork

CHATTY = "torch.onnx._internal.exporter._registration"
"""Logger that says for every export that torchvision is not there."""


class Onnx(Frozen):
    """An `ONNX <https://onnx.ai>`_ model for batches of any size, with one output for each task, called after it.

    Needs the extra ``onnx``. Where onnxruntime is there too, it ran the model, and gave the network's outputs, before
    the file is left behind.
    """

    suffix: ClassVar[str] = ".onnx"

    def write(self, spec: Spec, network: "SharedNetwork", rows: "Flow", path: Path) -> tuple[Path, ...]:
        """Write ``path``.

        Raises:
            InputError: A package is missing, or a stage cannot be traced or has an operation that ONNX does not.
        """
        missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
        if missing:
            raise InputError(f"onnx: needs {' and '.join(missing)}; install with: pip install 'taskgroup-mtl[onnx]'")
        from taskgroup.exporters.serving import checked, placed

        program = _program(network, rows)
        _rename(program.model.graph, network.tasks.names)
        with placed(path) as partial:
            program.save(partial)
            if find_spec("onnxruntime") is not None:
                session = _session(partial)
                checked("onnx", network, rows, lambda batch: _run(session, network.tasks.names, batch))
        return (path,)


def _program(network: "SharedNetwork", rows: "Flow") -> Any:
    import torch

    from taskgroup.exporters.code.errors import first_line
    from taskgroup.exporters.serving import exported_program, quiet

    traced = exported_program("onnx", network, rows)
    try:
        with quiet(), _hushed(CHATTY):
            return torch.onnx.export(traced, dynamo=True, verbose=False)
    except Exception as error:  # torch wraps whatever went wrong, several times
        said = first_line(error.__cause__ or error)
        raise InputError(f"onnx: every operation of the trunk should have one in ONNX, found: {said}") from error


@contextlib.contextmanager
def _hushed(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _rename(graph: Any, tasks: Sequence[str]) -> None:
    """Outputs called after the tasks, inputs ``rows``; whatever else had such a name gets another."""
    inputs = ["rows"] if len(graph.inputs) == 1 else [f"rows_{k}" for k in range(len(graph.inputs))]
    ends = [*graph.inputs, *graph.outputs]
    others = [*graph.initializers.values(), *(value for node in graph for value in node.outputs)]
    others = [value for value in others if not any(value is end for end in ends)]
    taken = {*tasks, *(value.name for value in others)}
    for value in [value for value in others if value.name in {*tasks, *inputs}]:
        value.name = _fresh(f"{value.name}_", taken)
    for value, task in zip(graph.outputs, tasks, strict=True):
        value.name = task
    for value, name in zip(graph.inputs, inputs, strict=True):
        value.name = _fresh(name, set(tasks))


def _fresh(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; it warns of its own choices
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _run(session: Any, tasks: Sequence[str], rows: "Flow") -> "Mapping[str, Tensor]":
    import torch

    parts = rows if isinstance(rows, tuple) else (rows,)
    given = {place.name: part.numpy() for place, part in zip(session.get_inputs(), parts, strict=True)}
    return {task: torch.from_numpy(found) for task, found in zip(tasks, session.run(list(tasks), given), strict=True)}
