"""Measures side by side: every kind of sight in few trainings, kept, gone on with, and held against gains."""

import itertools
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import yaml
from test_pipeline_plan import Interrupting
from tiny_jobs import SPACE, STAGES, make_folder, make_problem, make_trunk, trial

import taskgroup
from taskgroup.core.comparison import Comparison
from taskgroup.core.record import TrialRow
from taskgroup.core.spec import Architecture, Cost, Recipe
from taskgroup.core.task import Frozen, TaskSet
from taskgroup.core.topology import Topology
from taskgroup.core.trial import TrialResult
from taskgroup.errors import ConflictError, InputError, TrialError
from taskgroup.measures import MEASURES
from taskgroup.pipeline.compared import finished_comparison
from taskgroup.pipeline.config import load_config
from taskgroup.pipeline.desk import Desk
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.gains import gains_from_trials
from taskgroup.pipeline.looks import Together
from taskgroup.pipeline.progress import Silent
from taskgroup.pipeline.rounds import pair_topology, rounds, runs_view
from taskgroup.pipeline.wanted import parse_measures, wanted_measures
from taskgroup.pipeline.work import run_trial

NAMES = ("sum", "sign", "third")
OF_EACH_SIGHT = "gradient_dot,gradient_cosine,cka,label_correlation,ablation,pairs"


class Failing(Frozen):
    """A measure that cannot."""

    method: Literal["failing"] = "failing"
    sees: ClassVar[str] = "data"
    symmetric: ClassVar[bool] = True
    meaning: ClassVar[str] = "nothing works"

    def __call__(self, view: Any) -> Any:
        raise RuntimeError("out of rows")


class Stumbling(Failing):
    """A measure that fails at its second look at a training."""

    method: Literal["stumbling"] = "stumbling"  # type: ignore[assignment]
    sees: ClassVar[str] = "probe"

    def __call__(self, view: Any) -> Any:
        if view.number:
            raise RuntimeError("lost its way")
        return np.zeros((3, 3, 3))


class Blind(Failing):
    """A measure of no known sight."""

    method: Literal["blind"] = "blind"  # type: ignore[assignment]
    sees: ClassVar[str] = "stars"


@pytest.fixture(autouse=True)
def _local_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MEASURES._entries, "failing", f"{__name__}:Failing")
    monkeypatch.setitem(MEASURES._entries, "stumbling", f"{__name__}:Stumbling")
    monkeypatch.setitem(MEASURES._entries, "blind", f"{__name__}:Blind")


def no_page(comparison: Comparison, folder: Path) -> None:
    (folder / "measures.html").touch()


@pytest.fixture
def no_report(measured: tuple[Path, Comparison], monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take longer than these trainings; one comparison has them."""
    monkeypatch.setattr("taskgroup.pipeline.compared.write_comparison", no_page)
    monkeypatch.setattr("taskgroup.pipeline.job.write_report", lambda *_: None)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Comparison]:
    folder = tmp_path_factory.mktemp("measured")
    return folder, taskgroup.measure(make_problem(), SPACE, measures=OF_EACH_SIGHT, seeds=2, out=folder)


def again(folder: Path, measures: Any = OF_EACH_SIGHT, **options: Any) -> Comparison:
    space = options.pop("space", SPACE)
    return taskgroup.measure(make_problem(), space, measures=measures, out=folder, **{"seeds": 2, **options})


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("worked again")

    monkeypatch.setattr("taskgroup.pipeline.work.run_trial", fail)
    monkeypatch.setattr("taskgroup.pipeline.compare.load_prepared", fail)


def count_trials(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Sights of the trials that are run from now on."""
    sights: list[str] = []

    def counted(spec: Any, prepared: Any) -> TrialResult:
        sights.append(spec.measure["sees"])
        return run_trial(spec, prepared)

    monkeypatch.setattr("taskgroup.pipeline.work.run_trial", counted)
    return sights


@pytest.mark.parametrize("n", range(1, 10))
def test_every_two_tasks_meet_once_and_none_twice_a_round(n: int) -> None:
    tasks = [f"t{k}" for k in range(n)]
    found = rounds(tasks)
    met = [frozenset(pair) for pairs in found for pair in pairs]
    assert sorted(map(sorted, met)) == sorted(map(sorted, itertools.combinations(tasks, 2)))
    assert all(len({t for pair in pairs for t in pair}) == 2 * len(pairs) for pairs in found)
    assert len(found) == (0 if n == 1 else n - 1 + n % 2)


def test_a_round_trains_each_pair_as_if_there_were_no_other(tmp_path: Path) -> None:
    """The other task of three has its own trunk; dropout is drawn for each, so it is off."""
    trunk = make_trunk()
    trunk.stages["low"][2].p = 0.0  # type: ignore[index]
    whole, pair = (make_problem(n, trunk=trunk) for n in (3, 2))
    both = make_folder(tmp_path / "three", whole), make_folder(tmp_path / "two", pair)
    topology = pair_topology(NAMES, STAGES, [("sign", "sum")])
    assert topology.groups(1) == (("sum", "sign"), ("third",))
    options = {"sees": "runs", "affinities": []}
    three = run_trial(trial(both[0], "measure", architecture=Architecture(topology=topology), measure=options), both[0])
    two = run_trial(trial(both[1], "measure", measure=options), both[1])
    assert three.errors["sum"] == pytest.approx(two.errors["sum"], rel=1e-5)
    assert three.errors["sign"] == two.errors["sign"]


def test_the_view_of_runs_names_the_source_first() -> None:
    alone = TrialResult(key="a", state="complete", errors={"sum": 0.5, "sign": 0.4, "third": 0.3})
    results = []
    for k, pairs in enumerate(rounds(NAMES)):
        errors = dict.fromkeys(NAMES, 1.0 + k)
        for a, b in pairs:
            errors[a], errors[b] = 10.0 * NAMES.index(b) + NAMES.index(a), 10.0 * NAMES.index(a) + NAMES.index(b)
        results.append(TrialResult(key=str(k), state="complete", errors=errors))
    tasks = TaskSet(tasks=make_problem().tasks.tasks)
    view = runs_view(tasks, STAGES, alone, results)
    np.testing.assert_array_equal(view.alone, [0.5, 0.4, 0.3])
    np.testing.assert_array_equal(view.pairs, [[np.nan, 1, 2], [10, np.nan, 12], [20, 21, np.nan]])


def row(matrix: tuple[tuple[int, ...], ...], errors: tuple[float, ...], **changes: Any) -> TrialRow:
    topology = Topology(tasks=NAMES, stages=STAGES, matrix=matrix)
    fields: dict[str, Any] = {
        "number": 0,
        "origin": "sampler",
        "state": "complete",
        "architecture": Architecture(topology=topology),
        "cost": Cost(params=1, macs=1, params_ratio=1.0, macs_ratio=1.0),
        "gain": 0.0,
        "errors": dict(zip(NAMES, errors, strict=True)),
        "seconds": 1.0,
    }
    return TrialRow(**{**fields, **changes})


def test_gains_of_sharing_from_the_trials_of_a_search() -> None:
    """Two tasks share in two trials and not in two; the first of them gains, the second loses."""
    apart = ((0, 1, 2), (0, 1, 2))
    rows = [
        row(apart, (1.0, 1.0, 1.0), origin="all-separate"),
        row(((0, 0, 1), (0, 1, 2)), (0.8, 1.0, 1.0)),  # share the upper half alone
        row(((0, 0, 1), (0, 0, 1)), (0.5, 1.4, 1.0)),
        row(((0, 0, 0), (0, 0, 1)), (0.3, 1.2, 1.0)),
        row(((0, 0, 0), (0, 0, 1)), (9.0, 9.0, 9.0), state="pruned"),
    ]
    found = gains_from_trials(rows)
    assert found is not None
    trunk = found.slice()
    assert trunk[1, 0] == pytest.approx((0.5 + 0.7) / 2 - (0.0 + 0.2) / 2)  # sign helps sum
    assert trunk[0, 1] == pytest.approx((-0.4 - 0.2) / 2)
    np.testing.assert_array_equal(np.isnan(trunk), [[True, False, True], [False, True, True], [True, True, True]])
    np.testing.assert_array_equal(found.slice("high"), trunk)  # the deeper half of two stages
    assert np.isnan(found.slice("low")[1, 0])  # there all but one share
    spread = 0.1**2 * 2 / 1 / 2
    assert found.stderr[2, 1, 0] == pytest.approx((spread + spread) ** 0.5)
    assert found.provenance["trials"] == 4


def test_a_network_counts_under_its_best_recipe() -> None:
    """Gains are against all-separate as it was first trained, whatever other learning rates did for it."""
    apart, shared = ((0, 1, 2), (0, 1, 2)), ((0, 0, 1), (0, 0, 1))
    faster = Recipe(lr_scale=2.0)
    rows = [
        row(apart, (1.0, 1.0, 1.0), origin="all-separate"),
        row(apart, (0.8, 1.0, 1.0), origin="all-separate, learning rate x 2", recipe=faster, gain=0.1),
        row(((0, 1, 1), (0, 1, 1)), (0.9, 1.0, 1.0)),
        row(shared, (0.4, 1.0, 1.0), recipe=faster, gain=0.3),
        row(shared, (2.0, 1.0, 1.0), gain=-0.3),
        row(((0, 0, 0), (0, 0, 0)), (0.6, 1.0, 1.0)),
    ]
    found = gains_from_trials(rows)
    assert found is not None
    assert found.slice()[1, 0] == pytest.approx((0.6 + 0.4) / 2 - (0.2 + 0.1) / 2)


@pytest.mark.parametrize("n_rows", [0, 1, 2])
def test_no_gains_from_too_few_trials(n_rows: int) -> None:
    separate, shared = ((0, 1, 2), (0, 1, 2)), ((0, 0, 0), (0, 0, 0))
    rows = [row(separate, (1.0, 1.0, 1.0), origin="all-separate"), row(shared, (1.0, 1.0, 1.0))]
    assert gains_from_trials(rows[:n_rows]) is None


def test_names_and_options_as_they_are_written() -> None:
    found = parse_measures("cka, lookahead(step_size=lr,  max_step=0.5),x(a=[1, 2], b='c,d')")
    assert found == [
        {"method": "cka"},
        {"method": "lookahead", "step_size": "lr", "max_step": 0.5},
        {"method": "x", "a": [1, 2], "b": "c,d"},
    ]
    for wrong in ("cka(kernel)", "a b", "cka,,rsa", "cka(kernel=rbf", "cka)", "cka(kernel=])"):
        with pytest.raises(InputError, match="measures should be NAME or NAME"):
            parse_measures(wrong)


def test_options_of_the_config_and_names_of_files() -> None:
    configured = {"method": "lookahead", "step_size": "lr"}
    asked: list[dict[str, Any]] = [
        {"method": "lookahead"},
        {"method": "cka"},
        {"method": "lookahead", "step_size": 0.1},
    ]
    own, other, given = wanted_measures(asked, configured)
    assert (own.name, own.options["step_size"], own.file) == ("lookahead", "lr", "lookahead")
    assert (other.options["kernel"], other.family) == ("linear", "representation")
    assert (given.name, given.options["step_size"]) == ("lookahead(step_size=0.1)", 0.1)
    files = {wanted_measures([{"method": "given", "path": p}], {})[0].file for p in ("a/b.csv", "a b.csv", "../../b")}
    assert len(files) == 3
    assert not any("/" in file or file.startswith(".") for file in files)


@pytest.mark.parametrize(
    ("measures", "words"),
    [
        ([], "name at least one of ablation, "),
        (["gradient_dott"], "found `gradient_dott`, did you mean `gradient_dot`?"),
        (["cka(kernl=rbf)"], "measure cka(kernl=rbf): `kernl` is not a known key, did you mean `kernel`?"),
        (["cka", "rsa", "cka"], "each should be named once, found `cka` twice"),
        ([{"kernel": "rbf"}], "affinity measure should be one of"),
        (["blind"], "measure blind: `sees` should be one of probe, features, data, shared, runs, file, found `stars`"),
    ],
    ids=str,
)
def test_what_cannot_be_measured_is_said_before_anything_is_written(tmp_path: Path, measures: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        taskgroup.measure(make_problem(), SPACE, measures=measures, out=tmp_path / "job")
    assert len(caught.value.problems) == 1
    assert words in caught.value.problems[0]
    assert not (tmp_path / "job").exists()


def test_a_faulty_config_is_said_before_it_is_compared_with_what_is_there(measured: tuple[Path, Comparison]) -> None:
    space = {**SPACE, "measure": {"affinity": {"method": "x"}}}
    with pytest.raises(InputError, match="affinity measure should be one of"):
        taskgroup.measure(make_problem(), space, measures="cka", out=measured[0])


def test_seeds_below_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`seeds` should be at least 1, found 0"):
        again(tmp_path / "job", seeds=0)


def test_every_sight_is_measured(measured: tuple[Path, Comparison]) -> None:
    folder, comparison = measured
    assert [m.name for m in comparison.measured] == OF_EACH_SIGHT.split(",")
    assert [m.sees for m in comparison.measured] == ["probe", "probe", "features", "data", "shared", "runs"]
    assert [m.family for m in comparison.measured][2:] == ["representation", "data", "capacity", "measured"]
    for m in comparison.measured:
        assert m.affinity.tasks == NAMES
        assert m.affinity.stages == (*STAGES, "trunk")
        assert (folder / "measures" / f"{m.name}.npz").exists()
        assert (folder / "measures" / f"{m.name}.csv").read_text().startswith("stage,source,target,value,stderr")
        assert m.training_s > 0
    assert comparison.affinities["pairs"] is comparison.gains
    assert comparison.gains_from.startswith("Pairs of tasks were trained together and each task alone, under 2 seeds")
    assert (folder / "measures.html").stat().st_size > 10_000
    assert (folder / "measures" / "why.csv").exists()
    assert not list(folder.rglob("*.partial"))
    assert Folder(folder).state()["state"] == "measured"


def test_few_trainings_serve_many_measures(measured: tuple[Path, Comparison]) -> None:
    """Of each seed one for the probe, the features, the data and the shared network, and four for three pairs."""
    assert len(list((measured[0] / "trials").glob("*.json"))) == 2 * (1 + 1 + 1 + 1 + 4)


def test_classes_of_cosines_are_kept_by_phase(measured: tuple[Path, Comparison]) -> None:
    """Looks at steps 0, 4 and 8, one a phase, under two seeds."""
    folder, comparison = measured
    assert comparison.affinities["gradient_dot"].classes is None
    found = Folder(folder).affinity("measures/gradient_cosine")
    assert found.classes is not None
    assert found.classes.shape == (3, 3, *found.values.shape)
    assert found.phases is not None
    known = ~np.isnan(found.classes)
    assert set(np.unique(found.classes[known])) <= {0.0, 0.5, 1.0}
    np.testing.assert_allclose(found.classes.sum(axis=1)[~np.isnan(found.phases)], 1.0)
    assert (found.classes[:, 0][found.phases > 0.55] > 0).all()  # the mean of two is over a half: one is aligned
    assert "<h2>Conflicts over time</h2>" in (folder / "measures.html").read_text()
    assert (folder / "measures" / "conflicts.csv").read_text().startswith("measure,stage,task_a,task_b,early_aligned")


@pytest.mark.usefixtures("no_report")
def test_what_is_there_is_shown_without_torch(tmp_path: Path) -> None:
    """And without the libraries of the measures; a file is read again, and a difference in seeds is seen."""
    asked = "gradient_cosine,label_information,cka(kernel=rbf),given(path=mine.csv)"
    config = {
        "problem": {"source": "bundled", "name": "linnerud"},
        "trunk": {"name": "mlp", "width": 4, "depth": 2},
        **{k: v for k, v in SPACE.items() if k != "name"},
        "name": "quick",
    }
    path = tmp_path / "quick.yaml"
    path.write_text(yaml.safe_dump(config))
    matrix = "source,weight,waist,pulse\nweight,,{},1\nwaist,2,,3\npulse,4,5,\n"
    (tmp_path / "mine.csv").write_text(matrix.format(0))
    first = taskgroup.measure(space=path, measures=asked, out=tmp_path / "job")
    code = (
        "import sys; from taskgroup.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        "print(sorted({'torch', 'optuna', 'pandas', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, "measure", str(path), "--out", str(tmp_path / "job"), "--with", asked]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "NO_COLOR": "1"})
    assert done.stdout.startswith("quick: 4 measures of affinity, 3 tasks\n")
    assert done.stdout.splitlines()[-1] == "[]"
    (tmp_path / "mine.csv").write_text(matrix.format(7))
    desk = Desk(load_config(path), Folder(tmp_path / "job"), tmp_path, 1)
    found = finished_comparison(desk, parse_measures(asked), Silent())
    assert found is not None
    assert found.affinities["given(path=mine.csv)"].slice()[0, 1] == 7
    for m, before in zip(found.measured[:3], first.measured[:3], strict=True):
        assert (m.name, m.family, m.meaning, m.symmetric) == (
            before.name,
            before.family,
            before.meaning,
            before.symmetric,
        )
        np.testing.assert_array_equal(m.affinity.values, before.affinity.values)
    for left in ("gradient_cosine,rsa", "cka", "cka(kernel=rbf),cka(kernel=rbf)", "cka(kernl=rbf)"):
        assert finished_comparison(desk, parse_measures(left), Silent()) is None
    assert finished_comparison(replace(desk, n_seeds=2), parse_measures(asked), Silent()) is None
    other = load_config(path, ["train.lr=0.1"])
    assert finished_comparison(replace(desk, config=other), parse_measures(asked), Silent()) is None
    assert finished_comparison(replace(desk, folder=Folder(tmp_path)), parse_measures(asked), Silent()) is None


def test_pairs_are_gains_of_the_errors_that_were_trained(measured: tuple[Path, Comparison]) -> None:
    folder, comparison = measured
    assert comparison.gains is not None
    results = [TrialResult.model_validate_json(p.read_text()) for p in (folder / "trials").glob("*.json")]
    errors = {round(r.errors["sum"], 12) for r in results if r.errors}
    assert len(errors) > 4
    known = ~np.eye(3, dtype=bool)
    assert np.isfinite(comparison.gains.slice()[known]).all()
    assert comparison.gains.slice()[known].max() < 1


@pytest.mark.usefixtures("untrained")
def test_the_same_call_again_answers_at_once(measured: tuple[Path, Comparison]) -> None:
    folder, comparison = measured
    before = (folder / "measures.html").stat().st_mtime_ns
    found = again(folder)
    for name, affinity in comparison.affinities.items():
        np.testing.assert_array_equal(found.affinities[name].values, affinity.values)
    assert (folder / "measures.html").stat().st_mtime_ns == before


@pytest.mark.usefixtures("no_report", "untrained")
def test_fewer_measures_need_no_training_and_earlier_pairs_still_count(measured: tuple[Path, Comparison]) -> None:
    found = again(measured[0], "cka,gradient_dot")
    assert list(found.affinities) == ["cka", "gradient_dot"]
    assert found.gains is not None
    assert found.agreement_with_gains("cka") == measured[1].agreement_with_gains("cka")


@pytest.mark.usefixtures("no_report")
def test_interrupted_it_goes_on(
    measured: tuple[Path, Comparison], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        again(tmp_path, progress=Interrupting(5))
    assert not (tmp_path / "measures").exists() or not list((tmp_path / "measures").glob("*.npz"))
    sights = count_trials(monkeypatch)
    found = again(tmp_path)
    assert len(sights) == 2 * 8 - 5
    for name, affinity in measured[1].affinities.items():
        np.testing.assert_allclose(found.affinities[name].values, affinity.values, rtol=1e-6, atol=1e-12)


@pytest.mark.usefixtures("no_report")
def test_one_more_measure_trains_for_that_one_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again(tmp_path, "gradient_dot,label_correlation")
    sights = count_trials(monkeypatch)
    again(tmp_path, "gradient_dot,label_correlation,ablation", seeds=2)
    assert sights == ["shared", "shared"]
    del sights[:]
    again(tmp_path, "label_correlation", seeds=3)
    assert sights == ["data"]  # of the third seed


@pytest.mark.usefixtures("no_report")
def test_before_and_after_a_plan_in_one_folder(tmp_path: Path) -> None:
    many = {**SPACE, "search": {"trials": 14, "adapters": {"sizes": [0, 2]}}}  # of few there is no gain to read off
    first = again(tmp_path, ["lookahead"], seeds=1, space=many)
    assert first.gains is None
    assert "add `pairs` to the measures, or plan first" in first.gains_from
    space = {**SPACE, "search": {"trials": 8, "adapters": {"sizes": [0, 2]}}}
    with pytest.raises(ConflictError, match=r"search\.trials: was 14, now 8"):
        taskgroup.measure(make_problem(), space, measures="cka", out=tmp_path)
    plan = taskgroup.plan(make_problem(), many, out=tmp_path)
    np.testing.assert_array_equal(first.affinities["lookahead"].values, plan.affinity.values)
    found = again(tmp_path, "lookahead", seeds=1, space=many)
    assert Folder(tmp_path).state()["state"] == "done"
    assert found.gains_from.startswith("From ")
    assert not np.isnan(found.agreement_with_gains("lookahead"))
    assert taskgroup.plan(make_problem(), many, out=tmp_path).spec == plan.spec


@pytest.mark.usefixtures("no_report")
def test_other_data_and_a_folder_in_use_are_refused(measured: tuple[Path, Comparison], tmp_path: Path) -> None:
    with pytest.raises(ConflictError, match="the data or the trunk changed"):
        taskgroup.measure(make_problem(seed=1), SPACE, measures="cka", out=measured[0])
    with Folder(tmp_path).held(), pytest.raises(ConflictError, match="is working on this job"):
        again(tmp_path)


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize(
    ("measures", "words"),
    [
        ("failing", r"measure failing failed: RuntimeError: failing: out of rows \(.*, line \d+\) \(seed \d+\)$"),
        ("failing,label_correlation", r"RuntimeError: failing: out of rows .*; 1 other measure kept$"),
        (
            "stumbling,gradient_dot,failing",
            "stumbling: lost its way .*; measure failing failed.*; 1 other measure kept$",
        ),
    ],
)
def test_a_measure_that_fails_is_named_and_the_others_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measures: str, words: str
) -> None:
    with pytest.raises(TrialError, match=words):
        again(tmp_path, measures)
    others = [name for name in measures.split(",") if name not in ("failing", "stumbling")]
    assert [path.stem for path in (tmp_path / "measures").glob("*.npz")] == others
    sights = count_trials(monkeypatch)
    if others:
        alone = again(tmp_path / "alone", others)
        del sights[:]
        found = again(tmp_path, others)
        assert sights == []
        np.testing.assert_array_equal(found.affinities[others[0]].values, alone.affinities[others[0]].values)
    with pytest.raises(TrialError, match="failed: RuntimeError"):
        again(tmp_path, measures)
    assert sights  # a failure does not count as done


@pytest.mark.usefixtures("no_report")
def test_a_training_ends_where_no_measure_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    inner = Together.before_step

    def counted(self: Together, step: int, *rest: Any) -> None:
        steps.append(step)
        inner(self, step, *rest)

    monkeypatch.setattr(Together, "before_step", counted)
    with pytest.raises(TrialError, match="lost its way"):
        again(tmp_path, "stumbling", seeds=1)
    assert steps == list(range(8))  # it looks at every fourth of twelve


@pytest.mark.usefixtures("no_report")
def test_a_given_matrix_is_read_each_time_and_before_any_training(
    measured: tuple[Path, Comparison], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sights = count_trials(monkeypatch)
    asked = ["gradient_dot", {"method": "given", "path": "mine.csv"}]
    with pytest.raises(InputError, match=r"mine\.csv: should be a file that can be read"):
        again(tmp_path / "job", asked)
    assert sights == []
    for value in (0.25, 0.75):
        Path("mine.csv").write_text(f"source,sum,sign,third\nsum,,{value},1\nsign,2,,3\nthird,4,5,\n")
        found = again(tmp_path / "job", asked)
        name = "given(path=mine.csv)"
        assert found.affinities[name].slice()[0, 1] == value
    assert sights == ["probe", "probe"]
