"""What each step of a traced module costs and gives, found by running it."""

import itertools
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx
from torch.utils.flop_counter import FlopCounterMode

from taskgroup.nn.counting import counting
from taskgroup.nn.cutting.running import in_mode, rows_for, seeded
from taskgroup.nn.cutting.traced import Traced
from taskgroup.nn.flow import Flow, joined, n_rows


@dataclass(frozen=True)
class Profile:
    """Figures of a traced module; nodes go by their names.

    Attributes:
        macs: Multiply-accumulates of each step, on one example.
        shapes: Shape of one example of each value that is a tensor with one row for each example.
        last_changes: Number of the last step that changes a value in place (its own step where none does).
    """

    macs: tuple[int, ...]
    shapes: dict[str, tuple[int, ...]]
    last_changes: dict[str, int]


class _Recorder(fx.Interpreter):
    """Runs the steps one by one and keeps what they give."""

    def __init__(self, graph: fx.GraphModule, counter: FlopCounterMode) -> None:
        super().__init__(graph, garbage_collect_values=False)
        self.counter = counter
        self.flops: list[int] = []
        self.values: dict[str, Tensor] = {}
        self.versions: dict[str, int] = {}
        self.last_changes: dict[str, int] = {}

    def run_node(self, n: fx.Node) -> Any:
        """One step, with the operations up to its end."""
        output = super().run_node(n)
        if n.op.startswith("call_"):
            self.flops.append(self.counter.get_total_flops())
        return self._kept(n, output)

    def _kept(self, node: fx.Node, output: Any) -> Any:
        here = len(self.flops) - 1
        for name, value in self.values.items():
            if value._version != self.versions[name]:
                self.versions[name], self.last_changes[name] = value._version, here
        if isinstance(output, Tensor) and node.op not in ("get_attr", "output"):
            self.values[node.name], self.versions[node.name] = output, output._version
            self.last_changes[node.name] = here
        return output


def profile(traced: Traced, example: Flow) -> Profile:
    """Run ``traced`` in evaluation mode on the example, and on the example twice over.

    A value has one row for each example where its first dimension follows the number of rows in both runs.
    """
    rows = rows_for(example, training=False)
    once, twice = _run(traced, rows), _run(traced, joined([rows, rows]))
    n = n_rows(example)
    shapes = {
        name: tuple(value.shape[1:])
        for name, value in once.values.items()
        if value.shape[:1] == (n,) and twice.values[name].shape == (2 * n, *value.shape[1:])
    }
    flops = [after - before for before, after in itertools.pairwise([0, *once.flops])]
    return Profile(tuple(count // (2 * n) for count in flops), shapes, once.last_changes)


def _run(traced: Traced, rows: Flow) -> _Recorder:
    graph = in_mode(fx.GraphModule(traced.root, traced.graph), training=False)
    assert isinstance(graph, fx.GraphModule)
    with seeded(rows), counting() as counter:
        recorder = _Recorder(graph, counter)
        recorder.run(*((rows,) if isinstance(rows, Tensor) else rows))
    return recorder
