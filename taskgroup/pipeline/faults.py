"""Faults in a config that its own model leaves open: names and options of methods, and the data themselves."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from taskgroup.adapters import ADAPTERS
from taskgroup.core.table import Table, did_you_mean
from taskgroup.core.validation import sentences
from taskgroup.errors import InputError
from taskgroup.groupers import GROUPERS
from taskgroup.measures import MEASURES
from taskgroup.nn.trunk import TRUNKS
from taskgroup.pipeline.exporting import formats, unknown_format
from taskgroup.problems.config import ProblemConfig
from taskgroup.problems.load import load_problem
from taskgroup.search.samplers import SAMPLERS
from taskgroup.training.weighting import weighting_fault


def deeper_faults(data: Mapping[str, Any], source: str, base: Path) -> list[str]:
    """Every fault below the surface of ``data``, a config that is wrong on the surface too."""
    faults = method_faults(data, source)
    try:
        problem: Any = TypeAdapter(ProblemConfig).validate_python(data.get("problem"))
    except ValidationError:
        return faults  # told already
    trunk = data.get("trunk")
    told = trunk is not None and not isinstance(trunk, Mapping)
    try:
        load_problem(problem, None if told else trunk, base)
    except InputError as error:
        faults += untold(error, [*faults, *(["`trunk"] if told else [])])
    return faults


def untold(error: InputError, faults: Sequence[str]) -> list[str]:
    """What loading the problem found, less what the table of trunks has said of the trunk already."""
    told = any("`trunk" in fault for fault in faults)
    return [sentence for sentence in error.problems if not (told and sentence.startswith("trunk"))]


def method_faults(data: Mapping[str, Any], source: str) -> list[str]:
    """Faults in what the tables of methods decide, one sentence each."""
    faults = []
    for path, table, key, options in _methods(data):
        faults += _option_faults(f"{source}: `{path}", table, key, options)
    return faults + [f"{source}: `{path}`: {unknown}" for path, unknown in _unknown_names(data)]


def _methods(data: Mapping[str, Any]) -> Iterator[tuple[str, Table[Any], str, Any]]:
    """Path, table, the key that names the method, and the section with its options."""
    if data.get("trunk") is not None:
        yield "trunk", TRUNKS, "name", data["trunk"]
    if (affinity := _at(data, "measure", "affinity")) is not None:
        yield "measure.affinity", MEASURES, "method", affinity
    groupers = _at(data, "propose", "groupers")
    for k, grouper in enumerate(groupers if isinstance(groupers, list | tuple) else []):
        yield f"propose.groupers.{k}", GROUPERS, "method", grouper


def _unknown_names(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Path, and what is wrong with the name that stands there."""
    kinds = _at(data, "search", "adapters", "kind")
    for kind in [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list | tuple) else []:
        if str(kind) not in ADAPTERS.names:
            yield "search.adapters.kind", ADAPTERS.unknown(str(kind))
    weightings = _at(data, "search", "weightings")
    for place, names in (("train.weighting", [_at(data, "train", "weighting")]), ("search.weightings", weightings)):
        for name in names if isinstance(names, list | tuple) else []:
            if name is not None and (fault := weighting_fault(str(name))):
                yield place, fault
    sampler = _at(data, "search", "sampler")
    if sampler is not None and str(sampler) not in SAMPLERS:
        hint = did_you_mean(str(sampler), tuple(SAMPLERS))
        yield "search.sampler", f"sampler should be one of {', '.join(SAMPLERS)}, found `{sampler}`{hint}"
    names = _at(data, "export", "formats")
    for name in names if isinstance(names, list | tuple) else []:
        if str(name) not in formats():
            yield "export.formats", unknown_format(str(name))


def _option_faults(place: str, table: Table[Any], key: str, options: Any) -> list[str]:
    if not isinstance(options, Mapping):
        return []  # the config's own model says so
    if not isinstance(options.get(key), str):
        return [f"{place}` should be a mapping with `{key}`, one of {', '.join(table.names)}"]
    if options[key] not in table.names:
        return [f"{place}.{key}`: {table.unknown(options[key])}"]
    try:
        table.create(options[key], options)
    except ValidationError as error:
        return sentences(error, table[options[key]], f"{place}`")
    return []


def _at(data: Any, *path: str) -> Any:
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data
