"""Optuna's TPE as a proposer of groups: what active measurement is compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import optuna
from optuna.trial import FixedTrial, Trial, TrialState

from taskgroup.active import Request
from taskgroup.core.cover import Group

optuna.logging.set_verbosity(optuna.logging.WARNING)

RETRIES = 5
"""Suggestions in a row that bring no new group, before one is drawn at random."""
ROUNDS = 10
"""Draws in a row, after which the study is left: few of the groups that it can suggest may be asked for."""


Suggests = Trial | FixedTrial


class Encoding(Protocol):
    """How a suggestion names the networks of a cover."""

    def __call__(self, trial: Suggests, tasks: Group, max_networks: int) -> dict[Group, Group]:
        """Trained group → the tasks it serves, one entry a network; each task is served once."""
        ...


def partition(trial: Suggests, tasks: Group, max_networks: int) -> dict[Group, Group]:
    """A label per task; a network trains the tasks of its label and serves them."""
    return {served: served for served in _served(trial, tasks, max_networks).values()}


def cover(trial: Suggests, tasks: Group, max_networks: int) -> dict[Group, Group]:
    """A label per task, and a bit for each task and network: whether it trains there as a helper."""
    bits = [[trial.suggest_categorical(f"help{t}-{k}", (False, True)) for k in range(max_networks)] for t in tasks]
    found: dict[Group, Group] = {}
    for k, served in _served(trial, tasks, max_networks).items():
        trained = tuple(t for t, row in zip(tasks, bits, strict=True) if t in served or row[k])
        found[trained] = (*found.get(trained, ()), *served)
    return found


def _served(trial: Suggests, tasks: Group, max_networks: int) -> dict[int, Group]:
    """Tasks by label; labels without a task are left out."""
    labels = [trial.suggest_categorical(f"label-{task}", tuple(range(max_networks))) for task in tasks]
    return {k: tuple(t for t, own in zip(tasks, labels, strict=True) if own == k) for k in sorted(set(labels))}


@dataclass(frozen=True)
class _Waiting:
    trial: Trial
    networks: Mapping[Group, Group]


class TpeGroups:
    """A TPE study over covers; each group of a suggestion that was not trained yet is a network to be trained.

    A suggestion's value is the sum of the tasks' errors in the networks that serve them, known once all its groups are
    told. A suggestion with a group that may not be asked for fails. After :data:`RETRIES` suggestions in a row without
    anything new, a group is drawn at random, so that asking always ends; after :data:`ROUNDS` such draws in a row all
    groups are.

    Args:
        tasks: Task names.
        groups: The groups that may be asked for, each in task order.
        max_networks: Labels to choose from.
        seed: Of sampler and draws.
        encoding: :func:`partition` or :func:`cover`.

    Source:
        Bergstra et al. 2011 (TPE); optuna.samplers.TPESampler with its defaults.
    """

    def __init__(
        self, tasks: Sequence[str], groups: Sequence[Group], max_networks: int, seed: int, encoding: Encoding
    ) -> None:
        self.tasks, self.groups, self.max_networks = tuple(tasks), tuple(groups), max_networks
        self._known, self._encoding = frozenset(groups), encoding
        self._rng = np.random.default_rng(seed)
        self._study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        self._asked: dict[Group, None] = {}
        self._draws = 0
        self._queue: list[Group] = []
        self._waiting: list[_Waiting] = []
        self._told: dict[Group, Mapping[str, float]] = {}

    def ask(self, n: int = 1) -> tuple[Request, ...]:
        """The next ``n`` groups of the study's suggestions."""
        asked: list[Request] = []
        while len(asked) < n and len(self._asked) < len(self.groups):
            if not self._queue:
                found = self._suggested() if self._draws < ROUNDS else []
                self._draws = 0 if found else self._draws + 1
                self._queue = found or [self._drawn()]
            group = self._queue.pop(0)
            self._asked[group] = None
            asked.append(Request(group))
        return tuple(asked)

    def tell(self, group: Group, errors: Mapping[str, float], seed: int = 0) -> None:
        """Remembered; suggestions of which all groups are known now are told to the study."""
        self._told[group] = dict(errors)
        ready = [w for w in self._waiting if all(trained in self._told for trained in w.networks)]
        self._waiting = [w for w in self._waiting if w not in ready]
        for waiting in ready:
            self._study.tell(waiting.trial, self._value(waiting.networks))

    def _suggested(self) -> list[Group]:
        """New groups of the next suggestion that has any; none after too many without."""
        for _ in range(RETRIES):
            trial = self._study.ask()
            networks = self._encoding(trial, self.tasks, self.max_networks)
            if not self._known.issuperset(networks):
                self._study.tell(trial, state=TrialState.FAIL)
            elif all(trained in self._told for trained in networks):
                self._study.tell(trial, self._value(networks))
            else:
                self._waiting.append(_Waiting(trial, networks))
                new = [trained for trained in networks if trained not in self._asked]
                if new:
                    return new
        return []

    def _value(self, networks: Mapping[Group, Group]) -> float:
        return sum(self._told[trained][task] for trained, served in networks.items() for task in served)

    def _drawn(self) -> Group:
        left = [group for group in self.groups if group not in self._asked]
        return left[int(self._rng.integers(len(left)))]
