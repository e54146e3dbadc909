"""Uploads: tables come in as they are; bombs, pickles and paths do not."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from http_app import problems, run_apart, running
from starlette.testclient import TestClient

from taskgroup.service.security.names import upload_name
from taskgroup.service.settings import MIB

CSV = b"x,y,label\n1,2,0\n3,4,1\n"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with running(tmp_path, max_upload_bytes=MIB) as (client, _):
        yield client
    assert not list((tmp_path / "uploads").glob(".partial-*"))


def send(client: TestClient, name: str, body: Any, kind: str = "application/octet-stream") -> Any:
    return client.post("/api/uploads", params={"name": name}, content=body, headers={"Content-Type": kind})


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def archive(members: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def array_bytes(header: str, content: bytes = b"") -> bytes:
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


def parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


def test_tables_of_every_kind_and_their_columns(client: TestClient, tmp_path: Path) -> None:
    files = {"t.csv": CSV, "t.parquet": parquet(pd.DataFrame({"x": [1, 2], "label": [0, 1]}))}
    files["t.npz"] = npz(X=np.zeros((5, 2)), y=np.zeros(5), other=np.zeros((4, 4, 4)))
    expected = {"t.csv": ["x", "y", "label"], "t.parquet": ["x", "label"], "t.npz": ["X[0]", "X[1]", "y"]}
    for name, body in files.items():
        answer = send(client, name, body)
        assert answer.status_code == 201, answer.text
        assert answer.json() == {"name": name, "bytes": len(body), "columns": expected[name]}
        assert (tmp_path / "uploads" / name).read_bytes() == body
    listed = client.get("/api/uploads").json()["uploads"]
    assert {u["name"]: u["columns"] for u in listed} == expected


def test_the_same_table_again_is_the_same_and_another_one_is_not(client: TestClient) -> None:
    assert send(client, "t.csv", CSV).status_code == 201
    assert send(client, "t.csv", CSV).status_code == 200
    answer = send(client, "t.csv", CSV + b"5,6,0\n")
    assert answer.status_code == 409
    assert "another name" in problems(answer)[0]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("my table (1).csv", "my_table_1.csv"),
        ("Übersicht.CSV", "Ubersicht.csv"),
        ("表.npz", "table.npz"),
        ("a..b.parquet", "a..b.parquet"),
        ("-rf.csv", "rf.csv"),
    ],
)
def test_names_are_made_plain(name: str, kept: str) -> None:
    assert upload_name(name, ("csv", "npz", "parquet")) == kept


@pytest.mark.parametrize(
    "name",
    [
        "../t.csv",
        "/etc/t.csv",
        "a/b.csv",
        "a\\b.csv",
        "..",
        ".csv",
        ".hidden.csv",
        "t.csv\r\nSet-Cookie: a=b",
        "t\0.csv",
        "t.csv.exe",
        "t.pkl",
        "t",
        "x" * 120 + ".csv",
        "x" * 300 + ".csv",
        "t\u2028.csv",
        "",
    ],
)
def test_names_that_are_none_are_refused(client: TestClient, name: str, tmp_path: Path) -> None:
    answer = send(client, name, CSV)
    assert answer.status_code == 422
    assert "`name`" in problems(answer)[0]
    assert "set-cookie" not in answer.headers
    assert not list(tmp_path.rglob("*.csv*"))


HUGE = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}"
OBJECT = "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"
EMPTY = "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 1000000000000)}"

BAD: dict[str, tuple[str, bytes, str]] = {
    "pickled array": ("t.npz", npz(X=np.array([{"a": 1}, None], dtype=object)), "pickled objects"),
    "pickle by its header": ("t.npz", archive({"X.npy": array_bytes(OBJECT, b"x" * 8)}), "pickled objects"),
    "bomb": ("t.npz", archive({"X.npy": b"\0" * (20 * MIB)}), "unpack to at most"),
    "bomb of many": ("t.npz", archive({f"{k}.npy": b"\0" * MIB for k in range(12)}), "unpack to at most"),
    "a header that promises much": ("t.npz", archive({"X.npy": array_bytes(HUGE)}), "by its header"),
    "no array": ("t.npz", archive({"X.npy": b"hello"}), "should be an NPY array"),
    "an odd header": ("t.npz", archive({"X.npy": array_bytes("__import__('os')")}), "should be an NPY array"),
    "a deep header": ("t.npz", archive({"X.npy": array_bytes("(" * 118)}), "should be an NPY array"),
    "no archive": ("t.npz", b"hello", "should be an NPZ file"),
    "cut off": ("t.npz", npz(X=np.arange(1000.0))[:-200], "should be an NPZ file"),
    "an empty archive": ("t.npz", archive({}), "1 to 1000 arrays"),
    "other files": ("t.npz", archive({"../evil.py": b"x"}), "numpy.savez"),
    "a path inside": ("t.npz", archive({"X.npy": array_bytes(EMPTY), "/etc/x": b""}), "numpy.savez"),
    "another packing": ("t.npz", archive({"X.npy": b"x"}, zipfile.ZIP_BZIP2), "numpy.savez"),
    "too many members": ("t.npz", archive({f"{k}.npy": b"" for k in range(1001)}), "1 to 1000 arrays"),
    "not UTF-8": ("t.csv", b"a,b\n\xff\xfe,1\n", "UTF-8"),
    "half a character": ("t.csv", "a,b\n1,ü".encode()[:-1], "half a character"),
    "NUL bytes": ("t.csv", b"a,b\n\0,1\n", "NUL"),
    "no header": ("t.csv", b"", "name the columns"),
    "a letter": ("t.csv", b"This is a letter to my aunt. It is not a table.\n", "should have rows below"),
    "a column twice": ("t.csv", b"a,a,b\n1,2,3\n", "t.csv: column `a` should stand in the header once"),
    "semicolons": ("t.csv", b"a;b\n1;2\n", "columns should be separated by commas, found the one column `a;b`"),
    "decimal commas": ("t.csv", b"a;b\n1,5;2,5\n", "columns should be separated by commas"),
    "a row too long": ("t.csv", b"a,b\n1,2\n\n1,2,3\n", "line 4 has 3 fields, where the header names 2 columns"),
    "blank lines": ("t.csv", b"a,b\n\n\n", "should have rows below"),
    "no rows": ("t.parquet", parquet(pd.DataFrame({"x": []})), "should have rows, found none"),
    "an endless header": ("t.csv", b"a," * 600_000, "at most"),
    "no Parquet": ("t.parquet", b"PAR1 hello PAR1", "should be a Parquet file"),
    "Parquet cut off": ("t.parquet", parquet(pd.DataFrame({"x": range(1000)}))[:-50], "should be a Parquet file"),
    "Parquet bomb": ("t.parquet", parquet(pd.DataFrame({"x": np.zeros(3_000_000, np.int8)})), "unpack to at most"),
    "too large": ("t.csv", b"a,b\n" + b"1,2\n" * (MIB // 4), "at most"),
}


@pytest.mark.parametrize(
    "body", [b"a,b\n1,2,\n3,4,\n", b"a,b,c\n1,2\n1,2,3\n"], ids=["commas at the end", "short rows"]
)
def test_rows_may_end_in_commas_or_early(client: TestClient, body: bytes) -> None:
    assert send(client, "t.csv", body).status_code == 201


@pytest.mark.parametrize("name", BAD)
def test_tables_that_are_none_are_refused(client: TestClient, tmp_path: Path, name: str) -> None:
    file, body, rule = BAD[name]
    answer = send(client, file, body)
    assert answer.status_code in (413, 422), answer.text
    assert rule in problems(answer)[0]
    assert ".partial" not in problems(answer)[0]
    assert [p for p in (tmp_path / "uploads").glob("*") if not p.name.startswith(".")] == []


def test_overlapping_members_unpack_no_further_than_they_say(client: TestClient) -> None:
    """A second entry of the directory that points at the first one's bytes."""
    body = bytearray(archive({"A.npy": b"\0" * MIB, "B.npy": b"\0" * 10}))
    second = body.rindex(b"PK\x01\x02")
    body[second + 42 : second + 46] = (0).to_bytes(4, "little")
    assert send(client, "t.npz", bytes(body)).status_code == 422


def test_an_upload_without_length_is_counted(client: TestClient) -> None:
    def chunks() -> Iterator[bytes]:
        yield from [b"a,b\n" * 65_536] * 8

    assert send(client, "t.csv", chunks()).status_code == 413


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
def test_forms_of_other_sites_are_no_tables(client: TestClient, kind: str) -> None:
    assert send(client, "t.csv", CSV, kind).status_code == 415


def test_a_client_that_goes_leaves_nothing(client: TestClient, tmp_path: Path) -> None:
    path = {"path": "/api/uploads", "raw_path": b"/api/uploads", "query_string": b"name=t.csv", "root_path": ""}
    kind = [(b"host", b"localhost"), (b"content-type", b"text/csv")]
    scope = {"type": "http", "method": "POST", "scheme": "http", "headers": kind, "http_version": "1.1", **path}
    coming: list[dict[str, Any]] = [{"type": "http.request", "body": CSV, "more_body": True}]
    sent = []

    async def receive() -> dict[str, Any]:
        return coming.pop() if coming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    run_apart(client.app(scope, receive, send))  # type: ignore[arg-type]  # an ASGI app
    assert sent == []
    assert list((tmp_path / "uploads").iterdir()) == []


def test_links_and_odd_files_are_not_listed(client: TestClient, tmp_path: Path) -> None:
    send(client, "t.csv", CSV)
    uploads = tmp_path / "uploads"
    (tmp_path / "secret.csv").write_bytes(CSV)
    (uploads / "link.csv").symlink_to(tmp_path / "secret.csv")
    (uploads / "notes.txt").write_text("x")
    (uploads / "broken.npz").write_bytes(b"x")
    assert [u["name"] for u in client.get("/api/uploads").json()["uploads"]] == ["t.csv"]
    assert send(client, "link.csv", CSV).status_code == 409


def test_a_table_is_removed_unless_a_job_needs_it(client: TestClient, tmp_path: Path) -> None:
    for name in ("t.csv", "kept.csv"):
        send(client, name, CSV)
    tasks = {"label": {"kind": "binary"}, "y": {"kind": "regression"}}
    config = {"name": "visits", "problem": {"source": "table", "path": "uploads/kept.csv", "tasks": tasks}}
    assert client.post("/api/jobs", json={**config, "trunk": {"name": "mlp"}}).status_code == 202
    assert client.delete("/api/uploads/t.csv").status_code == 204
    assert client.delete("/api/uploads/t.csv").status_code == 404
    refused = client.delete("/api/uploads/kept.csv")
    assert (refused.status_code, problems(refused)) == (
        409,
        ["`kept.csv` is needed by job `visits`, which is queued; delete the job first"],
    )
    assert client.delete("/api/jobs/visits").status_code == 204
    assert client.delete("/api/uploads/kept.csv").status_code == 204
    (tmp_path / "secret.csv").write_bytes(CSV)
    (tmp_path / "uploads" / "link.csv").symlink_to(tmp_path / "secret.csv")
    for name, status in (("link.csv", 404), (".partial-x", 422), ("..%2Fservice.db", 404)):
        assert client.delete(f"/api/uploads/{name}").status_code == status, name
    assert (tmp_path / "secret.csv").exists()


def test_the_answer_is_what_the_config_needs(client: TestClient) -> None:
    kept = send(client, "my visits.csv", CSV).json()["name"]
    tasks = {"label": {"kind": "binary"}, "y": {"kind": "regression"}}
    problem = {"source": "table", "path": f"uploads/{kept}", "tasks": tasks}
    body = json.dumps({"name": "visits", "problem": problem, "trunk": {"name": "mlp"}})
    assert client.post("/api/jobs", content=body, headers={"Content-Type": "application/json"}).status_code == 202
