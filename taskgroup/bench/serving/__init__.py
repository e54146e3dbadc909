"""``bench service``: a real server under faults and load. Knows its processes by ``/proc``, and nothing of its insides.

The same pieces (a private PostgreSQL server, a Ray cluster on this machine, the process tree) serve the tests.
"""
