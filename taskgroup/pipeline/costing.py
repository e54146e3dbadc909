"""Costing: what each part of a plan's network costs, beside sharing everything and sharing nothing."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from taskgroup.core.spec import Architecture, Cost, Spec
from taskgroup.core.topology import Topology
from taskgroup.errors import InputError
from taskgroup.nn.build import build
from taskgroup.nn.cost import CostModel, Part
from taskgroup.nn.measured import Measured, measured_together
from taskgroup.nn.network import SharedNetwork
from taskgroup.pipeline.loading import find_trunk, inputs_of, read_spec

if TYPE_CHECKING:
    from torch import Tensor

    from taskgroup.nn.trunk import Trunk

PLAN, SHARED, SEPARATE = "plan", "all-shared", "all-separate"
"""The networks that are compared."""


@dataclass(frozen=True)
class CostTable:
    """Costs of a plan at inference: helpers are gone by then.

    Attributes:
        parts: Every copy of a stage, adapter and head; their sums are the plan's cost.
        costs: Of the ``plan``, ``all-shared`` and ``all-separate``.
        batch: Rows that were measured with.
        measured: Latency and memory of the three, where asked for.
    """

    parts: tuple[Part, ...]
    costs: dict[str, Cost]
    batch: int = 0
    measured: dict[str, Measured] = field(default_factory=dict)


def cost_table(
    spec: Spec | str | Path,
    trunk: "Trunk | str | None" = None,
    *,
    measure: bool = False,
    batch: int = 32,
    repeats: int = 20,
) -> CostTable:
    """What a plan's network costs, part by part, by the cost model that search uses; the same as ``taskgroup cost``.

    Args:
        spec: A spec, a spec file, or the folder of a job.
        trunk: The stages, where the spec does not name a built-in trunk: a trunk, or ``module:function`` that gives
            one (the current folder is searched first). A job's folder knows its own.
        measure: Also build the network, the one that shares everything and the one that shares nothing, and run them
            by turns: latency, and the most memory that activations take (:func:`taskgroup.nn.measured.measured`).
        batch: Rows that they run on; the job's own inputs, else random ones.
        repeats: Timed runs.

    Raises:
        InputError: No such spec, a trunk that does not fit, or ``batch`` or ``repeats`` below 1.
    """
    for name, value in (("batch", batch), ("repeats", repeats)):
        if value < 1:
            raise InputError(f"cost_table: `{name}` should be at least 1, found {value}")
    place = None if isinstance(spec, Spec) else Path(spec)
    found = spec if isinstance(spec, Spec) else read_spec(Path(spec))
    network = build(found, find_trunk(place, trunk))
    wanted = _compared(found.architecture)
    model = CostModel.of(network.trunk, found.tasks, inputs_of(found, place, 2))
    parts, costs = model.parts(wanted[PLAN]), {name: model.cost(one) for name, one in wanted.items()}
    if not measure:
        return CostTable(tuple(parts), costs)
    rows = inputs_of(found, place, batch)
    return CostTable(tuple(parts), costs, batch, _measured(network, wanted, rows, repeats))


def _compared(architecture: Architecture) -> dict[str, Architecture]:
    tasks, stages, size = architecture.topology.tasks, architecture.topology.stages, architecture.head_size
    return {
        PLAN: architecture.model_copy(update={"helpers": ()}),
        SHARED: Architecture(topology=Topology.shared(tasks, stages), head_size=size),
        SEPARATE: Architecture(topology=Topology.separate(tasks, stages), head_size=size),
    }


def _measured(
    network: SharedNetwork, wanted: dict[str, Architecture], rows: "Tensor", repeats: int
) -> dict[str, Measured]:
    built = {
        name: SharedNetwork(network.tasks, one, network.trunk, network.sites, seed=0) for name, one in wanted.items()
    }
    return measured_together(built, rows, repeats=repeats)
