import dataclasses
from functools import lru_cache

import numpy as np
import pytest
from matplotlib.artist import Artist
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from record_fixture import DIGITS, HOSTILE, make_record, with_helper

from taskgroup.core.affinity import TRUNK, Affinity
from taskgroup.core.record import CandidateTree, Proposals, Record, TrialRow
from taskgroup.core.tree import MergeTree
from taskgroup.report import figures
from taskgroup.report.plots.affinity import uncertain
from taskgroup.report.plots.dendrogram import draw_dendrogram, leaf_order
from taskgroup.report.plots.history import draw_history
from taskgroup.report.plots.pareto import draw_pareto, front
from taskgroup.report.plots.range import lowest_shown
from taskgroup.report.plots.style import drawing

NAMES = {"topology", "affinity", "dendrogram", "gains", "pareto", "history"}
LONG = tuple(f"assay_{k}_of_a_panel_with_a_very_long_name_indeed" for k in range(30))
CASES: dict[str, Record] = {
    "nine": with_helper(make_record()),
    "one": make_record(("only",)),
    "two": make_record(("a", HOSTILE)),
    "hostile": make_record(("$\\frac$", "a\nb\x00", "日本語", "%d {}", "_" * 80)),
    "many": make_record(LONG, stages=tuple(f"layer{k}" for k in range(12)), n_trials=60),
}


@lru_cache
def drawn(case: str) -> dict[str, Figure]:
    """Figures of a case, laid out."""
    made = figures(CASES[case])
    with drawing():
        for figure in made.values():
            figure.canvas.draw()
    return made


def shown_texts(artist: Artist) -> list[Text]:
    """Every text that one can see; matplotlib keeps labels of ticks beyond the limits without drawing them."""
    texts = [t for t in artist.findobj(Text) if isinstance(t, Text) and t.get_visible() and t.get_text().strip()]
    hidden = {
        id(label)
        for axis in artist.findobj(Axis)
        if isinstance(axis, Axis)
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
        for label in (tick.label1, tick.label2)
    }
    return [t for t in texts if id(t) not in hidden]


@pytest.mark.parametrize("case", CASES)
def test_all_figures_are_made_and_nothing_leaves_the_picture(case: str) -> None:
    assert set(drawn(case)) == NAMES
    for name, figure in drawn(case).items():
        width, height = figure.bbox.size
        with drawing():
            for text in shown_texts(figure):
                box = text.get_window_extent()
                inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
                assert inside, f"{name}: {text.get_text()!r} at {box} in {width} by {height}"


@pytest.mark.parametrize("case", ["nine", "one", "two", "many"])
@pytest.mark.parametrize("name", ["topology", "dendrogram", "gains", "pareto", "history"])
def test_no_text_lies_on_another(case: str, name: str) -> None:
    with drawing():
        found = [(t.get_text(), t.get_window_extent()) for t in shown_texts(drawn(case)[name])]
    for k, (text, box) in enumerate(found):
        shrunk = Bbox.from_extents(box.x0 + 1, box.y0 + 1, box.x1 - 1, box.y1 - 1)
        for other, there in found[k + 1 :]:
            assert not shrunk.overlaps(there), f"{name}: {text!r} on {other!r}"


def test_topology_names_stages_tasks_counts_and_adapters() -> None:
    record = CASES["nine"]
    texts = [t.get_text() for t in shown_texts(drawn("nine")["topology"])]
    for word in (*DIGITS, "stem", "block3", "input", "9 tasks", "8", "16", "shared copy", "helps in training"):
        assert word in texts
    assert texts.count("3 tasks") == sum(
        len(module.tasks) == 3 for module in record.spec.architecture.topology.modules()
    )


def test_tasks_of_one_copy_lie_together() -> None:
    """Order of the rows: no two lines of a topology cross, whatever the order of the tasks."""
    record = make_record(("a", "b", "c", "d"))
    topology = record.spec.architecture.topology.model_copy(update={"matrix": ((0, 1, 0, 1), *[(0, 1, 0, 1)] * 3)})
    spec = record.spec.model_copy(
        update={"architecture": record.spec.architecture.model_copy(update={"topology": topology})}
    )
    texts = shown_texts(figures(dataclasses.replace(record, spec=spec))["topology"])
    rows = sorted((t.get_position()[1], t.get_text()) for t in texts if t.get_text() in "abcd")
    assert [name for _, name in rows] == ["a", "c", "b", "d"]


def test_what_has_no_data_has_no_figure() -> None:
    assert set(figures(make_record(evidence=False))) == NAMES - {"gains"}
    assert set(figures(make_record(n_trials=0))) == NAMES - {"pareto", "history"}
    record = make_record()
    bare = dataclasses.replace(record, proposals=Proposals(proposals=(), trees=()))
    assert set(figures(bare)) == NAMES


def test_heatmap_shows_centred_values_in_leaf_order_sources_as_rows() -> None:
    record = CASES["nine"]
    main = drawn("nine")["affinity"].axes[0]
    order = leaf_order(record.proposals, record.affinity.tasks)
    assert sorted(order) == list(range(9))
    assert order != list(range(9))
    shown = np.ma.filled(main.images[0].get_array().astype(float), np.nan)  # type: ignore[union-attr]
    np.testing.assert_array_equal(shown, record.affinity.centred()[np.ix_(order, order)])
    assert [t.get_text() for t in main.get_yticklabels()] == [record.affinity.tasks[k] for k in order]
    assert main.get_ylabel().startswith("source")
    assert main.get_xlabel().startswith("target")


def test_uncertain_entries_in_closed_form() -> None:
    """Columns (·, 1, 3), (4, ·, 0) and (0, 8, ·) less their means are ∓1, ±2, ∓4 with spread √7."""
    values = np.array([[[9.0, 4.0, 0.0], [1.0, 9.0, 8.0], [3.0, 0.0, 9.0]]])
    stderr = np.array([[[0.1, 1.9, 4.1], [1.1, 0.1, 3.9], [np.nan, 2.1, 0.1]]])
    affinity = Affinity(("a", "b", "c"), (TRUNK,), values, stderr, np.ones((1, 3, 3), dtype=np.int64))
    expected = [[False, False, True], [True, False, False], [True, True, False]]
    assert uncertain(affinity, TRUNK).tolist() == expected


def test_hatches_lie_on_the_uncertain_entries() -> None:
    record = CASES["nine"]
    main = drawn("nine")["affinity"].axes[0]
    order = leaf_order(record.proposals, record.affinity.tasks)
    mask = uncertain(record.affinity, TRUNK)[np.ix_(order, order)]
    at = {(round(p.get_y() + 0.5), round(p.get_x() + 0.5)) for p in main.patches}  # type: ignore[attr-defined]
    assert at == {(int(r), int(c)) for r, c in np.argwhere(mask)}
    assert at


def test_front_keeps_what_nothing_beats() -> None:
    points = [(1.0, 0.0), (2.0, 0.3), (2.0, 0.2), (3.0, 0.3), (4.0, 0.1), (5.0, 0.4)]
    assert front(points) == [(1.0, 0.0), (2.0, 0.3), (5.0, 0.4)]
    assert front([]) == []


def test_pareto_marks_plan_and_baselines_at_their_cost_and_gain() -> None:
    record = CASES["nine"]
    left, right = drawn("nine")["pareto"].axes
    marked = {str(line.get_label()): line.get_xydata().tolist() for line in left.lines}  # type: ignore[union-attr]
    assert marked["all-shared"] == [[1.0, record.trials[0].gain]]
    assert marked["all-separate"] == [[9.0, 0.0]]
    cost = record.spec.cost
    assert cost is not None
    assert marked["plan"][0][0] == cost.macs_ratio
    assert {str(line.get_label()): line for line in right.lines}["plan"].get_xdata()[0] == cost.params_ratio  # type: ignore[index]


def trials_with(*gains: float, scale: float = 4.0) -> list[TrialRow]:
    """Both baselines, all-separate at another rate, and so many more."""
    first, second, third, *_ = CASES["nine"].trials
    faster = first.recipe.model_copy(update={"lr_scale": scale})
    again = second.model_copy(update={"number": 2, "origin": "sampler", "recipe": faster, "gain": 0.3})
    more = [third.model_copy(update={"number": 3 + k, "origin": "sampler", "gain": g}) for k, g in enumerate(gains)]
    return [first, second, again, *more]


def test_a_baseline_is_marked_at_its_best_recipe() -> None:
    trials = trials_with(0.1)
    assert trials[1].origin == "all-separate"
    figure = draw_pareto(trials, trials[2].candidate.fingerprint)
    lines = figure.axes[0].lines
    marked = {str(line.get_label()): line.get_xydata().tolist() for line in lines}  # type: ignore[union-attr]
    assert marked["all-separate"] == marked["plan"] == [[9.0, 0.3]]


def test_ruined_trials_lie_at_the_edge() -> None:
    few, ruined = [0.05 * k for k in range(12)], -30.0
    for draw in (lambda trials: draw_pareto(trials, ""), draw_history):
        axes = draw(trials_with(*few, ruined)).axes[0]
        low = axes.get_ylim()[0]
        assert -2 < low < 0
        edge = next(line for line in axes.lines if line.get_label() == "below the picture")
        assert edge.get_ydata().tolist() == [low]  # type: ignore[union-attr]
        whole = draw(trials_with(*few)).axes[0]
        assert "below the picture" not in [line.get_label() for line in whole.lines]
    assert lowest_shown([]) is None
    assert lowest_shown([0.1, 0.1]) is None
    assert lowest_shown([0.0, 1.0, -40.0], kept=[-40.0]) is None


def test_history_draws_the_running_best_and_a_strip_of_stopped_trials() -> None:
    record = CASES["nine"]
    top, strip = drawn("nine")["history"].axes
    gains = [t.gain for t in record.trials if t.gain is not None]
    best = next(line for line in top.lines if line.get_label() == "best so far")
    np.testing.assert_array_equal(best.get_ydata(), np.maximum.accumulate(gains))
    assert [t.get_text() for t in strip.get_yticklabels()] == ["stopped early", "over limit", "failed"]
    assert [len(np.asarray(line.get_xdata())) for line in strip.lines] == [
        sum(t.state == state for t in record.trials) for state in ("pruned", "over limit", "failed")
    ]


def test_gains_are_in_order_with_the_mean_on_top() -> None:
    evidence = CASES["nine"].spec.evidence
    assert evidence is not None
    axes = drawn("nine")["gains"].axes[0]
    names = [t.get_text() for t in axes.get_yticklabels()]
    ordered = sorted(evidence.tasks, key=lambda t: -t.gain_vs_separate.mean)
    assert names == ["mean over tasks", *(t.task for t in ordered)]
    separate = axes.containers[0].lines[0].get_xdata()  # type: ignore[attr-defined]
    assert list(separate) == [evidence.gain_vs_separate.mean, *(t.gain_vs_separate.mean for t in ordered)]


def test_dendrogram_of_one_task_is_a_point() -> None:
    axes = drawn("one")["dendrogram"].axes[0]
    assert axes.get_title(loc="left") == "One task: nothing to merge"
    assert [t.get_text() for t in axes.get_yticklabels()] == ["only"]


def test_dendrogram_draws_every_merge_at_its_height() -> None:
    record = CASES["nine"]
    axes = drawn("nine")["dendrogram"].axes[0]
    tops = sorted(float(np.max(np.asarray(line.get_xdata()))) for line in axes.lines)[1:]  # the leaves come first
    assert tops == pytest.approx(record.proposals.trees[0].tree.heights)
    leaves = np.asarray(axes.lines[-1].get_xdata())
    assert leaves.max() < 0 < min(record.proposals.trees[0].tree.heights)
    assert axes.get_xlim()[1] <= leaves.min()


def test_a_first_merge_at_zero_can_be_seen() -> None:
    """The most alike pair merges at the distance 0: its bracket lies beside the tasks, not on them."""
    tree = MergeTree(tasks=("a", "b", "c"), merges=((0, 1), (2, 3)), heights=(0.0, 1.0))
    figure = draw_dendrogram(Proposals(proposals=(), trees=(CandidateTree(source="t", tree=tree),)), tree.tasks)
    first, second, leaves = (np.asarray(line.get_xdata()) for line in figure.axes[0].lines)
    assert first.tolist() == pytest.approx([leaves[0], 0, 0, leaves[0]])
    assert sorted(second.tolist()) == pytest.approx([leaves[0], 0, 1, 1])
    assert leaves[0] < 0


def test_order_of_the_leaves_is_that_of_the_labels() -> None:
    record = CASES["nine"]
    axes = drawn("nine")["dendrogram"].axes[0]
    labels = [t.get_text() for t in axes.get_yticklabels()]
    assert labels == [record.affinity.tasks[k] for k in leaf_order(record.proposals, record.affinity.tasks)]
