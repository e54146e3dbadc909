"""Killed jobs: nothing is lost, nothing is done twice, and with one worker nobody could tell afterwards."""

import os
import signal
from pathlib import Path

from real_jobs import finish, kill_all, searched, start, wait_until, workers_of, write_config

from taskgroup.exporters import load_spec
from taskgroup.pipeline.config import load_config
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.job import run_job
from taskgroup.pipeline.progress import Silent


def test_a_killed_worker_and_a_killed_job_lose_at_most_the_trials_in_hand(tmp_path: Path) -> None:
    config, out = write_config(tmp_path), tmp_path / "job"
    first = start(config, out, workers=2)
    wait_until(lambda: len(searched(out)) >= 3 and bool(workers_of(first)), first)
    os.kill(workers_of(first)[0], signal.SIGKILL)
    n_done = len(searched(out))
    wait_until(lambda: len(searched(out)) >= n_done + 2, first)
    kill_all(first)
    done = searched(out)
    assert Folder(out).state().get("state") != "done"

    text = finish(config, out, workers=2)

    assert "small:" in text
    after = searched(out)
    assert {key: after.get(key) for key in done} == done  # no finished trial is repeated
    rows = Folder(out).record().trials
    trained = [row for row in rows if row.errors]
    assert len(trained) == 10  # none is missing
    assert len({row.architecture.fingerprint for row in trained}) == 10
    assert all(row.state in ("complete", "pruned") for row in trained)
    assert [row.number for row in rows] == sorted({row.number for row in rows})


def test_with_one_worker_a_killed_job_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    run_job(load_config(config), undisturbed, workers=1, progress=Silent(), base=tmp_path, inline=True, report=False)
    process = start(config, killed, workers=1)
    wait_until(lambda: len(searched(killed)) >= 4, process)
    kill_all(process)
    finish(config, killed, workers=1)
    assert (killed / "trials.csv").read_bytes() == (undisturbed / "trials.csv").read_bytes()
    assert (killed / "affinity.csv").read_bytes() == (undisturbed / "affinity.csv").read_bytes()
    assert load_spec(killed / "spec.yaml").fingerprint == load_spec(undisturbed / "spec.yaml").fingerprint
    assert (killed / "weights.safetensors").read_bytes() == (undisturbed / "weights.safetensors").read_bytes()


def test_ctrl_c_says_how_to_go_on_and_keeps_what_is_done(tmp_path: Path) -> None:
    config, out = write_config(tmp_path), tmp_path / "job"
    process = start(config, out, workers=2)
    wait_until(lambda: len(searched(out)) >= 2, process)
    os.killpg(process.pid, signal.SIGINT)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 130, text
    assert text.splitlines()[-1] == "taskgroup: interrupted; the same command goes on from here"
    assert "Traceback" not in text
    done = searched(out)
    finish(config, out, workers=2)
    after = searched(out)
    assert {key: after.get(key) for key in done} == done
