"""Who does the trials of a run, as the command line says it."""

import contextlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from taskgroup.errors import InputError

if TYPE_CHECKING:
    from taskgroup.core.record import Record
    from taskgroup.pipeline.config import Config
    from taskgroup.pipeline.executors import Executor


class ExecutorName(StrEnum):
    """Who does the trials."""

    LOCAL = "local"
    RAY = "ray"


@dataclass(frozen=True)
class Execution:
    """How a job is worked on.

    Attributes:
        executor: Who does the trials.
        workers: Trials at once; None for one here, or for as many as the Ray cluster has room for.
        address: Of the Ray cluster.
        gpus: Of the Ray cluster's GPUs, for one trial.
        trial_limit_s: Wall time of a trial, after which it is tried again.
        storage: Database of the study.

    Raises:
        InputError: Something is for the other executor.
    """

    executor: ExecutorName = ExecutorName.LOCAL
    workers: int | None = None
    address: str | None = None
    gpus: float = 0.0
    trial_limit_s: float | None = None
    storage: str | None = None

    def __post_init__(self) -> None:
        for name, value in (("--address", self.address), ("--gpus", self.gpus or None)):
            if value is not None and self.executor is not ExecutorName.RAY:
                raise InputError(f"{name}: is for --executor ray, found --executor {self.executor}")
        if self.gpus > 1 and self.gpus % 1:
            raise InputError(f"--gpus: should be a fraction of one GPU, or whole ones, found {self.gpus:g}")

    def run(self, config: "Config", base: Path, folder: Path) -> "Record":
        """Run a job, or go on with it, and show how far it is.

        Args:
            config: What to do.
            base: Folder that its paths start from.
            folder: Run directory.
        """
        from taskgroup.cli.progress import terminal_progress
        from taskgroup.pipeline.job import run_job

        with contextlib.ExitStack() as stack:
            executor = self._executor(folder)  # the nursery forks: before anything has threads
            if executor is not None:
                stack.callback(executor.close)
            progress = stack.enter_context(terminal_progress())
            return run_job(
                config,
                folder,
                workers=self.workers or 1,
                progress=progress,
                base=base,
                storage=self.storage,
                executor=executor,
                trial_limit_s=self.trial_limit_s,
            )

    def _executor(self, folder: Path) -> "Executor | None":
        """Who does the trials; None for who does them by default."""
        if self.executor is ExecutorName.RAY:
            from taskgroup.pipeline.ray_executor import RayExecutor

            return RayExecutor(folder, self.workers, self.address, self.gpus, self.trial_limit_s)
        from taskgroup.pipeline.parents import CAN_FOLLOW

        if not CAN_FOLLOW:
            return None
        from taskgroup.pipeline.nursery import Nursery

        return Nursery(folder, self.workers or 1, self.trial_limit_s)
