"""The text of a file around a network's statements."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from taskgroup.core.spec import Spec
from taskgroup.core.text import plural
from taskgroup.exporters.code.writer import Writer
from taskgroup.nn.flow import Flow, hidden

FLOW = '''
def joined(*flows):
    """Batches one after the other; a stage takes and gives a tensor, or a tuple with the hidden state first."""
    return tuple(torch.cat(parts) for parts in zip(*flows, strict=True))


def parted(flow, n):
    """The ``n`` batches that were joined."""
    return tuple(zip(*(part.chunk(n) for part in flow), strict=True))
'''

SHARE = '''
def share(module, first):
    """``module`` takes the parameters of ``first``; buffers, such as statistics, stay its own."""
    for name, parameter in first.named_parameters():
        owner, _, attribute = name.rpartition(".")
        setattr(module.get_submodule(owner), attribute, parameter)
'''

LOAD = '''
def load(path=None):
    """The network with its weights, in evaluation mode; by default with those beside this file."""
    network = Network()
    network.load_state_dict({load})
    return network.eval()
'''

MAIN = '''
if __name__ == "__main__":
    for task, output in load()({rows}).items():
        print(f"{{task}}: {{tuple(output.shape)}}")
'''


def network_text(spec: Spec, writer: Writer, ties: Sequence[str], rows: Flow, stem: str) -> str:
    """Classes of the stages, the class ``Network`` and the function ``load``.

    Args:
        spec: Of the network.
        writer: With its statements.
        ties: Statements that make parameters one.
        rows: A few inputs.
        stem: Name of the file without its ending.
    """
    text = "\n\n".join(
        ["", *(f"{source}\n" for source in writer.classes.sources.values()), _network_class(spec, writer, ties, rows)]
    )
    helpers = FLOW * writer.tuples + SHARE * bool(ties)
    return "\n".join([helpers, text, LOAD.format(load=_load(bool(ties)))])


def _load(shared: bool) -> str:
    return 'load_file(path or Path(__file__).with_suffix(".safetensors"))'
