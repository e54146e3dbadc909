"""Groupers turn an affinity into candidate groupings and merge trees; they know nothing of networks or training.

Importing this package loads no scipy, scikit-learn or networkx: each method imports what it needs in its own file.
"""

from typing import Protocol

from taskgroup.core.affinity import TRUNK, Affinity
from taskgroup.core.record import Proposals
from taskgroup.core.table import Table


class Grouper(Protocol):
    """A frozen pydantic object whose fields are its options, ``method`` its name in the table; calling it runs it.

    What every grouper keeps, and the contract tests check over the whole table:

    - each proposal is a partition of exactly ``affinity.tasks``, in that order, into 2 to T - 1 groups; all together
      and all apart are always candidates and therefore added by ``propose``, not here;
    - proposals come from coarse to fine; trees have ``affinity.tasks`` as leaves, and a method that makes no tree
      returns none;
    - the answer follows the tasks when they are permuted, and does not change when the affinities are multiplied by
      a positive number or a constant is added for each target;
    - where the evidence does not separate groups, or the method does not apply, there are no proposals and a note
      says why. Nothing is left out without a note, and nothing is raised for a valid affinity.
    """

    def __call__(self, affinity: Affinity, stage: str = TRUNK) -> Proposals:
        """Candidate groupings and merge trees from the slice ``stage`` of ``affinity``.

        Raises:
            InputError: If the affinity has no such stage, or the options name tasks that it does not have.
        """
        ...


GROUPERS: Table[type[Grouper]] = Table(
    "grouper",
    "taskgroup.groupers",
    {
        "affinity_propagation": "taskgroup.groupers.propagation:AffinityPropagation",
        "community": "taskgroup.groupers.community:Community",
        "given": "taskgroup.groupers.given:Given",
        "hierarchical": "taskgroup.groupers.hierarchical:Hierarchical",
        "spectral": "taskgroup.groupers.spectral:Spectral",
    },
)
