import pytest
from record_fixture import DIGITS, STAGES, make_record, with_helper

from taskgroup.core.spec import AdapterSpec, Architecture, Cost, Helper
from taskgroup.core.topology import Topology
from taskgroup.report import tree_text

BRANCHED = Topology(
    tasks=("a", "b", "c", "d"),
    stages=("stem", "block1", "block2"),
    matrix=((0, 0, 0, 0), (0, 0, 1, 1), (0, 0, 1, 2)),
)


def test_runs_are_collapsed_adapters_and_helpers_marked() -> None:
    architecture = Architecture(
        topology=BRANCHED,
        adapters=(AdapterSpec(stage="stem", size=8), AdapterSpec(stage="block2", size=4, per="branch")),
        helpers=(Helper(task="a", along="d"),),
    )
    cost = Cost(params=12_345, macs=1_500_000, params_ratio=1.5, macs_ratio=1.2)
    assert tree_text(architecture, cost).splitlines() == [
        "stem +adapter 8",
        "├─ block1 → block2 +adapter 4 (per branch)",
        "│  ├─ a",
        "│  └─ b",
        "└─ block1",
        "   ├─ block2 → c",
        "   └─ block2",
        "      ├─ d",
        "      └─ (a helps in training)",
        "12.3 k parameters, 1.5 M MACs per example",
    ]


def test_one_task_is_one_line() -> None:
    topology = Topology.separate(("only",), STAGES)
    assert tree_text(Architecture(topology=topology)) == "stem → block1 → block2 → block3 → only"


def test_separate_networks_hang_on_the_input() -> None:
    lines = tree_text(Architecture(topology=Topology.separate(("a", "b"), ("s",)))).splitlines()
    assert lines == ["input", "├─ s → a", "└─ s → b"]


def test_adapters_of_size_zero_and_of_own_copies_are_not_shown() -> None:
    adapters = (AdapterSpec(stage="stem", size=0), AdapterSpec(stage="block2", size=4))
    text = tree_text(Architecture(topology=Topology.separate(("a", "b"), STAGES), adapters=adapters))
    assert "adapter" not in text


@pytest.mark.parametrize("n_tasks", [1, 2, 9, 30])
@pytest.mark.parametrize("n_stages", [1, 4, 14])
def test_it_fits_a_terminal_and_names_every_task(n_tasks: int, n_stages: int) -> None:
    names = tuple(f"task_{k}_of_many" for k in range(n_tasks))
    stages = tuple(f"layer{k}" for k in range(n_stages))
    for row in make_record(names, stages=stages, n_trials=12).trials:
        lines = tree_text(row.architecture).splitlines()
        assert max(map(len, lines)) <= 100
        assert all(any(name in line for line in lines) for name in names)


def test_nine_tasks_take_about_twenty_lines() -> None:
    for row in with_helper(make_record(DIGITS)).trials:
        assert len(tree_text(row.architecture).splitlines()) <= 20


def test_long_and_hostile_names_stay_on_their_line() -> None:
    topology = Topology.shared(("x" * 400, "a\nb\x1b[31m"), ("s" * 300,))
    lines = tree_text(Architecture(topology=topology)).splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= 100
    assert lines[2] == "└─ a\\nb\\x1b[31m"
