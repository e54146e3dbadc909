"""Architectures with every kind of adapter, own statistics and hidden heads, and topologies that refine them."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from small_networks import BUILT_IN, NAMES, ROWS, TASKS, TRUNKS_OF, random_architecture

from taskgroup.adapters import ADAPTERS
from taskgroup.core.grouping import canonical_labels
from taskgroup.core.spec import AdapterSpec, Architecture
from taskgroup.core.topology import Topology
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.sites import sites_of
from taskgroup.nn.trunk import Trunk

OWN_NORM = "conv, own statistics"
TRUNKS = {**TRUNKS_OF, OWN_NORM: Trunk(TRUNKS_OF["conv"].stages, norm="per_task")}
EXAMPLES = {**ROWS, OWN_NORM: ROWS["conv"]}
SITES = {name: sites_of(TRUNKS[name], EXAMPLES[name]) for name in TRUNKS}
ALL = [*BUILT_IN, OWN_NORM]


def network_on(name: str, architecture: Architecture, seed: int = 0) -> SharedNetwork:
    return SharedNetwork(TASKS, architecture, TRUNKS[name], SITES[name], seed)


def kinds_at(name: str, stage: int) -> list[str]:
    """Kinds of adapters that can stand there."""
    return [kind for kind in ADAPTERS.names if not ADAPTERS.create(kind, {"size": 1}).fault(SITES[name][stage])]


def adapted(name: str, seed: int) -> Architecture:
    """Random topology, helpers and heads; behind and in most stages adapters for all tasks, or two kinds for some."""
    rng = np.random.default_rng(seed)
    plain = random_architecture(seed, TRUNKS[name].names, helpers=True)
    entries = []
    for s, stage in enumerate(TRUNKS[name].names):
        sides = rng.integers(0, 3, len(NAMES)) if rng.random() < 0.5 else np.zeros(len(NAMES), dtype=int)
        for side in range(2 if rng.random() < 0.8 else 0):
            tasks = tuple(t for t, at in zip(NAMES, sides, strict=True) if at == side)
            if tasks:
                entries.append(_entry(rng, stage, kinds_at(name, s), None if tasks == NAMES else tasks))
    return Architecture(
        topology=plain.topology, adapters=tuple(entries), helpers=plain.helpers, head_size=int(rng.choice([0, 0, 3]))
    )


def _entry(rng: np.random.Generator, stage: str, kinds: Sequence[str], tasks: tuple[str, ...] | None) -> AdapterSpec:
    kind = str(rng.choice(kinds))
    size = int(rng.integers(0, 4)) if kind in ("bottleneck", "lora") else 1
    per, everywhere = ("task", "branch")[rng.integers(2)], bool(rng.random() < 0.3)
    return AdapterSpec(stage=stage, kind=kind, size=size, per=per, tasks=tasks, everywhere=everywhere)


def refinement(topology: Topology, seed: int) -> Topology:
    """A random topology whose tasks are apart wherever they are in ``topology``, and mostly in more places."""
    rng = np.random.default_rng(seed)
    matrix = []
    above: tuple[int, ...] = (0,) * len(NAMES)
    for row in topology.matrix:
        fresh = rng.integers(0, rng.choice([1, 1, 2, 4]), len(NAMES))
        above = canonical_labels(100 * old + 10 * new + int(k) for old, new, k in zip(above, row, fresh, strict=True))
        matrix.append(above)
    return Topology(tasks=topology.tasks, stages=topology.stages, matrix=tuple(matrix))


numbers = st.integers(0, 2**31)
