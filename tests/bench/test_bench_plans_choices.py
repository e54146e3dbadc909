"""Rules of choice on arms by hand, and their table."""

from typing import Any

import numpy as np
import pytest
from plans_samples import STAGES, TASKS, made_row

from taskgroup.bench.plans.arms import OURS, SEPARATE, SHARED
from taskgroup.bench.plans.choices import RULES, rules_of_choice
from taskgroup.core.grouping import Grouping
from taskgroup.core.spec import Architecture, Cost
from taskgroup.core.topology import Topology
from taskgroup.pipeline.sections import ConfirmConfig
from taskgroup.search.choice import Arm

TREE = "trial 7"
SEEDS = np.array([-0.004, -0.002, 0.0, 0.002, 0.004])
NETWORKS = {
    SHARED: (1.0, Topology.shared(TASKS, STAGES)),
    TREE: (3.0, Topology.branched(Grouping.of(TASKS, [["a", "b"], ["c", "d"]]), STAGES, 0)),
    SEPARATE: (4.0, Topology.separate(TASKS, STAGES)),
}


def arms(errors: dict[str, float], rows: float) -> list[Arm]:
    """Arms whose errors hardly differ from seed to seed, the tree's from draw to draw of the rows by ``rows``."""
    found = []
    for name, error in errors.items():
        macs, topology = NETWORKS[name]
        cost = Cost(params=1, macs=1, params_ratio=macs, macs_ratio=macs)
        over_seeds = np.repeat((error * (1 + (name == TREE) * SEEDS))[:, None], len(TASKS), axis=1)
        luck = np.linspace(-rows, rows, 100) * (name == TREE)
        redrawn = over_seeds[:, None, :] * (1 + luck)[None, :, None]
        found.append(Arm(name, Architecture(topology=topology), cost, over_seeds, redrawn=redrawn))
    return found


@pytest.mark.parametrize(
    ("tree", "rows", "expected"),
    [
        (0.95, 0.01, [TREE, TREE, TREE, SEPARATE]),  # ahead, whoever looks
        (0.95, 0.20, [SEPARATE, TREE, TREE, SEPARATE]),  # rows leave it open
        (0.998, 0.01, [SEPARATE, SEPARATE, TREE, SEPARATE]),  # seeds do too
        (1.05, 0.01, [SEPARATE, SEPARATE, SEPARATE, SEPARATE]),
    ],
)
def test_rules_by_hand(tree: float, rows: float, expected: list[str]) -> None:
    those = arms({SHARED: 1.2, TREE: tree, SEPARATE: 1.0}, rows)
    assert [take(those, ConfirmConfig()).name for take in RULES.values()] == expected


def chosen(advantage: float, macs: float) -> dict[str, Any]:
    best = {"advantage": 0.02, "macs": 9.0}
    return {"choices": {rule: {"advantage": advantage, "macs": macs} if rule == "a plan's" else best for rule in RULES}}


def test_every_cell_has_the_same_weight() -> None:
    rows = [
        made_row(OURS, [0.1], **chosen(0.03, 2.0)),
        made_row("random topologies", [0.1], **chosen(-0.01, 8.0)),
        made_row(OURS, [0.1], seed=1, **chosen(-0.004, 1.0)),
        made_row(SHARED, [0.1]),
    ]
    table = rules_of_choice(rows)
    assert [(row["choices of"], row["rule"]) for row in table] == [
        (what, rule) for what in ("the flow", "all arms that confirm") for rule in RULES
    ]
    flow, every = (row for row in table if row["rule"] == "a plan's")
    assert [*flow.values()][2:] == [2, "+1.3 %", "0 %", "50 %", "1.41"]
    assert [*every.values()][2:] == [3, "+0.3 %", "25 %", "25 %", "2.00"]
    assert rules_of_choice([made_row(SHARED, [0.1])]) == []
