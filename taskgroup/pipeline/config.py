"""The config of a job: one YAML file, validated as a whole."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pydantic import Field, ValidationError

from taskgroup.core import strict_yaml
from taskgroup.core.spec import digest
from taskgroup.core.task import Sparse
from taskgroup.core.trial import TrainOptions
from taskgroup.core.validation import NAME_PATTERN, sentences
from taskgroup.errors import InputError
from taskgroup.pipeline.sections import (
    ConfirmConfig,
    ExportConfig,
    HeadsConfig,
    LimitsConfig,
    MeasureConfig,
    ProposeConfig,
    SearchConfig,
)
from taskgroup.problems.config import ProblemConfig


class Config(Sparse):
    """Everything that decides a plan.

    Attributes:
        name: Of the job and its folder.
        problem: Tasks and data; left out only where a :class:`taskgroup.Problem` is handed over in Python.
        trunk: Name and options of a built-in trunk; left out where the problem brings its own.
        heads: Size of the heads.
        train: How every network is trained.
        measure: The lookahead phase.
        propose: The groupings.
        search: The search.
        limits: Limits on cost.
        confirm: The confirmation.
        export: Formats.
        seed: Every random number follows from it.
    """

    later: ClassVar[frozenset[str]] = frozenset({"heads"})

    name: str = Field(pattern=NAME_PATTERN)
    problem: ProblemConfig | None = None
    trunk: dict[str, Any] | None = None
    heads: HeadsConfig = HeadsConfig()
    train: TrainOptions = TrainOptions()
    measure: MeasureConfig = MeasureConfig()
    propose: ProposeConfig = ProposeConfig()
    search: SearchConfig = SearchConfig()
    limits: LimitsConfig = LimitsConfig()
    confirm: ConfirmConfig = ConfirmConfig()
    export: ExportConfig = ExportConfig()
    seed: int = Field(default=0, ge=0)

    @property
    def fingerprint(self) -> str:
        """Hash of the content."""
        return digest(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Plain data, complete with defaults, but for sections of later versions that have theirs."""
        return self.model_dump(mode="json")


def parse_config(data: Any, source: str, base: Path) -> Config:
    """Config from plain data; method options and data are looked at only where something else is wrong already.

    Args:
        data: Sections by name.
        source: File or object that the data came from, for the sentences.
        base: Folder that relative paths start from.

    Raises:
        InputError: With one sentence per fault, those of methods and data among them.
    """
    if not isinstance(data, Mapping):
        raise InputError(f"{source}: a config should be a mapping of sections, found {type(data).__name__}")
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        from taskgroup.pipeline.faults import deeper_faults

        raise InputError([*sentences(error, Config, source), *deeper_faults(data, source, base)]) from None


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Config from a YAML file, with ``a.b=value`` overrides.

    Raises:
        InputError: The file is missing or not YAML, an override is malformed, or the content is wrong.
    """
    data = read_yaml(path)
    for override in overrides if isinstance(data, dict) else ():
        _override(data, override)
    return parse_config(data, str(path), path.parent)


def read_yaml(path: Path) -> Any:
    """Plain data from a YAML file.

    Raises:
        InputError: Naming the file, and the line where it stops being YAML.
    """
    try:
        return strict_yaml.read(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: should be a file, found a folder") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: should be UTF-8 text, found byte {error.object[error.start]:#x}") from None
    except strict_yaml.TwiceError as error:
        raise InputError(f"{path}, line {error.line}: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{path}{where}: should be YAML, found: {getattr(error, 'problem', error)}") from None


def _override(data: Any, text: str) -> None:
    path, equals, value = text.partition("=")
    keys = path.split(".")
    if not equals or not all(keys):
        raise InputError(f"--set should be section.key=value, found `{text}`")
    for key in keys[:-1]:
        if not isinstance(data, dict) or not isinstance(data.setdefault(key, {}), dict):
            raise InputError(f"--set {text}: `{key}` is not a section")
        data = data[key]
    try:
        data[keys[-1]] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        found = getattr(error, "problem", error)
        raise InputError(f"--set {text}: the value should be YAML, found: {found}") from None
