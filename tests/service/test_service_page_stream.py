"""The page when lines are bad and doors are shut: polling, going on after a break, tokens."""

import json
from typing import TYPE_CHECKING, Any

import httpx
from page_browser import base, opened, serving

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Request, Route

EXAMPLE: dict[str, Any] = {"problem": {"source": "bundled", "name": "diabetes"}, "trunk": {"name": "mlp"}}


def test_polls_where_streams_fail(browser: "Browser", planned: str) -> None:
    site = base(planned)

    def refuse(route: "Route", request: "Request") -> None:
        streamed = request.headers.get("accept") == "text/event-stream"
        route.abort() if streamed else route.continue_()

    with opened(browser, f"{site}/#/jobs", expected="ERR_FAILED") as page:
        page.route("**/api/events*", refuse)
        page.goto("about:blank")
        page.goto(f"{site}/#/jobs")
        page.get_by_role("status").get_by_text("Polling").wait_for()
        httpx.post(f"{site}/api/jobs?priority=-50", json={"name": "polled", **EXAMPLE}).raise_for_status()
        page.get_by_role("link", name="polled").wait_for()
    httpx.post(f"{site}/api/jobs/polled/cancel").raise_for_status()


def test_goes_on_behind_the_last_event(browser: "Browser", planned: str) -> None:
    site, asked = base(planned), list[str | None]()

    def event(number: int) -> str:
        body = {"id": number, "job": "planned", "at": 0, "kind": "note", "text": f"event {number}", "data": {}}
        return f"id: {number}\nevent: note\ndata: {json.dumps(body)}\n\n"

    def answer(route: "Route", request: "Request") -> None:
        asked.append(request.headers.get("last-event-id"))
        numbers = {1: (1, 2), 2: (2, 3)}.get(len(asked), ())  # the second answer begins with one that is known
        route.fulfill(status=200, content_type="text/event-stream", body="".join(map(event, numbers)))

    job = {**httpx.get(f"{site}/api/jobs/planned").json(), "state": "running"}
    with opened(browser, "about:blank") as page:
        page.route("**/api/jobs/planned/events", answer)
        page.route("**/api/jobs/planned", lambda route: route.fulfill(json=job))
        page.goto(f"{site}/#/jobs/planned")
        page.get_by_role("log").get_by_text("event 3").wait_for()
        assert page.get_by_role("log").get_by_text("event 2").count() == 1
        page.unroute_all(behavior="ignoreErrors")
    assert asked[:2] == [None, "2"]


def test_list_follows_what_happens(browser: "Browser", planned: str) -> None:
    site = base(planned)
    with opened(browser, f"{site}/#/jobs") as page:
        page.get_by_role("status").get_by_text("Live").wait_for()
        httpx.post(f"{site}/api/jobs?priority=-50", json={"name": "streamed", **EXAMPLE}).raise_for_status()
        row = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="streamed"))
        row.wait_for()
        httpx.post(f"{site}/api/jobs/streamed/cancel").raise_for_status()
        row.get_by_text("Cancelled").wait_for()
        assert row.count() == 1


def test_token_is_asked_for_and_sent_along(browser: "Browser", tmp_path: "Path") -> None:
    token = "a-token-of-more-than-16-characters"
    (tmp_path / "tokens").write_text(f"{token}\na-token-that-may-only-read\n")
    options = ("--token-file", str(tmp_path / "tokens"))
    with (
        serving(tmp_path / "data", *options) as site,
        opened(browser, f"{site}/#/jobs", expected="status of 4(01|03|22)") as page,
    ):
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("The server asks for a token.").wait_for()
        dialog.get_by_label("Token").fill("a-wrong-token-of-16-or-more")
        page.keyboard.press("Enter")
        dialog.get_by_text("This token was refused by the server. Give another.").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("alert").get_by_text("This token was refused by the server.").wait_for()
        assert "Authorization" not in page.locator("main").inner_text()
        page.get_by_role("button", name="Token").click()
        dialog.get_by_label("Token").fill("a-token-that-may-only-read")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="No jobs yet").wait_for()
        page.get_by_role("status").get_by_text("Live").wait_for()
        page.goto(f"{site}/#/submit")
        page.get_by_role("radio", name="An example's data").check()
        page.get_by_role("button", name="Submit the job").click()
        page.get_by_role("alert").get_by_text("read").first.wait_for()
        page.get_by_role("button", name="Token").click()
        page.get_by_role("dialog").get_by_label("Token").fill(token)
        with page.expect_navigation():  # the page is loaded again with the token
            page.keyboard.press("Enter")
        page.get_by_label("Name", exact=True).fill("no name!")
        page.get_by_role("button", name="Submit the job").click()
        page.get_by_role("alert").get_by_text("letters and digits").wait_for()  # past the door, refused for that
        assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
