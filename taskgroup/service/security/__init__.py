"""What a request may be and ask for: hosts, origins, tokens, headers, documents, configs, names.

Knows the operator's settings. Knows nothing of jobs and routes; each check either passes or raises a ``RefusedError``.
"""
