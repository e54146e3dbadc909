"""What formats that run the network have in common: one trace for batches of any size, and a check of the file."""

import contextlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from taskgroup.errors import InputError
from taskgroup.exporters.code.errors import first_line
from taskgroup.exporters.code.running import difference
from taskgroup.nn.flow import Flow, hidden, joined, with_hidden
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.routes import Step, route


class Inference(nn.Module):
    """The network with every module called by itself.

    The network may run sibling copies together, depending on the size of the batch, which no trace can follow.
    """

    def __init__(self, network: SharedNetwork) -> None:
        super().__init__()
        self.stages, self.adapters, self.bodies = network.stages, network.adapters, network.bodies
        self.heads = nn.ModuleDict({str(k): network.heads[k] for k in range(len(network.tasks))})
        self._tasks = network.tasks.names
        self._plan = route(network.architecture, self._tasks, own_norm=network.own_norm)

    def forward(self, rows: Flow) -> dict[str, Tensor]:
        """Task → output."""
        streams: list[Flow] = [rows]
        for stage, steps in enumerate(self._plan.stages):
            streams = [flow for step in steps for flow in self._run(stage, step, streams)]
        ends = {task: hidden(streams[self._plan.ends[task]]) for task in self._tasks}
        return {task: self.heads[str(k)](ends[task]) for k, task in enumerate(self._tasks)}

    def _run(self, stage: int, step: Step, streams: Sequence[Flow]) -> list[Flow]:
        copies, adapters, bodies = (
            cast("nn.ModuleList", part[stage]) for part in (self.stages, self.adapters, self.bodies)
        )
        module = copies[step.copy] if step.body is None else bodies[step.body]
        incoming = [streams[k] for k in step.inputs]
        found = [module(incoming[0])] if len(incoming) == 1 else _apart(module(joined(incoming)), len(incoming))
        return [
            found[k] if a is None else with_hidden(found[k], adapters[a](hidden(found[k]))) for k, a in step.outputs
        ]


def _apart(flow: Flow, n: int) -> list[Flow]:
    """``n`` batches of one size, which stays open: asking for it as a number would fix it in the trace."""
    if isinstance(flow, tuple):
        return list(zip(*(part.unflatten(0, (n, -1)).unbind() for part in flow), strict=True))  # type: ignore[no-untyped-call]
    return list(flow.unflatten(0, (n, -1)).unbind())  # type: ignore[no-untyped-call]


def any_batch(rows: Flow) -> Any:
    """The first dimension of every input may have any size."""
    size = Dim("batch")
    return tuple({0: size} for _ in rows) if isinstance(rows, tuple) else {0: size}


def exported_program(format: str, network: SharedNetwork, rows: Flow) -> ExportedProgram:
    """The network's trace.

    Args:
        format: Its name, for errors.
        network: In evaluation mode.
        rows: A few inputs.

    Raises:
        InputError: A stage that torch.export cannot trace, or that takes batches of one size only.
    """
    try:
        with torch.no_grad(), quiet():
            return torch.export.export(
                Inference(network), (resized(rows, 2),), dynamic_shapes=(any_batch(rows),), strict=False
            )
    except Exception as error:  # a user's forward, and torch's tracing of it, may raise anything
        raise InputError(
            f"{format}: torch.export should run the trunk for batches of any size, found: {first_line(error)}"
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the deprecation warnings that torch and its exporters give of their own code."""
    with warnings.catch_warnings():
        for kind in (DeprecationWarning, FutureWarning, UserWarning):
            warnings.filterwarnings("ignore", category=kind, module=r"(torch|onnx\w*|copyreg|contextlib|ast)(\..*)?$")
        yield


def resized(rows: Flow, n: int) -> Flow:
    """``n`` rows, taken from the front again and again."""
    if isinstance(rows, tuple):
        return tuple(part[torch.arange(n) % len(part)] for part in rows)
    return rows[torch.arange(n) % len(rows)]


@torch.no_grad()
def checked(format: str, network: SharedNetwork, rows: Flow, run: Callable[[Flow], Mapping[str, Tensor]]) -> None:
    """Whether the file gives the network's outputs, for batches of two sizes that it was not made with.

    Raises:
        InputError: It does not.
    """
    for n in (3, 1):
        batch = resized(rows, n)
        expected, found = network(batch), run(batch)
        for task, output in expected.items():
            worst = difference(found[task], output)
            if worst:
                raise InputError(
                    f"{format}: the file should give the network's outputs, found a difference of {worst:.2g} for "
                    f"`{task}` on {n} rows; a stage does what tracing does not show (a branch that depends on values, "
                    "a random number). Nothing was written"
                )


@contextlib.contextmanager
def placed(path: Path) -> Iterator[Path]:
    """A path to write to, moved to ``path`` when all went well."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        partial = Path(folder) / path.name
        yield partial
        for written in Path(folder).iterdir():
            os.replace(written, path.parent / written.name)
