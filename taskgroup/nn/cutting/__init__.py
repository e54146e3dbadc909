"""Cutting: where a module can be cut, and the stages it falls into. Knows nothing of tasks or topologies."""

from taskgroup.nn.cutting.points import CutPoint as CutPoint
from taskgroup.nn.cutting.points import cut_points as cut_points
