"""Balancing: which of the possible places to cut at."""

from collections.abc import Sequence

from taskgroup.errors import InputError

START = -1


def balanced(macs: Sequence[int], weights: Sequence[int], n_stages: int, names: Sequence[str]) -> list[int]:
    """Ends of ``n_stages`` stages: the largest share of multiply-accumulates of a stage is least.

    Among equal choices the one whose shares are the most even (least sum of squares), then the latest, so that
    activations and pooling stay with the layer before them. Every stage holds parameters: without any, two copies of it
    would be the same.

    Cost: ``O(n_stages * P^2)`` for ``P`` places with parameters in between.

    Args:
        macs: Multiply-accumulates up to each possible end, the last of which is the end of everything.
        weights: Number of uses of parameters up to each.
        n_stages: Number of stages.
        names: Names of the places, the end left out, for the error sentence.

    Returns:
        Indices into ``macs``, ascending; the last one is the last.

    Raises:
        InputError: Fewer places than stages.
    """
    most = max(len({w for w in weights if w}), 1)
    if not 1 <= n_stages <= most:
        places = f"which can be cut after {', '.join(names)}" if names else "which can be cut nowhere"
        raise InputError(
            f"trunk: `n_stages` should be from 1 to {most} for this module, {places} (every stage holds parameters), "
            f"found {n_stages}"
        )
    ends = _latest(macs, weights)
    steps = _steps(ends, macs, weights) if n_stages > 1 else {ends[-1]: {START: macs[-1]}}
    limit = _least_largest(steps, n_stages)[ends[-1]]
    return list(_most_even(steps, n_stages, limit)[ends[-1]][2])


def _latest(macs: Sequence[int], weights: Sequence[int]) -> list[int]:
    """The last of each run of places that have nothing weighed between them."""
    last = dict(zip(zip(macs, weights, strict=True), range(len(macs)), strict=True))
    return sorted(last.values())


def _steps(ends: Sequence[int], macs: Sequence[int], weights: Sequence[int]) -> dict[int, dict[int, int]]:
    """Multiply-accumulates of each possible stage: end → end of the stage before → figure."""
    found = {}
    for end in ends:
        starts = {START: macs[end]} if weights[end] else {}
        starts |= {other: macs[end] - macs[other] for other in ends if other < end and weights[other] < weights[end]}
        found[end] = starts
    return found


def _least_largest(steps: dict[int, dict[int, int]], n_stages: int) -> dict[int, int]:
    """The least possible largest stage, by the end of the last stage."""
    reached = {START: 0}
    for _ in range(n_stages):
        reached = {
            end: min(max(reached[start], cost) for start, cost in starts.items() if start in reached)
            for end, starts in steps.items()
            if any(start in reached for start in starts)
        }
    return reached


def _most_even(
    steps: dict[int, dict[int, int]], n_stages: int, limit: int
) -> dict[int, tuple[int, int, tuple[int, ...]]]:
    """The least sum of squares, then the latest ends, with no stage above ``limit``."""
    reached: dict[int, tuple[int, int, tuple[int, ...]]] = {START: (0, 0, ())}
    for _ in range(n_stages):
        after = {}
        for end, starts in steps.items():
            found = [
                (reached[start][0] + cost**2, reached[start][1] - end, (*reached[start][2], end))
                for start, cost in starts.items()
                if start in reached and cost <= limit
            ]
            if found:
                after[end] = min(found)
        reached = after
    return reached
