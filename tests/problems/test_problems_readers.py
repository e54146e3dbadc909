import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from problem_tables import BOTH, CHURN, customers, load, load_faults, write

from taskgroup.errors import InputError
from taskgroup.problems.source import READERS, read

SPLIT = {"column": "part"}
INPUTS = ["age", "visits", "city"]


def test_parquet_reads_as_csv_does(tmp_path: Path) -> None:
    frame = customers()
    frame["visits"] = frame["visits"].astype("Int64")
    frame.loc[[0, 5], "visits"] = None
    frame.loc[1, ["churn", "city"]] = None
    frame["city"] = frame["city"].astype("category")
    frame.to_parquet(tmp_path / "a.parquet")
    one = load(tmp_path, path="a.parquet", tasks=BOTH, inputs=INPUTS, split=SPLIT)
    two = load(tmp_path, path=write(frame, tmp_path / "a.csv"), tasks=BOTH, inputs=INPUTS, split=SPLIT)
    np.testing.assert_array_equal(one.inputs, two.inputs)
    np.testing.assert_array_equal(one.labels, two.labels)
    assert one.tasks == two.tasks


def test_blank_text_is_missing_in_every_format(tmp_path: Path) -> None:
    frame = customers()
    frame["grade"] = np.array(["low", "high"])[np.arange(40) % 2]
    frame.loc[0, "grade"], frame.loc[1, "grade"] = "", " "
    frame.loc[2:20, "city"] = ["", " "] * 9 + [""]
    frame.to_parquet(tmp_path / "a.parquet")
    write(frame, tmp_path / "a.csv")
    for path in ("a.parquet", "a.csv"):
        problem = load(tmp_path, path=path, tasks={"grade": {"kind": "binary"}}, inputs=["city"])
        (city,) = problem.preprocessing["inputs"]["categorical"]
        assert city["categories"] == ["Aarhus", "Bergen", "Cork", None]
        np.testing.assert_array_equal(np.flatnonzero(np.isnan(problem.labels[:, 0])), [0, 1])


def test_a_parquet_file_that_is_none_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("age,churn\n1,2\n")
    (fault,) = load_faults(tmp_path, path="a.parquet", tasks=CHURN)
    assert fault.startswith("a.parquet: should be a Parquet file, found: ")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "should be comma-separated text in UTF-8 with a header, found: No columns"),
        ("age,churn\n", "the file should have rows, found none"),
        ("age,churn,age\n1,2,3\n", "column `age` should stand in the header once"),
        (
            "age,churn\n1,2\n3,4,5\n",
            "in UTF-8 with a header, found: line 3 has 3 fields, where the header names 2 columns",
        ),
        ("\nage,churn\n1,2\n3,4,5\n", "found: line 4 has 3 fields, where the header names 2 columns"),
        ("age,churn\n1,2,3\n1,2,3\n", "found: line 2 has 3 fields, where the header names 2 columns"),
        ("age;churn\n1;2\n", "columns should be separated by commas, found the one column `age;churn`"),
        ("age,churn\n1,2,3\n1,2,3\n", "should be comma-separated text"),
        ("age,churn\n1,2\n1,2,3,4\n", "should be comma-separated text"),
    ],
)
def test_what_a_csv_file_may_not_be(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    (fault,) = load_faults(tmp_path, path="a.csv", tasks=CHURN)
    assert fault.startswith("a.csv: ")
    assert found in fault


def test_a_csv_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("age,ort\n1,Zürich\n".encode("latin-1"))
    (fault,) = load_faults(tmp_path, path="a.csv", tasks=CHURN)
    assert "UTF-8" in fault


def test_a_missing_file_and_an_unknown_ending(tmp_path: Path) -> None:
    write(customers(), tmp_path / "customers.csv")
    (fault,) = load_faults(tmp_path, path="custmers.csv", tasks=CHURN)
    assert fault == f"custmers.csv: there is no such file in {tmp_path}, did you mean `customers.csv`?"
    (fault,) = load_faults(tmp_path, path="a.xlsx", tasks=CHURN)
    assert fault == "a.xlsx: the file's ending should be one of csv, npz, parquet, found `xlsx`"


def test_npz_inputs_and_label_columns(tmp_path: Path) -> None:
    frame = customers()
    x = frame[["age", "visits"]].to_numpy()
    y = np.stack([frame["churn"], frame["spend"]], axis=1)
    np.savez(tmp_path / "a.npz", X=x, Y=y, meta=np.zeros(7), splits=np.stack([np.arange(40) % 2, np.arange(40) % 3]))
    tasks = {"churn": {"kind": "binary", "column": "Y[0]"}, "spend": {"kind": "regression", "column": "Y[1]"}}
    found = load(tmp_path, path="a.npz", tasks=tasks, split={"column": "splits[1]"})
    columns = customers().assign(part=np.arange(40) % 3)
    path = write(columns, tmp_path / "a.csv")
    same = load(tmp_path, path=path, tasks=BOTH, inputs=["age", "visits"], split=SPLIT)
    np.testing.assert_array_equal(found.inputs, same.inputs)
    np.testing.assert_array_equal(found.labels, same.labels)
    np.testing.assert_array_equal(found.split, np.arange(40) % 3)


@pytest.mark.parametrize("header", ["(" * 118, "{'descr': '<f8', 'shape': (3,", "__import__('os')"])
def test_npz_arrays_with_odd_headers_are_refused(tmp_path: Path, header: str) -> None:
    text = header.encode().ljust(118) + b"\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("X.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
    (fault,) = load_faults(tmp_path, path="a.npz", tasks=CHURN)
    assert fault.startswith("a.npz: array `X` should be numbers or text (no pickles), found: ")


def test_npz_images_keep_their_axes(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 255, (40, 3, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", X=x, churn=np.arange(40) % 2)
    section: dict[str, Any] = {"path": "a.npz", "tasks": CHURN}
    problem = load(tmp_path, shape=[1, 3, 3], **section)
    train = x[problem.split == 0]
    np.testing.assert_allclose(problem.inputs[:, 0], (x - train.mean()) / train.std(), atol=1e-6)
    assert load(tmp_path, **section).inputs.shape == (40, 3, 3)


def test_npz_arrays_of_text_and_numbers_join_to_columns(tmp_path: Path) -> None:
    frame = customers()
    x = frame[["age", "visits"]].to_numpy()
    np.savez(tmp_path / "a.npz", num=x, city=frame["city"].to_numpy(str), churn=frame["churn"], raw=np.arange(40))
    problem = load(tmp_path, path="a.npz", tasks=CHURN, inputs=["num", "city"])
    record = problem.preprocessing["inputs"]
    assert [c["column"] for c in record["numeric"]] == ["num[0]", "num[1]"]
    assert record["categorical"] == [{"column": "city", "categories": ["Aarhus", "Bergen", "Cork"]}]


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.zeros((9, 2)), churn=np.array([{"a": 1}] * 9, dtype=object))
    (fault,) = load_faults(tmp_path, path="a.npz", tasks=CHURN)
    assert fault.startswith("a.npz: array `churn` should be numbers or text (no pickles), found: Object arrays cannot")


@pytest.mark.parametrize(
    ("section", "found"),
    [
        ({"tasks": {"Y": {"kind": "binary"}}}, "a.npz: array `Y` is a matrix; name one column of it: Y[0], Y[1]"),
        ({"tasks": {"Y[2]": {"kind": "binary"}}}, "a.npz: there is no column `Y[2]`, did you mean"),
        ({"tasks": {"Y[0]": {"kind": "binary"}}}, "a.npz: has no array `X`; name its input arrays"),
        ({"tasks": {"Y[0]": {"kind": "binary"}}, "inputs": ["image", "n"]}, "`image` has more than two axes"),
        (
            {"tasks": {"Y[0]": {"kind": "binary"}}, "inputs": ["imag"]},
            "there is no column `imag`, did you mean `image`?",
        ),
        (
            {"tasks": {"Y[0]": {"kind": "binary"}}, "inputs": ["Y"]},
            "`Y[0]` is a label, task or split column; leave it out",
        ),
    ],
)
def test_what_arrays_may_not_be_named(tmp_path: Path, section: dict[str, Any], found: str) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", image=rng.normal(size=(9, 2, 2)), n=np.arange(9), Y=rng.integers(0, 2, (9, 2)))
    assert any(found in fault for fault in load_faults(tmp_path, path="a.npz", **section))


@pytest.mark.parametrize("kind", ["text", "npy"])
def test_a_file_that_is_no_npz(tmp_path: Path, kind: str) -> None:
    if kind == "text":
        (tmp_path / "a.npz").write_text("age,churn\n")
    else:
        with (tmp_path / "a.npz").open("wb") as file:
            np.save(file, np.zeros(3))
    (fault,) = load_faults(tmp_path, path="a.npz", tasks=CHURN)
    assert fault.startswith("a.npz: should be an NPZ file of ")


@pytest.mark.parametrize("ending", READERS.names)
def test_every_reader_keeps_the_contract(tmp_path: Path, ending: str) -> None:
    frame = customers()[["age", "visits", "churn"]]
    if ending == "csv":
        write(frame, tmp_path / "a.csv")
    elif ending == "parquet":
        frame.to_parquet(tmp_path / "a.parquet")
    else:
        np.savez(tmp_path / "a.npz", age=frame["age"], visits=frame["visits"], churn=frame["churn"])
    source = read(f"a.{ending}", tmp_path)
    assert (source.file, source.n_rows, source.names) == (f"a.{ending}", 40, ["age", "visits", "churn"])
    np.testing.assert_array_equal(source.column("churn"), frame["churn"])
    inputs = source.inputs(["visits", "age"], set())
    assert isinstance(inputs, pd.DataFrame)
    np.testing.assert_array_equal(inputs.to_numpy(dtype=float), frame[["visits", "age"]].to_numpy(dtype=float))
    with pytest.raises(InputError, match="there is no column `agee`, did you mean `age`"):
        source.column("agee")
