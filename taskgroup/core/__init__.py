"""Pure data: tasks, affinities, groupings, topologies, specs, trials; knows nothing of torch, optuna or files."""
