"""``bench plans``: one cell for each data set and seed; every arm at the compute that the whole flow used."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from taskgroup.bench.frame import Places, Row
from taskgroup.bench.plans.arms import ABLATIONS, ARMS, OURS, SEPARATE, Arm
from taskgroup.bench.plans.choices import choices
from taskgroup.bench.plans.flow import job_folder
from taskgroup.bench.plans.lab import Account, Lab
from taskgroup.bench.plans.picture import draw_gains
from taskgroup.bench.plans.suites import Suite, suite
from taskgroup.bench.plans.words import tables
from taskgroup.core.gain import task_gains
from taskgroup.core.recipe import Candidate
from taskgroup.errors import InputError, TaskgroupError
from taskgroup.pipeline.folder import write_text
from taskgroup.pipeline.progress import Progress
from taskgroup.problems.config import SetConfig
from taskgroup.problems.load import load_problem
from taskgroup.problems.problem import Problem
from taskgroup.search.statistics import gain_interval

Found = tuple[Candidate, dict[str, Any]]
"""What an arm came to, the trainings and seconds that it used, and facts of its job."""
FACTS = ("trials", "trial_seconds", "choosing_seconds", "fork")


class PlansBench:
    """One cell per data set and seed."""

    parallel = by_set = True
    about = """
What `taskgroup` plans, against what one would do otherwise **with the same compute**, on every data set of a folder.

- Compute is counted in multiply-accumulates of training steps, in units of one training of all-shared. The flow runs
  first; what it used in all (looking ahead, search, confirmation) is the `budget` that every other arm may use, to tune
  its learning rate (factors 1/4 to 16), to train candidates, and to race the best of them over further seeds. The same
  training is done once for all arms that ask for it, and each is charged for it; so are its `seconds`.
- Then each arm's choice is trained under fresh seeds, the same seeds and batches for all, and scored on the test split
  once. Gain is the mean over tasks of `1 - error / error of all-separate`, all-separate with its learning rate tuned;
  intervals (90 %) are over these seeds, for these tasks and these splits of the rows; others may say something else,
  as the advantages split by split show.
- All arms of a set share trunk, steps, batch size and base learning rate, which follow from the kind of its rows.
- What each part is worth is measured on the sets that are cheapest to train, five of those that a command takes.
- Rules of choice: what others would have taken of the networks that each job confirmed, against the baseline that is
  better on the test split, under the five seeds of the confirmation. All of these networks are scored on test, once all
  arms have chosen.
- "Pooled" puts the seeds of a set together: each seed is another split of the rows where the set has several.
"""

    def cells(self, quick: bool, places: Places) -> Sequence[str]:
        """``SET@SEED``, the cheap sets first."""
        names = suite(quick).sets(places.data, places.sets)
        return [f"{name}@{seed}" for seed in suite(quick).seeds for name in names]

    def run(
        self, cell: str, *, quick: bool, workers: int, folder: Path, places: Places, progress: Progress
    ) -> list[Row]:
        """A row per arm; arms that an earlier run finished are read from disk."""
        name, _, seed = cell.rpartition("@")
        torch.set_num_threads(1)
        chosen = suite(quick)
        try:
            problem = _read(places.data / f"{name}.npz", int(seed))
        except InputError as error:
            return [{"dataset": name, "seed": int(seed), "left_out": str(error)}]
        train = chosen.training(problem)
        free, separates = chosen.free, chosen.separates
        with Lab.opened(problem, folder / "lab", train, int(seed), free=free, separates=separates) as lab:
            cheap = name in chosen.sets(places.data, places.sets)[: chosen.most_ablated]
            arms = [*ARMS, *(ABLATIONS if cheap and int(seed) in chosen.ablated else ())]
            found, failed = _chosen(lab, arms, folder, progress, cell)
            errors = _tested(lab, found, chosen, failed)
            planned = [arm.name for arm in arms if arm.name in errors and job_folder(lab, arm.name).exists()]
            chosen_by = {arm: {"choices": choices(lab, arm)} for arm in planned}
        rows = []
        for arm in arms:
            if arm.name in errors and SEPARATE in errors:
                rows.append(_row(lab, name, arm, found[arm.name], errors) | chosen_by.get(arm.name, {}))
            else:
                why = failed.get(arm.name, f"there is no {SEPARATE} to compare with")
                rows.append({"dataset": name, "seed": int(seed), "left_out": f"{arm.name}: {why}"})
        return rows

    def tables(self, rows: Sequence[Row]) -> dict[str, list[Row]]:
        """See :mod:`taskgroup.bench.plans.words`."""
        return tables(rows)

    def draw(self, rows: Sequence[Row], path: Path) -> None:
        """Gain against cost, one dot per arm and set."""
        draw_gains(rows, path)


def _read(path: Path, seed: int) -> Problem:
    """The set under its ``seed``-th division, or under its only one."""
    try:
        return load_problem(SetConfig(path=path.name, split_index=seed), None, path.parent)
    except InputError:
        if seed == 0:
            raise
        return load_problem(SetConfig(path=path.name), None, path.parent)


def _chosen(
    lab: Lab, arms: Sequence[Arm], folder: Path, progress: Progress, cell: str
) -> tuple[dict[str, Found], dict[str, str]]:
    """What each arm comes to, and the trainings and seconds it took; why others failed."""
    found: dict[str, Found] = {}
    failed: dict[str, str] = {}
    budget = lab.nominal  # until the flow has said what it used
    for arm in arms:
        kept = folder / f"{arm.name.replace(' ', '-')}.json"
        if not kept.exists():
            progress.say(f"{cell}: {arm.name}")
            write_text(kept, json.dumps(_choose(lab, arm, budget)))
        told = json.loads(kept.read_text(encoding="utf-8"))
        if "failed" in told:
            failed[arm.name] = told["failed"]
            progress.say(f"{cell}: {arm.name}: {told['failed']}")
            continue
        found[arm.name] = Candidate.model_validate(told["candidate"]), told["used"]
        if arm.name == OURS:
            budget = told["used"]["trainings"]
    return found, failed


def _choose(lab: Lab, arm: Arm, budget: float) -> dict[str, Any]:
    account, started = Account(budget), time.perf_counter()
    try:
        candidate = arm.choose(lab, account)
    except TaskgroupError as error:
        return {"failed": str(error)}
    seconds = time.perf_counter() - started + account.reused_s
    used = {"trainings": account.spent, "seconds": seconds, **account.facts}
    return {"candidate": candidate.model_dump(mode="json"), "used": used}


def _tested(lab: Lab, found: dict[str, Found], chosen: Suite, failed: dict[str, str]) -> dict[str, Any]:
    """Test errors by arm, shape ``(n_final, n_tasks)``; arms of which a training fails are told to ``failed``."""
    errors = {}
    for arm, (candidate, _) in found.items():
        try:
            errors[arm] = lab.tested(candidate, chosen.n_final)
        except TaskgroupError as error:
            failed[arm] = str(error)
    return errors


def _row(lab: Lab, name: str, arm: Arm, found: Found, errors: dict[str, Any]) -> Row:
    candidate, used = found
    mine, separate = errors[arm.name], errors[SEPARATE]
    interval = gain_interval(mine, separate)
    gains = task_gains(mine, separate)
    worst = int(np.argmin(gains))
    cost = lab.compute.model.cost(candidate.architecture)
    topology = candidate.architecture.topology
    return {
        "dataset": name,
        "seed": lab.seed,
        "arm": arm.name,
        "gain_vs_separate": interval.mean,
        "ci90": [interval.low, interval.high],
        "worst_task": lab.tasks[worst],
        "worst_task_gain": float(gains[worst]),
        "params_ratio": cost.params_ratio,
        "macs_ratio": cost.macs_ratio,
        "seconds": round(used["seconds"], 1),
        "trainings": round(used["trainings"], 2),
        "error": float(mine.mean()),
        "runs": [float(np.mean(1 - run / separate.mean(axis=0))) for run in mine],
        "copies": [len(topology.groups(s)) for s in range(len(topology.stages))],
        "adapters": sum(not a.is_none for a in candidate.architecture.adapters),
        "head_size": candidate.architecture.head_size,
        "helpers": len(candidate.architecture.helpers),
        "recipe": candidate.recipe.words,
        "tasks": len(lab.tasks),
        **{key: used[key] for key in FACTS if key in used},
    }
