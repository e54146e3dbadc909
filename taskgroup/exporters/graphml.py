"""The topology as GraphML, for graph tools and for networkx."""

import json
from typing import ClassVar

from taskgroup.core.spec import Spec
from taskgroup.core.task import Frozen
from taskgroup.exporters.drawing import Drawing, Node


class GraphML(Frozen):
    """GraphML as networkx writes it.

    Nodes carry ``label``, ``kind`` (input, stage, task), ``name``, ``copy``, ``n_tasks``, ``tasks`` (a JSON list)
    and, where there are adapters, ``adapters`` (a JSON list of ``kind``, ``size``, ``per``); edges carry ``kind``
    (flow, helper) and ``style`` (solid, dashed).
    """

    suffix: ClassVar[str] = ".graphml"

    def export(self, spec: Spec) -> str:
        """The graph as an XML document."""
        import networkx as nx

        drawing = Drawing.of(spec.architecture)
        # a multigraph, because a helper may run beside the task's own edge
        graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
        for node in drawing.nodes:
            graph.add_node(node.id, **_attributes(node))
        for edge in drawing.edges:
            style = "dashed" if edge.kind == "helper" else "solid"
            graph.add_edge(edge.source, edge.target, kind=edge.kind, style=style)
        declaration = '<?xml version="1.0" encoding="utf-8"?>'
        return "\n".join([declaration, *nx.generate_graphml(graph)]) + "\n"


def _attributes(node: Node) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        "label": " | ".join(node.lines),
        "kind": node.kind,
        "name": node.name,
        "copy": node.copy,
        "n_tasks": len(node.tasks),
        "tasks": json.dumps(node.tasks, ensure_ascii=False),
    }
    if node.adapters:
        adapters = [a.model_dump(mode="json", exclude={"stage"}) for a in node.adapters]
        attributes["adapters"] = json.dumps(adapters, ensure_ascii=False)
    return attributes
