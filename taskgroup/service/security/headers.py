"""What every answer tells the browser that it may not do."""

from starlette.datastructures import MutableHeaders

PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
"""Of the page: its own scripts and styles, no inline ones."""

REPORT = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; frame-ancestors 'none'; sandbox"
)
"""Of a job's report, one file whose styles and figures are inside it; no scripts."""

NOTHING = "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; sandbox"
"""Of everything else, which no browser needs to run."""

ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def dress(headers: MutableHeaders, path: str) -> None:
    """Add what is missing to the headers of an answer."""
    is_page = path == "/" or path.startswith("/static/")
    headers.setdefault("content-security-policy", PAGE if is_page else NOTHING)
    headers.setdefault("cache-control", "no-cache" if is_page else "no-store")
    for name, value in ALWAYS.items():
        headers.setdefault(name, value)
