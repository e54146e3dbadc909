"""What the service's tests share: empty stores, on each kind of database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from page_browser import browser, page, planned, site
from postgres import postgres, postgres_url

from taskgroup.service.store import JobStore

__all__ = ["browser", "page", "planned", "postgres", "postgres_url", "site", "store", "store_url"]


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'service.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    """An empty store on SQLite."""
    made = JobStore(f"sqlite:///{tmp_path / 'service.db'}")
    yield made
    made.close()
