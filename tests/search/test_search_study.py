"""Ask and tell: what is asked when, what is answered without training, and what is kept."""

from pathlib import Path

import optuna
import pytest
from search_samples import (
    CHECKS,
    STAGES,
    baseline,
    branched,
    make_cost,
    make_errors,
    make_search,
    make_space,
    plain,
    run,
    train,
)

from taskgroup.core.gain import mean_gain
from taskgroup.core.spec import Architecture
from taskgroup.core.trial import TrialResult
from taskgroup.errors import ConflictError, TrialError
from taskgroup.groupers.constraints import Constraints
from taskgroup.search.limits import Limits
from taskgroup.search.notes import SEPARATE, SHARED, Answer
from taskgroup.search.storage import open_storage
from taskgroup.search.study import Asked, Search
from taskgroup.search.turns import MAX_IDLE

FIRST = [("two groups", plain(branched(2, 1))), ("all apart", plain(branched(4, 2)))]


@pytest.fixture
def memory() -> optuna.storages.BaseStorage:
    return optuna.storages.InMemoryStorage()


def ask(search: Search, n_running: int = 0) -> Asked:
    asked = search.ask(n_running)
    assert asked is not None
    return asked


def told(search: Search, number: int) -> Answer:
    found = search.notes[number].told
    assert found is not None
    return found


def failed(message: str) -> TrialResult:
    return TrialResult(key="k", state="failed", message=message)


def test_baselines_come_first_and_nothing_else_before_both_are_told(memory: optuna.storages.BaseStorage) -> None:
    search = make_search(memory, first=FIRST)
    separate, shared = ask(search), ask(search, 1)
    assert [a.origin for a in (separate, shared)] == [SEPARATE, SHARED]
    assert separate.architecture == baseline(SEPARATE)
    assert shared.architecture == baseline(SHARED)
    assert search.ask(2) is None
    search.tell(separate.number, train(separate))
    assert search.ask(1) is None
    search.tell(shared.number, train(shared))
    assert [ask(search).origin, ask(search, 1).origin] == ["two groups", "all apart"]
    assert ask(search, 2).origin == "sampler"


def test_shared_told_first_waits_for_the_reference(memory: optuna.storages.BaseStorage) -> None:
    search = make_search(memory)
    separate, shared = ask(search), ask(search, 1)
    search.tell(shared.number, train(shared))
    assert search.rows() == []
    assert search.ask(1) is None
    search.tell(separate.number, train(separate))
    rows = search.rows()
    assert [r.origin for r in rows] == [SEPARATE, SHARED]
    assert rows[0].gain == 0.0
    final = CHECKS[-1]
    wanted = mean_gain(make_errors(baseline(SHARED), final), make_errors(baseline(SEPARATE), final))
    assert rows[1].gain == pytest.approx(wanted)


def test_budget_counts_trainings_alone(memory: optuna.storages.BaseStorage) -> None:
    trained: list[str] = []
    space = make_space(2, n_trees=1, sizes=(0, 4))  # eight architectures: small enough for many repeats
    rows = run(make_search(memory, space, n_trials=7), trained)
    assert len(trained) == 7
    assert len(set(trained)) == 7
    repeats = [r for r in rows if r.origin.startswith("repeat of")]
    assert repeats
    for repeat in repeats:
        source = next(r for r in rows if f"repeat of {r.number}" == repeat.origin)
        assert source.architecture.fingerprint == repeat.architecture.fingerprint
        assert (source.gain, source.state) == (repeat.gain, repeat.state)
        assert not source.origin.startswith("repeat")


@pytest.mark.parametrize("again", [False, True], ids=["at once", "taken up again"])
def test_repeat_of_a_running_candidate_waits_for_it(memory: optuna.storages.BaseStorage, again: bool) -> None:
    first = [("one", plain(branched(2, 1))), ("one again", plain(branched(2, 1))), ("two", plain(branched(3, 1)))]
    search = make_search(memory, first=first)
    for asked in (ask(search), ask(search)):
        search.tell(asked.number, train(asked))
    running = [ask(search), ask(search, 1)]
    assert [a.origin for a in running] == ["one", "two"]
    if again:
        search = make_search(memory, first=first)
        assert [ask(search), ask(search, 1)] == running
    search.tell(running[1].number, train(running[1]))
    assert [r.number for r in search.rows()] == [0, 1, 4]
    search.tell(running[0].number, train(running[0]))
    one, repeat = search.rows()[2:4]
    assert repeat.origin == "repeat of 2"
    assert (repeat.gain, repeat.state, repeat.errors) == (one.gain, "complete", {})
    shown = search._sampling.study.get_trials()
    assert shown[3].value == shown[2].value == one.gain


def test_search_ends_where_nothing_new_comes_up(memory: optuna.storages.BaseStorage) -> None:
    trained: list[str] = []
    rows = run(make_search(memory, make_space(2, n_trees=1, sizes=(0,)), n_trials=9), trained)
    assert len(trained) == len(set(trained)) == 4
    assert len(rows) < 4 + 4 * MAX_IDLE


def test_one_task_is_trained_as_both_baselines_and_nothing_else(memory: optuna.storages.BaseStorage) -> None:
    rows = run(make_search(memory, make_space(1)))
    assert [(r.origin, r.gain) for r in rows] == [(SEPARATE, 0.0), (SHARED, 0.0)]


def test_over_limit_is_not_trained_and_its_constraint_is_kept(memory: optuna.storages.BaseStorage) -> None:
    limits = Limits(params_ratio=2.0, macs_ratio=1.8)
    search = make_search(memory, limits=limits, n_trials=12)
    asked_ratios = []
    while (asked := search.ask(0)) is not None:
        if asked.origin not in (SEPARATE, SHARED):
            asked_ratios.append(make_cost(asked.architecture).macs_ratio)
        search.tell(asked.number, train(asked))
    rows = search.rows()
    over = [r for r in rows if r.state == "over limit"]
    assert over
    assert all(r.gain is None and not r.errors for r in over)
    assert all(max(r.cost.macs_ratio / 1.8, r.cost.params_ratio / 2) > 1 for r in over)
    assert len(asked_ratios) == 10
    assert max(asked_ratios) <= 1.8
    assert rows[0].origin == SEPARATE
    assert rows[0].state == "complete"  # a reference, whatever it costs
    shown = search._sampling.study.get_trials()
    assert len(shown) == len(rows)
    for trial, row in zip(shown, rows, strict=True):
        assert search.space.decode(trial.params) == row.candidate
        assert trial.constraints == pytest.approx(limits.excess(row.architecture, make_cost(row.architecture)))


def test_what_breaks_a_rule_is_not_trained(memory: optuna.storages.BaseStorage) -> None:
    limits = Limits(rules=Constraints(must_link=(("loops", "odd"),), cannot_link=(("digit", "mass"),)))
    search = make_search(memory, limits=limits, n_trials=6)
    rows = run(search)
    kept = [r.architecture.topology for r in rows if r.state == "complete" and r.origin in ("sampler", "neighbour")]
    assert kept
    for topology in kept:
        assert topology.n_shared("loops", "odd") == len(STAGES)
        assert topology.n_shared("digit", "mass") == 0
    over = [r for r in rows if r.state == "over limit"]
    assert over
    assert all(not r.errors for r in over)
    assert {r.origin for r in rows[:2]} == {SEPARATE, SHARED}  # references, whatever they break
    assert all(r.errors for r in rows[:2])


def test_bars_appear_after_eight_trainings_and_stop_the_lowest_quarter(memory: optuna.storages.BaseStorage) -> None:
    search = make_search(memory, n_trials=24)
    states: list[str] = []
    while (asked := search.ask(0)) is not None:
        assert [b.step for b in asked.bars] == (list(CHECKS[:-1]) if len(states) >= 8 else [])
        for bar in asked.bars:
            assert bar.reference == make_errors(baseline(SEPARATE), bar.step)
        result = train(asked)
        search.tell(asked.number, result)
        states.append(result.state)
    assert states.count("pruned") >= 2
    pruned = [r for r in search.rows() if r.state == "pruned" and not r.origin.startswith("repeat")]
    assert pruned
    assert all(r.gain is None and r.errors for r in pruned)


def test_bar_is_the_quarter_of_what_was_gained_at_the_step(memory: optuna.storages.BaseStorage) -> None:
    search = make_search(memory, make_space(n_trees=1), n_trials=30)
    for _ in range(8):
        asked = ask(search)
        search.tell(asked.number, train(asked))
    rows = [r for r in search.rows() if not r.origin.startswith("repeat")]
    asked = ask(search)
    reference = make_errors(baseline(SEPARATE), 10)
    gains = sorted(mean_gain(make_errors(r.architecture, 10), reference) for r in rows)
    position = 0.25 * (len(gains) - 1)
    low = int(position)
    wanted = gains[low] + (position - low) * (gains[low + 1] - gains[low])
    assert asked.bars[0].gain == pytest.approx(wanted)


def test_without_pruning_there_are_no_bars(memory: optuna.storages.BaseStorage) -> None:
    search = make_search(memory, prune=False, n_trials=14)
    while (asked := search.ask(0)) is not None:
        assert asked.bars == ()
        search.tell(asked.number, train(asked))


def test_failed_candidate_is_kept_and_counts(memory: optuna.storages.BaseStorage) -> None:
    search = make_search(memory, n_trials=5)
    n_asked = 0
    while (asked := search.ask(0)) is not None:
        n_asked += 1
        search.tell(asked.number, failed("trunk broke") if n_asked == 3 else train(asked))
    assert n_asked == 5
    assert search.n_spent == 5
    rows = search.rows()
    assert [r.state for r in rows].count("failed") == 1
    assert told(search, 2).message == "trunk broke"


@pytest.mark.parametrize("origin", [SEPARATE, SHARED])
def test_failed_baseline_ends_the_search(memory: optuna.storages.BaseStorage, origin: str) -> None:
    search = make_search(memory)
    for asked in (ask(search), ask(search, 1)):
        if asked.origin == origin:
            with pytest.raises(TrialError, match=rf"baseline {origin} failed.*no memory"):
                search.tell(asked.number, failed("no memory"))
        else:
            search.tell(asked.number, train(asked))
    trained: list[str] = []
    rows = run(make_search(memory), trained)  # the same command again tries again
    assert baseline(origin).fingerprint in trained
    assert [r.state for r in rows[:2]] == ["complete"] * 2


def test_another_space_is_refused(memory: optuna.storages.BaseStorage) -> None:
    run(make_search(memory), n_most=3)
    with pytest.raises(ConflictError, match="made for another search space"):
        make_search(memory, make_space(n_trees=3))
    make_search(memory)


def test_first_candidates_may_lie_outside_the_space(memory: optuna.storages.BaseStorage) -> None:
    far = Architecture.model_validate(
        {"topology": baseline(SHARED).topology, "adapters": [{"stage": "body", "size": 5}]}
    )
    rows = run(make_search(memory, first=[("far", plain(far))], n_trials=14))
    assert (rows[2].origin, rows[2].architecture, rows[2].state) == ("far", far, "complete")
    assert rows[2].gain == pytest.approx(mean_gain(make_errors(far, 30), make_errors(baseline(SEPARATE), 30)))
    assert sum(r.origin == "sampler" for r in rows) >= 5


def test_candidates_that_end_the_job_three_times_are_given_up(memory: optuna.storages.BaseStorage) -> None:
    run(make_search(memory), n_most=3)
    poison = [ask(make_search(memory)) for _ in range(3)]
    assert len({a.number for a in poison}) == 1
    search = make_search(memory)
    assert ask(search).number != poison[0].number
    given_up = search.rows()[poison[0].number]
    assert given_up.state == "failed"
    assert "given up after 3 attempts" in told(search, poison[0].number).message


def test_baseline_is_given_up_with_an_error_and_tried_again_on_demand(memory: optuna.storages.BaseStorage) -> None:
    for _ in range(3):
        ask(make_search(memory))
    with pytest.raises(TrialError, match=r"baseline all-separate failed.*given up after 3 attempts"):
        make_search(memory).ask(0)
    assert ask(make_search(memory)).origin == SEPARATE


def test_stopping_on_purpose_is_no_attempt(memory: optuna.storages.BaseStorage) -> None:
    run(make_search(memory), n_most=3)
    numbers = set()
    for _ in range(6):
        search = make_search(memory)
        numbers.add(ask(search).number)
        search.put_back()
    assert len(numbers) == 1


def test_bars_of_a_trial_stay_when_it_is_taken_up_again(memory: optuna.storages.BaseStorage) -> None:
    """Else its result, which may lie there finished, would not be known again."""
    search = make_search(memory, n_trials=30)
    run(search, n_most=9)
    one, two = ask(search), ask(search, 1)
    assert one.bars
    search.tell(two.number, train(two))
    again = ask(make_search(memory, n_trials=30))
    assert (again.number, again.candidate, again.bars) == (one.number, one.candidate, one.bars)


def test_database_in_a_file_gives_the_same_rows(memory: optuna.storages.BaseStorage, tmp_path: Path) -> None:
    rows = run(make_search(open_storage(None, tmp_path), first=FIRST))
    assert rows == run(make_search(memory, first=FIRST))
    assert (tmp_path / "study.db").exists()
