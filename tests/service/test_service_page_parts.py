"""The page's own mathematics and texts, against the package's: what is written twice says the same twice."""

import itertools
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from page_browser import PAGE

from taskgroup.core.affinity import Affinity
from taskgroup.report.plots.range import lowest_shown
from taskgroup.report.summary import HEADLINES
from taskgroup.service.model import JobState

if TYPE_CHECKING:
    from playwright.sync_api import Page


def call(page: "Page", module: str, body: str, *values: Any) -> Any:
    """What an expression over the module ``m`` and the ``values`` gives."""
    source = f"async (values) => {{ const m = await import('/static/{module}'); return ({body}); }}"
    return page.evaluate(source, list(values))


NASTY: list[Any] = [
    *(
        "plain",
        "with space",
        "yes",
        "Null",
        "1",
        "1e5",
        "a: b",
        "- a",
        "#x",
        "'q'",
        '"q"',
        "",
        " ",
        "a\nb",
        "\t",
        "é",
        "日本",
    ),
    *(
        "🦊",
        "\u2028",
        "\x7f",
        "\ufeff",
        "[a]",
        "{a}",
        "&a",
        "*a",
        "!a",
        "%a",
        "@a",
        "`a",
        "~",
        "=",
        "<<",
        "012",
        "0x1f",
        "1_0",
    ),
    *("2024-01-31", "12:30", ".inf", "on", "Off", "null", "x" * 200, "trailing ", "a #b", "key:", "?", "|", ">"),
    *(0, -1, 1e-7, 1e21, 1.5, -2.5e-10, True, False, None),
]


def test_yaml_is_read_back_as_what_was_written(page: "Page") -> None:
    nested = {
        "list": NASTY,
        "map": {str(value): value for value in NASTY},
        "deep": {"a": {"b": {"c": [{"method": "x", "n": 1}, {"method": "y" * 120, "o": {"p": [1, [2, 3]]}}]}}},
        "empty": {"list": [], "map": {}},
        "long": [f"column number {k}" for k in range(40)],
    }
    text = call(page, "submit/yaml.js", "m.toYaml(values[0])", nested)
    assert yaml.safe_load(text) == nested


def test_config_of_a_table_in_both_forms(page: "Page") -> None:
    columns = [{"name": n, "task": n in "cd", "kind": "binary", "input": n in "ab"} for n in "abcde"]
    form = {"name": "n", "data": "table", "file": "t.csv", "form": "wide", "columns": columns, "trials": 9, "split": ""}
    space = {
        "config": {"trunk": {"name": "mlp"}, "problem": {"source": "bundled"}, "search": {"trials": 3, "steps": 5}}
    }
    wide = call(page, "submit/config.js", "m.configOf(values[0])", {**form, "space": space})
    kinds = {"c": {"kind": "binary"}, "d": {"kind": "binary"}}
    assert wide == {
        "name": "n",
        "problem": {"source": "table", "path": "uploads/t.csv", "inputs": ["a", "b"], "tasks": kinds},
        "trunk": {"name": "mlp"},
        "search": {"trials": 9, "steps": 5},
    }
    long = {"form": "long", "taskColumn": "d", "labelColumn": "e", "taskNames": ["x", "y"], "kind": "regression"}
    found = call(page, "submit/config.js", "m.configOf(values[0])", {**form, **long, "space": None, "split": "c"})
    assert found["problem"] == {
        "source": "table",
        "path": "uploads/t.csv",
        "tasks": {"x": {"kind": "regression"}, "y": {"kind": "regression"}},
        "task_column": "d",
        "label_column": "e",
        "split": {"column": "c"},
    }


def test_centred_affinity_is_the_package_s(page: "Page") -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 5, 5))
    values[0, 1, 3] = np.nan
    tasks = tuple("abcde")
    affinity = Affinity(tasks, ("s", "trunk"), values, np.abs(values) / 3, np.full((2, 5, 5), 7))
    raw = {
        "tasks": list(tasks),
        "stages": ["s", "trunk"],
        "values": nulls(values),
        "stderr": nulls(affinity.stderr),
        "counts": affinity.counts.tolist(),
    }
    found = call(page, "draw/centred.js", "m.prepared(values[0], [])", raw)
    for s, stage in enumerate(affinity.stages):
        shown = np.array(found["centred"][s], dtype=float)
        np.testing.assert_allclose(shown, affinity.centred(stage), rtol=1e-9)
        known = ~np.isnan(shown)
        errors = np.array(found["errors"][s], dtype=float)
        np.testing.assert_allclose(errors[known], affinity.centred_stderr(stage)[known], rtol=1e-9)
    order = call(page, "draw/centred.js", "m.prepared(values[0], values[1]).tasks", raw, list("edcba"))
    assert order == list("edcba")


def test_a_problem_goes_through_the_form_unchanged(page: "Page") -> None:
    columns = [{"name": name, "task": False, "input": True, "kind": "", "why": ""} for name in "abcdef"]
    wide = {
        "source": "table",
        "path": "uploads/t.csv",
        "categorical": ["a"],
        "inputs": ["a", "b"],
        "tasks": {"c": {"kind": "binary", "weight": 2}, "d": {"kind": "regression", "loss": "huber"}},
        "split": {"column": "f"},
    }
    long = {
        "source": "table",
        "path": "uploads/t.csv",
        "tasks": {"x": {"kind": "binary", "weight": 3}, "y": {"kind": "binary"}},
        "task_column": "c",
        "label_column": "d",
        "split": {"train": 0.5, "val": 0.2, "test": 0.3, "seed": 4},
    }
    there = (
        "(await import('/static/submit/config.js')).configOf({data: 'table', file: 't.csv', space: null, ...filled})"
    )
    source = f"(async () => {{ const filled = m.formOf(values[0], values[1]); return filled && {there}.problem; }})()"
    for problem in (wide, long):
        assert call(page, "submit/again.js", f"await {source}", problem, columns) == problem
    for beyond in (
        {**wide, "tasks": {"c": {"kind": "binary", "path": "uploads/other.csv"}}},
        {**wide, "tasks": {"other": {"kind": "binary", "column": "c"}}},
        {**wide, "inputs": ["pixels"]},
        {**long, "tasks": {"x": {"kind": "binary"}, "y": {"kind": "regression"}}},
    ):
        assert call(page, "submit/again.js", "m.formOf(values[0], values[1])", beyond, columns) is None


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("config: `name`: should be letters, found ''", "name", "Name: is missing; give the job one."),
        ("config: `name`: should be letters, found 'a b'", "name", "Name: should be letters, found 'a b'"),
        ("config: `problem.tasks.a.b.kind` is missing", "kind", "Kind of a.b: choose one."),
        ("config: `trunk` is missing; name one of mlp", "space", "Start from: has no trunk; choose a search space."),
        (
            "config: `search.trials`: input should be greater than or equal to 2, found 0",
            "trials",
            "Trials of the search: should be at least 2, found 0",
        ),
        (
            "query `priority`: input should be less than or equal to 100, found `2000`",
            "priority",
            "Priority: should be at most 100, found 2000",
        ),
        ("body, line 2: should be YAML", "text", "Config, line 2: should be YAML"),
        ("config: `limits.macs_ratio`: should be a number", "text", "`limits.macs_ratio`: should be a number"),
    ],
)
def test_faults_in_the_form_s_words(page: "Page", text: str, key: str, words: str) -> None:
    view = {"form": {"data": "table", "file": "t.csv", "form": "wide"}, "edited": False}
    found = call(page, "submit/words.js", "m.read(values[0], 422, values[1])", text, view)
    assert (found["key"], found["words"]) == (key, words)
    by_hand = call(page, "submit/words.js", "m.read(values[0], 422, values[1])", text, {**view, "edited": True})
    assert by_hand["key"] == (key if text.startswith("query") else "text")


def test_origins_are_said_in_short_and_cut_between_words(page: "Page") -> None:
    proposed = (
        "hierarchical(average), 2 groups (also hierarchical(ward), 2 groups; spectral, 2 groups), branching after b1"
    )
    short = call(page, "lib/format.js", "m.originWords(values[0])", proposed)
    assert short == "hierarchical(average), 2 groups, branching after b1"
    assert call(page, "lib/format.js", "m.originWords(values[0], true)", proposed) == proposed
    assert call(page, "lib/format.js", "m.shorten(values[0], 60)", proposed) == (
        "hierarchical(average), 2 groups (also…branching after b1"
    )


def nulls(array: Any) -> Any:
    return json.loads(json.dumps(array.tolist()).replace("NaN", "null"))


def test_range_of_gains_is_the_report_s(page: "Page") -> None:
    rng = np.random.default_rng(1)
    ruined = [*rng.normal(size=30).tolist(), -50.0, -80.0]
    for gains, kept in itertools.product(([0.1], [0.1, 0.1], ruined, rng.normal(size=12).tolist()), ([], [-3.0])):
        found = call(page, "draw/figure.js", "m.lowestShown(values[0], values[1])", gains, kept)
        expected = lowest_shown(gains, kept)
        assert found == (None if expected is None else pytest.approx(expected))


def test_verdicts_and_states_are_known(page: "Page") -> None:
    assert call(page, "lib/format.js", "m.HEADLINES") == HEADLINES
    assert set(call(page, "lib/format.js", "m.STATES")) == {state.value for state in JobState}
    assert set(call(page, "lib/format.js", "[...m.ENDED]")) == {s.value for s in JobState if s.is_terminal}


def test_numbers_and_names_as_people_read_them(page: "Page") -> None:
    shown = call(page, "lib/format.js", "[m.percent(0.0123), m.percent(-0.5), m.percent(-0.0001), m.percent(null)]")
    assert shown == ["+1.2 %", "\u221250.0 %", "0.0 %", "\u2013"]
    assert call(page, "lib/format.js", "m.printable('a\\u202eb\\u0007')") == "a\\u202eb\\u0007"
    assert call(page, "lib/format.js", "m.shorten('abcdefghijklmnop', 10)") == "abcdef…nop"
    times = [5, 40, 600, 7200, 400_000]
    words = ["less than 10 s", "40 s", "10 min", "2.0 h", "5 days"]
    assert call(page, "lib/format.js", "values[0].map(m.duration)", times) == words


def test_messages_of_a_stream_in_pieces(page: "Page") -> None:
    body = ": hello\n\nevent: note\ndata: {}\nid: 3\n\ndata: a\ndata: b\nid: 4\n\ndata: unfin"
    pieces = "[...values[0]].reduce((rest, c) => m.takeMessages(rest + c, (x) => found.push(x)), '')"
    source = f"(() => {{ const found = []; return [found, {pieces}]; }})()"
    found, rest = call(page, "lib/stream.js", source, body)
    assert found == [{"id": "3", "data": "{}"}, {"id": "4", "data": "a\nb"}]
    assert rest == "data: unfin"


def test_nothing_on_the_page_makes_markup_of_text_or_asks_others() -> None:
    sources = {
        path: path.read_text(encoding="utf-8") for path in PAGE.rglob("*") if path.suffix in (".js", ".html", ".css")
    }
    assert len(sources) > 30
    for path, text in sources.items():
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "https://", "@import"):
            assert word not in text, (path.name, word)
        assert [line for line in text.splitlines() if len(line) > 120] == [], path.name
