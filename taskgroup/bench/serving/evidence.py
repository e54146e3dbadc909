"""What a job left, counted from outside, and what of that should not be so."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from taskgroup.core.record import Record, TrialRow
from taskgroup.exporters import load_spec
from taskgroup.pipeline.folder import Folder
from taskgroup.search.storage import open_storage
from taskgroup.service.model import Event

FINISHED = frozenset({"complete", "pruned", "fail"})


@dataclass(frozen=True)
class Evidence:
    """Counted when a job is over.

    Attributes:
        state: Of the job.
        wanted: Trials that its search was to train.
        rows: Trials table: number, state and whether it repeats an earlier one, which costs nothing.
        told: Numbers of the ``trial`` events, in their order.
        study: Trials of the study by Optuna's state.
        ids: Of the job's events, as the store has them.
        seen: Ids of the events that a client saw that followed the job all the time.
        left_behind: Processes that outlived their server.
        meant: Names of the faults that were to be injected, in their order.
        struck: Of those that were.
    """

    state: str
    wanted: int
    rows: tuple[tuple[int, str, bool], ...]
    told: tuple[int, ...]
    study: dict[str, int]
    ids: tuple[int, ...]
    seen: tuple[int, ...]
    left_behind: int = 0
    meant: tuple[str, ...] = ()
    struck: tuple[str, ...] = ()

    @property
    def numbers(self) -> list[int]:
        """Of the trials table."""
        return [number for number, _, _ in self.rows]

    @property
    def trained(self) -> int:
        """Trials that were trained, each counted as often as it stands there."""
        return sum(not repeats and state != "over limit" for _, state, repeats in self.rows)

    @property
    def lost(self) -> int:
        """Trials without a result: given up, or asked for and in no table."""
        failed = sum(state == "failed" for _, state, _ in self.rows)
        asked = {*range(max([*self.numbers, *self.told], default=-1) + 1)}
        return failed + len(asked - {*self.numbers})

    @property
    def twice(self) -> int:
        """Results beyond the first of a trial, in table or events."""
        return sum(n - 1 for counted in (Counter(self.numbers), Counter(self.told)) for n in counted.values() if n > 1)


def failed_checks(found: Evidence) -> list[str]:
    """What is not as it should be, a sentence each; empty where all is well."""
    unfinished = {state: n for state, n in found.study.items() if state not in FINISHED}
    checks = [
        (found.state == "done", f"the job is {found.state}"),
        (found.trained == found.wanted, f"{found.trained} trials were counted, {found.wanted} wanted"),
        (not found.lost, f"{found.lost} results are lost"),
        (not found.twice, f"{found.twice} results are counted twice"),
        ({*found.told} == {*found.numbers}, "events and trials table are of different trials"),
        (not unfinished, f"the study has unfinished trials: {unfinished}"),
        (sum(found.study.values()) == len(found.rows), f"the study has {found.study}, the table {len(found.rows)}"),
        (is_rising(found.ids), "event ids do not rise"),
        (found.seen == found.ids, f"a client saw {len(found.seen)} events, the store has {len(found.ids)}"),
        (not found.left_behind, f"{found.left_behind} processes outlived their server"),
        (found.struck == found.meant, f"of the faults {found.meant} only these were injected: {found.struck}"),
    ]
    return [words for holds, words in checks if not holds]


def is_rising(ids: Sequence[int]) -> bool:
    """Whether each is larger than the one before."""
    return all(a < b for a, b in pairwise(ids))


def table(rows: Sequence[TrialRow]) -> tuple[tuple[int, str, bool], ...]:
    """As :class:`Evidence` has it."""
    return tuple((row.number, row.state, row.origin.startswith("repeat of")) for row in rows)


def study_states(url: str, job: str) -> dict[str, int]:
    """Trials of a job's study by state, as Optuna has them."""
    storage = open_storage(url, Path())
    try:
        studies = [study for study in storage.get_all_studies() if study.study_name.startswith(f"{job} ")]
        trials = [trial for study in studies for trial in storage.get_all_trials(study._study_id)]
    finally:
        storage.engine.dispose()
    return dict(Counter(trial.state.name.lower() for trial in trials))


def told_numbers(events: Sequence[Event]) -> tuple[int, ...]:
    """Of the trials that events tell of."""
    return tuple(int(event.data["number"]) for event in events if event.kind == "trial")


def differences(folder: Path, record: Record) -> list[str]:
    """In what a run directory differs from what a job came to that nobody disturbed; seconds may differ."""
    spec, rows = load_spec(folder / "spec.yaml"), Folder(folder).rows()
    found, expected = ([row.model_copy(update={"seconds": 0.0}) for row in part] for part in (rows, record.trials))
    checks = [
        (spec.fingerprint == record.spec.fingerprint, "the plan is another"),
        (spec.evidence == record.spec.evidence, "the plan's evidence is another"),
        (found == expected, "the trials table is another"),
    ]
    return [words for holds, words in checks if not holds]
