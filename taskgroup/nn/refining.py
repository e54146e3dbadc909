"""Refining: which adapters a finer topology takes over from a coarser one; no tensors here."""

from collections.abc import Iterator

from taskgroup.core.spec import AdapterSpec, Architecture
from taskgroup.core.topology import Topology
from taskgroup.errors import InputError
from taskgroup.nn.routes import Place, places


def carried(architecture: Architecture, topology: Topology) -> Architecture:
    """The adapters, helpers and heads of ``architecture`` on a topology that refines its own.

    Entries stay as they are, but for tasks that had an adapter and now have the copy to themselves: theirs are kept
    ``everywhere``, for the tasks that had one.
    """
    entries = tuple(_carried(entry, architecture, topology) for entry in architecture.adapters)
    return Architecture(
        topology=topology, adapters=entries, helpers=architecture.helpers, head_size=architecture.head_size
    )


def _carried(entry: AdapterSpec, architecture: Architecture, topology: Topology) -> AdapterSpec:
    old, s = architecture.topology, topology.stages.index(entry.stage)
    live = {t for m in old.modules() if m.stage == s and entry in architecture.adapters_of(m) for t in m.tasks}
    had = tuple(t for t in topology.tasks if t in live and entry.serves(t))
    if entry.everywhere or not any(group[0] in had for group in topology.groups(s) if len(group) == 1):
        return entry
    everyone = all(t in had for t in topology.tasks if entry.serves(t))
    return entry.model_copy(update={"everywhere": True, "tasks": entry.tasks if everyone else had})


def check_refines(old: Topology, new: Topology) -> None:
    """That tasks which ``old`` parts stay apart in ``new``.

    Raises:
        InputError: They do not, or tasks or stages are others.
    """
    for what, ours, found in (("tasks", old.tasks, new.tasks), ("stages", old.stages, new.stages)):
        if ours != found:
            raise InputError(f"fork: {what} should be the network's {list(ours)}, found {list(found)}")
    for s, stage in enumerate(old.stages):
        for group in new.groups(s):
            parts = [", ".join(t for t in group if t in before) for before in old.groups(s)]
            apart = [part for part in parts if part]
            if len(apart) > 1:
                raise InputError(
                    f"fork: tasks that are apart in the network should stay apart, found {' and '.join(apart)} "
                    f"together at `{stage}`; build and train that topology afresh"
                )


def check_keeps(old: Architecture, new: Architecture) -> None:
    """That what ``old`` computes can be computed by ``new``, which refines it.

    Raises:
        InputError: An adapter that ``new`` lacks, or has otherwise, or has once where there were several; other heads.
    """
    faults = [fault for s in range(len(old.topology.stages)) for fault in _changes(old, new, s)]
    if old.head_size != new.head_size:
        faults.append(
            f"fork: head_size should stay {old.head_size}, or outputs would change, found {new.head_size}; keep it"
        )
    if faults:
        raise InputError(faults)


def origins(old: Architecture, new: Architecture, stage: int) -> list[int | None]:
    """For every adapter of ``new`` at ``stage``, which of ``old`` served its tasks there; None where none did."""
    before = _by_task(places(old, stage))
    return [before.get(place.tasks[0]) for place in places(new, stage)]


def _changes(old: Architecture, new: Architecture, stage: int) -> Iterator[str]:
    """What would change outputs at ``stage``, in sentences."""
    name, before, after = old.topology.stages[stage], places(old, stage), places(new, stage)
    served, serving = _by_task(before), _by_task(after)
    lost: dict[tuple[str, str], list[str]] = {}
    for t, k in served.items():
        found = _words(after[serving[t]].entry) if t in serving else "none"
        if found != _words(before[k].entry):
            lost.setdefault((_words(before[k].entry), found), []).append(t)
    for (was, found), tasks in lost.items():
        yield (
            f"fork: the adapter {was} at `{name}` of {', '.join(tasks)} should stay, or outputs would change, "
            f"found {found}; keep its entry, with `everywhere: true` where a copy serves one task"
        )
    for place in after:
        if len({served.get(t) for t in place.tasks}) > 1 and not any(set(place.tasks) & set(x) for x in lost.values()):
            yield (
                f"fork: at `{name}` the tasks {', '.join(place.tasks)} should keep the adapters they have, or outputs "
                "would change, found one for all of them; give it `per: task`, or name its `tasks`"
            )


def _by_task(found: list[Place]) -> dict[str, int]:
    return {t: k for k, place in enumerate(found) for t in place.tasks}


def _words(entry: AdapterSpec) -> str:
    return f"{entry.kind} {entry.size}"
