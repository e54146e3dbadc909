"""``bench service``: what it counts and checks, on results that are made up; and its smallest cell for real."""

import math
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskgroup.bench.frame import Places, Row, markdown_table
from taskgroup.bench.serving import faulting, log
from taskgroup.bench.serving.benchmark import ServiceBench
from taskgroup.bench.serving.clients import Stream
from taskgroup.bench.serving.evidence import Evidence, failed_checks, is_rising
from taskgroup.bench.serving.faulting import Size, run_faults
from taskgroup.bench.serving.loaded import busy_s, percentile, size_bytes, stream_fault
from taskgroup.bench.serving.pace import n_trained, search_s
from taskgroup.bench.serving.processes import cpu_s, descendants, is_alive, is_stopped, kill, rss_bytes, wait_until
from taskgroup.bench.serving.tables import ratio_of, tables_of
from taskgroup.pipeline.progress import Silent
from taskgroup.service.model import Event, EventKind

WELL: dict[str, Any] = {
    "state": "done",
    "wanted": 3,
    "rows": ((0, "complete", False), (1, "pruned", False), (2, "complete", True), (3, "complete", False)),
    "told": (0, 1, 2, 3),
    "study": {"complete": 3, "pruned": 1},
    "ids": (1, 4, 9),
    "seen": (1, 4, 9),
    "meant": ("server killed",),
    "struck": ("server killed",),
}


def test_what_is_as_it_should_be_fails_no_check() -> None:
    assert failed_checks(Evidence(**WELL)) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "failed"}, ["the job is failed"]),
        ({"told": (0, 1, 1, 2, 3)}, ["1 results are counted twice"]),
        (
            {"rows": (*WELL["rows"], (3, "complete", False)), "study": {"complete": 4, "pruned": 1}},
            ["4 trials were counted, 3 wanted", "1 results are counted twice"],
        ),
        (
            {"rows": WELL["rows"][:3], "study": {"complete": 2, "pruned": 1}},
            ["2 trials were counted", "1 results are lost", "events and trials table are of different trials"],
        ),
        (
            {"rows": (WELL["rows"][0], *WELL["rows"][2:]), "told": (0, 2, 3), "study": {"complete": 3}},
            ["2 trials were counted", "1 results are lost"],
        ),
        ({"rows": (*WELL["rows"][:3], (3, "failed", False))}, ["1 results are lost"]),
        ({"study": {"complete": 3, "running": 1}}, ["unfinished trials: {'running': 1}"]),
        ({"study": {"complete": 3}}, ["the study has {'complete': 3}, the table 4"]),
        ({"ids": (1, 4, 4), "seen": (1, 4, 4)}, ["event ids do not rise"]),
        ({"seen": (1, 9)}, ["a client saw 2 events, the store has 3"]),
        ({"left_behind": 2}, ["2 processes outlived their server"]),
        ({"struck": ()}, ["only these were injected: ()"]),
    ],
)
def test_each_check_fails_on_what_it_is_for(changes: Row, words: list[str]) -> None:
    found = failed_checks(Evidence(**WELL | changes))
    assert len(found) == len(words)
    for sentence, part in zip(found, words, strict=True):
        assert part in sentence


def test_ids_rise_or_do_not() -> None:
    assert is_rising([])
    assert is_rising([1, 2, 9])
    assert not is_rising([1, 1])
    assert not is_rising([2, 1])


def event(id_: int, kind: EventKind, text: str = "", at: float = 0.0, job: str = "a", **data: Any) -> Event:
    return Event(id=id_, job=job, at=at, kind=kind, text=text, data=data)


def test_reasons_are_counted_without_places_and_names() -> None:
    events = [
        event(1, "note", "search trial 1f: its worker died (process 7 on node 10.0.0.1 (a1b2c3d4)); trying again"),
        event(2, "note", "search trial 2f: its worker died (process 8 on node 10.0.0.1 (00000000)); trying again"),
        event(3, "note", "measure trial 3f: its worker took longer than the limit of 20 s; trying again"),
        event(4, "note", "forking off: asked for"),
        event(5, "state", state="queued", reason=""),
        event(
            6,
            "state",
            state="queued",
            reason="its server is gone (vm:27/0f did not renew its lease); it goes on in 1 s",
        ),
        event(7, "state", state="running", reason="goes on after 1 run that ended badly"),
    ]
    assert log.reasons(events) == {
        "trial: its worker died": 2,
        "trial: its worker took longer than the limit of 20 s": 1,
        "job: its server is gone": 1,
    }
    assert log.count(events, "died|lost") == 2
    assert log.count(events, "renew") == 0


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(k) for k in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
    assert percentile([7.0], 0.01) == 7.0
    assert math.isnan(percentile([], 0.5))


EVENTS = [event(1, "note", job="a"), event(2, "note", job="b"), event(3, "note", job="a"), event(5, "note", at=97.0)]


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        ({"ids": (1, 3, 5)}, ""),
        ({"ids": (1, 3)}, ""),  # the last one is three seconds old
        ({"ids": (1,)}, "1 events did not come in time"),
        ({"ids": (1, 5)}, "missing in between"),
        ({"ids": (1, 3, 3)}, "missing in between, or came twice"),
        ({"ids": (1, 2, 3, 5)}, "missing in between"),
        ({"ids": (1, 2, 3, 5), "job": None}, ""),
        ({"ids": (3, 5), "job": None, "after": 2}, ""),
        ({"ids": (1, 3, 5), "is_over": True}, "the server ended it"),
        ({"ids": (2,), "job": "b", "is_over": True}, ""),
        ({"ids": (1, 3, 5), "error": "/api/events: ReadError"}, "ReadError"),
    ],
)
def test_a_stream_has_to_have_what_the_store_has(stream: Row, words: str) -> None:
    found = Stream(**{"job": "a", "after": 0, "is_over": False, "error": "", **stream})
    fault = stream_fault(found, EVENTS, 100.0, frozenset({"b"}))
    assert words in fault
    assert bool(fault) == bool(words)


def test_busy_seconds_are_those_within_the_period(tmp_path: Path) -> None:
    folder = tmp_path / "jobs" / "a" / "trials"
    folder.mkdir(parents=True)
    path = folder / "0.json"
    path.write_text('{"seconds": 4.0}')
    over = path.stat().st_mtime
    assert busy_s(tmp_path, over - 10, over + 10) == pytest.approx(4.0)
    assert busy_s(tmp_path, over - 3, over - 1) == pytest.approx(2.0)
    assert busy_s(tmp_path, over + 1, over + 9) == 0
    assert size_bytes(tmp_path) == size_bytes(path) == 16


def test_a_search_lasts_from_its_first_event_to_its_last() -> None:
    events = [
        event(1, "step", at=1.0, step="measure", total=1),
        event(2, "step", at=3.0, step="measure", note="done"),
        event(3, "step", at=4.0, step="search", total=2),
        event(4, "trial", number=0, origin="all-shared"),
        event(5, "trial", number=1, origin="repeat of 0"),
        event(6, "step", at=9.5, step="search", note="done"),
    ]
    assert search_s(events) == 5.5
    assert n_trained(events) == 1


@pytest.fixture
def sleeper() -> Iterator[int]:
    """A process with a child; both sleep."""
    words = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    with subprocess.Popen([sys.executable, "-c", words]) as process:
        wait_until(lambda: bool(descendants(process.pid)), 60.0, "a child")
        below = descendants(process.pid)
        yield process.pid
        for pid in (process.pid, *below):
            if is_alive(pid):
                kill(pid)


def test_processes_are_seen_from_outside(sleeper: int) -> None:
    (child,) = descendants(sleeper)
    assert is_alive(child)
    assert rss_bytes(child) > 1_000_000
    assert cpu_s([child, 2**22 + 1]) >= 0
    subprocess.run(["kill", f"-{signal.SIGSTOP.value}", str(child)], check=True)
    wait_until(lambda: is_stopped(child), 60.0, "it to stop")
    kill(child)
    wait_until(lambda: not is_alive(child), 60.0, "its end")
    assert (rss_bytes(child), cpu_s([child])) == (0, 0.0)
    with pytest.raises(TimeoutError, match="waited longer than 0 s for what never comes"):
        wait_until(lambda: False, 0.0, "what never comes")


def fault_row(**changes: Any) -> Row:
    counted = {"trained": 3, "rows": 4, "distinct": 4, "told": 4, "told_distinct": 4, "lost": 0, "twice": 0}
    row = {"kind": "faults", "site": "sqlite-local", "trials": 3, "workers": 4, "undisturbed": False, "state": "done"}
    more = {"study": {"complete": 4}, "retries": {"trial: x": 2, "job: y": 3}, "events": 9, "seconds": 2.0}
    struck = {"name": "server killed", "n_told": 2, "at_s": 1.0, "seconds": 0.5}
    return {**row, **counted, **more, "faults": [struck], "failed": [], **changes}


LOAD = {
    "kind": "load",
    "jobs": 20,
    "clients": 10,
    "streams": 8,
    "clients_are": "like the page",
    "period_s": 10.0,
    "requests": 100,
    "rate": 10.0,
    "p50_ms": 3.0,
    "p99_ms": 9.0,
    "errors": 0,
    "streams_broken": 0,
    "events_received": 30,
    "submit_p50_ms": 2.0,
    "submit_p99_ms": 4.0,
    "rss_before_mib": 90,
    "rss_after_mib": 91,
    "database_mib": 0.5,
    "job_mib": 0.25,
    "idle": 0.125,
    "trials_done": 12,
    "jobs_done": 2,
    "failed": [],
}


def test_tables_say_what_was_reached() -> None:
    rates = ((1, 0.5), (2, 0.95))
    paces = [{"kind": "workers", "workers": n, "trials": 24, "search_s": 24 / rate, "rate": rate} for n, rate in rates]
    controller = {"kind": "controller", "trials": 20, "trial_s": 2.1}
    rows = [
        fault_row(),
        fault_row(workers=1, undisturbed=True, failed=["the plan is another"]),
        {"kind": "faults", "site": "postgres-ray", "workers": 4, "undisturbed": False, "skipped": "no PostgreSQL"},
        LOAD,
        LOAD | {"clients_are": "no pause", "errors": 2, "failed": ["/api/jobs: 500"]},
        *({**pace, "trial_s": 2.0} for pace in paces),
        controller | {"site": "local", "ms": 90.0, "parts": {"server": 30.0, "runner": 60.0}},
        controller | {"site": "ray", "ms": 110.0, "parts": {}},
    ]
    tables = tables_of(rows)
    assert list(tables) == ["Goals", "Faults", "Faults injected", "Load", "Workers", "Controller"]
    for table in tables.values():
        markdown_table(table)
    goals = [(row["found"], row["reached"]) for row in tables["Goals"]]
    assert goals == [
        ("3 of 3 trials, 1 faults", "yes"),
        ("3 of 3 trials, 1 faults; the plan is another", "**no**"),
        ("skipped: no PostgreSQL", "not tried"),
        ("0 of 100 requests, 0 streams", "yes"),
        ("2 of 100 requests, 0 streams; /api/jobs: 500", "**no**"),
        ("1.90", "yes"),
        ("4.5%", "yes"),
        ("5.5%", "**no**"),
    ]
    assert tables["Faults"][0]["tried again"] == "3 x job: y; 2 x trial: x"
    assert tables["Faults injected"][0]["after trials"] == 2
    assert tables["Controller"][0]["of which"] == "server 30, runner 60"
    assert ratio_of(paces[:1]) is None


def test_what_is_missing_is_said_and_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faulting, "missing_for_spread", lambda: "PostgreSQL is not installed")
    row = run_faults("postgres-ray", Size(), tmp_path / "run", Silent())
    assert row["skipped"] == "PostgreSQL is not installed"
    assert not (tmp_path / "run").exists()
    assert tables_of([row])["Goals"][0]["reached"] == "not tried"


def test_quick_has_no_cluster() -> None:
    assert ServiceBench().cells(True, Places()) == ["faults-sqlite-local", "load"]
    assert len(ServiceBench().cells(False, Places())) == 6
