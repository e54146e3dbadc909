"""``taskgroup.group``: from an affinity or a file, with the faults of all arguments as sentences."""

from pathlib import Path

import numpy as np
import pytest

import taskgroup
from taskgroup.core.affinity import Affinity
from taskgroup.errors import InputError
from taskgroup.groupers.constraints import Constraints
from taskgroup.groupers.hierarchical import Hierarchical


def planted() -> Affinity:
    values = np.kron(np.eye(2), np.ones((3, 3)))[None] + np.random.default_rng(0).normal(0, 0.1, (1, 6, 6))
    return Affinity(tuple("abcdef"), ("trunk",), values, np.full((1, 6, 6), 0.1), np.ones((1, 6, 6), int))


def test_groups_an_affinity() -> None:
    found = taskgroup.group(planted())
    assert found.recommended is not None
    assert found.recommended.groups == (("a", "b", "c"), ("d", "e", "f"))
    assert found.n_draws == 50
    ready = taskgroup.group(planted(), [Hierarchical(linkage="ward"), {"method": "spectral", "max_groups": 2}], draws=0)
    assert ready.proposals[0].source == "hierarchical(ward), 2 groups (also spectral, 2 groups)"
    assert ready.n_draws == 0


def test_groups_a_file_under_constraints(tmp_path: Path) -> None:
    affinity = planted()
    np.savez(tmp_path / "mine.npz", tasks=affinity.tasks, values=affinity.values[0], stderr=affinity.stderr[0])
    for rules in (Constraints(cannot_link=(("a", "b"),)), {"cannot_link": [["a", "b"]]}):
        found = taskgroup.group(tmp_path / "mine.npz", "hierarchical,spectral(max_groups=3)", constraints=rules, seed=1)
        assert found.recommended is not None
        assert not any({"a", "b"} <= set(group) for group in found.recommended.groups)


def test_faults_are_sentences() -> None:
    affinity = planted()
    with pytest.raises(InputError) as caught:
        taskgroup.group(affinity, "spectrl,hierarchical(linkage=wart),spectral")
    assert len(caught.value.problems) == 2
    assert "found `spectrl`, did you mean `spectral`" in caught.value.problems[0]
    assert "grouper hierarchical(linkage=wart): `linkage`" in caught.value.problems[1]
    with pytest.raises(InputError, match="groupers should be NAME or NAME"):
        taskgroup.group(affinity, "spectral(2)")
    with pytest.raises(InputError, match="constraints: `must_lnk` is not a known key, did you mean `must_link`"):
        taskgroup.group(affinity, constraints={"must_lnk": []})
    with pytest.raises(InputError, match=r"`symmetrization` should be one of centred-mean, .* found `mean`"):
        taskgroup.group(affinity, symmetrization="mean")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="`stage` should be one of trunk, found `s1`"):
        taskgroup.group(affinity, stage="s1")
    with pytest.raises(InputError, match="`n_draws` should be 0 or more, found -1"):
        taskgroup.group(affinity, draws=-1)
