"""Rules for topologies, by hand."""

from taskgroup.core.topology import Topology
from taskgroup.groupers.constraints import Constraints
from taskgroup.groupers.topologies import admits, excess

TREE = Topology(tasks=tuple("abcd"), stages=("s1", "s2", "s3"), matrix=((0, 0, 0, 0), (0, 0, 0, 1), (0, 0, 1, 2)))


def test_excess_counts_stages_and_the_last_groups() -> None:
    rules = Constraints(
        must_link=(("a", "b", "c"),), cannot_link=(("a", "d"), ("c", "d")), max_size=3, n_groups=2, max_groups=5
    )
    assert excess(rules, TREE) == {
        "must_link": 2.0,  # a-c and b-c part at the last stage
        "cannot_link": 2.0,  # a-d and c-d share the first
        "max_size": -1.0,
        "n_groups": 1.0,
        "max_groups": -2.0,
    }
    assert excess(Constraints(), TREE) == {}


def test_admits_what_keeps_every_rule() -> None:
    assert admits(Constraints(), TREE)
    assert admits(Constraints(must_link=(("a", "b"),), max_size=2, n_groups=3), TREE)
    assert not admits(Constraints(must_link=(("a", "c"),)), TREE)
    assert not admits(Constraints(cannot_link=(("b", "d"),)), TREE)
    assert not admits(Constraints(max_size=1), TREE)
    assert not admits(Constraints(n_groups=4), TREE)
    assert admits(Constraints(cannot_link=(("a", "b"),)), Topology.separate("abcd", ("s1",)))
