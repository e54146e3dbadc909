"""Networks: trunks cut into stages, the network that a topology makes of them, and what it costs.

Knows nothing of affinities, of Optuna or of where a topology came from.
"""
