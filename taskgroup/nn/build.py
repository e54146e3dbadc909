"""Build: from a spec to its network."""

from typing import cast

import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor

from taskgroup.core.spec import Spec
from taskgroup.core.validation import sentences
from taskgroup.errors import InputError
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.sites import sites_of
from taskgroup.nn.trunk import TRUNKS, Trunk


def build(spec: Spec, trunk: Trunk | None = None, *, seed: int = 0) -> SharedNetwork:
    """The network that ``spec`` describes.

    Args:
        spec: From a plan or a file.
        trunk: Stages with the names the spec has; None builds the spec's own trunk, where it is a built-in one.
        seed: Decides the initial weights.

    Raises:
        InputError: The trunk does not have the spec's stages or does not take its inputs, or cannot be made from the
            spec alone.
    """
    rows = example_rows(spec)
    if trunk is None:
        trunk = _built_in(spec, rows)
    return SharedNetwork(spec.tasks, spec.architecture, trunk, sites_of(trunk, rows), seed)


def example_rows(spec: Spec, n_rows: int = 2) -> Tensor:
    """Rows of the shape and type that the spec's trunk takes, all zero."""
    dtype = torch.int64 if spec.trunk.input_dtype == "int64" else torch.float32
    return torch.zeros(n_rows, *spec.trunk.input_shape, dtype=dtype)


def _built_in(spec: Spec, rows: Tensor) -> Trunk:
    name = spec.trunk.name
    if name not in TRUNKS.names:
        raise InputError(
            f"build: the trunk `{name}` is not a built-in one; pass it as `trunk` (--trunk module:function)"
        )
    try:
        method = TRUNKS.create(name, spec.trunk.options)
    except ValidationError as error:
        raise InputError(sentences(error, cast("type[BaseModel]", TRUNKS[name]), "build: trunk")) from error
    return cast("Trunk", method.build(rows))
