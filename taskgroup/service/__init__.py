"""The service: a queue of durable jobs in one database, the processes that run them, and the doors to both over HTTP.

Knows jobs, events, leases, runners, requests. Knows nothing of how a plan is found: each job is the pipeline's
``run_job`` in a process of its own.
"""
