from spec_examples import ARCHITECTURE, COST

from taskgroup.core.grouping import Grouping
from taskgroup.core.record import CandidateTree, Proposal, Proposals, TrialRow
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
