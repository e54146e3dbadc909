"""Controls: what other threads may change of a job while it runs, and see of it."""

import threading


class Stopped(Exception):  # noqa: N818 (not an error)
    """The job was asked to stop; what was under way is put back."""


class Controls:
    """Set by any thread; read by the job's controller, which looks several times a second.

    Args:
        trials: Search budget instead of the config's ``search.trials``.
        workers: Trials at once instead of the executor's capacity; not for jobs that run inline.

    Attributes:
        trials: As edited last; None for the config's.
        workers: As edited last; None for the executor's capacity. Where it shrinks, what runs goes on to its end.
        edits: Number of edits.
        n_running: Trials that the executor has just now; told by the controller.
        n_finished: Trials that it has had since the job was taken up, and that are over; told by the controller.
        is_stopping: Whether the job was asked to stop.
        is_ending: Whether nothing new is to be started.
    """

    def __init__(self, trials: int | None = None, workers: int | None = None) -> None:
        self.trials, self.workers = trials, workers
        self.edits = self.n_running = self.n_finished = 0
        self.is_stopping = self.is_ending = False
        self._lock = threading.Lock()

    def edit(self, trials: int | None, workers: int | None) -> None:
        """Set both; nothing happens where they are what they were."""
        with self._lock:
            if (trials, workers) != (self.trials, self.workers):
                self.trials, self.workers = trials, workers
                self.edits += 1

    def stop(self, *, finish: bool = False) -> None:
        """Ask the job to stop.

        Args:
            finish: Let trials that are under way end first, and keep their results.
        """
        with self._lock:
            self.is_ending = True
            self.is_stopping = self.is_stopping or not finish
            self.edits += 1

    def check(self) -> None:
        """Go on, or not.

        Raises:
            Stopped: The job was asked to stop, and nothing is under way that may end first.
        """
        if self.is_stopping or (self.is_ending and not self.n_running):
            raise Stopped
