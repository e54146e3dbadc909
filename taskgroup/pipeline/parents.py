"""Parents: processes that end with the one that started them, however that ends."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
from multiprocessing import connection

PR_SET_PDEATHSIG = 1

CAN_FOLLOW: bool = sys.platform == "linux"
"""Whether :func:`die_with` does anything."""


def end_with_parent() -> None:
    """Block until the process that started this one is gone, then end this one; for a thread of its own."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        with contextlib.suppress(OSError):
            connection.wait([parent.sentinel])
        os._exit(1)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when ``parent``, which forked it, is gone.

    Unlike :func:`end_with_parent` it reaches a process that is stopped (SIGSTOP). Linux only; elsewhere nothing.

    Args:
        parent: Its process id; where it is gone already, this process ends at once.
    """
    if CAN_FOLLOW:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
