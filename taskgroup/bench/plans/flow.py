"""Arm: the whole flow, or the flow with a part left out, as ``taskgroup run`` does it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taskgroup.bench.plans.lab import JOB, Account, Lab
from taskgroup.bench.plans.tuning import SCALES
from taskgroup.core.recipe import Candidate
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.forking import FILE as FORK
from taskgroup.pipeline.job import run_job
from taskgroup.pipeline.progress import Silent

TRIALS, SHORTLIST, FINALISTS, CONFIRM_SEEDS = 30, 6, 3, 5


def flow(lab: Lab, account: Account, *, name: str, changes: Mapping[str, Any]) -> Candidate:
    """What ``taskgroup run`` plans under :func:`config_for`, and whatever else ``changes`` says.

    Args:
        lab: Its data and seed; the job trains for itself.
        account: Is told what the job used.
        name: Of the arm, and of the job's folder.
        changes: ``section.key`` → value.
    """
    data = config_for(lab)
    for path, value in changes.items():
        section, _, key = path.partition(".")
        data[section] = {**data.get(section, {}), key: value}
    folder = job_folder(lab, name)
    share_trials(lab, folder)
    record = run_job(
        Config.model_validate(data),
        folder,
        workers=1,
        progress=Silent(),
        base=Path(),
        problem=lab.problem,
        inline=True,
        report=False,
    )
    provenance = record.spec.provenance
    assert provenance is not None
    account.spent += sum(provenance.trainings.values())
    trained = sum(row.seconds for row in record.trials if row.errors)
    account.facts |= {"trials": len(record.trials), "trial_seconds": round(trained, 2)}
    state = Folder(folder).state()
    account.facts |= {"choosing_seconds": state["choosing"]}
    account.reused_s += state["reused_s"]
    if (folder / FORK).exists():
        account.facts["fork"] = json.loads((folder / FORK).read_text(encoding="utf-8"))
    return Candidate(architecture=record.spec.architecture, recipe=record.spec.recipe)


def job_folder(lab: Lab, name: str) -> Path:
    """Where the job of the arm ``name`` lies, if it has one."""
    return lab.prepared.folder.path / "jobs" / name.replace(" ", "-")


def share_trials(lab: Lab, folder: Path) -> None:
    """Equal trainings of several jobs and of the lab are done once; each job counts them as its own."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "trials").exists():
        (folder / "trials").symlink_to(lab.prepared.folder.trials.resolve())


def config_for(lab: Lab) -> dict[str, Any]:
    """The config of a set: the same for all but for the length of the trainings, which is the lab's."""
    return {
        "name": JOB,
        "train": lab.train.model_dump(mode="json"),
        "heads": {"size": lab.heads},
        "measure": {"seeds": 1},
        "search": {
            "trials": TRIALS,
            "trainings": lab.nominal,
            "prune": False,  # so that equal trainings are the same in all jobs
            "lr_scales": list(SCALES),
            "head_sizes": [0, 32],
            "adapters": {"kind": "bottleneck", "sizes": [0, 4, 16]},
        },
        "confirm": {"seeds": CONFIRM_SEEDS, "finalists": FINALISTS, "shortlist": SHORTLIST},
        "export": {"formats": []},
        "seed": lab.seed,
    }
