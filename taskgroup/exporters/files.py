"""Spec files on disk: the suffix decides between YAML and JSON."""

import json
from pathlib import Path
from typing import Any

import yaml

from taskgroup.core import strict_yaml
from taskgroup.core.spec import Spec
from taskgroup.errors import InputError
from taskgroup.exporters.exporter import Exporter
from taskgroup.exporters.spec_json import Json
from taskgroup.exporters.spec_yaml import Yaml

_FORMATS: dict[str, Exporter] = {".json": Json(), ".yaml": Yaml(), ".yml": Yaml()}


def load_spec(path: str | Path) -> Spec:
    """Read a spec file; loads no torch.

    Args:
        path: A ``.yaml``, ``.yml`` or ``.json`` file.

    Raises:
        InputError: If the file is missing or broken (with its line), of another schema number, or its content is
            not a valid spec (one sentence per fault).
    """
    path = Path(path)
    if path.is_dir():
        inside = path / "spec.yaml"
        hint = f", did you mean `{inside}`?" if inside.is_file() else ""
        raise InputError(f"{path}: should be a spec file, found a folder{hint}")
    _format_of(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: a spec should be UTF-8 text, found byte {error.object[error.start]:#04x}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    return Spec.from_dict(_parse(text, path), str(path))


def save_spec(spec: Spec, path: str | Path) -> None:
    """Write a spec file in the format that the suffix names; ``load_spec`` gives back an equal spec.

    Raises:
        InputError: If the suffix is none of ``.yaml``, ``.yml`` and ``.json``.
    """
    path = Path(path)
    path.write_text(_format_of(path).export(spec), encoding="utf-8", newline="\n")


def _format_of(path: Path) -> Exporter:
    if path.suffix not in _FORMATS:
        raise InputError(f"{path}: a spec file should end in {', '.join(_FORMATS)}, found `{path.suffix}`")
    return _FORMATS[path.suffix]


def _parse(text: str, path: Path) -> Any:
    if path.suffix == ".json":
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}, line {error.lineno}: not valid JSON: {error.msg}") from error
    try:
        return strict_yaml.read(text)
    except strict_yaml.TwiceError as error:
        raise InputError(f"{path}, line {error.line}: {error}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{path}{where}: not valid YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:  # a character that YAML forbids: it knows a position, not a line
        line = text.count("\n", 0, int(error.position)) + 1
        raise InputError(f"{path}, line {line}: not valid YAML: {error.reason}") from error
