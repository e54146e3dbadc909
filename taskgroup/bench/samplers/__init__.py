"""``bench samplers``: which sampler and which encoding find good topologies, replayed on recorded tables."""
