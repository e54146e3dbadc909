"""Progress: plain lines where nobody watches, bars in a terminal, and a time left that is worth something."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import TextColumn

from taskgroup.cli.interrupts import Attentive
from taskgroup.cli.progress import LiveProgress, Pace, PlainProgress, terminal_progress


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("taskgroup.cli.progress.time.monotonic", found)
    return found


def test_a_line_when_a_step_begins_and_ends(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    shown = PlainProgress()
    shown.begin("search", 12)
    clock.now += 1
    shown.advance(1, 0.012)
    clock.now += 2.25
    shown.end("12 candidates trained")
    shown.begin("report", 0)
    assert capsys.readouterr().out.splitlines() == [
        "search: 12 trials",
        "search: 12 candidates trained (3.2 s)",
        "report ...",
    ]


def test_a_line_every_few_seconds_in_between(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    shown = PlainProgress()
    shown.begin("search", 12)
    for done in range(1, 13):
        clock.now += 2
        shown.advance(done, 0.01 * done if done > 3 else None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == [
        "search: 3/12, 18 s left",
        "search: 6/12, best gain against all-separate +6.0 %, 12 s left",
        "search: 9/12, best gain against all-separate +9.0 %, 6 s left",
    ]


def test_one_trial_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    PlainProgress().begin("measure", 1)
    assert capsys.readouterr().out == "measure: 1 trial\n"


def test_time_left_goes_by_what_this_run_did(clock: Clock) -> None:
    """After an interruption the first report already counts what earlier runs did."""
    pace = Pace(30)
    clock.now += 2
    assert pace.left(21) == ""
    clock.now += 4
    assert pace.left(22) == "32 s left"
    clock.now += 4
    assert pace.left(23) == "28 s left"
    assert pace.left(30) == ""


def test_long_times_are_minutes(clock: Clock) -> None:
    pace = Pace(100)
    clock.now += 60
    assert pace.left(1) == "99 min left"
    assert Pace(10).left(0) == ""


def test_bars_move_and_fill(clock: Clock) -> None:
    text = io.StringIO()
    bars = Bars(TextColumn("{task.description} {task.completed}/{task.total} {task.fields[note]}"), auto_refresh=False)
    bars.live.console = Console(file=text, force_terminal=False, width=100)
    shown = LiveProgress(bars)
    shown.begin("search", 4)
    clock.now += 3
    shown.advance(1, 0.5)
    task = bars.tasks[0]
    assert (task.description, task.completed, task.total) == ("search", 1, 4)
    assert task.fields["note"] == "best gain against all-separate +50.0 %, 9 s left"
    shown.end("done")
    assert (task.completed, task.fields["note"], task.finished) == (4, "done", True)
    shown.begin("report", 0)
    assert bars.tasks[1].total is None
    shown.end("written")
    assert bars.tasks[1].finished
    shown.say("[bold] is no markup here")
    assert text.getvalue() == "[bold] is no markup here\n"


def test_plain_where_standard_output_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal_progress() as shown:
        assert isinstance(shown, Attentive)
        assert isinstance(shown.inner, PlainProgress)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with terminal_progress() as shown:
        assert isinstance(shown, Attentive)
        assert isinstance(shown.inner, LiveProgress)
        shown.begin("search", 2)
        shown.advance(1)
        shown.end("done")
