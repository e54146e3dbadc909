"""Nothing goes on working when the controller is gone."""

import contextlib
import os
import signal
import time
from pathlib import Path

from real_jobs import SMALL, searched, start, wait_until, workers_of, write_config


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_workers_end_with_the_controller(tmp_path: Path) -> None:
    config = write_config(tmp_path, SMALL.replace("trials: 10,", "trials: 10, steps: 1000000,"))
    process = start(config, tmp_path / "job", workers=2)

    def searching() -> bool:
        return (tmp_path / "job" / "proposals.json").exists() and len(workers_of(process)) == 2

    try:
        wait_until(searching, process)
        workers = workers_of(process)
        assert all(alive(pid) for pid in workers)
        os.kill(process.pid, signal.SIGKILL)  # the controller alone
        process.wait()
        end = time.monotonic() + 30
        while any(alive(pid) for pid in workers):
            assert time.monotonic() < end, "workers outlived their controller"
            time.sleep(0.05)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert searched(tmp_path / "job") == {}
    assert not list((tmp_path / "job").rglob("*.partial"))
