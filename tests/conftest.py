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


@pytest.fixture(autouse=True, scope="session")
def _fork_server() -> None:
    """A process has one fork server: whichever test starts it, those that come later find what they need loaded."""
    from taskgroup.pipeline.executors import fork_server
    from taskgroup.service.scheduler import LOADED

    fork_server(*LOADED)
