"""A job on a bundled problem, which worker processes can load by themselves."""

from pathlib import Path

import pytest

from taskgroup.core.spec import Architecture
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrainOptions, TrialSpec
from taskgroup.pipeline.config import parse_config
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.prepared import prepare
from taskgroup.problems.load import load_problem

ENDLESS = 10_000_000
"""Steps that nobody waits for."""
CONFIG = {"name": "x", "problem": {"source": "bundled", "name": "linnerud"}, "trunk": {"name": "mlp", "width": 4}}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Prepared."""
    config = parse_config(CONFIG, "x", Path())
    assert config.problem is not None
    found = Folder(tmp_path / "job")
    with found.held():
        prepare(load_problem(config.problem, config.trunk, Path()), found, {})
    return found


def bundled_trial(seed: int, steps: int = 3) -> TrialSpec:
    topology = Topology.shared(("weight", "waist", "pulse"), ("block1", "block2", "block3"))
    return TrialSpec(
        job="x",
        data="d",
        step="search",
        architecture=Architecture(topology=topology),
        seed=seed,
        train=TrainOptions(steps=steps),
    )
