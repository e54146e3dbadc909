"""The form for a new job: filled in by clicks alone, its faults, another job's config in it."""

import re
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pandas as pd
import pytest
import yaml
from page_browser import DESKTOP, HOSTILE, PHONE, base, opened, table

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page, Route

SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])


def config_of(site: str, name: str) -> dict[str, Any]:
    """What a job was asked for; one that is under way is not wanted any more."""
    httpx.post(f"{site}/api/jobs/{name}/cancel")  # a finished one cannot be
    found: dict[str, Any] = httpx.get(f"{site}/api/jobs/{name}/config").json()
    return found


def submit(page: "Page") -> None:
    page.get_by_role("button", name="Submit the job").click()


@SIZES
def test_clicks_alone_make_a_config_that_can_run(
    browser: "Browser", site: str, tmp_path: "Path", size: tuple[int, int]
) -> None:
    name = f"clicks-{size[0]}"
    with opened(browser, f"{site}/#/submit", size) as page:
        page.get_by_label("Upload a table").set_input_files(table(tmp_path, f"{name}.csv"))
        for task in ("wear", "alarm"):
            page.get_by_role("checkbox", name=f"{task} is a task").check()
        submit(page)
        page.get_by_role("heading", name=name, level=1).wait_for()
    config = config_of(site, name)
    assert config["trunk"]["name"] == "mlp"
    assert list(config["problem"]["tasks"]) == ["wear", "alarm"]


def test_search_spaces_follow_the_data(browser: "Browser", site: str) -> None:
    with opened(browser, f"{site}/#/submit") as page:
        page.locator("button[type=submit]:enabled").wait_for()
        space = page.get_by_label("Start from")
        assert space.locator("option").all_text_contents() == ["quick", "table", "thorough"]
        assert space.input_value() == "table"
        page.get_by_role("radio", name="An example's data").check()
        assert space.locator("option").all_text_contents() == ["digits"]
        assert page.locator(".part:visible > legend").all_text_contents() == ["Data", "Search space", "Job"]
        number = "getComputedStyle(document.querySelector('.number'), '::before').content"
        assert page.evaluate(number) == "counter(part)"  # which leaves out the part that is hidden
        assert page.get_by_label("Name", exact=True).input_value() == "digits"
        page.get_by_role("radio", name="A table of my own").check()
        assert space.input_value() == "table"
        assert page.get_by_label("Name", exact=True).input_value() == ""


@SIZES
def test_faults_go_when_their_field_is_corrected(
    browser: "Browser", site: str, tmp_path: "Path", size: tuple[int, int]
) -> None:
    with opened(browser, f"{site}/#/submit", size, expected="status of 4(00|22)") as page:
        faults, invalid = page.get_by_role("alert").get_by_role("listitem"), page.locator("[aria-invalid='true']")

        def said(*words: str) -> None:
            submit(page)
            faults.nth(len(words) - 1).wait_for()
            assert [text.partition(" Go to")[0] for text in faults.all_inner_texts()] == list(words)
            assert invalid.count() == len(words)

        said("Name: is missing; give the job one.", "Upload a table: none is chosen.")
        page.get_by_label("Name", exact=True).fill("corrected")
        assert (faults.count(), invalid.count()) == (1, 1)
        assert page.get_by_role("alert").get_by_text("One thing has to be put right:").is_visible()
        page.get_by_label("Upload a table").set_input_files(table(tmp_path, "corrected.csv"))
        page.get_by_label("Kind of alarm").wait_for()
        assert (faults.count(), invalid.count()) == (0, 0)
        said("Tasks: tick at least two columns, which your network should predict.")
        page.get_by_role("checkbox", name="wear is a task").check()
        said("Tasks: tick at least two columns, which your network should predict.")
        page.get_by_role("checkbox", name="alarm is a task").check()
        assert (faults.count(), invalid.count()) == (0, 0)
        page.get_by_label("Trials of the search").fill("0")
        page.get_by_label("Seeds of the confirmation").fill("1")
        limits = ("should be at least 2, found 0", "should be at least 2, found 1")
        said(f"Trials of the search: {limits[0]}", f"Seeds of the confirmation: {limits[1]}")
        page.get_by_label("Trials of the search").fill("")
        page.get_by_label("Seeds of the confirmation").fill("2")
        page.get_by_label("Priority").fill("2000")
        said("Priority: should be at most 100, found 2000")
        page.get_by_label("Config", exact=True).fill("a: [b\nc: {")
        page.get_by_label("Priority").fill("0")
        submit(page)
        faults.get_by_text("Config, line 2").wait_for()


def test_kinds_and_inputs_are_guessed_wherever_the_table_comes_from(
    browser: "Browser", planned: str, tmp_path: "Path"
) -> None:
    with opened(browser, f"{base(planned)}/#/submit") as page:
        page.locator("button[type=submit]:enabled").wait_for()
        kind, row = page.get_by_label("Kind of alarm"), page.get_by_role("checkbox", name="row is an input")
        page.get_by_label("Or one that is on the server").select_option("machines.csv")
        kind.wait_for()
        assert (kind.input_value(), row.is_checked()) == ("binary", False)
        pd.read_csv(table(tmp_path, "other.csv")).to_parquet(tmp_path / "other.parquet")
        page.get_by_label("Upload a table").set_input_files(tmp_path / "other.parquet")
        page.get_by_text("The rows of this table are not seen here").wait_for()
        assert (kind.input_value(), row.is_checked()) == ("", True)


def test_the_table_that_was_chosen_last_counts(browser: "Browser", planned: str, tmp_path: "Path") -> None:
    """However late the server speaks of the one before."""
    late: list[Route] = []
    with opened(browser, f"{base(planned)}/#/submit", expected="status of 404") as page:
        page.get_by_label("Upload a table").set_input_files(table(tmp_path, "later.csv"))
        there, task = page.get_by_label("Or one that is on the server"), page.get_by_label("wear is a task")
        task.wait_for()
        page.route("**/api/uploads/machines.csv/columns", lambda route: late.append(route))
        there.select_option("machines.csv")
        with page.expect_response("**/api/uploads/later.csv/columns") as answer:
            there.select_option("later.csv")
        answer.value.finished()
        page.wait_for_timeout(200)  # the columns are drawn
        task.check()
        late[0].fulfill(status=404, json={"error": {"title": "Not found", "problems": ["it has gone"]}})
        page.get_by_text("1 task, ").wait_for()
        assert task.is_checked()
        assert not page.get_by_text("it has gone").is_visible()


def test_arrays_are_inputs_as_the_page_shows_them(browser: "Browser", site: str, tmp_path: "Path") -> None:
    rng = np.random.default_rng(0)
    labels = rng.normal(size=(90, 3))
    arrays: dict[str, Any] = {
        "X": rng.normal(size=(90, 4)),
        "Y": labels,
        "part": np.arange(90) % 3,
        "c": rng.normal(size=90),
    }
    np.savez(tmp_path / "arrays.npz", **arrays)
    np.savez(tmp_path / "others.npz", feat=arrays["X"], Y=labels, c=arrays["c"])
    with opened(browser, f"{site}/#/submit") as page:
        text = page.get_by_label("Config", exact=True)

        def inputs() -> Any:
            return yaml.safe_load(text.input_value())["problem"]["inputs"]

        page.get_by_label("Upload a table").set_input_files(tmp_path / "arrays.npz")
        for task in ("Y[0]", "Y[1]"):
            page.get_by_role("checkbox", name=f"{task} is a task").check()
        assert inputs() == ["X"]
        split = page.get_by_label("Rows are divided")
        assert [o.partition(":")[0] for o in split.locator("option").all_text_contents()] == [
            "at random",
            "by column part",
        ]
        page.get_by_role("checkbox", name="X[1] is an input").uncheck()
        page.get_by_role("checkbox", name="c is an input").check()
        assert inputs() == ["X[0]", "X[2]", "X[3]", "c"]
        page.get_by_role("radio", name="A task column and a label column").check()
        page.get_by_label("Upload a table").set_input_files(tmp_path / "others.npz")
        for task in ("Y[0]", "Y[1]"):  # a column for each task again
            page.get_by_role("checkbox", name=f"{task} is a task").check()
        assert inputs() == ["feat", "Y[2]", "c"]
        submit(page)
        page.get_by_role("heading", name="others", level=1).wait_for()
        config = config_of(site, "others")
        page.goto(f"{site}/#/submit?from=others")
        page.get_by_text("Filled in from others.").wait_for()
        page.locator("button[type=submit]:enabled").wait_for()
        assert inputs() == config["problem"]["inputs"] == ["feat", "Y[2]", "c"]


def test_a_table_is_removed_from_the_server(browser: "Browser", planned: str, tmp_path: "Path") -> None:
    with opened(browser, f"{base(planned)}/#/submit") as page:
        remove, picked = page.get_by_role("button", name="Remove this table"), page.get_by_label("Name", exact=True)
        page.locator("button[type=submit]:enabled").wait_for()
        assert not remove.is_visible()
        page.get_by_label("Upload a table").set_input_files(table(tmp_path, "mistake.csv"))
        page.get_by_label("Kind of alarm").wait_for()
        assert picked.input_value() == "mistake"
        remove.click()
        dialog = page.get_by_role("dialog", name="Remove mistake.csv from the server?")
        dialog.get_by_role("button", name="Remove").click()
        page.get_by_text("The columns of the table stand here").wait_for()
        assert (picked.input_value(), remove.is_visible()) == ("", False)
        assert not page.get_by_text("mistake.csv: uploaded").is_visible()
        assert "mistake" not in page.get_by_label("Config", exact=True).input_value()
        assert httpx.get(f"{base(planned)}/api/uploads/mistake.csv/columns").status_code == 404


def test_a_table_whose_rows_cannot_be_read_is_not_taken(browser: "Browser", planned: str, tmp_path: "Path") -> None:
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n1,2,3\n")
    with opened(browser, f"{base(planned)}/#/submit", expected="status of 422") as page:
        page.locator("button[type=submit]:enabled").wait_for()
        page.get_by_label("Upload a table").set_input_files(tmp_path / "ragged.csv")
        page.get_by_text("ragged.csv: no row should have more fields than there are columns: line 3").wait_for()
        assert page.get_by_label("Or one that is on the server").locator("option", has_text="ragged").count() == 0
        refused = {"status": 422, "json": {"error": {"title": "Unprocessable", "problems": ["its rows have gone"]}}}
        page.get_by_label("Or one that is on the server").select_option("machines.csv")
        page.get_by_label("Kind of alarm").wait_for()
        page.route("**/api/uploads/machines.csv/columns", lambda route: route.fulfill(**refused))
        page.get_by_label("Or one that is on the server").select_option("")
        page.get_by_label("Or one that is on the server").select_option("machines.csv")
        page.get_by_text("its rows have gone").wait_for()
        assert "machines" not in page.get_by_label("Config", exact=True).input_value()


def test_a_task_column_names_the_tasks_and_a_label_column_their_kind(
    browser: "Browser", site: str, tmp_path: "Path"
) -> None:
    lines = [f"{k / 7},{'abc'[k % 3]},{k % 5 / 4},{k % 9 / 2}" for k in range(60)]
    (tmp_path / "visits.csv").write_text("\n".join(["x,clinic,outcome,z", *lines]))
    with opened(browser, f"{site}/#/submit") as page:
        page.get_by_label("Upload a table").set_input_files(tmp_path / "visits.csv")
        page.get_by_role("radio", name="A task column and a label column").check()
        page.get_by_label("Task column", exact=True).select_option("clinic")
        page.get_by_label("Label column", exact=True).select_option("outcome")
        assert page.get_by_label("Tasks, one a line").input_value() == "a\nb\nc"
        assert page.get_by_label("Kind of all tasks").input_value() == "regression"
        shown = page.get_by_role("rowheader").all_text_contents()
        assert shown == ["x", "z"]  # what is left for inputs
        page.get_by_role("checkbox", name="z is an input").uncheck()
        page.get_by_text("1 input, 1 left out").wait_for()
        config = yaml.safe_load(page.get_by_label("Config", exact=True).input_value())
        assert config["problem"]["inputs"] == ["x"]


@SIZES
def test_a_new_job_from_a_finished_one(browser: "Browser", planned: str, size: tuple[int, int]) -> None:
    site = base(planned)
    with opened(browser, planned, size) as page:
        page.get_by_role("link", name="New job from this one").click()
        page.get_by_text("Filled in from planned.").wait_for()
        page.locator("button[type=submit]:enabled").wait_for()
        name = page.get_by_label("Name", exact=True).input_value()
        assert re.fullmatch(r"planned-\d", name)
        assert page.get_by_role("checkbox", name=f"{HOSTILE} is a task").is_checked()
        assert not page.get_by_role("checkbox", name="row is an input").is_checked()
        assert page.get_by_label("Kind of alarm").input_value() == "binary"
        assert page.get_by_label("Seeds of the confirmation").get_attribute("placeholder") == (
            "2, as the search space says"
        )
        page.get_by_label("Seeds of the confirmation").fill("5")
        submit(page)
        page.get_by_role("heading", name=name, level=1).wait_for()
    before, after = config_of(site, "planned"), config_of(site, name)
    assert after == {**before, "name": name, "confirm": {**before["confirm"], "seeds": 5}}


def test_a_new_job_from_one_whose_table_has_gone(browser: "Browser", planned: str) -> None:
    with opened(browser, f"{base(planned)}/#/jobs") as page:
        page.route("**/api/uploads", lambda route: route.fulfill(json={"uploads": []}))
        page.goto(f"{base(planned)}/#/submit?from=planned")
        page.get_by_text(
            "Its table machines.csv is not on the server any more: upload it, or choose another."
        ).wait_for()
        assert page.get_by_role("radio", name="The data of planned").is_checked()


def test_a_new_job_from_a_cancelled_one_without_a_table(browser: "Browser", site: str) -> None:
    problem = {"source": "bundled", "name": "diabetes"}
    job = {"name": "tried-2", "problem": problem, "trunk": {"name": "mlp", "width": 8}}
    httpx.post(f"{site}/api/jobs?priority=-90", json=job).raise_for_status()
    httpx.post(f"{site}/api/jobs/tried-2/cancel").raise_for_status()
    with opened(browser, f"{site}/#/jobs/tried-2") as page:
        page.get_by_role("link", name="New job from this one").click()
        page.get_by_text("Filled in from tried-2.").wait_for()
        page.locator("button[type=submit]:enabled").wait_for()
        assert page.get_by_role("radio", name="The data of tried-2").is_checked()
        assert page.get_by_label("Name", exact=True).input_value() == "tried-3"
        text = page.get_by_label("Config", exact=True).input_value()
        assert "name: diabetes" in text
        assert "width: 8" in text
