"""The sampler's own view of a study, in memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState, create_trial

from taskgroup.core.recipe import Candidate
from taskgroup.search.notes import Notes
from taskgroup.search.objectives import directions, values
from taskgroup.search.samplers import Genetic
from taskgroup.search.space import Space

_STATES = {"complete": TrialState.COMPLETE, "failed": TrialState.FAIL}
_PASSING = ("fixed_params", "constraints:", "tpe:relative_params", "gp:relative_params")


@dataclass(frozen=True)
class Draw:
    """A point of the space: the candidate, its parameters, and what the sampler keeps with it."""

    candidate: Candidate
    params: dict[str, Any]
    system: dict[str, Any] = field(default_factory=dict)


class Sampling:
    """What the sampler is shown: every trial with parameters, under the number that the search gave it.

    It is made again of the search's notes whenever the search is taken up, and nothing is read from a database while
    it goes on. Candidates outside the space have no parameters; the sampler sees them as failed, which is what it
    passes over (one complete trial without parameters would leave a multivariate sampler nothing in common).

    Args:
        space: Asks for parameters.
        objective: What the search is for.
        make: Makes the sampler for the trial of a number, alike whenever it is called.
    """

    def __init__(self, space: Space, objective: Sequence[str], make: Callable[[int], BaseSampler]) -> None:
        self.space, self.objective, self.make, self._n = space, tuple(objective), make, 0
        self.study = optuna.create_study(
            storage=optuna.storages.InMemoryStorage(),
            directions=directions(objective),
            pruner=optuna.pruners.NopPruner(),
        )

    def restore(self, notes: Notes) -> None:
        """Show a trial of an earlier session."""
        if notes.asked.params is None:
            self.skip()
        else:
            self._place(notes.asked.params, RandomSampler(seed=0))
            self._keep(notes.number, notes.asked.system)
        self.constrain(notes.number, notes.asked.excess)
        if notes.told is not None:
            self.tell(notes)

    def draw(self) -> Draw:
        """A point that the sampler chose, shown as a running trial."""
        return self._ask(self.make(self._n))

    def _ask(self, sampler: BaseSampler) -> Draw:
        self.study.sampler, self._n = sampler, self._n + 1
        trial = self.study.ask()
        candidate = self.space.suggest(trial)
        frozen = self.study._storage.get_trial(trial._trial_id)
        system = {k: v for k, v in frozen.system_attrs.items() if not k.startswith(_PASSING)}
        return Draw(candidate, dict(frozen.params), system)

    def place(self, params: Mapping[str, Any]) -> Draw:
        """A given point, shown as a running trial; NSGA-II takes it into its present generation."""
        return self._place(params, self.make(self._n))

    def _place(self, params: Mapping[str, Any], sampler: BaseSampler) -> Draw:
        self.study.enqueue_trial(dict(params))
        drawn = self._ask(sampler)
        if isinstance(sampler, Genetic):  # a trial whose parameters are all given is not seen by it
            drawn.system.update(sampler.generation(self.study, self.study.get_trials(deepcopy=False)[-1]))
        return drawn

    def skip(self) -> None:
        """Leave out a trial that has no parameters."""
        self.study.add_trial(create_trial(state=TrialState.FAIL))
        self._n += 1

    def _keep(self, number: int, system: Mapping[str, Any]) -> None:
        for key, value in system.items():
            self.study._storage.set_trial_system_attr(number, key, value)  # in memory, ids are numbers

    def constrain(self, number: int, excess: Mapping[str, float]) -> None:
        """Say by how much a running trial exceeds limits."""
        if not self._trial(number).state.is_finished():
            self._keep(number, {f"constraints:{name}": float(value) for name, value in excess.items()})

    def _trial(self, number: int) -> optuna.trial.FrozenTrial:
        return self.study._storage.get_trial(number)

    def tell(self, notes: Notes) -> None:
        """Show how a running trial ended."""
        told = notes.told
        assert told is not None
        if self._trial(notes.number).state.is_finished():
            return
        self.constrain(notes.number, told.shortfall)
        if len(self.objective) == 1:
            for step, gain in told.gains.items():
                self.study._storage.set_trial_intermediate_value(notes.number, step, gain)
        complete = told.state == "complete" and told.gain is not None
        result = values(self.objective, told.gain or 0.0, notes.asked.cost) if complete else None
        self.study.tell(notes.number, result, _STATES.get(told.state, TrialState.PRUNED))
