"""``bench confirm``: how often intervals hold the truth, how often luck wins, what it takes to see an advantage."""
