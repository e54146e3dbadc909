"""What is asked for has a value that it can have, whoever gives it."""

import optuna
import pytest

from taskgroup.search.asking import Ask, NotGivenError, Reading, Suggesting, level, one_of

SIZES = (0, 4, 16)


@pytest.mark.parametrize("make", [Reading, lambda params: Suggesting(optuna.trial.FixedTrial(params))])
def test_values_are_those_given(make: type[Reading]) -> None:
    ask: Ask = make({"depth": 2, "size": 4, "level": 2, "helps": True, "kind": "lora"})
    assert ask.number("depth", 3) == 2
    assert one_of(ask, "size", SIZES) == 4
    assert level(ask, "level", (0.5, 1.0, 2.0)) == 2.0
    assert ask.choice("helps", (False, True)) is True
    assert one_of(ask, "kind", ("film", "lora")) == "lora"


def test_a_single_value_is_not_asked_for() -> None:
    reading = Reading({})
    assert one_of(reading, "size", (4,)) == level(reading, "level", (4,)) == 4
    assert reading.asked == {}


def test_only_what_was_asked_for_is_kept() -> None:
    reading = Reading({"b": 1, "a": 4, "c": 2})
    assert (one_of(reading, "a", SIZES), reading.number("b", 1)) == (4, 1)
    assert list(reading.asked.items()) == [("a", 4), ("b", 1)]


@pytest.mark.parametrize("value", [-1, 4, 0.5, "1", None])
def test_values_out_of_range_are_refused(value: object) -> None:
    with pytest.raises(NotGivenError, match="depth"):
        Reading({"depth": value}).number("depth", 3)
    with pytest.raises(NotGivenError, match="depth"):
        Reading({"other": value}).number("depth", 3)
