"""The study's database: SQLite tuned for one writer, sentences for what cannot be opened."""

from pathlib import Path

import optuna
import pytest
from search_samples import branched, cost_at
from sqlalchemy import text

from taskgroup.errors import InputError
from taskgroup.groupers.constraints import Constraints
from taskgroup.search.limits import Limits
from taskgroup.search.storage import forget_studies, open_storage

PLAIN = branched(2, 1)


def test_sqlite_in_the_folder_writes_ahead_and_waits(tmp_path: Path) -> None:
    storage = open_storage(None, tmp_path)
    with storage.engine.connect() as connection:
        found = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")]
        patience = connection.execute(text("PRAGMA busy_timeout")).scalar()
    assert found == ["wal", 1]
    assert patience == 60_000
    assert (tmp_path / "study.db").exists()


def test_any_other_database_by_its_address(tmp_path: Path) -> None:
    open_storage(f"sqlite:///{tmp_path / 'mine.db'}", tmp_path / "elsewhere")
    assert (tmp_path / "mine.db").exists()
    assert not (tmp_path / "elsewhere").exists()


def test_studies_of_a_job_are_forgotten(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'mine.db'}"
    for name in ("one a1", "one b2", "one-more a1"):
        optuna.create_study(storage=open_storage(url, tmp_path), study_name=name)
    forget_studies(url, "one")
    forget_studies(url, "one")  # a job that never came to its search has none
    assert optuna.get_all_study_names(storage=open_storage(url, tmp_path)) == ["one-more a1"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "storage: should be a database URL"),
        ("nosuchbase://me:secret@host/db", "storage: nosuchbase://me:.*@host/db cannot be opened"),
        ("postgresql+psycopg://me:secret@host:port/db", "storage: should be a database URL"),
        ("nosuchbase://host/db?password=secret&user=me", r"cannot be opened"),
        ("sqlite:////no/such/folder/study.db", "storage: sqlite:////no/such/folder/study.db cannot be opened"),
    ],
)
def test_what_cannot_be_opened_is_said_without_the_password(url: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words) as caught:
        open_storage(url, tmp_path)
    assert len(caught.value.problems) == 1
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_limits_allow_what_does_not_exceed_them() -> None:
    limits = Limits(params_ratio=2.0, macs_ratio=3.0)
    assert limits.excess(PLAIN, cost_at(3.5, 1.5)) == {"params_ratio": -0.5, "macs_ratio": 0.5}
    assert limits.allow(PLAIN, cost_at(3.0, 2.0))
    assert not limits.allow(PLAIN, cost_at(3.1, 1.0))
    assert not limits.allow(PLAIN, cost_at(1.0, 2.1))
    assert Limits(macs_ratio=1.0).excess(PLAIN, cost_at(1.0, 9.0)) == {"macs_ratio": 0.0}
    assert Limits().allow(PLAIN, cost_at(1e9, 1e9))


def test_limits_know_the_rules_of_the_topology() -> None:
    topology = PLAIN.topology  # all share the first of three stages, then part into two groups
    one, other = topology.groups(2)
    within, across = next(g for g in (one, other) if len(g) > 1)[:2], (one[0], other[0])
    limits = Limits(macs_ratio=2.0, rules=Constraints(must_link=(across,), cannot_link=(within, across), max_size=4))
    assert limits.excess(PLAIN, cost_at(1.0)) == {
        "macs_ratio": -1.0,
        "must_link": 2.0,  # apart at two stages
        "cannot_link": 4.0,  # three stages and one
        "max_size": max(len(one), len(other)) - 4.0,
    }
    assert not limits.allow(PLAIN, cost_at(1.0))
    assert limits.afford(cost_at(1.0))
    assert not limits.afford(cost_at(2.1))
    assert Limits(rules=Constraints(must_link=(within,), max_groups=2, n_groups=2)).allow(PLAIN, cost_at(9.0))
    assert Limits(rules=Constraints(n_groups=3)).excess(PLAIN, cost_at(1.0)) == {"n_groups": 1.0}
    assert Limits(rules=Constraints(max_groups=1)).excess(PLAIN, cost_at(1.0)) == {"max_groups": 1.0}
