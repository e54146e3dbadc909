"""Which measures a comparison is to have: names and options as the user writes them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from taskgroup.core.spec import digest
from taskgroup.core.validation import sentences
from taskgroup.errors import InputError
from taskgroup.measures import MEASURES, Measure, Sight

_ENTRY = re.compile(r"\s*(?P<method>[^(),\s]+)\s*(?:\((?P<options>.*)\))?\s*", re.DOTALL)


@dataclass(frozen=True)
class Known:
    """What there is to say of a measure without loading it, as plain data.

    Attributes:
        name: Method with the options that were named: ``cka(kernel=rbf)``.
        options: All its options.
        family: The package that it lies in.
        sees: See :data:`taskgroup.measures.Sight`.
        symmetric: Whether ``[i, j]`` equals ``[j, i]``.
        meaning: What a value says.
    """

    name: str
    options: dict[str, Any]
    family: str
    sees: str
    symmetric: bool
    meaning: str

    @property
    def file(self) -> str:
        """Name of its files: the readable part of ``name``, with a hash where that leaves something out."""
        readable = re.sub(r"[^A-Za-z0-9._=-]+", "_", self.name).strip("_.")[:60]
        return readable if readable == self.name else f"{readable}-{digest([self.name, self.options], 6)}"


@dataclass(frozen=True)
class Wanted(Known):
    """One measure that was asked for.

    Attributes:
        measure: The method, ready to look.
    """

    measure: Measure

    @property
    def known(self) -> Known:
        """The plain data alone."""
        return Known(**{field.name: getattr(self, field.name) for field in fields(Known)})


def parse_measures(text: str) -> list[dict[str, Any]]:
    """Options of measures from ``cka,lookahead(step_size=lr),probe``; see :func:`parse_methods`."""
    return parse_methods(text, "measures")


def parse_methods(text: str, what: str) -> list[dict[str, Any]]:
    """Options of methods from ``NAME,NAME(option=value, …)``.

    Args:
        text: As the user writes it.
        what: What they are, for the sentences.

    Raises:
        InputError: With a sentence for each entry that is not ``NAME`` or ``NAME(option=value, …)``.
    """
    found, faults = [], []
    for entry in _split(text):
        match = _ENTRY.fullmatch(entry)
        options = None if match is None else _options(match["options"])
        if match is None or options is None:
            faults.append(
                f"{what} should be NAME or NAME(option=value, …), separated by commas; found `{entry.strip()}`"
            )
        else:
            found.append({"method": match["method"], **options})
    if faults:
        raise InputError(faults)
    return found


def _split(text: str) -> Iterator[str]:
    """Parts between the commas that stand in no bracket and no quotes."""
    depth, part, quote = 0, "", ""
    for sign in text:
        if sign in "'\"" and quote in ("", sign):
            quote = "" if quote else sign
        depth += ((sign in "([{") - (sign in ")]}")) if not quote else 0
        if sign == "," and depth == 0 and not quote:
            yield part
            part = ""
        else:
            part += sign
    yield part


def _options(text: str | None) -> dict[str, Any] | None:
    """``a=1, b=[x, y]`` as a mapping; None where it is not that."""
    options: dict[str, Any] = {}
    for part in _split(text) if text and text.strip() else ():
        key, equals, value = part.partition("=")
        if not equals or not key.strip().isidentifier():
            return None
        try:
            options[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            return None
    return options


def wanted_measures(measures: Sequence[Mapping[str, Any]], configured: Mapping[str, Any]) -> list[Wanted]:
    """Measures ready to look; one named without options takes those of the config where that has the same method.

    Args:
        measures: ``method`` and options of each.
        configured: The config's ``measure.affinity``.

    Raises:
        InputError: With a sentence for each unknown method, wrong option or repetition; or none is asked for.
    """
    if not measures:
        raise InputError(f"measures: name at least one of {', '.join(MEASURES.names)}")
    faults: list[str] = []
    found: dict[str, Wanted] = {}
    for options in measures:
        name = name_of(options)
        if name in found:
            faults.append(f"measures: each should be named once, found `{name}` twice")
        elif options.get("method") not in MEASURES.names:
            faults.append(f"measures: {MEASURES.unknown(str(options.get('method')))}")
        else:
            method = str(options["method"])
            same = len(options) == 1 and configured.get("method") == method
            made = _made(name, method, configured if same else options, faults)
            found.update({} if made is None else {name: made})
    if faults:
        raise InputError(faults)
    return list(found.values())


def name_of(options: Mapping[str, Any]) -> str:
    """``cka(kernel=rbf)`` for ``{"method": "cka", "kernel": "rbf"}``: whoever asks for the same has the same name."""
    given = ", ".join(f"{key}={_short(value)}" for key, value in options.items() if key != "method")
    return f"{options.get('method')}({given})" if given else str(options.get("method"))


def _short(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n").strip()


def _made(name: str, method: str, options: Mapping[str, Any], faults: list[str]) -> Wanted | None:
    try:
        measure: Any = MEASURES.create(method, options)
    except ValidationError as error:
        model: Any = MEASURES[method]
        faults += sentences(error, model, f"measure {name}")
        return None
    if measure.sees not in get_args(Sight):
        faults.append(f"measure {name}: `sees` should be one of {', '.join(get_args(Sight))}, found `{measure.sees}`")
        return None
    about = {key: getattr(measure, key) for key in ("sees", "symmetric", "meaning")}
    return Wanted(name, measure.model_dump(mode="json"), _family(measure), **about, measure=measure)


def _family(measure: Measure) -> str:
    parts = type(measure).__module__.split(".")
    return parts[2] if parts[:2] == ["taskgroup", "measures"] and len(parts) > 3 else parts[0]
