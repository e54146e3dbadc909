"""Points near good ones, for when the sampler has nothing new to say."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from taskgroup.core.recipe import Candidate
from taskgroup.search.space import Space

N_TRIES = 300


class _Near(BaseSampler):
    """Each parameter as at ``centre``, or with probability ``rate`` at random."""

    def __init__(self, centre: Mapping[str, Any], rate: float, rng: np.random.Generator) -> None:
        self.centre, self.rate, self.rng = centre, rate, rng
        self.random = RandomSampler(seed=int(rng.integers(2**31)))

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: Mapping[str, Any]) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        if self.rng.random() >= self.rate and _has(param_distribution, self.centre.get(param_name)):
            return self.centre[param_name]
        return self.random.sample_independent(study, trial, param_name, param_distribution)


def _has(distribution: BaseDistribution, value: Any) -> bool:
    if value is None or isinstance(distribution, CategoricalDistribution):
        return isinstance(distribution, CategoricalDistribution) and value in distribution.choices
    return distribution._contains(distribution.to_internal_repr(value))


def near(
    space: Space,
    centres: Sequence[Mapping[str, Any]],
    rng: np.random.Generator,
    accept: Callable[[Candidate], bool],
) -> dict[str, Any] | None:
    """A point of the space near one of ``centres`` whose candidate is accepted.

    The first tries change about two parameters, the last all of them: whatever the space still holds can be found.

    Args:
        space: Asks for parameters.
        centres: Parameters of good candidates; empty for points at random.
        rng: Decides all.
        accept: Whether a candidate will do.

    Returns:
        Its parameters, or None after ``N_TRIES`` tries.
    """
    scratch = optuna.create_study(storage=optuna.storages.InMemoryStorage())
    for k in range(N_TRIES):
        centre = centres[int(rng.integers(len(centres)))] if centres else {}
        rate = max(2 / max(len(centre), 2), k / (N_TRIES - 1))
        scratch.sampler = _Near(centre, rate, rng)
        trial = scratch.ask()
        if accept(space.suggest(trial)):
            return dict(trial.params)
    return None
