"""Pruning: stop a training that is below its bar at a validation check."""

from collections.abc import Sequence

from taskgroup.core.gain import mean_gain
from taskgroup.core.trial import Bar, Check
from taskgroup.training.loop import Callback


class Pruning(Callback):
    """Stops at the first check where the gain over the reference at the same step is below the bar."""

    def __init__(self, bars: Sequence[Bar]) -> None:
        self.bars = {bar.step: bar for bar in bars}

    def after_check(self, check: Check) -> bool:
        """Compare at equal steps, paired by seed and batches."""
        bar = self.bars.get(check.step)
        return bar is not None and mean_gain(check.errors, bar.reference) < bar.gain
