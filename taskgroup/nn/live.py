"""Live memory: bytes of the tensors that exist while something runs, on any device, counted and not sampled."""

import weakref
from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is on, adds up the storages that operations allocate, until they are freed.

    What an operation needs inside itself only (workspaces of convolutions) is not seen. Views count once.

    Args:
        known: Tensors that existed before; their storages do not count.

    Attributes:
        now: Bytes that live now.
        peak: The most that lived at once.
    """

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now: int = 0
        self.peak: int = 0
        self._refs: dict[int, weakref.ref[Any]] = {}
        self._known = [tensor.untyped_storage() for tensor in known]  # held, so that no address is used again
        self._before = {storage._cdata for storage in self._known}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation and count what came of it."""
        found = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(found):
            if isinstance(leaf, Tensor):
                self._count(leaf.untyped_storage())
        return found

    def _count(self, storage: Any) -> None:
        address, n_bytes = storage._cdata, storage.nbytes()
        if address in self._before or address in self._refs:
            return

        def freed(_: Any) -> None:
            del self._refs[address]
            self.now -= n_bytes

        self._refs[address] = weakref.ref(storage, freed)
        self.now += n_bytes
        self.peak = max(self.peak, self.now)
