"""Configs from strangers: what the command line takes, less what reaches out of the server's data folder.

Nothing here loads a problem: a config may name modules and files that it has no right to.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from taskgroup.core.table import did_you_mean
from taskgroup.core.validation import sentences
from taskgroup.errors import InputError
from taskgroup.pipeline.config import Config
from taskgroup.problems.config import BundledConfig, PythonConfig, SetConfig, TableConfig
from taskgroup.service.refusal import RefusedError
from taskgroup.service.security.names import check_job_name
from taskgroup.service.security.paths import path_fault
from taskgroup.service.settings import Settings
from taskgroup.service.tables import columns_of

PATHS = frozenset({"path", "file", "folder", "directory", "url"})
"""Keys whose text names a file, in the config's own sections and in the options of methods from elsewhere."""

ATTENTIONS = ("eager", "sdpa")
"""Ways of attention that a posted model may ask for; transformers takes any other word for code to download."""


def posted_config(data: Any, settings: Settings) -> Config:
    """The config in ``data``, checked as far as it can be without loading problem or network.

    Raises:
        RefusedError: 422, with a sentence for each fault.
    """
    from taskgroup.pipeline.faults import method_faults
    from taskgroup.problems.faults import too_few_tasks
    from taskgroup.problems.load import lacks_trunk

    if not isinstance(data, Mapping):
        raise RefusedError(422, f"config: should be a mapping of sections, found {type(data).__name__}")
    faults = list(_reaching_out(data, settings))
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise RefusedError(
            422, [*sentences(error, Config, "config"), *method_faults(data, "config"), *faults]
        ) from None
    faults += [f"config: {fault}" for fault in check_job_name(config.name)]
    faults += method_faults(config.to_dict(), "config")
    if config.problem is None:
        faults.append("config: `problem` is missing; a server has none of its own")
    if config.trunk is None and isinstance(config.problem, BundledConfig | TableConfig):
        faults.append(f"config: `trunk` {lacks_trunk()}")
    if isinstance(config.problem, TableConfig):
        faults += [f"config: `problem.tasks`: {few}" for few in [too_few_tasks(config.problem.tasks)] if few]
    faults = faults or list(_table_faults(config, settings.data_root))
    if faults:
        raise RefusedError(422, faults)
    return config


def tables_of(config: Mapping[str, Any]) -> frozenset[str]:
    """Files of the data folder that a job's config names for its rows."""
    return frozenset(v for _, key, v in _leaves(config.get("problem")) if key == "path" and isinstance(v, str))


def _reaching_out(data: Mapping[str, Any], settings: Settings) -> Iterator[str]:
    """A sentence for everything in ``data`` that is not the poster's to name."""
    for place, key, value in _leaves(data):
        if key in PATHS and isinstance(value, str) and place != "trunk.path":
            fault = path_fault(value, settings.data_root)
            if fault:
                yield f"config: `{place}`: {fault}"
    yield from _trunk_faults(data.get("trunk"))
    problem = data.get("problem")
    if isinstance(problem, Mapping) and problem.get("source") == PythonConfig.model_fields["source"].default:
        module = str(problem.get("target", "")).partition(":")[0]
        if module not in settings.allow_python:
            allowed = ", ".join(settings.allow_python) or "none"
            yield (
                f"config: `problem.source`: python problems are run by this server only from modules that its operator "
                f"names with --allow-python ({allowed}), found `{module[:100]}`"
            )


def _trunk_faults(trunk: Any) -> Iterator[str]:
    """Pretrained folders and code from elsewhere."""
    if not isinstance(trunk, Mapping):
        return
    if trunk.get("path") is not None:
        yield "config: `trunk.path`: a folder of the server's is not taken over HTTP; give `model`, a configuration"
    for place, key, value in _leaves(trunk.get("model")):
        if isinstance(value, str) and (("/" in value) or ("\\" in value)):
            yield f"config: `trunk.model.{place}`: should name no file and no repository, found `{value[:100]}`"
        elif key in ("attn_implementation", "_attn_implementation") and value not in (None, *ATTENTIONS):
            yield f"config: `trunk.model.{place}`: should be one of {', '.join(ATTENTIONS)}, found `{str(value)[:100]}`"


def _leaves(data: Any, place: str = "") -> Iterator[tuple[str, str, Any]]:
    """Place, last key and value of everything in ``data`` that holds nothing itself."""
    items = data.items() if isinstance(data, Mapping) else enumerate(data) if isinstance(data, list | tuple) else ()
    for key, value in items:
        inner = f"{place}.{key}" if place else str(key)
        if isinstance(value, Mapping | list | tuple):
            yield from _leaves(value, inner)
        else:
            yield inner, str(key), value


def _table_faults(config: Config, root: Path) -> Iterator[str]:
    """Files that are not there, and columns that they do not have."""
    problem = config.problem
    if isinstance(problem, SetConfig):
        yield from _missing("problem.path", problem.path, root)
    if not isinstance(problem, TableConfig):
        return
    own = {name: task.path for name, task in problem.tasks.items() if task.path is not None}
    for name, path in own.items():
        yield from _missing(f"problem.tasks.{name}.path", path, root)
    if problem.path is None:
        return
    missing = list(_missing("problem.path", problem.path, root))
    if missing:
        yield from missing
        return
    try:
        columns = columns_of(root / problem.path)
    except InputError as error:
        yield from (f"config: `problem.path`: {fault}" for fault in error.problems)
        return
    for place, column in _wanted(problem):
        if column not in columns and not any(known.startswith(f"{column}[") for known in columns):
            hint = did_you_mean(column, tuple(columns))
            yield f"config: `{place}`: {problem.path} has no column `{column[:100]}`{hint}"


def _missing(place: str, path: str, root: Path) -> Iterator[str]:
    if not (root / path).is_file():
        yield f"config: `{place}`: there is no file `{path[:200]}` in the server's data folder; upload it first"


def _wanted(problem: TableConfig) -> Iterator[tuple[str, str]]:
    """Places in the config that name columns of the shared table."""
    named = {"task_column": problem.task_column, "label_column": problem.label_column}
    named |= {"split.column": problem.split.column, "split.time": problem.split.time}
    if problem.task_column is None:
        named |= {f"tasks.{n}.column": t.column or n for n, t in problem.tasks.items() if t.path is None}
    yield from ((f"problem.{place}", column) for place, column in named.items() if column is not None)
