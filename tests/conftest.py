"""What holds for every test."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def _one_torch_thread() -> None:
    """Two cores serve several test processes, and sums come out the same whatever the machine."""
    import torch

    torch.set_num_threads(1)
