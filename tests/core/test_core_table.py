from importlib.metadata import EntryPoint

import pytest
from pydantic import ValidationError

from taskgroup.core import table
from taskgroup.core.spec import AdapterSpec
from taskgroup.core.table import Table, did_you_mean
from taskgroup.errors import InputError

ENTRIES = {"adapter": "taskgroup.core.spec:AdapterSpec", "absent": "taskgroup.no_such_module:Thing"}


def thing_table() -> Table[type[AdapterSpec]]:
    return Table("thing", "taskgroup.things", ENTRIES)


def test_entries_are_imported_when_asked_for() -> None:
    things = thing_table()
    assert things.names == ("absent", "adapter")
    assert things["adapter"] is AdapterSpec
    with pytest.raises(ModuleNotFoundError):
        things["absent"]


def test_a_misspelt_name_gets_a_hint_and_the_list() -> None:
    with pytest.raises(
        InputError, match="thing should be one of absent, adapter, found `adaptr`, did you mean `adapter`"
    ):
        thing_table()["adaptr"]
    with pytest.raises(InputError, match=r"found `zzz`$"):
        thing_table()["zzz"]


def test_create_validates_the_options() -> None:
    assert thing_table().create("adapter", {"stage": "s1", "size": 2}) == AdapterSpec(stage="s1", size=2)
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        thing_table().create("adapter", {"stage": "s1", "size": -2})


def test_entry_points_of_other_packages_are_found_but_do_not_replace_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def outside(group: str) -> list[EntryPoint]:
        assert group == "taskgroup.things"
        return [
            EntryPoint("helper", "taskgroup.core.spec:Helper", group),
            EntryPoint("adapter", "taskgroup.core.spec:Helper", group),
        ]

    monkeypatch.setattr(table, "entry_points", outside)
    things = thing_table()
    assert things.names == ("absent", "adapter", "helper")
    assert things["helper"].__name__ == "Helper"
    assert things["adapter"] is AdapterSpec


@pytest.mark.parametrize(
    ("word", "hint"),
    [("lokahead", ", did you mean `lookahead`?"), ("lookahead", ", did you mean `lookahead`?"), ("xyz", "")],
)
def test_did_you_mean(word: str, hint: str) -> None:
    assert did_you_mean(word, ["gradient", "lookahead"]) == hint
