"""Measures side by side: the reasons for and against a pair, the page, and the words for the terminal."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from record_fixture import DIGITS, HOSTILE, STAGES, make_affinity
from test_report_page import Page

from taskgroup.core.affinity import TRUNK, Affinity
from taskgroup.core.comparison import Comparison, Measured
from taskgroup.core.reliability import centred_rank_agreement
from taskgroup.report import comparison_summary, write_comparison
from taskgroup.report.conflicts import conflict_table
from taskgroup.report.measures_page import agreement_table
from taskgroup.report.measures_text import headline, seconds, signed
from taskgroup.report.plots.measures import draw_measures, task_order
from taskgroup.report.text import DASH
from taskgroup.report.why import in_words, ordinal, reasons, reasons_csv, weight_of

Matrix = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
NAMES = ("a", "b", "c", "d")


def affinity_of(matrix: Matrix, stderr: float = float("nan"), names: tuple[str, ...] = NAMES) -> Affinity:
    values = np.stack([matrix, matrix])
    return Affinity(names, ("one", TRUNK), values, np.full(values.shape, stderr), np.ones(values.shape, dtype=np.int64))


def measure_of(name: str, affinity: Affinity, **changes: object) -> Measured:
    made = Measured(
        name=name,
        family="training",
        sees="probe",
        meaning="a step on A lowers B's loss",
        symmetric=False,
        affinity=affinity,
        look_s=0.5,
        training_s=3.0,
        reliability=0.9,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def comparison_of(*measured: Measured, gains: Affinity | None = None, name: str = "digits") -> Comparison:
    return Comparison(name, measured, gains, "Nothing tells yet." if gains is None else "From 9 trials of the search.")


def many(
    names: tuple[str, ...] = DIGITS, n: int = 3, *, gains: bool = True, stages: tuple[str, ...] = STAGES
) -> Comparison:
    rng = np.random.default_rng(1)
    found = [make_affinity(names, stages, rng) for _ in range(n + 1)]
    measured = [measure_of(f"m{k}", found[k], family=("data", "training")[k % 2]) for k in range(n)]
    return comparison_of(*measured, gains=found[-1] if gains else None)


def planted(first: float) -> Matrix:
    """Columns already centred: a helps b more than b helps a; c and d help each other; a and c hinder each other."""
    matrix = np.zeros((4, 4))
    matrix[0, 1], matrix[1, 0] = first, 1.0
    matrix[2, 3] = matrix[3, 2] = 1.0
    matrix[0, 2] = matrix[2, 0] = -3.0
    return np.asarray(matrix - (matrix.sum(axis=0) / 3) * ~np.eye(4, dtype=bool))


def test_a_reason_is_the_pair_that_stands_out_and_its_source_comes_first() -> None:
    found = reasons(comparison_of(measure_of("look", affinity_of(planted(4.0)))))
    by_pair = {(pair.a, pair.b): pair for pair in found}
    assert len(by_pair) == 6
    (reason,) = by_pair["a", "b"].pro
    assert reason.text == "look: a step on a lowers b's loss (1st of 6 pairs)"
    (against,) = by_pair["a", "c"].con
    assert against.text.startswith("look: less than between other tasks: a step on ")
    assert against.text.endswith("(6th of 6 pairs)")
    turned = reasons(comparison_of(measure_of("look", affinity_of(planted(4.0).T))))
    (reason,) = next(pair for pair in turned if (pair.a, pair.b) == ("a", "b")).pro
    assert "a step on b lowers a's loss" in reason.text


def test_strength_is_the_standardized_value_of_the_pair() -> None:
    affinity = affinity_of(planted(4.0))
    centred = affinity.centred()
    values = np.array([(centred[i, j] + centred[j, i]) / 2 for i in range(4) for j in range(i + 1, 4)])
    z = (values - values.mean()) / values.std()
    (first, *_) = reasons(comparison_of(measure_of("look", affinity)))
    assert abs(first.net) == pytest.approx(np.abs(z).max())
    assert (*first.pro, *first.con)[0].strength == pytest.approx(np.abs(z).max())


@pytest.mark.parametrize(("stderr", "n_told"), [(1e-9, 6), (100.0, 0)])
def test_an_error_bar_decides_what_counts(stderr: float, n_told: int) -> None:
    matrix = np.random.default_rng(0).normal(size=(4, 4))
    found = reasons(comparison_of(measure_of("look", affinity_of(matrix, stderr))))
    assert sum(bool(pair.pro or pair.con) for pair in found) == n_told


def test_without_an_error_bar_a_standard_deviation_does() -> None:
    matrix = np.random.default_rng(0).normal(size=(4, 4))
    for stderr in (float("nan"), 0.0):
        found = reasons(comparison_of(measure_of("look", affinity_of(matrix, stderr))))
        told = [pair for pair in found if pair.pro or pair.con]
        assert 0 < len(told) < 6
        assert all(abs(pair.net) >= 1 for pair in told)


def test_the_three_strongest_on_each_side_weighted_by_agreement_with_gains() -> None:
    base = planted(4.0)
    measured = [measure_of(f"m{k}", affinity_of(base)) for k in range(5)]
    found = {(pair.a, pair.b): pair for pair in reasons(comparison_of(*measured))}
    pair, other = found["a", "b"], found["a", "c"]
    assert [[r.measure for r in side] for side in (pair.pro, pair.con)] == [["m0", "m1", "m2"], []]
    assert [[r.measure for r in side] for side in (other.pro, other.con)] == [[], ["m0", "m1", "m2"]]
    assert pair.net == pytest.approx(5 * pair.pro[0].strength)
    wrong, right = measure_of("wrong", affinity_of(-base)), measure_of("right", affinity_of(base))
    gains = affinity_of(base + 0.01 * np.random.default_rng(0).normal(size=(4, 4)))
    comparison = comparison_of(wrong, right, gains=gains)
    assert weight_of(comparison, right) == comparison.agreement_with_gains("right") > 0.5
    assert weight_of(comparison, wrong) == 0.0
    assert {reason.measure for pair in reasons(comparison) for reason in (*pair.pro, *pair.con)} == {"right"}


def test_a_measure_that_says_nothing_of_gains_keeps_a_tenth_and_the_gains_all() -> None:
    gains = affinity_of(np.random.default_rng(0).normal(size=(4, 4)))
    constant, own = measure_of("flat", affinity_of(np.ones((4, 4)))), measure_of("pairs", gains)
    comparison = comparison_of(constant, own, gains=gains)
    assert weight_of(comparison, constant) == 0.1
    assert weight_of(comparison, own) == 1.0
    assert np.isnan(comparison.agreement_with_gains("pairs"))
    assert all(pair.pro == pair.con == () for pair in reasons(comparison_of(constant)))


def test_unknown_pairs_are_no_evidence_and_one_known_direction_counts() -> None:
    matrix = planted(4.0)
    matrix[0, 2] = matrix[2, 0] = np.nan
    matrix[1, 0] = np.nan
    found = {(p.a, p.b): p for p in reasons(comparison_of(measure_of("look", affinity_of(matrix))))}
    assert not found["a", "c"].con
    assert found["a", "b"].pro[0].text == "look: a step on a lowers b's loss (1st of 5 pairs)"


def test_words_for_tasks_and_places() -> None:
    assert in_words("A and B: B's labels, A's own", "B", "x\n") == "B and x\\n: x\\n's labels, B's own"
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th",
    ]  # fmt: skip
    assert (signed(0.824), signed(-0.5), signed(None), signed(float("nan"))) == ("+0.82", "-0.50", DASH, DASH)
    assert (seconds(0.126), seconds(9.94), seconds(9.96), seconds(230.4)) == ("0.13 s", "9.94 s", "10 s", "230 s")


def test_all_pairs_are_in_the_csv() -> None:
    comparison = many(tuple(f"t{k}" for k in range(14)))
    lines = list(csv.reader(io.StringIO(reasons_csv(reasons(comparison)))))
    assert lines[0][:4] == ["task_a", "task_b", "net_strength", "for_1"]
    assert len(lines) == 1 + 14 * 13 // 2
    assert {len(line) for line in lines} == {9}


def test_agreements_stand_in_the_table() -> None:
    comparison = many()
    sheet = agreement_table(comparison)
    assert sheet.head == ("measure", "measured gains", "m0", "m1", "m2")
    a, b = (comparison.affinities[name].slice() for name in ("m0", "m2"))
    assert comparison.agreement("m0", "m2") == centred_rank_agreement(a, b)
    assert sheet.rows[0][4] == sheet.rows[2][2] == signed(centred_rank_agreement(a, b))
    assert [sheet.rows[k][2 + k] for k in range(3)] == ["", "", ""]
    assert agreement_table(many(gains=False)).head == ("measure", "m0", "m1", "m2")


def page_of(comparison: Comparison, folder: Path) -> tuple[str, Page]:
    path = write_comparison(comparison, folder)
    assert path == folder / "measures.html"
    text = path.read_text(encoding="utf-8")
    return text, Page(text)


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, Page]:
    folder = tmp_path_factory.mktemp("nine")
    return folder, *page_of(many(), folder)


def test_it_is_one_file_without_links_and_scripts(nine: tuple[Path, str, Page]) -> None:
    folder, _, page = nine
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*.*")) == [
        "figures/measures.png", "figures/measures.svg", "measures.html", "measures/why.csv",
    ]  # fmt: skip
    assert "script" not in page.tags
    assert [(tag, v) for tag, key, v in page.attributes if key in ("href", "src", "action")] == [("link", "data:,")]
    assert len(set(page.ids)) == len(page.ids)
    assert set(page.references) <= set(page.ids)
    assert page.tags.count("h1") == page.tags.count("svg") == 1
    assert page.tags.count("table") == page.tags.count("caption") == 3


def test_it_shows_agreement_cost_meaning_and_reasons(nine: tuple[Path, str, Page]) -> None:
    _, text, _ = nine
    comparison = many()
    assert headline(comparison) in text
    assert "From 9 trials of the search." in text
    assert "A helps B: a step on A lowers B&#39;s loss" in text
    assert text.count('<th scope="row" class="text">digit and ') > 0
    for a, b in (("m0", "m1"), ("m1", "m2")):
        assert signed(comparison.agreement(a, b)) in text
    assert "all of them are in" in text


def test_of_many_tasks_the_clearest_pairs_are_shown(tmp_path: Path) -> None:
    text, page = page_of(many(tuple(f"task{k}" for k in range(14)), stages=("one",)), tmp_path)
    why = text.split('<table class="why">')[1]
    assert why.count('<th scope="row"') == 40
    assert "40 of 91 pairs" in text
    assert page.tags.count("table") == 3


def with_classes(affinity: Affinity, shares: Matrix) -> Affinity:
    """``shares`` of tasks 0 and 1, by phase and class; tasks 0 and 2 conflict always, others were never seen."""
    n = len(affinity.tasks)
    classes = np.full((3, 3, len(affinity.stages), n, n), np.nan)
    classes[..., 0, 1] = classes[..., 1, 0] = shares[:, :, None]
    classes[..., 0, 2] = classes[..., 2, 0] = np.array([0.0, 0.0, 1.0])[:, None]
    return replace(affinity, classes=classes)


SHARES = np.array([[0.5, 0.25, 0.25], [np.nan] * 3, [0.0, 0.125, 0.875]])


def test_conflicts_are_shown_by_phase_and_kept_of_every_stage(tmp_path: Path) -> None:
    affinity = with_classes(affinity_of(planted(4.0)), SHARES)
    comparison = comparison_of(measure_of("cosine", affinity), measure_of("other", affinity_of(planted(1.0))))
    sheet = conflict_table(comparison.measured[0], 40)
    assert sheet.head[1:4] == ("conflicting early", "conflicting middle", "conflicting late")
    assert sheet.head[4:] == ("aligned early", "aligned middle", "aligned late")
    assert sheet.rows == [
        ("a and c", "100 %", "100 %", "100 %", "0 %", "0 %", "0 %"),
        ("a and b", "25 %", DASH, "88 %", "50 %", DASH, "0 %"),
    ]
    assert conflict_table(comparison.measured[0], 1).rows == sheet.rows[:1]
    text, page = page_of(comparison, tmp_path)
    assert text.count('<section id="conflicts">') == 1
    assert page.tags.count("table") == 4
    kept = list(csv.reader(io.StringIO((tmp_path / "measures" / "conflicts.csv").read_text())))
    assert kept[0][:4] == ["measure", "stage", "task_a", "task_b"]
    assert kept[0][4:7] == ["early_aligned", "early_orthogonal", "early_conflicting"]
    assert kept[1] == ["cosine", "one", "a", "b", "0.5", "0.25", "0.25", "", "", "", "0", "0.125", "0.875"]
    assert [line[1:4] for line in kept[2:]] == [["one", "a", "c"], [TRUNK, "a", "b"], [TRUNK, "a", "c"]]
    page_of(comparison_of(comparison.measured[1]), tmp_path)
    assert not (tmp_path / "measures" / "conflicts.csv").exists()


def test_text_of_users_is_escaped(tmp_path: Path) -> None:
    names = ("a", HOSTILE, '"><script>alert(1)</script>')
    comparison = many(names)
    hostile = [replace(m, name=f"{m.name}{HOSTILE}", affinity=replace(m.affinity)) for m in comparison.measured]
    text, page = page_of(replace(comparison, name=HOSTILE, measured=tuple(hostile)), tmp_path)
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert "&lt;b&gt;&amp;" in text


@pytest.mark.parametrize("n_tasks", [1, 2, 31])
def test_it_degrades_well(tmp_path: Path, n_tasks: int) -> None:
    names = tuple(f"t{k}" for k in range(n_tasks))
    blank = affinity_of(np.full((n_tasks, n_tasks), np.nan), names=names)
    comparison = many(names, 2, gains=False, stages=("one",))
    comparison = replace(comparison, measured=(*comparison.measured, measure_of("blank", blank)))
    text, page = page_of(comparison, tmp_path)
    assert "None" not in page.cells
    assert "nan" not in page.cells
    assert "Without measured gains nobody knows" in text
    assert "None of the measures could be held against measured gains." in text


def test_the_same_comparison_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_comparison(many(("a", "b", "c"), 1), tmp_path / name)
    first, second = ({p.name: p.read_bytes() for p in (tmp_path / n).rglob("*.*")} for n in ("first", "second"))
    assert first == second


def test_gains_that_are_a_measure_are_drawn_once() -> None:
    comparison = many(("a", "b", "c"), 2)
    assert len(draw_measures(comparison).axes) == 3 + 1  # the colour scale
    own = replace(comparison, gains=comparison.measured[0].affinity)
    assert len(draw_measures(own).axes) == 2 + 1


def test_tasks_that_are_alike_stand_side_by_side() -> None:
    group = np.array([0, 1, 0, 1, 0, 1])
    matrix = (group[:, None] == group).astype(float)
    names = tuple("abcdef")
    order = task_order(comparison_of(measure_of("m", affinity_of(matrix, names=names))))
    assert sorted(order) == list(range(6))
    assert len(set(group[order[:3]])) == 1


def test_the_terminal_sees_cost_and_agreement(tmp_path: Path) -> None:
    comparison = many(n=2)
    (tmp_path / "measures.html").touch()
    text = comparison_summary(comparison, tmp_path)
    assert text.startswith("digits: 2 measures of affinity, 9 tasks\n")
    line = next(line for line in text.splitlines() if line.startswith("  m1 ") and "probe" in line)
    assert line.split() == [
        "m1",
        "probe",
        "0.50",
        "s",
        "3.00",
        "s",
        "+0.90",
        signed(comparison.agreement_with_gains("m1")),
    ]
    assert "measures.html" in text
    assert max(map(len, text.splitlines())) <= 100 + len(str(tmp_path))
    assert "\x1b" not in comparison_summary(replace(comparison, name="\x1b[31m"))


def test_a_headline_that_finds_no_agreement() -> None:
    gains = affinity_of(np.random.default_rng(0).normal(size=(4, 4)))
    against = comparison_of(measure_of("m", affinity_of(-gains.slice())), gains=gains)
    assert headline(against).startswith("No measure agrees with the measured gains; the best is m (-")
    with_it = comparison_of(measure_of("m", affinity_of(2 * gains.slice())), gains=gains)
    assert headline(with_it) == "m agrees best with the measured gains: rank correlation +1.00."


@pytest.mark.parametrize(("stderr", "doubtful"), [(0.001, False), (50.0, True)])
def test_a_headline_doubts_gains_that_are_noise(stderr: float, doubtful: bool) -> None:
    matrix = np.random.default_rng(0).normal(size=(4, 4))
    compared = comparison_of(measure_of("m", affinity_of(matrix)), gains=affinity_of(matrix, stderr))
    assert ("But only 0 of 12 gains" in headline(compared)) is doubtful


def test_a_headline_names_all_that_agree_best() -> None:
    matrix = np.random.default_rng(0).normal(size=(4, 4))
    twins = [measure_of(name, affinity_of(k * matrix)) for k, name in ((1, "a"), (3, "b"))]
    compared = comparison_of(*twins, gains=affinity_of(matrix, 0.001))
    assert headline(compared) == "a and b agree best with the measured gains: rank correlation +1.00."


def test_gains_alone_are_not_held_against_themselves() -> None:
    gains = affinity_of(np.random.default_rng(0).normal(size=(4, 4)))
    assert headline(comparison_of(measure_of("pairs", gains), gains=gains)) == "These are the gains."
