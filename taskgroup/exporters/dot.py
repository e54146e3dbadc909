"""The topology as a Graphviz graph."""

from typing import ClassVar, Literal

from taskgroup.core.spec import Spec
from taskgroup.core.task import Frozen
from taskgroup.exporters.drawing import Drawing, Edge, Node


class Dot(Frozen):
    """Graphviz `DOT <https://graphviz.org/doc/info/lang.html>`_: ``dot -Tpdf plan.dot`` draws it.

    Shared copies are filled, helpers are dashed edges.

    Attributes:
        direction: ``LR`` draws from left to right, ``TB`` from top to bottom.
    """

    suffix: ClassVar[str] = ".dot"
    direction: Literal["LR", "TB"] = "LR"

    def export(self, spec: Spec) -> str:
        """The graph as DOT text."""
        drawing = Drawing.of(spec.architecture)
        lines = [
            "digraph taskgroup {",
            f"  rankdir={self.direction};",
            '  node [fontname="Helvetica", fontsize=11, shape=box, style=rounded, color="#6b7280"];',
            '  edge [fontname="Helvetica", fontsize=9, color="#6b7280", arrowsize=0.6];',
            *(f"  {_node(node)}" for node in drawing.nodes),
            *(f"  {_edge(edge)}" for edge in drawing.edges),
            "}",
        ]
        return "\n".join(lines) + "\n"


def _quoted(lines: tuple[str, ...]) -> str:
    escaped = [line.replace("\\", "\\\\").replace('"', '\\"') for line in lines]
    return '"' + "\\n".join(escaped) + '"'  # in DOT, \n inside quotes starts a new line of the label


def _node(node: Node) -> str:
    style = ""
    if node.kind != "stage":
        style = ", shape=plaintext"
    elif len(node.tasks) > 1:
        style = ', style="rounded,filled", fillcolor="#d6e8f5"'
    return f"{node.id} [label={_quoted(node.lines)}{style}];"


def _edge(edge: Edge) -> str:
    style = ' [style=dashed, label="helper"]' if edge.kind == "helper" else ""
    return f"{edge.source} -> {edge.target}{style};"
