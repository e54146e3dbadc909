"""JSON Schemas: they accept what the config accepts, and name what may stand where."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from taskgroup.errors import InputError
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.schema import json_schema


def refs(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from refs(value)
    elif isinstance(node, list):
        for value in node:
            yield from refs(value)


def fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """The part of JSON Schema that is used here: references, unions, constants, types, required and closed keys."""
    if "$ref" in schema:
        return fits(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root)
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return any(fits(value, option, root) for option in schema[union])
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        return False
    kinds: dict[str, Any] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": int | float,
        "boolean": bool,
        "null": type(None),
    }
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):
        return False
    if isinstance(value, dict):
        known = schema.get("properties", {})
        closed = schema.get("additionalProperties", True) is False
        return (
            set(schema.get("required", ())) <= set(value)
            and not (closed and set(value) - set(known))
            and all(fits(inner, known.get(key, {}), root) for key, inner in value.items())
        )
    if isinstance(value, list):
        return all(fits(item, schema.get("items", {}), root) for item in value)
    return True


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json_schema("config")


@pytest.fixture(params=sorted(Path("search_spaces").glob("*.yaml")), ids=lambda p: p.stem)
def space(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(request.param.read_text(encoding="utf-8"))
    return found


def test_search_spaces_fit_as_written_and_complete(schema: dict[str, Any], space: dict[str, Any]) -> None:
    assert fits(space, schema, schema)
    assert fits(Config.model_validate(space).to_dict(), schema, schema)


@pytest.mark.parametrize("kind", ["lora", ["lora", "film"]])
def test_one_kind_of_adapter_or_several_fit(schema: dict[str, Any], space: dict[str, Any], kind: Any) -> None:
    assert fits({**space, "search": {"adapters": {"kind": kind}}}, schema, schema)


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("serch", {}),
        ("trunk", {"name": "mpl"}),
        ("trunk", {"name": "mlp", "wdth": 3}),
        ("trunk", {"width": 3}),
        ("measure", {"affinity": {"method": "lookahed"}}),
        ("propose", {"groupers": [{"method": "hierarchical", "linkage": "wards"}]}),
        ("search", {"adapters": {"kind": "lorra"}}),
        ("search", {"adapters": {"kind": ["lora", "flim"]}}),
        ("search", {"trials": "many"}),
        ("export", {"formats": ["pdf"]}),
        ("problem", {"source": "bundled", "name": "digitss"}),
    ],
)
def test_what_the_config_refuses_does_not_fit(
    schema: dict[str, Any], space: dict[str, Any], section: str, value: Any
) -> None:
    assert not fits({**space, section: value}, schema, schema)


@pytest.mark.parametrize("what", ["config", "spec"])
def test_every_reference_leads_somewhere(what: str) -> None:
    found = json_schema(what)
    assert found["$schema"].startswith("https://json-schema.org/")
    assert set(refs(found)) <= {f"#/$defs/{name}" for name in found["$defs"]}


def test_required_names_are_named_once(schema: dict[str, Any]) -> None:
    for option in schema["properties"]["trunk"]["anyOf"][:-1]:
        assert len(set(option["required"])) == len(option["required"])
        assert "name" in option["required"]


def test_spec_schema_names_its_version() -> None:
    found = json_schema("spec")
    assert found["properties"]["schema"]["const"] == "taskgroup/spec/1"


def test_nothing_else_has_a_schema() -> None:
    with pytest.raises(InputError, match="schema should be config or spec, found `confg`, did you mean `config`"):
        json_schema("confg")
