"""From a table to a plan in the browser: submit, watch, look at the plan, download."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from page_browser import DESKTOP, HOSTILE, PHONE, base, opened, table, tiny

from taskgroup.exporters import load_spec

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

DONE_MS = 180_000


def test_submit_watch_plan_and_download(browser: "Browser", site: str, tmp_path: Path) -> None:
    with opened(browser, f"{site}/#/submit") as page:
        page.get_by_label("Upload a table").set_input_files(table(tmp_path, "first.csv"))
        page.get_by_role("checkbox", name="wear is a task").check()
        page.get_by_role("checkbox", name=f"{HOSTILE} is a task").check()
        page.get_by_role("checkbox", name="alarm is a task").check()
        assert page.get_by_label("Kind of alarm").input_value() == "binary"
        assert not page.get_by_role("checkbox", name="row is an input").is_checked()  # it counts the rows
        config = page.get_by_label("Config", exact=True)
        assert "inputs: [heat, flow, load]" in config.input_value()
        config.fill(tiny(config.input_value()))
        page.get_by_role("button", name="Submit the job").click()
        watch(page, "first")
        look(page)
        take(page, site, tmp_path)


def watch(page: "Page", name: str) -> None:
    """The job's page comes up and follows the job to its end."""
    page.get_by_role("heading", name=name, level=1).wait_for()
    page.locator("#search svg.scatter").wait_for(timeout=DONE_MS)
    page.locator(".badge", has_text="Done").wait_for(timeout=DONE_MS)
    trials = httpx.get(f"{base(page.url)}/api/jobs/{name}/trials").json()["trials"]
    total, best = len(trials), max((t["gain"], -t["number"]) for t in trials if t["gain"] is not None)
    page.locator("#search").get_by_text(f"in trial {-best[1]}.").wait_for()
    assert total >= 6  # repeats are listed too
    page.locator(".log .trial").nth(total - 1).wait_for()
    page.locator("#search .point").nth(total - 1).wait_for()
    assert page.locator("#search .point").count() == total


def look(page: "Page") -> None:
    """Everything that a plan has is there, and a click on a candidate shows its topology."""
    page.locator("#affinity svg.map").wait_for()
    page.locator("#proposals svg.dendrogram").wait_for()
    page.locator("#plan svg.topology").wait_for()
    before = page.locator("#plan .candidate h3").first.text_content()
    other = page.locator("#plan .point[aria-pressed='false']").first
    key = other.get_attribute("data-key")
    other.focus()
    page.keyboard.press("Enter")
    after = page.locator("#plan .candidate h3").first
    assert re.match(rf"Trial {key},", after.text_content() or "")
    assert after.text_content() != before
    page.get_by_role("button", name="Compare two").click()
    page.locator("#plan svg.topology").nth(1).wait_for()  # drawn once the panel has its width
    assert page.get_by_role("table", name="Gain per task under the search seed").locator("tbody tr").count() == 3


def take(page: "Page", site: str, tmp_path: Path) -> None:
    """The downloads are what they say."""
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Spec as YAML").click()
    waiting.value.save_as(tmp_path / "spec.yaml")
    assert HOSTILE in load_spec(tmp_path / "spec.yaml").tasks.names
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Spec as JSON").click()
    waiting.value.save_as(tmp_path / "spec.json")
    assert json.loads((tmp_path / "spec.json").read_text())["schema"] == "taskgroup/spec/1"
    report = page.get_by_role("link", name="Report").get_attribute("href")
    assert "<!doctype html>" in httpx.get(f"{site}/{report}").text


def test_keyboard_alone_submits_from_a_phone(browser: "Browser", site: str, tmp_path: Path) -> None:
    path = table(tmp_path, "keys.csv")
    with opened(browser, f"{site}/#/jobs", PHONE) as page:
        page.get_by_role("heading", name="Jobs", exact=True).wait_for()
        tab_to(page, page.get_by_role("navigation", name="Main").get_by_role("link", name="New job"))
        page.keyboard.press("Enter")
        tab_to(page, page.get_by_label("Upload a table"))
        choose_by_keys(page, path)
        page.get_by_role("checkbox", name="wear is a task").wait_for()
        for name in ("wear", HOSTILE, "alarm"):
            tab_to(page, page.get_by_role("checkbox", name=f"{name} is a task"))
            page.keyboard.press("Space")
        tab_to(page, page.get_by_label("Name", exact=True))
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type("by-keys")
        tab_to(page, page.get_by_label("Config", exact=True))
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.insert_text(tiny(page.get_by_label("Config", exact=True).input_value()))
        tab_to(page, page.get_by_role("button", name="Submit the job"))
        page.keyboard.press("Enter")
        watch(page, "by-keys")
        tab_to(page, page.locator("#plan .point[tabindex='0']"))
        page.keyboard.press("ArrowRight")
        assert (page.locator("#plan .readout").text_content() or "").startswith("Trial ")
        tab_to(page, page.locator("#affinity svg.map"))
        cell = page.locator("#affinity .cell")
        before = cell.text_content()
        page.keyboard.press("ArrowDown")
        assert cell.text_content() != before


def choose_by_keys(page: "Page", path: Path) -> None:
    """Enter opens the file chooser; where the machine is busy Chromium drops one now and then."""
    from playwright.sync_api import TimeoutError as LateError

    for _ in range(5):
        try:
            with page.expect_file_chooser(timeout=10_000) as chooser:
                page.keyboard.press("Enter")
        except LateError:
            continue
        chooser.value.set_files(path)
        return
    raise AssertionError("Enter opens no file chooser")


def tab_to(page: "Page", goal: "Locator") -> None:
    """Press Tab until ``goal`` has the focus."""
    for _ in range(120):
        if goal.evaluate("(element) => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{goal} is not reached by Tab")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_faults_are_listed_and_tied_to_their_fields(
    browser: "Browser", site: str, tmp_path: Path, size: tuple[int, int]
) -> None:
    with opened(browser, f"{site}/#/submit", size, expected="status of 4(22|09)") as page:
        page.get_by_label("Upload a table").set_input_files(table(tmp_path, "faults.csv"))
        page.get_by_role("checkbox", name="wear is a task").check()
        page.get_by_label("Kind of wear").select_option("")
        page.get_by_label("Name", exact=True).fill("no name!")
        page.get_by_role("button", name="Submit the job").click()
        faults = page.get_by_role("alert").get_by_role("listitem")
        faults.nth(1).wait_for()
        assert faults.count() == 2
        assert page.locator("[aria-invalid='true']").count() == 2
        for name, words in (("Name", "letters and digits"), ("Kind of wear", "Kind of wear: choose one.")):
            described = page.get_by_label(name, exact=True).get_attribute("aria-describedby") or ""
            texts = [page.locator(f"[id='{key}']").text_content() or "" for key in described.split()]
            assert any(words in text for text in texts), (name, texts)
        faults.first.get_by_role("button", name="Go to the field").click()
        assert page.get_by_label("Name", exact=True).evaluate("(e) => e === document.activeElement")


def test_a_name_that_is_taken_shows_the_difference(browser: "Browser", planned: str) -> None:
    with opened(browser, f"{base(planned)}/#/submit", expected="status of 409") as page:
        page.get_by_role("radio", name="An example's data").check()
        page.get_by_label("Name", exact=True).fill("planned")
        page.get_by_role("button", name="Submit the job").click()
        page.get_by_role("alert").get_by_text("another config:").first.wait_for()
        assert page.get_by_label("Name", exact=True).get_attribute("aria-invalid") == "true"
