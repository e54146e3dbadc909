"""The arms of ``bench plans``: each gets a lab and an account and gives back one candidate."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from taskgroup.bench.plans.branching import rsa_branching
from taskgroup.bench.plans.flow import flow
from taskgroup.bench.plans.groups import hoa_arm, tag
from taskgroup.bench.plans.lab import Account, Lab
from taskgroup.bench.plans.tuning import Race
from taskgroup.core.recipe import Candidate

SHARED, SEPARATE, OURS = "all-shared", "all-separate", "taskgroup"

Choose = Callable[[Lab, Account], Candidate]


def all_shared(lab: Lab, account: Account) -> Candidate:
    """One network, its learning rate tuned."""
    return _tuned(lab, account, lab.shared)


def all_separate(lab: Lab, account: Account) -> Candidate:
    """A network for each task, their learning rate tuned."""
    return _tuned(lab, account, lab.separate)


def surgery(lab: Lab, account: Account, *, weighting: str) -> Candidate:
    """All-shared, the gradients of the tasks put together without conflict, the learning rate tuned."""
    recipe = lab.shared.recipe.model_copy(update={"weighting": weighting})
    return _tuned(lab, account, lab.shared.model_copy(update={"recipe": recipe}))


def _tuned(lab: Lab, account: Account, candidate: Candidate) -> Candidate:
    race = Race(lab, account)
    race.tune(candidate)
    return race.best()


@dataclass(frozen=True)
class Arm:
    """One way to come to a network.

    Attributes:
        name: In rows and tables.
        about: What it is, for the table's readers.
        choose: Comes to it.
        part: The part of the flow that is left out, or added where it is off by default, for ablations.
        added: Which of both.
    """

    name: str
    about: str
    choose: Choose
    part: str = ""
    added: bool = False


def _ours(name: str, about: str, changes: Mapping[str, Any] | None = None, part: str = "", added: bool = False) -> Arm:
    return Arm(name, about, partial(flow, name=name, changes=changes or {}), part, added)


NO_LOOKAHEAD: dict[str, Any] = {"measure.affinity": {"method": "uninformed"}}
NO_PROPOSALS: dict[str, Any] = {**NO_LOOKAHEAD, "search.first": 0, "search.surrogate": False}

ARMS = (
    _ours(OURS, "the whole flow"),
    Arm(SHARED, "one network, learning rate tuned, best of the budget", all_shared),
    Arm(SEPARATE, "a network for each task, learning rate tuned, best of the budget", all_separate),
    Arm("TAG", "exact lookahead affinity, groups by its selection, a network for each group", tag),
    Arm("HOA", "all pairs trained, groups by the mean over their pairs, a network for each group", hoa_arm),
    Arm("RSA branching", "branched by the similarity of the representations of networks trained alone", rsa_branching),
    _ours(
        "random topologies",
        "random points of the same space, same confirm",
        {**NO_PROPOSALS, "search.sampler": "random"},
    ),
    _ours("Optuna without lookahead", "TPE on the same space, no proposals, no surrogate", NO_PROPOSALS),
    Arm(
        "PCGrad",
        "all-shared, conflicting gradients projected, learning rate tuned",
        partial(surgery, weighting="pcgrad"),
    ),
    Arm(
        "UPGrad",
        "all-shared, gradients projected onto the dual cone, learning rate tuned",
        partial(surgery, weighting="upgrad"),
    ),
)
"""Ours comes first: what it used is the budget of the others."""

ABLATIONS = (
    _ours("taskgroup without lookahead", "random numbers for an affinity", NO_LOOKAHEAD, "lookahead"),
    _ours("taskgroup without profile", "one affinity for all stages", {"measure.profile": False}, "per-stage profile"),
    _ours(
        "taskgroup without surrogate",
        "what trials teach is left to the sampler",
        {"search.surrogate": False},
        "surrogate",
    ),
    _ours("taskgroup without adapters", "branching alone", {"search.adapters": {"sizes": [0]}}, "adapters"),
    _ours(
        "taskgroup with forking",
        "from the lookahead's weights where it keeps the order",
        {"search.fork": "auto"},
        "forking",
        True,
    ),
)
