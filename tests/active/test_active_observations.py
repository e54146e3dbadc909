import numpy as np
import pytest

from taskgroup.active.observations import Observations, without_seeds
from taskgroup.errors import InputError


def test_one_seed_keeps_the_errors_as_they_are() -> None:
    seen = Observations(("a", "b", "c"))
    seen.add(("c", "a"), {"c": 3.0, "a": 1.0}, 0)
    seen.add(("b",), {"b": 2.0}, 0)
    scores = seen.scores()
    assert [scores.group(row) for row in range(2)] == [("a", "c"), ("b",)]
    np.testing.assert_array_equal(scores.errors, [[1.0, np.nan, 3.0], [np.nan, 2.0, np.nan]])
    assert seen.noise() is None


def test_a_hard_seed_does_not_make_a_bad_group() -> None:
    seen = Observations(("a", "b"))
    seen.add(("a",), {"a": 1.0}, 0)
    seen.add(("a",), {"a": 3.0}, 1)  # seed 1 is harder by 2
    seen.add(("a", "b"), {"a": 2.5, "b": 5.0}, 1)  # better than alone by a half
    errors = seen.scores().errors[:, 0]
    assert errors[0] - errors[1] == pytest.approx(0.5)


def test_noise_is_what_neither_group_nor_seed_explains() -> None:
    rng = np.random.default_rng(0)
    seen, names = Observations(("a", "b")), [("a",), ("a", "b"), ("b",)]
    hard = rng.normal(0, 5, 400)
    for seed in range(400):
        for group in names:
            seen.add(group, {t: {"a": 1.0, "b": 9.0}[t] + hard[seed] + rng.normal(0, 0.3) for t in group}, seed)
    noise = seen.noise()
    assert noise is not None
    assert np.sqrt(noise) == pytest.approx([0.3, 0.3], rel=0.1)


def test_a_seed_of_its_own_has_no_share() -> None:
    means, squares, freedom = without_seeds(np.array([0, 1]), np.array([0, 1]), np.array([1.0, 4.0]))
    assert squares == pytest.approx(0.0)
    assert freedom == 0
    assert means.mean() == pytest.approx(2.5)


def test_told_again_replaces() -> None:
    seen = Observations(("a",))
    for value in (1.0, 7.0):
        seen.add(("a",), {"a": value}, 3)
    assert seen.scores().errors.tolist() == [[7.0]]
    assert seen.seeds(("a",)) == (3,)
    assert seen.n_runs.tolist() == [1]


@pytest.mark.parametrize(
    ("group", "errors", "words"),
    [
        (("mas",), {"mas": 1.0}, "`group` should be one or more different tasks .* `mas`, did you mean `mass`"),
        ((), {}, "`group` should be one or more .* found none"),
        (("ink", "ink"), {"ink": 1.0}, r"found \['ink', 'ink'\]"),
        (
            ("ink", "mass"),
            {"ink": 1.0},
            r"`errors` should have one number for each of \['mass', 'ink'\], found \['ink'\]",
        ),
        (("ink",), {"ink": float("nan")}, "`errors` should be finite, found ink: nan"),
    ],
)
def test_bad_observations_are_refused_in_words(group: tuple[str, ...], errors: dict[str, float], words: str) -> None:
    seen = Observations(("mass", "ink"))
    with pytest.raises(InputError, match=words):
        seen.add(group, errors, 0)
    assert len(seen) == 0
