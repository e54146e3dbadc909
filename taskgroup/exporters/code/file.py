"""The text of a file around a network's statements."""

import re
from collections.abc import Sequence

from taskgroup.core.spec import Spec
from taskgroup.core.text import plural
from taskgroup.exporters.code.names import listed
from taskgroup.exporters.code.writer import Writer
from taskgroup.nn.flow import Flow

_FLOW = '''def joined(*flows):
    """Batches one after the other, as tuples with the hidden state first."""
    return tuple(torch.cat(parts) for parts in zip(*flows, strict=True))


def parted(flow, n):
    """The ``n`` batches that were joined."""
    return tuple(zip(*(part.chunk(n) for part in flow), strict=True))'''

_SHARE = '''def share(module, first):
    """``module`` takes the parameters of ``first``; its buffers, such as statistics, stay its own."""
    for name, parameter in first.named_parameters():
        owner, _, attribute = name.rpartition(".")
        setattr(module.get_submodule(owner), attribute, parameter)'''

_LOAD = '''def load(path=None):
    """The network with its weights, in evaluation mode; by default with those beside this file."""
    network = Network()
    weights = load_file(path or Path(__file__).with_suffix(".safetensors"))'''

_LOAD_SHARED = """    first = {}
    for name, parameter in network.named_parameters(remove_duplicate=False):
        weights.setdefault(name, weights[first.setdefault(id(parameter), name)])"""

_LOAD_END = """    network.load_state_dict(weights)
    return network.eval()"""


def network_code(spec: Spec, writer: Writer, ties: Sequence[str], rows: Flow) -> str:
    """Classes of the stages, the class ``Network`` and the function ``load``.

    Args:
        spec: Of the network.
        writer: With its statements.
        ties: Statements that make parameters one.
        rows: A few inputs.
    """
    load = [_LOAD, _LOAD_SHARED, _LOAD_END] if ties else [_LOAD, _LOAD_END]
    blocks = [
        *([_FLOW] if writer.tuples else []),
        *([_SHARE] if any(tie.startswith("share(") for tie in ties) else []),
        *writer.classes.sources.values(),
        _network_class(spec, writer, ties, rows),
        "\n".join(load),
    ]
    return "\n\n\n".join(blocks)


def imports(code: str, more: Sequence[str] = ()) -> str:
    """The imports that ``code`` needs, and ``more`` of other packages."""
    standard = ["from collections import OrderedDict"] if "OrderedDict(" in code else []
    standard += ["import math"] if re.search(r"\bmath\.", code) else []
    third = ["import torch", *more, "from safetensors.torch import load_file", "from torch import nn"]
    third += ["from torch.nn import functional as F"] if re.search(r"\bF\.", code) else []
    order = sorted(standard, key=lambda line: (line.startswith("from"), line))
    return "\n".join([*order, "from pathlib import Path", "", *sorted(third, key=lambda x: (x.startswith("from"), x))])


def zeros(rows: Flow, *n_rows: int) -> str:
    """Source of an input like those in ``rows``: one example, or ``n_rows`` of them."""
    parts = rows if isinstance(rows, tuple) else (rows,)
    made = []
    for part in parts:
        dtype = "" if str(part.dtype) == "torch.float32" else f", dtype={part.dtype}"
        shape = (*n_rows, *part.shape[1:])
        made.append(f"torch.zeros({listed(map(str, shape)) or '()'}{dtype})")
    return f"({listed(made)},)" if isinstance(rows, tuple) else made[0]


def _network_class(spec: Spec, writer: Writer, ties: Sequence[str], rows: Flow) -> str:
    tasks = plural(len(spec.tasks), "task")
    what = "a tuple of tensors" if isinstance(rows, tuple) else f"shape ``(batch, {listed(map(str, rows.shape[1:]))})``"
    return "\n".join(
        [
            "class Network(nn.Module):",
            f'    """{tasks} on {plural(len(spec.trunk.stages), "stage")}; each part runs once, whoever it serves."""',
            "",
            "    def __init__(self):",
            "        super().__init__()",
            *(f"        {line}" for line in (*writer.init, *ties)),
            "",
            "    def forward(self, rows):",
            f'        """Task -> output, shape ``(batch, n_outputs)``, for rows of {what}."""',
            *(f"        {line}" for line in writer.forward),
        ]
    )


def heading(spec: Spec, needs: str) -> str:
    """The docstring of the file."""
    counted = f"{plural(len(spec.tasks), 'task')}, {plural(len(spec.trunk.stages), 'stage')}"
    return "\n".join(
        [
            f'"""Network of the taskgroup spec {spec.fingerprint} ({counted}).',
            "",
            f"Needs {needs}, not taskgroup. The weights lie beside this file, under its name with the",
            "ending `.safetensors`. `load()(rows)` gives task -> output, for rows as it was trained on: if the job",
            "standardized or encoded its inputs, a file ending in `.preprocessing.json` beside this one says how.",
            '"""',
        ]
    )
