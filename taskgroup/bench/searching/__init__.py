"""``bench search``: what choosing the next candidate costs, what the surrogate finds, seeds trained at once."""
