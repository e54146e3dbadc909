"""Real processes: start `taskgroup`, watch its folder, kill it, start it again."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

from taskgroup import cli

TASKGROUP = str(Path(sys.executable).parent / "taskgroup")

SMALL = """
name: small
problem: {source: bundled, name: digits, tasks: [parity, loops, ink_mass, slant]}
trunk: {name: mlp, width: 16, depth: 2}
train: {steps: 100, batch_size: 32, lr: 0.01}
measure: {seeds: 1, every: 15, steps: 60}
search: {trials: 10, adapters: {sizes: [0, 4]}}
confirm: {seeds: 2, finalists: 1, steps: 60}
"""


def write_config(folder: Path, text: str = SMALL) -> Path:
    path = folder / "small.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def start(config: Path, out: Path, workers: int) -> subprocess.Popen[str]:
    """A run in a session of its own, so that all of it can be killed at once."""
    command = [TASKGROUP, "run", str(config), "--out", str(out), "--workers", str(workers)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def finish(config: Path, out: Path, workers: int) -> str:
    """Run to the end; gives what was printed."""
    process = start(config, out, workers)
    text, _ = process.communicate(timeout=240)
    assert process.returncode == 0, text
    return text


def command(*words: str | Path, cwd: Path, code: int = 0) -> str:
    """What a command prints: `run` in a process of its own, the others in this one, which has torch loaded."""
    if words[0] == "run":
        arguments = [TASKGROUP, *map(str, words)]
        done = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, check=False, timeout=240)
        found, printed = done.returncode, done.stdout + done.stderr
    else:
        with chdir(cwd), redirect_stdout(io.StringIO()) as out, redirect_stderr(out):
            found = _here(*map(str, words))
        printed = out.getvalue()
    assert found == code, printed
    return printed


def _here(*words: str) -> int:
    """Exit code of a command in this process."""
    before, sys.argv = sys.argv, ["taskgroup", *words]
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.argv = before
    return 0


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str], timeout_s: float = 120) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def kill_all(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def searched(out: Path) -> dict[str, int]:
    """Results of search trials: key → time of writing. The first trial of a job measures, and has a file beside it."""
    found = {}
    for path in out.glob("trials/*.json"):
        if not path.with_suffix(".npz").exists() and not path.with_suffix(".safetensors").exists():
            found[path.stem] = path.stat().st_mtime_ns
    return found


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Process ids of the trials under way: they run under the fork server, below the controller."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:  # it ended meanwhile
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    return [grandchild for child in children.get(process.pid, []) for grandchild in children.get(child, [])]
