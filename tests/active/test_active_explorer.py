"""The explorer: the contract of every Asker, and that it finds good covers sooner than chance."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from taskgroup.active import Request
from taskgroup.active.explorer import Explorer
from taskgroup.core.affinity import Affinity
from taskgroup.core.cover import Group
from taskgroup.errors import InputError

NAMES = ("mass", "parity", "digit", "loops", "prime", "width", "age")
Errors = Callable[[Group, int], dict[str, float]]


def planted(n_tasks: int, noise: float = 0.02, seed_noise: float = 0.0) -> Errors:
    """Even tasks help each other, odd ones too; across they harm."""

    def errors(group: Group, seed: int) -> dict[str, float]:
        found = {}
        for task in group:
            i = NAMES.index(task)
            friends = sum((NAMES.index(other) - i) % 2 == 0 for other in group) - 1
            word = [i, *(NAMES.index(other) for other in group)]
            luck = np.random.default_rng(word).normal(0, noise) + np.random.default_rng([seed, *word]).normal(
                0, seed_noise
            )
            found[task] = float(1.0 + 0.1 * (len(group) - 1 - friends) - 0.1 * friends + luck)
        return found

    assert n_tasks <= len(NAMES)
    return errors


def drive(explorer: Explorer, errors: Errors, n: int, batch: int = 1) -> list[Request]:
    asked: list[Request] = []
    while len(asked) < n and (requests := explorer.ask(min(batch, n - len(asked)))):
        asked += requests
        for request in requests:
            explorer.tell(request.group, errors(request.group, request.seed), request.seed)
    return asked


@pytest.mark.parametrize("batch", [1, 3, 50])
def test_asks_for_every_group_once_and_then_for_none(batch: int) -> None:
    explorer = Explorer(NAMES[:4])
    asked = drive(explorer, planted(4), 100, batch)
    assert sorted(asked, key=str) == sorted({Request(r.group) for r in asked}, key=str)
    assert len(asked) == 15
    assert explorer.ask() == ()
    assert explorer.regret() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("n_tasks", [1, 2, 3])
def test_few_tasks(n_tasks: int) -> None:
    explorer = Explorer(NAMES[:n_tasks])
    assert len(drive(explorer, planted(n_tasks), 20)) == 2**n_tasks - 1
    assert explorer.cover(n_tasks).proven


def test_starts_with_all_together_and_asks_for_nothing_pending() -> None:
    explorer = Explorer(NAMES)
    first, *rest = explorer.ask(5)
    assert first.group == NAMES
    explorer.tell(first.group, planted(7)(first.group, 0))
    assert not {r.group for r in rest} & {r.group for r in explorer.ask(9)}


def test_a_request_taken_back_is_asked_again() -> None:
    explorer = Explorer(NAMES)
    first = explorer.ask()[0]
    assert explorer.ask()[0] != first
    explorer.forget(first.group)
    assert explorer.ask()[0] == first


def test_told_the_same_it_goes_on_the_same() -> None:
    one, errors = Explorer(NAMES, seed=4), planted(7)
    asked = drive(one, errors, 12)
    other = Explorer(NAMES, seed=4)
    for request in asked:
        other.tell(request.group, errors(request.group, 0))
    assert other.ask(3) == one.ask(3)
    assert drive(Explorer(NAMES, seed=5), errors, 12) != asked


def test_only_listed_groups_are_asked_for() -> None:
    listed = [("mass",), ("parity", "digit"), ("digit",), ("mass", "parity"), ("parity",)]
    asked = drive(Explorer(NAMES[:3], candidates=listed), planted(3), 99)
    assert {r.group for r in asked} == set(listed)


def test_largest_group() -> None:
    asked = drive(Explorer(NAMES[:5], max_size=2), planted(5), 99)
    assert {len(r.group) for r in asked} == {1, 2, 5}


def test_finds_the_planted_cover_sooner_than_chance() -> None:
    errors, tasks = planted(7), NAMES
    best = {"together": errors(NAMES, 0), "even": errors(NAMES[::2], 0), "odd": errors(NAMES[1::2], 0)}
    optimum = sum({**best["even"], **best["odd"]}.values())
    ours, chance = [], []
    for seed in range(3):
        explorer = Explorer(tasks, seed=seed)
        drive(explorer, errors, 20, batch=2)
        ours.append(explorer.cover(2).total)
        blind, rng = Explorer(tasks), np.random.default_rng(seed)
        blind.tell(NAMES, errors(NAMES, 0))
        while len(blind.scores.cost) < 20:
            group = tuple(t for t, inside in zip(tasks, rng.random(7) < 0.5, strict=True) if inside)
            if group:
                blind.tell(group, errors(group, 0))
        chance.append(blind.cover(2).total)
    assert np.mean(ours) < optimum + 0.15
    assert np.mean(ours) < np.mean(chance) - 0.2


def test_an_affinity_leads_to_the_groups_that_it_shows() -> None:
    ids = np.arange(7)
    helps = 1.0 * ((ids[:, None] - ids) % 2 == 0)[None]
    affinity = Affinity(NAMES, ("trunk",), helps, 0 * helps, np.ones(helps.shape, int))
    errors = planted(7)

    def pure(explorer: Explorer) -> float:
        asked = drive(explorer, errors, 16)[11:]
        return float(np.mean([len({NAMES.index(t) % 2 for t in r.group}) == 1 for r in asked]))

    with_prior = [pure(Explorer(NAMES, affinity=affinity, seed=s)) for s in range(3)]
    without = [pure(Explorer(NAMES, seed=s)) for s in range(3)]
    assert np.mean(with_prior) > np.mean(without)


def test_noise_asks_for_more_seeds_where_they_matter() -> None:
    errors = planted(4, seed_noise=0.3)
    explorer = Explorer(NAMES[:4], seeds=2)
    asked = drive(explorer, errors, 60)
    assert len(set(asked)) == len(asked)
    runs = [sum(r.group == group for r in asked) for group in {r.group for r in asked}]
    assert max(runs) >= 4 > min(runs)


def test_settles_when_regret_falls_below_the_noise() -> None:
    explorer = Explorer(NAMES[:4], seeds=2)
    assert not explorer.settled()
    drive(explorer, planted(4, seed_noise=0.3), 30)
    assert explorer.settled()
    silent = Explorer(NAMES[:4])
    drive(silent, planted(4), 12)
    assert not silent.settled()  # nothing is known of the noise


def test_many_tasks_grow_their_groups() -> None:
    names = tuple(f"t{i:02}" for i in range(24))

    def errors(group: Sequence[str]) -> dict[str, float]:
        kind = {name: int(name[1:]) % 3 for name in group}
        return {
            n: 1.0 - 0.02 * sum(kind[o] == kind[n] for o in group) + 0.02 * sum(kind[o] != kind[n] for o in group)
            for n in group
        }

    explorer = Explorer(names, n_draws=32, max_networks=3)
    for _ in range(16):
        for request in explorer.ask(4):
            explorer.tell(request.group, errors(request.group))
    together = sum(errors(names).values())
    assert explorer.cover(3).total < together - 0.6 * (together - sum(1.0 - 0.02 * 8 for _ in names))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_networks": 0}, "`max_networks` should be 1 or more, found 0"),
        ({"n_draws": 0, "seeds": -1}, "`seeds` should be 1 or more, found -1"),
        ({"candidates": [("mass", "prity")]}, "`prity`, did you mean `parity`"),
    ],
)
def test_bad_arguments_are_refused_in_words(options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Explorer(NAMES, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="`tasks` should be one or more different names"):
        Explorer(("a", "a"))


def test_is_not_settled_before_its_opening_is_told_however_quiet_the_noise() -> None:
    explorer = Explorer(NAMES[:5], seeds=2)
    errors = planted(5)
    n_opening = len(Explorer(NAMES[:5]).ask(99))
    for k in range(n_opening - 1):
        for request in explorer.ask(2):
            explorer.tell(request.group, errors(request.group, 0), request.seed)
        assert not explorer.settled(), k


def test_is_settled_when_nothing_is_left_to_ask_for() -> None:
    explorer = Explorer(NAMES[:3])
    drive(explorer, planted(3), 6)
    assert not explorer.settled()
    drive(explorer, planted(3), 1)
    assert explorer.ask() == ()
    assert explorer.settled()


def test_regret_where_the_measured_groups_give_no_cover() -> None:
    explorer = Explorer(NAMES[:4])
    assert explorer.regret() == float("inf")
    explorer.tell(("mass",), {"mass": 1.0})
    assert explorer.regret() == float("inf")


def test_wrong_calls_are_refused_in_words() -> None:
    explorer = Explorer(NAMES[:2])
    with pytest.raises(InputError, match="`n` should be 1 or more, found -1"):
        explorer.ask(-1)
    with pytest.raises(InputError, match="`candidates` should train every task, found none with digit"):
        Explorer(NAMES[:3], candidates=[("mass", "parity")])
    with pytest.raises(InputError, match=r"`affinity` should be a taskgroup\.Affinity; .* found ndarray"):
        Explorer(NAMES[:2], affinity=np.eye(2))  # type: ignore[arg-type]
    alien = Affinity(("x", "y"), ("trunk",), np.zeros((1, 2, 2)), np.zeros((1, 2, 2)), np.ones((1, 2, 2), int))
    with pytest.raises(InputError, match=r"`affinity` should be of the tasks \['mass', 'parity'\], found \['x', 'y'\]"):
        Explorer(NAMES[:2], affinity=alien)
    with pytest.raises(InputError, match=r"`errors` should be numbers, found \{'mass': 'x'\}"):
        explorer.tell(("mass",), {"mass": "x"})  # type: ignore[dict-item]
