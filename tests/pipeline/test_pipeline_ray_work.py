"""What a node does for a trial, without Ray: nothing but parcels goes in, nothing but a parcel comes out."""

import os
import threading
import time
from pathlib import Path

import pytest
import torch
from bundled_jobs import folder

from taskgroup.core.spec import Architecture
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrainOptions, TrialSpec
from taskgroup.pipeline import ray_work
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.parcels import Parcel, pack, unpack
from taskgroup.pipeline.ray_work import node_cache, trial_parcel, unpacked

__all__ = ["folder"]

TASKS = ("weight", "waist", "pulse")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def spec(step: str = "confirm", **changes: object) -> TrialSpec:
    architecture = Architecture(topology=Topology.shared(TASKS, ("block1", "block2", "block3")))
    fields = {"job": "x", "data": "d", "step": step, "architecture": architecture, "seed": 1}
    return TrialSpec.model_validate({**fields, "train": TrainOptions(steps=4, batch_size=8), **changes})


def parcels(folder: Folder, *others: str) -> list[tuple[str, object]]:
    names = [sorted(f"data/{path.name}" for path in folder.data.iterdir()), *([name] for name in others)]
    return [(parcel.digest, parcel) for parcel in (pack(folder.path, group) for group in names)]


def fetch(reference: object) -> Parcel:
    assert isinstance(reference, Parcel)
    return reference


def test_a_trial_leaves_its_files_and_nothing_on_the_node(folder: Folder, cache: Path) -> None:
    confirmed = spec()
    done = trial_parcel(confirmed.model_dump_json(), parcels(folder), fetch, cache)
    names = unpack(done, folder.path)
    assert names == [f"trials/{confirmed.key}.safetensors", f"trials/{confirmed.key}.json"]
    assert not list(cache.glob("trial-*"))
    scored = spec("test", weights=confirmed.key)
    names = unpack(trial_parcel(scored.model_dump_json(), parcels(folder, names[0]), fetch, cache), folder.path)
    assert names == [f"trials/{scored.key}.json"]  # the weights stay where they are
    result = folder.result(scored)
    assert result is not None
    assert set(result.errors) == set(TASKS)


def test_all_members_of_a_group_come_before_the_one_that_was_asked_for(folder: Folder, cache: Path) -> None:
    first, other = (spec(seed=seed, together=(1, 2)) for seed in (1, 2))
    names = unpack(trial_parcel(first.model_dump_json(), parcels(folder), fetch, cache), folder.path)
    ends = [f"trials/{other.key}.json", f"trials/{first.key}.json"]
    assert names[2:] == ends
    assert set(names[:2]) == {name.replace("json", "safetensors") for name in ends}


def test_as_many_threads_as_the_trial_says_and_as_before_afterwards(folder: Folder, cache: Path) -> None:
    before = torch.get_num_threads()
    trial_parcel(spec("search").model_dump_json(), parcels(folder), fetch, cache)
    assert torch.get_num_threads() == before


def test_a_parcel_is_fetched_once_whoever_asks_at_the_same_time(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "one.json").write_text("1")
    parcel, fetched = pack(tmp_path, ["one.json"]), []

    def slowly() -> Parcel:
        fetched.append(1)
        time.sleep(0.05)
        return parcel

    threads = [threading.Thread(target=unpacked, args=(parcel.digest, slowly, cache)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fetched) == 1
    assert (cache / parcel.digest / "one.json").read_text() == "1"


def test_what_was_half_unpacked_is_fetched_again(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "one.json").write_text("1")
    parcel = pack(tmp_path, ["one.json"])
    (cache / parcel.digest).mkdir()
    unpacked(parcel.digest, lambda: parcel, cache)
    assert (cache / parcel.digest / "one.json").read_text() == "1"


def test_a_parcel_that_arrives_changed_is_refused(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "one.json").write_text("1")
    parcel = pack(tmp_path, ["one.json"])
    with pytest.raises(RuntimeError, match="arrived changed"):
        unpacked("0" * 32, lambda: parcel, cache)
    assert not (cache / ("0" * 32)).exists()


def test_what_nobody_needs_any_more_is_removed(folder: Folder, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("1")
    old = pack(tmp_path, ["old.json"])
    kept = unpacked(old.digest, lambda: old, cache)
    dead, mine = cache / "trial-4194304-x", cache / f"trial-{os.getpid()}-x"  # the first is above any process number
    dead.mkdir()
    mine.mkdir()
    trial_parcel(spec("search").model_dump_json(), parcels(folder), fetch, cache)
    assert kept.exists()
    assert mine.exists()
    assert not dead.exists()
    os.utime(kept, (0, time.time() - ray_work.KEPT_S - 60))
    trial_parcel(spec("search").model_dump_json(), parcels(folder), fetch, cache)
    assert not kept.exists()
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 2  # data, and the folder at work


def test_the_cache_is_of_one_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = node_cache()
    assert path.parent == tmp_path
    assert path.stat().st_mode & 0o777 == 0o700
    assert node_cache() == path
    path.chmod(0o755)
    with pytest.raises(PermissionError, match="should be a folder that nobody but user"):
        node_cache()
    path.rmdir()
    (tmp_path / "theirs").mkdir(mode=0o700)
    path.symlink_to(tmp_path / "theirs")
    with pytest.raises(PermissionError, match="should be a folder that nobody but user"):
        node_cache()
