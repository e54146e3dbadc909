import pytest
from pydantic import Field, ValidationError, model_validator

from taskgroup.core.task import Frozen
from taskgroup.core.validation import sentences


class Inner(Frozen):
    width: int = Field(default=1, ge=1)
    kind: str = "a"


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
