"""Documents from strangers: bombs, depth, doubles and odd characters, by JSON and by YAML."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from http_app import CONFIG, problems, running

from taskgroup.service.refusal import RefusedError
from taskgroup.service.security.documents import MAX_BYTES, read_json, read_yaml

BOMB = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{b}: &{b} [{','.join(f'*{a}' for _ in range(9))}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)

JSON_ATTACKS: dict[str, tuple[bytes, int, str]] = {
    "not JSON": (b"{", 400, "should be JSON"),
    "empty": (b"", 400, "should be JSON"),
    "not UTF-8": (b'{"name": "\xff"}', 400, "UTF-8"),
    "UTF-16": ('{"name": "x"}'.encode("utf-16"), 400, "UTF-8"),
    "deep lists": (b"[" * 100_000 + b"]" * 100_000, 422, "nested at most"),
    "deep sections": (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, 422, "nested at most"),
    "a bit too deep": (b"[" * 33 + b"]" * 33, 422, "nested at most"),
    "NaN": (b'{"seed": NaN}', 422, "finite"),
    "Infinity": (b'{"seed": -Infinity}', 422, "finite"),
    "beyond doubles": (b'{"seed": 1e999}', 422, "finite"),
    "beyond 64 bit": (b'{"seed": 9223372036854775808}', 422, "64 bits"),
    "far beyond 64 bit": (b'{"seed": ' + b"9" * 5_000 + b"}", 422, "digits"),
    "a key twice": (b'{"name": "a", "name": "b"}', 422, "`name` should stand once"),
    "a key twice, deeper": (b'{"x": [{"k": 1, "k": 1}]}', 422, "`k` should stand once"),
    "NUL": (b'{"name": "a\\u0000"}', 422, "U+0000"),
    "NUL in a key": (b'{"na\\u0000me": 1}', 422, "U+0000"),
    "a raw NUL": (b'{"name": "a\0"}', 400, "NUL"),
    "half a character": (b'{"name": "\\ud800"}', 422, "U+D800"),
    "a line break": (b'{"name": "a\\r\\nSet-Cookie: b=c"}', 422, "U+000D"),
    "many entries": (json.dumps(list(range(30_000))).encode(), 422, "entries"),
    "a list": (b"[]", 422, "mapping of sections"),
    "a word": (b'"name"', 422, "mapping of sections"),
    "null": (b"null", 422, "mapping of sections"),
    "huge": (b'{"name": "' + b"a" * MAX_BYTES + b'"}', 413, "at most"),
}

YAML_ATTACKS: dict[str, tuple[bytes, int, str]] = {
    "not YAML": (b"a: [", 400, "should be YAML"),
    "not UTF-8": (b"name: \xff", 400, "UTF-8"),
    "aliases": (BOMB.encode(), 422, "anchors and aliases"),
    "an alias to itself": (b"a: &a [*a]", 422, "anchors and aliases"),
    "merge keys": (b"a: &x {k: 1}\nb: {<<: *x}", 422, "anchors and aliases"),
    "python objects": (b"name: !!python/object/apply:os.system [ls]", 400, "constructor"),
    "other tags": (b"name: !odd x", 400, "constructor"),
    "deep flow": (b"[" * 50_000, 422, "nested at most"),
    "deep blocks": (b"- " * 5_000 + b"a", 422, "nested at most"),
    "a key twice": (b"name: a\nname: b", 422, "`name` should stand once"),
    "a date": (b"name: 2020-01-01", 422, "found date"),
    "no such day": (b"name: 2020-02-31", 422, "day"),
    "bytes": (b"name: !!binary aGVsbG8=", 422, "found bytes"),
    "a set": (b"name: !!set {a, b}", 422, "found set"),
    "pairs": (b"name: !!pairs [a: 1]", 422, "found tuple"),
    "NaN": (b"seed: .nan", 422, "finite"),
    "beyond 64 bit": (b"seed: 0x" + b"f" * 20, 422, "64 bits"),
    "far beyond 64 bit": (b"seed: 1" + b"0" * 5_000, 422, "digits"),
    "keys that are no text": (b"1: 2", 422, "keys should be text"),
    "a key that is a list": (b"? [a]\n: 1", 400, "unhashable"),
    "two documents": (b"a: 1\n---\nb: 2", 400, "another document"),
    "escapes": (b'name: "a\\0"', 422, "U+0000"),
    "many entries": (b"[" + b"1," * 30_000 + b"]", 422, "entries"),
    "huge": (b"name: " + b"a" * MAX_BYTES, 413, "at most"),
}


@pytest.mark.parametrize("name", JSON_ATTACKS)
def test_json_attacks_are_refused(tmp_path: Path, name: str) -> None:
    refused(tmp_path, "application/json", *JSON_ATTACKS[name])


@pytest.mark.parametrize("name", YAML_ATTACKS)
def test_yaml_attacks_are_refused(tmp_path: Path, name: str) -> None:
    refused(tmp_path, "application/yaml", *YAML_ATTACKS[name])


def refused(root: Path, kind: str, body: bytes, status: int, rule: str) -> None:
    started = time.perf_counter()
    with running(root) as (client, store):
        answer = client.post("/api/jobs", content=body, headers={"Content-Type": kind})
        assert answer.status_code == status, answer.text
        assert rule in "\n".join(problems(answer))
        assert store.jobs()[1] == 0
    assert time.perf_counter() - started < 20


def test_a_body_without_length_is_counted(tmp_path: Path) -> None:
    def chunks() -> Any:
        yield from [b" " * 65_536] * 8

    with running(tmp_path) as (client, _):
        answer = client.post("/api/jobs", content=chunks(), headers={"Content-Type": "application/json"})
        assert answer.status_code == 413


@pytest.mark.parametrize("value", [{}, {"a": [1, 2.5, None, True, "ü"]}, [], 2**63 - 1, -(2**63), "x"])
def test_plain_data_come_through(value: Any) -> None:
    assert read_json(json.dumps(value).encode()) == value
    assert read_yaml(json.dumps(value, ensure_ascii=False).encode()) == value


def test_all_odd_values_are_told_at_once() -> None:
    with pytest.raises(RefusedError) as raised:
        read_json(b'{"a": 1e999, "b": {"c": [18446744073709551616]}}')
    assert sorted(p.split(":")[0] for p in raised.value.problems) == ["body, `a`", "body, `b.c.0`"]


def test_an_error_quotes_no_more_than_it_must(tmp_path: Path) -> None:
    config = {**CONFIG, **{f"key{'x' * 500}{k}": 1 for k in range(300)}}
    with running(tmp_path) as (client, _):
        answer = client.post("/api/jobs", json=config)
        assert answer.status_code == 422
        assert len(problems(answer)) == 101
        assert problems(answer)[-1].startswith("and ")
