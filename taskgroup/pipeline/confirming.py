"""Confirming: hands groups of confirmations that are trained together to the crew as one unit of work each."""

from collections import Counter
from collections.abc import Callable, Sequence

from taskgroup.core.trial import TrialResult, TrialSpec
from taskgroup.pipeline.crew import Crew
from taskgroup.pipeline.folder import Folder


def confirm_all(crew: Crew, specs: Sequence[TrialSpec], done: Callable[[TrialResult], None]) -> list[TrialResult]:
    """What :meth:`Crew.all` gives; of every group one member is started, which leaves the results of the others.

    Args:
        crew: Does them.
        specs: Members of groups, and trials by themselves.
        done: Called once for each of ``specs``, with the result of a member of its group.

    Raises:
        TrialError: One of them failed for good.
    """
    units = _units(specs, crew.folder)
    counts = Counter(units[_group(spec)].key for spec in specs)

    def count(result: TrialResult) -> None:
        for _ in range(counts[result.key]):
            done(result)

    crew.all(list(units.values()), count)
    return crew.all(specs, lambda _: None)


def _units(specs: Sequence[TrialSpec], folder: Folder) -> dict[str, TrialSpec]:
    """By group: the first member without a result, which trains them all again; or the first where all are there."""
    units: dict[str, TrialSpec] = {}
    for spec in specs:
        group = _group(spec)
        if group not in units or (folder.result(spec) is None and folder.result(units[group]) is not None):
            units[group] = spec
    return units


def _group(spec: TrialSpec) -> str:
    """The same for all members."""
    return spec.members[0].key
