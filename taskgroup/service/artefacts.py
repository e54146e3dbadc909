"""What a job has left in its folder so far, as the routes show it."""

import math
import shutil
import threading
import uuid
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from numpy.typing import NDArray

from taskgroup.core.gain import Interval
from taskgroup.core.record import Proposals, TrialRow
from taskgroup.core.spec import Spec, Verdict
from taskgroup.core.strict_yaml import FAST
from taskgroup.exporters import load_spec
from taskgroup.pipeline.folder import Folder
from taskgroup.service.model import Job
from taskgroup.service.refusal import RefusedError
from taskgroup.service.security.paths import contained
from taskgroup.service.views import AffinityView, Dendrogram, Outcome, ProposalsView


class Artefacts:
    """Files of the jobs below one folder; links that lead out of it are as if they were not there.

    Args:
        root: Folder of the run directories.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.drawing = threading.Lock()

    def find(self, job: Job, name: str, what: str) -> Path:
        """A file or folder of a job.

        Args:
            job: Whose.
            name: Relative to its folder.
            what: What it is, for the sentence.

        Raises:
            RefusedError: 404, saying how far the job is.
        """
        path = self.root / job.name / name
        if not path.exists():
            raise RefusedError(404, f"{what} of `{job.name}` is not there yet: {standing(job)}")
        return contained(path, self.root)

    def affinity(self, job: Job, stage: str | None = None) -> AffinityView:
        """Measured affinities, of one stage or of all.

        Raises:
            RefusedError: Not measured yet, or no such stage.
        """
        self.find(job, "affinity.npz", "the affinity")
        found = Folder(self.root / job.name).affinity()
        if stage is not None and stage not in found.stages:
            raise RefusedError(404, f"stage: should be one of {', '.join(found.stages)}, found `{stage}`")
        stages = found.stages if stage is None else (stage,)
        places = [found.stages.index(name) for name in stages]
        values, stderr, counts = (array[places] for array in (found.values, found.stderr, found.counts))
        return AffinityView(
            tasks=found.tasks,
            stages=stages,
            values=_nullable(values),
            stderr=_nullable(stderr),
            counts=counts.tolist(),
        )

    def proposals(self, job: Job) -> ProposalsView:
        """Groupings with the tree that they come from."""
        self.find(job, "proposals.json", "the list of proposals")
        found = Folder(self.root / job.name).proposals()
        return ProposalsView(**dict(found), dendrogram=dendrogram(found))

    def rows(self, job: Job) -> tuple[TrialRow, ...]:
        """The trials table."""
        self.find(job, "trials.jsonl", "the trials table")
        return Folder(self.root / job.name).rows()

    def spec(self, job: Job) -> Spec:
        """The plan."""
        return load_spec(self.find(job, "spec.yaml", "the spec"))

    def outcome(self, job: Job) -> Outcome | None:
        """Of a finished job, read once."""
        path = self.root / job.name / "spec.yaml"
        try:
            state = contained(path, self.root).stat()
        except (RefusedError, OSError):
            return None
        return _outcome(path, (state.st_mtime_ns, state.st_size))

    def remove(self, name: str) -> None:
        """Remove a job's folder; its name is free at once."""
        path = self.root / name
        gone = self.root / f".removed-{uuid.uuid4().hex}"
        if path.is_symlink():
            path.unlink()
        elif path.is_dir():
            path.rename(gone)
            shutil.rmtree(gone)


def standing(job: Job) -> str:
    """How far a job is, in words that follow a colon."""
    where = f" at step {job.step}" if job.step else ""
    if job.state.is_terminal:
        return f"the job is {job.state}{where}" + (f" ({job.message})" if job.message else "")
    return f"the job is {job.state}" + (where or ", no step has begun")


@lru_cache(maxsize=2000)
def _outcome(path: Path, version: tuple[int, int]) -> Outcome | None:
    """Without the checks of a whole spec, of which a list of jobs would read many."""
    del version
    data = yaml.load(path.read_text(encoding="utf-8"), Loader=FAST)
    evidence = data.get("evidence")
    if evidence is None:
        return None
    gain = Interval.model_validate(evidence["gain_vs_separate"])
    return Outcome(Verdict.model_validate(evidence["verdict"]), gain)


def _nullable(array: NDArray[Any]) -> Any:
    if array.ndim > 1:
        return [_nullable(inner) for inner in array]
    return [value if math.isfinite(value) else None for value in array.tolist()]


def dendrogram(proposals: Proposals) -> Dendrogram | None:
    """The first tree with its leaves in plot order."""
    if not proposals.trees:
        return None
    source, tree = proposals.trees[0].source, proposals.trees[0].tree
    n = len(tree.tasks)
    merges = tuple(
        (a, b, height, len(tree.leaves(n + k)))
        for k, ((a, b), height) in enumerate(zip(tree.merges, tree.heights, strict=True))
    )
    order, waiting = [], [2 * n - 2]
    while waiting:
        node = waiting.pop()
        if node < n:
            order.append(tree.tasks[node])
        else:
            waiting += reversed(tree.merges[node - n])
    return Dendrogram(source=source, tasks=tree.tasks, leaves=tuple(order), merges=merges)
