"""Measures side by side: trains what they want to see, once for all of one sight, and compares what they say."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from taskgroup.core.affinity import Affinity
from taskgroup.core.comparison import Comparison, Measured
from taskgroup.errors import InputError
from taskgroup.measures import MEASURES
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.crew import Crew
from taskgroup.pipeline.desk import FOLDER, Desk
from taskgroup.pipeline.executors import InlineExecutor, LocalExecutor
from taskgroup.pipeline.faults import method_faults
from taskgroup.pipeline.folder import Folder, write_text
from taskgroup.pipeline.gains import gains_from_trials
from taskgroup.pipeline.job import load_checked, python_source
from taskgroup.pipeline.prepared import check_same, load_prepared, prepare
from taskgroup.pipeline.progress import Progress
from taskgroup.pipeline.sights import measure_missing
from taskgroup.pipeline.wanted import Wanted, wanted_measures
from taskgroup.problems.problem import Problem
from taskgroup.report import write_comparison

NO_GAINS = (
    "Nothing tells yet what sharing really gains: add `pairs` to the measures, or plan first (taskgroup run), "
    "and give the same command again."
)


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
        TrialError: A trial failed for good.
    """
    faults = method_faults(config.to_dict(), config.name)
    if faults:  # nobody wants to make room for a config that cannot run
        raise InputError(faults)
    wanted = wanted_measures(measures, config.measure.affinity)
    desk = Desk(config, Folder(out), base, config.measure.seeds if seeds is None else seeds)
    if not _finished(desk, wanted, problem):
        loaded = load_checked(config, base, problem)
        with desk.folder.held():
            desk.folder.claim(config.to_dict())
            prepare(loaded, desk.folder, python_source(config, base))
            if "state" not in desk.folder.state():
                desk.folder.note(name=config.name, state="measured", config=config.fingerprint)
            desk.read_files(wanted)  # before the trainings: what is wrong with a file is told at once
            prepared = load_prepared(desk.folder, loaded.trunk)
            executor = InlineExecutor(prepared) if inline else LocalExecutor(out, workers)
            try:
                measure_missing(desk, desk.missing(wanted), Crew(desk.folder, executor, progress), progress)
            finally:
                executor.close()
    else:
        desk.read_files(wanted)
    comparison = _compared(desk, wanted)
    _show(desk.folder, comparison, progress)
    return comparison


def _finished(desk: Desk, wanted: Sequence[Wanted], problem: Problem | None) -> bool:
    """Whether nothing is left to train.

    Raises:
        ConflictError: The folder holds another job.
    """
    if "data" not in desk.folder.state():
        return False
    desk.folder.claim(desk.config.to_dict())
    if problem is not None:
        check_same(problem, desk.folder)  # the config says nothing of it
    return not desk.missing(wanted)


def _compared(desk: Desk, wanted: Sequence[Wanted]) -> Comparison:
    measured = []
    for w in wanted:
        affinity = desk.folder.affinity(f"{FOLDER}/{w.file}")
        notes = affinity.provenance
        measured.append(
            Measured(
                name=w.name,
                family=w.family,
                sees=w.measure.sees,
                meaning=w.measure.meaning,
                symmetric=w.measure.symmetric,
                affinity=affinity,
                look_s=float(notes["look_s"]),
                training_s=float(notes["training_s"]),
                reliability=notes["between_seeds"],
            )
        )
    return Comparison(desk.config.name, tuple(measured), *_gains(desk, measured))


def _gains(desk: Desk, measured: Sequence[Measured]) -> tuple[Affinity | None, str]:
    """Measured gains and where they come from."""
    pairs = next((m.affinity for m in measured if m.sees == "runs"), None) or _earlier_pairs(desk)
    if pairs is not None:
        n_seeds = len(pairs.provenance["seeds"])
        return pairs, (
            f"Pairs of tasks were trained together and each task alone, under {n_seeds} "
            f"seed{'s' * (n_seeds > 1)}: the gain is the share of the target's error that is gone."
        )
    if (desk.folder.path / "trials.jsonl").exists():
        found = gains_from_trials(desk.folder.rows())
        if found is not None:
            return found, (
                f"From {found.provenance['trials']} trials of the search: how much more a target gains where the two "
                "share the deeper half of the trunk than where they do not. Rough, since trials differ in other "
                "things too."
            )
    return None, NO_GAINS


def _earlier_pairs(desk: Desk) -> Affinity | None:
    """Of an earlier call, where ``pairs`` was not asked for in this one."""
    if "pairs" not in MEASURES.names:
        return None
    return desk.read(wanted_measures([{"method": "pairs"}], desk.config.measure.affinity)[0], any_seeds=True)


def _show(folder: Folder, comparison: Comparison, progress: Progress) -> None:
    """Write the page, unless the one that is there shows the same."""
    content = hashlib.sha256(repr([(m.name, m.affinity.provenance) for m in comparison.measured]).encode())
    for affinity in (*comparison.affinities.values(), *([comparison.gains] if comparison.gains else [])):
        content.update(affinity.values.tobytes())
    stamp = content.hexdigest()
    path = folder.path / FOLDER / "page.txt"
    if path.exists() and path.read_text() == stamp and (folder.path / "measures.html").exists():
        return
    progress.begin("compare", 0)
    write_comparison(comparison, folder.path)
    write_text(path, stamp)
    progress.end("measures.html and measures/why.csv")
