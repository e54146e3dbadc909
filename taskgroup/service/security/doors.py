"""Who may ask: the host that was called, the page that calls, the token that is shown."""

import hashlib
import hmac
import ipaddress

from pydantic import SecretStr
from starlette.requests import HTTPConnection

from taskgroup.service.refusal import RefusedError
from taskgroup.service.settings import Settings, is_loopback

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

OPEN = ("/static/",)
OPEN_EXACT = frozenset({"/", "/favicon.ico", "/healthz", "/readyz"})
"""The page's own files, and what says whether the server lives: they tell nothing of jobs."""


def check_doors(request: HTTPConnection, settings: Settings) -> None:
    """See that a request comes from where it may.

    Raises:
        RefusedError: 421 host, 403 origin or right, 401 token.
    """
    _check_host(request, settings)
    if request.scope["method"] not in SAFE:
        _check_origin(request)
    _check_token(request, settings)


def _check_host(request: HTTPConnection, settings: Settings) -> None:
    """A page of another site whose name was rebound to this address still sends that name."""
    called = request.headers.getlist("host")
    name = host_name(called[0]) if len(called) == 1 else None
    if name is None or not _is_known(name, settings):
        raise RefusedError(
            421,
            f"Host should be an address or name of this server, found `{', '.join(called)[:200]}`; the operator names "
            "further ones with --allow-host",
        )


def host_name(host: str) -> str | None:
    """The name or address of a ``Host`` header, without the port; None where it is not one."""
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        port = port.removeprefix(":") if port.startswith(":") or not port else "x"
        return name.lower() if bracket and _is_port(port) else None
    name, _, port = host.partition(":")
    return name.lower().removesuffix(".") if name and _is_port(port) else None


def _is_port(text: str) -> bool:
    return text == "" or (text.isascii() and text.isdigit() and len(text) <= 5)


def _is_known(name: str, settings: Settings) -> bool:
    if name in settings.hosts:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return is_loopback(name) or not settings.is_loopback  # an address cannot be rebound


def _check_origin(request: HTTPConnection) -> None:
    """Browsers say which page a changing request comes from; programs that are no browsers say nothing."""
    site = request.headers.get("sec-fetch-site", "none")
    origins = request.headers.getlist("origin")
    own = request.headers["host"].lower()
    same = all(origin.lower() in (f"http://{own}", f"https://{own}") for origin in origins)
    if not same or site not in ("none", "same-origin"):
        raise RefusedError(
            403,
            f"a page of another site may change nothing here, found Origin `{', '.join(origins)[:200]}` "
            f"(Sec-Fetch-Site `{site[:20]}`) for {own}",
        )


def is_open(path: str) -> bool:
    """Whether a path is shown without a token."""
    return path in OPEN_EXACT or path.startswith(OPEN)


def _check_token(request: HTTPConnection, settings: Settings) -> None:
    if settings.token is None or is_open(request.scope["path"]):
        return
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    given = shown.strip() if scheme.lower() == "bearer" else ""
    full, read = _same(given, settings.token), _same(given, settings.read_token)
    if not (full or read):
        what = "found one that is not its own" if given else "found none"
        raise RefusedError(
            401,
            f"this server asks for a token, {what}; send the header `Authorization: Bearer TOKEN`",
            {"WWW-Authenticate": 'Bearer realm="taskgroup"'},
        )
    if not full and request.scope["method"] not in SAFE:
        raise RefusedError(403, f"this token may only read, found {request.scope['method']}; use the other one")


def _same(given: str, token: SecretStr | None) -> bool:
    """Compared by digests, in a time that says nothing of either."""
    expected = "" if token is None else token.get_secret_value()
    digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in (given, expected)]
    return hmac.compare_digest(*digests) and token is not None
