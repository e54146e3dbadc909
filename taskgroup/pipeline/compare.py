"""Measures side by side: trains what they want to see, once for all of one sight, and compares what they say."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from taskgroup.core.comparison import Comparison
from taskgroup.core.text import plural
from taskgroup.errors import InputError, TrialError
from taskgroup.pipeline.compared import compared, show
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.crew import Crew
from taskgroup.pipeline.desk import Desk
from taskgroup.pipeline.executors import InlineExecutor, LocalExecutor
from taskgroup.pipeline.faults import method_faults
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.job import load_checked, python_source
from taskgroup.pipeline.prepared import check_same, load_prepared, prepare
from taskgroup.pipeline.problem_files import check_files, file_hashes
from taskgroup.pipeline.progress import Progress
from taskgroup.pipeline.sights import measure_missing
from taskgroup.pipeline.wanted import Wanted, wanted_measures
from taskgroup.problems.problem import Problem


def run_measures(
    config: Config,
    out: Path,
    measures: Sequence[Mapping[str, Any]],
    *,
    workers: int,
    progress: Progress,
    base: Path,
    seeds: int | None = None,
    problem: Problem | None = None,
    inline: bool = False,
) -> Comparison:
    """Measure affinities in several ways, or go on with it, or give what is there; writes ``measures.html``.

    Works in the run directory of the job, before, after or without its plan. Each measure's matrices are kept as
    ``measures/NAME.npz`` and ``.csv``; what lies there under the same config, data and seeds is not measured again.

    Args:
        config: The job.
        out: Run directory.
        measures: ``method`` and options of each measure.
        workers: Trials at once, one process each.
        progress: Is told.
        base: Folder that relative paths of the config start from.
        seeds: Trainings of each sight; by default ``measure.seeds``.
        problem: Problem in memory, instead of the config's; only ``inline``.
        inline: Run the trials in this process, one after the other, whatever ``workers`` says.

    Raises:
        InputError: The problem or a measure's options are faulty.
        ConflictError: ``out`` holds another job, or another process works on it.
        TrialError: A trial failed for good; or a measure did, after all others were kept and shown.
    """
    faults = method_faults(config.to_dict(), config.name)
    if faults:  # nobody wants to make room for a config that cannot run
        raise InputError(faults)
    wanted = wanted_measures(measures, config.measure.affinity)
    desk = Desk(config, Folder(out), base, config.measure.seeds if seeds is None else seeds)
    failed: dict[str, str] = {}
    if not _finished(desk, wanted, problem):
        loaded = load_checked(config, base, problem)
        with desk.folder.held():
            desk.folder.claim(config.to_dict())
            prepare(loaded, desk.folder, python_source(config, base))
            desk.folder.note(files=file_hashes(config, base))
            if "state" not in desk.folder.state():
                desk.folder.note(name=config.name, state="measured", config=config.fingerprint)
            desk.read_files(wanted)  # before the trainings: what is wrong with a file is told at once
            prepared = load_prepared(desk.folder, loaded.trunk)
            executor = InlineExecutor(prepared) if inline else LocalExecutor(out, workers)
            try:
                failed = measure_missing(desk, desk.missing(wanted), Crew(desk.folder, executor, progress), progress)
            finally:
                executor.close()
    else:
        desk.read_files(wanted)
    kept = [w for w in wanted if w.name not in failed]
    comparison = _shown(desk, kept, progress) if kept else None
    if failed or comparison is None:
        raise TrialError(_failures(failed, len(kept)))
    return comparison


def _shown(desk: Desk, kept: Sequence[Wanted], progress: Progress) -> Comparison:
    desk.note(kept)
    comparison = compared(desk, kept)
    show(desk.folder, comparison, progress)
    return comparison


def _failures(failed: Mapping[str, str], n_kept: int) -> str:
    """What failed and what is there all the same, in one sentence."""
    reasons = "; ".join(f"measure {name} failed: {reason}" for name, reason in failed.items())
    return f"{reasons}; {plural(n_kept, 'other measure')} kept" if n_kept else reasons


def _finished(desk: Desk, wanted: Sequence[Wanted], problem: Problem | None) -> bool:
    """Whether nothing is left to train.

    Raises:
        ConflictError: The folder holds another job.
    """
    if "data" not in desk.folder.state():
        return False
    desk.folder.claim(desk.config.to_dict())
    check_files(desk.config, desk.base, desk.folder)
    if problem is not None:
        check_same(problem, desk.folder)  # the config says nothing of it
    return not desk.missing(wanted)
