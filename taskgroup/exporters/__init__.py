"""Writes a spec as text of some format and reads it back; knows nothing of how it was found, nor of torch.

Spec files are YAML or JSON; `dot`, `graphml` and `mermaid` carry the topology as a graph to other tools.
"""

from taskgroup.core.table import Table
from taskgroup.exporters.exporter import Exporter
from taskgroup.exporters.files import load_spec, save_spec

EXPORTERS: Table[type[Exporter]] = Table(
    "export format",
    "taskgroup.exporters",
    {
        "dot": "taskgroup.exporters.dot:Dot",
        "graphml": "taskgroup.exporters.graphml:GraphML",
        "json": "taskgroup.exporters.spec_json:Json",
        "mermaid": "taskgroup.exporters.mermaid:Mermaid",
        "yaml": "taskgroup.exporters.spec_yaml:Yaml",
    },
)

__all__ = ["EXPORTERS", "Exporter", "load_spec", "save_spec"]
