"""TPE over partitions and covers asks for groups, each once, and always ends."""

from itertools import combinations

import optuna
import pytest

from taskgroup.core.cover import Group
from taskgroup.search.tpe_groups import ROUNDS, Encoding, TpeGroups, cover, partition

TASKS = ("a", "b", "c", "d")
ALL = tuple(group for size in range(1, 5) for group in combinations(TASKS, size))


def errors(group: Group) -> dict[str, float]:
    """a and b are good together, and only then."""
    return dict.fromkeys(group, 0.1 if group == ("a", "b") else 1.0)


@pytest.mark.parametrize("encoding", [partition, cover])
@pytest.mark.parametrize("groups", [ALL, ALL[3:9]])
def test_every_group_once_and_the_same_again(encoding: Encoding, groups: tuple[Group, ...]) -> None:
    orders = []
    for seed in (0, 0, 1):
        study = TpeGroups(TASKS, groups, 3, seed, encoding)
        order = []
        while requests := study.ask(2):
            for request in requests:
                order.append(request.group)
                study.tell(request.group, errors(request.group))
        orders.append(order)
    assert sorted(orders[0]) == sorted(groups)
    assert orders[0] == orders[1] != orders[2]


def test_a_label_and_its_helpers() -> None:
    labels: dict[str, int | bool] = {"label-a": 2, "label-b": 0, "label-c": 2, "label-d": 0}
    helpers = {f"help{task}-{k}": (task, k) in {("d", 2), ("a", 1)} for task in TASKS for k in range(3)}
    trial = optuna.trial.FixedTrial(labels | helpers)
    assert partition(trial, TASKS, 3) == {("b", "d"): ("b", "d"), ("a", "c"): ("a", "c")}
    # d helps a and c; that a should help in network 1, which serves nobody, means nothing
    assert cover(trial, TASKS, 3) == {("b", "d"): ("b", "d"), ("a", "c", "d"): ("a", "c")}


def test_two_networks_on_the_same_group_are_one() -> None:
    labels: dict[str, int | bool] = {"label-a": 0, "label-b": 1}
    trial = optuna.trial.FixedTrial(labels | {f"help{task}-{k}": True for task in "ab" for k in range(2)})
    assert cover(trial, ("a", "b"), 2) == {("a", "b"): ("a", "b")}


def test_the_study_learns_the_total_of_its_covers() -> None:
    study = TpeGroups(TASKS, ALL, 2, 0, partition)
    while requests := study.ask():
        study.tell(requests[0].group, errors(requests[0].group))
    values = [trial.value for trial in study._study.get_trials(deepcopy=False) if trial.value is not None]
    assert {round(value, 6) for value in values} <= {4.0, 2.2}
    assert min(values) == pytest.approx(2.2)


def test_what_cannot_be_suggested_is_drawn() -> None:
    """No partition consists of these groups alone: after some rounds the study is left."""
    study = TpeGroups(TASKS, ALL[4:10], 1, 0, partition)
    for _ in ALL[4:10]:
        (request,) = study.ask()
        study.tell(request.group, errors(request.group))
    assert study.ask() == ()
    assert len(study._study.trials) <= 5 * ROUNDS
