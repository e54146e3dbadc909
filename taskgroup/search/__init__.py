"""Search: the space of architectures, the Optuna study over it, the choice of finalists and their confirmation.

The only package that knows Optuna; it never trains anything.
"""
