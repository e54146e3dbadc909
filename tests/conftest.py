"""What holds for every test."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Two cores serve several test processes, and sums come out the same whatever the machine."""
    import scipy.linalg  # noqa: F401  # brings a BLAS of its own
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(1)
