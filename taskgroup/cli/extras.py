"""What is missing where an extra is not installed, in words."""

from collections.abc import Iterator
from contextlib import contextmanager

from taskgroup.errors import InputError


@contextmanager
def service_extra(command: str) -> Iterator[None]:
    """Say which extra brings what is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("fastapi", "httpx", "prometheus_client", "uvicorn"):
            raise
        raise InputError(f'{command}: needs {error.name}; run: pip install "taskgroup-mtl[service]"') from None
