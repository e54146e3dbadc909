"""Peak memory of a piece of work, measured in a process of its own."""

import os
import re
from collections.abc import Callable
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_growth(work: Callable[[], object]) -> float | None:
    """Bytes by which resident memory grew at its peak while ``work`` ran in a forked process; None without ``/proc``.

    What the process had freed before and uses again is not counted, so the parent should not have done much.
    """
    if not CLEAR.exists():
        return None
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            CLEAR.write_text("5")  # resets the peak
            before = _kilobytes("VmRSS")
            work()
            os.write(writing, str(_kilobytes("VmHWM") - before).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return 1024.0 * float(text) if text else None


def _kilobytes(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
    assert found is not None
    return int(found.group(1))
