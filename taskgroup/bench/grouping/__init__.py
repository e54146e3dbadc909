"""``bench grouping``: knows published tables of group scores; trains nothing, as every network's score is in them."""
