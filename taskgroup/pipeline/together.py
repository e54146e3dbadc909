"""Together: confirmations of one candidate under several seeds as one batched training, where that is faster."""

from collections.abc import Sequence

from taskgroup.core.trial import TrialSpec
from taskgroup.nn.network import SharedNetwork
from taskgroup.pipeline.networks import make_network, rows_of
from taskgroup.pipeline.prepared import Prepared
from taskgroup.training.data import Rows
from taskgroup.training.loop import DivergedError, Trained
from taskgroup.training.stackable import together_fault
from taskgroup.training.together import train_together


def together_seeds(prepared: Prepared, members: Sequence[TrialSpec]) -> tuple[int, ...]:
    """Seeds of ``members``, which differ in nothing else, where they are trained together; else none of them.

    It follows from network, data, options and seeds alone, never from the number of workers or from timing: a job that
    goes on elsewhere decides alike.

    Cost: about two steps.
    """
    first, seeds = members[0], tuple(spec.seed for spec in members)
    try:
        rows = [train for train, _ in _rows(members, prepared)]
        fault = together_fault(make_network(first, prepared), prepared.tasks, rows, first.train, seeds)
    except Exception:  # whatever a user's trunk raises is told by the trial itself
        return ()
    return seeds if fault is None else ()


def grouped(prepared: Prepared, specs: Sequence[TrialSpec]) -> list[TrialSpec]:
    """``specs``, which differ in their seeds alone, as members of one group where they are trained together.

    Where they divide rows anew, divisions are numbered in their order.
    """
    together = together_seeds(prepared, specs)
    return [spec.model_copy(update={"together": together}) for spec in specs]


def train_group(spec: TrialSpec, prepared: Prepared) -> list[tuple[TrialSpec, SharedNetwork, Trained | DivergedError]]:
    """Every member of the group that ``spec`` is of, with its network and what became of its training."""
    members = spec.members
    networks = [make_network(member, prepared) for member in members]
    found = train_together(networks, prepared.tasks, _rows(members, prepared), spec.train, spec.together)
    return list(zip(members, networks, found, strict=True))


def _rows(members: Sequence[TrialSpec], prepared: Prepared) -> list[tuple[Rows, Rows]]:
    """Of each member; the same object for all where they are the same."""
    if members[0].division is None:
        return [rows_of(members[0], prepared)] * len(members)
    return [rows_of(member, prepared) for member in members]
