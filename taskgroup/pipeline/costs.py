"""Costs of architectures in a job: counted, and where asked for the measured latency, which is kept on disk."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch

from taskgroup.core.spec import Architecture, Cost
from taskgroup.nn.cost import CostModel
from taskgroup.nn.measured import measured
from taskgroup.nn.network import SharedNetwork
from taskgroup.pipeline.folder import write_text
from taskgroup.pipeline.prepared import Prepared

ROWS = 64
"""Rows of the batch that is timed."""
REPEATS = 30


@dataclass
class Costs:
    """Costs of architectures.

    A latency is measured once for each architecture and read from ``latency.json`` ever after: another measurement
    would give another number, and a job that goes on another search.

    Attributes:
        prepared: Tasks and trunk.
        model: Counts.
        latency: Whether to measure.
    """

    prepared: Prepared
    model: CostModel
    latency: bool
    _seconds: dict[str, float] = field(default_factory=dict)
    _known: dict[Architecture, Cost] = field(default_factory=dict)

    @classmethod
    def of(cls, prepared: Prepared, head_size: int = 0, *, latency: bool) -> "Costs":
        """For the problem of a job, relative to all-shared with heads of ``head_size``."""
        model = CostModel.of(prepared.trunk, prepared.tasks, prepared.example(), head_size)
        found = cls(prepared, model, latency)
        if latency and found._path.exists():
            found._seconds = json.loads(found._path.read_text(encoding="utf-8"))
        return found

    @property
    def _path(self) -> Path:
        return self.prepared.folder.path / "latency.json"

    def cost(self, architecture: Architecture) -> Cost:
        """Counted, with the latency relative to all-shared where it is measured; once for each architecture."""
        if architecture not in self._known:
            self._known[architecture] = self._cost(architecture)
        return self._known[architecture]

    def _cost(self, architecture: Architecture) -> Cost:
        counted = self.model.cost(architecture)
        if not self.latency:
            return counted
        shared = self._time(self.model.reference(architecture))
        return counted.model_copy(update={"latency_ratio": self._time(architecture) / shared})

    def _time(self, architecture: Architecture) -> float:
        key = architecture.fingerprint
        if key not in self._seconds:
            sites = list(self.model.sites)
            with torch.random.fork_rng(devices=[]):
                network = SharedNetwork(self.prepared.tasks, architecture, self.prepared.trunk, sites, 0)
            rows = self.prepared.rows("train").inputs[:ROWS]
            self._seconds[key] = measured(network, rows, repeats=REPEATS).latency_s
            write_text(self._path, json.dumps(self._seconds, indent=1))
        return self._seconds[key]
