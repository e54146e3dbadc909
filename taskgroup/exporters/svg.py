"""The topology as a picture that any browser draws, with nothing outside the file."""

import unicodedata
from dataclasses import dataclass
from html import escape
from typing import ClassVar

from pydantic import Field

from taskgroup.core.spec import Architecture, Spec
from taskgroup.core.task import Frozen
from taskgroup.core.text import plural, printable
from taskgroup.core.topology import Topology
from taskgroup.exporters.drawing import Drawing, Edge, Node

ROW, HEAD, MARGIN, GAP, PAD, LINE = 30, 34, 12, 46, 8, 15
"""Pixels: a task's row, the heading, around the picture, between columns, inside a box, a line of text."""

STYLE = (
    'text{font:12px "Helvetica Neue",Helvetica,Arial,sans-serif;fill:#111}.head{fill:#4b5563;font-weight:600}'
    ".own{fill:#fff;stroke:#6b7280}.shared{fill:#d6e8f5;stroke:#0072b2}.flow,.helper{fill:none;stroke:#6b7280}"
    ".helper{stroke:#b45309;stroke-dasharray:5 4}.note{fill:#b45309}"
)


class Svg(Frozen):
    """`SVG <https://www.w3.org/TR/SVG11/>`_: a column a stage, a row a task, from left to right.

    Shared copies are filled, adapters named in their box, helpers dashed. The description in words is read out by
    screen readers; a box tells its tasks when it is pointed at.

    Attributes:
        widest: Signs shown of a name; the rest is in the box's title.
    """

    suffix: ClassVar[str] = ".svg"
    widest: int = Field(default=28, ge=4)

    def export(self, spec: Spec) -> str:
        """The picture as an XML document."""
        drawing = Drawing.of(spec.architecture)
        boxes = _boxes(drawing, spec.architecture.topology, self.widest)
        width = max(b.right for b in boxes.values()) + MARGIN
        has_helpers = bool(spec.architecture.helpers)
        height = HEAD + ROW * len(spec.tasks) + 2 * MARGIN + LINE * has_helpers
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
            f'viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="title description">',
            '<title id="title">Sharing topology</title>',
            f'<desc id="description">{escape(_words(spec.architecture))}</desc>',
            f"<style>{STYLE}</style>",
            '<rect width="100%" height="100%" fill="#fff"/>',
            *_headings(spec.architecture.topology, boxes, self.widest),
            *(_curve(edge, boxes[edge.source], boxes[edge.target]) for edge in drawing.edges),
            *(_drawn(node, boxes[node.id]) for node in drawing.nodes),
            *([f'<text x="{MARGIN}" y="{height - MARGIN:g}" class="note">{_KEY}</text>'] if has_helpers else []),
            "</svg>",
        ]
        return "\n".join(lines) + "\n"


_KEY = "dashed: helper, trained there too and dropped at export"


@dataclass(frozen=True)
class _Box:
    """Where a node stands: left edge, width, middle and height, and what is written in it."""

    left: float
    width: float
    middle: float
    height: float
    lines: tuple[str, ...]

    @property
    def right(self) -> float:
        return self.left + self.width


def _boxes(drawing: Drawing, topology: Topology, widest: int) -> dict[str, _Box]:
    """Every node's box; tasks that part late stand next to each other, so that no two branches cross."""
    order = sorted(range(len(topology.tasks)), key=lambda k: [row[k] for row in topology.matrix])
    place = {k: row for row, k in enumerate(order)}
    columns: list[list[Node]] = [[] for _ in range(len(topology.stages) + 2)]
    for node in drawing.nodes:
        column = {"input": 0, "task": len(columns) - 1}.get(node.kind)
        columns[1 + _stage(node) if column is None else column].append(node)
    boxes, left = {}, float(MARGIN)
    for k, nodes in enumerate(columns):
        lines = {node.id: tuple(_short(line, widest) for line in _inside(node)) for node in nodes}
        head = _short(printable(topology.stages[k - 1]), widest) if 0 < k < len(columns) - 1 else ""
        width = max(_length(line) for line in (head, *(line for group in lines.values() for line in group))) + 2 * PAD
        for node in nodes:
            rows = [place[k] for k in _tasks(node, topology)]
            middle = HEAD + MARGIN + ROW * (sum(rows) / len(rows) + 0.5)
            height = LINE * len(lines[node.id]) + PAD
            boxes[node.id] = _Box(left, width, middle, height, lines[node.id])
        left += width + GAP
    return boxes


def _stage(node: Node) -> int:
    return int(node.id[1:].split("_")[0])


def _tasks(node: Node, topology: Topology) -> list[int]:
    """Indices of the tasks that pass through; names made printable may coincide."""
    everyone = range(len(topology.tasks))
    if node.kind == "task":
        return [int(node.id[1:])]
    return [k for k in everyone if node.kind == "input" or topology.matrix[_stage(node)][k] == node.copy]


def _inside(node: Node) -> tuple[str, ...]:
    return node.lines[1:] if node.kind == "stage" else node.lines  # the stage's name is the heading


def _short(text: str, widest: int) -> str:
    return text if len(text) <= widest else text[: widest - 1] + "…"


def _length(text: str) -> float:
    """Pixels that a line of 12 px takes at most, by the width of its signs."""
    return sum(12.5 if unicodedata.east_asian_width(c) in "WF" else 9.5 if c in "mwMW@%" else 6.9 for c in text)


def _headings(topology: Topology, boxes: dict[str, _Box], widest: int) -> list[str]:
    return [
        f'<text x="{boxes[f"s{s}_0"].left + boxes[f"s{s}_0"].width / 2:g}" y="{MARGIN + LINE}" text-anchor="middle" '
        f'class="head">{escape(_short(printable(name), widest))}</text>'
        for s, name in enumerate(topology.stages)
    ]


def _curve(edge: Edge, source: _Box, target: _Box) -> str:
    x, y, bend = source.right, source.middle, GAP / 2
    if edge.kind == "helper":  # apart from the task's own line where both come from one copy
        y += source.height / 4 if target.middle >= y else -source.height / 4
    way = f"M{x:g} {y:g}C{x + bend:g} {y:g} {target.left - bend:g} {target.middle:g} {target.left:g} {target.middle:g}"
    return f'<path class="{edge.kind}" d="{way}"/>'


def _drawn(node: Node, box: _Box) -> str:
    middle, first = box.left + box.width / 2, box.middle - LINE * (len(box.lines) - 1) / 2 + 4
    at, anchor = (box.left + PAD / 2, "start") if node.kind == "task" else (middle, "middle")
    text = "".join(
        f'<text x="{at:g}" y="{first + LINE * k:g}" text-anchor="{anchor}">{escape(line)}</text>'
        for k, line in enumerate(box.lines)
    )
    told = node.name if node.kind == "task" else f"{node.name}: {', '.join(node.tasks)}"
    shape = ""
    if node.kind == "stage":
        shape = (
            f'<rect x="{box.left:g}" y="{box.middle - box.height / 2:g}" width="{box.width:g}" '
            f'height="{box.height:g}" rx="5" class="{"shared" if len(node.tasks) > 1 else "own"}"/>'
        )
    return f"<g><title>{escape(told)}</title>{shape}{text}</g>"


def _words(architecture: Architecture) -> str:
    """The topology as sentences."""
    topology = architecture.topology
    said = [f"{plural(len(topology.tasks), 'task')} on {plural(len(topology.stages), 'stage')}."]
    for s, stage in enumerate(topology.stages):
        groups = topology.groups(s)
        copies = "; ".join(", ".join(group) for group in groups)
        said.append(f"{stage}: {len(groups)} {'copies' if len(groups) > 1 else 'copy'}: {copies}.")
    said += [f"Adapters of {a.stage}: {a.kind} {a.size} per {a.per}." for a in architecture.adapters if not a.is_none]
    said += [f"Helper: {h.task} trains along {h.along}." for h in architecture.helpers]
    return printable(" ".join(said))
