"""The real thing: a server process with its scheduler, and the commands that speak to it."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml
from http_app import until

from taskgroup.core.spec import Spec
from taskgroup.service.app import create_app
from taskgroup.service.client import Client
from taskgroup.service.serve import StoppableServer, listen
from taskgroup.service.settings import Settings
from taskgroup.service.store import JobStore

TINY = {
    "name": "tiny",
    "problem": {"source": "bundled", "name": "linnerud"},
    "trunk": {"name": "mlp", "width": 8, "depth": 2},
    "train": {"steps": 20, "batch_size": 8, "lr": 0.01, "n_checks": 2},
    "measure": {"seeds": 1, "every": 2},
    "search": {"trials": 4},
    "confirm": {"seeds": 2, "finalists": 1, "shortlist": 0},
}


def taskgroup(*words: str, cwd: Path, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "taskgroup", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=seconds)


@contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process and its address; with ``--dashboard`` that of the dashboard."""
    command = [sys.executable, "-m", "taskgroup", "serve", "--port", "0", *options]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    try:
        said = ""
        while " serves " not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        yield process, re.findall(r"http://\S+", said)[0]
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


def stopped(process: subprocess.Popen[str], sig: signal.Signals) -> int:
    process.send_signal(sig)
    return process.wait(60)


def test_from_a_config_file_to_the_spec_and_a_stop(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY), encoding="utf-8")
    with served(tmp_path) as (process, url):
        done = taskgroup("submit", "tiny.yaml", "--url", url, "--wait", cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"tiny is queued: {url}/#/jobs/tiny" in done.stdout
        assert "search: 4 trials" in done.stdout
        assert "test split" in done.stdout.splitlines()[-1]  # the verdict
        texts = {}
        for kind in ("application/yaml", "application/json"):
            request = urllib.request.Request(f"{url}/api/jobs/tiny/spec", headers={"Accept": kind})
            with urllib.request.urlopen(request) as answer:
                assert answer.headers["content-type"].startswith(kind)
                texts[kind] = answer.read().decode()
        spec = Spec.from_dict(json.loads(texts["application/json"]))
        assert spec == Spec.from_dict(yaml.safe_load(texts["application/yaml"]))
        head, line = taskgroup("jobs", "--url", url, cwd=tmp_path).stdout.splitlines()
        assert head.split() == ["JOB", "STATE", "STEP", "GAIN"]
        assert re.fullmatch(r"tiny +done +[+-]\d+\.\d %  [A-Z][^:]+", line)
        again = taskgroup("cancel", "tiny", "--url", url, cwd=tmp_path)
        assert (again.returncode, "is done" in again.stderr) == (2, True)
        assert stopped(process, signal.SIGTERM) == 0
        assert process.stdout is not None
        assert process.stdout.read() == "stopped\n"


def test_a_stop_ends_streams_and_puts_the_job_back(tmp_path: Path) -> None:
    config = {**TINY, "name": "long", "train": {**TINY["train"], "steps": 100_000}}  # type: ignore[dict-item]
    with served(tmp_path) as (process, url), Client(url, patience_s=0) as client:
        client.submit(config)
        until(lambda: client.get("long").state == "running", 60)
        with client._http.stream("GET", "/api/events", headers={"Accept": "text/event-stream"}, timeout=60) as stream:
            lines = stream.iter_lines()
            assert next(lines) == ": ping"
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            for _ in lines:
                pass
        assert process.wait(60) == 0
        assert time.monotonic() - started < 60
        assert process.stdout is not None
        assert process.stdout.read() == "stopped; 1 job to go on when it is started again\n"
    with served(tmp_path) as (process, url), Client(url) as client:
        assert client.get("long").state in ("queued", "running")
        client.cancel("long")
        assert client.wait("long", timeout_s=60).state == "cancelled"
        assert stopped(process, signal.SIGTERM) == 0


def test_no_part_of_an_answer_waits_for_the_one_before_to_be_confirmed(tmp_path: Path) -> None:
    listener = listen(Settings(data_root=tmp_path, port=0))
    with listener, socket.create_connection(listener.getsockname()), listener.accept()[0] as connection:
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_clients_close_unused_connections_before_the_server_does(tmp_path: Path) -> None:
    """The other way round a request that is on its way just then is lost."""
    store = JobStore(f"sqlite:///{tmp_path / 'service.db'}")
    server = StoppableServer(create_app(Settings(data_root=tmp_path), store))
    store.close()
    assert server.config.timeout_keep_alive > 2 * (httpx.Limits().keepalive_expiry or 0)


def test_the_dashboard_shows_and_changes_nothing(tmp_path: Path) -> None:
    with served(tmp_path, "--storage", "sqlite:///studies.db", "--dashboard") as (process, url):
        with urllib.request.urlopen(f"{url}/api/studies") as answer:
            assert json.load(answer) == {"study_summaries": []}
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            request = urllib.request.Request(f"{url}/api/studies", data=b"{}", method=method)
            with pytest.raises(urllib.error.HTTPError) as raised:
                urllib.request.urlopen(request)
            assert raised.value.code == 405
            raised.value.close()
        rebound = urllib.request.Request(f"{url}/api/studies", headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(rebound)
        assert raised.value.code == 421
        raised.value.close()
        assert stopped(process, signal.SIGINT) == 0


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (("--host", "0.0.0.0"), "--token-file"),
        (("--host", "192.0.2.7", "--token-file", "tokens"), "cannot be listened on"),
        (("--token-file", "nothing"), "cannot be read"),
        (("--storage", "mysql://x/y"), "SQLite or PostgreSQL"),
        (("--dashboard",), "--storage"),
        (("--data-root", "tokens"), "should be a folder, found a file"),
    ],
)
def test_what_cannot_be_served_is_said(tmp_path: Path, options: tuple[str, ...], rule: str) -> None:
    (tmp_path / "tokens").write_text("full-token-of-the-operator\n")
    done = taskgroup("serve", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert rule in done.stderr
    assert "Traceback" not in done.stderr


def test_commands_without_a_server_or_with_faults(tmp_path: Path) -> None:
    (tmp_path / "faulty.yaml").write_text("name: [", encoding="utf-8")
    done = taskgroup("jobs", "--url", "http://127.0.0.1:9", cwd=tmp_path)
    assert (done.returncode, "cannot be reached" in done.stderr) == (1, True)
    done = taskgroup("submit", "faulty.yaml", "--url", "http://127.0.0.1:9", cwd=tmp_path)
    assert (done.returncode, "should be YAML" in done.stderr) == (2, True)
    done = taskgroup("cancel", "x", "--url", "nonsense", cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr


@pytest.mark.parametrize("command", [("serve",), ("jobs",), ("submit", "x.yaml"), ("cancel", "x")])
def test_a_missing_extra_is_named(tmp_path: Path, command: tuple[str, ...]) -> None:
    code = (
        "import sys\n"
        "for name in ('fastapi', 'httpx', 'uvicorn', 'prometheus_client'): sys.modules[name] = None\n"
        f"sys.argv = ['taskgroup', *{command!r}]\n"
        "from taskgroup.cli import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert 'pip install "taskgroup-mtl[service]"' in done.stderr


@pytest.mark.parametrize("command", ["serve", "submit", "jobs", "cancel"])
def test_help_loads_nothing_of_the_service(command: str) -> None:
    heavy = "{'torch', 'optuna', 'fastapi', 'httpx', 'uvicorn', 'sqlalchemy', 'prometheus_client'}"
    code = (
        "import sys; from taskgroup.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        f"print(); print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, command, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
