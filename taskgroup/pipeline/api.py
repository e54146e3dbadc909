"""The Python face: ``taskgroup.plan``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taskgroup.core.affinity import Affinity
from taskgroup.core.record import Proposals, Record, TrialRow
from taskgroup.core.spec import Spec
from taskgroup.errors import InputError
from taskgroup.pipeline.config import Config, parse_config, read_yaml
from taskgroup.pipeline.job import run_job
from taskgroup.pipeline.progress import Progress, Silent
from taskgroup.problems.problem import Problem
from taskgroup.report import figures, summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Plan:
    """A finished plan.

    Attributes:
        record: Everything that was found.
        folder: Run directory, where all of it lies as files.
    """

    record: Record
    folder: Path

    @property
    def spec(self) -> Spec:
        """The sharing-topology spec, with evidence and provenance."""
        return self.record.spec

    @property
    def affinity(self) -> Affinity:
        """Measured affinities."""
        return self.record.affinity

    @property
    def proposals(self) -> Proposals:
        """Groupings and candidate trees."""
        return self.record.proposals

    @property
    def trials(self) -> tuple[TrialRow, ...]:
        """The trials table."""
        return self.record.trials

    def figures(self) -> "dict[str, Figure]":
        """Every figure of the report, by name."""
        return figures(self.record)

    def summary(self) -> str:
        """The plan in words."""
        return summary(self.record.name, self.spec, self.folder)

    def __str__(self) -> str:
        return self.summary()


def plan(
    problem: Problem | Mapping[str, Any] | None = None,
    space: Config | Mapping[str, Any] | str | Path | None = None,
    *,
    out: str | Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Plan:
    """Plan which tasks share which stages; the same as ``taskgroup run``.

    Args:
        problem: A :class:`taskgroup.Problem` in memory, or the ``problem`` section of a config; None takes the one in
            ``space``.
        space: The rest of the config: a file, a mapping or a :class:`Config`; the defaults where None.
        out: Run directory, by default ``results/NAME``. The same call again goes on, or answers at once.
        workers: Trials at once. 1 runs them in this process; more starts worker processes, which need a problem they
            can load themselves, and a main module guarded by ``if __name__ == "__main__"``.
        progress: Is told how far it is; silent by default.

    Raises:
        InputError: With one sentence per fault.
        ConflictError: ``out`` holds another job, or another process works on it.
        TrialError: A trial that cannot be done without failed for good.
    """
    in_memory = problem if isinstance(problem, Problem) else None
    config, base = _resolve(problem, space)
    if config.problem is None and in_memory is None:
        raise InputError("plan: needs a problem, as an argument or as `problem` in the config")
    if workers < 1:
        raise InputError(f"plan: `workers` should be at least 1, found {workers}")
    if in_memory is not None and workers > 1:
        raise InputError(
            f"plan: a problem in memory runs with workers=1, found {workers}; for more, give it as a config section "
            "(source: bundled, table or python) that workers can load"
        )
    folder = Path("results") / config.name if out is None else Path(out)
    record = run_job(
        config,
        folder,
        workers=workers,
        progress=progress or Silent(),
        base=base,
        problem=in_memory,
        inline=workers == 1,
    )
    return Plan(record, folder)


def _resolve(problem: Any, space: Any) -> tuple[Config, Path]:
    """The whole config and the folder that its paths start from."""
    base = Path()
    if isinstance(space, str | Path):
        base, source = Path(space).parent, str(space)
        data = read_yaml(Path(space))
    else:
        source = "space"
        data = space.to_dict() if isinstance(space, Config) else {} if space is None else space
    if not isinstance(data, Mapping):
        return parse_config(data, source, base), base  # says so
    if isinstance(problem, Problem):
        data = {"name": problem.name, **data, "problem": None, "trunk": None}
    elif problem is not None:
        data = {"name": str(problem.get("name", "plan")), **data, "problem": dict(problem)}
    return parse_config(data, source, base), base
