"""What the form is told of a table's columns: as `taskgroup init` would say it, from the first rows alone."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
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


def test_as_init_would_say_it(client: TestClient, tmp_path: Path) -> None:
    path = tmp_path / "uploads" / "t.csv"
    frame().to_csv(path, index=False)
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


@pytest.mark.parametrize("ending", ["csv", "npz"])
def test_only_the_first_rows_are_looked_at(
    client: TestClient, tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They cannot tell whether a column is constant."""
    monkeypatch.setattr(heads, "MOST_ROWS", 60)
    monkeypatch.setattr(heads, "MOST_VALUES", 40)
    table = pd.DataFrame({"late": np.arange(100) // 60, "x": np.arange(100), "none": [np.nan] * 70 + [1.0] * 30})
    path = tmp_path / "uploads" / f"t.{ending}"
    if ending == "npz":
        arrays: dict[str, Any] = {str(name): table[name].to_numpy() for name in table}
        np.savez(path, **arrays)
    else:
        table.to_csv(path, index=False)
    found = columns(client, path.name)
    assert found["late"] == {"kind": None, "unfit": "", "values": ["0"], "split": False}
    assert found["none"]["unfit"] == ""
    assert len(found["x"]["values"]) == 40


def test_the_columns_of_the_inputs_are_not_picked_over(client: TestClient, tmp_path: Path) -> None:
    matrix = np.random.default_rng(0).normal(size=(70, 3))
    matrix[:, 1] = 0
    np.savez(tmp_path / "uploads" / "t.npz", X=matrix, same=np.ones(70), label=np.arange(70) % 2)
    found = columns(client, "t.npz")
    assert [found[f"X[{k}]"]["unfit"] for k in range(3)] == [""] * 3
    np.savez(tmp_path / "uploads" / "u.npz", same=np.ones(70), label=np.arange(70) % 2)
    assert columns(client, "u.npz")["same"]["unfit"] == "constant"


@pytest.mark.parametrize(
    "arrays",
    [
        {"x": np.arange(5.0).astype(">f8"), "y": (np.arange(5) % 2).astype(">i4")},
        {"x": np.array(["NaT"] * 5, dtype="datetime64")},
        {"x": np.array(["\ud800", "b"])},
        {"x": np.float64(3)},
        {"x": np.arange(5) * 1j},
        {"x": np.zeros((5, 0))},
        {"x": np.zeros((0, 2))},
    ],
    ids=["big-endian", "no time", "no text", "scalars", "complex", "no columns", "no rows"],
)
def test_odd_arrays_are_no_fault(client: TestClient, tmp_path: Path, arrays: dict[str, Any]) -> None:
    np.savez(tmp_path / "uploads" / "t.npz", **arrays)
    found = columns(client, "t.npz")
    if "y" in found:
        assert (found["x"]["kind"], found["y"]["kind"]) == ("multiclass", "binary")


def test_a_matrix_that_holds_columns_as_rows_beside_images(client: TestClient, tmp_path: Path) -> None:
    split = np.tile(np.arange(100) % 3, (3, 1))
    np.savez(tmp_path / "uploads" / "t.npz", X=np.zeros((100, 2, 2)), Z=np.zeros((100, 2, 2)), split=split)
    assert columns(client, "t.npz")["split[0]"]["split"]


def test_columns_have_the_names_that_a_job_knows(client: TestClient, tmp_path: Path) -> None:
    data = pd.DataFrame({"x": np.arange(20) / 7, "y": np.arange(20) % 2})
    data.to_csv(tmp_path / "uploads" / "t.csv")
    data.sample(frac=1, random_state=0).to_parquet(tmp_path / "uploads" / "t.parquet")
    found = columns(client, "t.csv")
    assert list(found) == read("t.csv", tmp_path / "uploads").names == ["Unnamed: 0", "x", "y"]
    assert found["Unnamed: 0"]["unfit"] == "counts the rows"
    assert list(columns(client, "t.parquet")) == read("t.parquet", tmp_path / "uploads").names == ["x", "y"]


def test_parquet_is_not_decoded_by_the_server(client: TestClient, tmp_path: Path) -> None:
    """28 kB of it may become gigabytes."""
    path = tmp_path / "uploads" / "t.parquet"
    pd.DataFrame({"y": [0, 1] * 50, "text": ["long " * 1000] * 100}).to_parquet(path)
    unseen: dict[str, Any] = {"kind": None, "unfit": "", "values": [], "split": False}
    assert columns(client, "t.parquet") == {"y": unseen, "text": unseen}


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
    for n_columns in (2, 100, 9000):  # of 9000 the first 2000
        names = tuple(f"c{k}" for k in range(n_columns))
        (tmp_path / "t.csv").write_text(",".join(names) + "\n" + ",".join("1" * n_columns) + "\n")
        found = heads.look(tmp_path / "t.csv", names)
    assert [bool(view.values) for view in found] == [True] * 2000 + [False] * 7000
    assert asked == [10_000, 2000, 50]


def test_rows_that_cannot_be_read_are_told(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "uploads" / "t.csv").write_text('a,b\n1,2\n"1,2\n')
    answer = client.get("/api/uploads/t.csv/columns")
    assert answer.status_code == 422
    assert problems(answer)[0].startswith("t.csv: its first rows should be readable, found: Error tokenizing data")


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
