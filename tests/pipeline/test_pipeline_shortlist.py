"""The short list: who is trained again, under which seeds, and what it costs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from tiny_jobs import SPACE, STAGES, TASKS, make_folder

from taskgroup.core.grouping import Grouping
from taskgroup.core.record import SEPARATE, SHARED, TrialRow
from taskgroup.core.seeds import derive_seed
from taskgroup.core.spec import Architecture, Cost, Recipe
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrialResult, TrialSpec
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.context import Job
from taskgroup.pipeline.forking import SearchTrials
from taskgroup.pipeline.progress import Silent
from taskgroup.pipeline.shortlist import shortlist

NAMES = tuple(task.name for task in TASKS)


class Crew:
    """Gives each candidate the gain that is planted for its learning rate; none where its training fails."""

    def __init__(self, gains: dict[float, float | None]) -> None:
        self.gains, self.seeds = gains, dict[int, list[float]]()

    def each(self, specs: Sequence[TrialSpec]) -> Iterator[TrialResult]:
        for spec in reversed(specs):
            scale = spec.train.lr / 0.002
            self.seeds.setdefault(spec.seed, []).append(scale)
            gain = self.gains[scale]
            state = "failed" if gain is None else "complete"
            errors = {} if gain is None else dict.fromkeys(NAMES, 1 - gain)
            yield TrialResult.model_validate({"key": spec.key, "state": state, "errors": errors, "seconds": 1.0})


def row(number: int, gain: float, *, origin: str = "sampler", network: Architecture | None = None, **more: Any) -> Any:
    """A candidate whose learning rate is its number."""
    grouping = Grouping(tasks=NAMES, labels=(0, 0, 1))
    return TrialRow(
        number=number,
        origin=origin,
        state="complete",
        architecture=network or Architecture(topology=Topology.branched(grouping, STAGES, 1)),
        cost=Cost(params=1, macs=1, params_ratio=1.5, macs_ratio=1.5),
        gain=gain,
        errors=dict.fromkeys(NAMES, 1.0 - gain),
        seconds=1.0,
        trainings=more.pop("trainings", 1.0),
        recipe=Recipe(lr_scale=float(number or 1)),
    )


def made(folder: Path, crew: Crew, **confirm: Any) -> Job:
    prepared = make_folder(folder)
    train = {**SPACE["train"], "lr": 0.002}
    config = Config.model_validate({**SPACE, "train": train, "confirm": {**SPACE["confirm"], **confirm}})
    return Job(config, prepared.folder, prepared, cast("Any", crew), Silent(), cast("Any", None))


def rows(job: Job, *gains: float, **more: Any) -> list[TrialRow]:
    separate = row(0, 0.0, origin=SEPARATE, network=job.baseline(SEPARATE), trainings=3.0)
    shared = row(1, -0.2, origin=SHARED, network=job.baseline(SHARED))
    return [separate, shared, *(row(k + 2, gain, **more) for k, gain in enumerate(gains))]


def listed(job: Job, table: list[TrialRow]) -> dict[int, tuple[float, ...]]:
    found = shortlist(job, table, SearchTrials(job.config, job.prepared.key))
    assert [r.number for r in found] == [r.number for r in table]
    return {r.number: tuple(round(gain, 6) for gain in r.again) for r in found if r.again}


def test_the_better_half_goes_on_under_seeds_of_the_search_that_all_share(tmp_path: Path) -> None:
    crew = Crew({k: k / 10 for k in range(1, 9)})
    job = made(tmp_path, crew, shortlist=4, rounds=2)
    table = [*rows(job, 0.1, 0.6, 0.5, 0.55, 0.52, 0.2), row(30, -1.0, trainings=20.0)]
    assert listed(job, table) == {3: (0.3,), 4: (0.4,), 5: (0.5, 0.5), 6: (0.6, 0.6)}
    first, second = (derive_seed(job.config.seed, "search", k) for k in (1, 2))
    assert {seed: sorted(scales) for seed, scales in crew.seeds.items()} == {first: [3, 4, 5, 6], second: [5, 6]}
    assert job.folder.state()["trainings"]["shortlist"] == pytest.approx(6 * 1.5, rel=0.3)


@pytest.mark.parametrize(("trainings", "expected"), [(1.0, 2), (5.0, 4)])
def test_a_share_of_the_search_pays_for_it(tmp_path: Path, trainings: float, expected: int) -> None:
    """Five candidates and baselines of cost 4: one fifth of 9 pays for one of cost 1, and two are taken anyway."""
    job = made(tmp_path, Crew({k: k / 10 for k in range(1, 9)}), shortlist=4)
    table = rows(job, 0.5, 0.4, 0.3, 0.2, 0.1)
    table += [row(20 + k, -1.0, trainings=trainings) for k in range(4)]
    assert len(listed(job, table)) == expected


def test_a_candidate_that_fails_is_off_the_list(tmp_path: Path) -> None:
    job = made(tmp_path, Crew({2: None, 3: 0.3}), shortlist=2)
    assert listed(job, rows(job, 0.5, 0.4, trainings=10.0)) == {3: (0.3,)}


def test_none_is_none(tmp_path: Path) -> None:
    crew = Crew({})
    assert listed(made(tmp_path, crew, shortlist=0), rows(made(tmp_path, crew), 0.5, 0.4)) == {}
    assert not crew.seeds


def test_rows_divided_anew_are_so_for_all_separate_too(tmp_path: Path) -> None:
    """Which gains 0.2 more under these divisions, so that the others gain less against it."""
    crew = Crew({1: 0.2, 2: 0.36, 3: 0.6})
    job = made(tmp_path, crew, shortlist=2, division="anew")
    assert listed(job, rows(job, 0.5, 0.4, trainings=10.0)) == {2: (0.2,), 3: (0.5,)}
    assert [sorted(scales) for scales in crew.seeds.values()] == [[1, 2, 3]]
    assert job.division("shortlist", 1) == (derive_seed(job.config.seed, "shortlist", "division"), 1)


def test_gains_are_against_nothing_where_all_separate_fails(tmp_path: Path) -> None:
    job = made(tmp_path, Crew({1: None, 2: 0.3, 3: 0.3}), shortlist=2, division="anew")
    assert listed(job, rows(job, 0.5, 0.4, trainings=10.0)) == {}
