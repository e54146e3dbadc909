"""What can go wrong, as a small family of exceptions; knows nothing of where it is shown."""

from collections.abc import Iterable


class TaskgroupError(Exception):
    """Root of every error this package raises on purpose."""


class InputError(TaskgroupError, ValueError):
    """The user's input is wrong; carries every sentence found, not only the first.

    Args:
        problems: One sentence per fault; each names the field or file, the rule and what was found.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class ConflictError(TaskgroupError, RuntimeError):
    """Something on disk or in another process contradicts what was asked for (changed config, job in use)."""


class BusyError(ConflictError):
    """Another process is at work on it; later it may be free."""


class UnreachableError(TaskgroupError, ConnectionError):
    """A cluster or a database does not answer, or does not let us in; later it may."""


class TrialError(TaskgroupError, RuntimeError):
    """A trial that the job cannot do without has failed for good."""
