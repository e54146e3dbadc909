"""Writes a spec, or the network it describes, in some format and reads specs back; knows nothing of how one was found.

Spec files are YAML or JSON; `dot`, `graphml`, `mermaid` and `svg` carry the topology as a graph to other tools. Those
need the spec alone, and load no torch. The formats of :data:`NETWORK_EXPORTERS` carry the network with its weights.
"""

from taskgroup.core.table import Table
from taskgroup.exporters.exporter import Exporter, NetworkExporter
from taskgroup.exporters.files import load_spec, save_spec

EXPORTERS: Table[type[Exporter]] = Table(
    "export format",
    "taskgroup.exporters",
    {
        "dot": "taskgroup.exporters.dot:Dot",
        "graphml": "taskgroup.exporters.graphml:GraphML",
        "json": "taskgroup.exporters.spec_json:Json",
        "mermaid": "taskgroup.exporters.mermaid:Mermaid",
        "svg": "taskgroup.exporters.svg:Svg",
        "yaml": "taskgroup.exporters.spec_yaml:Yaml",
    },
)

NETWORK_EXPORTERS: Table[type[NetworkExporter]] = Table(
    "export format",
    "taskgroup.network_exporters",
    {
        "lightning": "taskgroup.exporters.lightning:Lightning",
        "onnx": "taskgroup.exporters.onnx:Onnx",
        "peft": "taskgroup.exporters.peft:Peft",
        "python": "taskgroup.exporters.python:Python",
        "torch-export": "taskgroup.exporters.torch_export:TorchExport",
    },
)
"""Formats of the network with its weights; torch is loaded when one is made."""

__all__ = ["EXPORTERS", "NETWORK_EXPORTERS", "Exporter", "NetworkExporter", "load_spec", "save_spec"]
