"""Processes of this machine, as ``/proc`` shows them: who started whom, who is alive, what they took."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

TICK_S = 0.1
PATIENCE_S = 300.0
"""Of a machine that has other things to do."""
_TICKS = os.sysconf("SC_CLK_TCK")


def wait_until(true: Callable[[], bool], timeout_s: float = PATIENCE_S, what: str = "it") -> None:
    """Block until something is so.

    Args:
        true: Asked again and again.
        timeout_s: For so long.
        what: Is waited for, in words.

    Raises:
        TimeoutError: It did not come to that.
    """
    end = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"waited longer than {timeout_s:g} s for {what}")
        time.sleep(TICK_S)


def children() -> dict[int, list[int]]:
    """Process ids by that of their parent; those that ended are left out."""
    found: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        fields = _stat(int(folder.name))
        if fields is not None:
            found.setdefault(int(fields[1]), []).append(int(folder.name))
    return found


def descendants(pid: int) -> list[int]:
    """All processes below one."""
    tree, found, waiting = children(), list[int](), [pid]
    while waiting:
        below = tree.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def generation(pid: int, n: int) -> list[int]:
    """Processes ``n`` generations below one."""
    tree, found = children(), [pid]
    for _ in range(n):
        found = [child for parent in found for child in tree.get(parent, [])]
    return found


def workers_of(runner: int) -> list[int]:
    """Trials under way: they run under the runner's nursery."""
    return generation(runner, 2)


def is_alive(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    return _stat(pid) is not None


def is_stopped(pid: int) -> bool:
    """Whether somebody has stopped it (SIGSTOP)."""
    fields = _stat(pid)
    return fields is not None and fields[0] == "T"


def kill(pid: int) -> None:
    """End it the hard way.

    Raises:
        ProcessLookupError: It is gone.
    """
    os.kill(pid, signal.SIGKILL)


def parent_of(pid: int) -> int | None:
    """Who started it; None where it is gone."""
    fields = _stat(pid)
    return None if fields is None else int(fields[1])


def cpu_s(pids: Sequence[int]) -> float:
    """Processor time that living processes have taken themselves, without their children."""
    found = [fields for pid in pids if (fields := _stat(pid)) is not None]
    return sum(int(fields[11]) + int(fields[12]) for fields in found) / _TICKS


def rss_bytes(pid: int) -> int:
    """Memory that a process has resident; 0 where it is gone."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def named(beginning: str) -> list[int]:
    """Processes whose command line begins so."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:  # it ended meanwhile
            continue
        if command.startswith(beginning.encode()):
            found.append(int(folder.name))
    return found


def _stat(pid: int) -> list[str] | None:
    """Fields of ``stat`` from the state on; None for a process that ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields
