"""The topology as a Mermaid flowchart, which Markdown pages of many hosts draw by themselves."""

from typing import ClassVar, Literal

from taskgroup.core.spec import Spec
from taskgroup.core.task import Frozen
from taskgroup.exporters.drawing import Drawing, Edge, Node

_PLAIN = frozenset(" _-.,:+=/()")


class Mermaid(Frozen):
    """Mermaid `flowchart <https://mermaid.js.org/syntax/flowchart.html>`_; helpers are dotted edges.

    Attributes:
        direction: ``LR`` draws from left to right, ``TB`` from top to bottom.
    """

    suffix: ClassVar[str] = ".mmd"
    direction: Literal["LR", "TB"] = "LR"

    def export(self, spec: Spec) -> str:
        """The flowchart as text."""
        drawing = Drawing.of(spec.architecture)
        lines = [
            f"flowchart {self.direction}",
            *(f"  {_node(node)}" for node in drawing.nodes),
            *(f"  {_edge(edge)}" for edge in drawing.edges),
            "  classDef shared fill:#d6e8f5,stroke:#0072b2,color:#111",
            "  classDef own fill:#fff,stroke:#6b7280,color:#111",
        ]
        return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Everything but letters, digits and a few harmless signs as an entity code, decimal as Mermaid wants it."""
    return "".join(c if c.isalnum() or c in _PLAIN else f"#{ord(c)};" for c in text)


def _node(node: Node) -> str:
    label = '"' + "<br/>".join(map(_escaped, node.lines)) + '"'
    if node.kind == "stage":
        return f"{node.id}[{label}]:::{'shared' if len(node.tasks) > 1 else 'own'}"
    return f"{node.id}([{label}])"


def _edge(edge: Edge) -> str:
    arrow = "-. helper .->" if edge.kind == "helper" else "-->"
    return f"{edge.source} {arrow} {edge.target}"
