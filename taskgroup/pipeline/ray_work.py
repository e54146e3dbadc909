"""What a node of a Ray cluster does for a job: one trial, from parcels to a parcel; it shares no files with the job."""

import contextlib
import fcntl
import importlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from taskgroup import __version__
from taskgroup.pipeline.executors import PRELOADED
from taskgroup.pipeline.parcels import Parcel, pack, unpack
from taskgroup.pipeline.ray_cluster import ray_module

KEPT_S = 7 * 24 * 3600.0
"""A parcel that no trial needed for so long is removed from the node."""
DONE = ".unpacked"
"""Beside the files of a parcel that is whole."""


def do_trial(spec_json: str, parcels: Sequence[tuple[str, object]], version: str) -> Iterator[bytes]:
    """Body of a Ray task, which says how far it is.

    Args:
        spec_json: The trial.
        parcels: What it needs: digest and object reference of each.
        version: Of the controller's taskgroup.

    Yields:
        As it begins, in which process and on which node, in words. Nothing, once torch is loaded. At last a parcel with
        every file that the trial left.

    Raises:
        RuntimeError: This node's taskgroup is of another version.
    """
    ray = ray_module()
    node = ray.get_runtime_context().get_node_id()
    yield f"process {os.getpid()} on node {ray.util.get_node_ip_address()} ({node[:8]})".encode()
    if version != __version__:
        raise RuntimeError(f"the node has taskgroup {__version__}, the controller {version}; install the same")
    for module in PRELOADED:  # seconds, which are not the trial's
        importlib.import_module(module)
    yield b""

    def fetch(reference: object) -> Parcel:
        return Parcel(ray.get(reference))

    yield trial_parcel(spec_json, parcels, fetch, node_cache()).content


def node_cache() -> Path:
    """Where this user's parcels lie on this node; nobody else may read or write there.

    Raises:
        PermissionError: It belongs to somebody else.
    """
    path = Path(tempfile.gettempdir()) / f"taskgroup-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if path.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{path}: should be a folder that nobody but user {os.getuid()} can open")
    return path


def trial_parcel(
    spec_json: str, parcels: Sequence[tuple[str, object]], fetch: Callable[[object], Parcel], cache: Path
) -> Parcel:
    """Run a trial in a folder of its own, in which the parcels' files seem to lie.

    Args:
        spec_json: The trial.
        parcels: Digest and reference of each.
        fetch: Gets a parcel by its reference; called for those that this node has not yet.
        cache: Folder of unpacked parcels.

    Returns:
        The files that the trial left, its own result the last.
    """
    from taskgroup.core.trial import TrialSpec
    from taskgroup.pipeline.work import run_and_keep

    kept = [unpacked(digest, partial(fetch, reference), cache) for digest, reference in parcels]
    _tidy(cache)
    folder = Path(tempfile.mkdtemp(prefix=f"trial-{os.getpid()}-", dir=cache))
    try:
        (folder / "trials").mkdir()
        for source in kept:
            _link(source, folder)
        run_and_keep(spec_json, folder)
        last = f"trials/{TrialSpec.model_validate_json(spec_json).key}.json"
        left = [f"trials/{path.name}" for path in sorted((folder / "trials").iterdir()) if not path.is_symlink()]
        return pack(folder, sorted(left, key=lambda name: (name == last, name.endswith(".json"))))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def unpacked(digest: str, fetch: Callable[[], Parcel], cache: Path) -> Path:
    """The folder of a parcel's files, which are fetched and unpacked once per node, whoever asks at the same time.

    Raises:
        RuntimeError: What was fetched is not what was asked for.
    """
    folder = cache / digest
    with (cache / f"{digest}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / DONE).exists():
            parcel = fetch()
            if parcel.digest != digest:
                raise RuntimeError(f"the job's files arrived changed: {parcel.digest} instead of {digest}")
            folder.mkdir(exist_ok=True)
            unpack(parcel, folder)
            (folder / DONE).touch()
        os.utime(folder)
    return folder


def _link(source: Path, folder: Path) -> None:
    for path in source.rglob("*"):
        if path.is_file() and path.name != DONE:
            place = folder / path.relative_to(source)
            place.parent.mkdir(exist_ok=True)
            place.symlink_to(path)


def _tidy(cache: Path) -> None:
    """Remove parcels that were not needed for long, and what workers left that were killed."""
    for path in cache.iterdir():
        if path.name.startswith("trial-"):
            if not _is_alive(int(path.name.split("-")[1])):
                shutil.rmtree(path, ignore_errors=True)
        elif path.is_dir():
            with contextlib.suppress(OSError):  # another worker removed it
                if time.time() - path.stat().st_mtime > KEPT_S:
                    shutil.rmtree(path)
                    path.with_suffix(".lock").unlink()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
