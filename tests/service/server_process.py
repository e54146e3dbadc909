"""A server without its HTTP side, as a process that can be killed: ``python server_process.py URL FOLDER``."""

import logging
import signal
import sys
import threading
from pathlib import Path

from taskgroup.service.scheduler import Scheduler
from taskgroup.service.store import JobStore


def main(url: str, folder: str) -> None:
    logging.basicConfig()
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    scheduler = Scheduler(JobStore(url), Path(folder), workers=1, lease_s=LEASE_S)
    scheduler.start()
    over.wait()
    scheduler.stop()


LEASE_S = 4.0

if __name__ == "__main__":
    main(*sys.argv[1:])
