"""Running written code: what it defines, with which weights, and whether it gives what it should."""

from functools import reduce
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from taskgroup.nn.flow import Flow

_PRELUDE = (
    "import math\nfrom collections import OrderedDict\nfrom pathlib import Path\nimport torch\n"
    "from safetensors.torch import load_file\nfrom torch import nn\nfrom torch.nn import functional as F"
)


def run_code(code: str, file: Path | None = None) -> dict[str, Any]:
    """What ``code`` defines, with the imports that every written file has."""
    namespace: dict[str, Any] = {"__name__": "exported", "__file__": str(file)}
    exec(compile(f"{_PRELUDE}\n{code}", str(file or "<exported>"), "exec"), namespace)
    return namespace


def tensor_at(module: nn.Module, path: str) -> Tensor:
    """The parameter or buffer at ``path``."""
    found: Any = reduce(getattr, path.split("."), module)
    assert isinstance(found, Tensor)
    return found


def gives(code: str, expression: str, module: nn.Module, rows: Flow, expected: Flow) -> bool:
    """Whether what ``expression`` makes, with the weights of ``module``, gives ``expected`` for ``rows``."""
    made = run_code(f"{code}\n\nmade = {expression}")["made"].eval()
    made.load_state_dict({name: tensor_at(module, name) for name in made.state_dict()})
    try:
        found = made(rows)
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError):
        return False
    return same_flow(found, expected)


def same_flow(found: Any, expected: Flow) -> bool:
    """Whether two flows are alike."""
    if isinstance(expected, Tensor):
        return isinstance(found, Tensor) and difference(found, expected) == 0
    return (
        isinstance(found, tuple)
        and len(found) == len(expected)
        and all(same_flow(a, b) for a, b in zip(found, expected, strict=True))
    )


def difference(found: Tensor, expected: Tensor) -> float:
    """Greatest difference; 0 where it is within the rounding of batches of another size."""
    if found.shape != expected.shape:
        return float("inf")
    near = 1e-6 * max(1.0, float(expected.abs().max())) if expected.numel() else 0.0
    if torch.allclose(found, expected, rtol=1e-5, atol=near, equal_nan=True):
        return 0.0
    return float((found.double() - expected.double()).abs().max())
