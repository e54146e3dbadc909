"""A private PostgreSQL server for tests."""

from collections.abc import Iterator

import pytest

from taskgroup.bench.serving.postgres import PostgresServer, missing, private_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for all tests of the session; a test that stops it starts it again."""
    if words := missing():
        pytest.skip(words)
    with private_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """SQLAlchemy's URL of an empty database."""
    return postgres.url()
