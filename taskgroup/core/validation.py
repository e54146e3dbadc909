"""Turns pydantic's errors into one sentence a fault: the field, the rule, what was found, a hint."""

import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from taskgroup.core.table import did_you_mean


def sentences(error: ValidationError, model: type[BaseModel], source: str) -> list[str]:
    """One sentence per fault in ``error``.

    Args:
        error: What pydantic raised.
        model: The model that was validated, searched for key names to suggest.
        source: File or object that the data came from; opens each sentence.
    """
    return [f"{source}: {_sentence(fault, model)}" for fault in error.errors()]


def _sentence(fault: Any, model: type[BaseModel]) -> str:
    place = _walk(model, fault["loc"])
    path = ".".join(place.shown)
    if fault["type"] == "extra_forbidden":
        return f"`{path}` is not a known key{did_you_mean(str(fault['loc'][-1]), place.keys)}"
    if fault["type"] == "missing":
        return f"`{path}` is missing"
    if fault["type"] in _WORDS or fault["type"] in _LENGTHS or fault["type"] == "string_pattern_mismatch":
        return f"`{path}`: {_rule(fault)}, found {_short(fault['input'])}"
    text = fault["msg"].removeprefix("Value error, ")
    text = text[:1].lower() + text[1:]
    if fault["type"] in ("value_error", "assertion_error"):
        return f"`{path}`: {text}" if path else text
    return f"`{path}`: {text}, found {_short(fault['input'])}"


NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""What a job may be called: a folder is named after it."""

_PATTERNS = {NAME_PATTERN: "should be letters and digits, and after the first also `.`, `_` and `-`"}

_SECTION, _LIST = "should be a section (lines of `key: value`)", "should be a list, such as [a, b]"
_WORDS = {
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), _SECTION),
    **dict.fromkeys(("tuple_type", "list_type"), _LIST),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "should be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "should be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "should be true or false"),
    "string_type": "should be text",
}
"""Rules of pydantic in the words of somebody who writes YAML."""

_LENGTHS = {"too_short": ("at least", "min_length"), "too_long": ("at most", "max_length")}


def _rule(fault: Any) -> str:
    if fault["type"] in _LENGTHS:
        bound, key = _LENGTHS[fault["type"]]
        n = fault["ctx"][key]
        return f"should have {bound} {n} entr{'y' if n == 1 else 'ies'}"
    if fault["type"] == "string_pattern_mismatch":
        pattern = fault["ctx"]["pattern"]
        return _PATTERNS.get(pattern, f"should match the pattern `{pattern}`")
    return _WORDS[fault["type"]]


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True)
class _Place:
    """Where a fault is: the path as the user wrote it, and the keys that are known one level above its end."""

    shown: list[str]
    keys: list[str]


def _walk(model: type[BaseModel], path: Sequence[Any]) -> _Place:
    """Follow pydantic's path, which names the tag of a union where the user's file has nothing."""
    shown: list[str] = []
    annotation: Any = model
    keys: list[str] = []
    for part in path:
        choices = _union(annotation)
        if len(choices) > 1 and not any(part in m.model_fields for m in choices):
            tagged = [m for m in choices if part in (m.__name__, *_tags(m))]
            if tagged:
                annotation = tagged[0]
                continue
        shown.append(str(part))
        keys = sorted({info.alias or name for m in choices for name, info in m.model_fields.items()})
        fields = [m.model_fields[part] for m in choices if part in m.model_fields]
        annotation = fields[0].annotation if fields else _inside(annotation)
    return _Place(shown, keys)


def _union(annotation: Any) -> list[type[BaseModel]]:
    """The models that may stand at an annotation; none for containers and plain values."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        return [m for inner in get_args(annotation) for m in _union(inner)]
    return []


def _tags(model: type[BaseModel]) -> list[Any]:
    """Values of the model's literal fields, by which a union may tell it from others."""
    literals = [f.annotation for f in model.model_fields.values() if get_origin(f.annotation) is Literal]
    return [value for literal in literals for value in get_args(literal)]


def _inside(annotation: Any) -> Any:
    """What a container holds: the values of a mapping, the items of a sequence; through optionals."""
    for candidate in (annotation, *get_args(annotation)):
        if get_origin(candidate) in (dict, list, tuple):
            return next((a for a in reversed(get_args(candidate)) if a is not Ellipsis), None)
    return None
