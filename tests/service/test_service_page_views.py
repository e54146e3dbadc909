"""Every view at desktop and phone width, in light and dark: it fits, it can be read, it has names and labels."""

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from page_browser import DESKTOP, HOSTILE, PHONE, TINY, base, opened, posted

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

VIEWS = ["#/jobs", "#/jobs?search=nothing-of-that-name", "#/submit", "#/jobs/planned"]
SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])

CONTRASTS = """() => {
  const channels = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = (top, below) => top.slice(0, 3).map((c, k) => top[3] * c + (1 - top[3]) * below[k]);
  const light = (rgb) => rgb.map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, k) => sum + c * [0.2126, 0.7152, 0.0722][k], 0);
  const back = (element) => {
    if (!element) return [255, 255, 255];
    const own = channels(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own.slice(0, 3) : over(own, back(element.parentElement));
  };
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const words = texts.currentNode.data.trim();
    if (!words || !element.checkVisibility() || element.closest(".unseen, .skip, .map .value")) continue;
    if (element.closest(":disabled")) continue;
    const style = getComputedStyle(element);
    const box = element.closest(".adapter, .copy")?.querySelector("rect");
    const below = element.closest("svg")?.parentElement ?? element;
    const ground = box ? channels(getComputedStyle(box).fill).slice(0, 3) : back(below);
    const colour = over(channels(element instanceof SVGElement ? style.fill : style.color), ground);
    const [a, b] = [light(colour), light(ground)].sort((x, y) => y - x);
    found.push([words.slice(0, 40), (a + 0.05) / (b + 0.05)]);
  }
  return found;
}"""
"""Every text that is seen but in the cells of the map, with the contrast of its colour to what lies behind it."""

UNNAMED = """() => [...document.querySelectorAll("button, a, input, select, textarea, [role=button], [tabindex='0']")]
  .filter((e) => e.checkVisibility() && !e.labels?.length && !e.getAttribute("aria-label") && !e.textContent.trim())
  .map((e) => e.outerHTML.slice(0, 120))"""


def settled(page: "Page", view: str) -> None:
    """The view has drawn what it shows."""
    waited = {"#/jobs/planned": "svg.topology", "#/submit": "textarea.code"}.get(view, ".jobs li, .empty")
    page.locator(waited).first.wait_for()
    if view == "#/jobs/planned":
        page.locator(".log .state", has_text="done").wait_for()
        page.locator(".formats a").first.wait_for()


@SIZES
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_and_nothing_hangs_over(
    browser: "Browser", planned: str, size: tuple[int, int], scheme: str
) -> None:
    with opened(browser, f"{base(planned)}/#/jobs", size, color_scheme=scheme, reduced_motion="reduce") as page:
        for view in VIEWS:
            page.evaluate("(hash) => { location.hash = hash; }", view)
            settled(page, view)
            contrasts = page.evaluate(CONTRASTS)
            assert len(contrasts) > 8, view
            assert [c for c in contrasts if c[1] < 4.5] == [], view
            wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert wide[0] <= wide[1], view
            assert page.evaluate(UNNAMED) == [], view


@SIZES
def test_landmarks_headings_and_captions(browser: "Browser", planned: str, size: tuple[int, int]) -> None:
    with opened(browser, planned, size) as page:
        settled(page, "#/jobs/planned")
        assert page.get_by_role("banner").count() == page.get_by_role("main").count() == 1
        assert page.get_by_role("heading", level=1).all_text_contents() == ["planned"]
        parts = ["Plan", "Search", "Affinity", "Proposals", "Files", "Log"]
        assert page.get_by_role("heading", level=2).all_text_contents() == parts
        for summary in page.locator("details > summary").all():
            summary.click()
        tables = page.locator("table")
        tables.nth(6).wait_for()  # what is folded is made when it is opened
        assert tables.count() == 7
        assert all(tables.nth(k).locator("caption").text_content() for k in range(tables.count()))
        assert page.get_by_role("log").get_attribute("tabindex") == "0"
        wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1]


def test_stage_slider_turns_the_map_and_names_the_stage(browser: "Browser", planned: str) -> None:
    with opened(browser, planned) as page:
        slider = page.get_by_role("slider")
        slider.wait_for()
        assert slider.get_attribute("aria-valuetext") == "whole trunk"
        before = page.locator("#affinity .cell").text_content()
        slider.focus()
        page.keyboard.press("Home")
        assert slider.get_attribute("aria-valuetext") == "block1"
        assert page.locator("#affinity .cell").text_content() != before


def test_hostile_names_are_shown_as_they_are(browser: "Browser", planned: str) -> None:
    with opened(browser, planned) as page:
        settled(page, "#/jobs/planned")
        page.locator("#proposals summary").first.click()
        for part in ("#affinity svg", "#proposals svg", "#plan svg.topology"):
            assert "<img src=x" in (page.locator(part).first.text_content() or "")
        assert HOSTILE in (page.locator("#proposals table").first.text_content() or "")
        assert page.locator("img").count() == 0


def test_controls_pause_edit_resume_cancel_delete(browser: "Browser", site: str, tmp_path: "Path") -> None:
    endless = TINY.replace("steps: 12", "steps: 20000000")
    posted(site, tmp_path, "endless", wait=False, sections=endless)
    with opened(browser, f"{site}/#/jobs/endless") as page:
        badge = page.locator(".jobhead .badge")
        badge.get_by_text("Running").wait_for()
        press(page, "Edit")
        page.get_by_label("Priority").fill("7")
        page.get_by_label("Workers").fill("1")
        press(page, "Save")
        page.get_by_text("priority 7").wait_for()
        press(page, "Pause")
        badge.get_by_text("Paused").wait_for()
        press(page, "Resume")
        badge.get_by_text("Running").wait_for()
        press(page, "Cancel job")
        press(page, "Let it run")
        press(page, "Cancel job")
        press(page, "Cancel the job")
        badge.get_by_text("Cancelled").wait_for()
        assert page.get_by_role("log").get_by_text("cancel").count() > 0
        press(page, "Delete")
        press(page, "Delete for good")
        page.get_by_role("heading", name="Jobs", exact=True).wait_for()
    assert httpx.get(f"{site}/api/jobs/endless").status_code == 404


def press(page: "Page", name: str) -> None:
    page.get_by_role("button", name=name).click()


def test_what_the_server_refuses_is_said(browser: "Browser", site: str, tmp_path: "Path") -> None:
    posted(site, tmp_path, "stubborn", wait=False, sections=TINY.replace("steps: 12", "steps: 20000000"))
    with opened(browser, f"{site}/#/jobs/stubborn", expected="status of 422") as page:
        page.locator(".badge", has_text="Running").wait_for()
        page.get_by_role("button", name="Edit").click()
        page.get_by_label("Trials of the search").fill("1")
        page.get_by_role("button", name="Save").click()
        page.get_by_role("dialog").get_by_role("alert").get_by_text("trials").wait_for()
        page.keyboard.press("Escape")
        assert page.get_by_role("dialog").count() == 0
    httpx.post(f"{site}/api/jobs/stubborn/cancel").raise_for_status()


def test_list_is_filtered_and_paged(browser: "Browser", site: str, planned: str) -> None:
    names = [f"many-{k:02d}" for k in range(23)]
    with httpx.Client(base_url=site) as client:
        for name in names:
            config: dict[str, Any] = {
                "name": name,
                "problem": {"source": "bundled", "name": "diabetes"},
                "trunk": {"name": "mlp"},
            }
            client.post("/api/jobs?priority=-9", json=config).raise_for_status()
            client.post(f"/api/jobs/{name}/cancel").raise_for_status()
    with opened(browser, f"{base(planned)}/#/jobs") as page:
        page.get_by_label("Search", exact=True).fill("many")
        page.get_by_text("1 to 20 of 23 jobs").wait_for()
        assert page.get_by_role("link", name="many-").count() == 20
        page.get_by_role("button", name="Older").click()
        page.get_by_text("21 to 23 of 23 jobs").wait_for()
        assert page.get_by_role("link", name="many-").count() == 3
        page.get_by_label("State").select_option("done")
        page.get_by_text("No job fits.").wait_for()
        page.get_by_role("link", name="Show all jobs").click()
        page.get_by_role("link", name="many-22").wait_for()
