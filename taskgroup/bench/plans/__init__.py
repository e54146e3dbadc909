"""``bench plans``: the whole flow against what one would do otherwise, at equal compute, on real data."""
