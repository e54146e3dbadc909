"""The propose step: what is always there, what is merged, in which order, and how it repeats."""

import numpy as np
import pytest
from planted_affinities import NAMES, affinity_of, clades, parts, planted_matrix, random_matrix

from taskgroup.core.affinity import TRUNK, Affinity, Array
from taskgroup.core.grouping import Grouping
from taskgroup.core.record import CandidateTree, Proposal, Proposals
from taskgroup.core.tree import MergeTree
from taskgroup.errors import InputError
from taskgroup.groupers import Grouper
from taskgroup.groupers.candidates import distinct, standard_trees
from taskgroup.groupers.constraints import Constraints
from taskgroup.groupers.hierarchical import Hierarchical
from taskgroup.groupers.number import silhouette
from taskgroup.groupers.pairs import Pairs
from taskgroup.groupers.propose import make_groupers, propose
from taskgroup.groupers.spectral import Spectral

GROUPERS: tuple[Grouper, ...] = (Hierarchical(), Hierarchical(linkage="complete"), Spectral())


class Given:
    """A grouper from outside: fixed groups and a fixed tree."""

    def __init__(self, *groupings: Grouping, tree: MergeTree | None = None) -> None:
        self.groupings, self.tree = groupings, tree

    def __call__(self, affinity: Affinity, stage: str = TRUNK) -> Proposals:
        proposals = tuple(Proposal(grouping=g, source="given") for g in self.groupings)
        trees = (CandidateTree(source="given", tree=self.tree),) if self.tree else ()
        return Proposals(proposals=proposals, trees=trees, notes=("given by the user",))


def own_silhouette(distances: Array, labels: tuple[int, ...]) -> float:
    """Written out from the definition."""
    scores = []
    for i, label in enumerate(labels):
        means = {}
        for k in set(labels):
            others = [distances[i, j] for j in range(len(labels)) if labels[j] == k and j != i]
            means[k] = float(np.mean(others)) if others else None
        a = means.pop(label)
        b = min(m for m in means.values() if m is not None)
        scores.append(0.0 if a is None or max(a, b) == 0 else (b - a) / max(a, b))
    return float(np.mean(scores))


@pytest.mark.parametrize("n_tasks", range(1, 8))
def test_all_together_and_all_apart_are_always_there(n_tasks: int) -> None:
    found = propose(affinity_of(random_matrix(n_tasks, 0)), GROUPERS, n_resampled=2, seed=0)
    sources = {p.grouping: p.source.split(" (")[0] for p in found.proposals}
    assert len(sources) == len(found.proposals)
    assert sources[Grouping.together(NAMES[:n_tasks])] == "all together"
    assert sources[Grouping.apart(NAMES[:n_tasks])] == ("all together" if n_tasks == 1 else "all apart")
    assert found.proposals[0].grouping == found.recommended
    assert found.reason


def test_one_task_has_one_grouping_and_one_tree() -> None:
    found = propose(affinity_of([[1.0]]), GROUPERS, n_resampled=3, seed=0)
    assert [p.source for p in found.proposals] == ["all together (also all apart)"]
    assert [t.tree.merges for t in found.trees] == [()]
    assert found.notes == ("one task: there is nothing to group",)


def test_two_tasks_have_the_two_ends_and_one_tree() -> None:
    found = propose(affinity_of([[0.0, 1.0], [2.0, 0.0]]), GROUPERS, n_resampled=3, seed=0)
    assert [p.grouping.labels for p in found.proposals] == [(0, 0), (0, 1)]
    assert [t.tree.merges for t in found.trees] == [((0, 1),)]


def test_constant_evidence_leaves_the_ends_and_says_so() -> None:
    found = propose(affinity_of(np.ones((5, 5)), stderr=0.0), GROUPERS, n_resampled=3, seed=0)
    assert [p.source for p in found.proposals] == ["all together", "all apart"]
    assert all(len(t.tree.merges) == 4 for t in found.trees)
    assert any("does not separate groups" in note for note in found.notes)


def test_recommended_first_then_by_stability_then_by_silhouette() -> None:
    affinity = affinity_of(random_matrix(8, 3), stderr=0.5)
    found = propose(affinity, GROUPERS, n_resampled=0, seed=0)
    assert found.proposals[0].grouping == found.recommended
    keys = [(-(p.stability or 0), -(p.score or 0)) for p in found.proposals[1:] if p.score is not None]
    assert keys == sorted(keys)
    assert len({stability for stability, _ in keys}) > 3
    ends = {Grouping.together(NAMES[:8]), Grouping.apart(NAMES[:8])} - {found.recommended}
    assert {p.grouping for p in found.proposals[-len(ends) :]} == ends
    exact = propose(affinity_of(random_matrix(8, 3), stderr=np.nan), GROUPERS, n_resampled=0, seed=0)
    assert {p.stability for p in exact.proposals} == {None}
    scores = [p.score for p in exact.proposals[1:] if p.score is not None]
    assert scores == sorted(scores, reverse=True)
    by_name = Pairs.of(affinity)
    back = np.argsort(by_name.order)
    distances = by_name.distances()[np.ix_(back, back)]
    for proposal in found.proposals:
        if proposal.grouping in ends:
            assert proposal.score is proposal.stability is None
            continue
        assert proposal.score == pytest.approx(own_silhouette(distances, proposal.grouping.labels))


def test_silhouette_by_hand() -> None:
    # Similarities u, 0, -u: within a pair d = 0, so (b - a) / max(a, b) is 1 for every task.
    pairs = Pairs.of(affinity_of([[0, 6, 3, 0], [6, 0, 0, 3], [3, 0, 0, 6], [0, 3, 6, 0]], names="dbca"))
    assert silhouette(pairs, Grouping.of("dbca", ["db", "ca"])) == 1
    # {d, c} and {b, a}: a = u, b = (0 + 2u) / 2 = u for each of the four.
    assert silhouette(pairs, Grouping.of("dbca", ["dc", "ba"])) == 0
    # {d, a} and {b, c}: a = 2u, b = (0 + u) / 2, so (u/2 - 2u) / 2u = -3/4.
    assert silhouette(pairs, Grouping.of("dbca", ["da", "bc"])) == -0.75


def test_a_grouping_found_again_is_mentioned_with_the_first() -> None:
    matrix, labels = planted_matrix((3, 3), 0.05, 0)
    truth = Grouping(tasks=NAMES[:6], labels=labels)
    given = Given(truth, Grouping.together(NAMES[:6]))
    found = propose(affinity_of(matrix), [Hierarchical(), Spectral(), given, given], n_resampled=0, seed=0)
    sources = {p.grouping: p.source for p in found.proposals}
    assert sources[truth] == "hierarchical(average), 2 groups (also spectral, 2 groups; given)"
    assert sources[Grouping.together(NAMES[:6])] == "all together (also given)"


def test_notes_come_once_and_none_is_lost() -> None:
    matrix = random_matrix(5, 0)
    matrix[0, 1] = np.nan
    found = propose(affinity_of(matrix), [*GROUPERS, Given()], n_resampled=0, seed=0)
    starts = ["1 of 20 affinities", "given by the user"]
    assert len(found.notes) == 2
    assert [note[: len(start)] for note, start in zip(found.notes, starts, strict=True)] == starts
    asked = propose(affinity_of(matrix), [Hierarchical(linkage="ward")], n_resampled=0, seed=0)
    assert asked.notes == found.notes[:1]


def test_trees_are_those_of_the_linkages_bisection_groupers_and_draws() -> None:
    given = MergeTree(
        tasks=NAMES[:8], merges=tuple((0 if k == 0 else 7 + k, k + 1) for k in range(7)), heights=(0,) * 7
    )
    found = propose(affinity_of(random_matrix(8, 8), stderr=2.0), [Given(tree=given)], n_resampled=2, seed=0)
    assert [t.source for t in found.trees] == [
        "hierarchical(average)",
        "hierarchical(complete)",
        "hierarchical(ward)",
        "spectral bisection",
        "given",
        "consensus of 50 draws",
        "resampled 1 of 2",
        "resampled 2 of 2",
    ]
    assert found.trees[4].tree == given


def test_every_linkage_is_among_the_trees() -> None:
    points = np.array([0.0, 0.0, 1.0, 1.0, 5.0, 5.0])  # pairs on a line
    distances = np.abs(points[:, None] - points)
    pairs = Pairs(tuple("abcdef"), tuple(range(6)), -distances, ())
    names = [t.source for t in standard_trees(pairs)]
    assert names == ["hierarchical(average)", "hierarchical(complete)", "hierarchical(ward)", "spectral bisection"]


def test_trees_of_the_same_shape_are_kept_once() -> None:
    def tree(source: str, *merges: tuple[int, int], heights: tuple[float, ...] = (1, 2, 3)) -> CandidateTree:
        return CandidateTree(source=source, tree=MergeTree(tasks=tuple("abcd"), merges=merges, heights=heights))

    balanced = tree("balanced", (0, 1), (2, 3), (4, 5))
    other_order = tree("other order", (2, 3), (0, 1), (4, 5), heights=(0, 0, 9))
    chain = tree("chain", (0, 1), (2, 4), (3, 5))
    assert distinct([balanced, other_order, chain, balanced]) == (balanced, chain)


def test_the_same_seed_gives_the_same_list_and_more_draws_extend_it() -> None:
    affinity = affinity_of(random_matrix(7, 5), stderr=1.0)
    few, again, many, other = (
        propose(affinity, GROUPERS, n_resampled=n, seed=seed) for n, seed in ((4, 1), (4, 1), (9, 1), (4, 2))
    )
    assert few == again
    shapes = [[clades(t.tree) for t in p.trees] for p in (few, many, other)]
    assert shapes[1][: len(shapes[0])] == shapes[0]
    assert len(shapes[1]) > len(shapes[0])
    assert shapes[2] != shapes[0]
    assert {(p.grouping, p.source, p.score) for p in few.proposals} == {
        (p.grouping, p.source, p.score) for p in other.proposals
    }
    assert few.together != other.together


def test_small_error_bars_give_no_new_tree() -> None:
    matrix = planted_matrix((3, 3), 0.2, 0)[0]
    certain = propose(affinity_of(matrix, stderr=1e-9), GROUPERS, n_resampled=5, seed=0)
    doubtful = propose(affinity_of(matrix, stderr=1.0), GROUPERS, n_resampled=5, seed=0)
    assert not [t for t in certain.trees if t.source.startswith("resampled")]
    assert len([t for t in doubtful.trees if t.source.startswith("resampled")]) == 5


def test_missing_error_bars_are_said() -> None:
    found = propose(affinity_of(random_matrix(4, 0), stderr=np.nan), GROUPERS, n_resampled=2, seed=0)
    assert "12 of 12 affinities at `trunk` have no error bar: resampled trees leave them as is" in found.notes


@pytest.mark.parametrize("seed", range(3))
def test_follows_a_permutation_of_the_tasks_with_the_draws(seed: int) -> None:
    matrix = random_matrix(7, 2)
    errors = np.abs(random_matrix(7, 3))
    at = np.random.default_rng(seed).permutation(7)

    def found(order: list[int]) -> Proposals:
        plain = affinity_of(matrix[np.ix_(order, order)], names=[NAMES[i] for i in order])
        bars = errors[np.ix_(order, order)][None]
        affinity = Affinity(plain.tasks, plain.stages, plain.values, bars, plain.counts)
        return propose(affinity, GROUPERS, n_resampled=5, seed=4)

    before, after = found(list(range(7))), found([int(i) for i in at])
    listed = [[(parts(p.grouping), p.source, p.score, p.stability) for p in f.proposals] for f in (before, after)]
    assert listed[0] == listed[1]
    assert before.recommended is not None
    assert after.recommended is not None
    assert parts(after.recommended) == parts(before.recommended)
    assert (after.reason, after.counts, after.n_draws) == (before.reason, before.counts, 50)
    assert np.array_equal(np.array(after.together), np.array(before.together)[np.ix_(at, at)])
    assert before.consensus is not None
    assert after.consensus is not None
    assert clades(after.consensus) == clades(before.consensus)
    assert [(t.source, clades(t.tree)) for t in after.trees] == [(t.source, clades(t.tree)) for t in before.trees]
    assert after.proposals[0].grouping.tasks == tuple(NAMES[i] for i in at)


def test_survives_json() -> None:
    found = propose(affinity_of(random_matrix(6, 0)), GROUPERS, n_resampled=3, seed=0)
    assert Proposals.model_validate_json(found.model_dump_json()) == found


def test_the_consensus_and_the_first_proposals_are_among_the_trees() -> None:
    affinity = affinity_of(random_matrix(8, 8), stderr=0.5)
    odd = Grouping.of(NAMES[:8], [NAMES[0:8:2], NAMES[1:8:2]])
    found = propose(affinity, [*GROUPERS, Given(odd)], n_resampled=0, seed=0)
    assert found.consensus in [t.tree for t in found.trees]
    for wanted in [p for p in found.proposals if p.score is not None][:4]:
        assert any(t.tree.cut(len(wanted.grouping)) == wanted.grouping for t in found.trees)
    own = [t.tree for t in found.trees if t.source == "within given"]
    assert own[0].cut(2) == odd  # search can make use of what the user knows


def test_constraints_repair_what_breaks_them() -> None:
    matrix, labels = planted_matrix((3, 3), 0.1, 0)
    tasks = NAMES[:6]
    truth = Grouping(tasks=tasks, labels=labels)
    (a, b), (c, d) = truth.groups[0][:2], (truth.groups[0][0], truth.groups[1][0])
    rules = Constraints(must_link=((c, d),), cannot_link=((a, b),))
    found = propose(affinity_of(matrix), GROUPERS, n_resampled=0, seed=0, constraints=rules)
    assert found.proposals
    assert all(rules.admits(p.grouping) for p in found.proposals)
    assert found.recommended is not None
    assert rules.admits(found.recommended)
    assert found.proposals[0].grouping == found.recommended
    kept = propose(affinity_of(matrix), GROUPERS, n_resampled=0, seed=0, constraints=Constraints(cannot_link=((c, d),)))
    assert kept.recommended == truth  # it keeps the rule; all together repaired is the same and does not take its place
    assert kept.proposals[0].source.startswith("hierarchical(average), 2 groups")
    forced = propose(affinity_of(matrix), GROUPERS, n_resampled=0, seed=0, constraints=Constraints(n_groups=3))
    assert {len(p.grouping) for p in forced.proposals} == {3}
    flat = propose(affinity_of(np.ones((4, 4))), [], n_resampled=0, seed=0, constraints=Constraints(max_size=2))
    assert flat.reason.startswith("2 groups, as few as the constraints leave: all pairs")
    with pytest.raises(InputError, match="`must_link` should name tasks of the problem, found `nobody`"):
        propose(affinity_of(matrix), [], n_resampled=0, seed=0, constraints=Constraints(must_link=(("nobody", a),)))


def test_a_chain_that_breaks_the_constraints_is_left_out() -> None:
    block = np.kron(np.eye(2), np.ones((3, 3)))
    affinity = affinity_of(block, block, block, stderr=0.05)
    free = propose(affinity, [], n_resampled=0, seed=0)
    assert free.chain is not None
    assert free.chain.topology.matrix == ((0, 0, 0, 1, 1, 1),) * 2
    tied = propose(affinity, [], n_resampled=0, seed=0, constraints=Constraints(must_link=((NAMES[0], NAMES[5]),)))
    assert tied.chain is None


def test_groupers_take_the_common_symmetrization_unless_they_say_otherwise() -> None:
    made = make_groupers(
        [
            {"method": "hierarchical"},
            {"method": "spectral", "symmetrization": "centred-max"},
            {"method": "given", "groups": [["a"]]},
        ],
        "centred-min",
    )
    assert [getattr(g, "symmetrization", None) for g in made] == ["centred-min", "centred-max", None]
    matrix = random_matrix(6, 1)
    found = propose(affinity_of(matrix), made[:1], n_resampled=0, seed=0, symmetrization="centred-min")
    assert found.symmetrization == "centred-min"
    pairs = Pairs.of(affinity_of(matrix), how="centred-min")
    partial = next(p for p in found.proposals if p.score is not None)
    assert partial.score == silhouette(pairs, partial.grouping)
    assert "centred-min" in partial.source


def test_stage_and_number_of_draws_are_checked() -> None:
    affinity = affinity_of(random_matrix(4, 0), random_matrix(4, 1))
    with pytest.raises(InputError, match="`stage` should be one of s1, trunk, found `s2`"):
        propose(affinity, GROUPERS, n_resampled=0, seed=0, stage="s2")
    with pytest.raises(InputError, match="`n_draws` should be 0 or more, found -2"):
        propose(affinity, GROUPERS, n_resampled=0, n_draws=-2, seed=0)
    with pytest.raises(InputError, match="`n_resampled` should be 0 or more, found -1"):
        propose(affinity, GROUPERS, n_resampled=-1, seed=0)
    early = propose(affinity, GROUPERS, n_resampled=2, seed=0, stage="s1")
    alone = propose(affinity_of(affinity.values[0]), GROUPERS, n_resampled=0, seed=0)
    assert early.proposals == alone.proposals
