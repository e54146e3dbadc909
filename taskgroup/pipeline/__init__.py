"""The job: config, steps, controller, executors and the run directory; knows nothing of terminals or HTTP."""
