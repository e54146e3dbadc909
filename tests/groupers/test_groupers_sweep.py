"""The sweep of a parameter: which values are tried, and what is kept of the answers."""

import pytest

from taskgroup.groupers.sweep import Labels, spans, swept


def steps(*edges: float) -> tuple[list[float], "Steps"]:
    asked: list[float] = []
    return asked, Steps(edges, asked)


class Steps:
    """Six tasks; the n-th edge below the parameter sets the n-th task apart."""

    def __init__(self, edges: tuple[float, ...], asked: list[float]) -> None:
        self.edges, self.asked = edges, asked

    def __call__(self, parameter: float) -> Labels | None:
        self.asked.append(parameter)
        n_apart = sum(edge < parameter for edge in self.edges)
        return tuple(max(0, k - (5 - n_apart)) for k in range(6))


def flat(labels: Labels) -> float:
    return 0.0


def test_halves_where_most_numbers_are_missing() -> None:
    asked, method = steps(0.1, 0.6, 0.7, 0.8, 0.9)
    found = swept(method, (0.0, 1.0), range(2, 6), 99, flat)
    assert asked[:4] == [0.0, 1.0, 0.5, 0.75]  # above 0.5 are four groups, below only one
    assert list(found.best) == [2, 3, 4, 5]
    assert found.best[3] == (0, 0, 0, 0, 1, 2)
    assert found.notes("it") == []
    assert found.n_tried == len(asked)


def test_stops_once_nothing_is_missing() -> None:
    asked, method = steps(0.1, 0.4, 0.6, 0.8, 0.9)
    assert list(swept(method, (0.0, 1.0), range(3, 4), 99, flat).best) == [3]
    assert asked == [0.0, 1.0, 0.5]


def test_keeps_to_the_number_of_tries_and_names_what_is_missing() -> None:
    asked, method = steps(0.01, 0.02, 0.03, 0.04, 0.05)
    found = swept(method, (0.0, 1.0), range(2, 6), 4, flat)
    assert len(asked) == found.n_tried == 4
    assert found.notes("it") == ["it found no grouping into 2 to 5 groups: not proposed"]


def test_a_jump_is_not_halved_for_ever() -> None:
    asked, method = steps(0.3, 0.3, 0.3, 0.7, 0.8)
    found = swept(method, (0.0, 1.0), range(2, 6), 999, flat)
    assert list(found.best) == [4, 5]
    assert len(asked) < 20
    assert found.notes("it") == ["it found no grouping into 2 to 3 groups: not proposed"]


def test_nothing_is_asked_where_nothing_is_wanted() -> None:
    asked, method = steps(0.5)
    assert swept(method, (0.0, 1.0), range(0), 9, flat).best == {}
    assert asked == []


def test_one_value_to_start_with_is_tried_once() -> None:
    asked, method = steps(0.2)
    assert list(swept(method, (0.5, 0.5), range(2, 6), 9, flat).best) == [2]
    assert asked == [0.5]


def test_values_without_an_answer_are_counted_and_passed_by() -> None:
    def method(parameter: float) -> Labels | None:
        return None if parameter in (0.0, 0.5) else (0, 0, 1) if parameter < 0.9 else (0, 1, 2)

    found = swept(method, (0.0, 1.0), range(2, 3), 9, flat)
    assert found.best == {2: (0, 0, 1)}
    assert found.n_failed == 2
    assert found.notes("it") == [f"it did not settle at 2 of {found.n_tried} values of its sweep: left out"]


@pytest.mark.parametrize(("sign", "best"), [(1.0, (0, 1, 1)), (-1.0, (0, 0, 1)), (0.0, (0, 0, 1))])
def test_the_best_score_wins_and_of_equal_ones_the_first_labels(sign: float, best: Labels) -> None:
    answers = {0.0: (5, 5, 5), 1.0: (0, 1, 2), 0.5: (1, 0, 0), 0.25: (7, 7, 0), 0.75: (7, 7, 0)}
    found = swept(answers.__getitem__, (0.0, 0.25, 0.5, 1.0), range(2, 3), 5, lambda labels: sign * labels[1])
    assert found.best == {2: best}


def test_numbers_in_words() -> None:
    assert [spans(n) for n in ([2], [2, 3], [2, 4, 5, 6, 9])] == ["2", "2 to 3", "2, 4 to 6, 9"]
