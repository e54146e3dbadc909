"""Together: confirmations of one candidate under several seeds as one batched training, where that is faster."""

from collections.abc import Sequence

from taskgroup.core.trial import TrialSpec
from taskgroup.nn.network import SharedNetwork
from taskgroup.pipeline.networks import make_network
from taskgroup.pipeline.prepared import Prepared
from taskgroup.training.loop import DivergedError, Trained
from taskgroup.training.stackable import together_fault
from taskgroup.training.together import train_together


def together_seeds(prepared: Prepared, spec: TrialSpec, seeds: Sequence[int]) -> tuple[int, ...]:
    """``seeds`` where networks of ``spec`` are trained together under them, else none of them.

    It follows from network, data, options and seeds alone, never from the number of workers or from timing: a job that
    goes on elsewhere decides alike.

    Cost: about two steps.
    """
    try:
        fault = together_fault(make_network(spec, prepared), prepared.tasks, prepared.rows("train"), spec.train, seeds)
    except Exception:  # whatever a user's trunk raises is told by the trial itself
        return ()
    return tuple(seeds) if fault is None else ()


def grouped(prepared: Prepared, specs: Sequence[TrialSpec]) -> list[TrialSpec]:
    """``specs``, which differ in their seeds alone, as members of one group where they are trained together."""
    together = together_seeds(prepared, specs[0], [spec.seed for spec in specs])
    return [spec.model_copy(update={"together": together}) for spec in specs]


def train_group(spec: TrialSpec, prepared: Prepared) -> list[tuple[TrialSpec, SharedNetwork, Trained | DivergedError]]:
    """Every member of the group that ``spec`` is of, with its network and what became of its training."""
    members = [spec.model_copy(update={"seed": seed}) for seed in spec.together]
    networks = [make_network(member, prepared) for member in members]
    rows = prepared.rows("train"), prepared.rows("val")
    found = train_together(networks, prepared.tasks, *rows, spec.train, spec.together)
    return list(zip(members, networks, found, strict=True))
