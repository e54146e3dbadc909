"""Selection knows scores of groups and finds the best set of networks; it knows nothing of affinities or training."""
