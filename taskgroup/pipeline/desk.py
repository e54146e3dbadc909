"""Where the results of a comparison lie, and when they still hold."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.affinity import TRUNK, Affinity
from taskgroup.core.phases import class_shares
from taskgroup.core.reliability import centred_rank_agreement
from taskgroup.core.seeds import derive_seed
from taskgroup.core.spec import digest
from taskgroup.core.task import TaskSet
from taskgroup.core.trial import TrainOptions
from taskgroup.measures.views import FileView
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.folder import Folder, write_text
from taskgroup.pipeline.measuring import Looks, averaged
from taskgroup.pipeline.wanted import Known, Wanted

Array = NDArray[np.float64]
K = TypeVar("K", bound=Known)

FOLDER = "measures"
"""Where results lie in the run directory."""
COSINES = "gradient_cosine"
"""The measure whose looks fall into classes."""


@dataclass(frozen=True)
class Desk:
    """A job's folder as the measures use it.

    Attributes:
        config: The job.
        folder: Its run directory.
        base: Folder that relative paths of the config start from.
        n_seeds: Trainings of each sight.
    """

    config: Config
    folder: Folder
    base: Path
    n_seeds: int

    @property
    def seeds(self) -> list[int]:
        """Those of the job's own measure trials, and further ones."""
        return [derive_seed(self.config.seed, "measure", k) for k in range(self.n_seeds)]

    @property
    def train(self) -> TrainOptions:
        """How long and how."""
        steps = self.config.measure.steps
        return self.config.train if steps is None else self.config.train.model_copy(update={"steps": steps})

    def names(self) -> tuple[TaskSet, tuple[str, ...]]:
        """Tasks, and the trunk's stages."""
        described = json.loads((self.folder.data / "problem.json").read_text(encoding="utf-8"))
        return TaskSet.model_validate(described["tasks"]), tuple(described["trunk"]["stages"])

    def key(self, wanted: Known) -> str:
        """Hash of everything that a result follows from, but the seeds."""
        measure = self.config.measure.model_dump(mode="json", exclude={"affinity", "seeds"})
        content = [wanted.options, measure, self.train.model_dump(mode="json"), self.folder.state()["data"]]
        heads = self.config.heads.size
        return digest([*content, heads] if heads else content)

    def known(self) -> dict[str, Known]:
        """Measures that lie here, by name; they may be of another time, which :meth:`read` sees."""
        path = self.folder.path / FOLDER / "known.json"
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        names = {field.name for field in fields(Known)}
        return {entry["name"]: Known(**entry) for entry in found if entry.keys() == names}  # else of another version

    def note(self, wanted: Sequence[Wanted]) -> None:
        """Add them to :meth:`known`."""
        known = self.known()
        found = known | {w.name: w.known for w in wanted}
        if found != known:
            text = json.dumps([asdict(entry) for entry in found.values()], indent=1)
            write_text(self.folder.path / FOLDER / "known.json", text)

    def read(self, wanted: Known, *, any_seeds: bool = False) -> Affinity | None:
        """What an earlier call found under the same key and the same seeds, or under any."""
        if not (self.folder.path / FOLDER / f"{wanted.file}.npz").exists():
            return None
        found = self.folder.affinity(f"{FOLDER}/{wanted.file}")
        same = found.provenance["key"] == self.key(wanted)
        return found if same and (any_seeds or found.provenance["seeds"] == self.seeds) else None

    def missing(self, wanted: Sequence[K]) -> list[K]:
        """Measures that have yet to look; files are read each time, since they may have changed."""
        return [w for w in wanted if w.sees != "file" and self.read(w) is None]

    def read_files(self, wanted: Sequence[Wanted]) -> None:
        """Let those measures look that see a file.

        Raises:
            InputError: It is not there, or holds something else.
        """
        tasks, stages = self.names()
        for w in wanted:
            if w.sees == "file":
                view = FileView(tasks, stages, str(self.base))
                self.keep(w, [once(self.config.seed, w.measure(view))], (0.0, 0.0))

    def keep(self, wanted: Wanted, looks: Sequence[Looks], seconds: tuple[float, float]) -> None:
        """Average the looks of all seeds and write them.

        Args:
            wanted: The measure.
            looks: One for each seed.
            seconds: Those spent in the measure, and in the trainings.
        """
        probes = wanted.sees == "probe"
        affinity = self._averaged(wanted, looks) if probes else self._plain(looks)
        notes = {
            **wanted.options,
            **affinity.provenance,
            "sees": wanted.sees,
            "seeds": [seed.seed for seed in looks],
            "steps": self.train.steps,
            "batch_size": self.train.batch_size,
            "look_s": round(seconds[0], 3),
            "training_s": round(seconds[1], 3),
            "between_seeds": between_seeds([self._plain([seed]).slice() for seed in looks]),
            "key": self.key(wanted),
        }
        (self.folder.path / FOLDER).mkdir(exist_ok=True)
        self.folder.write_affinity(replace(affinity, provenance=notes), f"{FOLDER}/{wanted.file}")

    def _averaged(self, wanted: Wanted, looks: Sequence[Looks]) -> Affinity:
        """As the job's own measure step averages."""
        tasks, stages = self.names()
        with np.load(self.folder.data / "train.npz", allow_pickle=False) as file:
            labels = file["labels"]
        config = self.config.measure.model_copy(update={"affinity": wanted.options})
        affinity = averaged(config, looks, tasks.names, stages, labels, min(self.train.batch_size, len(labels)))
        if wanted.options["method"] != COSINES:
            return affinity
        return replace(affinity, classes=class_shares([seed.samples for seed in looks]))

    def _plain(self, looks: Sequence[Looks]) -> Affinity:
        tasks, stages = self.names()
        how = self.config.measure
        samples = [seed.samples for seed in looks]
        return Affinity.from_samples(tasks.names, (*stages, TRUNK), samples, average=how.average, trim=how.trim)


def once(seed: int, matrices: Array) -> Looks:
    """The only look of one seed, ``matrices`` of shape ``(S + 1, T, T)``."""
    nothing = (float("nan"), float("nan"))
    return Looks(seed, np.asarray(matrices)[None], np.zeros(1, dtype=np.int64), {}, None, nothing, ())


def between_seeds(matrices: Sequence[Array]) -> float | None:
    """Reliability of the mean over seeds: mean rank agreement ``r`` of two, stepped up, ``n r / (1 + (n - 1) r)``.

    Args:
        matrices: One a seed, shape ``(T, T)``.

    Returns:
        None below two seeds, or where no agreement is defined.

    Source: Spearman 1910 and Brown 1910 (doi:10.1111/j.2044-8295.1910.tb00207.x).
    """
    found = [centred_rank_agreement(a, b) for a, b in itertools.combinations(matrices, 2)]
    known = [r for r in found if not np.isnan(r)]
    if not known:
        return None
    n, r = len(matrices), float(np.mean(known))
    return n * r / (1 + (n - 1) * r) if r > 0 else r
