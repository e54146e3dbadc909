"""Grouping by itself: proposals from an affinity, without a job; the same as ``taskgroup group``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from taskgroup.core.affinity import TRUNK, Affinity, Symmetrization
from taskgroup.core.record import Proposals
from taskgroup.core.table import did_you_mean
from taskgroup.core.validation import sentences
from taskgroup.errors import InputError
from taskgroup.groupers import GROUPERS, Grouper
from taskgroup.groupers.constraints import Constraints
from taskgroup.pipeline.affinity_files import load_affinity
from taskgroup.pipeline.sections import ProposeConfig
from taskgroup.pipeline.wanted import name_of, parse_methods

Options = Mapping[str, Any]


def group(
    affinity: Affinity | str | Path,
    groupers: str | Sequence[Options | Grouper] | None = None,
    *,
    constraints: Constraints | Options | None = None,
    stage: str = TRUNK,
    draws: int = 50,
    seed: int = 0,
    symmetrization: Symmetrization = "centred-mean",
) -> Proposals:
    """Groupings that an affinity speaks for: a recommendation with its reason, and what else there is.

    Args:
        affinity: As measured, or a run directory or a file: see
            :func:`taskgroup.pipeline.affinity_files.load_affinity`.
        groupers: Methods as text (``"spectral,hierarchical(linkage=ward)"``), as mappings with ``method`` and options,
            or ready made; by default those of the config.
        constraints: Rules that every grouping has to keep: ``must_link``, ``cannot_link`` (sets of tasks),
            ``max_size``, ``n_groups``, ``max_groups``.
        stage: Slice of the affinity.
        draws: Affinities redrawn within their error bars.
        seed: Of the draws.
        symmetrization: How both directions of a pair become one similarity.

    Returns:
        ``recommended`` and ``reason``, ``proposals`` (the recommended one first, then by falling stability), ``counts``
        (numbers of groups compared), ``together`` (how often redrawn affinities put two tasks into one group),
        ``chain`` (partitions over the stages) and ``notes``.

    Raises:
        InputError: With a sentence for each thing that is wrong.

    Example:
        >>> import numpy as np
        >>> gain = np.array([[0, 5, 1, 1], [5, 0, 1, 1], [1, 1, 0, 4], [1, 1, 4, 0.0]])[None]
        >>> measured = Affinity(tuple("abcd"), ("trunk",), gain, 0.2 + 0 * gain, np.ones(gain.shape, int))
        >>> group(measured, "hierarchical").recommended.groups
        (('a', 'b'), ('c', 'd'))
    """
    from taskgroup.groupers.propose import propose  # loads scipy and scikit-learn

    _check_symmetrization(symmetrization)
    measured = affinity if isinstance(affinity, Affinity) else load_affinity(affinity)
    return propose(
        measured,
        _ready(groupers, symmetrization),
        n_resampled=0,
        seed=seed,
        stage=stage,
        n_draws=draws,
        symmetrization=symmetrization,
        constraints=_rules(constraints),
    )


def _ready(groupers: str | Sequence[Options | Grouper] | None, symmetrization: Symmetrization) -> list[Grouper]:
    """Groupers, every fault of theirs told at once."""
    from taskgroup.groupers.propose import make_groupers

    wanted: Sequence[Options | Grouper] = ProposeConfig().groupers if groupers is None else ()
    if groupers is not None:
        wanted = parse_methods(groupers, "groupers") if isinstance(groupers, str) else groupers
    found: list[Grouper] = []
    faults: list[str] = []
    for given in wanted:
        if not isinstance(given, Mapping):
            found.append(given)
        elif given.get("method") not in GROUPERS.names:
            faults.append(GROUPERS.unknown(str(given.get("method"))))
        else:
            try:
                found += make_groupers([given], symmetrization)
            except ValidationError as error:
                model: Any = GROUPERS[given["method"]]
                faults += sentences(error, model, f"grouper {name_of(given)}")
    if faults:
        raise InputError(faults)
    return found


def _rules(constraints: Constraints | Options | None) -> Constraints:
    if constraints is None or isinstance(constraints, Constraints):
        return constraints or Constraints()
    try:
        return Constraints.model_validate(dict(constraints))
    except ValidationError as error:
        raise InputError(sentences(error, Constraints, "constraints")) from None


def _check_symmetrization(name: str) -> None:
    known = get_args(Symmetrization)
    if name not in known:
        raise InputError(
            f"`symmetrization` should be one of {', '.join(known)}, found `{name}`{did_you_mean(name, known)}"
        )
