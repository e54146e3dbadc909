"""The samplers that a search may use, each made anew for every ask."""

import warnings
from collections.abc import Callable

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study
from optuna.trial import FrozenTrial

from taskgroup.core.table import did_you_mean
from taskgroup.errors import InputError

optuna.logging.set_verbosity(optuna.logging.WARNING)

Make = Callable[[int, int, IntersectionSearchSpace], BaseSampler]
"""Makes a sampler of its seed, the number of trials to come, and what the study's trials have in common."""

GENERATIONS = 8
"""NSGA-II's number of generations in a search, as far as its population is between 8 and 50."""


class _Common:
    """Goes on with the parameters that all trials have, where Optuna would look at every trial again."""

    common: IntersectionSearchSpace

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {name: found for name, found in self.common.calculate(study).items() if not found.single()}


class _Tpe(_Common, TPESampler):
    def __init__(self, seed: int, common: IntersectionSearchSpace) -> None:
        super().__init__(seed=seed, multivariate=True)
        self.common = common


class Genetic(_Common, NSGAIISampler):
    """NSGA-II whose population follows from the budget.

    Args:
        seed: Decides crossover and mutation.
        n_trials: To come in all.
        common: What the study's trials have in common.
    """

    def __init__(self, seed: int, n_trials: int, common: IntersectionSearchSpace) -> None:
        super().__init__(seed=seed, population_size=min(max(n_trials // GENERATIONS, 8), 50))
        self.common = common

    def generation(self, study: Study, trial: FrozenTrial) -> dict[str, int]:
        """What is kept with a trial that belongs to the present generation, and was not drawn by this sampler."""
        return {self._get_generation_key(): self.get_trial_generation(study, trial)}


SAMPLERS: dict[str, Make] = {
    "tpe": lambda seed, _, common: _Tpe(seed, common),
    "tpe-group": lambda seed, _, __: TPESampler(seed=seed, multivariate=True, group=True),
    "nsga2": Genetic,
    "gp": lambda seed, _, __: GPSampler(seed=seed, warn_independent_sampling=False),
    "random": lambda seed, _, __: RandomSampler(seed=seed),
}
"""
- ``tpe``: multivariate TPE with constant liar; parameters that not every trial has are drawn one by one.
- ``tpe-group``: the same for each group of parameters that occur together.
- ``nsga2``: a genetic algorithm; what was tried first, and was in its space, is its first generation.
- ``gp``: a Gaussian process with expected improvement; seconds a trial, parameters that not every trial has at random.
- ``random``: at random.
"""


def make_sampler(name: str) -> Callable[[int, int], BaseSampler]:
    """What makes the sampler of this name, for one study, of its seed and the number of trials to come.

    Raises:
        InputError: There is none of this name.
    """
    if name not in SAMPLERS:
        known = tuple(SAMPLERS)
        raise InputError(f"sampler should be one of {', '.join(known)}, found `{name}`{did_you_mean(name, known)}")
    common = IntersectionSearchSpace(include_pruned=name == "tpe")

    def make(seed: int, n_trials: int) -> BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return SAMPLERS[name](seed, n_trials, common)

    return make
