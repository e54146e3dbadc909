"""Affinities from files: a run's own come back as they were, a user's in three forms, and one sentence a fault."""

from pathlib import Path

import numpy as np
import pytest

from taskgroup.core.affinity import Affinity
from taskgroup.errors import InputError
from taskgroup.pipeline.affinity_files import load_affinity
from taskgroup.pipeline.folder import Folder

TASKS = ("b", "a", "c")


def measured() -> Affinity:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 3, 3))
    values[1, 0, 1] = np.nan
    errors = np.abs(rng.normal(size=(3, 3, 3)))
    errors[2, 1, 0] = np.nan
    return Affinity(TASKS, ("low", "high", "trunk"), values, errors, np.full((3, 3, 3), 7))


def same(one: Affinity, other: Affinity) -> None:
    assert (one.tasks, one.stages) == (other.tasks, other.stages)
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.stderr, other.stderr)


def test_a_runs_own_files_come_back(tmp_path: Path) -> None:
    affinity = measured()
    Folder(tmp_path).write_affinity(affinity)
    for path in (tmp_path, tmp_path / "affinity.npz", str(tmp_path / "affinity.csv")):
        same(load_affinity(path), affinity)
    assert load_affinity(tmp_path).counts.tolist() == affinity.counts.tolist()


def test_arrays_of_the_users_own(tmp_path: Path) -> None:
    values = np.array([[0.0, 1.0], [2.0, 0.0]])
    np.savez(tmp_path / "plain.npz", tasks=["x", "y"], values=values)
    plain = load_affinity(tmp_path / "plain.npz")
    assert (plain.tasks, plain.stages) == (("x", "y"), ("trunk",))
    assert plain.slice()[0, 1] == 1.0  # source, target
    assert np.isnan(plain.stderr).all()
    np.savez(tmp_path / "more.npz", tasks=["x", "y"], values=np.stack([values] * 3), stderr=np.ones((3, 2, 2)))
    more = load_affinity(tmp_path / "more.npz")
    assert more.stages == ("stage1", "stage2", "trunk")
    assert more.stderr.min() == 1


def test_tables_of_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "matrix.csv").write_text("source,x,y\ny,2,\nx,,1\n")
    matrix = load_affinity(tmp_path / "matrix.csv")
    assert matrix.tasks == ("x", "y")
    assert (matrix.slice()[0, 1], matrix.slice()[1, 0]) == (1.0, 2.0)
    (tmp_path / "lines.csv").write_text("target,source,value,stderr\ny,x,1,0.5\nx,y,2,\n")
    lines = load_affinity(tmp_path / "lines.csv")
    assert set(lines.tasks) == {"x", "y"}
    x, y = lines.tasks.index("x"), lines.tasks.index("y")
    assert (lines.slice()[x, y], lines.slice()[y, x]) == (1.0, 2.0)
    assert lines.stderr[0, x, y] == 0.5
    assert np.isnan(lines.stderr[0, y, x])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.npz", None, "missing.npz: should be a file that can be read, found: No such file"),
        ("notes.txt", b"", "notes.txt: affinities should be in a run directory or a .npz or .csv file"),
        ("broken.npz", b"PK no", "broken.npz: should be an NPZ file of plain arrays"),
        ("empty.csv", b"", "empty.csv: the first row should be `source` and the names of the target tasks"),
        ("other.csv", b"age,dose\n1,2\n", "other.csv: the first row should be `source` and the names"),
        ("cells.csv", b"source,x,y\nx,,one\ny,2,\n", "row `x`, column `y` should be a number or empty, found `one`"),
        ("lines.csv", b"source,target,value\nx,y,much\n", "line 2: `value` should be a number or empty, found `much`"),
        ("double.csv", b"source,target,value\nx,y,1\nx,y,2\n", "`x` → `y` at `trunk` should come once, found more"),
        ("none.csv", b"source,target,value\n", "should have a line for every pair of tasks, found none"),
        ("inf.csv", b"source,x,y\nx,,inf\ny,2,\n", "inf.csv: affinity `values` should be finite or NaN"),
        ("late.csv", b"stage,source,target,value\ns1,x,y,1\n", "the last of `stages` should be `trunk`, .* found `s1`"),
        ("bars.csv", b"source,target,value,stderr\nx,y,1,-2\n", "`stderr` should be 0 or more, .* found -2"),
        ("bytes.csv", b"source,\xff\n", "bytes.csv: should be CSV in UTF-8"),
    ],
)
def test_one_sentence_for_what_is_wrong(name: str, content: bytes | None, words: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        load_affinity(tmp_path / name)
    assert len(caught.value.problems) == 1
    assert "\n" not in str(caught.value)


def test_wrong_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", other=np.zeros(3))
    with pytest.raises(InputError, match="should hold an array `tasks`, found other") as caught:
        load_affinity(tmp_path / "a.npz")
    assert len(caught.value.problems) == 2
    np.savez(tmp_path / "b.npz", tasks=["x", "y"], values=np.zeros((3, 3)))
    with pytest.raises(InputError, match=r"`values` should have shape .* = \(1, 2, 2\), found \(1, 3, 3\)"):
        load_affinity(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", tasks=["x", "y"], values=np.array([["a", "b"], ["c", "d"]]))
    with pytest.raises(InputError, match="`values` should hold numbers, found <U1"):
        load_affinity(tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz", tasks=["x", "y"], values=np.zeros(4))
    with pytest.raises(InputError, match="`values` should have shape"):
        load_affinity(tmp_path / "d.npz")
