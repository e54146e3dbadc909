"""What the form is told of a table's columns: as `taskgroup init` would say it, from the first rows alone."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from http_app import problems, running
from starlette.testclient import TestClient

from taskgroup.problems.guess import guess_kind, unfit_input
from taskgroup.problems.source import plain, read
from taskgroup.service.settings import MIB
from taskgroup.service.tables import columns_of, heads


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    (tmp_path / "uploads").mkdir()
    with running(tmp_path, max_upload_bytes=MIB) as (client, _):
        yield client


def columns(client: TestClient, name: str) -> dict[str, dict[str, Any]]:
    answer = client.get(f"/api/uploads/{name}/columns")
    assert answer.status_code == 200, answer.text
    return {column.pop("name"): column for column in answer.json()["columns"]}


def frame(n_rows: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "row": np.arange(n_rows),
            "size": rng.normal(size=n_rows),
            "grade": rng.integers(0, 7, n_rows),
            "clinic": [f"c{k % 4}" for k in range(n_rows)],
            "alarm": [["yes", "no", None][k % 3] for k in range(n_rows)],
            "same": 3.0,
            "notes": [f"note {k}" for k in range(n_rows)],
            "nothing": np.nan,
            "part": [["train", "val", "Test "][k % 3] for k in range(n_rows)],
        }
    )


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_as_init_would_say_it(client: TestClient, tmp_path: Path, ending: str) -> None:
    path = tmp_path / "uploads" / f"t.{ending}"
    frame().to_csv(path, index=False) if ending == "csv" else frame().to_parquet(path)
    found, source = columns(client, path.name), read(path.name, path.parent)
    assert list(found) == source.names
    for name, column in found.items():
        whole = source.column(name)
        values = [] if name == "size" else list(dict.fromkeys(map(str, plain(whole))))  # no names among fractions
        said = {"kind": guess_kind(whole).kind, "unfit": unfit_input(whole), "values": values, "split": name == "part"}
        assert column == said, name
    kinds = {"size": "regression", "grade": "multiclass", "alarm": "binary", "notes": None}
    assert {name: found[name]["kind"] for name in kinds} == kinds
    assert found["row"]["unfit"] == "counts the rows"
    assert found["clinic"]["values"] == ["c0", "c1", "c2", "c3"]


def test_arrays_however_they_lie(client: TestClient, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(120, 3))
    arrays: dict[str, Any] = {
        "X": matrix,
        "by_columns": np.asfortranarray(matrix),
        "label": np.arange(120) % 2,
        "text": np.array([f"t{k % 3}" for k in range(120)]),
        "bytes": np.array([b"a", b"b", b"c"])[np.arange(120) % 3],
        "split": np.tile(np.arange(120) % 3, (2, 1)),
        "images": np.zeros((120, 2, 2)),
        "other": np.zeros(7),
    }
    path = tmp_path / "uploads" / "t.npz"
    np.savez_compressed(path, **arrays)
    found, source = columns(client, path.name), read(path.name, path.parent)
    assert list(found) == list(columns_of(path)) == source.names
    for name, column in found.items():
        values = list(dict.fromkeys(map(str, plain(source.column(name)))))
        assert column["values"] == ([] if "." in values[0] else values), name
        assert column["kind"] == guess_kind(source.column(name)).kind, name
    assert (found["bytes"]["kind"], found["by_columns[2]"]["kind"]) == ("multiclass", "regression")
    assert found["split[1]"]["values"] == ["0", "1", "2"]
    assert [name for name, column in found.items() if column["split"]] == ["split[0]", "split[1]"]
    aside = {name for name, column in found.items() if column["unfit"] == "`X` holds the inputs"}
    assert aside == {*found} - {"X[0]", "X[1]", "X[2]"}
    np.savez(path, **{name: array for name, array in arrays.items() if name != "X"})
    found = columns(client, path.name)
    assert {name for name, column in found.items() if column["unfit"]} == {"split[0]", "split[1]"}
    np.savez(path, **{**arrays, "X": np.zeros((120, 2, 2))})
    assert columns(client, path.name)["label"]["unfit"] == "`X` holds the inputs"


@pytest.mark.parametrize("ending", ["csv", "parquet", "npz"])
def test_only_the_first_rows_are_looked_at(
    client: TestClient, tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "MOST_ROWS", 60)
    monkeypatch.setattr(heads, "MOST_VALUES", 40)
    table = pd.DataFrame({"late": np.arange(100) // 60, "x": np.arange(100)})
    path = tmp_path / "uploads" / f"t.{ending}"
    if ending == "npz":
        np.savez(path, late=table["late"].to_numpy(), x=table["x"].to_numpy())
    else:
        table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)
    found = columns(client, path.name)
    assert found["late"] == {"kind": None, "unfit": "constant", "values": ["0"], "split": False}
    assert len(found["x"]["values"]) == 40


def test_arrays_too_large_to_read_whole_are_not_seen(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "MOST_BYTES", 1000)
    path = tmp_path / "uploads" / "t.npz"
    matrix = np.random.default_rng(0).normal(size=(60, 4))
    np.savez(path, late=np.asfortranarray(matrix), label=np.arange(60) % 2)
    found = columns(client, path.name)
    assert found["late[0]"] == {"kind": None, "unfit": "", "values": [], "split": False}
    assert found["label"]["kind"] == "binary"


def test_wide_tables_are_looked_at_less_deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def head(path: Path, n_rows: int) -> Any:
        asked.append(n_rows)
        return heads._csv(path, n_rows)

    monkeypatch.setitem(heads.HEADS, "csv", head)
    for n_columns in (2, 100, 9000):
        names = tuple(f"c{k}" for k in range(n_columns))
        (tmp_path / "t.csv").write_text(",".join(names) + "\n" + ",".join("1" * n_columns) + "\n")
        heads.look(tmp_path / "t.csv", names)
    assert asked == [10_000, 2000, 50]


def test_cells_that_are_no_labels(client: TestClient, tmp_path: Path) -> None:
    lists = pd.DataFrame({"x": [1.0, 2.0], "lists": [[1, 2], [3]], "y": [0, 1]})
    lists.to_parquet(tmp_path / "uploads" / "t.parquet")
    found = columns(client, "t.parquet")
    assert (found["lists"]["kind"], found["lists"]["unfit"]) == (None, "neither numbers nor text (object)")
    assert found["y"]["kind"] == "binary"


def test_rows_that_cannot_be_read_are_told(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "uploads" / "t.csv").write_text('a,b\n1,2\n"1,2\n')
    answer = client.get("/api/uploads/t.csv/columns")
    assert answer.status_code == 422
    assert problems(answer)[0].startswith("t.csv: its first rows should be readable, found: Error tokenizing data")


def test_a_parquet_file_of_which_only_the_footer_is_sound(client: TestClient, tmp_path: Path) -> None:
    path = tmp_path / "uploads" / "t.parquet"
    frame().to_parquet(path)
    content = path.read_bytes()
    path.write_bytes(content[:4] + b"\xff" * 2000 + content[2004:])
    answer = client.get("/api/uploads/t.parquet/columns")
    assert answer.status_code == 422
    assert problems(answer)[0].startswith("t.parquet: its first rows should be readable, found: ")
    again = client.post("/api/uploads", params={"name": "again.parquet"}, content=path.read_bytes())
    assert again.status_code == 422
    assert problems(again)[0].startswith("again.parquet: its first rows should be readable, found: ")


def test_columns_of_one_name_are_one(client: TestClient, tmp_path: Path) -> None:
    twice = pa.table([pa.array([1, 2, 3]), pa.array([1.5, 2.5, 3.5])], names=["x", "x"])
    pq.write_table(twice, tmp_path / "uploads" / "t.parquet")
    answer = client.get("/api/uploads/t.parquet/columns")
    assert [column["kind"] for column in answer.json()["columns"]] == ["multiclass"] * 2


def test_there_is_no_such_table(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    (tmp_path / "uploads" / "link.csv").symlink_to(tmp_path / "secret.csv")
    for name in ("none.csv", "link.csv", "..%2Fsecret.csv"):
        assert client.get(f"/api/uploads/{name}/columns").status_code in (404, 422), name
    buffer = io.BytesIO()
    np.savez(buffer, x=np.zeros(3))
    client.post("/api/uploads", params={"name": "gone.npz"}, content=buffer.getvalue())
    assert columns(client, "gone.npz")["x"]["unfit"] == "constant"
    assert client.delete("/api/uploads/gone.npz").status_code == 204
    assert problems(client.get("/api/uploads/gone.npz/columns")) == ["there is no table `gone.npz`"]
