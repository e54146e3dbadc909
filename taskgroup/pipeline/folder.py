"""The run directory: every file of a job, written whole or not at all, and held by one process at a time."""

import contextlib
import csv
import fcntl
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from taskgroup.core.affinity import Affinity
from taskgroup.core.phases import PHASES
from taskgroup.core.record import Proposals, Record, TrialRow
from taskgroup.core.trial import TrialResult, TrialSpec
from taskgroup.errors import BusyError, ConflictError, InputError
from taskgroup.exporters import load_spec


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old or the new one, whatever happens."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_bytes(content)
    partial.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_bytes(path, text.encode())


def write_arrays(path: Path, **arrays: Any) -> None:
    """Write an NPZ file whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


OPTIONAL = ("effective", "phases", "classes")
"""Arrays that not every affinity has."""


@dataclass(frozen=True)
class Folder:
    """Names and formats of a job's files.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def trials(self) -> Path:
        """Results of single trials, by key."""
        return self.path / "trials"

    @property
    def data(self) -> Path:
        """Prepared data."""
        return self.path / "data"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder for this process.

        Raises:
            InputError: There is a file of that name.
            BusyError: Another process holds it.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path}: should be a folder for the job's files, found a file")
        self.path.mkdir(parents=True, exist_ok=True)
        self.trials.mkdir(exist_ok=True)
        self.data.mkdir(exist_ok=True)
        with (self.path / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.seek(0)
                holder = lock.read().strip() or "unknown"
                raise BusyError(f"{self.path}: process {holder} is working on this job") from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def state(self) -> dict[str, Any]:
        """What ``job.json`` says: ``state``, ``config``, ``data``, ``seconds`` per step; empty for a new folder."""
        path = self.path / "job.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def note(self, **changes: Any) -> None:
        """Change entries of ``job.json``."""
        write_text(self.path / "job.json", json.dumps({**self.state(), **changes}, indent=1))

    def claim(self, config: Mapping[str, Any]) -> None:
        """Write the resolved config, or check that it is the one already there.

        Raises:
            ConflictError: Another config was run under this name; with the differences.
        """
        path = self.path / "config.yaml"
        if path.exists():
            known = yaml.safe_load(path.read_text(encoding="utf-8"))
            changes = list(differences(known, config))
            if changes:
                listed = "".join(f"\n  {change}" for change in changes)
                raise ConflictError(
                    f"{self.path}: holds a job with another config:{listed}\n"
                    "Give the new one another name or --out, or remove the folder"
                )
            return
        write_text(path, yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, default_flow_style=None))

    def finished(self, config: Mapping[str, Any]) -> Record | None:
        """The record if the job is done, None if it is not.

        Raises:
            ConflictError: It is done, but with another config.
        """
        if self.state().get("state") != "done":
            return None
        self.claim(config)
        return self.record()

    def result(self, spec: TrialSpec) -> TrialResult | None:
        """What an earlier run of ``spec`` left; failures do not count."""
        path = self.trials / f"{spec.key}.json"
        if not path.exists():
            return None
        result = TrialResult.model_validate_json(path.read_text(encoding="utf-8"))
        return None if result.state == "failed" else result

    def keep(self, result: TrialResult) -> None:
        """Write a trial's result."""
        write_text(self.trials / f"{result.key}.json", result.model_dump_json())

    def forget(self, result: TrialResult) -> None:
        """Take a trial's result back: it is to be done again."""
        (self.trials / f"{result.key}.json").unlink(missing_ok=True)

    def write_affinity(self, affinity: Affinity, name: str = "affinity") -> None:
        """Write ``NAME.npz`` and ``NAME.csv`` (one line per slice, source and target)."""
        write_arrays(
            self.path / f"{name}.npz",
            tasks=np.array(affinity.tasks),
            stages=np.array(affinity.stages),
            values=affinity.values,
            stderr=affinity.stderr,
            counts=affinity.counts,
            provenance=np.array(json.dumps(dict(affinity.provenance))),
            **{name: array for name in OPTIONAL if (array := getattr(affinity, name)) is not None},
        )
        columns = _columns(affinity)
        lines = [
            (stage, source, target, *(repr(array[s, i, j].item()) for array in columns.values()))
            for s, stage in enumerate(affinity.stages)
            for i, source in enumerate(affinity.tasks)
            for j, target in enumerate(affinity.tasks)
        ]
        write_text(self.path / f"{name}.csv", csv_text(("stage", "source", "target", *columns), lines))

    def affinity(self, name: str = "affinity") -> Affinity:
        """Read ``NAME.npz``."""
        with np.load(self.path / f"{name}.npz", allow_pickle=False) as file:
            return Affinity(
                tasks=tuple(str(t) for t in file["tasks"]),
                stages=tuple(str(s) for s in file["stages"]),
                values=file["values"],
                stderr=file["stderr"],
                counts=file["counts"],
                provenance=json.loads(str(file["provenance"])),
                **{optional: file[optional] for optional in OPTIONAL if optional in file.files},
            )

    def write_proposals(self, proposals: Proposals) -> None:
        """Write ``proposals.json``."""
        write_text(self.path / "proposals.json", proposals.model_dump_json(indent=1))

    def proposals(self) -> Proposals:
        """Read ``proposals.json``."""
        return Proposals.model_validate_json((self.path / "proposals.json").read_text(encoding="utf-8"))

    def write_rows(self, rows: Sequence[TrialRow]) -> None:
        """Write ``trials.jsonl`` (everything) and ``trials.csv`` (what repeats exactly under the same seed)."""
        write_text(self.path / "trials.jsonl", "".join(row.model_dump_json() + "\n" for row in rows))
        tasks = rows[0].architecture.topology.tasks
        head = ("number", "origin", "state", "gain", "params", "macs", "params_ratio", "macs_ratio")
        columns = (*head, *(f"error {t}" for t in tasks), "topology", "adapters")
        write_text(self.path / "trials.csv", csv_text(columns, [_row_cells(row, tasks) for row in rows]))

    def rows(self) -> tuple[TrialRow, ...]:
        """Read ``trials.jsonl``."""
        text = (self.path / "trials.jsonl").read_text(encoding="utf-8")
        return tuple(TrialRow.model_validate_json(line) for line in text.splitlines())

    def record(self) -> Record:
        """The record of a finished job.

        Raises:
            InputError: The job is not finished, or this is no job's folder.
        """
        if self.state().get("state") != "done":
            found = self.state().get("state", "no job.json")
            raise InputError(f"{self.path}: should hold a finished job, found {found}")
        name = str(self.state()["name"])
        return Record(name, load_spec(self.path / "spec.yaml"), self.affinity(), self.proposals(), self.rows())


def _columns(affinity: Affinity) -> dict[str, NDArray[Any]]:
    """What the table says of each entry, each of the shape of the values."""
    columns: dict[str, NDArray[Any]] = {"value": affinity.values, "stderr": affinity.stderr, "looks": affinity.counts}
    if affinity.effective is not None:
        columns["effective"] = affinity.effective
    if affinity.phases is not None:
        columns |= dict(zip(PHASES, affinity.phases, strict=True))
    return columns


def _row_cells(row: TrialRow, tasks: Sequence[str]) -> tuple[Any, ...]:
    cost, topology = row.cost, row.architecture.topology
    ratios = (_exact(cost.params_ratio), _exact(cost.macs_ratio))
    errors = (_exact(row.errors.get(task)) for task in tasks)
    adapters = json.dumps([a.model_dump() for a in row.architecture.adapters])
    known = (row.number, row.origin, row.state, _exact(row.gain), cost.params, cost.macs)
    return (*known, *ratios, *errors, json.dumps(topology.matrix), adapters)


def _exact(value: float | None) -> str:
    return "" if value is None else repr(value)


def csv_text(head: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    """Comma-separated text."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(lines)
    return buffer.getvalue()


def differences(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """One phrase per leaf in which two configs differ, e.g. ``search.trials: was 40, now 60``."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
    elif old != new:
        yield f"{path}: was {_shown(old)}, now {_shown(new)}"


def _shown(value: Any) -> str:
    return "not set" if value is None else json.dumps(_without_nulls(value), ensure_ascii=False)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list | tuple) else value
