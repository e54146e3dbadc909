"""The one training loop, its batches, losses, metrics and callbacks, and the probe.

Knows nothing of topologies: it trains anything that is a :class:`taskgroup.training.model.MultiTaskModel`.
"""
