"""Where a walk through a space gets its values from: an Optuna trial, or parameters that are known."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from optuna.trial import BaseTrial

V = TypeVar("V", int, float, str)
W = TypeVar("W", int, str)


class Ask(Protocol):
    """Gives a value for each parameter that is asked for."""

    def number(self, name: str, high: int) -> int:
        """An integer from 0 to ``high``; neighbours are alike."""
        ...

    def choice(self, name: str, choices: Sequence[W]) -> W:
        """One of ``choices``, which have no order."""
        ...


class Suggesting:
    """Asks an Optuna trial."""

    def __init__(self, trial: BaseTrial) -> None:
        self.trial = trial

    def number(self, name: str, high: int) -> int:
        """What the sampler suggests."""
        return self.trial.suggest_int(name, 0, high)

    def choice(self, name: str, choices: Sequence[W]) -> W:
        """What the sampler suggests."""
        return self.trial.suggest_categorical(name, list(choices))


class NotGivenError(KeyError):
    """A parameter that was asked for has no value, or one that it cannot have."""


class Reading:
    """Looks up known parameters; ``asked`` holds those that were asked for, in order.

    Raises:
        NotGivenError: A parameter is not among them, or has a value that it cannot have.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params
        self.asked: dict[str, Any] = {}

    def number(self, name: str, high: int) -> int:
        """The known value."""
        return self.choice(name, range(high + 1))

    def choice(self, name: str, choices: Sequence[W]) -> W:
        """The known value."""
        if name not in self.params or self.params[name] not in choices:
            raise NotGivenError(name)
        self.asked[name] = choices[choices.index(self.params[name])]
        return choices[choices.index(self.params[name])]


def one_of(ask: Ask, name: str, choices: Sequence[W]) -> W:
    """One of ``choices`` without an order; nothing is asked where there is only one."""
    return ask.choice(name, choices) if len(choices) > 1 else choices[0]


def level(ask: Ask, name: str, levels: Sequence[V]) -> V:
    """One of ``levels`` by its position, so that a sampler sees their order; nothing is asked where there is one."""
    return levels[ask.number(name, len(levels) - 1)] if len(levels) > 1 else levels[0]
