"""Reading: outputs of heads from the last streams of a route."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from taskgroup.nn.flow import hidden
from taskgroup.nn.running import Lane, Stream, flow_of, lying_together
from taskgroup.nn.siblings import Siblings

FEWEST_HEADS = 4
"""Linear heads on one stream are computed as one matrix from this number on."""


class Reader:
    """The heads on one stream.

    Attributes:
        stream: Index of the stream.
        names: Of the outputs.
        heads: One a name.
        joined: Whether they are computed as one matrix.
    """

    def __init__(self, stream: int, names: tuple[str, ...], heads: tuple[nn.Module, ...]) -> None:
        self.stream, self.names, self.heads = stream, names, heads
        self.joined = len(heads) >= FEWEST_HEADS and all(isinstance(head, nn.Linear) for head in heads)

    def __call__(self, features: Tensor) -> Sequence[Tensor]:
        """Their outputs; linear ones as one matrix: hundreds of tasks cost little more than one."""
        if not self.joined:
            return [head(features) for head in self.heads]
        layers = cast("Sequence[nn.Linear]", self.heads)
        weight, bias = torch.cat([layer.weight for layer in layers]), torch.cat([layer.bias for layer in layers])
        return torch.split(F.linear(features, weight, bias), [layer.out_features for layer in layers], dim=1)


class Readers:
    """All heads that are asked for.

    Args:
        places: Name of the output → index of its stream and its head, in the order of the outputs.
    """

    def __init__(self, places: Mapping[str, tuple[int, nn.Module]]) -> None:
        self._names = tuple(places)
        streams = dict.fromkeys(stream for stream, _ in places.values())
        self._readers = []
        for stream in streams:
            names = tuple(name for name, (at, _) in places.items() if at == stream)
            self._readers.append(Reader(stream, names, tuple(places[name][1] for name in names)))
        self._alone = len(self._readers) > 1 and all(len(reader.names) == 1 for reader in self._readers)
        few = not any(reader.joined for reader in self._readers)
        self._each = [(name, *place) for name, place in places.items()] if few else []
        self._in_order = [name for reader in self._readers for name in reader.names] == list(self._names)

    def __call__(self, streams: Sequence[Stream]) -> dict[str, Tensor]:
        """Outputs by name."""
        lying = self._alone and isinstance(streams[self._readers[0].stream], Lane)
        outputs = self._as_one(streams) if lying else None
        if outputs is None and self._each:
            return {name: head(hidden(flow_of(streams[at]))) for name, at, head in self._each}
        if outputs is None:
            outputs = {}
            for reader in self._readers:
                outputs.update(zip(reader.names, reader(hidden(flow_of(streams[reader.stream]))), strict=True))
        return outputs if self._in_order else {name: outputs[name] for name in self._names}

    def _as_one(self, streams: Sequence[Stream]) -> dict[str, Tensor] | None:
        """Outputs of heads with a stream each, where the streams lie together; None where they do not."""
        read = [streams[reader.stream] for reader in self._readers]
        wide = lying_together(read, len(read))
        found = Siblings.heads(wide, [reader.heads[0] for reader in self._readers]) if wide else None
        return {r.names[0]: output for r, output in zip(self._readers, found, strict=True)} if found else None
