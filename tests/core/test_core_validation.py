import pytest
from pydantic import Field, ValidationError, model_validator

from taskgroup.core.task import Frozen
from taskgroup.core.validation import NAME_PATTERN, sentences


class Inner(Frozen):
    width: int = Field(default=1, ge=1)
    kind: str = "a"
    rate: float = 1.0
    on: bool = True
    pair: tuple[int, ...] = Field(default=(1,), min_length=1, max_length=2)
    name: str = Field(default="a", pattern=NAME_PATTERN)
    code: str = Field(default="a", pattern="^a+$")


class Outer(Frozen):
    steps: int
    inner: Inner = Inner()
    several: tuple[Inner, ...] = ()
    maybe: Inner | None = None
    by_name: dict[str, Inner] = Field(default_factory=dict)
    renamed_: int = Field(default=0, alias="renamed")

    @model_validator(mode="after")
    def _not_thirteen(self) -> "Outer":
        if self.steps == 13:
            raise ValueError("Steps should not be 13")
        return self


def found(data: object) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(data)
    return sentences(caught.value, Outer, "job.yaml")


def test_missing() -> None:
    assert found({}) == ["job.yaml: `steps` is missing"]


def test_rule_and_value() -> None:
    assert found({"steps": 1, "inner": {"width": 0}}) == [
        "job.yaml: `inner.width`: input should be greater than or equal to 1, found 0"
    ]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"inner": 3}, "`inner`: should be a section (lines of `key: value`), found 3"),
        ({"inner": None}, "`inner`: should be a section (lines of `key: value`), found nothing"),
        ({"by_name": ["x"]}, "`by_name`: should be a section (lines of `key: value`), found ['x']"),
        ({"several": {"width": 1}}, "`several`: should be a list, such as [a, b], found {'width': 1}"),
        ({"steps": "many"}, "`steps`: should be a whole number, found 'many'"),
        ({"steps": 1.5}, "`steps`: should be a whole number, found 1.5"),
        ({"inner": {"rate": "x"}}, "`inner.rate`: should be a number, found 'x'"),
        ({"inner": {"on": "perhaps"}}, "`inner.on`: should be true or false, found 'perhaps'"),
        ({"inner": {"kind": 3}}, "`inner.kind`: should be text, found 3"),
        ({"inner": {"pair": []}}, "`inner.pair`: should have at least 1 entry, found []"),
        ({"inner": {"pair": [1, 2, 3]}}, "`inner.pair`: should have at most 2 entries, found [1, 2, 3]"),
        (
            {"inner": {"name": "../up"}},
            "`inner.name`: should be letters and digits, and after the first also `.`, `_` and `-`, found '../up'",
        ),
        ({"inner": {"code": "b"}}, "`inner.code`: should match the pattern `^a+$`, found 'b'"),
    ],
)
def test_rules_are_in_words_of_yaml(data: dict[str, object], sentence: str) -> None:
    assert found({"steps": 1} | data) == [f"job.yaml: {sentence}"]


def test_long_values_are_cut() -> None:
    (sentence,) = found({"steps": "x" * 100})
    assert sentence.endswith("found '" + "x" * 56 + "...")


def test_own_rule_of_the_whole_has_no_empty_field() -> None:
    assert found({"steps": 13}) == ["job.yaml: steps should not be 13"]


@pytest.mark.parametrize(
    ("data", "path", "hint"),
    [
        ({"step": 2}, "step", "steps"),
        ({"inner": {"widht": 2}}, "inner.widht", "width"),
        ({"several": [{}, {"knd": 2}]}, "several.1.knd", "kind"),
        ({"maybe": {"widths": 2}}, "maybe.widths", "width"),
        ({"by_name": {"x": {"widt": 2}}}, "by_name.x.widt", "width"),
        ({"renamd": 2}, "renamd", "renamed"),
    ],
)
def test_unknown_keys_are_hinted_at_their_own_level(data: dict[str, object], path: str, hint: str) -> None:
    assert found({"steps": 1} | data) == [f"job.yaml: `{path}` is not a known key, did you mean `{hint}`?"]


def test_a_key_of_another_level_is_not_hinted() -> None:
    assert found({"steps": 1, "width": 2}) == ["job.yaml: `width` is not a known key"]


def test_every_fault_has_its_sentence() -> None:
    assert len(found({"inner": {"width": 0, "x": 1}, "several": 3})) == 4
