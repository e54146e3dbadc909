"""JSON Schemas for editors: configs with the options of every method in the tables, and specs."""

from typing import Any

from taskgroup.adapters import ADAPTERS
from taskgroup.core.spec import SCHEMA, Spec
from taskgroup.core.table import Table, did_you_mean
from taskgroup.errors import InputError
from taskgroup.groupers import GROUPERS
from taskgroup.measures import MEASURES
from taskgroup.nn.trunk import TRUNKS
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.exporting import formats

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(what: str) -> dict[str, Any]:
    """JSON Schema of ``config`` or ``spec``.

    Raises:
        InputError: Any other word.
    """
    if what == "spec":
        return {"$schema": DRAFT, "title": SCHEMA, **Spec.model_json_schema(by_alias=True)}
    if what == "config":
        return {"$schema": DRAFT, **_config_schema()}
    raise InputError(f"schema should be config or spec, found `{what}`{did_you_mean(what, ['config', 'spec'])}")


def _config_schema() -> dict[str, Any]:
    schema = Config.model_json_schema()
    sections = schema["$defs"]
    schema["properties"]["trunk"] = {"anyOf": [*_options(TRUNKS, "name"), {"type": "null"}]}
    sections["MeasureConfig"]["properties"]["affinity"] = {"anyOf": _options(MEASURES, "method")}
    sections["ProposeConfig"]["properties"]["groupers"]["items"] = {"anyOf": _options(GROUPERS, "method")}
    kind = {"enum": list(ADAPTERS.names)}
    kinds = {"type": "array", "items": kind, "minItems": 1, "uniqueItems": True}
    sections["AdapterConfig"]["properties"]["kind"]["anyOf"] = [kind, kinds]
    sections["ExportConfig"]["properties"]["formats"]["items"] = {"enum": list(formats())}
    return schema


def _options(table: Table[Any], key: str) -> list[dict[str, Any]]:
    found = []
    for name in table.names:
        schema = table[name].model_json_schema()
        schema["required"] = [*schema.get("required", []), key]
        found.append(schema)
    return found
