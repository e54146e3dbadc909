"""Pieces of the page by themselves, with data that a real job seldom gives."""

from typing import TYPE_CHECKING, Any

import pytest
from page_browser import PAGE, PHONE, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def put(page: "Page", module: str, body: str, *values: Any) -> Any:
    """Put the piece ``part`` that ``body`` makes of the module ``m`` on the page; comes back with ``found``."""
    start = f"const m = await import('/static/{module}'); let found = null;"
    end = "document.getElementById('main').replaceChildren(part.element); return found;"
    return page.evaluate(f"async (values) => {{ {start} {body}; {end} }}", list(values))


def point(number: int, gain: float, **more: Any) -> dict[str, Any]:
    """A candidate that separates its two tasks."""
    made = {"number": number, "name": "sampler", "gain": gain, "params_ratio": 2.0, "macs_ratio": 2.0 - number / 10}
    tree = {"stages": ["block1"], "tasks": ["a", "b"], "matrix": [[0, 1]], "adapters": [], "helpers": []}
    rest: dict[str, Any] = {
        "on_front": False,
        "chosen": False,
        "baseline": None,
        "head_size": 0,
        "training": "",
        "task_gains": {},
    }
    return made | tree | rest | more


POINTS = [
    point(0, 0.0, baseline="all-separate", chosen=True, on_front=True, name="all-separate"),
    point(1, -0.1, baseline="all-shared", on_front=True, gain_low=-0.2, gain_high=0.0, gain_confirmed=-0.1),
    point(2, -0.05, on_front=True),
    *(point(k, -0.15) for k in range(3, 30)),
    point(30, -9.0),
]


def test_a_candidate_that_is_chosen_by_hand_stays(page: "Page") -> None:
    body = """const part = m.planPart(); part.update({ points: values[0] });
      const box = part.element.querySelector("select"); found = [box.value];
      box.value = "2"; box.dispatchEvent(new Event("change")); part.update({ points: values[0] });
      found.push(box.value, [...box.options].slice(0, 2).map((o) => o.textContent))"""
    first, after, options = put(page, "job/plan.js", body, POINTS)
    assert (first, after) == ("0", "2")
    assert options == ["0: 0.0 %, 2.00 \u00d7 MACs (plan, all-separate)", "2: \u22125.0 %, 1.80 \u00d7 MACs"]


def test_legends_have_every_sign_that_is_drawn_and_no_other(page: "Page") -> None:
    plan = "const part = m.planPart(); part.update({ points: values[0] })"
    put(page, "job/plan.js", plan, POINTS)
    words = page.locator("#main figure .legend li").all_text_contents()
    assert words == [
        "best for its cost",
        "candidate, the best for its cost",
        "other candidate",
        "all-shared",
        "all-separate",
        "the plan, here all-separate itself",
        "confirmed, on fresh seeds",
        "gain below the axis",
    ]
    page.locator(".point.chosen .sign.diamond.under").wait_for()  # the baseline is seen beneath the star
    page.locator(".point .sign.below").wait_for()
    put(page, "job/plan.js", plan, [point(0, 0.0), point(1, 0.1, chosen=True)])
    assert page.locator("#main figure .legend li").all_text_contents() == [
        "best for its cost",
        "other candidate",
        "the plan",
    ]
    trials = [{"number": k, "origin": "sampler", "state": "complete", "gain": 0.01 * k} for k in range(30)]
    stopped = {"number": 30, "origin": "sampler", "state": "pruned", "gain": None}
    ruined = {"number": 31, "origin": "sampler", "state": "complete", "gain": -9}
    history = "const part = m.historyPart({}); part.update({ trials: values[0] })"
    put(page, "job/history.js", history, [*trials, stopped, ruined])
    words = page.locator("#main figure .legend li").all_text_contents()
    assert words == ["best so far", "sampled", "gain below the axis", "without a gain: see its row"]


@pytest.mark.parametrize(
    ("n", "heights", "words"),
    [(2, [0.0], "two tasks can only join one another"), (3, [0.0, 1e-15], "all tasks join at a distance of 0")],
)
def test_no_chart_of_a_tree_without_heights(page: "Page", n: int, heights: list[float], words: str) -> None:
    tasks = ["a", "b", "c"][:n]
    merges = [[0, 1, heights[0], 2], [n, 2, heights[-1], 3]][: n - 1]
    tree = {"source": "x", "tasks": tasks, "leaves": tasks, "merges": merges}
    body = "const part = m.proposalsPart(); part.update(values[0])"
    put(page, "job/proposals.js", body, {"proposals": [], "recommended": None, "dendrogram": tree})
    page.get_by_text(words).wait_for()
    assert page.locator("#main svg").count() == 0


def test_no_map_where_nothing_can_be_compared(page: "Page") -> None:
    two = [[[None, 0.25], [-0.5, None]]]
    raw = {"tasks": ["a", "b"], "stages": ["trunk"], "values": two, "stderr": two, "counts": [[[0, 7], [8, 0]]]}
    put(page, "job/affinity.js", "const part = m.affinityPart(); part.update(values[0], null)", raw)
    page.get_by_text("Of two tasks each has a single source").wait_for()
    assert page.locator("#main svg").count() == 0
    rows = page.locator("#main tbody tr")
    assert [" ".join(row.locator("th, td").all_text_contents()) for row in rows.all()] == [
        "a \u2192 b 0.25 0.25 7",
        "b \u2192 a \u22120.5 \u22120.5 8",
    ]


JOB = {
    "name": "n", "state": "running", "step": "search", "done": 1, "total": 9, "best_gain": 0.028, "priority": 0,
    "verdict": None, "gain": None, "wanted": "run", "message": "", "created": "2020-01-31T07:50:00+00:00",
    "started": "2020-01-31T07:51:00+00:00", "ended": None,
}  # fmt: skip
ENDED = {"ended": "2020-01-31T08:00:00+00:00"}
SHARED = {"verdict": {"code": "share_everything", "text": ""}}


@pytest.mark.parametrize(
    ("changes", "gain", "when"),
    [
        ({}, "+2.8 % best so far, validation", "started 31 Jan 2020"),
        ({"state": "queued", "best_gain": None, "started": None}, "", "submitted 31 Jan 2020"),
        ({"state": "failed", **ENDED}, "+2.8 % best, validation", "ended 31 Jan 2020"),
        ({"state": "done", **ENDED, **SHARED, "gain": {"mean": 0.006}}, "+0.6 % gain of the plan, test", "ended"),
        ({"state": "done", **ENDED, **SHARED}, "", "ended"),
    ],
)
def test_the_list_says_which_gain_and_when(page: "Page", changes: dict[str, Any], gain: str, when: str) -> None:
    put(page, "job/row.js", "const part = m.jobRow(); part.update(values[0])", {**JOB, **changes})
    shown = page.locator("#main .gain")
    assert (shown.text_content() if shown.is_visible() else "") == gain
    assert (page.locator("#main .when").text_content() or "").startswith(when)


def test_names_have_room_on_a_phone_and_no_format_stands_twice(browser: "Browser", planned: str) -> None:
    with opened(browser, planned, PHONE) as page:
        page.locator(".formats a").first.wait_for()
        assert not {"json", "yaml"} & set(page.locator(".formats a").all_text_contents())
        page.locator("#files").get_by_text("with all defaults").wait_for()
        page.get_by_text("All candidates as a table").click()
        column = page.locator("#plan td.name").first.bounding_box()
        assert column is not None
        assert column["width"] >= 190


def test_the_top_bar_breaks_no_word_on_the_smallest_phone(browser: "Browser", site: str) -> None:
    with opened(browser, f"{site}/#/jobs", (320, 640)) as page:
        page.locator("#link[data-state=live]").wait_for()
        for state in ("live", "lost"):
            page.evaluate("(state) => { document.getElementById('link').dataset.state = state; }", state)
            heights = page.locator(".brand, header nav a").evaluate_all("(all) => all.map((e) => e.offsetHeight)")
            assert max(heights) <= 56
            assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_without_scripts_the_page_says_what_to_type() -> None:
    assert "taskgroup jobs --url ADDRESS" in (PAGE / "index.html").read_text(encoding="utf-8")
