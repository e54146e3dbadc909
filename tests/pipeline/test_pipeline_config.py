"""The config: defaults, every fault at once, overrides, and files that are no YAML."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from taskgroup.errors import InputError
from taskgroup.groupers import GROUPERS
from taskgroup.measures import MEASURES
from taskgroup.pipeline.config import Config, load_config, parse_config, read_yaml
from taskgroup.pipeline.exporting import formats
from taskgroup.search.samplers import SAMPLERS
from taskgroup.training.weighting import WEIGHTINGS

DIGITS: dict[str, Any] = {
    "name": "digits",
    "problem": {"source": "bundled", "name": "digits"},
    "trunk": {"name": "mlp", "width": 8, "depth": 2},
}


def faults(base: Path = Path(), **sections: Any) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        parse_config({**DIGITS, **sections}, "c.yaml", base)
    assert all(s.startswith(("c.yaml", "trunk", "problem", "t.csv")) for s in caught.value.problems)
    assert not any("\n" in s for s in caught.value.problems)
    return caught.value.problems


def write(folder: Path, text: str) -> Path:
    path = folder / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_name_a_problem_and_a_trunk_are_enough() -> None:
    config = parse_config(DIGITS, "c.yaml", Path())
    assert config.search.trials == 40
    assert config.confirm.seeds == 5
    assert config.measure.affinity == {"method": "lookahead"}
    assert config.limits.macs_ratio is None
    assert [g["method"] for g in config.propose.groupers] == ["hierarchical"] * 3 + ["spectral"]


def test_complete_with_defaults_it_is_the_same_config(tmp_path: Path) -> None:
    config = parse_config(DIGITS, "c.yaml", Path())
    again = parse_config(yaml.safe_load(yaml.safe_dump(config.to_dict())), "c.yaml", Path())
    assert again == config
    assert again.fingerprint == config.fingerprint
    assert json.loads(json.dumps(config.to_dict())) == config.to_dict()
    assert parse_config({**DIGITS, "seed": 1}, "c.yaml", Path()).fingerprint != config.fingerprint


@pytest.mark.parametrize("file", sorted(Path("search_spaces").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_search_space_is_valid_and_says_what_it_is(file: Path) -> None:
    assert load_config(file).name
    head = file.read_text(encoding="utf-8").split("name:")[0]
    assert all(f"# {word}" in head for word in ("Purpose", "Data", "Size", "Time"))


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"serch": {}}, "`serch` is not a known key, did you mean `search`?"),
        ({"search": {"trails": 3}}, "`search.trails` is not a known key, did you mean `trials`?"),
        ({"search": {"adapters": {"size": [3]}}}, "`search.adapters.size` is not a known key, did you mean `sizes`?"),
        ({"problem": {**DIGITS["problem"], "taks": []}}, "`problem.taks` is not a known key, did you mean `tasks`?"),
        (
            {"problem": {**DIGITS["problem"], "split": {"trian": 0.5}}},
            "`problem.split.trian` is not a known key, did you mean `train`?",
        ),
        ({"name": "../up"}, "`name`: should be letters and digits, and after the first also"),
        ({"search": {"trials": 1}}, "`search.trials`: input should be greater than or equal to 2, found 1"),
        ({"search": {"adapters": {"sizes": [-1]}}}, "sizes should be 0 (none) or more, found [-1]"),
        ({"search": {"adapters": {"kind": 3}}}, "kind`: should be a kind of adapter or a list of kinds, found 3"),
        ({"search": {"adapters": {"kind": []}}}, "kind`: should be a kind of adapter or a list of kinds, found []"),
        (
            {"search": {"adapters": {"kind": ["lora", "lora"]}}},
            "kind`: should name a kind once, found ['lora', 'lora']",
        ),
        ({"search": {"adapters": {"vary": "task"}}}, "`search.adapters.vary`: input should be 'stage' or 'branch'"),
        ({"train": {"adapters": "both"}}, "`train.adapters`: input should be 'joint' or 'staged', found"),
        ({"train": {"adapters": "staged", "adapter_share": 1}}, "`train.adapter_share`: input should be less than 1"),
        ({"train": {"adapter_share": 0.3}}, "`train`: adapter_share says how `adapters: staged` trains, found 0.3"),
        ({"confirm": {"seeds": 1}}, "`confirm.seeds`: input should be greater than or equal to 2, found 1"),
        ({"confirm": {"level": 1.0}}, "`confirm.level`: input should be less than 1, found 1.0"),
        ({"limits": {"macs_ratio": 0.9}}, "`limits.macs_ratio`: should be at least 1, the cost of all-shared"),
        ({"limits": {"params_ratio": float("nan")}}, "`limits.params_ratio`: should be at least 1"),
        ({"propose": {"groupers": []}}, "`propose.groupers`: should have at least 1 entry, found []"),
        ({"seed": -1}, "`seed`: input should be greater than or equal to 0, found -1"),
    ],
)
def test_each_fault_in_a_sentence_of_its_own(sections: dict[str, Any], words: str) -> None:
    found = faults(**sections)
    assert len(found) == 1
    assert found[0].startswith("c.yaml: ")
    assert words in found[0]


def test_methods_and_their_options_are_looked_at_where_something_is_wrong() -> None:
    found = faults(
        serch={},
        trunk={"name": "mlp", "wdth": 3},
        measure={"affinity": {"method": "lookahed"}},
        propose={"groupers": [{"method": "spectral", "max_group": 3}, {"linkage": "ward"}]},
        search={
            "adapters": {"kind": ["bottlenek", "film", "lorra"]},
            "sampler": "tpee",
            "weightings": ["pcgrad", "upgrd"],
        },
        train={"weighting": "pcgrd"},
        export={"formats": ["json", "mermad"]},
    )
    assert [s.removeprefix("c.yaml: ") for s in found] == [
        "`serch` is not a known key, did you mean `search`?",
        "`trunk`: `wdth` is not a known key, did you mean `width`?",
        f"`measure.affinity.method`: affinity measure should be one of {', '.join(MEASURES.names)}, found `lookahed`, "
        "did you mean `lookahead`?",
        "`propose.groupers.0`: `max_group` is not a known key, did you mean `max_groups`?",
        f"`propose.groupers.1` should be a mapping with `method`, one of {', '.join(GROUPERS.names)}",
        "`search.adapters.kind`: adapter kind should be one of bottleneck, film, lora, none, "
        "found `bottlenek`, did you mean `bottleneck`?",
        "`search.adapters.kind`: adapter kind should be one of bottleneck, film, lora, none, "
        "found `lorra`, did you mean `lora`?",
        f"`train.weighting`: train.weighting should be one of {', '.join(WEIGHTINGS.names)}, found `pcgrd`, "
        "did you mean `pcgrad`?",
        f"`search.weightings`: train.weighting should be one of {', '.join(WEIGHTINGS.names)}, found `upgrd`, "
        "did you mean `upgrad`?",
        f"`search.sampler`: sampler should be one of {', '.join(SAMPLERS)}, found `tpee`, did you mean `tpe`?",
        f"`export.formats`: export format should be one of {', '.join(formats())}, "
        "found `mermad`, did you mean `mermaid`?",
    ]


@pytest.mark.parametrize(
    "sections",
    [
        {"trunk": "mlp"},
        {"measure": {"affinity": "lookahead"}},
        {"propose": {"groupers": ["ward", {"method": "spectral"}]}},
    ],
    ids=["trunk", "affinity", "grouper"],
)
def test_a_method_that_is_no_mapping_is_one_fault(sections: dict[str, Any]) -> None:
    assert len(faults(**sections)) == 1


def table_with_faults(folder: Path) -> dict[str, Any]:
    (folder / "t.csv").write_text("x,y\n" + "".join(f"{k},1\n" for k in range(20)), encoding="utf-8")
    tasks = {"y": {"kind": "binary"}, "z": {"kind": "regression"}}
    return {"source": "table", "path": "t.csv", "tasks": tasks}


def test_data_are_looked_at_where_something_is_wrong(tmp_path: Path) -> None:
    found = faults(tmp_path, problem=table_with_faults(tmp_path), serch={}, search={"trials": 0})
    told = " | ".join(found)
    assert "`serch`" in told
    assert "`search.trials`" in told
    assert "no column `z`" in told


@pytest.mark.parametrize("trunk", [{"name": "mpl"}, {"width": 3}, {"name": "mlp", "width": -1}, 7], ids=str)
def test_a_faulty_trunk_hides_no_fault_of_the_data_and_is_told_once(tmp_path: Path, trunk: Any) -> None:
    found = faults(tmp_path, problem=table_with_faults(tmp_path), trunk=trunk, serch={})
    assert sum("no column `z`" in s for s in found) == 1
    assert sum("trunk" in s.split(":")[1] or s.startswith("trunk") for s in found) == 1
    assert len(found) == len(set(found))


@pytest.mark.parametrize("data", [None, [1, 2], "digits", 3])
def test_a_config_is_a_mapping(data: Any) -> None:
    with pytest.raises(InputError, match=f"a config should be a mapping of sections, found {type(data).__name__}"):
        parse_config(data, "c.yaml", Path())


def test_overrides_set_entries_at_any_depth(tmp_path: Path) -> None:
    path = write(tmp_path, yaml.safe_dump(DIGITS))
    changes = ["search.trials=7", "trunk.width=3", "problem.tasks=[parity, prime]", "limits.macs_ratio=1.5", "seed=4"]
    config = load_config(path, changes)
    assert (config.search.trials, config.trunk, config.seed) == (7, {"name": "mlp", "width": 3, "depth": 2}, 4)
    assert config.problem is not None
    assert config.problem.model_dump()["tasks"] == ("parity", "prime")
    assert config.limits.macs_ratio == 1.5
    assert load_config(path, ["search.trials=7", "search.trials=8"]).search.trials == 8
    assert load_config(path) == parse_config(DIGITS, "c.yaml", Path())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("search", "--set should be section.key=value, found `search`"),
        ("=3", "--set should be section.key=value, found `=3`"),
        ("search..trials=3", "--set should be section.key=value"),
        ("name.more=3", "--set name.more=3: `name` is not a section"),
        ("trunk.width=[3", "--set trunk.width=[3: the value should be YAML"),
        ("search.trails=3", "`search.trails` is not a known key, did you mean `trials`?"),
    ],
)
def test_overrides_that_cannot_be(tmp_path: Path, change: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        load_config(write(tmp_path, yaml.safe_dump(DIGITS)), [change])
    assert len(caught.value.problems) == 1
    assert words in caught.value.problems[0]


@pytest.mark.parametrize("text", ["", "- 1\n", "word"])
def test_an_override_does_not_make_a_config_of_something_else(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="a config should be a mapping"):
        load_config(write(tmp_path, text), ["seed=1"])


@pytest.mark.parametrize(
    ("text", "line"), [("a: [1, 2\nb: 3\n", 2), ("a: 1\nb: 'x\n", 3), ("a: 1\n  b: 2\n", 2), ("a: \x07", None)]
)
def test_what_is_no_yaml_is_named_with_its_line(tmp_path: Path, text: str, line: int | None) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_yaml(path)
    where = f"{path}, line {line}: should be YAML" if line else f"{path}: should be YAML"
    assert str(caught.value).startswith(where)
    assert len(caught.value.problems) == 1


def test_a_key_that_stands_twice_in_a_config_is_named_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "search:\n  trials: 8\n  trials: 80\n")
    with pytest.raises(InputError) as caught:
        read_yaml(path)
    assert str(caught.value) == f"{path}, line 3: key `trials` should stand once in its section"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_yaml(tmp_path / "nothing.yaml")
    with pytest.raises(InputError, match="should be a file, found a folder"):
        read_yaml(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(InputError, match="should be UTF-8 text, found byte 0xe9"):
        read_yaml(tmp_path / "latin.yaml")


def test_one_kind_of_adapter_or_several() -> None:
    for given, kept, kinds in (
        ("lora", "lora", ("lora",)),
        (["lora"], "lora", ("lora",)),
        (["film", "lora"], ["film", "lora"], ("film", "lora")),
    ):
        config = Config.model_validate({**DIGITS, "search": {"adapters": {"kind": given}}})
        assert config.search.adapters.kinds == kinds
        assert config.to_dict()["search"]["adapters"]["kind"] == kept
        assert Config.model_validate(config.to_dict()) == config


def test_options_of_later_versions_leave_the_hashes_of_earlier_jobs() -> None:
    """Found with the first version: a job that was begun or done then is gone on with."""
    plain = Config.model_validate(DIGITS)
    assert plain.fingerprint == "6345d81b4b64d15c"
    for section in ({"train": {"adapters": "staged"}}, {"search": {"adapters": {"vary": "branch"}}}):
        assert Config.model_validate({**DIGITS, **section}).fingerprint != plain.fingerprint


def test_zero_is_always_among_the_adapter_sizes() -> None:
    config = Config.model_validate({**DIGITS, "search": {"adapters": {"sizes": [16, 4, 4]}}})
    assert config.search.adapters.sizes == (0, 4, 16)
