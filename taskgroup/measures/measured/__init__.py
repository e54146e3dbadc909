"""Measured facts in the shape of an affinity: gains of really trained pairs, or a matrix of the user's own."""
