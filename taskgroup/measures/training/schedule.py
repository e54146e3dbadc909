"""Schedule: how often to look, from what a look costs beside a training step."""

from math import ceil

from taskgroup.measures.training.lookahead import GUARD_EVERY, Lookahead
from taskgroup.training.probe import Tower


def overhead_for(n_tasks: int) -> float:
    """Share of the training that looks may cost: 0.12 up to 12 tasks, growing with their number to 0.6 from 60 on."""
    return min(0.6, 0.12 * max(1.0, n_tasks / 12))


def look_cost(measure: object, tower: Tower | None, n_tasks: int) -> float:
    """About how many training steps a look costs, from ``results/bench/lookahead.md``; the same on every machine.

    Args:
        measure: Whatever looks; of lookahead the mode is known, anything else counts as the first order.
        tower: The network; None where it is a black box.
        n_tasks: T.
    """
    mode = measure.mode if isinstance(measure, Lookahead) else "first_order"
    plain = tower is not None and tower.plain
    first = 1.45 if plain else 0.5 + 0.5 * n_tasks
    exact = min(3.0 + 0.04 * n_tasks, 12.0) if plain else 0.5 + 0.8 * n_tasks
    if isinstance(measure, Lookahead) and mode == "sampled":
        if measure.sample == "signs":
            return measure.draws * (1.0 + 0.5 * (1 + len(tower.stages) if tower else 4))
        return first + measure.draws * 0.3
    return {"exact": exact, "auto": first + 0.8 / GUARD_EVERY}.get(mode, first)


def looks_every(cost: float, n_steps: int, overhead: float, min_looks: int) -> int:
    """Steps from one look to the next.

    Args:
        cost: Of a look, in training steps.
        n_steps: Length of the training.
        overhead: Share of the training that looks may cost.
        min_looks: Looks that a training gets however dear they are: fewer say nothing.
    """
    return max(1, min(ceil(cost / overhead), n_steps // min_looks))
