"""The controller: takes a job through its steps, goes on where an earlier run stopped, answers at once when done."""

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import torch

from taskgroup import __version__
from taskgroup.adapters import ADAPTERS
from taskgroup.core.record import Record
from taskgroup.core.spec import Provenance, Spec
from taskgroup.core.table import did_you_mean
from taskgroup.errors import InputError
from taskgroup.exporters import save_spec
from taskgroup.groupers.propose import make_groupers
from taskgroup.nn.sites import sites_of
from taskgroup.pipeline.choosing import confirm
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.context import Job
from taskgroup.pipeline.controls import Controls
from taskgroup.pipeline.crew import Crew
from taskgroup.pipeline.executors import Executor, InlineExecutor, LocalExecutor
from taskgroup.pipeline.exporting import export_all
from taskgroup.pipeline.faults import method_faults, untold
from taskgroup.pipeline.finished import finished_record
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.prepared import Prepared, check_same, load_prepared, prepare
from taskgroup.pipeline.problem_files import file_hashes
from taskgroup.pipeline.progress import Progress
from taskgroup.pipeline.searching import search
from taskgroup.pipeline.sections import SearchConfig
from taskgroup.pipeline.steps import make_proposals, measure
from taskgroup.problems.config import PythonConfig
from taskgroup.problems.faults import too_few_tasks
from taskgroup.problems.load import load_problem
from taskgroup.problems.problem import Problem
from taskgroup.problems.validate import validate
from taskgroup.report import write_report
from taskgroup.search.storage import open_storage

T = TypeVar("T")
PACKAGES = ("networkx", "numpy", "optuna", "scikit-learn", "scipy", "torch")


def run_job(
    config: Config,
    out: Path,
    *,
    workers: int,
    progress: Progress,
    base: Path,
    problem: Problem | None = None,
    inline: bool = False,
    storage: str | None = None,
    report: bool = True,
    executor: Executor | None = None,
    controls: Controls | None = None,
    trial_limit_s: float | None = None,
) -> Record:
    """Run a job, or go on with it, or give what it found.

    Args:
        config: What to do.
        out: Run directory.
        workers: Trials at once, one process each.
        progress: Is told.
        base: Folder that relative paths of the config start from.
        problem: Problem in memory, instead of the config's; only ``inline``.
        inline: Run the trials in this process, one after the other, whatever ``workers`` says.
        storage: Database of the study; SQLite in ``out`` where None.
        report: Whether to write ``report.html`` and the figures.
        executor: Does the trials; its maker closes it. Worker processes of this machine where None.
        controls: May change the budget and the number of workers, or stop the job, from other threads.
        trial_limit_s: Wall time of a trial, after which a worker process is killed and the trial tried again.

    Raises:
        InputError: The problem is faulty, or there is no such database.
        ConflictError: ``out`` holds another job, or another process works on it.
        TrialError: A trial that cannot be done without failed for good.
        Stopped: The controls asked for it; the same call goes on.
    """
    with contextlib.ExitStack() as stack:
        folder = Folder(out)
        finished = finished_record(folder, config, base)
        if finished is not None:
            if problem is not None:
                check_same(problem, folder)  # the config says nothing of it
            return finished
        loaded = load_checked(config, base, problem)
        study = None if storage is None else open_storage(storage, out)
        stack.enter_context(folder.held())
        prepared = _prepare(loaded, config, folder, base, progress)
        if executor is None:
            executor = InlineExecutor(prepared) if inline else LocalExecutor(out, workers, trial_limit_s)
            stack.callback(executor.close)
        crew = Crew(folder, executor, progress, controls)
        study = study or open_storage(None, out)
        stack.callback(study.engine.dispose)  # closes its connections
        record = _go(Job(config, folder, prepared, crew, progress, study, base))
        if report:
            progress.begin("report", 0)
            write_report(record, folder.path)
            progress.end("report.html and figures")
        folder.note(state="done", reused_s=round(crew.reused_s, 2))
        return record


def _prepare(problem: Problem, config: Config, folder: Folder, base: Path, progress: Progress) -> Prepared:
    """Write problem and config into the held folder."""
    folder.claim(config.to_dict())
    prepare(problem, folder, python_source(config, base))
    folder.note(name=config.name, state="running", config=config.fingerprint, files=file_hashes(config, base))
    for note in problem.preprocessing.get("notes", ()):
        progress.say(str(note))
    return load_prepared(folder, problem.trunk)


def load_checked(config: Config, base: Path, problem: Problem | None) -> Problem:
    """The problem, once nothing in config and data is left to complain about.

    Raises:
        InputError: With a sentence for each fault of both.
    """
    faults = method_faults(config.to_dict(), config.name)
    if problem is not None:
        faults += validate(problem)
    else:
        assert config.problem is not None
        try:
            problem = load_problem(config.problem, config.trunk, base)
        except InputError as error:
            faults += untold(error, faults)
    if problem is not None:
        faults += [f"{config.name}: {fault}" for fault in [too_few_tasks(problem.tasks.names)] if fault]
        faults += _stage_faults(config, problem.trunk.names)
        if not faults:
            faults += _adapter_faults(config, problem)
            faults += _grouping_faults(config, problem.tasks.names)
    if faults or problem is None:
        raise InputError(faults)
    return problem


def _stage_faults(config: Config, names: Sequence[str]) -> list[str]:
    known = ", ".join(names)
    return [
        f"{config.name}: `search.adapters.stages`: the trunk's stages are {known}; "
        f"found `{stage}`{did_you_mean(stage, tuple(names))}"
        for stage in config.search.adapters.stages or ()
        if stage not in names
    ]


def _adapter_faults(config: Config, problem: Problem) -> list[str]:
    """Kinds of adapter that cannot stand at a stage where search may put them."""
    choice = config.search.adapters
    sizes = [size for size in choice.sizes if size]
    if not sizes:
        return []
    sites = sites_of(problem.trunk, torch.from_numpy(problem.inputs[:2]))
    at = dict(zip(problem.trunk.names, sites, strict=True))
    made = [ADAPTERS.create(kind, {"size": sizes[0] if ADAPTERS[kind].sized else 1}) for kind in choice.kinds]
    stages = problem.trunk.names if choice.stages is None else choice.stages
    found = [(stage, adapter.fault(at[stage])) for stage in stages for adapter in made]
    return [f"{config.name}: `search.adapters.stages`: at `{stage}`: {fault}" for stage, fault in found if fault]


def _grouping_faults(config: Config, tasks: tuple[str, ...]) -> list[str]:
    """Names in constraints and in groups of the user's own that are no tasks, and rules that contradict each other."""
    checks = [("propose.constraints", config.propose.constraints.check)]
    for k, grouper in enumerate(make_groupers(config.propose.groupers, config.propose.symmetrization)):
        checks += [(f"propose.groupers.{k}", grouper.check)] if hasattr(grouper, "check") else []
    faults = []
    for place, check in checks:
        try:
            check(tasks)
        except InputError as error:
            faults += [f"{config.name}: `{place}`: {problem}" for problem in error.problems]
    return faults


def python_source(config: Config, base: Path) -> Mapping[str, Any]:
    """How workers get a ``python`` problem's trunk again; empty for others."""
    if not isinstance(config.problem, PythonConfig):
        return {}
    return {"target": config.problem.target, "options": config.problem.options, "folder": str(base.resolve())}


def _go(job: Job) -> Record:
    config, folder, prepared, progress = job.config, job.folder, job.prepared, job.progress
    affinity = _timed(job, "measure", lambda: measure(job))
    proposals = _timed(job, "propose", lambda: make_proposals(job, affinity))
    rows = _timed(job, "search", lambda: search(job, affinity, proposals))
    confirmed = _timed(job, "confirm", lambda: confirm(job, rows))
    spec = Spec(
        tasks=prepared.tasks,
        trunk=prepared.trunk_spec,
        architecture=confirmed.arm.architecture,
        recipe=confirmed.arm.recipe,
        cost=confirmed.arm.cost,
        evidence=confirmed.evidence,
        provenance=_provenance(config, folder, len(rows)),
    )
    record = Record(config.name, spec, affinity, proposals, rows)
    save_spec(spec, folder.path / "spec.yaml")
    shutil.copyfile(confirmed.weights, folder.path / "weights.safetensors")
    weights = folder.path / "weights.safetensors"
    for fault in export_all(prepared, spec, weights, folder.path / "exports", config.export.formats):
        progress.say(fault)  # the plan stands, whatever a format cannot express
    return record


def _timed(job: Job, step: str, work: Callable[[], T]) -> T:
    """Do a step and add its wall time to what earlier runs spent on it."""
    job.crew.controls.check()
    started = time.perf_counter()
    result = work()
    seconds = dict(job.folder.state().get("seconds", {}))
    seconds[step] = round(seconds.get(step, 0.0) + time.perf_counter() - started, 2)
    job.folder.note(seconds=seconds)
    return result


def _provenance(config: Config, folder: Folder, n_trials: int) -> Provenance:
    python = ".".join(str(part) for part in sys.version_info[:3])
    return Provenance(
        job=config.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=config.seed,
        config_hash=config.fingerprint,
        data_hash=str(folder.state()["data"]),
        versions={"taskgroup": __version__, "python": python, **{name: version(name) for name in PACKAGES}},
        n_trials=n_trials,
        seconds=dict(folder.state()["seconds"]),
        trainings=dict(folder.state().get("trainings", {})),
        asked=_asked(config) | {f"{key} (edited)": str(n) for key, n in folder.state().get("edited", {}).items()},
    )


def _asked(config: Config) -> dict[str, str]:
    """Objectives, limits, rules and budgets, by key, where they are not the usual ones."""
    search = config.search.model_dump(mode="json", include={"objective", "trainings", "seconds"})
    usual = {"search.objective": [*SearchConfig().objective]}
    parts = {"search": search, "limits": config.limits.model_dump(mode="json")}
    parts["propose.constraints"] = config.propose.constraints.model_dump(mode="json", exclude_defaults=True)
    flat = {f"{section}.{key}": value for section, part in parts.items() for key, value in part.items()}
    return {key: _words(value) for key, value in flat.items() if value not in (None, usual.get(key))}


def _words(value: Any) -> str:
    return json.dumps(value) if isinstance(value, list | dict) else str(value)
