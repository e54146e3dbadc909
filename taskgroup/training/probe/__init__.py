"""Probe: all that an affinity measure may see of a network in training: move, look, put back."""

from taskgroup.training.probe.crossing import Crossing
from taskgroup.training.probe.gradients import Scales
from taskgroup.training.probe.probe import Batch, Probe
from taskgroup.training.probe.tower import Tower

__all__ = ["Batch", "Crossing", "Probe", "Scales", "Tower"]
