"""JSON and YAML from strangers, read strictly: plain data of limited size and depth, every key once."""

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from taskgroup.core import strict_yaml
from taskgroup.service.refusal import RefusedError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_NODES = 20_000
MAX_INT = 2**63


class _TwiceError(ValueError):
    """A key stands twice in an object."""


def read_json(body: bytes) -> Any:
    """Plain data from JSON.

    Raises:
        RefusedError: 400 where it is not JSON in UTF-8, 422 where it is more than plain data of a sane size.
    """
    try:
        data = json.loads(_text(body), object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise RefusedError(400, f"body: should be JSON, found: {error.msg}, line {error.lineno}") from None
    except RecursionError:
        raise _too_deep() from None
    except _TwiceError as error:
        raise RefusedError(422, f"body: {error}") from None
    except ValueError as error:  # e.g. more digits than Python reads
        raise RefusedError(422, f"body: {error}") from None
    return checked(data)


def read_yaml(body: bytes) -> Any:
    """Plain data from YAML without anchors, aliases and tags.

    Raises:
        RefusedError: 400 where it is not YAML in UTF-8, 422 where it is more than plain data of a sane size.
    """
    text = _text(body)
    try:
        _check_events(yaml.parse(text, Loader=strict_yaml.FAST))
        data = strict_yaml.read(text)
    except strict_yaml.TwiceError as error:
        raise RefusedError(422, f"body: line {error.line}: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise RefusedError(
            400, f"body{where}: should be YAML, found: {getattr(error, 'problem', None) or error}"
        ) from None
    except ValueError as error:  # e.g. the 31st of February, or more digits than Python reads
        raise RefusedError(422, f"body: {error}") from None
    return checked(data)


def checked(data: Any) -> Any:
    """The same data, once every value in it has been looked at.

    Raises:
        RefusedError: With a sentence for each value that JSON does not have or no database keeps.
    """
    faults, waiting, seen = [], [("", data, 1)], 0
    while waiting:
        place, value, depth = waiting.pop()
        seen += 1
        if depth > MAX_DEPTH:
            raise _too_deep()
        if seen > MAX_NODES:
            raise RefusedError(422, f"body: should have at most {MAX_NODES} entries, found more")
        waiting += [(f"{place}.{key}"[:200], inner, depth + 1) for key, inner in _inside(value)]
        faults += [f"body, `{place[1:] or 'document'}`: {fault}" for fault in _faults(value)]
    if faults:
        raise RefusedError(422, faults)
    return data


def _text(body: bytes) -> str:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"byte {body[error.start]:#04x} at {error.start}"
        raise RefusedError(400, f"body: should be UTF-8 text, found {found}") from None
    if "\0" in text:
        raise RefusedError(400, f"body: should be text, found a NUL byte at {text.index(chr(0))}")
    return text


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _TwiceError(f"key `{key[:100]}` should stand once in its section")
        found[key] = value
    return found


def _constant(text: str) -> Any:
    raise ValueError(f"numbers should be finite, found {text}")


def _too_deep() -> RefusedError:
    return RefusedError(422, f"body: should be nested at most {MAX_DEPTH} deep, found more")


def _check_events(events: Iterable[Any]) -> None:
    """See to the depth before anything recursive reads the text, and to aliases, which make much out of little."""
    depth = 0
    for count, event in enumerate(events):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            line = event.start_mark.line + 1
            raise RefusedError(422, f"body, line {line}: anchors and aliases are not taken here; write the value out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _too_deep()
        if count > 3 * MAX_NODES:
            raise RefusedError(422, f"body: should have at most {MAX_NODES} entries, found more")


def _inside(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key), inner
    elif isinstance(value, list):
        for k, inner in enumerate(value):
            yield str(k), inner


def _faults(value: Any) -> Iterator[str]:
    """What is wrong with one value; a mapping answers for its keys."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                yield f"keys should be text, found {key!r:.60}; put it in quotes"
            else:
                yield from _text_faults(key)
    elif isinstance(value, bool) or value is None or isinstance(value, list):
        return
    elif isinstance(value, str):
        yield from _text_faults(value)
    elif isinstance(value, int):
        if not -MAX_INT <= value < MAX_INT:
            yield f"whole numbers should fit into 64 bits, found one of {value.bit_length()}"
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield f"numbers should be finite, found {value}"
    else:
        yield f"should be text, a number, true, false, null, a list or a section, found {type(value).__name__}"


def _text_faults(text: str) -> Iterator[str]:
    odd = next((c for c in text if is_odd(c)), None)
    if odd is not None:
        yield f"text should have no control characters and no halves of characters, found U+{ord(odd):04X}"


def is_odd(character: str) -> bool:
    """Whether a character steers terminals, headers or logs, or cannot be written as UTF-8."""
    code = ord(character)
    return code < 32 or 127 <= code < 160 or 0xD800 <= code < 0xE000 or code in (0x2028, 0x2029)
