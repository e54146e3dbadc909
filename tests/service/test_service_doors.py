"""Doors: hosts, origins, tokens, headers. Each attack is tried and refused."""

import socket
from pathlib import Path
from typing import Any

import pytest
from http_app import CONFIG, problems, run_apart, running, submitted
from pydantic import SecretStr

from taskgroup.errors import InputError
from taskgroup.service.security.doors import host_name
from taskgroup.service.security.gate import Gate
from taskgroup.service.serve import address
from taskgroup.service.settings import Settings, check_address, others_may_read, read_tokens

FULL, READ = "full-token-of-the-operator", "read-token-of-the-watcher"
TOKENS: dict[str, Any] = {"token": SecretStr(FULL), "read_token": SecretStr(READ)}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8765",
        "127.0.0.1.evil.example",
        "192.168.1.7",
        "localhost@evil.example",
        "",
        "[::1",
        "a b",
    ],
)
def test_a_name_that_was_rebound_to_this_address_is_refused(tmp_path: Path, host: str) -> None:
    with running(tmp_path) as (client, _):
        answer = client.get("/api/jobs", headers={"Host": host})
        assert answer.status_code == 421
        assert "--allow-host" in problems(answer)[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8765", "localhost:1", "LOCALHOST", "[::1]:8765", "127.8.9.1"])
def test_names_of_this_machine_are_taken(tmp_path: Path, host: str) -> None:
    with running(tmp_path) as (client, _):
        assert client.get("/api/jobs", headers={"Host": host}).status_code == 200


def test_a_token_file_that_every_user_may_read_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(FULL)
    for mode, open_to_all in ((0o600, False), (0o640, False), (0o644, True)):
        path.chmod(mode)
        assert others_may_read(path) is open_to_all


def test_the_address_that_is_told_can_be_opened() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        for host, name in (("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("plans.example", "plans.example")):
            assert address(host, listener) == f"http://{name}:{port}"
        for host in ("0.0.0.0", "::"):
            assert address(host, listener) == f"http://{socket.gethostname()}:{port}"


def test_further_names_and_addresses_of_a_public_server(tmp_path: Path) -> None:
    with running(tmp_path, host="0.0.0.0", allow_host=("plans.example",), **TOKENS) as (client, _):
        for host, status in (("plans.example", 200), ("10.1.2.3:80", 200), ("evil.example", 421)):
            assert client.get("/api/jobs", headers={"Host": host, **bearer(FULL)}).status_code == status


@pytest.mark.parametrize("text", ["a:b", "a:1:2", ":80", "[::1]80", "[::1]:x", "a:123456"])
def test_what_is_no_host(text: str) -> None:
    assert host_name(text) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_of_another_site_changes_nothing(tmp_path: Path, headers: dict[str, str]) -> None:
    with running(tmp_path) as (client, store):
        submitted(store)
        for method, path in (
            ("POST", "/api/jobs/digits/cancel"),
            ("DELETE", "/api/jobs/digits"),
            ("POST", "/api/jobs"),
        ):
            answer = client.request(method, path, headers=headers, json=CONFIG if path == "/api/jobs" else None)
            assert answer.status_code == 403
            assert "another site" in problems(answer)[0]
        assert store.get("digits").state == "queued"


def test_the_own_page_may_change(tmp_path: Path) -> None:
    headers = {"Origin": "http://127.0.0.1:8765", "Sec-Fetch-Site": "same-origin"}
    with running(tmp_path) as (client, _):
        assert client.post("/api/jobs", json=CONFIG, headers=headers).status_code == 202


def test_no_other_site_may_read_answers(tmp_path: Path) -> None:
    asks = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    with running(tmp_path) as (client, _):
        for answer in (client.options("/api/jobs", headers=asks), client.get("/api/jobs", headers=asks)):
            assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert client.options("/api/jobs", headers=asks).status_code == 405


@pytest.mark.parametrize(
    "path", ["/", "/api/jobs", "/api/nothing", "/healthz", "/static/nothing.js", "/api/jobs/x/spec"]
)
def test_every_answer_forbids_what_browsers_might_do(tmp_path: Path, path: str) -> None:
    with running(tmp_path) as (client, _):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    "headers",
    [{}, bearer(""), bearer("wrong"), bearer(FULL + "x"), {"Authorization": f"Basic {FULL}"}, {"Authorization": FULL}],
)
def test_without_the_token_nothing_is_told(tmp_path: Path, headers: dict[str, str]) -> None:
    with running(tmp_path, **TOKENS) as (client, _):
        for path in ("/api/jobs", "/metrics", "/api/openapi.json", "/api/nothing"):
            answer = client.get(path, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert FULL not in answer.text
        assert client.get("/healthz").status_code == 200


def test_a_token_of_other_characters(tmp_path: Path) -> None:
    with running(tmp_path, **TOKENS) as (client, _):
        odd = {"Authorization": "Bearer tökén".encode("latin-1")}
        assert client.get("/api/jobs", headers=odd).status_code == 401  # type: ignore[arg-type]  # bytes are taken


def test_the_reading_token_only_reads(tmp_path: Path) -> None:
    with running(tmp_path, **TOKENS) as (client, _):
        assert client.get("/api/jobs", headers=bearer(READ)).status_code == 200
        answer = client.post("/api/jobs", json=CONFIG, headers=bearer(READ))
        assert answer.status_code == 403
        assert "may only read" in problems(answer)[0]
        assert client.post("/api/jobs", json=CONFIG, headers=bearer(FULL)).status_code == 202


def test_no_token_is_needed_where_there_is_none_for_reading(tmp_path: Path) -> None:
    with running(tmp_path, token=SecretStr(FULL)) as (client, _):
        assert client.get("/api/jobs", headers=bearer("")).status_code == 401


def test_tokens_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"{FULL}\n\n{READ}\n")
    full, read = read_tokens(path)
    assert (full.get_secret_value(), read and read.get_secret_value()) == (FULL, READ)
    assert FULL not in repr(Settings(data_root=tmp_path, token=full))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "one or two, found 0 lines"),
        ("a" * 20 + "\n" + "b" * 20 + "\n" + "c" * 20, "found 3 lines"),
        ("short", "at least 16 characters"),
        ("with a space in its middle", "without spaces"),
        (f"{FULL}\n{FULL}", "are the same"),
        ("ä" * 20, "plain ASCII"),
    ],
)
def test_faulty_token_files(tmp_path: Path, text: str, rule: str) -> None:
    path = tmp_path / "tokens"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=rule) as raised:
        read_tokens(path)
    assert FULL not in str(raised.value)
    with pytest.raises(InputError, match="cannot be read"):
        read_tokens(tmp_path / "nothing")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org"])
def test_another_address_needs_a_token(tmp_path: Path, host: str) -> None:
    with pytest.raises(InputError, match="--token-file"):
        check_address(Settings(data_root=tmp_path, host=host))
    check_address(Settings(data_root=tmp_path, host=host, token=SecretStr(FULL)))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_needs_none(tmp_path: Path, host: str) -> None:
    check_address(Settings(data_root=tmp_path, host=host))


def test_a_fault_of_ours_shows_no_trace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path) as (client, store):
        monkeypatch.setattr(store, "counts", lambda: 1 / 0)
        answer = client.get("/metrics")
    assert answer.status_code == 500
    assert problems(answer) == ["the server failed at this request; its log says why"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "ZeroDivisionError" in caplog.text


def test_web_sockets_are_closed(tmp_path: Path) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def never(*_: Any) -> Any:
        raise AssertionError

    run_apart(Gate(never, Settings(data_root=tmp_path))({"type": "websocket"}, never, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]
