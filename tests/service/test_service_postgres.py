"""Studies in PostgreSQL: the same trials as in SQLite, whatever becomes of the server meanwhile."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from taskgroup.bench.serving.postgres import PostgresServer
from taskgroup.errors import InputError
from taskgroup.exporters import load_spec
from taskgroup.pipeline.config import parse_config
from taskgroup.pipeline.job import run_job
from taskgroup.pipeline.progress import Silent
from taskgroup.search.storage import open_storage

CONFIG: dict[str, Any] = {
    "name": "x",
    "problem": {"source": "bundled", "name": "linnerud"},
    "trunk": {"name": "mlp", "width": 4, "depth": 2},
    "train": {"steps": 10, "batch_size": 8, "n_checks": 2},
    "measure": {"seeds": 1, "every": 5},
    "search": {"trials": 8, "adapters": {"sizes": [0, 2]}},
    "confirm": {"seeds": 2, "finalists": 1},
    "export": {"formats": ["json"]},
}
TASKGROUP = str(Path(sys.executable).parent / "taskgroup")


def planned(out: Path, storage: str | None, progress: Silent | None = None) -> Path:
    config = parse_config(CONFIG, "x", Path())
    progress = progress or Silent()
    run_job(config, out, workers=1, progress=progress, base=Path(), inline=True, storage=storage, report=False)
    return out


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The job on SQLite."""
    return planned(tmp_path_factory.mktemp("sqlite") / "out", None)


def check_same(out: Path, undisturbed: Path, storage: str) -> None:
    assert (out / "trials.csv").read_bytes() == (undisturbed / "trials.csv").read_bytes()
    assert load_spec(out / "spec.yaml").fingerprint == load_spec(undisturbed / "spec.yaml").fingerprint
    assert _trials(storage, out) == _trials(None, undisturbed)


def _trials(url: str | None, folder: Path) -> list[Any]:
    storage = open_storage(url, folder)
    (study,) = storage.get_all_studies()
    trials = storage.get_all_trials(study._study_id)
    storage.engine.dispose()
    return [(t.number, t.state, t.values, t.user_attrs["asked"], t.user_attrs["told"]["gain"]) for t in trials]


def test_the_command_gives_the_same_trials(postgres: PostgresServer, undisturbed: Path, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(CONFIG))
    url = postgres.url(password="wonderland")
    words = ["run", "x.yaml", "--out", "out", "--storage", url]
    done = subprocess.run([TASKGROUP, *words], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "wonderland" not in done.stdout + done.stderr
    assert not (tmp_path / "out" / "study.db").exists()
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or b"wonderland" not in path.read_bytes(), path
    check_same(tmp_path / "out", undisturbed, url)


class Disturbing(Silent):
    """Restarts the server in the course of the search: at rest, as if it had failed, and so that it is away a while."""

    def __init__(self, server: PostgresServer) -> None:
        self.server, self.n_disturbed = server, 0
        self.starting = threading.Timer(0, server.start)

    def advance(self, done: int, best_gain: float | None = None) -> None:
        if best_gain is None or done not in (3, 5, 7):
            return
        self.n_disturbed += 1
        if done == 7:
            self.server.stop(kill=True)
            self.starting = threading.Timer(1.5, self.server.start)
            self.starting.start()
        else:
            self.server.restart(kill=done == 5)


def test_a_server_that_is_restarted_costs_nothing(postgres: PostgresServer, undisturbed: Path, tmp_path: Path) -> None:
    url, progress = postgres.url(), Disturbing(postgres)
    check_same(planned(tmp_path / "out", url, progress), undisturbed, url)
    assert progress.n_disturbed == 3
    progress.starting.join()


def test_several_jobs_may_make_the_tables_at_once(postgres: PostgresServer, tmp_path: Path) -> None:
    for url in [postgres.url() for _ in range(3)]:
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(open_storage, [url] * 6, [tmp_path] * 6))
        for storage in found:
            assert storage.get_all_studies() == []
            storage.engine.dispose()


def test_what_cannot_be_reached_is_said_without_the_password(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.url("wonderland")
    away = url.replace(f":{postgres.port}/", ":1/")
    shown = away.replace("wonderland", "\\*\\*\\*").replace("+", "\\+")
    with pytest.raises(InputError, match=f"storage: {shown} cannot be opened: .*Connection refused") as caught:
        open_storage(away, tmp_path)
    wrong = url.rsplit("/", 1)[0] + "/no_such_database?application_name=x"
    with pytest.raises(InputError, match="no_such_database"):
        open_storage(wrong, tmp_path)
    assert "wonderland" not in str(caught.value)


def test_a_password_may_come_from_the_environment(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = postgres.url().rpartition("/")[2]
    postgres.execute("CREATE ROLE alice LOGIN SUPERUSER PASSWORD 'wonderland'")
    postgres.ask_for_passwords("alice")
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("PGPORT", str(postgres.port))
    url = f"postgresql+psycopg://alice@/{name}"
    monkeypatch.setenv("PGPASSWORD", "looking-glass")
    with pytest.raises(InputError, match="password authentication failed") as caught:
        open_storage(url, tmp_path)
    assert "looking-glass" not in str(caught.value)
    monkeypatch.setenv("PGPASSWORD", "wonderland")
    storage = open_storage(url, tmp_path)
    assert storage.get_all_studies() == []
    storage.engine.dispose()
