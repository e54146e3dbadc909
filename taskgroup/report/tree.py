"""The topology as a tree of text."""

import textwrap
from collections.abc import Sequence

from taskgroup.core.spec import Architecture, Cost, Helper
from taskgroup.core.text import printable
from taskgroup.core.topology import Module
from taskgroup.report.text import adapter_mark, amount, shorten

WIDTH = 94
INDENT = 3
MANY_TASKS = 12
"""Above this number the tasks of a branch share lines."""


def tree_text(architecture: Architecture, cost: Cost | None = None) -> str:
    """The topology as a small tree: stages from the left, tasks at the leaves, a run that does not split on one line.

    Args:
        architecture: What to show; adapters are marked (``+adapter 8``), helpers hang below the path they train.
        cost: Adds a last line with parameters and multiply-accumulates.

    Example:
        >>> from taskgroup.core.topology import Topology
        >>> topology = Topology(tasks=("a", "b", "c"), stages=("stem", "top"), matrix=((0, 0, 0), (0, 0, 1)))
        >>> print(tree_text(Architecture(topology=topology)))
        stem
        ├─ top
        │  ├─ a
        │  └─ b
        └─ top → c
    """
    writer = _TreeWriter(architecture)
    roots = [m for m in architecture.topology.modules() if m.stage == 0]
    lines = writer.branch(roots[0], 0) if len(roots) == 1 else ["input", *_hang([writer.branch(m, 1) for m in roots])]
    if cost:
        lines += [f"{amount(cost.params)} parameters, {amount(cost.macs)} MACs per example"]
    return "\n".join(lines)


class _TreeWriter:
    """Turns copies of stages into lines, each branch a list that its parent hangs on."""

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self.topology = architecture.topology
        self.modules = self.topology.modules()
        self.joined = len(self.topology.tasks) > MANY_TASKS

    def branch(self, module: Module, depth: int) -> list[str]:
        """Lines of ``module`` and of all below it, when it hangs ``depth`` levels below the root."""
        names, children = [self._name(module)], self._children(module)
        while len(children) == 1:
            module = children[0]
            names.append(self._name(module))
            children = self._children(module)
        line = " → ".join(names)
        if children:
            return [*_wrapped(line, depth), *_hang([self.branch(child, depth + 1) for child in children])]
        return self._ending(line, module, depth)

    def _ending(self, line: str, module: Module, depth: int) -> list[str]:
        tasks = [shorten(t, 48) for t in module.tasks]
        helpers = [f"({shorten(h.task, 40)} helps in training)" for h in self._helpers(module)]
        if len(tasks) == 1 and not helpers:
            return _wrapped(f"{line} → {tasks[0]}", depth)
        leaves = [_wrapped(", ".join(tasks), depth + 1)] if self.joined else [[task] for task in tasks]
        return [*_wrapped(line, depth), *_hang([*leaves, *([h] for h in helpers)])]

    def _helpers(self, module: Module) -> list[Helper]:
        return [h for h in self.architecture.helpers if h.along in module.tasks]

    def _name(self, module: Module) -> str:
        marks = [f" +{printable(adapter_mark(a))}" for a in self.architecture.adapters_of(module)]
        return shorten(self.topology.stages[module.stage], 32) + "".join(marks)

    def _children(self, module: Module) -> list[Module]:
        return [m for m in self.modules if m.stage == module.stage + 1 and m.tasks[0] in module.tasks]


def _wrapped(line: str, depth: int) -> list[str]:
    """A long line in the columns that are left at ``depth``."""
    return textwrap.wrap(line, max(40, WIDTH - INDENT * depth), break_on_hyphens=False) or [line]


def _hang(branches: Sequence[Sequence[str]]) -> list[str]:
    lines = []
    for k, branch in enumerate(branches):
        last = k == len(branches) - 1
        for n, line in enumerate(branch):
            stem = ("└─ " if last else "├─ ") if n == 0 else ("   " if last else "│  ")
            lines.append(stem + line)
    return lines
