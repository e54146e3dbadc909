"""What ``bench build`` times, without timing."""

import time
from collections.abc import Callable

import pytest
from torch import nn

from taskgroup.bench.build import COUNTS, TOPOLOGIES, TRUNKS, BuildBench, interleaved, timed_row, topology_of, works_of
from taskgroup.bench.frame import Places

NAMES = tuple("abcdefgh")
STAGES = ("one", "two", "three")


def test_topologies() -> None:
    assert topology_of("all-shared", NAMES, STAGES).is_shared
    assert topology_of("all-separate", NAMES, STAGES).is_separate
    branched = topology_of("branched", NAMES, STAGES)
    assert [len(branched.groups(s)) for s in range(3)] == [1, 2, 2]
    assert branched.groups(2) == (NAMES[:4], NAMES[4:])
    assert topology_of("branched", NAMES[:2], STAGES).groups(2) == (("a",), ("b",))


def parts(work: Callable[[], object]) -> list[nn.Module]:
    """Networks that a pass runs."""
    held = [cell.cell_contents for cell in work.__closure__ or ()]
    return [m for found in held for m in (found if isinstance(found, list) else [found]) if isinstance(m, nn.Module)]


@pytest.mark.parametrize("kind", TOPOLOGIES)
@pytest.mark.parametrize("trunk", ["mlp", "conv"])
def test_all_arms_are_networks_of_one_topology(trunk: str, kind: str) -> None:
    works, before, wide = works_of(trunk, 8, kind)
    sizes = {
        name: sum(p.numel() for network in parts(work) for p in network.parameters()) for name, work in works.items()
    }
    assert sizes["ours"] == sizes["ours, in turn"] == sizes["handwritten"]
    assert sizes["networks per group"] >= sizes["ours"]
    assert wide == (kind != "all-shared" if trunk == "conv" else kind == "all-separate")
    for work in works.values():
        work()
        assert all(p.grad is not None for network in parts(work) for p in network.parameters())
    before()
    assert all(p.grad is None for work in works.values() for network in parts(work) for p in network.parameters())


def test_medians_of_interleaved_runs() -> None:
    order: list[str] = []

    def busy(name: str, n: int) -> Callable[[], object]:
        def work() -> None:
            order.append(name)
            until = time.thread_time() + n * 1e-3
            while time.thread_time() < until:
                pass

        return work

    cleared: list[int] = []
    medians = interleaved({"short": busy("short", 1), "long": busy("long", 4)}, lambda: cleared.append(1), seconds=0)
    assert 2 < medians["long"] / medians["short"] < 8
    assert len(order) == len(cleared) == 20
    assert all({order[k], order[k + 1]} == {"short", "long"} for k in range(0, 20, 2))


def test_a_row() -> None:
    row = timed_row("mlp", 2, "all-shared", seconds=0)
    assert {k: row[k] for k in ("trunk", "n_tasks", "topology", "batched_speedup")} == {
        "trunk": "mlp", "n_tasks": 2, "topology": "all-shared", "batched_speedup": 1.0,
    }  # fmt: skip
    assert row["ratio_to_handwritten"] > 0


def test_cells() -> None:
    cells = BuildBench().cells(False, Places())
    assert len(cells) == len(set(cells)) == len(TRUNKS) * len(COUNTS)
    assert {"mlp, 2 tasks", "conv, 32 tasks", "transformer, 8 tasks"} <= set(cells)
