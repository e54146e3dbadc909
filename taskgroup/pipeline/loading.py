"""Loading: the spec, the trunk and some inputs of a spec file or a job's folder."""

import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from taskgroup.core.spec import Spec
from taskgroup.errors import InputError
from taskgroup.exporters import load_spec

if TYPE_CHECKING:
    from torch import Tensor

    from taskgroup.nn.trunk import Trunk


def read_spec(place: Path) -> Spec:
    """The spec in a file, or of a job in a folder."""
    return load_spec(place / "spec.yaml" if place.is_dir() else place)


def find_trunk(place: Path | None, trunk: "Trunk | str | None") -> "Trunk | None":
    """The stages.

    Args:
        place: Spec file or job's folder, where there is one.
        trunk: A trunk, or ``module:function`` that gives one (the current folder is searched first).

    Returns:
        None for a trunk that the spec alone describes.

    Raises:
        InputError: No such function, or it gives something else.
    """
    return _trunk_of(trunk) if isinstance(trunk, str) else trunk or _own_trunk(place)


def _own_trunk(place: Path | None) -> "Trunk | None":
    """The trunk of a job whose problem is a Python function; None for others."""
    from taskgroup.pipeline.folder import Folder
    from taskgroup.pipeline.prepared import load_prepared

    description = None if place is None else place / "data" / "problem.json"
    if place is None or description is None or not description.is_file():
        return None
    is_python = bool(json.loads(description.read_text(encoding="utf-8"))["python"])
    return load_prepared(Folder(place)).trunk if is_python else None


def _trunk_of(target: str) -> "Trunk":
    """What ``module:function`` gives."""
    from taskgroup.nn.trunk import Trunk

    name, colon, attribute = target.partition(":")
    if not colon or not name or not attribute:
        raise InputError(f"trunk: should read `module:function`, found `{target}`")
    sys.path.insert(0, str(Path.cwd()))
    try:
        made = getattr(importlib.import_module(name), attribute)()
    except Exception as error:  # a user's module may raise anything
        raise InputError(f"trunk: {target} raised {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(Path.cwd()))
    if not isinstance(made, Trunk):
        raise InputError(f"trunk: {target} should return a taskgroup.Trunk, found {type(made).__name__}")
    return made


def inputs_of(spec: Spec, place: Path | None, n: int) -> "Tensor":
    """``n`` inputs: of a job its own, again and again where it has fewer; else random ones."""
    import torch

    from taskgroup.nn.build import example_rows
    from taskgroup.pipeline.prepared import read_rows

    if place is not None and (place / "data" / "val.npz").is_file():
        own = read_rows(place / "data" / "val.npz").inputs
        return own[torch.arange(n) % len(own)]
    rows = example_rows(spec, n)
    generator = torch.Generator().manual_seed(0)
    if rows.dtype == torch.int64:
        return torch.randint(0, _n_tokens(spec), rows.shape, generator=generator)
    return torch.randn(rows.shape, generator=generator)


def _n_tokens(spec: Spec) -> int:
    found = spec.trunk.options.get("n_tokens")
    return found if isinstance(found, int) and found > 0 else 2
