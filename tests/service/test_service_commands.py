"""Commands that speak to a server, in this process: what they print, and their exit codes."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from http_app import CONFIG, finish, listening, submitted
from pydantic import SecretStr

from taskgroup import cli
from taskgroup.service.client import Client
from taskgroup.service.model import JobState

Call = Callable[..., tuple[int, str, str]]
TOKEN = "full-token-of-the-operator"


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """Exit code, output and errors of a command."""
    monkeypatch.chdir(tmp_path)

    def called(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["taskgroup", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        printed = capsys.readouterr()
        return int(stop.value.code or 0), printed.out, printed.err

    return called


def write(config: dict[str, Any]) -> str:
    Path("job.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return "job.yaml"


def test_a_job_from_one_end_to_the_other(call: Call, tmp_path: Path) -> None:
    with listening(tmp_path / "data") as (url, _, store):
        to = ("--url", url)
        assert call("jobs", *to) == (0, "no jobs\n", "")
        assert call("submit", write(CONFIG), *to) == (0, f"digits is queued: {url}/#/jobs/digits\n", "")
        assert call("pause", "digits", *to)[1] == "digits is paused\n"
        assert call("resume", "digits", *to)[1] == "digits is queued\n"
        store.claim("test", 60)
        assert call("pause", "digits", *to)[1] == "digits is running, to pause\n"
        assert call("cancel", "digits", *to)[1] == "digits is running, to be cancelled\n"
        code, _, told = call("delete", "digits", *to)
        assert (code, "cancel it before you delete it" in told) == (2, True)
        store.release("digits", "test", JobState.QUEUED, "")
        assert call("jobs", *to)[1].splitlines()[1].split() == ["digits", "cancelled", "by", "request"]
        assert call("delete", "digits", *to)[1] == "digits is deleted\n"
        assert call("jobs", *to)[1] == "no jobs\n"


@pytest.mark.parametrize("words", [(), ("--wait",)])
def test_a_job_that_has_failed_already_is_no_success(call: Call, tmp_path: Path, words: tuple[str, ...]) -> None:
    with listening(tmp_path / "data") as (url, _, store):
        submitted(store)
        finish(store, "digits", JobState.FAILED, "its table is gone")
        code, out, _ = call("submit", write(CONFIG), "--url", url, *words)
    assert code == 1
    assert out.splitlines() == [
        f"digits is failed: {url}/#/jobs/digits",
        "digits is failed: its table is gone",
        "taskgroup resume digits runs it again from where it stopped; another config needs another name, or taskgroup "
        "delete digits first",
    ]


def test_jobs_stand_below_their_headings(call: Call, tmp_path: Path) -> None:
    with listening(tmp_path / "data") as (url, _, store):
        for name in ("a", "a-long-name"):
            submitted(store, name)
        store.claim("test", 60)
        store.append("a", "step", "search: 12 trials", {"step": "search", "total": 12})
        progress = {"step": "search", "done": 3, "total": 12, "best_gain": 0.125}
        store.append("a", "progress", "search: 3 of 12", progress)
        head, second, first = call("jobs", "--url", url)[1].splitlines()
    places = [head.index(word) for word in ("JOB", "STATE", "STEP", "GAIN")]
    assert [first[place:].split("  ")[0] for place in places] == ["a", "running", "search 3/12", "+12.5 % so far"]
    assert second.split() == ["a-long-name", "queued"]


def test_a_watch_that_is_broken_off_leaves_the_job_alone(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "events", interrupted)
    with listening(tmp_path / "data") as (url, _, store):
        code, _, told = call("submit", write(CONFIG), "--url", url, "--wait")
        assert store.get("digits").state == JobState.QUEUED
    assert code == 130
    assert told == "taskgroup: digits goes on without being watched; end it by taskgroup cancel digits\n"


def test_tokens_that_are_missing_or_wrong(call: Call, tmp_path: Path) -> None:
    Path("wrong").write_text("another-token-altogether\n")
    Path("right").write_text(f"{TOKEN}\n")
    with listening(tmp_path / "data", token=SecretStr(TOKEN)) as (url, _, _):
        asks = f"taskgroup: jobs: {url} asks for a token; "
        assert call("jobs", "--url", url) == (2, "", f"{asks}give --token-file FILE\n")
        wrong = call("jobs", "--url", url, "--token-file", "wrong")
        assert wrong == (2, "", f"{asks}it does not know the one in wrong\n")
        assert call("jobs", "--url", url, "--token-file", "right") == (0, "no jobs\n", "")


def test_a_server_for_ray_is_not_started_without_ray(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    told = "taskgroup: executor: ray needs the extra `ray`: pip install 'taskgroup-mtl[ray]'\n"
    assert call("serve", "--executor", "ray", "--port", "0") == (2, "", told)


def test_an_address_without_its_scheme(call: Call) -> None:
    told = call("jobs", "--url", "127.0.0.1:8765")
    assert told == (2, "", "taskgroup: url: should begin with http:// or https://, found `127.0.0.1:8765`\n")
