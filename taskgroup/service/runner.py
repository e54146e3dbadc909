"""Runner: the process of one job. Runs the pipeline, and gives the job back in the state that it came to."""

import contextlib
import os
import signal
import sys
import time
import traceback
from multiprocessing.connection import Connection

from sqlalchemy.exc import SQLAlchemyError

from taskgroup.core.text import printable
from taskgroup.errors import BusyError, TaskgroupError
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.controls import Controls, Stopped
from taskgroup.pipeline.executors import Executor
from taskgroup.pipeline.job import run_job
from taskgroup.pipeline.nursery import Nursery
from taskgroup.pipeline.parents import die_with
from taskgroup.service.keeper import Keeper, Line
from taskgroup.service.model import Job, JobState
from taskgroup.service.orders import LOST, Order
from taskgroup.service.store import JobStore, LeaseLostError
from taskgroup.service.telling import Telling

LOG = "runner.log"
"""Traces of what went wrong, in the run directory."""

_ELSEWHERE = (OSError, EOFError, MemoryError, SQLAlchemyError, BusyError)
"""Not the job's fault: another run may fare better."""
_FOREIGN = ("optuna", "psycopg", "ray")
"""Packages whose errors are of the same kind."""


def run(order_json: str, connection: Connection) -> None:
    """Entry of the process: run the job of an order, which the caller has claimed.

    Ends with exit code 0 when the job is given back to the store; with another one, and a reason to the server, when
    that could not be done or another run may fare better; and at once, with everything it started, when server or
    lease are gone.
    """
    order, controls = Order.model_validate_json(order_json), Controls()
    die_with(os.getppid())
    nursery = Nursery(order.folder, order.workers, order.trial_limit_s) if order.executor == "local" else None
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's, which says what to do
    signal.signal(signal.SIGTERM, lambda *_: controls.stop())
    line = Line(connection, controls, order.lease_s)
    try:
        _run(order, controls, line, nursery)
    except LeaseLostError:
        os._exit(LOST)
    except Exception as error:
        _log(order)
        line.give_reason(_sentence(error))
        sys.exit(1)


def _run(order: Order, controls: Controls, line: Line, nursery: Nursery | None) -> None:
    with contextlib.closing(JobStore(order.url)) as store:
        since = time.monotonic()
        job = store.renew(order.job, order.owner, order.lease_s)
        line.extend(since)
        controls.edit(job.trials, job.workers)
        telling = Telling(store, job.name, order.owner, controls)
        with contextlib.closing(Keeper(store, order, controls, telling, line)):
            state, message = _outcome(order, job, controls, telling, nursery)
        telling.flush(at_once=True)
        store.release(job.name, order.owner, state, message)


def _outcome(
    order: Order, job: Job, controls: Controls, telling: Telling, nursery: Nursery | None
) -> tuple[JobState, str]:
    """What the job came to, and why.

    Raises:
        Exception: What is not the job's fault.
    """
    try:
        with contextlib.closing(nursery or _on_ray(order)) as executor:
            run_job(
                Config.model_validate(job.config),
                order.folder,
                workers=order.workers,
                progress=telling,
                base=order.data_root,
                storage=order.storage,
                executor=executor,
                controls=controls,
            )
    except Stopped:  # the store knows whether somebody asked for it
        return JobState.QUEUED, "its server stopped"
    except LeaseLostError:
        raise
    except Exception as error:
        if _is_elsewhere(error):
            raise
        _log(order)
        return JobState.FAILED, _sentence(error)
    return JobState.DONE, ""


def _on_ray(order: Order) -> Executor:
    from taskgroup.pipeline.ray_executor import RayExecutor

    return RayExecutor(order.folder, order.workers, order.address, order.gpus, limit_s=order.trial_limit_s)


def _is_elsewhere(error: BaseException) -> bool:
    """Whether something around the job went wrong, not the job: then its cause is told by its kind."""
    if isinstance(error, _ELSEWHERE) or type(error).__module__.split(".")[0] in _FOREIGN:
        return True
    return isinstance(error, TaskgroupError) and isinstance(error.__cause__, SQLAlchemyError)


def _sentence(error: BaseException) -> str:
    """For users: no trace, one line where it is not ours."""
    if isinstance(error, TaskgroupError):
        return str(error)
    lines = str(error).strip().splitlines()
    return printable(f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__)


def _log(order: Order) -> None:
    """Write the trace of the error at hand where its user may look for it."""
    trace = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {order.owner}\n{traceback.format_exc()}\n"
    with contextlib.suppress(OSError):  # a full disk may be what is told of
        order.folder.mkdir(parents=True, exist_ok=True)
        with (order.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(trace)
