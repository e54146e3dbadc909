import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from record_fixture import DIGITS, HOSTILE, STAGES, make_record, with_helper

from taskgroup.core.gain import Interval
from taskgroup.core.record import Chain, GroupCount, Record, search_words
from taskgroup.core.spec import Spec
from taskgroup.core.topology import Topology
from taskgroup.report import write_report
from taskgroup.report.tables import count_table, partition, proposal_table
from taskgroup.report.text import DASH

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Collects what the tests ask for, and checks that elements are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self._open.append(tag)
        for key, value in attrs:
            self.attributes.append((tag, key, value or ""))
            if key == "id":
                self.ids.append(value or "")
            self.references += re.findall(r"url\(#([^)]*)\)", value or "")
            if key == "xlink:href" and not (value or "").startswith("data:image/png;base64"):
                self.references.append((value or "").removeprefix("#"))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("th", "td", "h1", "pre"):
            self.cells.append(data)


def write(record: Record, folder: Path) -> tuple[str, Page]:
    path = write_report(record, folder)
    assert path == folder / "report.html"
    text = path.read_text(encoding="utf-8")
    return text, Page(text)


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, Page]:
    folder = tmp_path_factory.mktemp("nine")
    return folder, *write(with_helper(make_record()), folder)


def test_files(nine: tuple[Path, str, Page]) -> None:
    names = ["affinity", "dendrogram", "gains", "history", "pareto", "topology"]
    expected = sorted(f"{name}.{suffix}" for name in names for suffix in ("png", "svg"))
    assert sorted(p.name for p in (nine[0] / "figures").iterdir()) == expected


def test_it_is_one_file_without_links_and_scripts(nine: tuple[Path, str, Page]) -> None:
    _, text, page = nine
    assert "script" not in page.tags
    assert "@import" not in text
    links = [(tag, value) for tag, key, value in page.attributes if key in ("href", "src", "action")]
    assert links == [("link", "data:,")]
    assert {re.split("[#,]", value)[0] for _, key, value in page.attributes if key == "xlink:href"} == {
        "",
        "data:image/png;base64",
    }


def test_ids_are_unique_and_every_reference_finds_its_own(nine: tuple[Path, str, Page]) -> None:
    page = nine[2]
    assert len(set(page.ids)) == len(page.ids)
    assert page.references
    assert set(page.references) <= set(page.ids)


def test_it_is_accessible(nine: tuple[Path, str, Page]) -> None:
    page = nine[2]
    assert ("html", "lang", "en") in page.attributes
    assert page.tags.count("h1") == 1
    assert page.tags.count("figure") == page.tags.count("figcaption") == page.tags.count("svg") == 6
    labelled = [value for tag, key, value in page.attributes if (tag, key) == ("svg", "aria-label")]
    assert len(labelled) == 6
    assert all(labelled)
    assert page.tags.count("table") == page.tags.count("caption") == page.tags.count("thead")


def test_verdict_comes_first_and_numbers_follow(nine: tuple[Path, str, Page]) -> None:
    _, text, page = nine
    assert page.cells[0] == "Branch: better than sharing all and than separating all"
    sections = re.findall(r'<section id="(\w+)">', text)
    assert sections == ["topology", "gains", "arms", "pareto", "affinity", "proposals", "search", "spec"]
    evidence = with_helper(make_record()).spec.evidence
    assert evidence is not None
    for task in evidence.tasks:
        assert {task.task, task.gain_vs_separate.percent(), task.gain_vs_shared.percent()} <= set(page.cells)
    assert "ward was left out" in text
    assert "77ab01e2c3d4" in text
    assert text.count('<tr class="strong">') == 2  # the chosen candidate and its trial


def test_words_are_explained_and_counts_are_those_of_the_terminal(nine: tuple[Path, str, Page]) -> None:
    _, text, page = nine
    assert "1 - accuracy, 1 - AUC" in text
    assert "MACs are multiply-accumulate" in text
    assert f"<p>{search_words(make_record().trials)}.</p>" in text
    assert "pruned" not in page.cells
    assert "stopped early" in page.cells


def test_proposals_begin_with_what_matters_and_long_cells_wrap() -> None:
    sheet = proposal_table(make_record())
    assert sheet.head == ("groups", "tasks", "stability", "silhouette", "source")
    assert sheet.rows[1][0] == "2"
    assert sheet.rows[1][2:4] == (DASH, "+0.47")
    assert sheet.rows[1][4] == "hierarchical(average), 2 groups"
    assert sheet.long == {1, 4} == sheet.texts


def test_the_recommendation_comes_with_its_reason_counts_and_chain(tmp_path: Path) -> None:
    record = make_record()
    cut = record.proposals.proposals[2]
    topology = Topology.branched(cut.grouping, STAGES, 2)
    full = record.proposals.model_copy(
        update={
            "proposals": (cut.model_copy(update={"stability": 0.874}), *record.proposals.proposals[:2]),
            "recommended": cut.grouping,
            "reason": "3 groups, for <good> reasons.",
            "counts": (
                GroupCount(n_groups=1, eigengap=0.9),
                GroupCount(n_groups=2, silhouette=0.47, eigengap=0.31, stability=0.66, separation=5.04),
            ),
            "chain": Chain(topology=topology, source="t", separation=(1.0,) * 4, threshold=2.0),
        }
    )
    changed = dataclasses.replace(record, proposals=full)
    sheet = proposal_table(changed)
    assert (sheet.rows[0][2], sheet.strong) == ("0.87", frozenset({0}))
    assert count_table(full.counts).rows[1] == ("2", "0.47", "0.31", "0.66", "5.0")
    assert count_table(full.counts[:1]).rows == []
    text, page = write(changed, tmp_path)
    assert "3 groups, for &lt;good&gt; reasons." in text
    assert "Numbers of groups" in text
    assert "separation in standard errors" in page.cells
    over_stages = text.partition("Groups over the stages")[2].partition("</details>")[0]
    assert over_stages.count(", ".join(DIGITS)) == 2
    assert over_stages.count(partition(cut.grouping)) == 2
    assert all(stage in over_stages for stage in STAGES)
    assert "Groups over the stages" not in write(record, tmp_path)[0]


def test_figures_say_on_a_small_screen_that_they_go_on(nine: tuple[Path, str, Page]) -> None:
    """They are wider than a telephone: cut off, but for the bar."""
    style = nine[1].partition("<style>")[2].partition("</style>")[0]
    assert re.search(r"@media \(max-width: 720px\).*scroll sideways", style, flags=re.DOTALL)
    assert ".scroll { overflow-x: auto;" in style


def test_clear_losses_are_named_and_the_tile_says_where_there_is_none(tmp_path: Path) -> None:
    record = make_record(("good", "bad"))
    evidence = record.spec.evidence
    assert evidence is not None
    for high, words in ((-0.3, "own: bad -40.0\u00a0% [-50.0,\u00a0-30.0]."), (0.3, "no clear loss against all")):
        bad = evidence.tasks[1].model_copy(update={"gain_vs_separate": Interval(mean=-0.4, low=-0.5, high=high)})
        changed = evidence.model_copy(update={"tasks": (evidence.tasks[0], bad)})
        spec = record.spec.model_copy(update={"evidence": changed})
        text, _ = write(dataclasses.replace(record, spec=spec), tmp_path)
        assert words in text
        assert ("Clearly worse" in text) == (high < 0)


def test_the_shown_spec_loads(nine: tuple[Path, str, Page]) -> None:
    shown = next(cell for cell in nine[2].cells if "schema: taskgroup/spec/1" in cell)
    assert Spec.from_dict(yaml.safe_load(shown)) == with_helper(make_record()).spec


def test_text_of_users_is_escaped(tmp_path: Path) -> None:
    text, page = write(make_record(("a", HOSTILE, '"><script>alert(1)</script>'), name=HOSTILE), tmp_path)
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert HOSTILE in page.cells
    assert "&lt;b&gt;&amp;" in text
    svg = (tmp_path / "figures" / "topology.svg").read_text()
    assert '&lt;b&gt;&amp;"x' in svg


@pytest.mark.parametrize(
    "record",
    [make_record(("only",)), make_record(evidence=False), make_record(("a", "b"), evidence=False, n_trials=0)],
    ids=["one task", "no evidence", "nothing but a spec"],
)
def test_it_degrades_well(tmp_path: Path, record: Record) -> None:
    text, page = write(record, tmp_path)
    if record.spec.evidence is None:
        assert page.cells[0] == "Not confirmed"
        assert 'id="gains"' not in text
    assert "None" not in page.cells


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        write_report(make_record(("a", "b", "c")), tmp_path / name)
    first = {p.relative_to(tmp_path / "first"): p.read_bytes() for p in (tmp_path / "first").rglob("*.*")}
    second = {p.relative_to(tmp_path / "second"): p.read_bytes() for p in (tmp_path / "second").rglob("*.*")}
    assert first == second
    assert len(first) == 13
