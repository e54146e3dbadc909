"""Turns pydantic's errors into one sentence a fault: the field, the rule, what was found, a hint."""

import types
from typing import Any, Union, get_args, get_origin

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
    path = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        hint = did_you_mean(str(fault["loc"][-1]), _keys(model, fault["loc"][:-1]))
        return f"`{path}` is not a known key{hint}"
    if fault["type"] == "missing":
        return f"`{path}` is missing"
    text = fault["msg"].removeprefix("Value error, ")
    text = text[:1].lower() + text[1:]
    if fault["type"] in ("value_error", "assertion_error"):
        return f"`{path}`: {text}" if path else text
    return f"`{path}`: {text}, found {_short(fault['input'])}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _keys(model: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    """Keys that are allowed at ``path`` inside ``model`` (all that could be meant, where a union leaves it open)."""
    models = [model]
    for part in path:
        found: list[type[BaseModel]] = []
        for m in models:
            if part in m.model_fields:
                found += _models_in(m.model_fields[part].annotation)
        models = found or models
    return sorted({info.alias or name for m in models for name, info in m.model_fields.items()})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType, list, tuple, dict) or get_args(annotation):
        return [m for inner in get_args(annotation) for m in _models_in(inner)]
    return []
