"""Names of stages that were found, not given."""

from collections.abc import Iterable

from taskgroup.core.affinity import TRUNK
from taskgroup.nn.cutting.traced import Traced


def stage_names(traced: Traced, ends: Iterable[int]) -> list[str]:
    """A name for each stage that ends behind so many steps: its last submodule's path, dots to underscores, unique."""
    names: list[str] = []
    start = 0
    for end in ends:
        name = _last_part(traced, start, end).replace(".", "_")
        taken = {TRUNK, *names}
        free = (f"{name}_{k}" for k in range(2, len(names) + 3) if f"{name}_{k}" not in taken)
        names.append(next(free) if name in taken else name)
        start = end
    return names


def _last_part(traced: Traced, start: int, end: int) -> str:
    """The outermost of the submodules that run last within the stage, else the last graph node."""
    within = [call for call in traced.calls if start <= call.start < call.stop <= end]
    if not within:
        return traced.steps[end - 1].name
    return max(within, key=lambda call: (call.stop, -call.start)).path
