"""``bench service``: a server under faults and under load, how workers scale, what the controller takes."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from taskgroup.bench.frame import Places, Row
from taskgroup.bench.serving.faulting import SITES, Size, run_faults
from taskgroup.bench.serving.load import LoadSize, run_load
from taskgroup.bench.serving.pace import run_controller, run_pace
from taskgroup.bench.serving.tables import tables_of
from taskgroup.errors import InputError
from taskgroup.pipeline.progress import Progress

NEEDED = ("fastapi", "httpx", "prometheus_client", "uvicorn")
QUICK = Size(trials=10, trial_s=0.7, limit_s=10.0)
QUICK_LOAD = LoadSize(jobs=20, clients=10, streams=10, seconds=10.0, hurried_s=5.0)
ROUNDS = 3


class ServiceBench:
    """One cell per question; each starts servers, databases and clusters of its own."""

    about = """
What `taskgroup serve` stands, with real processes: the server, its workers, a PostgreSQL server and a Ray cluster (a
head and four nodes with one CPU) on this machine. `--workers` of the command plays no part. Where an extra or
PostgreSQL is missing, the goal says so instead of a figure. `--quick` has smaller jobs and fewer of them. Trials have
as many steps as take a core of this machine so long, which is measured first.

**Faults.** A job with 24 search trials of one to two seconds (`linnerud`, one thread), 4 at once or 1. In its course,
each once so many trials were told: a worker is stopped (SIGSTOP) for longer than `--trial-limit`, two are killed
(SIGKILL), the server is killed twice (SIGKILL; started again with the same arguments), and the database goes away.
PostgreSQL is restarted, once cleanly and once as killed; SQLite has no server to restart: what comes nearest is that
somebody else holds the lock of the writers on jobs and study for 10 s. On Ray a node is removed in the middle of a
trial too, and another one added later. A fault of a worker or node counts as injected only once the log says that its
trial was tried again. Then the job has to end by itself.

- `counted`: trials that were trained, against the budget; rows of the table also hold repeats, which cost nothing.
- `trial events`: a row of the table has exactly one. `study`: trials by Optuna's state; none may be left running.
- `lost`: trials given up, or asked for and in no table. `counted twice`: rows or events beyond the first of a trial.
- `tried again`: what the log says was tried again, and why; `job` are runs of the whole job.
- Further checks: event ids rise; a client that followed the job's stream all the time, through every restart, has seen
  exactly the events of the store; no process outlives its server. With one worker: plan, evidence and trials table (but
  for seconds) equal those of the same job done undisturbed in one process.
- `at s` is since the job was submitted, `took s` until the fault had happened and stood in the log.

**Load.** 200 small jobs in the queue (6 trials of a second), two running with one trial each at once. 50 clients ask
for a job, the list of jobs and the job's trials in turn, a request a second each, as the page does; 50 event streams
are open, half of single jobs, half of all. Then the same without a pause. The clients are a process of their own, but
on the same cores as server and trials: without a pause they take what the trials leave. An error is any answer but 2xx,
none within a minute, a stream that breaks, and one whose events are not those of the store (those of the last 5 s
aside). `workers idle` is one less the seconds of trials over the period's, two workers; it holds all that lies between
trials: asking, starting a process, and the beginning and end of jobs. Memory is the server's own process.

**Workers.** The search step of the same job (24 trials of about two seconds) with 1 and 2 workers in turns; `trials/s`
over its whole wall time, from its first event to its last.

**Controller.** Processor time of the server, its fork server, the job's runner and (local) the nursery, over most of a
search with two workers, a trial. The trials' own processes are not in it, nor, on Ray, are its head, nodes and their
raylets.
"""

    def cells(self, quick: bool, places: Places) -> Sequence[str]:
        """Two when quick."""
        every = ["faults-sqlite-local", "faults-postgres-ray", "one-worker", "load", "workers", "controller"]
        return ["faults-sqlite-local", "load"] if quick else every

    def run(
        self, cell: str, *, quick: bool, workers: int, folder: Path, places: Places, progress: Progress
    ) -> list[Row]:
        """Rows of one cell.

        Raises:
            InputError: The extra `service` is not installed.
        """
        missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            raise InputError(f'bench service: needs {", ".join(missing)}; run: pip install "taskgroup-mtl[service]"')
        size = QUICK if quick else Size()
        if cell.startswith("faults-"):
            return [run_faults(cell.removeprefix("faults-"), size, folder / "run", progress)]
        if cell == "one-worker":
            alone = Size(workers=1, undisturbed=True)
            return [run_faults(site, alone, folder / site, progress) for site in SITES]
        if cell == "load":
            return run_load(QUICK_LOAD if quick else LoadSize(), folder / "run", progress)
        if cell == "workers":
            return run_pace(ROUNDS, folder / "run", progress)
        return [run_controller(site, folder / site, progress) for site in ("local", "ray")]

    def tables(self, rows: Sequence[Row]) -> dict[str, list[Row]]:
        """What stands against the goals, and a table for each kind of cell."""
        return tables_of(rows)
