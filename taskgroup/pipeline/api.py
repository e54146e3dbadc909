"""The Python face: ``taskgroup.plan`` and ``taskgroup.measure``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taskgroup.core.affinity import Affinity
from taskgroup.core.comparison import Comparison
from taskgroup.core.record import Proposals, Record, TrialRow
from taskgroup.core.spec import Spec
from taskgroup.errors import InputError
from taskgroup.pipeline.compare import run_measures
from taskgroup.pipeline.config import Config, parse_config, read_yaml
from taskgroup.pipeline.guard import main_fault
from taskgroup.pipeline.job import run_job
from taskgroup.pipeline.progress import Progress, Silent
from taskgroup.pipeline.wanted import parse_measures
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
    config, base, in_memory = _checked("plan", problem, space, workers)
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


def measure(
    problem: Problem | Mapping[str, Any] | None = None,
    space: Config | Mapping[str, Any] | str | Path | None = None,
    *,
    measures: str | Sequence[str | Mapping[str, Any]] | None = None,
    seeds: int | None = None,
    out: str | Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Comparison:
    """Measure affinities in several ways and put them side by side; the same as ``taskgroup measure``.

    Args:
        problem: As for :func:`plan`.
        space: As for :func:`plan`; both work in the same run directory.
        measures: Names as for ``--with`` (``"cka,lookahead(step_size=lr)"``), or a list of such names and of mappings
            with ``method`` and options; by default the config's own measure.
        seeds: Trainings of each kind, by default ``measure.seeds``.
        out: Run directory, by default ``results/NAME``. The same call again goes on, or answers at once.
        workers: As for :func:`plan`.
        progress: Is told how far it is; silent by default.

    Raises:
        InputError: With one sentence per fault.
        ConflictError: ``out`` holds another job, or another process works on it.
        TrialError: A trial failed for good.
    """
    config, base, in_memory = _checked("measure", problem, space, workers)
    if seeds is not None and seeds < 1:
        raise InputError(f"measure: `seeds` should be at least 1, found {seeds}")
    listed = [measures] if isinstance(measures, str) else measures
    wanted = [config.measure.affinity] if listed is None else [m for entry in listed for m in _options(entry)]
    return run_measures(
        config,
        Path("results") / config.name if out is None else Path(out),
        wanted,
        workers=workers,
        progress=progress or Silent(),
        base=base,
        seeds=seeds,
        problem=in_memory,
        inline=workers == 1,
    )


def _options(entry: str | Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(parse_measures(entry)) if isinstance(entry, str) else [entry]


def _checked(what: str, problem: Any, space: Any, workers: int) -> tuple[Config, Path, Problem | None]:
    """The whole config, the folder that its paths start from, and the problem if it is in memory."""
    fault = main_fault(workers)
    if fault:
        raise InputError(f"{what}: {fault}")
    in_memory = problem if isinstance(problem, Problem) else None
    config, base = _resolve(problem, space)
    if config.problem is None and in_memory is None:
        raise InputError(f"{what}: needs a problem, as an argument or as `problem` in the config")
    if workers < 1:
        raise InputError(f"{what}: `workers` should be at least 1, found {workers}")
    if in_memory is not None and workers > 1:
        raise InputError(
            f"{what}: a problem in memory runs with workers=1, found {workers}; for more, give it as a config section "
            "(source: bundled, table or python) that workers can load"
        )
    return config, base, in_memory


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
