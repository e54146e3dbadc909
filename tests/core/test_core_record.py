from spec_examples import ARCHITECTURE, COST

from taskgroup.core.grouping import Grouping
from taskgroup.core.record import CandidateTree, Chain, GroupCount, Proposal, Proposals, TrialRow, search_words
from taskgroup.core.topology import Topology
from taskgroup.core.tree import MergeTree


def test_proposals_survive_json() -> None:
    proposals = Proposals(
        proposals=(
            Proposal(grouping=Grouping.together("abc"), source="all together"),
            Proposal(grouping=Grouping.of("abc", ["ac", "b"]), source="spectral, 2 groups", score=1 / 3),
        ),
        trees=(
            CandidateTree(
                source="average",
                tree=MergeTree(tasks=tuple("abc"), merges=((0, 2), (1, 3)), heights=(0.1, 2 / 3)),
            ),
        ),
        notes=("one note",),
    )
    assert Proposals.model_validate_json(proposals.model_dump_json()) == proposals


def test_everything_that_proposals_know_survives_json() -> None:
    together, apart = Grouping.together("ab"), Grouping.apart("ab")
    topology = Topology.branched(apart, ("s1", "s2"), 1)
    proposals = Proposals(
        proposals=(Proposal(grouping=apart, source="given", score=0.1, stability=2 / 3),),
        trees=(),
        recommended=together,
        reason="All together: of two tasks each has a single source.",
        counts=(GroupCount(n_groups=1, eigengap=1 / 7), GroupCount(n_groups=2, separation=3.3)),
        together=((1.0, 1 / 3), (1 / 3, 1.0)),
        consensus=MergeTree(tasks=("a", "b"), merges=((0, 1),), heights=(2 / 3,)),
        chain=Chain(topology=topology, source="slice `s2`", separation=(0.1, 4.4), threshold=3.0),
        n_draws=50,
        symmetrization="centred-min",
    )
    assert Proposals.model_validate_json(proposals.model_dump_json()) == proposals


def test_files_of_older_versions_load() -> None:
    grouping = '{"tasks": ["a", "b"], "labels": [0, 1]}'
    old = (
        f'{{"proposals": [{{"grouping": {grouping}, "source": "all apart", "score": null}}], "trees": [], "notes": []}}'
    )
    found = Proposals.model_validate_json(old)
    assert found.proposals[0].stability is None
    assert (found.recommended, found.reason, found.counts, found.together, found.chain) == (None, "", (), (), None)


def test_trial_row_survives_json() -> None:
    row = TrialRow(
        number=3,
        origin="proposal: all together",
        state="complete",
        architecture=ARCHITECTURE,
        cost=COST,
        gain=-0.1,
        errors={"digit": 1 / 7},
        seconds=2.5,
    )
    assert TrialRow.model_validate_json(row.model_dump_json()) == row


def rows(**counts: int) -> list[TrialRow]:
    """So many rows of each kind: trained, pruned, repeat, over, failed."""
    made = {
        "trained": ("sampler", "complete", True),
        "pruned": ("sampler", "pruned", True),
        "repeat": ("repeat of 2", "pruned", False),
        "over": ("sampler", "over limit", False),
        "failed": ("sampler", "failed", False),
    }
    return [
        TrialRow(
            number=k,
            origin=made[kind][0],
            state=made[kind][1],
            architecture=ARCHITECTURE,
            cost=COST,
            gain=None,
            errors={"digit": 0.1} if made[kind][2] else {},
            seconds=1.0,
        )
        for kind, n in counts.items()
        for k in range(n)
    ]


def test_what_a_search_did_in_words() -> None:
    assert search_words([]) == "0 candidates trained"
    assert search_words(rows(trained=1)) == "1 candidate trained"
    assert search_words(rows(trained=12, repeat=5)) == "12 candidates trained (5 repeats not trained)"
    assert search_words(rows(trained=9, pruned=3, repeat=1, over=2, failed=1)) == (
        "12 candidates trained, 3 of them stopped early (1 repeat and 2 over a limit not trained, 1 failed)"
    )
    assert search_words(rows(trained=2, failed=1)) == "2 candidates trained (1 failed)"
