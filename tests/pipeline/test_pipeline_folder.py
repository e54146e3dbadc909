"""The run directory: whole files, one holder, and everything read back as it was written."""

import csv
import multiprocessing
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_jobs import make_folder, trial

from taskgroup.core.affinity import Affinity
from taskgroup.core.record import CandidateTree, Proposal, Proposals, TrialRow
from taskgroup.core.spec import AdapterSpec, Architecture, Cost
from taskgroup.core.topology import Topology
from taskgroup.core.tree import MergeTree
from taskgroup.core.trial import TrialResult
from taskgroup.errors import ConflictError, InputError
from taskgroup.pipeline.folder import Folder, differences, write_arrays, write_text

NAMES = ("a", 'b "x", y', "ü")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    found = Folder(tmp_path / "job")
    with found.held():
        yield found


def test_a_file_is_the_old_one_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("power cut")))
    with pytest.raises(OSError, match="power cut"):
        write_text(path, "new")
    with pytest.raises(OSError, match="power cut"):
        write_arrays(tmp_path / "file.npz", numbers=np.arange(3))
    assert path.read_text() == "old"
    assert not (tmp_path / "file.npz").exists()


def hold(path: Path, ready: Any, done: Any) -> None:
    with Folder(path).held():
        ready.set()
        done.wait(30)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path / "job", ready, done))
    other.start()
    assert ready.wait(60)
    with (
        pytest.raises(ConflictError, match=rf"job: process {other.pid} is working on this job"),
        Folder(tmp_path / "job").held(),
    ):
        pass
    done.set()
    other.join(30)
    with Folder(tmp_path / "job").held():  # free again
        pass


def test_a_file_of_that_name_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "job").write_text("mine")
    with (
        pytest.raises(InputError, match="should be a folder for the job's files, found a file"),
        Folder(tmp_path / "job").held(),
    ):
        pass
    assert (tmp_path / "job").read_text() == "mine"


def test_state_grows_by_notes(folder: Folder) -> None:
    assert folder.state() == {}
    folder.note(state="running", name="x")
    folder.note(state="done")
    assert folder.state() == {"state": "done", "name": "x"}


def test_claim_refuses_another_config_with_the_differences(folder: Folder) -> None:
    config = {"name": "x", "search": {"trials": 4, "first": None}, "sizes": [0, 1], "rate": 1e-5, "ok": True}
    folder.claim(config)
    folder.claim(config)
    before = (folder.path / "config.yaml").read_bytes()
    with pytest.raises(ConflictError) as caught:
        folder.claim({**config, "search": {"trials": 5, "first": 2}, "sizes": [0, 2], "more": 1})
    for words in (
        "\n  search.trials: was 4, now 5\n",
        "\n  search.first: was not set, now 2\n",
        "\n  sizes: was [0, 1], now [0, 2]\n",
        "\n  more: was not set, now 1\n",
        "\nGive the new one another name or --out",
    ):
        assert words in str(caught.value)
    assert "rate" not in str(caught.value)
    assert (folder.path / "config.yaml").read_bytes() == before


def test_differences_go_to_the_leaves() -> None:
    assert list(differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}})) == ["a.c: was 2, now 3"]
    assert list(differences({"a": 1}, {"a": {"b": 2}})) == ['a: was 1, now {"b": 2}']
    assert list(differences({"a": [1]}, {"a": [1]})) == []
    task = {"kind": "binary", "column": None}
    assert list(differences({"a": None}, {"a": {"ü": task, "all": [task]}})) == [
        'a: was not set, now {"ü": {"kind": "binary"}, "all": [{"kind": "binary"}]}'
    ]


def make_affinity() -> Affinity:
    values = np.random.default_rng(0).normal(size=(2, 3, 3))
    values[0, 1, 2] = np.nan
    counts = np.full(values.shape, 7)
    return Affinity(NAMES, ("s", "trunk"), values, np.abs(values), counts, {"method": "lookahead", "seeds": [1, 2]})


def test_affinity_round_trip(folder: Folder) -> None:
    affinity = make_affinity()
    folder.write_affinity(affinity)
    found = folder.affinity()
    assert (found.tasks, found.stages, found.provenance) == (affinity.tasks, affinity.stages, affinity.provenance)
    for name in ("values", "stderr", "counts"):
        np.testing.assert_array_equal(getattr(found, name), getattr(affinity, name))


def test_affinity_round_trip_with_phases(folder: Folder) -> None:
    plain = make_affinity()
    affinity = replace(plain, effective=plain.counts / 2, phases=np.stack([plain.values + k for k in range(3)]))
    folder.write_affinity(affinity)
    found = folder.affinity()
    assert found.effective is not None
    assert found.phases is not None
    np.testing.assert_array_equal(found.effective, plain.counts / 2)
    np.testing.assert_array_equal(found.phases, affinity.phases)
    with (folder.path / "affinity.csv").open(encoding="utf-8", newline="") as file:
        line = next(x for x in csv.DictReader(file) if x["stage"] == "trunk")
    assert (line["looks"], line["effective"]) == ("7", "3.5")
    assert [float(line[name]) for name in ("early", "middle", "late")] == found.phases[:, 1, 0, 0].tolist()


def test_affinity_as_a_table_names_source_and_target(folder: Folder) -> None:
    affinity = make_affinity()
    folder.write_affinity(affinity)
    with (folder.path / "affinity.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 18
    line = next(x for x in lines if (x["stage"], x["source"], x["target"]) == ("trunk", NAMES[1], "a"))
    assert float(line["value"]) == affinity.values[1, 1, 0]
    assert float(line["stderr"]) == affinity.stderr[1, 1, 0]


def test_proposals_round_trip(folder: Folder) -> None:
    tree = MergeTree(tasks=NAMES, merges=((0, 1), (2, 3)), heights=(0.1, 1 / 3))
    proposals = Proposals(
        proposals=(
            Proposal(grouping=tree.cut(2), source="s", score=0.1 + 0.2),
            Proposal(grouping=tree.cut(1), source="t"),
        ),
        trees=(CandidateTree(source="tree", tree=tree),),
        notes=("a note",),
    )
    folder.write_proposals(proposals)
    assert folder.proposals() == proposals


def make_rows() -> list[TrialRow]:
    topology = Topology(tasks=NAMES, stages=("s", "t"), matrix=((0, 0, 0), (0, 1, 0)))
    architecture = Architecture(topology=topology, adapters=(AdapterSpec(stage="s", size=4),))
    fields = {"architecture": architecture, "cost": Cost(params=9, macs=8, params_ratio=1 / 3, macs_ratio=1.0)}
    done = TrialRow(
        number=0,
        origin="a, b",
        state="complete",
        gain=0.1 + 0.2,
        errors=dict.fromkeys(NAMES, 1 / 7),
        seconds=3,
        **fields,
    )
    over = TrialRow(number=1, origin="sampler", state="over limit", gain=None, errors={}, seconds=0, **fields)
    return [done, over]


def test_rows_round_trip(folder: Folder) -> None:
    rows = make_rows()
    folder.write_rows(rows)
    assert folder.rows() == tuple(rows)


def test_trials_table_is_exact_and_without_times(folder: Folder) -> None:
    folder.write_rows(make_rows())
    with (folder.path / "trials.csv").open(encoding="utf-8", newline="") as file:
        done, over = list(csv.DictReader(file))
    assert float(done["gain"]) == 0.1 + 0.2
    assert float(done[f"error {NAMES[1]}"]) == 1 / 7
    assert done["topology"] == "[[0, 0, 0], [0, 1, 0]]"
    assert (over["gain"], over["error a"], over["state"]) == ("", "", "over limit")
    assert not any("second" in name for name in done)


def test_results_of_trials_are_found_again_but_failures_are_not(tmp_path: Path) -> None:
    prepared = make_folder(tmp_path / "job")
    spec = trial(prepared)
    assert prepared.folder.result(spec) is None
    prepared.folder.keep(TrialResult(key=spec.key, state="failed", message="no"))
    assert prepared.folder.result(spec) is None
    result = TrialResult(key=spec.key, state="complete", errors={"a": 1 / 3})
    prepared.folder.keep(result)
    assert prepared.folder.result(spec) == result
    assert prepared.folder.result(trial(prepared, seed=2)) is None


def test_a_record_is_that_of_a_finished_job(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"should hold a finished job, found no job.json"):
        Folder(tmp_path / "none").record()
    folder.note(state="running")
    with pytest.raises(InputError, match=r"should hold a finished job, found running"):
        folder.record()
    assert folder.finished({"name": "x"}) is None
    assert not (folder.path / "config.yaml").exists()
