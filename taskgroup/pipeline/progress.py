"""Progress: what a job tells while it works, to whoever shows it."""

from typing import Protocol

from taskgroup.core.record import TrialRow


class Progress(Protocol):
    """Receives a job's progress; the terminal shows it one way, a server another."""

    def begin(self, step: str, total: int) -> None:
        """A step begins that consists of ``total`` trials."""
        ...

    def advance(self, done: int, best_gain: float | None = None) -> None:
        """``done`` trials of the step are over; ``best_gain`` is the best so far where the step knows one."""
        ...

    def trial(self, row: TrialRow) -> None:
        """A trial of the search is over; those of earlier runs are told again when the search is taken up."""
        ...

    def end(self, note: str) -> None:
        """The step is over; ``note`` says in a few words what came of it."""
        ...

    def say(self, text: str) -> None:
        """Something worth a line happened."""
        ...


class Silent:
    """Shows nothing."""

    def begin(self, step: str, total: int) -> None:
        """Nothing."""

    def advance(self, done: int, best_gain: float | None = None) -> None:
        """Nothing."""

    def trial(self, row: TrialRow) -> None:
        """Nothing."""

    def end(self, note: str) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""
