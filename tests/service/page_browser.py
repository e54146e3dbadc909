"""A real server process and a real Chromium for the page's tests."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PAGE = Path(__file__).parents[2] / "taskgroup" / "service" / "page"
CHROMIUM = "/usr/bin/chromium"
ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
DESKTOP, PHONE = (1280, 800), (390, 844)
PATIENCE_MS = 60_000
HOSTILE = '<img src=x onerror="window.hit=1">'
"""A column that would run a script, were it ever taken for markup."""

TINY = """
trunk: {name: mlp, width: 4, depth: 2}
train: {steps: 12, batch_size: 16, n_checks: 2}
measure: {seeds: 1, every: 3}
propose: {draws: 4, resampled_trees: 1}
search: {trials: 6, adapters: {sizes: [0, 2]}}
confirm: {seeds: 2, finalists: 1, shortlist: 0}
"""
"""Sections that make a job of a few seconds."""


def tiny(text: str) -> str:
    """A config as the form writes it, with the sections of :data:`TINY` instead of those of the search space."""
    return text[: text.index("trunk:")] + TINY


@dataclass
class Seen:
    """What a page complained of, and what it should not have done."""

    faults: list[str] = field(default_factory=list)

    def check(self) -> None:
        assert self.faults == []


@contextmanager
def chromium() -> Iterator["Browser"]:
    """A browser; skips where there is none."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"there is no Chromium at {CHROMIUM}")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: "Browser", url: str, size: tuple[int, int] = DESKTOP, *, expected: str = r"^$", **options: Any
) -> Iterator["Page"]:
    """A page at ``url``; when it is closed it may have complained of nothing but what ``expected`` matches."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, accept_downloads=True, **options)
    page, seen = context.new_page(), Seen()
    page.set_default_timeout(PATIENCE_MS)

    def note(text: str) -> None:
        if not re.search(expected, text):
            seen.faults.append(text)

    page.on("console", lambda m: note(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: note(str(error)))
    page.on(
        "request",
        lambda r: None if r.url.startswith(("http://127.0.0.1:", "data:", "blob:")) else note(f"asked {r.url}"),
    )
    page.add_init_script(
        "addEventListener('securitypolicyviolation', (e) => console.error('CSP', e.violatedDirective, e.blockedURI))"
    )
    try:
        page.goto(url)
        yield page
        assert page.evaluate("window.hit") is None, "a name was taken for markup"
        seen.check()
    finally:
        context.close()


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def site(browser: "Browser", tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server for all tests of the page."""
    del browser  # asked for first: without it there is nothing to serve
    with serving(tmp_path_factory.mktemp("page") / "data") as url:
        yield url


@pytest.fixture(scope="module")
def page(browser: "Browser", site: str) -> Iterator["Page"]:
    """A page with nothing on it, to try pieces on."""
    with opened(browser, f"{site}/#/nowhere") as found:
        yield found


@pytest.fixture(scope="session")
def planned(site: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of the page of a finished job, one of whose tasks has a hostile name."""
    posted(site, tmp_path_factory.mktemp("table"), "planned")
    return f"{site}/#/jobs/planned"


def base(url: str) -> str:
    return url.partition("#")[0].rstrip("/")


@contextmanager
def serving(root: Path, *options: str) -> Iterator[str]:
    """A server process with its scheduler, by its address."""
    command = [sys.executable, "-m", "taskgroup", "serve", "--data-root", str(root), "--port", "0", *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        yield _address(process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise


def _address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        if select.select([process.stdout], [], [], 1)[0]:
            found = re.search(r"http://\S+", line := process.stdout.readline())
            if found and line.startswith("taskgroup serves"):
                return found[0]
    process.kill()
    raise AssertionError(f"the server did not start: {process.communicate()[1]}")


def table(folder: Path, name: str = "machines.csv", n_rows: int = 90) -> Path:
    """Three columns to predict, one of them with a hostile name, from three others and a row number."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(n_rows, 3))
    first, second = inputs @ [1, 1, 0], inputs @ [1, -1, 0.5]
    head = ["row", "heat", "flow", "load", "wear", quoted(HOSTILE), "alarm"]
    lines = [
        f"{k},{x[0]:.4f},{x[1]:.4f},{x[2]:.4f},{a:.4f},{b:.4f},{int(a > 0)}"
        for k, (x, a, b) in enumerate(zip(inputs, first, second, strict=True))
    ]
    path = folder / name
    path.write_text("\n".join([",".join(head), *lines]) + "\n", encoding="utf-8")
    return path


def quoted(name: str) -> str:
    """As a field of CSV."""
    return '"' + name.replace('"', '""') + '"'


def posted(url: str, folder: Path, name: str, *, wait: bool = True, sections: str = TINY) -> dict[str, Any]:
    """A job over :func:`table` by the API; waits for its end."""
    with httpx.Client(base_url=url, timeout=60) as client:
        path = table(folder)
        client.post(f"/api/uploads?name={path.name}", content=path.read_bytes()).raise_for_status()
        hostile = HOSTILE.replace('"', '\\"')
        tasks = f'{{wear: {{kind: regression}}, "{hostile}": {{kind: regression}}, alarm: {{kind: binary}}}}'
        problem = f"{{source: table, path: uploads/{path.name}, inputs: [heat, flow, load], tasks: {tasks}}}"
        body = f"name: {name}\nproblem: {problem}\n{sections}"
        client.post("/api/jobs", content=body, headers={"Content-Type": "application/yaml"}).raise_for_status()
        end = time.monotonic() + 120
        while True:
            job: dict[str, Any] = client.get(f"/api/jobs/{name}").json()
            if not wait or job["state"] == "done":
                return job
            assert job["state"] in ("queued", "running"), job
            assert time.monotonic() < end, f"waited too long: {job}"
            time.sleep(0.1)
